"""Common code of all stages: run a stage, check its parameters and inputs, read and write files."""

"""Common code of all stages: how a stage is run and checked, what it may read, how files are written."""

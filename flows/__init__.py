"""The commands that run the pipeline of dvc.yaml, with or without Prefect: `python -m flows --help`."""

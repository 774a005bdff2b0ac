"""The chain: dvc.yaml's graph run in one process or several, alone or as a Prefect flow: `python -m flows --help`."""

"""Data sources: one module per kind of raw data; tasks/frame/datasets.py lists the data sets."""

"""Data sources: one module per kind of raw data; table.py lists the data sets."""

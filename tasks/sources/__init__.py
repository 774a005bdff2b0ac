"""Other sources of raw data than the files in data/raw."""

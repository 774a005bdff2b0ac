"""Where raw data come from beside the files in data/raw."""

"""What every stage stands on: how it is run, checked and shown, what it may read, and where its results lie."""

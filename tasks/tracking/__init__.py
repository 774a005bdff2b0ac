"""The stages' files in MLflow, and curves while a stage trains. Nothing here changes a result."""

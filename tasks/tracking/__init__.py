"""Logging of the stages' files to MLflow. Nothing here changes a result."""

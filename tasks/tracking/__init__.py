"""The stages' files as runs in MLflow. Nothing here changes a result."""

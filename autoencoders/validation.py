"""Metrics of validation rows, computed by TensorFlow during training."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import tensorflow as tf

Metric = Callable[[Any, Any], Any]


def rounded_accuracy(y_true: Any, y_pred: Any) -> Any:
    """Return the share of values whose rounded target and prediction are equal (book, S3): a scalar in [0, 1]."""
    return tf.reduce_mean(tf.cast(tf.equal(tf.round(y_true), tf.round(y_pred)), tf.float32))


def accuracy(labels: Any, probabilities: Any) -> Any:
    """Return the share of rows (n, classes) whose most probable class is the label (n,): a scalar in [0, 1]."""
    guess = tf.argmax(probabilities, axis=-1, output_type=labels.dtype)
    return tf.reduce_mean(tf.cast(tf.equal(guess, labels), tf.float32))


def mean_squared_error(y_true: Any, y_pred: Any) -> Any:
    """Return the mean squared difference: a scalar >= 0."""
    return tf.reduce_mean(tf.square(y_true - y_pred))


METRICS: Mapping[str, Metric] = {
    "accuracy": accuracy,
    "mse": mean_squared_error,
    "rounded_accuracy": rounded_accuracy,
}

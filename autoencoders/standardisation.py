"""The affine map of a network's inputs: mean 0 and deviation 1, without a layer and without weights.

Inputs from 0 to 1 have a mean far from zero, which slows gradient descent (LeCun, Bottou, Orr & Müller, Efficient
BackProp, 1998, section 4.3). The map belongs to an autoencoder's configuration; its targets keep their own scale.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

LIMIT = 5.0  # deviations, of a table's columns: outliers would dominate
AT_A_TIME = 5000  # rows


@dataclass(frozen=True)
class Standardisation:
    """The map x -> (x - mean) / sd, clipped.

    Attributes:
        mean, sd: One number for all columns, or one per column; sd > 0.
        limit: Largest absolute value after the map; None for no limit.

    Example:
        >>> Standardisation((2.0,), (0.5,))(np.array([[1.0, 2.0, 3.0]], "float32"))
        array([[-2.,  0.,  2.]], dtype=float32)
    """

    mean: tuple[float, ...]
    sd: tuple[float, ...]
    limit: float | None = None

    @classmethod
    def of_images(cls, x: np.ndarray, scale: float = 1.0) -> Standardisation:
        """Return the map by one mean and one deviation of all pixels of x, (n, d), divided by `scale`."""
        means, variances = _moments(x, scale)  # columns have as many pixels as each other
        return cls((float(means.mean()),), (_positive(np.sqrt(variances.mean() + means.var())),))

    @classmethod
    def of_columns(cls, x: np.ndarray, scale: float = 1.0) -> Standardisation:
        """Return the map by each column's mean and deviation in x, (n, d), divided by `scale`; clipped to LIMIT."""
        mean, variance = _moments(x, scale)
        return cls(tuple(mean.tolist()), tuple(_positive(sd) for sd in np.sqrt(variance)), LIMIT)

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Standardisation:
        """Return the map with the keys of `config`."""
        return cls(tuple(config["mean"]), tuple(config["sd"]), config["limit"])

    @property
    def config(self) -> dict[str, Any]:
        """Return the constants for JSON."""
        return {"mean": [*self.mean], "sd": [*self.sd], "limit": self.limit}

    def __call__(self, x: Any) -> Any:
        """Return rows x, a float32 array or tensor (n, d), mapped; the same array for both, up to rounding."""
        factor = np.float32(1) / np.asarray(self.sd, np.float32)  # a product: XLA may turn a quotient into one
        mapped = (x - np.asarray(self.mean, np.float32)) * factor
        if self.limit is None:
            return mapped
        if isinstance(x, np.ndarray):
            return np.clip(mapped, -np.float32(self.limit), np.float32(self.limit))
        import keras  # takes seconds, which callers with arrays save

        return keras.ops.clip(mapped, -self.limit, self.limit)


def _moments(x: np.ndarray, scale: float) -> tuple[np.ndarray, np.ndarray]:
    """Return the mean and the variance of each column, float64 (d,), reading some rows at a time."""
    parts = [slice(start, start + AT_A_TIME) for start in range(0, len(x), AT_A_TIME)]
    mean = sum(x[part].sum(axis=0, dtype=np.float64) for part in parts) / len(x)
    variance = sum(((x[part] - mean) ** 2).sum(axis=0) for part in parts) / len(x)
    return np.asarray(mean) / scale, np.asarray(variance) / scale**2


def _positive(sd: float) -> float:
    """Return a deviation; 1 for a constant column."""
    return float(sd) if sd > 1e-6 else 1.0

"""Laws of learning curves: how fast an accuracy goes to its limit, by shape, and a grid of their shapes.

A law is a decay g that falls with the labels n, of a scale k and an exponent c: accuracy(n) = a - b g(n; k, c).

Reference:
    Viering and Loog, The Shape of Learning Curves: a Review, IEEE TPAMI 45 (2023), which lists them; Mohr et al., LCDB
    1.0: An Extensive Learning Curves Database for Classification Tasks, ECML PKDD 2022, where pow4, mmf4 and wbl4
    extrapolate best.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

N_SCALES, N_EXPONENTS = 64, 48  # of a law's grid; with fewer, precise means lie between its shapes


def power(n: np.ndarray, k: np.ndarray, c: np.ndarray) -> np.ndarray:
    """Return the decay of the power law with a limit (pow3); it has no scale k.

    accuracy(n) = a - b n^-c

    Reference: Cortes et al., Learning Curves: Asymptotic Values and Rate of Convergence, NIPS 1993.
    """
    return n**-c


def shifted_power(n: np.ndarray, k: np.ndarray, c: np.ndarray) -> np.ndarray:
    """Return the decay of the shifted power law (pow4).

    accuracy(n) = a - b (1 + n / k)^-c

    Reference: Mohr et al. (2022).
    """
    return (1 + n / k) ** -c


def log_logistic(n: np.ndarray, k: np.ndarray, c: np.ndarray) -> np.ndarray:
    """Return the decay of the log-logistic law, also Morgan, Mercer and Flodin's (mmf4).

    accuracy(n) = a - b / (1 + (n / k)^c)

    Reference: Morgan, Mercer and Flodin, General Model for Nutritional Responses, PNAS 72 (1975).
    """
    return 1 / (1 + (n / k) ** c)


def weibull(n: np.ndarray, k: np.ndarray, c: np.ndarray) -> np.ndarray:
    """Return the decay of Weibull's law, an exponential in a power, also Janoschek's (wbl4).

    accuracy(n) = a - b exp(-(n / k)^c)

    Reference: Viering and Loog (2023).
    """
    return np.exp(-((n / k) ** c))


def bent_logarithm(n: np.ndarray, k: np.ndarray, c: np.ndarray) -> np.ndarray:
    """Return the decay of a logarithm whose slope is c times as steep from k on, and the plain logarithm with c = 1.

    accuracy(n) = a + b (log min(n, k) + c log max(n / k, 1)), at most 1

    Reference: Caballero et al., Broken Neural Scaling Laws, ICLR 2023; here with a sharp break.
    """
    return -np.log(np.minimum(n, k)) - c * np.log(np.maximum(n / k, 1))


Law = Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]
LAWS: tuple[tuple[Law, tuple[float, float]], ...] = (  # with the ends of the exponent c
    (power, (0.02, 3.0)), (shifted_power, (0.05, 3.0)), (log_logistic, (0.2, 2.5)), (weibull, (0.1, 1.5)),
    (bent_logarithm, (0.1, 3.0)),
)  # fmt: skip


def share_left(law: Law, n: np.ndarray, budgets: np.ndarray, k: np.ndarray, c: np.ndarray) -> np.ndarray:
    """Return h, (p, shapes), with n (p,) labels: 1 with the smallest budget, 0 with the largest."""
    first, last = (law(budgets[i], k, c) for i in (0, -1))
    return (law(n[:, None], k, c) - last) / (first - last)


def shapes(n: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return a grid for budgets (m,): the law's number, k, c and prior weight of each shape; laws weigh the same."""
    found = []
    for number, (law, ends) in enumerate(LAWS):
        # After the last budget but one no bend can be seen. Beyond the largest no half of a rise is expected.
        first, last = (n[0], n[-2]) if law is bent_logarithm else (n[0] / 10, n[-1])
        scales = np.ones(1) if law is power else np.geomspace(first, last, N_SCALES)
        k, c = (grid.ravel() for grid in np.meshgrid(scales, np.geomspace(*ends, N_EXPONENTS)))
        found.append((np.full(k.size, number), k, c, np.full(k.size, 1 / k.size)))
    law_of, k, c, prior = (np.concatenate(parts) for parts in zip(*found, strict=True))
    return law_of, k, c, prior

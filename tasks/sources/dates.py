"""Dates and times written as text: one pattern for a whole column, and none that can be read in two ways."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
import pandas as pd

from autoencoders.errors import InputError

ISO = "ISO8601"
TWO_WAYS = (("%d/%m/%Y", "%m/%d/%Y"), ("%d-%m-%Y", "%m-%d-%Y"), ("%d/%m/%y", "%m/%d/%y"), ("%d-%m-%y", "%m-%d-%y"))
NAMED = ("%d %b %Y", "%d-%b-%Y", "%d-%b-%y", "%b %d, %Y", "%d %B %Y", "%B %d, %Y")
DAYS = ("", "%Y/%m/%d", "%d.%m.%Y", "%d.%m.%y", *(way for ways in TWO_WAYS for way in ways), *NAMED)
TIMES = ("", " %H:%M", " %H:%M:%S", " %H:%M:%S.%f", " %I:%M %p", " %I:%M:%S %p")
PATTERNS = [f"{day}{time}".strip() for day in DAYS for time in TIMES if day or time]
LOOK = re.compile(r"(\d{1,4}|[A-Za-z]{3,9} \d{1,2})([-./: ]|, )(\d{1,4}|[A-Za-z]{3,9})([-./: T].*)?")
TRIED = 20  # words that tell which patterns are possible


def pattern(words: Sequence[str], name: str, least: float) -> str | None:
    """Return the pattern of distinct words that are dates, or None if fewer than a share of them, `least`, are any.

    Raises: InputError if day and month could change places in every one of them.
    """
    looking = [word for word in words if LOOK.fullmatch(word)]
    if not looking or len(looking) < least * len(words):
        return None
    possible = [ISO] if re.match(r"\d{4}-", looking[0]) else [p for p in PATTERNS if _share(looking[:TRIED], p)]
    shares = {p: _share(words, p) for p in possible}
    best = max(shares, key=lambda p: shares[p], default=None)
    if best is None or shares[best] < least:
        return None
    for first, second in TWO_WAYS:
        other = best.replace(first, second)
        if other != best and shares.get(other) == shares[best] and not parsed(words, best).equals(parsed(words, other)):
            example = next(word for word in words if not parsed([word], best).equals(parsed([word], other)))
            raise InputError(
                f"column {name!r}: {example!r} may have the day or the month in front, and no other cell tells: write"
                " dates as 2024-01-31, or leave the column out with fetch.ignore"
            )
    return best


def parsed(words: Sequence[str], pattern: str) -> pd.DatetimeIndex:
    """Return words as times in UTC without a zone, NaT for those not of the pattern; a time alone is of 1900."""
    found = pd.to_datetime(pd.Series(words, dtype=object), format=pattern, errors="coerce", utc=True)
    return pd.DatetimeIndex(found).tz_localize(None).as_unit("us")


def _share(words: Sequence[str], pattern: str) -> float:
    return float(np.mean(parsed(words, pattern).notna()))

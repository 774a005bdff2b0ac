"""The columns of a table as float32 columns in [0, 1], fitted on training rows: numbers, truth values, words, dates.

A column's kind is its type: numbers int64 or float64, truth values `boolean`, dates datetime64 (UTC), words `str` or
object. A missing value may stand in each.
"""

from __future__ import annotations

from itertools import groupby, pairwise
from typing import Any

import numpy as np
import pandas as pd
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder

from autoencoders.rows import scaled

KINDS = ("number", "boolean", "category", "date")
MOST_CATEGORIES = 100  # of a column; the rarest beyond them are joined in the last
RARE = " rare"  # a category in the encoder: with a blank in front, it is no word of a table
QUANTILES = (0.005, 0.995)
CRUSHED = 0.1  # share of the range from least to greatest below which the quantiles are taken instead
FEW = 8  # rows that tell nothing about outliers
AT_A_TIME = 65_536  # rows
DAY = np.timedelta64(1, "D")
THURSDAY = 3  # 1 January 1970


def kind(column: pd.Series) -> str:
    """Return the kind of a column by its type: number, boolean, category or date."""
    types = pd.api.types
    if types.is_bool_dtype(column):
        return "boolean"
    if types.is_datetime64_any_dtype(column):
        return "date"
    return "number" if types.is_numeric_dtype(column) else "category"


def fit(train: pd.DataFrame) -> ColumnTransformer:
    """Fit the columns on training rows.

    A number is scaled from least to greatest, or, where outliers would crush the column, between two quantiles, and
    clipped. Its missing values become the median, and a column says where, if training rows miss some. Words become one
    column per category, the empty word among them where values are missing. A date becomes days, and where they vary,
    its weekday and its hour, each as a point on a circle.

    Args:
        train: Training rows, (n, c) of the types above, n >= 1, numbers finite.

    Returns: A transformer of such tables; `transform` applies it, and `describe` says what it does.
    """
    steps: list[tuple[str, Pipeline, list[str]]] = []
    for _, group in groupby(train.columns, key=lambda name: _alike(train[str(name)])):
        names = [*group]
        steps.append((str(len(steps)), _steps(train[names]), names))
    with np.errstate(over="ignore"):  # of the median of two numbers near the greatest
        return ColumnTransformer(steps, sparse_threshold=0, verbose_feature_names_out=False).fit(train)


def transform(fitted: ColumnTransformer, table: pd.DataFrame) -> np.ndarray:
    """Return a table's columns, float32 (n, d) in [0, 1]: numbers beyond the training rows' range are clipped."""
    x = np.zeros((len(table), _width(fitted)), np.float32)
    for start in range(0, len(table), AT_A_TIME):
        x[start : start + AT_A_TIME] = fitted.transform(table.iloc[start : start + AT_A_TIME])
    return x


def describe(fitted: ColumnTransformer, train: pd.DataFrame, x: np.ndarray) -> dict[str, Any]:
    """Return the schema of fitted columns.

    Args:
        fitted: What `fit` returned.
        train: The training rows.
        x: The same, transformed: float32 (n, d).

    Returns: `columns`: for each its name, kind, first and past-the-last output column (start, stop), its scaling
        (least to greatest, quantiles or null) from low to high (a date's in days since 1970), its number of missing
        training rows, its categories by output column ("" is a missing value) and how many rare ones are joined in the
        last. `blocks`: runs of output columns, `squares` with their variances, and one `categories` for each column of
        words.
    """
    columns = []
    for step, pipeline, names in fitted.transformers_:
        place = fitted.output_indices_[step]
        stop = place.start
        for name in names:
            missing = int(train[name].isna().sum())
            start, stop = stop, place.stop if len(names) == 1 else stop + 1 + (missing > 0)
            found = {"name": name, "kind": kind(train[name]), "start": start, "stop": stop, "missing": missing}
            columns.append(found | _scaling(pipeline, train[name], start - place.start))
    return {"columns": columns, "blocks": _blocks(columns, x)}


def categories(table: pd.DataFrame) -> dict[str, set[str]]:
    """Return the different words of each column of words, the empty word for a missing one among them."""
    return {
        str(name): {*words(table[[name]].drop_duplicates())[:, 0]} for name in table if kind(table[name]) == "category"
    }


def numbers(table: pd.DataFrame) -> np.ndarray:
    """Return columns of numbers or truth values as float64 (n, c), a missing one as NaN."""
    return table.to_numpy(dtype=np.float64, na_value=np.nan)


def words(table: pd.DataFrame, *, kept: list[str] | None = None) -> np.ndarray:
    """Return columns of words as object (n, c), a missing one as the empty word, one that is not kept as RARE."""
    found = table.astype(object).where(table.notna(), "")
    return (found if kept is None else found.where(found.isin(kept), RARE)).to_numpy(dtype=object)


def days(table: pd.DataFrame) -> np.ndarray:
    """Return columns of dates as days since 1970, float64 (n, c), a missing one as NaN."""
    return np.column_stack([_days(table[name]) for name in table])


def arranged(x: np.ndarray, *, order: list[int]) -> np.ndarray:
    """Return the columns of x (n, c) in another order."""
    return x[:, order]


def cycles(x: np.ndarray, *, low: list[float], high: list[float], weekday: bool, hour: bool) -> np.ndarray:
    """Scale days (n, 1 or 2) as `rows.scaled` does, and add the weekday and the hour as points on a circle, float32."""
    day = np.floor(x[:, 0])
    turns = [(day + THURSDAY) / 7] * weekday + [x[:, 0] - day] * hour
    circles = [(1 + turn(2 * np.pi * part)) / 2 for part in turns for turn in (np.sin, np.cos)]
    return np.column_stack([scaled(x, low=low, high=high), *circles]).astype(np.float32)


def _days(column: pd.Series) -> np.ndarray:
    return ((column.to_numpy() - np.datetime64(0, "us")) / DAY).astype(np.float64)


def _alike(column: pd.Series) -> tuple[str, str]:
    """Return a key that neighbours share if one transformer does for them: numbers, and truth values."""
    return kind(column), "" if kind(column) in ("number", "boolean") else str(column.name)


def _steps(train: pd.DataFrame) -> Pipeline:
    """Return the transformer, not fitted, for columns of training rows that are alike."""
    name = train.columns[0]
    if (what := kind(train[name])) == "category":
        counts = pd.Series(words(train)[:, 0]).value_counts().sort_index().sort_values(ascending=False, kind="stable")
        # Joined here and not by the encoder, which would keep every rare one by name.
        kept = sorted(counts.index[: MOST_CATEGORIES - 1]) if len(counts) > MOST_CATEGORIES else None
        names = sorted(counts.index) if kept is None else [*kept, RARE]
        encoder = OneHotEncoder(
            categories=[np.array(names, object)], handle_unknown="ignore", sparse_output=False, dtype=np.float32
        )
        return make_pipeline(FunctionTransformer(words, kw_args={"kept": kept}), encoder)
    x = days(train) if what == "date" else numbers(train)
    missing = np.isnan(x).any(axis=0)
    order: list[int] = []  # a column that says where values are missing comes behind its own, not behind all
    ends: list[tuple[float, float]] = []
    for k, column in enumerate(x.T):
        order += [k, x.shape[1] + int(missing[:k].sum())] if missing[k] else [k]
        ends += [(0.0, 1.0) if what == "boolean" else _ends(column)[:2], *[(0.0, 1.0)] * int(missing[k])]
    limits: dict[str, Any] = {"low": [low for low, _ in ends], "high": [high for _, high in ends]}
    strategy = "most_frequent" if what == "boolean" else "median"
    imputer = SimpleImputer(strategy=strategy, add_indicator=True, keep_empty_features=True)
    if what != "date":
        arrange = FunctionTransformer(arranged, kw_args={"order": order})
        return make_pipeline(
            FunctionTransformer(numbers), imputer, arrange, FunctionTransformer(scaled, kw_args=limits)
        )
    there = x[~np.isnan(x)]
    limits |= {
        "weekday": len(np.unique(np.floor(there) % 7)) > 1,
        "hour": len(np.unique(there - np.floor(there))) > 1,
    }
    return make_pipeline(FunctionTransformer(days), imputer, FunctionTransformer(cycles, kw_args=limits))


def _ends(x: np.ndarray) -> tuple[float, float, str]:
    """Return the ends of the scale of numbers (n,), and what they are."""
    x = x[~np.isnan(x)]
    if not len(x):
        return 0.0, 0.0, "least to greatest"
    low, high = float(x.min()), float(x.max())
    # Inwards to values that occur: between them, one outlier in a hundred rows would still move the end.
    inner_low = float(np.quantile(x, QUANTILES[0], method="higher"))
    inner_high = float(np.quantile(x, QUANTILES[1], method="lower"))
    inner, whole = inner_high / 2 - inner_low / 2, high / 2 - low / 2  # halves, since a range may overflow
    if len(x) > FEW and 0 < inner < CRUSHED * whole:
        return inner_low, inner_high, "quantiles"
    return low, high, "least to greatest"


def _scaling(pipeline: Pipeline, train: pd.Series, k: int) -> dict[str, Any]:
    """Return the part of the schema that says how a column is scaled, the k-th of what its transformer returns."""
    what = kind(train)
    if what == "category":
        names = pipeline[-1].categories_[0].tolist()
        told = ["rare" if name == RARE else name for name in names]
        joined = 0 if pipeline[0].kw_args["kept"] is None else len({*words(train.to_frame())[:, 0]} - {*names})
        return {"scaling": None, "low": None, "high": None, "categories": told, "joined": joined}
    limits = pipeline[-1].kw_args
    values = days(train.to_frame()) if what == "date" else numbers(train.to_frame())
    scaling = None if what == "boolean" else _ends(values[:, 0])[2]
    return {"scaling": scaling, "low": limits["low"][k], "high": limits["high"][k], "categories": None, "joined": 0}


def _blocks(columns: list[dict[str, Any]], x: np.ndarray) -> list[dict[str, Any]]:
    """Return runs of output columns: numbers beside each other together, each column of words alone."""
    variance = x.var(axis=0, dtype=np.float64).tolist()
    starts = [
        column["start"]
        for before, column in zip([None, *columns], columns, strict=False)
        if before is None or "category" in (before["kind"], column["kind"])
    ]
    words_at = {column["start"] for column in columns if column["kind"] == "category"}
    return [
        {"kind": "categories", "start": start, "stop": stop, "variance": None}
        if start in words_at
        else {"kind": "squares", "start": start, "stop": stop, "variance": variance[start:stop]}
        for start, stop in pairwise([*starts, x.shape[1]])
    ]


def _width(fitted: ColumnTransformer) -> int:
    return max((place.stop for place in fitted.output_indices_.values()), default=0)

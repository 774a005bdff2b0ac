"""tasks/frame/schema.py: fitted columns come back from disk without a pickle, and equal ones are equal bytes."""

from __future__ import annotations

import io
import zipfile

import numpy as np
import pandas as pd
import pytest
import skops.io
from sklearn.preprocessing import FunctionTransformer

from autoencoders import columns
from tasks.frame import schema

TABLE = pd.DataFrame(
    {"n": [1.5, np.nan, 3], "t": pd.array([True, None, False], "boolean"), "w": ["12.npy", None, '"__id__": 12'],
     "d": pd.Series(["2024-01-31T10:00", "2024-02-01T10:00", None]).astype("datetime64[us]"), "k": [1, 2, 3]},
)  # fmt: skip


def write(folder):
    fitted = columns.fit(TABLE)
    x = columns.transform(fitted, TABLE)
    schema.write(folder, fitted, columns.describe(fitted, TABLE, x))
    return x


def test_columns_that_are_read_do_what_the_fitted_ones_did(tmp_path):
    x = write(tmp_path)
    fitted, described = schema.read(tmp_path)
    np.testing.assert_array_equal(columns.transform(fitted, TABLE), x)
    assert [column["name"] for column in described["columns"]] == [*TABLE]
    assert described["columns"][2]["categories"] == ["", '"__id__": 12', "12.npy"]


def test_the_same_columns_are_the_same_bytes_without_addresses_and_times(tmp_path):
    write(tmp_path)
    first = (tmp_path / schema.FITTED).read_bytes()
    kept = [columns.fit(TABLE) for _ in range(3)]  # at other addresses
    assert schema._canonical(skops.io.dumps(kept[-1])) == first
    assert schema._canonical(first) == first
    with zipfile.ZipFile(io.BytesIO(first)) as archive:
        assert {entry.date_time for entry in archive.infolist()} == {schema.BEGIN}


def test_other_types_are_refused(tmp_path):
    write(tmp_path)
    (tmp_path / schema.FITTED).write_bytes(skops.io.dumps(FunctionTransformer(zipfile.is_zipfile)))
    with pytest.raises(TypeError, match="is_zipfile"):
        schema.read(tmp_path)

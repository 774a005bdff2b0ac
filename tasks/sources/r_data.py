"""R's files .rda, .RData and .rds: the one data frame in them, read by `rdata`, which runs no code of the file."""

from __future__ import annotations

import bz2
import lzma
import warnings
import zlib
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
import pandas as pd

from tasks.frame.errors import DataError

ENDINGS = (".rda", ".rdata", ".rds")
MOST_BYTES = 2**32  # unpacked; a small file may promise any number
MOST_COUNTED = 2**26  # values of 1:n, which takes no space in a file
PACKED: dict[bytes, Callable[[], Any]] = {
    b"\x1f\x8b": lambda: zlib.decompressobj(wbits=16 + zlib.MAX_WBITS),
    b"BZh": bz2.BZ2Decompressor,
    b"\xfd7zXZ": lzma.LZMADecompressor,
}
NUMBERS = {"AsIs", "numeric", "integer", "double", "character", "noquote", "logical"}  # classes that change no value


def read(content: bytes) -> pd.DataFrame:
    """Read the data frame of a file of R.

    Args:
        content: The bytes, packed by gzip, bzip2 or xz, or not.

    Returns: The table, without names of rows: factors as categories, dates as dates, NA as missing.
    Raises: DataError if the file is damaged, or has no data frame, several, or a column of an unknown class.
    """
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        try:
            found = dict(_objects(_unpacked(content)))
        except DataError:
            raise
        except Exception as error:  # noqa: BLE001 - rdata raises errors of many kinds for a damaged file
            raise DataError(f"not readable as a file of R: {_why(error)}") from None
    frames = {name: value for name, value in found.items() if isinstance(value, pd.DataFrame)}
    if len(frames) != 1:
        names = ", ".join(f"{name} ({_kind(value)})" for name, value in list(found.items())[:20]) or "nothing"
        hint = "saveRDS(NAME, 'NAME.rds') writes one alone"
        raise DataError(f"expected one data frame, received {len(frames)} among: {names}; {hint}")
    ((name, frame),) = frames.items()
    if unknown := [str(w.message) for w in told if "The underlying R object" in str(w.message)]:
        raise DataError(f"data frame {name}: {unknown[0].partition('. ')[0]}: convert the column in R first")
    return frame.reset_index(drop=True).set_axis([str(column) for column in frame.columns], axis=1)


def _unpacked(content: bytes) -> bytes:
    make = next((make for start, make in PACKED.items() if content.startswith(start)), None)
    if make is None:
        return content
    unpack = make()
    data: bytes = unpack.decompress(content, MOST_BYTES)
    if not unpack.eof or unpack.unused_data:
        raise DataError(f"not readable as a file of R: cut short, followed by other bytes, or over {MOST_BYTES} bytes")
    return data


def _objects(data: bytes) -> Iterator[tuple[str, Any]]:
    """Yield name and value of each object; of .rds the only one."""
    from rdata import conversion, parser  # here, because xarray takes more than a second

    is_saved = data[:4] in (b"RDX2", b"RDX3", b"RDA2", b"RDA3", b"RDB2", b"RDB3")  # .rds has no such mark
    parsed = parser.parse_data(data, extension=None if is_saved else ".rds", altrep_constructor_dict=_counted(parser))
    classes: dict[Any, Any] = {
        **conversion.DEFAULT_CLASS_MAP,
        **CLASSES,
        **dict.fromkeys(NUMBERS, lambda value, _: value),
    }
    del classes["ts"]  # a time series
    encoding = parsed.extra.encoding or "utf-8"
    node: Any = parsed.object
    if not is_saved:
        yield "the object", conversion.convert(node, classes, default_encoding=encoding)
        return
    while node.value is not None:  # a linked list, for which rdata would need Python's stack
        name = conversion.convert(node.tag, default_encoding=encoding)
        yield str(name), conversion.convert(node.value[0], classes, default_encoding=encoding)
        node = node.value[1]


def _counted(parser: Any) -> Mapping[bytes, Any]:
    """Return rdata's readers of R's compact vectors, with a limit for 1:n."""

    def bounded(state: Any, reader: Any) -> Any:
        if not 0 <= float(state.value[0]) <= MOST_COUNTED:
            raise DataError(f"not readable as a file of R: a sequence of {state.value[0]:.0f} numbers")
        return reader(state)

    readers = dict(parser.DEFAULT_ALTREP_MAP)
    for name in (b"compact_intseq", b"compact_realseq"):
        readers[name] = lambda state, reader=readers[name]: bounded(state, reader)
    return readers


def _factor(value: Any, attributes: Any) -> Any:
    """Return a factor; its codes count from 1, and NA or 0 is missing (rdata would take 0 for the last level)."""
    codes = np.asarray(np.ma.filled(value, 0), np.int64) - 1
    return pd.Categorical.from_codes(codes, pd.Index([str(level) for level in attributes["levels"]]))


def _days(value: Any, attributes: Any) -> Any:
    return pd.to_datetime(pd.Series(np.asarray(value, np.float64)), unit="D").array


def _seconds(value: Any, attributes: Any) -> Any:
    return pd.to_datetime(pd.Series(np.asarray(value, np.float64)), unit="s").array


def _integers(value: Any, attributes: Any) -> Any:
    """Return R's integer64, whose 64 bits are kept as those of doubles; the least one stands for NA."""
    whole = np.asarray(value, np.float64).view(np.int64)
    return pd.arrays.IntegerArray(whole, whole == np.iinfo(np.int64).min)


CLASSES = {"factor": _factor, "ordered": _factor, "Date": _days, "POSIXct": _seconds, "integer64": _integers}


def _kind(value: Any) -> str:
    if isinstance(value, pd.DataFrame):
        return "data frame"
    return f"array of shape {value.shape}" if hasattr(value, "shape") else type(value).__name__


def _why(error: Exception) -> str:
    return " ".join(f"{type(error).__name__} {error}".split())

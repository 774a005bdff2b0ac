"""Read and write IDX, the file format of the MNIST family; unpack gzip files of a known size.

An IDX file is a magic number (two zero bytes, a type, the number of dimensions), each dimension as a big-endian
32-bit integer, then the values, big-endian, last dimension fastest. A reader that asks a gzip stream for exactly the
expected number of bytes never reaches its checksum. This one asks for one byte more, so that it detects a truncated
trailer, a wrong checksum and a file that unpacks to more bytes.
"""

from __future__ import annotations

import math
import struct
import zlib
from mmap import mmap
from typing import BinaryIO

import numpy as np

from autoencoders.errors import InputError

TYPES = {0x08: ">u1", 0x09: ">i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
GZIP = b"\x1f\x8b"
CHUNK = 1 << 16


def parse(data: bytes | mmap) -> np.ndarray:
    """Read an array from the bytes of an IDX file, in memory or mapped.

    Returns: Read-only view of `data` with the header's shape and type.
    Raises: InputError if the header is not IDX, or the length does not match the header.
    """
    if len(data) < 4 or data[:2] != b"\0\0" or data[2] not in TYPES:
        raise InputError(f"bad IDX magic 0x{data[:4].hex()}, expected 0x0000, a type of 08 to 0e, the dimensions")
    dtype, n_dims = np.dtype(TYPES[data[2]]), data[3]
    start = 4 + 4 * n_dims
    if len(data) < start:
        raise InputError(f"IDX header cut short: expected {start} bytes for {n_dims} dimensions, received {len(data)}")
    shape = struct.unpack(f">{n_dims}I", data[4:start])
    expected = start + math.prod(shape) * dtype.itemsize
    if len(data) != expected:
        raise InputError(f"IDX header promises {expected} bytes (shape {list(shape)}), received {len(data)}")
    return np.frombuffer(data, dtype, offset=start).reshape(shape)


def encode(array: np.ndarray) -> bytes:
    """Return the bytes of an IDX file with this array; the inverse of `parse`.

    Raises: ValueError for a type that IDX does not support.
    """
    codes = {np.dtype(name): code for code, name in TYPES.items()}
    dtype = array.dtype.newbyteorder(">")
    if dtype not in codes:
        raise ValueError(f"expected a type of {', '.join(d.name for d in codes)}, received {array.dtype}")
    header = struct.pack(f">BBBB{array.ndim}I", 0, 0, codes[dtype], array.ndim, *array.shape)
    return header + array.astype(dtype).tobytes()


def unpack(stream: BinaryIO, size: int) -> bytes:
    """Read a plain or gzipped file that holds `size` bytes; keep at most `size` + 1 in memory.

    Raises: InputError if it is shorter, longer, truncated, damaged, or followed by other bytes.
    """
    head = stream.read(len(GZIP))
    if head == GZIP:
        return _gunzip(head, stream, size)
    data = head + stream.read(size + 1 - len(head))
    if len(data) > size:
        raise InputError(f"more than the expected {size} bytes")
    if len(data) < size:
        raise InputError(f"expected {size} bytes, received {len(data)}")
    return data


def _gunzip(head: bytes, stream: BinaryIO, size: int) -> bytes:
    """Unpack one gzip member that starts with `head`; `size` as in `unpack`."""
    inflate = zlib.decompressobj(wbits=16 + zlib.MAX_WBITS)  # checks gzip's header and trailer
    parts, length, chunk = [], 0, head
    while not inflate.eof:
        try:
            parts.append(inflate.decompress(chunk, size + 1 - length))
        except zlib.error as error:
            raise InputError(f"damaged gzip stream: {error}") from None
        length += len(parts[-1])
        if length > size:
            raise InputError(f"unpacks to more than the expected {size} bytes")
        chunk = stream.read(CHUNK) if not inflate.eof else b""
        if not chunk and not inflate.eof:
            raise InputError(f"damaged gzip stream: it ends after {length} unpacked bytes, before its checksum")
    if inflate.unused_data or stream.read(1):
        raise InputError("other bytes follow the gzip stream")
    if length < size:
        raise InputError(f"unpacks to {length} bytes, expected {size}")
    return b"".join(parts)

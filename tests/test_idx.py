"""autoencoders/idx.py: what is read equals what was written, and nothing damaged is ever accepted."""

import gzip
import io
import struct
import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as st_numpy

from autoencoders import idx

IMAGES = np.random.default_rng(0).integers(0, 256, (9, 4, 5)).astype(np.uint8)
FILE = idx.encode(IMAGES)
GZIPPED = gzip.compress(FILE, mtime=0)


def unpack(data: bytes, size: int = len(FILE)) -> bytes:
    return idx.unpack(io.BytesIO(data), size)


def test_a_file_written_by_hand_is_read():
    data = b"\0\0\x08\x02" + struct.pack(">II", 2, 3) + bytes([1, 2, 3, 4, 5, 255])
    np.testing.assert_array_equal(idx.parse(data), np.array([[1, 2, 3], [4, 5, 255]], np.uint8))


def test_big_endian_integers_are_read():
    assert idx.parse(b"\0\0\x0b\x01" + struct.pack(">Ihh", 2, 258, -1)).tolist() == [258, -1]


@given(
    st_numpy.arrays(
        st.sampled_from(["u1", "i1", "<i2", ">i4", "<f4", "<f8"]),
        st_numpy.array_shapes(min_dims=1, max_dims=4, min_side=0, max_side=4),
        elements={"allow_nan": False},
    )
)
def test_what_is_encoded_is_parsed(array):
    parsed = idx.parse(idx.encode(array))
    assert parsed.shape == array.shape
    np.testing.assert_array_equal(parsed, array)


def test_a_type_that_idx_lacks_is_refused():
    with pytest.raises(ValueError, match="received int64"):
        idx.encode(np.zeros(3, np.int64))


@pytest.mark.parametrize("magic", [b"", b"\0\0\x08", b"\x1f\x8b\x08\0", b"\0\0\x07\x01", b"\0\1\x08\x01"])
def test_a_bad_magic_number_is_shown(magic):
    with pytest.raises(ValueError, match=f"bad IDX magic 0x{magic[:4].hex()}"):
        idx.parse(magic + (b"\0" * 8 if len(magic) == 4 else b""))


@pytest.mark.parametrize("length", [4, 8, 15])
def test_a_header_cut_short_is_refused(length):
    with pytest.raises(ValueError, match=f"expected 16 bytes for 3 dimensions, received {length}"):
        idx.parse(FILE[:length])


@pytest.mark.parametrize("data", [FILE[:-1], FILE + b"\0"])
def test_both_lengths_are_named_when_they_differ(data):
    with pytest.raises(ValueError, match=rf"promises {len(FILE)} bytes .*received {len(data)}"):
        idx.parse(data)


def test_a_header_that_claims_2_to_the_96_values_is_refused_without_allocating_them():
    with pytest.raises(ValueError, match="promises"):
        idx.parse(b"\0\0\x08\x03" + b"\xff" * 12 + b"\0" * 10)


@pytest.mark.parametrize("data", [FILE, GZIPPED])
def test_plain_and_gzipped_files_give_the_same_bytes(data):
    assert unpack(data) == FILE


@pytest.mark.parametrize("length", range(len(GZIPPED)))
def test_a_gzip_file_cut_anywhere_is_refused(length):
    with pytest.raises(ValueError, match=r"damaged gzip stream|expected"):
        unpack(GZIPPED[:length])


def test_no_flipped_bit_ever_changes_the_data():
    accepted = 0
    for bit in range(8 * len(GZIPPED)):
        damaged = bytearray(GZIPPED)
        damaged[bit // 8] ^= 1 << bit % 8
        try:
            assert unpack(bytes(damaged)) == FILE
            accepted += 1
        except ValueError:
            pass
    assert accepted < 8 * 10  # only bits of the header that say nothing of the data: its date, the system


def test_a_plain_file_cut_or_longer_is_refused():
    with pytest.raises(ValueError, match=f"expected {len(FILE)} bytes, received {len(FILE) - 1}"):
        unpack(FILE[:-1])
    with pytest.raises(ValueError, match=f"more than the expected {len(FILE)}"):
        unpack(FILE + b"\0")


@pytest.mark.parametrize("garbage", [b"\0", b"more", GZIPPED])
def test_bytes_after_the_gzip_stream_are_refused(garbage):
    with pytest.raises(ValueError, match="other bytes follow"):
        unpack(GZIPPED + garbage)


def test_a_gzip_stream_of_another_length_names_both_numbers():
    with pytest.raises(ValueError, match=f"unpacks to {len(FILE)} bytes, expected {len(FILE) + 1}"):
        unpack(GZIPPED, len(FILE) + 1)


def test_a_gzip_bomb_is_refused_without_being_unpacked():
    bomb = gzip.compress(bytes(1 << 26), mtime=0)  # 64 MiB in 64 KiB
    tracemalloc.start()
    with pytest.raises(ValueError, match="unpacks to more than the expected 1000 bytes"):
        unpack(bomb, 1000)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1 << 21


@pytest.mark.parametrize(
    ("dtype", "code"), [("u1", 0x08), ("i1", 0x09), ("i2", 0x0B), ("i4", 0x0C), ("f4", 0x0D), ("f8", 0x0E)]
)
def test_types_have_the_codes_of_the_format(dtype, code):
    assert idx.encode(np.zeros(2, dtype))[:8] == bytes([0, 0, code, 1, 0, 0, 0, 2])


def test_a_type_that_is_refused_is_told_with_those_that_are_not():
    with pytest.raises(ValueError, match=r"^expected a type of uint8, int8, int16, int32, float32, float64, received"):
        idx.encode(np.zeros(3, np.int64))


def test_a_header_alone_is_a_number_and_a_file_of_a_byte_or_none_has_no_magic():
    assert idx.parse(b"\0\0\x08\0\x07").tolist() == 7
    assert unpack(b"", 0) == b"" and unpack(b"x", 1) == b"x"

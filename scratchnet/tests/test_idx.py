"""The IDX format: what is written is read, and what is not whole and correct is refused."""

import gzip
import struct

import numpy as np
import pytest

from scratchnet.datasets.idx import read_idx, write_idx

DTYPES = ["uint8", "int8", "int16", "int32", "float32", "float64"]


def head(code, *shape):
    return bytes([0, 0, code, len(shape)]) + struct.pack(f">{len(shape)}I", *shape)


@pytest.fixture
def put(tmp_path):
    def write(data, name="file-idx"):
        path = tmp_path / name
        path.write_bytes(data)
        return path

    return write


@pytest.mark.parametrize("name", ["a-idx3-ubyte", "a-idx3-ubyte.gz"])
@pytest.mark.parametrize("dtype", DTYPES)
def test_what_is_written_is_read(tmp_path, dtype, name):
    array = np.arange(-12, 12).reshape(2, 3, 4).astype(dtype)
    write_idx(tmp_path / name, array)
    back = read_idx(tmp_path / name)
    assert back.dtype == array.dtype
    assert back.dtype.isnative
    assert back.flags.writeable
    assert back.flags.c_contiguous
    np.testing.assert_array_equal(back, array)


def test_values_are_big_endian_and_the_last_axis_runs_fastest(put):
    path = put(head(0x0B, 2, 2) + struct.pack(">4h", 1, -2, 3, 400))
    np.testing.assert_array_equal(read_idx(path), [[1, -2], [3, 400]])


def test_gzip_is_known_by_content_not_by_name(put):
    data = head(0x08, 3) + b"\1\2\3"
    np.testing.assert_array_equal(read_idx(put(data, "plain.gz")), [1, 2, 3])
    np.testing.assert_array_equal(read_idx(put(gzip.compress(data), "packed")), [1, 2, 3])


def test_an_array_of_no_rows_is_read(put):
    assert read_idx(put(head(0x08, 0, 28, 28))).shape == (0, 28, 28)


def test_equal_arrays_make_equal_files(tmp_path):
    array = np.arange(10, dtype=np.uint8)
    for name in ("a.gz", "b.gz"):
        write_idx(tmp_path / name, array)
    data = (tmp_path / "a.gz").read_bytes()
    assert data == (tmp_path / "b.gz").read_bytes()
    assert data[4:8] == bytes(4)  # where gzip puts the time of writing


def test_a_write_that_fails_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch):
    path = tmp_path / "a"
    write_idx(path, np.arange(3, dtype=np.uint8))

    def no_room(*args):
        raise OSError("no space left on device")

    monkeypatch.setattr("os.fsync", no_room)
    with pytest.raises(OSError, match="no space left"):
        write_idx(path, np.arange(4, dtype=np.uint8))
    assert [p.name for p in tmp_path.iterdir()] == ["a"]
    assert read_idx(path).shape == (3,)


GOOD = head(0x08, 2, 3) + bytes(6)
WRONG = {
    "empty": (b"", r"expected two zero bytes, .*, got an empty file\. This is not an IDX file"),
    "foreign": (b"<!DOCTYPE html>", r"got b'<!DO'\. This is not an IDX file"),
    "type": (head(0x07, 2) + bytes(2), r"a type \(0x08, .*\), got|got b'\\x00\\x00\\x07\\x01'"),
    "no dimensions": (head(0x08), "expected 1 to 8 dimensions, got 0"),
    "many dimensions": (bytes([0, 0, 8, 200]), "expected 1 to 8 dimensions, got 200"),
    "head cut": (GOOD[:9], "expected 8 bytes with 2 dimensions, got 5. The file is cut short"),
    "cut": (GOOD[:-1], r"expected 6 bytes of values for shape \(2, 3\) of uint8, got 5\."),
    "trailing": (GOOD + b"x", r"expected 6 bytes of values .*, got more bytes after them\."),
    "short": (
        head(0x08, 10_000, 28, 28),
        r"expected 7840000 bytes of values .*, got a file too short for that",
    ),
    "huge": (
        head(0x08, 2**31, 2**31, 2**31),
        r"expected at most 1073741824 bytes of values, got 9903520314283042199192993792 bytes",
    ),
    "gzip cut": (gzip.compress(GOOD)[:-9], "expected whole gzip data, got Compressed file ended"),
    "gzip sum": (
        gzip.compress(GOOD)[:-8] + b"\0\0\0\0" + gzip.compress(GOOD)[-4:],
        "expected whole gzip data, got CRC check failed",
    ),
    "gzip noise": (
        gzip.compress(GOOD)[:10] + b"\xff" * 20,
        "expected whole gzip data, got Error -3",
    ),
    "gzip tail": (
        gzip.compress(GOOD) + b"junk",
        "expected whole gzip data, got Not a gzipped file",
    ),
    "gzip bomb": (
        gzip.compress(head(0x08, 50_000, 28, 28)),
        "expected 39200000 bytes .*, got a file too short for that",
    ),
}


@pytest.mark.parametrize("case", WRONG)
def test_refused_by_name(put, case):
    data, message = WRONG[case]
    path = put(data)
    with pytest.raises(ValueError, match=message) as error:
        read_idx(path)
    assert str(error.value).startswith(f"IDX file '{path}': expected ")


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(
        FileNotFoundError, match=r"nothing': expected a file, got no such file\. Check"
    ):
        read_idx(tmp_path / "nothing")


def test_a_folder_is_not_a_file(tmp_path):
    with pytest.raises(FileNotFoundError, match="got something that is not a plain file"):
        read_idx(tmp_path)


def test_a_type_that_idx_does_not_have_is_refused(tmp_path):
    with pytest.raises(TypeError, match=r"expected an array of uint8, .*, got int64\. Convert it"):
        write_idx(tmp_path / "a", np.arange(3))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("shape", [(), (1,) * 9])
def test_a_number_of_dimensions_that_idx_does_not_have_is_refused(tmp_path, shape):
    with pytest.raises(ValueError, match=f"expected 1 to 8 dimensions, got {len(shape)}"):
        write_idx(tmp_path / "a", np.zeros(shape, np.uint8))

"""IDX files, .npz archives and pictures that a stranger made: refused by name."""

import gzip
import io
import struct
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from scratchnet.datasets import folder
from scratchnet.datasets.folder import IDX_NAMES
from scratchnet.datasets.idx import read_idx
from scratchnet.tests import hostile
from scratchnet.utils.images import load_digit

Image = pytest.importorskip("PIL.Image")


def assert_refused(path: Path, data: bytes, read: Callable[[Path], Any], message: str) -> None:
    path.write_bytes(data)
    with pytest.raises(ValueError, match=message) as caught:
        read(path)
    assert str(path) in str(caught.value)
    assert list(path.parent.iterdir()) == [path]


# ------------------------------------------------------------------------------ IDX


def idx(*shape: int, data: bytes = b"", code: int = 8) -> bytes:
    return bytes([0, 0, code, len(shape)]) + struct.pack(f">{len(shape)}I", *shape) + data


IDX = {
    "claims more": (idx(10, 28, 28, data=bytes(100)), "got a file too short for that"),
    "no rows of huge ones": (idx(0, 2**32 - 1, 2**32 - 1), "expected at most 1073741824 bytes"),
    "2**32 in each of eight": (idx(*[2**32 - 1] * 8), "expected at most 1073741824 bytes"),
    "as if negative": (idx(0xFFFFFFFF, data=bytes(9)), "expected at most 1073741824 bytes"),
    "bomb": (
        gzip.compress(idx(1 << 27, data=bytes(1 << 27))),
        r"134217728 bytes of values .*, got a file too short for that \(67108864 at most\)",
    ),
    "bomb behind": (gzip.compress(idx(3, data=bytes(1 << 22))), "got more bytes after them"),
    "cut": (gzip.compress(idx(900, data=bytes(range(90)) * 10))[:-12], "whole gzip data"),
    "gzip in gzip": (gzip.compress(gzip.compress(idx(3, data=b"abc"))), "two zero bytes, a type"),
}


@pytest.mark.parametrize("case", IDX)
def test_idx(tmp_path: Path, case: str) -> None:
    data, message = IDX[case]
    assert_refused(tmp_path / "file", data, read_idx, message)


def test_idx_cut_anywhere(tmp_path: Path) -> None:
    path = tmp_path / "file"
    plain = idx(3, 4, data=bytes(range(12)))
    for data in (plain, gzip.compress(plain)):
        for length in range(len(data)):
            path.write_bytes(data[:length])
            assert hostile.outcome(read_idx, path) != "read"


# ------------------------------------------------------------------------------ .npz

X, Y = np.zeros((2, 28, 28), np.uint8), np.zeros(2, np.uint8)


def npy(array: Any, **options: Any) -> bytes:
    buffer = io.BytesIO()
    np.lib.format.write_array(buffer, np.asarray(array), **options)
    return buffer.getvalue()


def header(text: str) -> bytes:
    """The head of an .npy file that says this."""
    line = text.encode("latin1") + b" " * (-(len(text) + 11) % 64) + b"\n"
    return b"\x93NUMPY\1\0" + struct.pack("<H", len(line)) + line


def npz(packing: int = zipfile.ZIP_STORED, **changes: bytes) -> bytes:
    parts = {key: npy(X if key.startswith("x") else Y) for key in IDX_NAMES} | changes
    return hostile.zipped({f"{key}.npy": data for key, data in parts.items() if data}, packing)


def nameless() -> bytes:
    """The name beside the data is no UTF-8, though the list of members says so."""
    data = bytearray(npz())
    data[7] = data[data.index(b"PK\1\2") + 9] = 8
    data[data.index(b"x_train")] = 0xFF
    return bytes(data)


def claims(shape: str) -> bytes:
    return header(f"{{'descr': '|u1', 'fortran_order': False, 'shape': {shape}, }}")


NPZ = {
    "objects": (npz(x_train=npy(np.array([{}, {}], object))), r"uint8 of shape \(N, 28, 28\)"),
    "pickle": (npz(x_train=b"\x80\4N."), "a plain .npy header, got"),
    "huge": (npz(x_train=claims("(1099511627776, 28, 28)")), "N from 1 to 1000000"),
    "claims more": (npz(x_train=claims("(900000, 28, 28)")), r"expected 7056\d+ bytes, got 128"),
    "negative": (npz(x_train=claims("(-1, 28, 28)")), "N from 1 to 1000000"),
    "code": (npz(x_train=claims("__import__('os').getcwd()")), "a plain .npy header, got"),
    "half a header": (npz(x_train=header("{'descr': '|u1', 'shape': ((")), "a plain .npy header"),
    "nested": (npz(x_train=claims("(" * 4000)), "a plain .npy header, got"),
    "missing": (npz(y_test=b""), "the arrays x_train, y_train, x_test, y_test, got"),
    "bomb": (
        npz(zipfile.ZIP_DEFLATED, x_train=claims("(1000000, 28, 28)") + bytes(1 << 25)),
        "expected 784000128 bytes, got",
    ),
    "upwards": (hostile.zipped({"../x_train.npy": npy(X)}), "members with plain relative names"),
    "no zip": (b"PK\3\4" + bytes(100), "a whole .npz archive, got File is not a zip file"),
    "a name that is no text": (nameless(), "a whole .npz archive, got 'utf-8' codec"),
}


@pytest.mark.parametrize("case", NPZ)
def test_npz(tmp_path: Path, case: str) -> None:
    data, message = NPZ[case]
    assert_refused(tmp_path / "mnist.npz", data, folder.load, message)


def test_npz_cut_anywhere(tmp_path: Path) -> None:
    path, data = tmp_path / "mnist.npz", npz(zipfile.ZIP_DEFLATED)
    for length in range(len(data)):
        path.write_bytes(data[:length])
        assert hostile.outcome(folder.load, path) != "read"


# ------------------------------------------------------------------------------ pictures


def png(width: int, height: int, data: bytes = b"") -> bytes:
    """A grey PNG that says this size."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        rest = kind + content
        return struct.pack(">I", len(content)) + rest + struct.pack(">I", zlib.crc32(rest))

    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    parts = chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(data)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + parts


PICTURES = {
    "16 million pixels": (png(8000, 8000), "at most 16000000 pixels in a file of .*, got 8000 x"),
    "2**31 wide": (png(2**31 - 1, 2**31 - 1), "at most 16000000 pixels|a whole picture"),
    "half a picture": (png(100, 100, bytes(5000)), "a whole picture, got"),
    "postscript": (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "got something else"),
    "pdf": (b"%PDF-1.4\n%\xe2\xe3\n", "expected one of PNG, JPEG, .*, got something else"),
    "svg": (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "got something else"),
    "zip": (npz(), "got something else"),
    "empty": (b"", "a picture of at most 52428800 bytes, got an empty file"),
}


@pytest.mark.parametrize("case", PICTURES)
def test_pictures(tmp_path: Path, case: str) -> None:
    data, message = PICTURES[case]
    assert_refused(tmp_path / "a.png", data, load_digit, message)


@pytest.mark.parametrize("kind", ["png", "jpeg", "gif", "bmp", "webp", "tiff", "ppm"])
def test_pictures_cut_anywhere(tmp_path: Path, kind: str) -> None:
    """Some formats can do without their last bytes; none does more than raise."""
    buffer = io.BytesIO()
    Image.fromarray(np.eye(40, dtype=np.uint8) * 200).save(buffer, kind)
    data, path = buffer.getvalue(), tmp_path / "picture"
    outcomes = []
    for length in range(0, len(data), max(len(data) // 60, 1)):
        path.write_bytes(data[:length])
        outcomes.append(hostile.outcome(load_digit, path))
    assert outcomes[0] != "read"
    assert outcomes[len(outcomes) // 8] != "read"


def test_of_an_animation_the_first_picture_is_taken(tmp_path: Path) -> None:
    frames = [Image.fromarray(np.eye(28, dtype=np.uint8) * 250), Image.new("L", (28, 28))]
    frames[0].save(tmp_path / "a.gif", save_all=True, append_images=frames[1:] * 50)
    assert load_digit(tmp_path / "a.gif").max() > 200

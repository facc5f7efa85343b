"""The IDX format: the files MNIST was first published in, plain or gzip.

A file is the four bytes 0, 0, type, number of dimensions; then each dimension as a big-endian
32-bit whole number; then the values, big-endian, the last dimension running fastest.
"""

import gzip
import io
import os
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from math import prod
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from scratchnet.errors import expected
from scratchnet.utils.files import atomic_write

__all__ = ["read_idx", "write_idx"]

TYPES = {0x08: ">u1", 0x09: ">i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
CODES = {np.dtype(dtype): code for code, dtype in TYPES.items()}
MAX_DIMENSIONS = 8
MAX_BYTES = 1 << 30  # MNIST's largest file has 47 million; more than this is not a file of digits
MAX_RATIO = 1032  # deflate never packs more than this many bytes into one
MAX_EXPANSION, MIN_ALLOWED = 64, 1 << 26  # digits pack to a fifth; but a file of few may be zeros
GZIP_MAGIC = b"\x1f\x8b"


def read_idx(path: str | os.PathLike[str]) -> NDArray[Any]:
    """The array in an IDX file; gzip is known by content, since browsers unpack and keep the name.

    Nothing is allocated before the dimensions fit the length of the file.
    Raises FileNotFoundError, or ValueError for a file that is not whole and correct IDX.
    """
    path = Path(path)
    owner = f"IDX file '{path}'"
    if not path.is_file():
        got = "something that is not a plain file" if path.exists() else "no such file"
        raise FileNotFoundError(expected(owner, "a file", got, "Check the path."))
    with _unpacked(path, owner) as (stream, most):
        dtype, shape = _read_header(stream, owner)
        size = prod(shape) * dtype.itemsize
        says = f"{size} bytes of values for shape {shape} of {dtype.name}"
        again = "The file is cut short or damaged; fetch it again."
        if prod(max(d, 1) for d in shape) * dtype.itemsize > MAX_BYTES:  # (0, 2**31, 2**31), too
            raise ValueError(expected(owner, f"at most {MAX_BYTES} bytes of values", says, again))
        if size > most:
            raise ValueError(
                expected(owner, says, f"a file too short for that ({most} at most)", again)
            )
        data = stream.read(size + 1)  # one more, to see the end (where gzip checks its sum)
        if len(data) != size:
            got = f"{len(data)}" if len(data) < size else "more bytes after them"
            raise ValueError(expected(owner, says, got, again))
    return np.frombuffer(data, dtype).reshape(shape).astype(dtype.newbyteorder("="))


@contextmanager
def _unpacked(path: Path, owner: str) -> Iterator[tuple[BinaryIO, int]]:
    """The file's bytes after any gzip, and how many there can be at most."""
    with path.open("rb") as raw:
        length = os.fstat(raw.fileno()).st_size
        packed = raw.read(2) == GZIP_MAGIC
        raw.seek(0)
        try:
            if packed:
                with gzip.GzipFile(fileobj=raw, mode="rb") as stream:
                    allowed = max(MIN_ALLOWED, length * MAX_EXPANSION)
                    yield stream, min(length * MAX_RATIO, allowed)  # type: ignore[misc]
            else:
                yield raw, length
        except (EOFError, gzip.BadGzipFile, zlib.error) as error:
            raise ValueError(
                expected(
                    owner, "whole gzip data", f"{error}", "The file is damaged; fetch it again."
                )
            ) from error


def _read_header(stream: BinaryIO, owner: str) -> tuple[np.dtype[Any], tuple[int, ...]]:
    head = stream.read(4)
    types = ", ".join(f"{code:#04x}" for code in TYPES)
    wanted = f"two zero bytes, a type ({types}) and a number of dimensions"
    if len(head) < 4 or head[:2] != b"\0\0" or head[2] not in TYPES:
        got = f"{head!r}" if head else "an empty file"
        raise ValueError(expected(owner, wanted, got, "This is not an IDX file; check the path."))
    if not 1 <= head[3] <= MAX_DIMENSIONS:
        raise ValueError(expected(owner, f"1 to {MAX_DIMENSIONS} dimensions", f"{head[3]}"))
    sizes = stream.read(4 * head[3])
    if len(sizes) < 4 * head[3]:
        raise ValueError(
            expected(
                owner,
                f"{4 * head[3]} bytes with {head[3]} dimensions",
                f"{len(sizes)}",
                "The file is cut short; fetch it again.",
            )
        )
    return np.dtype(TYPES[head[2]]), tuple(int(n) for n in np.frombuffer(sizes, ">u4"))


def write_idx(path: str | os.PathLike[str], array: NDArray[Any]) -> None:
    """Write the array as IDX, gzipped where the name ends in .gz; equal arrays make equal files."""
    path = Path(path)
    owner = f"IDX file '{path}'"
    array = np.asarray(array)
    dtype = array.dtype.newbyteorder(">")
    if dtype not in CODES:
        known = ", ".join(np.dtype(d).name for d in TYPES.values())
        raise TypeError(
            expected(owner, f"an array of {known}", f"{array.dtype}", "Convert it with astype.")
        )
    if not 1 <= array.ndim <= MAX_DIMENSIONS:
        raise ValueError(expected(owner, f"1 to {MAX_DIMENSIONS} dimensions", f"{array.ndim}"))
    buffer = io.BytesIO()
    buffer.write(bytes([0, 0, CODES[dtype], array.ndim]))
    buffer.write(np.array(array.shape, ">u4").tobytes())
    buffer.write(array.astype(dtype).tobytes())
    data = buffer.getvalue()
    if path.suffix == ".gz":
        data = gzip.compress(data, mtime=0)  # no time of writing in the file
    with atomic_write(path, owner) as file:
        file.write(data)

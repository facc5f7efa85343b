"""Blocks of HDF5 in which one number says what cannot be: each is refused by name."""

import io
import struct
from collections.abc import Callable
from typing import Any

import h5py
import numpy as np
import pytest

from scratchnet.saving.hdf5 import Group, open_hdf5

KERNEL = "layers/dense/vars/0"
SHAPE = b"\1\2\1\0\0\0\0\0" + struct.pack("<4Q", 3, 2, 3, 2)  # of (3, 2)
FLOAT = b"\x11\x20\x1f\0\4\0\0\0"


def plain(file: Any) -> None:
    file[KERNEL] = np.arange(6, dtype=np.float32).reshape(3, 2)
    file.attrs["numbers"] = np.arange(3, dtype=np.int16)
    file.attrs["text"] = ["a" * 77]


def packed(file: Any) -> None:
    values = np.arange(6, dtype=np.float32).reshape(3, 2)
    file.create_dataset(KERNEL, data=values, chunks=(1, 2), compression="gzip")


def many(file: Any) -> None:
    for index in range(30):
        file.create_group(f"group{index}")


def own_type(file: Any) -> None:
    file["type"] = np.dtype("f4")
    file.attrs.create("numbers", 1.0, dtype=file["type"])
    del file["type"]


def written(fill: Callable[[Any], None], newer: bool = False) -> bytearray:
    buffer = io.BytesIO()
    with h5py.File(buffer, "w", libver="v108" if newer else None) as file:
        fill(file)
    return bytearray(buffer.getvalue())


def everything(group: Any) -> None:
    """Read all that there is."""
    dict(group.attrs)
    for thing in group.values():
        if isinstance(thing, Group):
            everything(thing)
        elif thing.dtype is not None:
            thing[()]


# which file, behind which bytes, how far, what is put there, what is said about it
CASES: dict[str, tuple[bytearray, bytes, int, bytes, str]] = {
    "superblock": (written(plain), b"\x89HDF", 8, b"\t", "version 0 or 1 or 2 or 3 of the superbl"),
    "addresses": (written(plain), b"\x89HDF", 13, b"\4", r"addresses of 8 bytes, got sizes \(4, 8"),
    "header": (written(plain), b"\x89HDF", 64, struct.pack("<Q", 90), "version 1 of an object he"),
    "heap": (written(plain), b"HEAP", 0, b"XXXX", r"HEAP at \d+, got b'XXXX'"),
    "tree": (written(plain), b"TREE", 4, b"\7", "a tree of names, got a node of kind 7, level 0"),
    "level": (written(plain), b"TREE", 5, b"\x63", "a tree of names, got a node of kind 0, level"),
    "count": (written(plain), b"TREE", 6, b"\xff\xff", "an HDF5 file whose blocks are read once"),
    "symbols": (written(plain), b"SNOD", 8, b"\xff" * 8, "a name in the heap of its group, got o"),
    "class": (written(plain), FLOAT, 0, b"\x1f", "a type of HDF5, got class 15, version 1"),
    "rank": (written(plain), SHAPE, 1, b"\x21", "an array of at most 32 axes, got 33"),
    "huge": (written(plain), SHAPE, 8, b"\xff" * 7, "a shape that fits in memory, got"),
    "stored": (
        written(plain),
        b"\3\1",
        10,
        struct.pack("<Q", 23),
        f"24 bytes of values of '{KERNEL}', got 23",
    ),
    "packed whole": (
        written(packed),
        b"\3\2\3",
        1,
        b"\1",
        "filters of chunks only, got some of",
    ),
    "chunk tree": (
        written(packed),
        b"TREE\1",
        5,
        b"\x63",
        "a tree of chunks, got a node of kind",
    ),
    "attribute": (
        written(plain),
        b"\1\1\1\0\0\0\0\0" + struct.pack("<QQ", 3, 3),
        8,
        b"\xff",
        "510 bytes of a value in attribute 'numbers' of '', got 8",
    ),
    "text": (
        written(plain),
        struct.pack("<I", 77),
        12,
        b"\x63",
        "a text of 77 bytes in attribute 'text' of '', got 0",
    ),
    "own type": (
        written(own_type),
        b"\x89HDF",
        0,
        b"\x89",
        "attributes with types of their own",
    ),
    "links": (written(many, True), b"BTHD", 5, b"\4", "a tree of links, got kind 4, records of 11"),
    "outside": (
        written(many, True),
        b"BTLF",
        10,
        b"\x20",
        "links that lie in blocks of",
    ),
    "lost": (
        written(many, True),
        b"BTLF",
        11,
        b"\xff" * 4,
        "a link in a block of its heap",
    ),
    "no heap": (written(many, True), b"FRHP", 132, b"\xff" * 8, "a link in a block of its heap"),
    "filtered": (
        written(many, True),
        b"FRHP",
        7,
        b"\1",
        "a plain heap of links, got blocks",
    ),
    "rows": (written(many, True), b"FRHP", 140, b"\xff", r"at most 9 rows of blocks .*, got 255"),
}


@pytest.mark.parametrize("case", CASES)
def test_one_number_changed(case: str) -> None:
    data, behind, offset, new, message = CASES[case]
    everything(open_hdf5(io.BytesIO(bytes(data)), "File")) if case != "own type" else None
    broken = bytearray(data)
    at = broken.index(behind) + offset
    broken[at : at + len(new)] = new
    with pytest.raises(ValueError, match=f"File: expected {message}"):
        everything(open_hdf5(io.BytesIO(bytes(broken)), "File"))


def test_what_is_no_group_and_no_array() -> None:
    data = written(lambda file: file.__setitem__("type", np.dtype("f4")))
    with pytest.raises(ValueError, match="expected groups and arrays, got 'type', which is nei"):
        open_hdf5(io.BytesIO(bytes(data)), "File")
    buffer = io.BytesIO()
    with h5py.File(buffer, "w") as file:
        file["a"] = 1.0
        address = h5py.h5o.get_info(file["a"].id).addr
    data = bytearray(buffer.getvalue())
    data[64:72] = struct.pack("<Q", address)
    with pytest.raises(ValueError, match="expected a group at the root, got something else"):
        open_hdf5(io.BytesIO(bytes(data)), "File")


def test_what_is_not_there_to_be_read() -> None:
    def fill(file: Any) -> None:
        file["texts"] = "abc"
        file.create_dataset("many", (100_000,), "f4", chunks=(1,))

    root = open_hdf5(io.BytesIO(bytes(written(fill))), "File")
    with pytest.raises(ValueError, match="expected numbers in 'texts', got texts"):
        root["texts"][()]  # type: ignore[index]
    with pytest.raises(ValueError, match="expected as many chunks as the file holds of 'many', g"):
        root["many"][()]  # type: ignore[index]


def test_a_file_that_shrinks_while_it_is_read() -> None:
    class Shrinking(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            return super().read(size)[:-1]

    with pytest.raises(ValueError, match=r"a whole HDF5 file, got 95 of 96 bytes at 0"):
        open_hdf5(Shrinking(bytes(written(plain))), "File")


def test_messages_without_end() -> None:
    data = written(plain)
    start, count = len(data), 70_000
    data += struct.pack("<BBHII", 1, 0, 0, 1, 8 * count) + bytes(4)
    data += struct.pack("<HHBBBB", 0x0D, 0, 0, 0, 0, 0) * count
    data[40:48], data[64:72] = struct.pack("<Q", len(data)), struct.pack("<Q", start)
    with pytest.raises(ValueError, match="expected at most 65536 messages of an object, got more"):
        open_hdf5(io.BytesIO(bytes(data)), "File")


def test_a_float_of_another_make_is_no_number() -> None:
    data = written(plain)
    data[data.index(FLOAT) + 2] = 3  # where its sign is
    found: Any = open_hdf5(io.BytesIO(bytes(data)), "File")[KERNEL]
    assert found.dtype is None
    assert found.what == "32-bit floats"

"""Arrays in the file: contiguous, small ones in their header, or in chunks that may be packed."""

import zlib
from collections.abc import Iterator
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scratchnet.saving.hdf5.headers import Message
from scratchnet.saving.hdf5.source import UNDEFINED, Cursor, Source
from scratchnet.saving.hdf5.types import Kind, read_shape, read_type

__all__ = ["Dataset"]

SHAPE, TYPE, EXTERNAL, LAYOUT, FILTERS = 0x01, 0x03, 0x07, 0x08, 0x0B
COMPACT, CONTIGUOUS, CHUNKED = 0, 1, 2
DEFLATE, SHUFFLE, FLETCHER32 = 1, 2, 3
MAX_LEVELS = 8


class Dataset:
    """An array that is not read yet: `shape`, `dtype` (None where it holds no numbers), `what` it
    holds in words; `dataset[()]` reads it."""

    def __init__(self, source: Source, path: str, messages: list[Message]) -> None:
        self._source, self.path = source, path
        blocks = {m.kind: Cursor(source, m.data) for m in messages}
        if EXTERNAL in blocks:
            got = f"'{path}' in another file"
            raise source.error("arrays that are in the file itself", got, "It is not opened.")
        if not {SHAPE, TYPE, LAYOUT} <= set(blocks):
            raise source.error("groups and arrays", f"'{path}', which is neither")
        shape = read_shape(blocks[SHAPE])
        self.shape: tuple[int, ...] = (0,) if shape is None else shape
        self._kind: Kind = read_type(blocks[TYPE])
        self.dtype, self.what = self._kind.dtype, self._kind.name
        self.nbytes = prod(self.shape) * self._kind.size
        self._filters = self._read_filters(blocks.get(FILTERS))
        self._read_layout(blocks[LAYOUT])

    def __getitem__(self, key: Any) -> NDArray[Any]:
        """The whole array, for the key ()."""
        if key != ():
            raise self._source.error(f"'{self.path}' read as a whole", repr(key), "Write [()].")
        if self.dtype is None:
            raise self._source.error(f"numbers in '{self.path}'", self.what, "Another file's?")
        if self._where[0] == CHUNKED:
            return self._assembled(self.dtype)
        if self._where[0] == COMPACT:
            data = self._where[1]
        else:
            data = self._source.values(self._where[1], self.nbytes) if self.nbytes else b""
        return np.frombuffer(data, self.dtype).reshape(self.shape)

    # -------------------------------------------------------------------------- what it says

    def _read_layout(self, block: Cursor) -> None:
        block.version("an array's layout", 3, 4)
        kind = block.number(1)
        self._where: tuple[Any, ...] = (kind,)
        if self._filters and kind != CHUNKED:
            raise self._source.error("filters of chunks only", f"some of '{self.path}'")
        if kind == COMPACT:
            self._where = kind, block.bytes(block.number(2))
            stored = len(self._where[1])
        elif kind == CONTIGUOUS:
            address, stored = block.unpack("QQ")
            self._where = kind, address
            if self.nbytes:
                self._source.check(address, self.nbytes)
        elif kind == CHUNKED and block.data[0] == 3:
            rank = block.number(1)
            tree, *chunk = block.unpack(f"Q{rank}I" if rank < 64 else "Q")
            self._where = kind, tree, tuple(chunk[:-1])
            fits = rank == len(self.shape) + 1 and chunk[-1] == self._kind.size and min(chunk) > 0
            if fits:  # chunks that stick out of their array unpack to what nobody asks for
                whole = prod(-(-n // c) * c for n, c in zip(self.shape, chunk, strict=False))
                fits = max(whole, prod(chunk[:-1])) * chunk[-1] <= 16 * self.nbytes + (1 << 16)
            if not fits:
                got = f"chunks of {tuple(chunk)}"
                raise self._source.error(f"chunks that fit '{self.path}' {self.shape}", got)
            return
        else:
            got = "a virtual dataset" if kind == 3 else f"layout {kind}"
            hint = "Write the file with h5py's defaults."
            raise self._source.error(f"the values of '{self.path}' in the file", got, hint)
        if stored != self.nbytes:
            wanted = f"{self.nbytes} bytes of values of '{self.path}'"
            raise self._source.error(wanted, str(stored))

    def _read_filters(self, block: Cursor | None) -> list[int]:
        if block is None:
            return []
        version = block.version("filters", 1, 2)
        count = block.number(1)
        block.bytes(6 if version == 1 else 0)
        filters = []
        for _ in range(count):
            number = block.number(2)
            if number not in (DEFLATE, SHUFFLE, FLETCHER32) or number in filters:
                hint = "Write the file without, or with gzip, shuffle and fletcher32."
                raise self._source.error("known filters, each once", f"filter {number}", hint)
            named = block.number(2) if version == 1 else 0
            _, values = block.unpack("HH")
            block.bytes(named + 4 * (values + values % 2 if version == 1 else values))
            filters.append(number)
        return filters

    # -------------------------------------------------------------------------- chunks

    def _assembled(self, dtype: np.dtype[Any]) -> NDArray[Any]:
        chunk: tuple[int, ...] = self._where[2]
        array = np.empty(self.shape, dtype)
        missing = prod(-(-n // c) for n, c in zip(self.shape, chunk, strict=True))
        if array.size and missing * 8 > self._source.size:
            got = f"{missing}"
            raise self._source.error(f"as many chunks as the file holds of '{self.path}'", got)
        last: tuple[int, ...] = ()
        for place, address, size, skipped in self._chunks() if array.size else ():
            if place <= last or any(
                p % c or p >= n for p, c, n in zip(place, chunk, self.shape, strict=True)
            ):
                raise self._source.error("chunks in their order", f"one of '{self.path}' {place}")
            last = place
            values = np.frombuffer(self._unpacked(address, size, skipped), dtype).reshape(chunk)
            room = array[tuple(slice(p, p + c) for p, c in zip(place, chunk, strict=True))]
            room[...] = values[tuple(slice(0, n) for n in room.shape)]
            missing -= 1
        if array.size and missing:
            raise self._source.error(f"all chunks of '{self.path}'", f"{missing} too few")
        return array

    def _chunks(self) -> Iterator[tuple[tuple[int, ...], int, int, int]]:
        tree = self._where[1]
        if tree == UNDEFINED:
            return iter(())
        return self._node(tree, None)

    def _node(
        self, address: int, level: int | None
    ) -> Iterator[tuple[tuple[int, ...], int, int, int]]:
        """(where in the array, address, bytes, filters left out) of the chunks under a node."""
        source, rank = self._source, len(self.shape)
        head = source.cursor(address, 24, b"TREE")
        kind, at, count = head.unpack("BBH")
        if kind != 1 or at > MAX_LEVELS or level not in (None, at):
            raise source.error("a tree of chunks", f"a node of kind {kind}, level {at}")
        node = source.cursor(address + 24, count * (24 + 8 * rank))
        for _ in range(count):
            size, skipped = node.unpack("II")
            place = node.unpack(f"{rank + 1}Q")
            child = node.number(8)
            if at:
                yield from self._node(child, at - 1)
            else:
                yield place[:-1], child, size, skipped

    def _unpacked(self, address: int, size: int, skipped: int) -> bytes:
        """The bytes of a chunk after all filters, no more than it must have."""
        wanted = prod(self._where[2]) * self._kind.size
        data = self._source.values(address, size)
        for index, number in reversed(list(enumerate(self._filters))):
            if skipped >> index & 1:
                continue
            if number == DEFLATE:
                data = self._inflated(data, wanted + 4)
            elif number == FLETCHER32:
                if len(data) < 4 or fletcher32(data[:-4]) != int.from_bytes(data[-4:], "little"):
                    raise self._source.error(f"a chunk of '{self.path}' with its sum", "another")
                data = data[:-4]
            else:
                whole = len(data) - len(data) % self._kind.size
                bytes_ = np.frombuffer(data[:whole], np.uint8).reshape(self._kind.size, -1)
                data = bytes_.T.tobytes() + data[whole:]
        if len(data) != wanted:
            got = f"{len(data)}"
            raise self._source.error(f"chunks of {wanted} bytes in '{self.path}'", got)
        return data

    def _inflated(self, data: bytes, most: int) -> bytes:
        unpacker = zlib.decompressobj()
        try:
            unpacked = unpacker.decompress(data, most + 1)
        except zlib.error as error:
            raise self._source.error(f"gzip data in '{self.path}'", f"{error}") from error
        if len(unpacked) > most:
            got = "a chunk that unpacks to more"
            raise self._source.error(f"at most {most} bytes in a chunk of '{self.path}'", got)
        return unpacked


def fletcher32(data: bytes) -> int:
    """The sum that HDF5 writes behind a chunk, over big-endian numbers of 16 bits."""
    words = np.frombuffer(data + b"\0" * (len(data) % 2), ">u2").astype(np.uint64)
    one = two = 0
    for start in range(0, len(words), 1 << 16):  # so that no sum needs more than 64 bits
        part = words[start : start + (1 << 16)]
        weights = np.arange(len(part), 0, -1, dtype=np.uint64)
        two += one * len(part) + int((part * weights).sum())
        one += int(part.sum())
    return _folded(two) << 16 | _folded(one)


def _folded(number: int) -> int:
    """number modulo 65535, where only 0 itself is 0."""
    return (number - 1) % 65535 + 1 if number else 0

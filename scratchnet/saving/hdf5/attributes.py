"""Attributes: numbers and texts beside a group."""

from collections.abc import Iterator, Mapping
from math import prod
from typing import Any

import numpy as np

from scratchnet.saving.hdf5.headers import Message
from scratchnet.saving.hdf5.source import Cursor, Source
from scratchnet.saving.hdf5.types import Kind, read_shape, read_type

__all__ = ["Attributes"]

ATTRIBUTE, ATTRIBUTE_INFO = 0x0C, 0x15
MAX_BYTES = 1 << 24  # of one attribute


class Attributes(Mapping[str, Any]):
    """The attributes of one group by name, read when they are asked for.

    Numbers come as arrays, or as scalars where they have no axes; texts as NumPy's
    bytes (fixed length) or as `str` in arrays of objects (variable length): as h5py has them.
    """

    def __init__(self, source: Source, path: str, messages: list[Message]) -> None:
        self._source, self._path, self._found = source, path, messages
        self._heaps: dict[int, dict[int, bytes]] = {}
        self._parsed: dict[str, tuple[Kind, tuple[int, ...] | None, bytes]] | None = None

    def __getitem__(self, name: str) -> Any:
        kind, shape, data = self._all()[name]
        if shape is None:
            return None
        size = prod(shape) * kind.size
        if size > min(len(data), MAX_BYTES):
            raise self._error(name, f"{size} bytes of a value in", f"{len(data)}")
        dtype = np.dtype(f"S{kind.size}") if kind.text == "fixed" else kind.dtype
        if dtype is not None:
            return np.frombuffer(data[:size], dtype).reshape(shape)[()]
        if kind.text != "variable":
            raise self._error(name, "numbers or texts in", kind.name)
        texts = np.empty(prod(shape), object)
        for index in range(len(texts)):
            texts[index] = self._from_heap(name, data[16 * index : 16 * index + 16])
        return texts.reshape(shape)[()]

    def __iter__(self) -> Iterator[str]:
        return iter(self._all())

    def __len__(self) -> int:
        return len(self._all())

    def _error(self, name: str, wanted: str, got: str) -> ValueError:
        return self._source.error(f"{wanted} attribute '{name[:80]}' of '{self._path}'", got)

    def _all(self) -> dict[str, tuple[Kind, tuple[int, ...] | None, bytes]]:
        """name -> type, shape, raw bytes."""
        if self._parsed is None:
            self._parsed = {}
            for message in self._found:
                block = Cursor(self._source, message.data)
                if message.kind == ATTRIBUTE_INFO:
                    self._check_in_header(block)
                elif message.kind == ATTRIBUTE:
                    name, kind, shape, data = self._one(block)
                    self._parsed[name] = kind, shape, data
        return self._parsed

    def _check_in_header(self, block: Cursor) -> None:
        block.version("attributes", 0)
        block.bytes(2 if block.number(1) & 1 else 0)
        if block.number(8) != (1 << 64) - 1:
            hint = "Write it with h5py's defaults."
            wanted = f"at most eight attributes of '{self._path}', of 64 KB each"
            raise self._source.error(wanted, "more", hint)

    def _one(self, block: Cursor) -> tuple[str, Kind, tuple[int, ...] | None, bytes]:
        version = block.version("an attribute", 1, 2, 3)
        if block.number(1) and version > 1:
            raise self._source.error("attributes with types of their own", "shared types")
        name, kind, space = block.unpack("HHH")
        block.bytes(1 if version == 3 else 0)
        parts = []
        for size in (name, kind, space):
            parts.append(block.bytes(size))
            block.bytes(-size % 8 if version == 1 else 0)
        text = parts[0].partition(b"\0")[0].decode("utf-8", "replace")
        shape = read_shape(Cursor(self._source, parts[2]))
        return text, read_type(Cursor(self._source, parts[1])), shape, block.bytes(block.left)

    def _from_heap(self, name: str, piece: bytes) -> str:
        """A text of variable length: its length, the address of a heap, the number in it."""
        place = Cursor(self._source, piece)
        length, heap, index = place.unpack("IQI")
        if not length:
            return ""
        self._source.spend(length)
        if heap not in self._heaps:
            self._heaps[heap] = self._read_heap(heap)
        text = self._heaps[heap].get(index, b"")
        if len(text) < length:
            raise self._error(name, f"a text of {length} bytes in", f"{len(text)}")
        return text[:length].decode("utf-8", "replace")

    def _read_heap(self, address: int) -> dict[int, bytes]:
        head = self._source.cursor(address, 16, b"GCOL")
        head.version("a heap of texts", 1)
        head.bytes(3)
        block = self._source.cursor(address + 16, max(head.number(8) - 16, 0))
        texts: dict[int, bytes] = {}
        while block.left >= 16:
            index = block.number(2)
            block.bytes(6)
            size = block.number(8)
            if index == 0:
                break
            texts[index] = block.bytes(size)
            block.bytes(min(-size % 8, block.left))
        return texts

"""The bytes of an HDF5 file, and its first block."""

import struct
from typing import Any, BinaryIO, NamedTuple

from scratchnet.errors import expected

__all__ = ["UNDEFINED", "Cursor", "Source", "Start", "read_start"]

SIGNATURE = b"\x89HDF\r\n\x1a\n"
UNDEFINED = (1 << 64) - 1  # an address that is none
MAX_VISITS = 2  # all structure together, in lengths of the file
SPARE = 1 << 16


class Source:
    """Bytes at an address, within the file; `owner` names it in errors.

    Structure is read with `take`, which counts: blocks that lie over each other, or loops, would
    make a small file large, and are noticed by that.
    """

    def __init__(self, file: BinaryIO, owner: str) -> None:
        self.file, self.owner = file, owner
        self.size = file.seek(0, 2)
        self._left = MAX_VISITS * self.size + SPARE

    def error(self, wanted: str, got: str, hint: str = "The file is damaged.") -> ValueError:
        """What to raise."""
        return ValueError(expected(self.owner, wanted, got, hint))

    def check(self, start: int, count: int) -> None:
        """Raise unless these bytes are in the file."""
        if not 0 <= start <= start + count <= self.size:
            got = f"{count} bytes at {start} of {self.size}"
            raise self.error("a whole HDF5 file", got, "The file is cut short or damaged.")

    def spend(self, count: int) -> None:
        """Count these bytes of structure."""
        self._left -= count + 1
        if self._left < 0:
            got = "blocks that lie over each other or lead back to themselves"
            raise self.error("an HDF5 file whose blocks are read once", got)

    def take(self, start: int, count: int) -> bytes:
        """Bytes of structure."""
        self.spend(count)
        return self.values(start, count)

    def values(self, start: int, count: int) -> bytes:
        """Bytes of an array."""
        self.check(start, count)
        self.file.seek(start)
        data = self.file.read(count)
        if len(data) != count:
            raise self.error("a whole HDF5 file", f"{len(data)} of {count} bytes at {start}")
        return data

    def cursor(self, start: int, count: int, signature: bytes = b"") -> "Cursor":
        """A cursor over these bytes of structure, behind the signature that must be there."""
        cursor = Cursor(self, self.take(start, count))
        found = cursor.bytes(len(signature))
        if found != signature:
            raise self.error(f"{signature.decode()} at {start}", repr(found))
        return cursor


class Cursor:
    """Numbers one after the other from some bytes; raises where there are no more."""

    def __init__(self, source: Source, data: bytes) -> None:
        self.source, self.data, self.at = source, data, 0

    @property
    def left(self) -> int:
        return len(self.data) - self.at

    def bytes(self, count: int) -> bytes:
        if not 0 <= count <= self.left:
            got = f"{self.left} of {count}"
            raise self.source.error("all bytes of a block of an HDF5 file", got)
        self.at += count
        return self.data[self.at - count : self.at]

    def number(self, count: int) -> int:
        """A whole number of this many bytes, 0 or more."""
        return int.from_bytes(self.bytes(count), "little")

    def unpack(self, form: str) -> tuple[Any, ...]:
        """As `struct.unpack`, little-endian."""
        form = f"<{form}"
        return struct.unpack(form, self.bytes(struct.calcsize(form)))

    def version(self, what: str, *known: int) -> int:
        """One byte that must be one of these."""
        version = self.number(1)
        if version not in known:
            wanted = f"version {' or '.join(map(str, known))} of {what}"
            hint = "Only what h5py writes by default is read: write the file anew with it."
            raise self.source.error(wanted, str(version), hint)
        return version


class Start(NamedTuple):
    """Where the root group is."""

    header: int  # address of its object header


def read_start(source: Source) -> Start:
    """The superblock: the first block of the file."""
    if source.size == 0:
        raise source.error("a whole HDF5 file", "an empty file", "The file was never written.")
    head = source.values(0, min(source.size, 96))
    if head[:8] != SIGNATURE:
        hint = "The file is damaged or of another kind."
        raise source.error("a whole HDF5 file", f"a file that begins with {head[:8]!r}", hint)
    block = Cursor(source, head[8:])
    version = block.version("the superblock", 0, 1, 2, 3)
    if version < 2:
        block.bytes(4)
        sizes = block.unpack("BB")
        block.bytes(9 + (4 if version else 0))
        base, _, end, _ = block.unpack("4Q")
        _, root = block.unpack("QQ")
    else:
        sizes = block.unpack("BB")
        block.bytes(1)
        base, _, end, root = block.unpack("4Q")
    if sizes != (8, 8):
        raise source.error("addresses of 8 bytes", f"sizes {sizes}")
    if base != 0:
        raise source.error("a file without a user block", f"one that begins at {base}")
    if end > source.size:
        hint = "The file is cut short: fetch or write it again."
        raise source.error("a whole HDF5 file", f"{source.size} of {end} bytes", hint)
    return Start(root)

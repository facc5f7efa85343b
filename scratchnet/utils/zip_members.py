"""The members of a zip file from a stranger: named, counted and measured before one is read."""

import stat
import struct
import zipfile
from typing import BinaryIO

from scratchnet.errors import expected

__all__ = ["MAX_EXPANSION", "MIN_ALLOWED", "Members"]

# of what a file holds together, zip members or HDF5 arrays, over its length: weights hardly pack
MAX_EXPANSION = 20
MIN_ALLOWED = 1 << 24  # but zeros do: so many bytes are allowed to any file
MAX_MEMBERS = 1024
MAX_LIST = 1 << 20  # bytes of the list of members
END, LOCATOR = b"PK\5\6", b"PK\6\7"
HINT = "The file is damaged or of another kind."


class Members:
    """A zip file whose list of members is checked; `read` gives one of them.

    Names that are absolute, lead upwards or come twice are refused, and so are links, encrypted
    members, other packing than deflate, and sizes beyond MAX_EXPANSION. Nothing is ever unpacked
    to the disk. Errors are ValueErrors that begin with `owner`.
    """

    def __init__(self, file: BinaryIO, owner: str, what: str = "a whole .keras archive") -> None:
        self.owner, self.what = owner, what
        self.size = file.seek(0, 2)
        self._check_end(file)
        try:
            self.archive = zipfile.ZipFile(file)
        # the module raises whatever it stumbles over: BadZipFile, struct.error, OSError ...
        except Exception as error:
            raise self._error(what, str(error)) from error
        self.infos: dict[str, zipfile.ZipInfo] = {}
        for info in self.archive.infolist():
            self._check(info)
            self.infos[info.filename] = info
        self._left = max(MIN_ALLOWED, MAX_EXPANSION * self.size)

    def read(self, name: str, most: int) -> bytes:
        """The whole member, of at most `most` bytes."""
        if name not in self.infos:
            names = ", ".join(map(repr, list(self.infos)[:8])) or "nothing"
            raise self._error(f"{name} in the archive", names, "")
        info = self.infos[name]
        most = min(most, self._left)
        if info.file_size > most:
            hint = "It unpacks to more than any model would."
            raise self._error(f"{name} of at most {most} bytes", str(info.file_size), hint)
        self._left -= info.file_size
        try:
            with self.archive.open(info) as stream:
                data = stream.read(info.file_size + 1)  # one more, to see the end and its sum
        except Exception as error:
            raise self._error(self.what, f"{name}: {error}") from error
        if len(data) != info.file_size:
            got = f"{name} of {len(data)} bytes instead of {info.file_size}"
            raise self._error(self.what, got)
        return data

    def _error(self, wanted: str, got: str, hint: str = HINT) -> ValueError:
        return ValueError(expected(self.owner, wanted, got, hint))

    def _check_end(self, file: BinaryIO) -> None:
        """The last record says how long the list of members is, which is read at once."""
        tail_size = min(self.size, (1 << 16) + 42)
        file.seek(self.size - tail_size)
        tail = file.read(tail_size)
        at = tail.rfind(END)
        if at < 0 or len(tail) - at < 22:
            raise self._error(self.what, "File is not a zip file" if self.size else "an empty file")
        disks, _, here, count, size = struct.unpack("<HHHHI", tail[at + 4 : at + 16])
        if tail[max(at - 20, 0) : at].startswith(LOCATOR) or size == 0xFFFFFFFF:
            raise self._error("an archive below 4 GB", "one in the zip64 form")
        if count != here or disks or count > MAX_MEMBERS or size > MAX_LIST:
            wanted = f"at most {MAX_MEMBERS} members"
            raise self._error(wanted, f"{max(count, here)} in {size} bytes")

    def _check(self, info: zipfile.ZipInfo) -> None:
        name, kind = info.filename, stat.S_IFMT(info.external_attr >> 16)
        # `filename` has been made the system's own and cut at a zero byte
        raw = info.orig_filename
        parts = raw.rstrip("/").split("/")
        if (
            not raw.isprintable()
            or raw != name
            or any(c in raw for c in "\\:\0")
            or any(part in ("", ".", "..") for part in parts)
        ):
            raise self._error("members with plain relative names", repr(raw[:80]))
        if name in self.infos:
            raise self._error("each member once", f"{name!r} twice")
        if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
            raise self._error("plain files in the archive", f"a link or device, {name!r}")
        if info.flag_bits & 0x41:
            raise self._error("members that are not encrypted", repr(name))
        if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            method = f"method {info.compress_type} for {name!r}"
            raise self._error("members stored or deflated", method)

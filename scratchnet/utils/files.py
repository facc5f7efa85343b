"""Files that are either whole or not there."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from scratchnet.errors import expected

__all__ = ["atomic_write", "plain_file"]


@contextmanager
def atomic_write(path: str | os.PathLike[str], owner: str = "") -> Iterator[BinaryIO]:
    """Open a file for writing that takes the place of `path` only if the block ends without error.

    The bytes go to a temporary file in the same folder, of a name that no other process has; they
    are forced to the disk, the file is renamed, and the folder is forced to the disk: a reader sees
    the old file or the whole new one, even after a crash. An error removes the temporary file.

    Raises FileNotFoundError where there is no such folder, and what is no plain file is not
    replaced. Where `owner` is given, an OSError of the disk comes out as one of the same class and
    number that begins with it.
    """
    target = Path(path)
    who = owner or f"File '{path}'"
    if not target.parent.is_dir():
        got, hint = f"no folder '{target.parent}'", "Make the folder first."
        raise FileNotFoundError(expected(who, "a folder that exists", got, hint))
    if target.is_dir():
        got, hint = f"the folder '{path}'", "Add the file's name."
        raise IsADirectoryError(expected(who, "a file name", got, hint))
    if target.exists() and not target.is_file():
        got = f"'{path}', which is something else"
        raise FileExistsError(expected(who, "a plain file to replace", got))
    # not tempfile.mkstemp: its files are private (0600), and a cache may be shared
    temporary = target.with_name(f".{target.name[:32]}.{os.urandom(8).hex()}.part")
    try:
        with temporary.open("xb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, target)
    except BaseException as error:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
        if owner and isinstance(error, OSError):
            raise _said(error, owner, target) from error
        raise
    _sync_folder(target.parent)


def _said(error: OSError, owner: str, target: Path) -> OSError:
    """An error of the same class and number, in our words."""
    got = f"'{error.strerror or error}' for '{target}'"
    hint = "The old file, if there was one, is as it was. Make room, or choose another folder."
    said = type(error)(expected(owner, "a folder that can be written to", got, hint))
    said.errno = error.errno
    return said


def _sync_folder(folder: Path) -> None:
    """Force the folder's list of names to the disk, where the system can do that."""
    with suppress(OSError):
        number = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(number)
        finally:
            os.close(number)


def plain_file(path: str | os.PathLike[str], owner: str, wanted: str = "a file") -> Path:
    """The path, if a file is there that can be read to its end: no folder, pipe or device.

    Raises FileNotFoundError.
    """
    target = Path(path)
    if target.is_file():
        return target
    got = "no such file"
    if target.exists():
        got = "a folder" if target.is_dir() else "something that is not a plain file"
    raise FileNotFoundError(expected(owner, wanted, got, "Check the path."))

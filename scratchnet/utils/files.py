"""Files that are either whole or not there."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from scratchnet.errors import expected

__all__ = ["atomic_write"]


@contextmanager
def atomic_write(path: str | os.PathLike[str]) -> Iterator[BinaryIO]:
    """Open a file for writing that takes the place of `path` only if the block ends without error.

    The bytes go to a temporary file in the same folder, are forced to the disk, and the file is
    renamed: a reader sees the old file or the whole new one, even after a crash. An error removes
    the temporary file. Raises FileNotFoundError where there is no such folder.
    """
    target = Path(path)
    if not target.parent.is_dir():
        got, hint = f"no folder '{target.parent}'", "Make the folder first."
        raise FileNotFoundError(expected(f"File '{path}'", "a folder that exists", got, hint))
    # not tempfile.mkstemp: its files are private (0600), and a cache may be shared
    temporary = target.with_name(f".{target.name}.{os.urandom(8).hex()}.part")
    try:
        with temporary.open("xb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, target)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise

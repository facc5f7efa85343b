"""Reading an old HDF5 file that a stranger wrote: nothing is read before its size and kind are
known, and no link is followed.
"""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from math import prod
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from scratchnet.errors import expected

__all__ = ["dataset", "group", "names", "open_file", "parsed", "text"]

MAX_NAMES = 1 << 16
DAMAGED = (OSError, RuntimeError, KeyError, UnicodeDecodeError)  # what h5py raises in a bad file


@contextmanager
def open_file(path: str | os.PathLike[str], owner: str) -> Iterator[Any]:
    """The file, open for reading; what is wrong inside is a ValueError that begins with `owner`."""
    import h5py

    if not Path(path).is_file():
        got = "a folder" if Path(path).is_dir() else "no such file"
        raise FileNotFoundError(expected(owner, "an HDF5 file", got, "Check the path."))
    try:
        with h5py.File(path, "r") as store:
            yield store
    except DAMAGED as error:
        hint = "The file is damaged or of another kind."
        raise ValueError(expected(owner, "a whole HDF5 file", f"{error}", hint)) from error


def text(node: Any, name: str, owner: str) -> str | None:
    """The text in this attribute, None where there is none."""
    found = _strings(node, name, owner, ())
    return found[0] if found else None


def parsed(node: Any, name: str, owner: str) -> Any:
    """The JSON in this attribute, None where there is none."""
    written = text(node, name, owner)
    try:
        return None if written is None else json.loads(written, parse_constant=_no_number)
    except (json.JSONDecodeError, RecursionError) as error:
        raise ValueError(expected(owner, f"JSON in {name}", f"{error}")) from error


def _no_number(constant: str) -> None:
    raise json.JSONDecodeError(f"{constant} is no number", constant, 0)


def names(node: Any, name: str, owner: str) -> list[str]:
    """The list of names in this attribute; Keras cuts a long one in parts, name0, name1 ..."""
    if name in node.attrs:
        return _strings(node, name, owner, (MAX_NAMES,))
    parts: list[str] = []
    for number in count():
        if f"{name}{number}" not in node.attrs:
            return parts
        parts += _strings(node, f"{name}{number}", owner, (MAX_NAMES,))
    raise AssertionError("count() has no end")


def _strings(node: Any, name: str, owner: str, limit: tuple[int, ...]) -> list[str]:
    """The strings in an attribute of as many axes as `limit`, and no more of them than it says."""
    import h5py

    if name not in node.attrs:
        return []
    kept = node.attrs.get_id(name)
    if len(kept.shape) != len(limit) or prod(kept.shape) > prod(limit):
        wanted = f"{name} of at most {prod(limit)} strings"
        raise ValueError(expected(owner, wanted, f"an attribute of shape {kept.shape}"))
    if prod(kept.shape) == 0:  # Keras writes an empty list as one of floats
        return []
    if kept.dtype.kind != "S" and h5py.check_string_dtype(kept.dtype) is None:
        raise ValueError(expected(owner, f"{name} as text", f"an attribute of {kept.dtype}"))
    value = node.attrs[name]
    items = [value] if limit == () else value
    return [item.decode() if isinstance(item, bytes) else str(item) for item in items]


def group(node: Any, path: str, owner: str) -> Any:
    """The group at this path, the node itself for none; ValueError where there is no such."""
    import h5py

    found = _walk(node, path, owner)
    if not isinstance(found, h5py.Group):
        raise ValueError(expected(owner, f"a group '{path}'", _kind(found)))
    return found


def dataset(node: Any, path: str, array: NDArray[Any], owner: str) -> Any:
    """The dataset at this path, not read yet, if it can be read into this array."""
    import h5py

    found = _walk(node, path, owner)
    wanted = f"numbers of shape {array.shape} in '{path}'"
    if not isinstance(found, h5py.Dataset):
        raise ValueError(expected(owner, wanted, _kind(found), "Another model's?"))
    if found.shape != array.shape or found.dtype.kind not in "fiu":
        got = f"{found.dtype} of shape {found.shape}"
        raise ValueError(expected(owner, wanted, got, "Another model's?"))
    if found.is_virtual or found.external:
        hint = "Only what is in the file itself is read."
        raise ValueError(expected(owner, wanted, "a dataset kept in other files", hint))
    return found


def _walk(node: Any, path: str, owner: str) -> Any:
    """What is at this path below the node, by hard links only; None for nothing."""
    import h5py

    for part in path.split("/") if path else ():
        if not isinstance(node, h5py.Group) or part in ("", ".", "..") or part not in node:
            return None
        if not isinstance(node.get(part, getlink=True), h5py.HardLink):
            hint = "Only what is in the file itself is read."
            raise ValueError(expected(owner, f"'{path}' in the file", "a link", hint))
        node = node[part]
    return node


def _kind(found: Any) -> str:
    return "none" if found is None else f"a {type(found).__name__.lower()}"

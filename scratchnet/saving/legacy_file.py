"""What an old HDF5 file keeps in attributes: JSON, and lists of names."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from typing import Any

import numpy as np

from scratchnet.errors import expected
from scratchnet.saving.hdf5 import Group, open_hdf5
from scratchnet.saving.strict_json import read_json
from scratchnet.utils.files import plain_file

__all__ = ["group", "names", "open_file", "parsed", "text"]

MAX_NAMES = 1 << 16


@contextmanager
def open_file(path: str | os.PathLike[str], owner: str) -> Iterator[Group]:
    """The groups of the file, open for reading; what is wrong with it is a ValueError that begins
    with `owner`."""
    with plain_file(path, owner, "an HDF5 file").open("rb") as file:
        yield open_hdf5(file, owner)


def text(node: Group, name: str, owner: str) -> str | None:
    """The text in this attribute, None where there is none."""
    found = _strings(node, name, owner, 0)
    return found[0] if found else None


def parsed(node: Group, name: str, owner: str) -> Any:
    """The JSON in this attribute, None where there is none."""
    written = text(node, name, owner)
    return None if written is None else read_json(written.encode(), f"{owner}, {name}")


def names(node: Group, name: str, owner: str) -> list[str]:
    """The list of names in this attribute; Keras cuts a long one in parts, name0, name1 ..."""
    if name in node.attrs:
        return _strings(node, name, owner, 1)
    parts: list[str] = []
    for number in count():
        if f"{name}{number}" not in node.attrs:
            break
        parts += _strings(node, f"{name}{number}", owner, 1)
    return parts


def _strings(node: Group, name: str, owner: str, axes: int) -> list[str]:
    """The strings in an attribute of so many axes, and no more of them than MAX_NAMES."""
    if name not in node.attrs:
        return []
    value = node.attrs[name]
    found = np.asarray(value, None if isinstance(value, np.ndarray) else object)
    if found.size > MAX_NAMES:
        wanted = f"{name} of at most {MAX_NAMES} texts"
        raise ValueError(expected(owner, wanted, str(found.size)))
    if found.ndim != axes:
        wanted = f"{name} as {'a list of texts' if axes else 'a text'}"
        raise ValueError(expected(owner, wanted, f"an attribute of shape {found.shape}"))
    if found.size == 0:  # Keras writes an empty list as one of floats
        return []
    items = found.reshape(-1).tolist()
    if not all(isinstance(item, bytes | str) for item in items):
        raise ValueError(expected(owner, f"{name} as text", "numbers"))
    return [i.decode("utf-8", "replace") if isinstance(i, bytes) else i for i in items]


def group(node: Group, path: str, owner: str) -> Group:
    """The group at this path, the node itself for none; ValueError where there is no such."""
    found = node.get(path) if path else node
    if not isinstance(found, Group):
        got = "none" if found is None else "an array"
        raise ValueError(expected(owner, f"a group '{path}'", got))
    return found

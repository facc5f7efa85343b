"""The whole file as groups within groups, with arrays as leaves."""

from collections.abc import Iterator, Mapping
from typing import Any, BinaryIO

from scratchnet.errors import expected
from scratchnet.saving.hdf5.attributes import Attributes
from scratchnet.saving.hdf5.datasets import Dataset
from scratchnet.saving.hdf5.headers import read_messages
from scratchnet.saving.hdf5.links import read_links
from scratchnet.saving.hdf5.source import Source, read_start
from scratchnet.utils.zip_members import MAX_EXPANSION, MIN_ALLOWED

__all__ = ["Group", "dataset", "open_hdf5"]

MAX_DEPTH = 32
MAX_OBJECTS = 100_000


class Group(Mapping[str, "Group | Dataset"]):
    """Names and what they stand for. `group["a/b"]`, `group.get("a/b")`, `"a/b" in group` take
    paths, as in h5py; `group.attrs` is a dict that is read when it is asked."""

    def __init__(self, path: str, attrs: Attributes) -> None:
        self.path, self.attrs = path, attrs
        self.members: dict[str, Group | Dataset] = {}

    def __getitem__(self, path: str) -> "Group | Dataset":
        here: Group | Dataset = self
        for name in path.strip("/").split("/"):
            if not isinstance(here, Group) or name not in here.members:
                raise KeyError(path)
            here = here.members[name]
        return here

    def __iter__(self) -> Iterator[str]:
        return iter(self.members)

    def __len__(self) -> int:
        return len(self.members)


def open_hdf5(file: BinaryIO, owner: str, stored: int | None = None) -> Group:
    """The root group of an open file, all of whose structure is read and checked; no array is.

    The file must stay open while arrays are read. `stored` is its length where that is less than
    the file's: packed in an archive. Raises ValueError that begins with `owner`.
    """
    source = Source(file, owner)
    start = read_start(source)
    root: Group | None = None
    seen: dict[int, str] = {}
    values = 0
    waiting: list[tuple[Group | None, str, int]] = [(None, "", start.header)]
    while waiting:
        parent, path, address = waiting.pop()
        if address in seen:
            wanted, got = "a name of its own for each group and array", f"'{path}'"
            raise source.error(wanted, f"{got}, which is '{seen[address] or '/'}' as well")
        seen[address] = path
        if path.count("/") > MAX_DEPTH or len(seen) > MAX_OBJECTS:
            wanted = f"at most {MAX_OBJECTS} groups and arrays, {MAX_DEPTH} deep"
            raise source.error(wanted, "more")
        messages = read_messages(source, address)
        links = read_links(source, messages)
        if links is None:
            if parent is None:
                raise source.error("a group at the root", "something else")
            leaf = Dataset(source, path, messages)
            parent.members[path.rpartition("/")[2]] = leaf
            values += leaf.nbytes
            continue
        group = Group(path, Attributes(source, path, messages))
        if parent is None:
            root = group
        else:
            parent.members[path.rpartition("/")[2]] = group
        for name in sorted(links):  # so that names come in the order of the alphabet, as in h5py
            group.members[name] = group
        for name in reversed(sorted(links)):
            waiting.append((group, f"{path}/{name}" if path else name, links[name]))
    most = max(MIN_ALLOWED, MAX_EXPANSION * min(source.size, stored or source.size))
    if values > most:
        wanted = f"arrays of at most {most} bytes in a file of {source.size}"
        raise source.error(wanted, str(values), "It unpacks to more than any weights would.")
    assert root is not None
    return root


def dataset(group: Any, name: str, shape: tuple[int, ...], owner: str) -> Dataset:
    """The array `name` of the group, which must have this shape and hold numbers; nothing is
    read yet."""
    found = group.get(name) if isinstance(group, Group) else None
    if isinstance(found, Dataset) and found.shape == shape and found.dtype is not None:
        return found
    got = "none" if found is None else "a group"
    if isinstance(found, Dataset):
        got = f"{found.what} of shape {found.shape}"
    wanted = f"array {name} of numbers, of shape {shape}"
    raise ValueError(expected(owner, wanted, got, "Another model's?"))

"""A set of digits on the disk, checked before use: four IDX files or one .npz archive."""

import os
import struct
import zipfile
import zlib
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scratchnet.datasets.idx import read_idx
from scratchnet.errors import expected
from scratchnet.utils.zip_members import Members

__all__ = ["Images", "LoadedData", "find", "load"]

Images = NDArray[np.uint8]
LoadedData = tuple[tuple[Images, Images], tuple[Images, Images]]

# name in the archive -> name of the IDX file (also train-images.idx3-ubyte, and with .gz)
IDX_NAMES = {
    "x_train": "train-images-idx3-ubyte",
    "y_train": "train-labels-idx1-ubyte",
    "x_test": "t10k-images-idx3-ubyte",
    "y_test": "t10k-labels-idx1-ubyte",
}
SIDE = 28
CLASSES = 10
MAX_IMAGES = 1_000_000
# what the zipfile module raises for a damaged member; one may lie before the beginning of the file,
# which is an OSError, or have a name that is no text
DAMAGED = (
    *(zipfile.BadZipFile, zlib.error, struct.error, EOFError, RuntimeError, OSError),
    *(UnicodeDecodeError, LookupError),
)


def find(place: str | os.PathLike[str], npz: str = "mnist.npz") -> Path | dict[str, Path] | None:
    """What there is to read at `place`, a folder or an .npz file; nothing is opened.

    Returns the four IDX files by the archive's names, else the archive's path, else None.
    Raises FileNotFoundError where the place does not exist, or holds only some of the four files.
    """
    place = Path(place).expanduser()
    if place.is_file():
        return place
    if not place.is_dir():
        raise FileNotFoundError(
            expected(
                f"Data '{place}'", "a folder or an .npz file", "no such place", "Check the path."
            )
        )
    files = {key: path for key, name in IDX_NAMES.items() if (path := _find_idx(place, name))}
    if len(files) == len(IDX_NAMES):
        return files
    if (place / npz).is_file():
        return place / npz
    if files:
        missing = [name for key, name in IDX_NAMES.items() if key not in files]
        raise FileNotFoundError(
            expected(
                f"Data folder '{place}'",
                "all four IDX files",
                f"only {len(files)}",
                f"Put {' and '.join(missing)} beside them (or the same with .gz).",
            )
        )
    return None


def _find_idx(folder: Path, name: str) -> Path | None:
    head, _, tail = name.partition("-idx")
    spellings = [name, f"{head}.idx{tail}"]  # train-images-idx3-ubyte, train-images.idx3-ubyte
    names = [spelling + suffix for suffix in ("", ".gz") for spelling in spellings]
    return next((folder / n for n in names if (folder / n).is_file()), None)


def load(
    place: str | os.PathLike[str], npz: str = "mnist.npz", counts: tuple[int, int] | None = None
) -> LoadedData:
    """((x_train, y_train), (x_test, y_test)) from a folder or an .npz file.

    shapes    x (N, 28, 28) uint8   y (N,) uint8, 0 to 9; N is `counts` (train, test) if given
    errors    FileNotFoundError where something is missing, ValueError where it is not such data
    """
    found = find(place, npz)
    if found is None:
        raise FileNotFoundError(
            expected(
                f"Data folder '{place}'",
                f"the four IDX files or {npz}",
                "none of them",
                f"The files are {', '.join(IDX_NAMES.values())} (or the same with .gz).",
            )
        )
    if isinstance(found, dict):
        owners = {key: f"IDX file '{path}'" for key, path in found.items()}
        arrays = {key: read_idx(path) for key, path in found.items()}
    else:
        owners = {key: f"Archive '{found}', array {key}" for key in IDX_NAMES}
        arrays = _read_npz(found)
    for key, array in arrays.items():
        _check_form(owners[key], key, array.dtype, array.shape)
    for i, part in enumerate(("train", "test")):
        count = counts[i] if counts else len(arrays[f"x_{part}"])
        for key in (f"x_{part}", f"y_{part}"):
            _check_count(owners[key], key, len(arrays[key]), count, exactly=counts is not None)
        top = arrays[f"y_{part}"].max()
        if top >= CLASSES:
            raise ValueError(
                expected(
                    owners[f"y_{part}"],
                    f"labels 0 to {CLASSES - 1}",
                    f"{top}",
                    "These are not labels of digits.",
                )
            )
    return (arrays["x_train"], arrays["y_train"]), (arrays["x_test"], arrays["y_test"])


def _check_form(owner: str, key: str, dtype: np.dtype[Any], shape: tuple[int, ...]) -> None:
    """Images (N, 28, 28) or labels (N,), of uint8, N from 1 to MAX_IMAGES."""
    tail = (SIDE, SIDE) if key.startswith("x") else ()
    wanted = f"uint8 of shape {'(N, 28, 28)' if tail else '(N,)'}, N from 1 to {MAX_IMAGES}"
    if (
        dtype != np.uint8
        or len(shape) != 1 + len(tail)
        or shape[1:] != tail
        or not 1 <= shape[0] <= MAX_IMAGES
    ):
        hint = "Check that images and labels are not exchanged." if len(shape) in (1, 3) else ""
        raise ValueError(expected(owner, wanted, f"{dtype} of shape {shape}", hint))


def _check_count(owner: str, key: str, count: int, wanted: int, exactly: bool) -> None:
    if count == wanted:
        return
    kind = "images" if key.startswith("x") else "labels"
    if exactly:
        why, hint = "as MNIST has", "Another set of digits is read by datasets.load(folder)."
    else:
        why, hint = "one for each image", "The two do not belong together."
    raise ValueError(expected(owner, f"{wanted} {kind}, {why}", f"{count}", hint))


def _read_npz(path: Path) -> dict[str, NDArray[Any]]:
    """The four arrays of an archive; type, shape and size are checked before any is read."""
    owner = f"Archive '{path}'"
    with path.open("rb") as file:
        members = Members(file, owner, "a whole .npz archive")
        try:
            return _read_members(members, owner)
        except DAMAGED as error:
            hint = "The file is damaged or foreign; fetch it again."
            raise ValueError(expected(owner, "a whole .npz archive", f"{error}", hint)) from error


def _read_members(members: Members, owner: str) -> dict[str, NDArray[Any]]:
    infos = members.infos
    missing = [key for key in IDX_NAMES if f"{key}.npy" not in infos]
    if missing:
        names = ", ".join(sorted(infos)[:8]) or "none"
        hint = "Write them with np.savez, as uint8."
        raise ValueError(expected(owner, f"the arrays {', '.join(IDX_NAMES)}", names, hint))
    return {key: _read_npy(members.archive, infos[f"{key}.npy"], owner, key) for key in IDX_NAMES}


def _read_npy(
    archive: zipfile.ZipFile, info: zipfile.ZipInfo, owner: str, key: str
) -> NDArray[Any]:
    owner = f"{owner}, array {key}"
    try:
        with archive.open(info) as stream:
            version = np.lib.format.read_magic(stream)
            if version != (1, 0):  # what np.savez writes for plain arrays
                raise ValueError(f"version {version}")
            shape, _, dtype = np.lib.format.read_array_header_1_0(stream)
            header = stream.tell()
    except DAMAGED:
        raise
    # NumPy's reader raises whatever it stumbles over: ValueError, TokenError, SyntaxError ...
    except Exception as error:
        raise ValueError(expected(owner, "a plain .npy header", f"{error}")) from error
    _check_form(owner, key, dtype, shape)
    size = header + prod(shape) * dtype.itemsize
    if info.file_size != size:
        raise ValueError(
            expected(
                owner, f"{size} bytes", f"{info.file_size}", "The file is damaged; fetch it again."
            )
        )
    with archive.open(info) as stream:
        return np.ascontiguousarray(np.lib.format.read_array(stream, allow_pickle=False))

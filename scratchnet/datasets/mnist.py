"""MNIST: 60,000 handwritten digits to train on and 10,000 to test on, as Keras returns them.

source    Y. LeCun, C. Cortes, "The MNIST database of handwritten digits"; the archive and its
          address are those of keras.datasets.mnist (CC BY-SA 3.0)
"""

import hashlib
import os
import sys
from pathlib import Path

from scratchnet.datasets import folder
from scratchnet.datasets.folder import LoadedData
from scratchnet.errors import expected
from scratchnet.utils.files import atomic_write

__all__ = ["load_data", "locate"]

URL = "https://storage.googleapis.com/tensorflow/tf-keras-datasets/mnist.npz"
SHA256 = "731c5ac602752760c8e48fbffcf8c3b850d9dc2a2aedcf2cc48468fc17b673d1"
MAX_DOWNLOAD = 1 << 24  # the archive has 11,490,434 bytes
TIMEOUT = 20.0  # seconds without an answer
COUNTS = (60_000, 10_000)

ADVICE = (
    "Set SCRATCHNET_DATA to a folder with the four IDX files or mnist.npz, "
    "or use datasets.digits, which needs no file."
)


def load_data(path: str = "mnist.npz") -> LoadedData:
    """((x_train, y_train), (x_test, y_test)): 60,000 and 10,000 digits in the published order.

    shapes    x (N, 28, 28) uint8   y (N,) uint8, 0 to 9

    Looked for, in this order:
    1. $SCRATCHNET_DATA: a folder with the four IDX files (plain or .gz) or the archive `path`, or
       the archive itself; a folder with neither is passed over;
    2. Keras's cache, $KERAS_HOME/datasets or ~/.keras/datasets, for `path` with the known SHA-256;
    3. the address Keras uses; the download is checked, then kept in that cache.

    Raises ValueError for damaged data, FileNotFoundError where SCRATCHNET_DATA does not exist or
    holds only some of the four files, OSError where the download fails.
    """
    _check_name(path)
    own = _in_environment(path)
    if own is not None:
        return folder.load(own, path, COUNTS)
    cached = _cache(path)
    problem = _what_is_wrong(cached)
    if problem:
        _download(cached, problem)
    return folder.load(cached, path, COUNTS)


def locate(path: str = "mnist.npz") -> Path | None:
    """Where `load_data` would read from without a download, or None; nothing is read or written."""
    _check_name(path)
    try:
        own = _in_environment(path)
    except FileNotFoundError:
        return None
    if own is not None:
        return own
    return _cache(path) if _cache(path).is_file() else None


def _check_name(path: str) -> None:
    if not isinstance(path, str) or path in ("", "..") or Path(path).name != path:
        raise ValueError(
            expected(
                "datasets.mnist.load_data",
                "path to be the name of a file in the cache",
                repr(path),
                "A folder is given by SCRATCHNET_DATA.",
            )
        )


def _in_environment(name: str) -> Path | None:
    """The place SCRATCHNET_DATA names, None where it is unset or names a folder without MNIST."""
    value = os.environ.get("SCRATCHNET_DATA")
    if not value:
        return None
    found = folder.find(value, name)
    if isinstance(found, dict):
        return next(iter(found.values())).parent
    return found


def _cache(name: str) -> Path:
    home = os.environ.get("KERAS_HOME") or Path("~") / ".keras"
    return Path(home).expanduser() / "datasets" / name


def _what_is_wrong(cached: Path) -> str:
    """Empty where the cached archive is the known one."""
    if not cached.is_file():
        return "no such file"
    with cached.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return "" if digest == SHA256 else f"SHA-256 {digest} instead of {SHA256}"


def _download(target: Path, problem: str) -> None:
    """Fetch the archive into the cache; only a file with the known SHA-256 takes the place."""
    # imported here: they take longer to import than everything else in the package
    import http.client
    import urllib.request

    where = os.environ.get("SCRATCHNET_DATA")
    looked = f"SCRATCHNET_DATA ({where or 'not set'}) or '{target}' ({problem})"
    print(f"Downloading MNIST from {URL}", file=sys.stderr)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with (
            urllib.request.urlopen(URL, timeout=TIMEOUT) as answer,
            atomic_write(target) as file,
        ):
            digest, size = hashlib.sha256(), 0
            while (block := answer.read(1 << 16)) and size <= MAX_DOWNLOAD:
                digest.update(block)
                size += len(block)
                file.write(block)
            if digest.hexdigest() != SHA256:
                told = answer.headers.get("Content-Length", "an unknown number of")
                raise ValueError(
                    expected(
                        f"Download of '{URL}'",
                        f"SHA-256 {SHA256}",
                        f"{digest.hexdigest()} ({size} of {told} bytes)",
                        f"Nothing was kept. Try again. {ADVICE}",
                    )
                )
    except (OSError, http.client.HTTPException) as error:
        raise OSError(
            expected("datasets.mnist", f"MNIST in {looked}, or at {URL}", f"{error}", ADVICE)
        ) from error

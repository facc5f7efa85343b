"""HDF5 files that a stranger broke: refused by name, the model as it was, no memory taken."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

import scratchnet as sn
from scratchnet.tests import hostile

KERNEL = "layers/dense/vars/0"


@pytest.fixture(scope="module")
def model() -> sn.Sequential:
    return hostile.tiny_model()


@pytest.fixture
def good(tmp_path: Path, model: sn.Sequential) -> Path:
    """A weights file that fits; nothing else may be in its folder at the end."""
    path = tmp_path / "m.weights.h5"
    model.save_weights(path)
    return path


def assert_refused(model: sn.Sequential, path: Path, message: str) -> None:
    before = [w.copy() for w in model.weights]
    with pytest.raises(ValueError, match=message) as caught:
        model.load_weights(path)
    assert str(caught.value).startswith(f"Weights file '{path}'")
    for now, then in zip(model.weights, before, strict=True):
        np.testing.assert_array_equal(now, then)
    assert list(path.parent.iterdir()) == [path]


def external(file: Any) -> None:
    file["layers/dense/vars/x"] = h5py.ExternalLink("/etc/passwd", "/")


def soft(file: Any) -> None:
    file["layers/dense/vars/x"] = h5py.SoftLink("/vars")


def soft_loop(file: Any) -> None:
    file["a"], file["b"] = h5py.SoftLink("/b"), h5py.SoftLink("/a")


def hard_cycle(file: Any) -> None:
    file["layers/again"] = file["layers"]


def itself(file: Any) -> None:
    file["layers/dense/vars/root"] = file["/"]


def two_names(file: Any) -> None:
    del file["layers/dense/vars/1"]
    file["layers/dense/vars/1"] = file[KERNEL]


def external_storage(file: Any) -> None:
    del file[KERNEL]
    file.create_dataset(KERNEL, (3, 2), "f4", external=[("/etc/passwd", 0, 24)])


def virtual(file: Any) -> None:
    del file[KERNEL]
    layout = h5py.VirtualLayout((3, 2), "f4")
    layout[...] = h5py.VirtualSource("/etc/passwd", "x", (3, 2))
    file.create_virtual_dataset(KERNEL, layout)


def named_type(file: Any) -> None:
    file["type"] = np.dtype("f4")
    del file[KERNEL]
    file.create_dataset(KERNEL, (3, 2), file["type"])


def never_written(file: Any) -> None:
    del file[KERNEL]
    file.create_dataset(KERNEL, (3, 2), "f4")


def never_written_chunks(file: Any) -> None:
    del file[KERNEL]
    file.create_dataset(KERNEL, (3, 2), "f4", chunks=(1, 2))


def bomb(file: Any) -> None:
    file.create_dataset("x", (1 << 28,), "f4", chunks=(1 << 24,), compression="gzip")[:100] = 1


def large_chunks(file: Any) -> None:
    del file[KERNEL]
    options = {"maxshape": (None, None), "compression": "gzip"}
    file.create_dataset(KERNEL, (3, 2), "f4", chunks=(1 << 12, 1 << 12), **options)


def deep(file: Any) -> None:
    file.create_group("/".join("a" * 40))


def with_values(values: Any, **options: Any) -> Callable[[Any], None]:
    def change(file: Any) -> None:
        del file[KERNEL]
        file.create_dataset(KERNEL, data=values, **options)

    return change


SIX = np.ones((3, 2), np.float32)
KIND = r"Dense '.*': expected array 0 of numbers, of shape \(3, 2\), got "
CASES: dict[str, tuple[Callable[[Any], None], str]] = {
    "external link": (
        external,
        "names of what is in the file itself, got a link to another file, b'x'",
    ),
    "soft link": (soft, "names of what is in the file itself, got a soft link, b'x'"),
    "soft loop": (soft_loop, "names of what is in the file itself, got a soft link, b'a'"),
    "hard cycle": (hard_cycle, "a name of its own for each .*, got 'layers/again', which is 'lay"),
    "in itself": (itself, "a name of its own for each group and array, got .*root', which is '/'"),
    "two names": (two_names, "a name of its own for each group and array, got"),
    "external storage": (external_storage, f"in the file itself, got '{KERNEL}' in another file"),
    "virtual": (virtual, f"the values of '{KERNEL}' in the file, got a virtual dataset"),
    "named type": (named_type, "types and shapes that stand with their array, got shared ones"),
    "never written": (never_written, "expected a whole HDF5 file, got 24 bytes at 1844674407370"),
    "no chunks": (never_written_chunks, f"expected all chunks of '{KERNEL}', got 3 too few"),
    "bomb": (bomb, r"expected arrays of at most 16777216 bytes in a file of \d+, got 10737"),
    "large chunks": (large_chunks, r"chunks that fit '.*' \(3, 2\), got chunks of \(4096, 4096, 4"),
    "deep": (deep, "at most 100000 groups and arrays, 32 deep, got more"),
    "lzf": (
        with_values(SIX, compression="lzf", chunks=(3, 2)),
        "filters, each once, got filter 32",
    ),
    "scale": (with_values(SIX, scaleoffset=2, chunks=(3, 2)), "known filters, .*, got filter 6"),
    "text": (with_values("x"), KIND + r"texts of shape \(\)"),
    "texts": (with_values([[b"a", b"b"]] * 3), KIND + r"texts of shape \(3, 2\)"),
    "objects": (with_values(np.full((3, 2), "é", object)), KIND + r"texts of shape"),
    "compound": (with_values(np.zeros((3, 2), "f4,i4")), KIND + "64-bit compounds"),
    "complex": (with_values(SIX.astype("c8")), KIND + "64-bit compounds"),
    "bool": (with_values(SIX > 0), KIND + "8-bit enumerations"),
    "reference": (
        with_values(np.full((3, 2), h5py.Reference(), h5py.ref_dtype)),
        KIND + "64-bit references",
    ),
    "opaque": (with_values(np.zeros((3, 2), "V8")), KIND + "64-bit opaque bytes"),
    "long double": (with_values(SIX.astype(np.longdouble)), KIND + "128-bit floats"),
    "shape": (with_values(SIX.T), KIND + r"float32 of shape \(2, 3\)"),
    "huge shape": (
        lambda file: file.create_dataset("x", (1 << 40,), "f4", chunks=(1 << 20,)),
        "expected arrays of at most 16777216 bytes",
    ),
    "a group": (lambda f: (f.pop(KERNEL), f.create_group(KERNEL)), KIND + "a group"),
    "too large": (
        with_values(np.full((3, 2), 1e300)),
        r"numbers that float32 can hold in .*, got \[1\.e\+300\]",
    ),
    "iterations": (
        lambda f: f["optimizer/vars/0"].write_direct(np.array(-1)),
        "expected a whole number of 0 or more in 'optimizer/vars/0', got -1",
    ),
    "learning rate": (
        lambda f: f["optimizer/vars/1"].write_direct(np.array(np.nan, "f4")),
        "expected a finite number in 'optimizer/vars/1', got nan",
    ),
    "layers": (
        lambda f: (f.pop("layers"), f.create_dataset("layers", data=1.0)),
        "expected 2 arrays for Dense '.*', got 0",
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_refused_by_name(good: Path, model: sn.Sequential, case: str) -> None:
    change, message = CASES[case]
    with h5py.File(good, "r+") as file:
        change(file)
    assert_refused(model, good, message)

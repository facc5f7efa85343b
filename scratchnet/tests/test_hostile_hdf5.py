"""HDF5 files that a stranger broke: refused by name, the model as it was, no memory taken."""

import io
import random
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

import scratchnet as sn
from scratchnet.saving.hdf5 import open_hdf5
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


def test_a_user_block_is_refused(good: Path, model: sn.Sequential) -> None:
    with h5py.File(good, "w", userblock_size=512) as file:
        file.create_group("layers")
    assert_refused(model, good, r"a whole HDF5 file, got a file that begins with b'\\x00")


def test_files_that_are_not_hdf5_are_refused(good: Path, model: sn.Sequential) -> None:
    for data, message in (
        (b"", "got an empty file"),
        (b"PK\3\4" * 9, "begins with b'PK"),
        (b"\x89HDF\r\n\x1a\n", "all bytes of a block"),
    ):
        good.write_bytes(data)
        assert_refused(model, good, message)


def test_a_file_cut_anywhere_is_refused(good: Path, model: sn.Sequential) -> None:
    data = good.read_bytes()
    for length in range(len(data)):
        got = f"got {length} of {len(data)} bytes" if length >= 96 else "got"
        with pytest.raises(ValueError, match=f"File: expected .*{got}"):
            open_hdf5(io.BytesIO(data[:length]), "File")


@pytest.mark.parametrize("form", ["tiny", "newer", "packed"])
def test_changed_bytes_never_do_more_than_raise(
    tmp_path: Path, model: sn.Sequential, form: str
) -> None:
    """The library behind h5py crashes, or never comes back, for one of 500 of these."""
    with (
        h5py.File(tmp_path / "new", "w", libver="v108" if form == "newer" else None) as new,
        h5py.File(io.BytesIO(weights_of(model))) as old,
    ):
        for name, thing in things(old):
            packed = {"compression": "gzip", "fletcher32": True} if form == "packed" else {}
            new.create_dataset(name, data=thing, **(packed if np.ndim(thing) else {}))
    data = (tmp_path / "new").read_bytes()
    rng, path = random.Random(5), tmp_path / "m.weights.h5"
    seen = set()
    for _ in range(250):
        path.write_bytes(hostile.change_bytes(data, rng))
        seen.add(hostile.outcome(lambda p: hostile.load_weights_or_leave(model, p), path)[:4])
    assert seen == {"read", "Weig"}


def weights_of(model: sn.Sequential) -> bytes:
    from scratchnet.saving.weights import write

    return write(model)


def things(file: Any) -> list[tuple[str, Any]]:
    """Every array of a file with its path."""
    found: list[tuple[str, Any]] = []
    file.visititems(
        lambda name, thing: found.append((name, thing[()])) if hasattr(thing, "dtype") else None
    )
    return found


def with_chunks(good: Path, **options: Any) -> bytes:
    """The file with a kernel in three chunks."""
    with h5py.File(good, "r+") as file:
        with_values(np.arange(6, dtype=np.float32).reshape(3, 2), chunks=(1, 2), **options)(file)
    return good.read_bytes()


def test_a_chunk_that_unpacks_to_more_than_it_holds(good: Path, model: sn.Sequential) -> None:
    with_chunks(good, compression="gzip")
    with h5py.File(good, "r+") as file:
        file[KERNEL].id.write_direct_chunk((1, 0), zlib.compress(bytes(1 << 24)))
    assert_refused(model, good, f"at most 12 bytes in a chunk of '{KERNEL}', got a chunk that unpa")
    with h5py.File(good, "r+") as file:
        file[KERNEL].id.write_direct_chunk((1, 0), zlib.compress(bytes(4)))
    assert_refused(model, good, f"chunks of 8 bytes in '{KERNEL}', got 4")
    with h5py.File(good, "r+") as file:
        file[KERNEL].id.write_direct_chunk((1, 0), b"no gzip data")
    assert_refused(model, good, f"gzip data in '{KERNEL}', got Error -3")


def test_a_chunk_with_another_sum(good: Path, model: sn.Sequential) -> None:
    data = with_chunks(good, fletcher32=True)
    values = np.array([2, 3], np.float32).tobytes()
    good.write_bytes(data.replace(values, values[::-1]))
    assert_refused(model, good, f"a chunk of '{KERNEL}' with its sum, got another")


def test_chunks_that_lie_on_each_other(good: Path, model: sn.Sequential) -> None:
    data = bytearray(with_chunks(good))
    tree = data.index(b"TREE\1") + 24
    data[tree + 48] = 0  # where the second one lies: size, mask and place, child are 40 bytes each
    good.write_bytes(bytes(data))
    assert_refused(model, good, rf"chunks in their order, got one of '{KERNEL}' \(0, 0\)")


@pytest.mark.parametrize("name", [b"first", b"a/b/c", b"\0aaaa", b"."])
def test_names_that_are_no_names(good: Path, model: sn.Sequential, name: bytes) -> None:
    with h5py.File(good, "r+") as file:
        file.create_group("layers/first")
        file.create_group("layers/other")
    good.write_bytes(good.read_bytes().replace(b"other", name.ljust(5, b"\0")))
    assert_refused(model, good, "names in a group that are parts of a path, each once, got")


def test_addresses_that_count_from_elsewhere(good: Path, model: sn.Sequential) -> None:
    data = bytearray(good.read_bytes())
    data[24] = 8
    good.write_bytes(bytes(data))
    assert_refused(model, good, "a file without a user block, got one that begins at 8")


def test_values_that_are_nan_are_kept(good: Path, model: sn.Sequential) -> None:
    """Training that diverged leaves such, and may be looked at."""
    with h5py.File(good, "r+") as file:
        file[KERNEL][0] = np.nan, np.inf
    other = hostile.tiny_model()
    other.load_weights(good)
    assert np.isnan(other.weights[0][0, 0])
    assert np.isinf(other.weights[0][0, 1])


def test_attributes_are_not_trusted_either() -> None:
    buffer = io.BytesIO()
    with h5py.File(buffer, "w") as file:
        file.attrs["reference"] = file.ref
        file.attrs["texts"] = ["abc"] * 2
        file.attrs["compound"] = np.zeros(2, "f4,i4")
    attrs = open_hdf5(buffer, "File").attrs
    for name in ("reference", "compound"):
        with pytest.raises(ValueError, match=rf"expected numbers or texts in attribute '{name}'"):
            attrs[name]
    data = buffer.getvalue()
    at = data.index(b"GCOL") + 16
    broken = data[:at] + b"\xff" * 24 + data[at + 24 :]
    with pytest.raises(ValueError, match="File: expected"):
        open_hdf5(io.BytesIO(broken), "File").attrs["texts"]
    many = io.BytesIO()
    with h5py.File(many, "w", libver="v108") as file:
        for index in range(20):
            file.attrs[str(index)] = index
    with pytest.raises(ValueError, match="expected at most eight attributes of '', of 64 KB"):
        list(open_hdf5(many, "File").attrs)


def test_a_text_that_many_point_to_is_counted() -> None:
    buffer = io.BytesIO()
    with h5py.File(buffer, "w") as file:
        file.attrs["texts"] = ["a" * 50_000, *["b"] * 3000]
    data = bytearray(buffer.getvalue())
    first = data.index((50_000).to_bytes(4, "little"))
    for index in range(1, 3001):  # all lead to the long one: 150 MB
        data[first + 16 * index : first + 16 * index + 16] = data[first : first + 16]
    with pytest.raises(ValueError, match="expected an HDF5 file whose blocks are read once"):
        open_hdf5(io.BytesIO(bytes(data)), "File").attrs["texts"]

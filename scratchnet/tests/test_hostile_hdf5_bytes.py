"""HDF5 files whose bytes were changed: refused by name, the model as it was."""

import io
import random
import zlib
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

import scratchnet as sn
from scratchnet.saving.hdf5 import open_hdf5
from scratchnet.tests import hostile
from scratchnet.tests.test_hostile_hdf5 import KERNEL, assert_refused, with_values


@pytest.fixture(scope="module")
def model() -> sn.Sequential:
    return hostile.tiny_model()


@pytest.fixture
def good(tmp_path: Path, model: sn.Sequential) -> Path:
    """A weights file that fits; nothing else may be in its folder at the end."""
    path = tmp_path / "m.weights.h5"
    model.save_weights(path)
    return path


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

"""HDF5 files read in Python: the same groups, arrays and attributes that h5py sees."""

import io
from typing import Any

import h5py
import numpy as np
import pytest

from scratchnet.saving.hdf5 import Dataset, Group, dataset, open_hdf5
from scratchnet.saving.hdf5.datasets import fletcher32

FORMS = [None, "v108", ("earliest", "v108"), "v110", "latest"]


def written(fill: Any, libver: Any = None) -> io.BytesIO:
    """A file that `fill` wrote."""
    buffer = io.BytesIO()
    with h5py.File(buffer, "w", libver=libver) as file:
        fill(file)
    return buffer


def assert_same(mine: Any, theirs: Any) -> None:
    """Names in order, attributes, dtypes and values."""
    assert list(mine) == sorted(theirs)
    assert sorted(mine.attrs) == sorted(theirs.attrs)
    for key, value in theirs.attrs.items():
        assert np.array_equal(np.asarray(mine.attrs[key]), np.asarray(value)), key
    for name, thing in theirs.items():
        if isinstance(thing, h5py.Group):
            assert_same(mine[name], thing)
        else:
            assert mine[name].dtype == thing.dtype
            np.testing.assert_array_equal(mine[name][()], thing[()])


@pytest.mark.parametrize("libver", FORMS, ids=str)
@pytest.mark.parametrize("count", [0, 3, 9, 150])
def test_groups_of_any_size_in_every_form(libver: Any, count: int) -> None:
    def fill(file: Any) -> None:
        group = file.create_group("layers/dense/vars")
        for index in range(count):
            group[str(index)] = np.full((index % 3, 2), index, np.float32)
        file.create_group("vars")

    buffer = written(fill, libver)
    with h5py.File(buffer) as file:
        assert_same(open_hdf5(buffer, "File"), file)


def test_thousands_of_names_in_the_newer_form() -> None:
    buffer = written(lambda file: [file.create_group(f"{i:x}") for i in range(3000)], "v108")
    assert list(open_hdf5(buffer, "File")) == sorted(f"{i:x}" for i in range(3000))


@pytest.mark.parametrize("dtype", ["<f2", "<f4", "<f8", ">f4", ">f8", "i1", "<i8", ">i2", "u1"])
def test_numbers_of_every_kind(dtype: str) -> None:
    values = np.arange(6).reshape(2, 3).astype(dtype)
    found = open_hdf5(written(lambda file: file.create_dataset("a", data=values)), "File")["a"]
    assert found.dtype == np.dtype(dtype)
    np.testing.assert_array_equal(found[()], values)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"compression": "gzip"},
        {"shuffle": True},
        {"fletcher32": True},
        {"compression": "gzip", "compression_opts": 9, "shuffle": True, "fletcher32": True},
    ],
)
@pytest.mark.parametrize("chunks", [(10, 7), (57, 33), (1, 33)])
def test_chunks_and_filters(options: dict[str, Any], chunks: tuple[int, int], rng: Any) -> None:
    values = rng.standard_normal((57, 33))
    buffer = written(lambda f: f.create_dataset("a", data=values, chunks=chunks, **options))
    np.testing.assert_array_equal(open_hdf5(buffer, "File")["a"][()], values)


def test_a_tree_of_chunks_with_levels(rng: Any) -> None:
    values = rng.integers(0, 9, 5000, dtype=np.uint8)
    buffer = written(lambda file: file.create_dataset("a", data=values, chunks=(7,)))
    np.testing.assert_array_equal(open_hdf5(buffer, "File")["a"][()], values)


def test_values_kept_in_the_header() -> None:
    def fill(file: Any) -> None:
        space, kind = h5py.h5s.create_simple((4,)), h5py.h5t.IEEE_F32LE
        plan = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        plan.set_layout(h5py.h5d.COMPACT)
        made = h5py.h5d.create(file.id, b"a", kind, space, plan)
        made.write(h5py.h5s.ALL, h5py.h5s.ALL, np.arange(4, dtype=np.float32))

    np.testing.assert_array_equal(open_hdf5(written(fill), "File")["a"][()], [0, 1, 2, 3])


@pytest.mark.parametrize("libver", FORMS, ids=str)
def test_attributes_are_those_that_h5py_gives(libver: Any) -> None:
    def fill(file: Any) -> None:
        file.attrs["names"] = np.array([b"dense", b"conv2d_1"])
        file.attrs["text"] = '{"a": "ä"}' * 1000
        file.attrs["bytes"] = np.bytes_(b"xyz")
        file.attrs["texts"] = ["ä", "", "b"]
        file.attrs["number"], file.attrs["numbers"] = 3, np.arange(3.0)
        file.attrs["empty"] = np.zeros(0)

    buffer = written(fill, libver)
    with h5py.File(buffer) as file:
        assert_same(open_hdf5(buffer, "File"), file)
    mine = open_hdf5(buffer, "File").attrs
    assert isinstance(mine["text"], str)
    assert mine["names"].tolist() == [b"dense", b"conv2d_1"]


def test_an_attribute_without_a_value() -> None:
    buffer = written(lambda file: file.attrs.__setitem__("none", h5py.Empty("f4")))
    assert open_hdf5(buffer, "File").attrs["none"] is None


def test_paths_lead_through_groups() -> None:
    root = open_hdf5(written(lambda file: file.create_dataset("a/b/0", data=[1.5])), "File")
    assert isinstance(root["a/b"], Group)
    assert isinstance(root.get("a/b/0"), Dataset)
    assert root.get("a/c") is None
    assert "a/b/0/x" not in root
    found = dataset(root["a/b"], "0", (1,), "File")
    assert found.path == "a/b/0"
    assert found.nbytes == 8
    for name, shape, got in (
        ("0", (2,), "float64 of shape"),
        ("1", (1,), "none"),
        ("b", (), "a g"),
    ):
        with pytest.raises(ValueError, match=rf"File: expected array {name} of numbers.*got {got}"):
            dataset(root["a" if name == "b" else "a/b"], name, shape, "File")
    with pytest.raises(ValueError, match=r"expected 'a/b/0' read as a whole, got 0\. Write"):
        found[0]


def test_the_sum_behind_a_chunk_is_that_of_the_library() -> None:
    assert fletcher32(b"") == 0
    assert fletcher32(b"\0" * 10) == 0
    assert fletcher32(b"\xff" * 4) == 0xFFFFFFFF
    assert fletcher32(b"abc") == (0x6162 + (0x6162 + 0x6300)) % 65535 << 16 | 0x6162 + 0x6300
    assert fletcher32(b"\x12\x34" * 200_000) == _slowly(b"\x12\x34" * 200_000)


def _slowly(data: bytes) -> int:
    one = two = 0
    for high, low in zip(data[::2], data[1::2], strict=True):
        one = (one + (high << 8 | low)) % 65535
        two = (two + one) % 65535
    return two << 16 | one

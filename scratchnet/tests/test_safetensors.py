"""model.safetensors: bare weights by name, and files that do not fit or are damaged."""

import json
import struct
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import scratchnet as sn

numpy_io = pytest.importorskip("safetensors.numpy")


def model(units: int = 3, **options: Any) -> Any:
    return sn.Sequential(
        [
            sn.Input((4,)),
            sn.layers.Dense(units, name="first", **options),
            sn.layers.BatchNormalization(name="second"),
        ]
    )


def saved(folder: Path) -> tuple[Path, dict[str, Any]]:
    """A file of a model's weights, and its content."""
    path = folder / "m.safetensors"
    model().save_weights(path)
    return path, numpy_io.load_file(path)


def refused(folder: Path, content: bytes, message: str) -> None:
    """This content is refused with the file's name, and no weight changes."""
    path, mine = folder / "bad.safetensors", model()
    path.write_bytes(content)
    before = mine.get_weights()
    with pytest.raises(ValueError, match=message) as caught:
        mine.load_weights(path)
    assert str(caught.value).startswith(f"Weights file '{path}'")
    for one, other in zip(before, mine.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


def test_weights_go_by_name_into_another_model(tmp_path: Path) -> None:
    mine, other = model(), model()
    mine.save_weights(tmp_path / "m.safetensors")
    assert list(numpy_io.load_file(tmp_path / "m.safetensors")) == [
        *("first/bias", "first/kernel", "second/beta", "second/gamma"),
        *("second/moving_mean", "second/moving_variance"),
    ]
    other.load_weights(tmp_path / "m.safetensors")
    for one, two in zip(mine.get_weights(), other.get_weights(), strict=True):
        np.testing.assert_array_equal(one, two)
    assert [path.name for path in tmp_path.iterdir()] == ["m.safetensors"]


def test_floats_of_fewer_bits_are_taken_and_of_more_are_not(tmp_path: Path) -> None:
    path, content = saved(tmp_path)
    sn.config.set_floatx("float64")
    wide = model()
    wide.load_weights(path)
    np.testing.assert_array_equal(wide.layers[0].kernel, content["first/kernel"])
    assert wide.layers[0].kernel.dtype == np.float64
    wide.save_weights(tmp_path / "wide.safetensors")
    sn.config.set_floatx("float32")
    message = r"first/kernel: expected at most float32 of shape \(4, 3\), got float64 of shape \(4,"
    refused(tmp_path, (tmp_path / "wide.safetensors").read_bytes(), message)


def test_tensors_that_do_not_fit_are_refused_by_name(tmp_path: Path) -> None:
    _, content = saved(tmp_path)
    for change, message in (
        (
            {"first/kernel": np.ones((3, 4), np.float32)},
            r"first/kernel: .* got float32 of shape \(",
        ),
        ({"first/bias": np.ones(3, np.int32)}, r"first/bias: expected .*, got I32 of shape \(3,\)"),
        (
            {"third/bias": np.ones(3, np.float32)},
            "expected the tensors first/kernel, .* got also t",
        ),
    ):
        refused(tmp_path, numpy_io.save(content | change), message)
    del content["second/gamma"]
    refused(
        tmp_path, numpy_io.save(content), "expected the tensors .*, got no second/gamma. Tensors a"
    )
    many = {f"third/{n}": np.ones(1, np.float32) for n in range(20)}
    refused(tmp_path, numpy_io.save(many), r"got no first/kernel")


def test_damaged_files_are_refused(tmp_path: Path) -> None:
    path, _ = saved(tmp_path)
    good = path.read_bytes()
    header = json.dumps({"a": {"dtype": "F32", "shape": [2**40], "data_offsets": [0, 4]}}).encode()
    for content in (
        b"",
        good[:-1],
        good[:20],
        struct.pack("<Q", 2**62) + good[8:],
        struct.pack("<Q", 99_000_000) + good[8:],
        struct.pack("<Q", len(header)) + header + b"\0" * 4,
        struct.pack("<Q", 9) + b"[" * 9,
    ):
        refused(tmp_path, content, "expected a whole safetensors file, got Error while")


def test_wrong_uses_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(FileNotFoundError, match=r"expected a .safetensors file, got no such file"):
        model().load_weights(tmp_path / "m.safetensors")
    (tmp_path / "d.safetensors").mkdir()
    with pytest.raises(FileNotFoundError, match=r"expected a .safetensors file, got a folder"):
        model().load_weights(tmp_path / "d.safetensors")
    path, _ = saved(tmp_path)
    unbuilt = sn.Sequential([sn.layers.Dense(3)])
    for method in (unbuilt.save_weights, unbuilt.load_weights):
        with pytest.raises(ValueError, match="expected a built model, got one without weights"):
            method(path)
    with pytest.raises(FileExistsError, match="expected a new file, for overwrite=False"):
        model().save_weights(path, overwrite=False)
    monkeypatch.setitem(sys.modules, "safetensors", None)
    for method in (model().save_weights, model().load_weights):
        with pytest.raises(ImportError, match=r"pip install 'scratchnet\[safetensors\]'"):
            method(path)

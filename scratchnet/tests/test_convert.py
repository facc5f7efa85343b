"""scratchnet convert: every pair of formats, what it keeps, and what it refuses."""

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result

import scratchnet as sn
from scratchnet import convert as module
from scratchnet.cli import cli
from scratchnet.convert import READ, WRITTEN, convert
from scratchnet.models import load_model
from scratchnet.tests.test_legacy import put_weights, write

h5py = pytest.importorskip("h5py")
pytest.importorskip("safetensors")
runtime = pytest.importorskip("onnxruntime")

X = np.random.RandomState(2).random_sample((5, 4)).astype(np.float32)
Y = np.eye(3)[[0, 1, 2, 0, 1]]


def trained(steps: int = 3) -> Any:
    model = sn.Sequential(
        [
            sn.Input((4,)),
            sn.layers.Dense(6, activation="relu", name="a"),
            sn.layers.BatchNormalization(name="b"),
            sn.layers.Dense(3, activation="softmax", name="c"),
        ]
    )
    model.compile(sn.optimizers.Adam(0.25), "categorical_crossentropy", metrics=["accuracy"])
    for _ in range(steps):
        model.train_on_batch(X, Y)
    return model


@pytest.fixture(scope="module")
def originals(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A folder with a trained model's file of each kind, and the model."""
    folder, model = tmp_path_factory.mktemp("originals"), trained()
    model.save(folder / "a.keras")
    model.save_weights(folder / "a.weights.h5")
    model.save_weights(folder / "a.safetensors")
    weights, _ = write(folder / "a.h5")
    with h5py.File(folder / "w.h5", "w") as file:
        put_weights(file)
    trained(steps=1).save(folder / "other.keras")
    return folder, weights


@pytest.fixture
def files(originals: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Copies of these files in the current folder; the weights in a.h5."""
    folder, weights = originals
    shutil.copytree(folder, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    return weights


@pytest.mark.parametrize("source", ["a.keras", "a.weights.h5", "a.safetensors"])
@pytest.mark.parametrize("target", WRITTEN)
def test_every_pair_keeps_what_both_have_a_place_for(files: Any, source: str, target: str) -> None:
    model, other = load_model("a.keras"), load_model("other.keras")
    convert(source, f"b{target}", None if source == "a.keras" else "other.keras")
    if target == ".onnx":
        (y,) = runtime.InferenceSession("b.onnx").run(None, {"input": X})
        np.testing.assert_allclose(y, model.predict(X, verbose=0), rtol=1e-5, atol=1e-6)
        return
    back = load_model(f"b{target}") if target == ".keras" else other
    if target != ".keras":
        back.load_weights(f"b{target}")
    for mine, given in zip(back.get_weights(), model.get_weights(), strict=True):
        np.testing.assert_array_equal(mine, given)
    # bare weights have no state, neither that of the model that gave its form
    if target == ".keras" and source == "a.safetensors":
        assert (back.optimizer.iterations, back.optimizer.learning_rate) == (0, 0.25)
    elif target != ".safetensors" and source != "a.safetensors":
        losses = [m.train_on_batch(X, Y) for m in (model, back)]
        assert losses[0] == losses[1]
        assert back.optimizer.iterations == 4


def test_old_files_are_read(files: Any) -> None:
    for source, form in (("a.h5", None), ("w.h5", "a.h5")):
        convert(source, "b.keras", form, force=True)
        read = load_model("b.keras")
        assert read.optimizer.iterations == (7 if form is None else 0)
        if form is None:
            for mine, given in zip(read.get_weights(), files.values(), strict=True):
                np.testing.assert_array_equal(mine, given)


def test_a_network_gives_the_form_by_its_name(files: Any) -> None:
    sn.config.set_floatx("float64")
    model = sn.networks.NETWORKS["softmax"].compiled(sn)
    model.fit(np.ones((8, 784)), np.eye(10)[:8], verbose=0)
    model.save_weights("s.weights.h5")
    convert("s.weights.h5", "s.keras", "softmax")
    back = load_model("s.keras")
    assert (back.dtype, back.optimizer.iterations) == ("float64", 1)
    assert type(back.optimizer).__name__ == "RMSprop"
    np.testing.assert_array_equal(back.parameters, model.parameters)
    convert("s.keras", "s.onnx")


def test_an_optimizer_that_we_lack_is_no_matter_for_predictions(files: Any) -> None:
    training = {"optimizer_config": {"class_name": "Nadam", "config": {}}}
    write(Path("n.h5"), training=training)
    convert("n.h5", "n.onnx")
    convert("n.h5", "n.safetensors")
    with pytest.raises(ValueError, match="Optimizer 'nadam': expected one of the known names"):
        convert("n.h5", "n.keras")
    assert not Path("n.keras").exists()


def call(*arguments: str) -> Result:
    return CliRunner().invoke(cli, ["convert", *arguments], catch_exceptions=False)


def test_the_command_says_what_stays_behind(files: Any) -> None:
    result = call("a.keras", "b.keras")
    assert (result.exit_code, result.output) == (0, "saved as b.keras\n")
    result = call("a.keras", "b.onnx")
    assert result.output == "saved as b.onnx, without compile settings and optimizer state\n"
    result = call("a.h5", "b.safetensors")
    assert "without layers, compile settings and optimizer state" in result.output
    sn.Sequential([sn.Input((784,)), sn.layers.Dense(10)]).save_weights("s.weights.h5")
    result = call("s.weights.h5", "s.keras", "--model", "softmax", "--dtype", "float64")
    assert result.stdout == "saved as s.keras\n"
    assert result.stderr.startswith("Note: Weights file 's.weights.h5': expected 4 arrays for ")
    assert load_model("s.keras").dtype == "float64"


@pytest.mark.parametrize(
    ("message", "arguments"),
    [
        (
            "Convert, to: expected a file name that ends in .keras, .weights.h5, .safetensors or "
            ".onnx, got 'b.h5'. .h5 files are read, not written.",
            ("a.keras", "b.h5"),
        ),
        (".safetensors or .onnx, got 'b.tflite'.", ("a.keras", "b.tflite")),
        (
            "Convert, from: expected a file name that ends in .keras, .weights.h5, .safetensors, "
            ".h5 or .hdf5, got 'a.onnx'. .onnx files are written, not read.",
            ("a.onnx", "b.keras"),
        ),
        ("expected a new file, got 'a.safetensors', which exists.", ("a.keras", "a.safetensors")),
        ("overwrite it with --force", ("a.keras", "a.safetensors")),
        ("expected another file than the source, got './a.keras'", ("a.keras", "./a.keras")),
        (
            "expected another file than the source, got './a.keras'",
            ("a.keras", "./a.keras", "--force"),
        ),
        ("expected another file than the source, got 'link.keras'", ("a.keras", "link.keras")),
        ("expected a file, got 'no.keras', no such file", ("no.keras", "b.keras")),
        (
            "expected a model for these weights, got only weights in 'a.safetensors'. Give a file",
            ("a.safetensors", "b.keras"),
        ),
        ("with --model", ("w.h5", "b.keras")),
        ("expected no --model for a file of a whole", ("a.keras", "b.onnx", "--model", "cnn")),
        ("expected a file that ends in .keras or .h5", ("w.h5", "b.onnx", "--model", "mpl")),
        ("expected a folder that exists, got no folder 'no'", ("a.keras", "no/b.onnx")),
        ("Weights file 'a.weights.h5': expected", ("a.weights.h5", "b.onnx", "--model", "cnn")),
    ],
)
def test_wrong_uses_end_in_one_line(files: Any, message: str, arguments: Any) -> None:
    Path("link.keras").symlink_to("a.keras")
    before = {path: path.read_bytes() for path in Path().iterdir()}
    result = call(*arguments)
    assert (result.exit_code, result.stderr.count("\n")) == (1, 1), result.output
    assert message in result.stderr
    assert {path: path.read_bytes() for path in Path().iterdir()} == before


def test_force_overwrites(files: Any) -> None:
    Path("b.onnx").write_text("old")
    assert call("a.keras", "b.onnx", "--force").exit_code == 0
    assert runtime.InferenceSession("b.onnx").get_inputs()[0].name == "input"


def test_the_module_is_the_command(files: Any) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "scratchnet.convert", "a.keras", "b.safetensors"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("saved as b.safetensors")
    assert Path("b.safetensors").exists()


def test_every_format_stands_in_the_lists() -> None:
    assert module.__doc__ is not None
    help_text = call("--help").output
    for kind in (*READ, *WRITTEN):
        assert kind in help_text
        assert kind in module.__doc__
    assert json.dumps(sorted(set(READ) & set(WRITTEN))) == json.dumps(
        [".keras", ".safetensors", ".weights.h5"]
    )

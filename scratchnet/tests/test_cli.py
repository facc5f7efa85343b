"""The command line, command by command, without Keras."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result

import keras_ref
import scratchnet
from scratchnet.cli import cli
from scratchnet.study import doctor


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty current folder; the default float as it was."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("SCRATCHNET_DATA", raising=False)
    monkeypatch.setattr(scratchnet.config, "_floatx", scratchnet.config.floatx())
    return tmp_path


def call(*arguments: str) -> Result:
    return CliRunner().invoke(cli, list(arguments), catch_exceptions=False)


def fails(code: int, message: str, *arguments: str) -> None:
    """The command ends with this code, and says this in one line on standard error."""
    result = call(*arguments)
    assert (result.exit_code, result.stderr.count("\n")) == (code, 1), result.output
    assert message in result.stderr
    assert "Traceback" not in result.output


def quick(*more: str) -> Result:
    arguments = ("train", "softmax", "--epochs", "1", "--engine", "numpy", "--seed", "1")
    result = call(*arguments, *more)
    assert result.exit_code == 0, result.output
    return result


def digit(path: Path) -> str:
    """A picture of the first test digit."""
    from PIL import Image

    _, (images, _) = scratchnet.datasets.digits.load_data()
    Image.fromarray(images[0]).save(path)
    return str(path)


def test_train_says_what_it_did_and_saves_the_model(folder: Path) -> None:
    result = quick()
    assert "softmax on 1,437 digits of digits, engine numpy, float32" in result.stdout
    assert "1/1 " in result.stdout
    assert "test loss 1." in result.stdout
    assert "seconds for the epoch, compiling included" in result.stdout
    assert "saved as softmax.keras" in result.stdout
    model = scratchnet.models.load_model(folder / "softmax.keras")
    assert model.optimizer.iterations == 12
    assert max(len(line) for line in result.stdout.splitlines()) <= 80


def test_a_training_with_a_backup_goes_on_after_it_was_cut(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from scratchnet.cli.train import Clock

    train = "train", "softmax", "--epochs", "2", "--engine", "numpy", "--seed", "1"
    whole = call(*train, "--out", "whole.keras")
    assert whole.exit_code == 0

    def die(clock: Any, epoch: int, logs: Any = None) -> None:
        raise MemoryError("cut")

    with monkeypatch.context() as patch:
        patch.setattr(Clock, "on_train_end", die)
        with pytest.raises(MemoryError, match="cut"):
            call(*train, "--backup", "kept", "--out", "cut.keras")
    assert not Path("cut.keras").exists()
    rest = call(*train, "--backup", "kept", "--out", "cut.keras")
    assert rest.exit_code == 0
    assert "no epoch was left to train" in rest.stdout
    a, b = (scratchnet.models.load_model(folder / name) for name in ("whole.keras", "cut.keras"))
    np.testing.assert_array_equal(a.parameters, b.parameters)
    assert not Path("kept").exists()


def test_the_same_seed_gives_the_same_model(folder: Path) -> None:
    for name in ("a.keras", "b.keras"):
        quick("--dtype", "float64", "--batch-size", "500", "--out", name)
    a, b = (scratchnet.models.load_model(folder / name) for name in ("a.keras", "b.keras"))
    assert a.dtype == "float64"
    np.testing.assert_array_equal(a.parameters, b.parameters)


def test_train_with_several_epochs_leaves_the_first_out_of_the_seconds() -> None:
    result = call("train", "mlp_rmsprop", "--epochs", "2", "--engine", "numpy")
    assert "seconds an epoch (median; the first, " in result.stdout
    assert "val_acc" in result.stdout


def test_evaluate_takes_a_file_or_the_name_of_a_network(folder: Path) -> None:
    trained = quick().stdout
    by_name, by_file = call("evaluate", "softmax"), call("evaluate", "softmax.keras")
    assert by_name.stdout == by_file.stdout == call("evaluate").stdout
    loss = by_name.stdout.split("loss ")[1].split(",")[0]
    assert f"test loss {loss}" in trained
    assert "(360 test digits of digits)" in by_name.stdout


def test_predict_draws_the_digit_and_its_probabilities(folder: Path) -> None:
    quick()
    image = digit(folder / "d.png")
    result = call("predict", image, image, "--model", "softmax")
    assert result.exit_code == 0
    assert result.stdout.count("by softmax.keras") == 2
    assert sum(f"   {n} " in result.stdout for n in range(10)) == 10
    assert "█" in result.stdout
    assert not any(line != line.rstrip() for line in result.stdout.splitlines())
    assert result.stdout == call("predict", image, image).stdout


def test_a_model_for_other_data_is_refused(folder: Path) -> None:
    model = scratchnet.Sequential(
        [scratchnet.Input((3,)), scratchnet.layers.Dense(10, activation="softmax")]
    )
    model.compile("sgd", "mse")
    model.save(folder / "m.keras")
    fails(1, "expected a model that takes images of 28x28, got one for (3,)", "evaluate", "m")
    image = digit(folder / "d.png")
    fails(1, "a model that takes images of 28x28", "predict", image, "--model", "m")
    model = scratchnet.Sequential([scratchnet.Input((784,)), scratchnet.layers.Dense(3)])
    model.save(folder / "m.keras")
    fails(1, "expected a model with ten outputs", "predict", image, "--model", "m")


@pytest.mark.parametrize(
    ("code", "message", "arguments"),
    [
        (2, "Network 'cn': expected one of the known names, got 'cn'. Did", ("train", "cn")),
        (2, "Known: all, cnn, mlp2_dropout, mlp_adam", ("parity", "nosuch")),
        (2, "Engine 'cuda': expected one of", ("train", "cnn", "--engine", "cuda")),
        (2, "Dtype 'float16': expected one", ("train", "cnn", "--dtype", "float16")),
        (2, "Missing argument 'NETWORK'", ("train",)),
        (2, "No such command 'trian'", ("trian",)),
        (2, "No such option", ("train", "cnn", "--epoch", "1")),
        (2, "'--epochs': 0 is not in the range", ("train", "cnn", "--epochs", "0")),
        (2, "expected a file name that ends in .keras", ("train", "cnn", "--out", "m.h5")),
        (2, "expected a folder that exists", ("train", "cnn", "--out", "no/m.keras")),
        (2, "--only 'mine': expected one of", ("reproduce", "--only", "mine")),
        (1, 'Data: expected "digits", "mnist" or a folder', ("train", "cnn", "--data", "no")),
        (1, "no file 'nosuch'. Make one: scratchnet train cnn", ("evaluate", "nosuch")),
        (1, "expected a .keras file in this folder, got none", ("predict", "d.png")),
        (1, "expected a .keras file in this folder, got none", ("evaluate",)),
    ],
)
def test_wrong_use_is_told_in_one_line(code: int, message: str, arguments: Any) -> None:
    fails(code, message, *arguments)


def test_a_picture_that_is_not_there_is_told_in_one_line() -> None:
    quick()
    fails(1, "Picture 'd.png': expected a picture, got no such file", "predict", "d.png")


def test_ctrl_c_ends_in_one_word(monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(_: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(scratchnet.datasets, "load", stop)
    result = call("train", "softmax")
    assert (result.exit_code, result.stderr.strip()) == (130, "Stopped.")


def test_without_keras_one_line_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keras_ref, "available", lambda: False)
    fails(1, "pip install '.[keras]'", "compare", "softmax")
    fails(1, "pip install '.[keras]'", "reproduce", "softmax", "--only", "keras")


def test_reproduce_puts_our_figures_beside_the_tutorials() -> None:
    arguments = ("softmax", "--data", "digits", "--only", "ours", "--engine", "numpy")
    result = call("reproduce", *arguments)
    assert result.exit_code == 0
    assert "These are figures for digits; the tutorials' are for MNIST." in result.stdout
    line = next(line for line in result.stdout.splitlines() if "test loss" in line)
    assert line.split()[:4] == ["softmax", "test", "loss", "0.2760"]
    assert "Keras here" not in result.stdout


def test_doctor_finds_blas_numba_and_the_data() -> None:
    result = call("doctor", "--json")
    found = json.loads(result.stdout)["found"]
    assert found["Data"]["digits"] == "in the package"
    assert found["Versions"]["NumPy"] == np.__version__
    assert found["Numba"]["version"]
    text = call("doctor").stdout
    for section in found:
        assert f"\n{section}\n" in f"\n{text}"
    assert max(len(line) for line in text.splitlines()) <= 80


def test_doctor_advises(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENBLAS_CORETYPE", "Haswell")
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    monkeypatch.setattr(doctor, "cores", lambda: 8)
    monkeypatch.setattr(doctor, "version_of", lambda name: None)
    monkeypatch.setattr(doctor, "_numba_cache", lambda: (Path("/nowhere"), False))
    advice = " ".join(doctor.examine().advice)
    for part in (
        "OMP_NUM_THREADS=1, but 8 cores may be used",
        "Numba cannot keep what it compiles in /nowhere",
        "pip install '.[keras]'",
    ):
        assert part in advice


def test_the_module_is_the_command() -> None:
    command = [sys.executable, "-m", "scratchnet", "--version"]
    result = subprocess.run(command, capture_output=True, text=True, check=True)
    assert result.stdout.strip() == f"scratchnet {scratchnet.__version__}"


def test_help_imports_nothing_heavy() -> None:
    code = (
        "import sys; from scratchnet.cli import cli\n"
        "try: cli.main(['--help'])\n"
        "except SystemExit: pass\n"
        "print(sorted({'numba', 'h5py', 'tensorflow', 'keras', 'PIL'} & set(sys.modules)))"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert result.stdout.splitlines()[-1] == "[]", result.stderr

"""`scratchnet parity`, `compare` and `reproduce`, on the smallest network."""

from typing import Any

import pytest
from click.testing import CliRunner

import keras_ref
from keras_ref import golden, parity
from scratchnet.cli import cli
from scratchnet.engines import ops

# NumPy's, about Keras's variables
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")


@pytest.fixture
def golden_only(monkeypatch: pytest.MonkeyPatch) -> None:
    hint = "no golden packs: write them with `python -m keras_ref.golden`"
    assert (golden.FOLDER / "networks.npz").is_file(), hint
    monkeypatch.setattr(parity, "available", lambda: False)
    monkeypatch.setattr(keras_ref, "available", lambda: False)


def call(*arguments: str) -> Any:
    return CliRunner().invoke(cli, list(arguments), catch_exceptions=False)


def test_parity_prints_every_quantity_and_the_verdict(keras: Any) -> None:
    result = call("parity", "softmax")
    assert result.exit_code == 0, result.output
    for line in (
        "softmax, engine fused, against Keras (live)",
        "forward 0 Dense",
        "gradient 0 Dense kernel",
        "gradient 0 Dense bias",
        "weights after 1 step",
        "weights after 10 steps",
        "loss, steps 2 to 10",
        "softmax: the same network within the bars",
    ):
        assert line in result.stdout
    assert " NO" not in result.stdout
    assert max(len(line) for line in result.stdout.splitlines()) <= 80


def test_parity_from_the_golden_pack(golden_only: None) -> None:
    result = call("parity", "softmax")
    assert result.exit_code == 0, result.output
    assert "against Keras (golden pack)" in result.stdout


def test_a_wrong_gradient_is_found_and_named(keras: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from scratchnet.layers import dense

    class Wrong:
        """The operations, with a bias gradient that is a millionth too large."""

        def __getattr__(self, name: str) -> Any:
            function = getattr(ops, name)
            if name != "bias_gradient":
                return function

            def backward(*arguments: Any) -> None:
                function(*arguments)
                arguments[-1][...] *= 1 + 1e-6

            return backward

    monkeypatch.setattr(dense, "ops", Wrong())
    result = call("parity", "softmax")
    assert result.exit_code == 1
    assert " NO" in result.stdout
    told = " ".join(result.stdout.split())
    assert "float64: first divergence at step 1/gradient/0 Dense/bias" in told
    assert "softmax: NOT the same network" in result.stdout


def test_compare_trains_both_to_the_same_losses(keras: Any) -> None:
    result = call("compare", "softmax", "--epochs", "2", "--dtype", "float64")
    assert result.exit_code == 0, result.output
    lines = [line.split() for line in result.stdout.splitlines()]
    epochs = [line for line in lines if line[:1] == ["epoch"]]
    assert len(epochs) == 2
    for _, _, their_loss, our_loss, their_accuracy, our_accuracy, *seconds in epochs:
        assert (their_loss, their_accuracy) == (our_loss, our_accuracy)
        assert len(seconds) == 2
    (test,) = [line for line in lines if line[:2] == ["test", "data"]]
    assert test[2] == test[3]
    assert "The first epoch of each side compiles and is left out of the median" in result.stdout


def test_reproduce_puts_both_beside_the_tutorial(keras: Any) -> None:
    result = call("reproduce", "softmax", "--data", "digits", "--engine", "numpy")
    assert result.exit_code == 0, result.output
    assert "Keras here" in result.stdout
    assert "ScratchNet here" in result.stdout
    (line,) = [line.split() for line in result.stdout.splitlines() if "test accuracy" in line]
    assert line[:3] == ["test", "accuracy", "0.9240"]
    assert line[3] == line[4]

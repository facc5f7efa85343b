"""Files change hands between this process, which has Keras, and one that has only ScratchNet.

What either trained, the other loads and goes on with: the next losses and metrics are those of the
model that never was in a file.
"""

import json
import shutil
import subprocess
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import keras_ref
from keras_ref.interchange import side
from keras_ref.interchange.networks import EXCHANGES
from keras_ref.interchange.refused import REFUSED
from scratchnet import layers, optimizers
from scratchnet.models import load_model

# NumPy's, about Keras's variables
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

BAR = 1e-9  # float64, relative: losses near 1e-6 keep six digits fewer than the numbers they are of
OTHER = {"keras": "scratchnet", "scratchnet": "keras"}


def without_keras(folder: Path, action: str) -> None:
    """The other process; it ends with an error if it has imported Keras, or warns of anything."""
    command = [sys.executable, "-W", "error", "-m", "keras_ref.interchange.side", "scratchnet"]
    done = subprocess.run(
        [*command, action, str(folder)], capture_output=True, text=True, check=False, timeout=300
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", ""), done.stderr


@pytest.fixture(scope="module")
def folder(live: bool, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """What both sides wrote and what came of it, after they have read each other's files."""
    if not live:
        pytest.skip(keras_ref.HINT)
    keras, folder = keras_ref.require(), tmp_path_factory.mktemp("interchange")
    without_keras(folder, "write")
    with warnings.catch_warnings(), keras_ref.floatx(keras, "float64"):
        warnings.simplefilter("ignore")
        keras.utils.clear_session()
        side.act(keras, folder, "write", "read")
    without_keras(folder, "read")
    yield folder
    shutil.rmtree(folder)  # a hundred megabytes


def told(folder: Path, library: str, action: str) -> dict[str, Any]:
    return json.loads((folder / library / f"{action}.json").read_text())  # type: ignore[no-any-return]


def expected_formats(name: str, library: str) -> set[str]:
    return set(EXCHANGES[name].formats) - ({".h5"} if library == "scratchnet" else set())


@pytest.mark.parametrize("library", ["keras", "scratchnet"])
@pytest.mark.parametrize("name", EXCHANGES)
def test_training_goes_on_on_the_other_side(name: str, library: str, folder: Path) -> None:
    written = told(folder, library, "write")[name]
    read = told(folder, OTHER[library], "read")[name]
    assert set(read) == expected_formats(name, library)
    for suffix, result in read.items():
        for part in ("optimizer", "iterations", "learning_rate"):
            assert result[part] == written[part], (suffix, part)
        np.testing.assert_allclose(result["predicted"], written["predicted"], rtol=1e-12)
        assert len(result["next"]) == side.STEPS
        for step, wanted in zip(result["next"], written["next"], strict=True):
            assert step == pytest.approx(wanted, rel=BAR), suffix
    if EXCHANGES[name].rate is not None:
        assert written["learning_rate"] == EXCHANGES[name].rate


def test_what_is_exchanged_has_every_layer_and_every_optimizer(folder: Path) -> None:
    written = told(folder, "keras", "write")
    used = {layer for network in written.values() for layer in network["layers"]}
    assert used == set(layers.LAYERS) - {"InputLayer"}
    used = {network["optimizer"].lower() for network in written.values()}
    assert used == set(optimizers.OPTIMIZERS)


@pytest.fixture(scope="module")
def refused(live: bool, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Files of models that ScratchNet has to refuse."""
    if not live:
        pytest.skip(keras_ref.HINT)
    keras, folder = keras_ref.require(), tmp_path_factory.mktemp("refused")
    with warnings.catch_warnings(), keras_ref.floatx(keras, "float32"):
        warnings.simplefilter("ignore")
        for name, (make, _) in REFUSED.items():
            for suffix in (".keras", ".h5"):
                make(keras).save(folder / f"{name}{suffix}")
    return folder


@pytest.mark.parametrize("suffix", [".keras", ".h5"])
@pytest.mark.parametrize("name", REFUSED)
def test_what_only_keras_has_is_refused_by_name_before_anything_is_built(
    name: str, suffix: str, refused: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def build(*_: Any) -> None:
        raise AssertionError("something was built")

    monkeypatch.setattr(layers.Layer, "add_weight", build)
    path = refused / f"{name}{suffix}"
    with pytest.raises((ValueError, NotImplementedError)) as caught:
        load_model(path)
    assert str(caught.value).startswith(f"Model file '{path}': ")
    assert REFUSED[name][1] in str(caught.value)

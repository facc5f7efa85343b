"""The tutorials' scripts run with only their import lines changed, and say the same in both
libraries.
"""

import re
from pathlib import Path

import numpy as np
import pytest

import scratchnet

EXAMPLES = sorted((Path(__file__).parent.parent / "examples").glob("*.py"))
SPLIT = re.compile(r"validation_split=([\d.]+)")
TRAINING, TEST = 400, 100  # digits
IMPORT = re.compile(r"^(from|import) scratchnet", re.MULTILINE)


@pytest.fixture
def small_mnist(monkeypatch):
    """A few real digits in the place of MNIST, for either library; returns what to patch."""
    (x_train, y_train), (x_test, y_test) = scratchnet.datasets.digits.load_data()
    data = (x_train[:TRAINING], y_train[:TRAINING]), (x_test[:TEST], y_test[:TEST])

    def patch(library):
        monkeypatch.setattr(library.datasets.mnist, "load_data", lambda: data)

    return patch


def run(source):
    """What the script leaves behind."""
    variables = {"__name__": "__main__"}
    exec(compile(source, "script", "exec"), variables)
    return variables


def one_sample(key, source):
    """How much a single sample counts in this accuracy, and a little for rounding."""
    split = SPLIT.search(source)
    held_out = TRAINING * float(split.group(1)) if split else 0
    return 1.001 / (held_out if key.startswith("val_") else TRAINING - held_out)


@pytest.mark.filterwarnings("ignore:Do not pass an `input_shape`")
@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_script_runs_and_its_keras_twin_says_the_same(path, small_mnist, keras, capsys):
    source = path.read_text(encoding="utf-8")
    twin, changed = IMPORT.subn(r"\1 keras", source)
    assert changed == len(IMPORT.findall(source)) > 0
    results = []
    for library, text in ((scratchnet, source), (keras, twin)):
        small_mnist(library)
        with scratchnet.engine("numpy"):
            variables = run(text)
        flat = np.array(
            list(variables["scores"].values())
            if isinstance(variables["scores"], dict)
            else variables["scores"]
        )
        trained = variables["history"] if "history" in variables else variables["model"].history
        results.append((flat, trained.history, capsys.readouterr().out))
    (ours, mine, said), (theirs, his, _) = results
    assert "test loss" in said
    assert list(mine) == list(his)
    for key in his:
        # the same seed draws the same weights, masks and order, so both train the same network: in
        # the first epoch only the rounding of float32 tells them apart
        first = 1e-4 if key.endswith("loss") else one_sample(key, source)
        np.testing.assert_allclose(mine[key][0], his[key][0], rtol=0, atol=first, err_msg=key)
        # every further step multiplies that rounding, until it turns single samples
        np.testing.assert_allclose(mine[key], his[key], rtol=0, atol=0.03, err_msg=key)
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=0.03)


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_script_runs_without_keras(path, small_mnist, capsys):
    small_mnist(scratchnet)
    with scratchnet.engine("numpy"):
        variables = run(path.read_text(encoding="utf-8"))
    scores = variables["scores"]
    last = list(scores.values())[-1] if isinstance(scores, dict) else scores
    assert last[1] > 0.5  # ten classes; a network that learns nothing is right one time in ten
    assert "accuracy" in capsys.readouterr().out

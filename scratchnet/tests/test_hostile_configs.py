"""`config.json` from a stranger: refused by name before anything is built."""

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import pytest

from scratchnet.models import load_model
from scratchnet.saving.limits import in_file
from scratchnet.tests import hostile
from scratchnet.tests.test_hostile_archives import assert_refused, assert_weights_refused


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return hostile.archive_bytes(hostile.small_model(), tmp_path_factory.mktemp("good"))


def text(change: Callable[[str], str]) -> Callable[[Any], bytes]:
    return lambda config: change(json.dumps(config)).encode()


TEXTS: dict[str, tuple[Callable[[Any], bytes], str]] = {
    "deep": (lambda c: b"[" * 100_000, "at most 64 lists in each other, got 100000"),
    "objects": (lambda c: b"[" + b"{}," * 30_000 + b"{}]", "at most 25000 objects, got more"),
    "deep and whole": (lambda c: b"[" * 900 + b"]" * 900, "at most 64 lists in each other, got"),
    "NaN": (text(lambda t: t.replace("0.99", "NaN")), "expected finite numbers, got NaN"),
    "infinity": (text(lambda t: t.replace("0.99", "-Infinity")), "finite numbers, got -Infinity"),
    "1e400": (text(lambda t: t.replace("0.99", "1e400")), "expected finite numbers, got 1e400"),
    "long": (text(lambda t: t.replace("0.99", "9" * 9999)), "at most 64 bits, got 99999"),
    "2**63": (text(lambda t: t.replace("0.99", str(2**63))), "at most 64 bits, got 922337203685"),
    "twice": (
        text(lambda t: t.replace('"name"', '"name": "x", "name"', 1)),
        "expected each key once, got 'name'",
    ),
    "no text": (lambda c: b"\xff\xfe{}", "config.json: expected JSON, got 'utf-8' codec"),
    "a list": (lambda c: b"[1]", r"a model in config.json, got \[1\]"),
    "a number": (lambda c: b"1", "a model in config.json, got 1"),
    "layers": (lambda c: b'{"config": {"layers": {}}}', "a model in config.json"),
}


@pytest.mark.parametrize("case", TEXTS)
def test_json_is_strict(tmp_path: Path, good: bytes, case: str) -> None:
    change, message = TEXTS[case]
    data = hostile.with_config(good, change(hostile.config_of(good)))
    assert_refused(tmp_path, data, message)
    assert_weights_refused(tmp_path, data)


L = ("config", "layers")  # Input, Conv2D, BatchNormalization, MaxPooling2D, Flatten, Dropout, Dense
DENSE, CONV, NORM, POOL = ((*L, i, "config") for i in (6, 1, 2, 3))
C = "compile_config"
# the product of so many numbers takes minutes
RESHAPE = {"class_name": "Reshape", "config": {"target_shape": [2**62] * 9999}}
CONFIGS: list[tuple[tuple[Any, ...], Any, str]] = [
    ((*L, 6, "class_name"), "Lambda", "Layer 'Lambda': expected one of the known names"),
    ((*L, 6, "class_name"), "__import__('os')", "expected one of the known names, got"),
    ((*L, 6, "class_name"), ["Dense"], "expected"),
    ((*L, 6, "module"), "os", "classes that Keras itself has, got 'Dense' of os"),
    ((*L, 6, "module"), "kerasx.layers", "classes that Keras itself has, got 'Dense' of kerasx"),
    ((*L, 6, "registered_name"), "mine>Dense", "got 'mine>Dense' of keras.layers"),
    ((*L, 6), None, "expected a layer as"),
    ((*L, 6), [], "expected a layer as"),
    ((*L, 6, "config"), [], "expected a layer as"),
    (
        (*DENSE, "units"),
        2**40,
        "weights of at most 2147483648 numbers, got",
    ),
    ((*DENSE, "units"), 3, r"array 0 of numbers, of shape \(8, 3\), got float32 of shape \(8, 2\)"),
    ((*DENSE, "units"), True, "units as an int, got True"),
    ((*DENSE, "units"), "2", "units as an int, got '2'"),
    ((*DENSE, "units"), -2, "units above 0, got -2"),
    ((*DENSE, "units"), 2.0, "units as an int, got 2.0"),
    ((*DENSE, "use_bias"), "no", "use_bias as True or False, got 'no'"),
    ((*DENSE, "activation"), "os.system", "Activation 'os.system': expected one of the known"),
    ((*DENSE, "activation"), [1], r"a name, an activation .*, got \[1\]"),
    ((*DENSE, "name"), "../../etc/passwd", "a name without '/' or line breaks, got"),
    ((*DENSE, "name"), "\x1b[2J", "a name without '/' or line breaks, got"),
    ((*DENSE, "name"), 3, "name as a str or None, got 3"),
    ((*DENSE, "trainable"), "yes", "trainable as a bool, got 'yes'"),
    ((*DENSE, "lora_rank"), 4, "arguments that this layer has, got lora_rank"),
    ((*DENSE, "kernel_regularizer"), {"class_name": "L2", "config": {"l2": -1}}, "non-negative"),
    ((*DENSE, "kernel_regularizer"), {"class_name": "L2", "config": {"l2": True}}, "got True"),
    ((*DENSE, "kernel_regularizer"), {"class_name": "L2", "config": {"l3": 1}}, "that it takes"),
    ((*DENSE, "kernel_initializer"), {"class_name": "Zeros", "config": {"a": 1}}, "that it takes"),
    (
        (*DENSE, "kernel_initializer"),
        {"class_name": "RandomNormal", "config": {"stddev": "1", "seed": 1}},
        "stddev as a number, got '1'",
    ),
    (
        (*DENSE, "kernel_initializer"),
        {"class_name": "RandomNormal", "config": {"stddev": -1.0}},
        "stddev as a finite number of 0 or more, got -1.0",
    ),
    (
        (*DENSE, "kernel_initializer"),
        {"class_name": "VarianceScaling", "config": {"input_axes": [5], "output_axes": [0]}},
        r"axes of a shape \(8, 2\), got \[5\] and \[0\]",
    ),
    (
        (*DENSE, "bias_initializer"),
        {
            "class_name": "Constant",
            "config": {"value": {"class_name": "__numpy__", "config": {"value": 1, "dtype": "O"}}},
        },
        "expected an array of float32, float64, int32, int64, uint8",
    ),
    ((*CONV, "filters"), 2**62, "weights of at most 2147483648 numbers, got"),
    ((*CONV, "filters"), None, "filters as an int, got None"),
    ((*CONV, "kernel_size"), [2**40, 2**40], "images of at least"),
    ((*CONV, "kernel_size"), [0, 2], "kernel_size as one or two ints, 1 or more"),
    ((*CONV, "strides"), 0, "strides as one or two ints, 1 or more, got 0"),
    ((*CONV, "strides"), [True, 1], r"strides as one or two ints, 1 or more, got \[True, 1\]"),
    ((*CONV, "dilation_rate"), "2", "dilation_rate as one or two ints"),
    ((*CONV, "padding"), 1, "padding 'valid' or 'same', got 1"),
    ((*CONV, "data_format"), "channels_first", 'data_format "channels_last"'),
    ((*CONV, "groups"), 2, "ScratchNet has no groups"),
    ((*NORM, "momentum"), 2.0, "momentum from 0 to 1, got 2.0"),
    ((*NORM, "momentum"), "0.9", "momentum as a number, got '0.9'"),
    ((*NORM, "epsilon"), -1e-3, "epsilon above 0, got -0.001"),
    ((*NORM, "axis"), 2**40, "an axis of x other than the batch's"),
    ((*NORM, "axis"), 0, "an axis of x other than the batch's"),
    ((*NORM, "scale"), [], r"scale as True or False, got \[\]"),
    (
        (*POOL, "pool_size"),
        [2**40, 2],
        r"MaxPooling2D '.*': expected at most 2147483648 numbers a window, got a shape \(1099",
    ),
    ((*L, 5, "config", "rate"), 1.5, "rate from 0 to 1, got 1.5"),
    ((*L, 5, "config", "rate"), "0.5", "rate as a number, got '0.5'"),
    ((*L, 5, "config", "noise_shape"), [2**40, 1, 1], "noise_shape of 2 dimensions"),
    ((*L, 5, "config", "seed"), "x", "seed to be a Python int, got 'x'"),
    ((*L, 0, "config", "batch_shape"), [None, 2**40, 2**40, 1], "at most 2147483648 numbers a s"),
    ((*L, 0, "config", "batch_shape"), [2**62] * 9999, "batch_shape of at most 32 axes, got 9999"),
    ((*L, 4), RESHAPE, "target_shape of at most 32 axes, got 9999"),
    ((*L, 5, "config", "noise_shape"), [2**62] * 9999, "noise_shape of at most 32 axes, got 9999"),
    ((*L, 0, "config", "batch_shape"), [], "a batch axis in batch_shape"),
    ((*L, 0, "config", "batch_shape"), [None, -4, 4, 1], "batch_shape of ints, 0 or more"),
    ((*L, 0, "config", "batch_shape"), "None", "batch_shape of ints, 0 or more"),
    (("config", "name"), ["x"], "name as a str or None"),
    (("class_name",), "Functional", "Model: expected a Sequential, got 'Functional'"),
    ((C, "optimizer", "class_name"), "Lion", "Optimizer 'lion': expected one of the known names"),
    ((C, "optimizer", "config", "momentum"), 5.0, "momentum as a float from 0 to 1, got 5.0"),
    ((C, "optimizer", "config", "nesterov"), "x", "nesterov as True or False, got 'x'"),
    ((C, "optimizer", "config", "name"), {}, "name as a str or None, got {}"),
    ((C, "optimizer", "config", "learning_rate"), "fast", "learning_rate as a finite float"),
    ((C, "optimizer", "config", "learning_rate", "config", "decay_steps"), 0, "decay_steps above"),
    ((C, "optimizer", "config", "learning_rate", "config", "alpha"), 1e308, "alpha as a number"),
    ((C, "loss", "config", "label_smoothing"), 2, "label_smoothing from 0 to 1, got 2"),
    ((C, "loss", "config", "from_logits"), "x", "from_logits as True or False, got 'x'"),
    ((C, "loss", "config", "reduction"), "prod", "Reduction 'prod': expected one of the known"),
    ((C, "metrics"), [None], "a metric in metrics, got None"),
    ((C, "metrics"), ["os.system"], "metric 'os.system': expected one of the known names"),
    (
        (C, "metrics"),
        [{"class_name": "Precision", "config": {"thresholds": "0.5"}}],
        "thresholds as a number or a list of numbers, got '0.5'",
    ),
    (
        (C, "metrics"),
        [{"class_name": "Precision", "config": {"top_k": "5"}}],
        "top_k of at least 1, got '5'",
    ),
    (
        (C, "metrics"),
        [{"class_name": "MeanMetricWrapper", "config": {"fn": "os.system"}}],
        "metric 'os.system': expected one of the known names",
    ),
    (
        (C, "metrics"),
        [{"class_name": "MeanMetricWrapper", "config": {"fn": "huber", "delta": "x"}}],
        "delta as a number, got 'x'",
    ),
    (
        (C, "metrics"),
        [{"class_name": "MeanMetricWrapper", "config": {"fn": "huber", "reduction": "sum"}}],
        "options of huber, got reduction",
    ),
    (
        (C, "metrics"),
        [{"class_name": "MeanMetricWrapper", "config": {"fn": 5}}],
        "metric 5: expected one",
    ),
]


@pytest.mark.parametrize(("path", "value", "message"), CONFIGS)
def test_options_are_checked_before_anything_is_built(
    tmp_path: Path, good: bytes, path: tuple[Any, ...], value: Any, message: str
) -> None:
    config = hostile.replaced(hostile.config_of(good), path, value)
    assert_refused(tmp_path, hostile.with_config(good, config), message)


def test_an_enormous_list_of_layers_is_refused(tmp_path: Path, good: bytes) -> None:
    config = hostile.config_of(good)
    config["config"]["layers"] += [{"class_name": "Flatten", "config": {}}] * 5000
    data = hostile.with_config(good, config)
    assert_refused(tmp_path, data, "Model: expected at most 2048 layers, got 5007")


def test_an_input_that_is_averaged_away_is_refused_too(tmp_path: Path, good: bytes) -> None:
    layers = [
        {"class_name": "InputLayer", "config": {"batch_shape": [None, 1 << 20, 1 << 20, 1]}},
        {"class_name": "GlobalAveragePooling2D", "config": {}},
    ]
    data = hostile.with_config(good, {"class_name": "Sequential", "config": {"layers": layers}})
    assert_refused(tmp_path, data, "Model: expected at most 2147483648 numbers a sample, got a sha")


def test_where_the_input_must_stand(tmp_path: Path, good: bytes) -> None:
    config = hostile.config_of(good)
    config["config"]["layers"].insert(3, config["config"]["layers"][0] | {"name": "x"})
    config["config"]["layers"][3]["config"]["name"] = "second"
    data = hostile.with_config(good, config)
    assert_refused(tmp_path, data, "one Input, before all other layers, got InputLayer 'second'")
    del config["config"]["layers"][3], config["config"]["layers"][0]
    del config["config"]["build_input_shape"]
    data = hostile.with_config(good, config)
    assert_refused(tmp_path, data, "expected the shape of the input, for a model that has w")


def test_what_no_check_foresaw_has_the_files_name() -> None:
    fit = "Who: expected options that fit each other, got KeyErr"
    with pytest.raises(ValueError, match=fit), in_file("Who"):
        raise KeyError("x")
    for kind in (ValueError, TypeError, NotImplementedError):
        with pytest.raises(kind, match="Who: x"), in_file("Who"):
            raise kind("x")


def test_weights_that_are_not_in_the_file_are_not_made(
    tmp_path: Path, good: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A config that asks for more than the file holds is refused before an array is made."""
    config = hostile.replaced(hostile.config_of(good), (*DENSE, "units"), 1 << 24)
    monkeypatch.setattr("scratchnet.layers.base.Layer.add_weight", None)
    assert_refused(tmp_path, hostile.with_config(good, config), r"\(8, 16777216\), got float32 of")


def test_zeros_packed_in_the_file_are_no_weights(tmp_path: Path, good: bytes) -> None:
    """Config and weights agree on a huge layer, whose weights are zeros that take no room."""
    buffer = io.BytesIO()
    with h5py.File(buffer, "w") as file:
        options = {"chunks": (1, 1 << 20), "compression": "gzip"}
        kernel = file.create_dataset("layers/dense/vars/0", (2, 1 << 24), "f4", **options)
        kernel[:, : 1 << 20] = 0
    layers = [
        {"class_name": "InputLayer", "config": {"batch_shape": [None, 2]}},
        {"class_name": "Dense", "config": {"units": 1 << 24, "use_bias": False}},
    ]
    config = {"class_name": "Sequential", "config": {"layers": layers}}
    parts = {"config.json": json.dumps(config).encode(), "model.weights.h5": buffer.getvalue()}
    message = r"arrays of at most 16777216 bytes in a file of \d+, got 134217728"
    assert_refused(tmp_path, hostile.zipped(parts), message)


def test_a_message_is_never_as_long_as_the_file(tmp_path: Path, good: bytes) -> None:
    path = tmp_path / "m.keras"
    for value in ("a" * 100_000, ["a" * 1000] * 100, {"class_name": "x" * 100_000, "config": {}}):
        config = hostile.replaced(hostile.config_of(good), (*DENSE, "activation"), value)
        path.write_bytes(hostile.with_config(good, config))
        assert len(hostile.outcome(load_model, path)) < 3000


def test_what_is_left_out_of_a_name_table_stays_out(tmp_path: Path, good: bytes) -> None:
    """Neither a config nor its errors may import anything."""
    import sys

    before = set(sys.modules)
    config = hostile.config_of(good)
    for name in ("antigravity", "this"):
        changed = hostile.replaced(config, (*L, 6, "module"), name)
        changed["config"]["layers"][6]["class_name"] = name
        data = hostile.with_config(good, changed)
        assert_refused(tmp_path, data, f"Layer '{name}': expected one of")
    assert not {"antigravity", "this"} & (set(sys.modules) - before)

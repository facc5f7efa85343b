"""The .keras archive of Keras 3: a zip file of config.json, metadata.json and model.weights.h5.

What is read is checked against our own tables before anything is built; no code is ever run and no
name from a file is imported.
"""

import io
import json
import os
import zipfile
from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING, Any

from scratchnet import losses, metrics, optimizers
from scratchnet.errors import expected
from scratchnet.layers import LAYERS
from scratchnet.layers.arguments import refuse
from scratchnet.metrics.resolve import flatten
from scratchnet.registry import deserialize
from scratchnet.saving import legacy, weights
from scratchnet.saving.configs import from_keras, layer_from_keras, one_output, to_keras
from scratchnet.saving.limits import Needs, check_sizes, in_file
from scratchnet.saving.matching import check_layers
from scratchnet.saving.strict_json import read_json
from scratchnet.utils.files import atomic_write, plain_file
from scratchnet.utils.zip_members import Members

if TYPE_CHECKING:
    from scratchnet.models import Sequential

__all__ = ["build", "load_model", "open_archive", "save_model"]

KERAS_VERSION = "3.15.1"  # whose format this is
CONFIG, METADATA, WEIGHTS = "config.json", "metadata.json", "model.weights.h5"
MAX_BYTES = {CONFIG: 1 << 22, WEIGHTS: 1 << 32}


def save_model(model: "Sequential", path: str | os.PathLike[str]) -> None:
    """Write the whole model to a new file, which takes the old one's place when whole.

    Raises ValueError for another suffix than .keras, TypeError for what has no name in Keras,
    OSError where the file cannot be written.
    """
    _check_path(f"{model.owner}.save", path)
    if not os.fspath(path).endswith(".keras"):
        wanted, hint = "a file name that ends in .keras", ""
        if os.fspath(path).endswith(legacy.SUFFIXES):
            hint = "Older .h5 models are read, not written; for weights there is save_weights."
        raise ValueError(expected(f"{model.owner}.save", wanted, f"'{path}'", hint))
    config, content = json.dumps(model_config(model)), weights.write(model)
    now = datetime.now().strftime("%Y-%m-%d@%H:%M:%S")
    metadata = json.dumps({"keras_version": KERAS_VERSION, "date_saved": now})
    with atomic_write(path, model.owner) as file, zipfile.ZipFile(file, "w") as archive:
        archive.writestr(METADATA, metadata)
        archive.writestr(CONFIG, config)
        archive.writestr(WEIGHTS, content)


def model_config(model: "Sequential") -> dict[str, Any]:
    """What config.json says."""
    config = model.get_config()
    shape = list(model.input_shape) if model.built else None
    whole: dict[str, Any] = {
        "module": "keras",
        "class_name": "Sequential",
        "config": {
            "name": config["name"],
            "trainable": config["trainable"],
            "dtype": model.dtype,
            "layers": to_keras(config["layers"]),
            "build_input_shape": shape,
        },
        "registered_name": None,
        "build_config": {"input_shape": shape},
    }
    if model.optimizer is not None:
        plain, weighted = model.metric_specs
        whole["compile_config"] = {
            "optimizer": to_keras(model.optimizer),
            "loss": to_keras(model.loss),
            "loss_weights": None,
            "metrics": to_keras(plain),
            "weighted_metrics": to_keras(weighted),
            "run_eagerly": False,
            "steps_per_execution": 1,
            "jit_compile": "auto",
        }
    return whole


def load_model(
    path: str | os.PathLike[str],
    custom_objects: Any = None,
    compile: bool = True,
    safe_mode: bool = True,
) -> "Sequential":
    """The model that is in a .keras file, compiled as it was, ready to go on with its training.

    Raises ValueError, TypeError or NotImplementedError, with the file's name, for a damaged file
    and for layers and options that we do not have: before anything is built.
    """
    refuse("load_model", custom_objects=(custom_objects or None, None), safe_mode=(safe_mode, True))
    if isinstance(path, str | os.PathLike) and os.fspath(path).endswith(legacy.SUFFIXES):
        return legacy.load_model(path, compile)
    config, content = open_archive(path)
    owner = f"Model file '{path}'"
    store = weights.open_weights(io.BytesIO(content), owner, os.path.getsize(path))
    model = build(config, compile, owner, lambda needs: check_layers(store, needs, owner))
    if model.built:  # Keras saves models that have no weights yet
        weights.assign(model, store, owner)
    return model


def build(
    config: dict[str, Any], compile: bool, owner: str, check: Callable[[Needs], Any]
) -> "Sequential":
    """The model of a config, with new weights, compiled as it says.

    check    is given the layers with the shapes of their weights before anything is allocated, and
             raises where the file does not have such
    """
    with in_file(owner):
        layers, shape, name = _layers(config)
        settings = _compile_arguments(config.get("compile_config")) if compile else None
    with in_file(owner):
        needs = check_sizes(layers, shape)
    check(needs)
    with in_file(owner):
        return _build(layers, shape, name, settings)


def _layers(config: dict[str, Any]) -> tuple[list[Any], Any, Any]:
    """The layers, none of them built yet, the shape of the input and the model's name."""
    if config.get("class_name") != "Sequential":
        hint = "Only a stack of layers can be read."
        raise ValueError(expected("Model", "a Sequential", repr(config.get("class_name")), hint))
    if "layers" not in config["config"]:
        got = ", ".join(config["config"]) or "nothing"
        raise ValueError(expected("Model", "layers in its config", got))
    inside = from_keras({key: v for key, v in config["config"].items() if key != "layers"})
    layers = [
        deserialize("Layer", layer_from_keras(layer), LAYERS)
        for layer in config["config"]["layers"]
    ]
    return layers, inside.get("build_input_shape"), inside.get("name")


def _build(
    layers: list[Any], shape: Any, name: Any, settings: dict[str, Any] | None
) -> "Sequential":
    from scratchnet.models import Sequential

    model = Sequential(layers, name=name)
    if not model.built and shape:
        model.build(tuple(shape))
    if settings is not None:
        model.compile(**settings)
        model.build_optimizer()
    return model


def _compile_arguments(config: Any) -> dict[str, Any] | None:
    """The arguments of `compile`, with all objects made."""
    if not config:
        return None
    config = from_keras(config)
    if not isinstance(config, dict) or "optimizer" not in config:
        wanted = "compile_config as a dict with an optimizer"
        raise ValueError(expected("Model", wanted, f"{config!r:.80}"))
    refuse("compile", loss_weights=(config.get("loss_weights"), None))
    found = {name: _metrics(config.get(name)) for name in ("metrics", "weighted_metrics")}
    for name, given in found.items():
        flatten(given, name)  # raises for what we do not have
    optimizer = optimizers.deserialize(config["optimizer"])
    return {"optimizer": optimizer, "loss": losses.as_loss(one_output(config.get("loss"))), **found}


def _metrics(spec: Any) -> Any:
    """Names stay names, configs become metrics, lists and dicts stay around them."""
    if isinstance(spec, list):
        return [_metrics(item) for item in spec]
    if not isinstance(spec, dict):
        return spec
    if "class_name" in spec:
        return metrics.deserialize(spec)
    return {key: _metrics(item) for key, item in spec.items()}


def open_archive(path: str | os.PathLike[str]) -> tuple[dict[str, Any], bytes]:
    """config.json as a dict, and the weights file's bytes; sizes are checked before reading."""
    _check_path("load_model", path)
    owner = f"Model file '{path}'"
    if not os.fspath(path).endswith(".keras"):
        raise ValueError(expected("load_model", "a file that ends in .keras or .h5", f"'{path}'"))
    with plain_file(path, owner, "a .keras file").open("rb") as file:
        members = Members(file, owner)
        text = members.read(CONFIG, MAX_BYTES[CONFIG])
        config = read_json(text, f"{owner}, {CONFIG}")
        content = members.read(WEIGHTS, MAX_BYTES[WEIGHTS])
    good = isinstance(config, dict) and isinstance(config.get("config"), dict)
    if not good or not isinstance(config["config"].get("layers", []), list):
        raise ValueError(expected(owner, "a model in config.json", f"{config!r:.80}"))
    return config, content


def _check_path(owner: str, path: Any) -> None:
    if not isinstance(path, str | os.PathLike):
        hint = 'Pass "model.keras", for one.'
        raise TypeError(expected(owner, "a path as a str or Path", repr(path), hint))

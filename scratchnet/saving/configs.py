"""Keras's way of writing down what a thing is, and ours: the same class names and arguments.

Keras adds to `{"class_name": ..., "config": ...}` the module where it finds the class. Nothing is
ever imported by such a name: what is read is looked up in our own tables.
"""

from typing import Any

import numpy as np

from scratchnet import initializers, losses, metrics, optimizers, regularizers
from scratchnet.errors import expected, unknown
from scratchnet.layers import LAYERS
from scratchnet.optimizers.schedules import LearningRateSchedule
from scratchnet.registry import Configurable, read_array

__all__ = ["from_keras", "layer_from_keras", "one_output", "to_keras"]

# options that Keras 3.15 writes for every layer of a kind and that we have no argument for
KERAS_ONLY = {"optional": False, "quantization_config": None}


def to_keras(value: Any) -> Any:
    """A thing, or lists and dicts of things, as Keras writes it into config.json."""
    if isinstance(value, Configurable):
        config = {"class_name": type(value).__name__, "config": value.get_config()}
        return to_keras(config | {"module": _module_of(value)})
    if isinstance(value, dict) and value.get("class_name") == "__numpy__":
        return value
    if isinstance(value, dict):
        dressed = {key: to_keras(v) for key, v in value.items()}
        if {"class_name", "config"} <= set(value):
            module = value.get("module") or _module_named(value["class_name"])
            dressed |= {"module": module, "registered_name": None}
        return dressed
    if isinstance(value, list | tuple):
        return [to_keras(v) for v in value]
    if isinstance(value, np.generic):
        return value.item()
    name = getattr(value, "__name__", None)
    if name is not None and getattr(metrics, name, None) is value:
        return name  # a function that Keras has too, e.g. metrics.categorical_accuracy
    if value is None or isinstance(value, str | int | float | bool):
        return value
    wanted, hint = "things that have a name in Keras", "Such a model keeps its weights only."
    raise TypeError(expected("Saving", wanted, repr(value), hint))


def _module_of(thing: Configurable) -> str:
    for base, module in (
        (LearningRateSchedule, "keras.optimizers.schedules"),
        (optimizers.Optimizer, "keras.optimizers"),
        (losses.Loss, "keras.losses"),
        (metrics.Metric, "keras.metrics"),
    ):
        if isinstance(thing, base):
            return module
    return _module_named(type(thing).__name__)


def _module_named(class_name: str) -> str:
    """The module of a class whose name stands inside the config of a layer or an optimizer."""
    for table, module in (
        (LAYERS, "keras.layers"),
        (initializers.TABLE, "keras.initializers"),
        (regularizers.REGULARIZERS, "keras.regularizers"),
    ):
        if class_name in table:
            return module
    return "keras.optimizers.schedules"


def from_keras(value: Any) -> Any:
    """What Keras wrote as our tables take it: strings, numbers and `{"class_name", "config"}`.

    Raises ValueError for what was made by somebody's own code.
    """
    if isinstance(value, list):
        return [from_keras(v) for v in value]
    if not isinstance(value, dict):
        return value
    if "class_name" not in value:
        return {key: from_keras(v) for key, v in value.items()}
    name, config = value["class_name"], value.get("config")
    if name == "function" and isinstance(config, str):
        return config
    if name == "__tuple__":
        return from_keras(value.get("items", []))
    if name == "DTypePolicy" and isinstance(config, dict):
        return config.get("name")
    if name == "__numpy__":
        return read_array(value)
    module = value.get("module", "keras")
    registered = value.get("registered_name")
    if registered not in (None, name) or not f"{module}.".startswith("keras."):
        wanted, hint = "classes that Keras itself has", "Code of its own is never run."
        raise ValueError(expected("Config", wanted, f"{registered or name!r} of {module}", hint))
    return {"class_name": name, "config": from_keras(config)}


def one_output(value: Any) -> Any:
    """What was given for the one output that a model has, without a list or dict around it."""
    while isinstance(value, list | dict) and len(value) == 1 and "class_name" not in value:
        (value,) = value if isinstance(value, list) else value.values()
    return value


def layer_from_keras(config: Any) -> dict[str, Any]:
    """The config of a layer, without the options that only Keras has where they are off."""
    name = config.get("class_name") if isinstance(config, dict) else None
    if isinstance(name, str) and name not in LAYERS:
        raise ValueError(unknown("Layer", name, LAYERS))  # whatever its options are
    ours = from_keras(config)
    if not isinstance(ours, dict) or not isinstance(ours.get("config"), dict):
        wanted = 'a layer as {"class_name": str, "config": dict}'
        raise ValueError(expected("Config", wanted, f"{config!r:.80}"))
    arguments = {
        key: value
        for key, value in ours["config"].items()
        if not (key in KERAS_ONLY and value == KERAS_ONLY[key])
    }
    return {"class_name": ours.get("class_name"), "config": arguments}

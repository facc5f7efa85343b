"""What Keras 2 wrote about a model, in the words of Keras 3.

Only names and forms are changed here; what a layer or an option may be is decided where all configs
are read.

source    keras/src/legacy/saving/saving_utils.py, and files written by Keras 2.0 to 2.15
"""

from typing import Any

from scratchnet.errors import expected

__all__ = ["modern"]


def modern(model: Any, training: Any, owner: str) -> dict[str, Any]:
    """The two configs of an .h5 file as the one of a .keras archive."""
    inside = model.get("config") if isinstance(model, dict) else None
    if isinstance(inside, list):  # before Keras 2.3 a Sequential was its list of layers
        inside = {"layers": inside}
    if not isinstance(inside, dict) or not isinstance(inside.get("layers", []), list):
        raise ValueError(expected(owner, "a model in model_config", f"{model!r:.80}"))
    if "layers" in inside:
        inside = inside | {"layers": [_layer(layer) for layer in inside["layers"]]}
    return {
        "class_name": model.get("class_name"),
        "config": inside,
        "compile_config": _compile(training) if isinstance(training, dict) else training,
    }


def _layer(layer: Any) -> Any:
    if not isinstance(layer, dict) or not isinstance(layer.get("config"), dict):
        return layer  # refused where it is read
    config = {key: _initializer(key, value) for key, value in layer["config"].items()}
    if layer.get("class_name") == "InputLayer" and "batch_input_shape" in config:
        config["batch_shape"] = config.pop("batch_input_shape")
    if layer.get("class_name") == "LeakyReLU" and "alpha" in config:
        config["negative_slope"] = config.pop("alpha")
    axis = config.get("axis")
    if isinstance(axis, list) and len(axis) == 1:
        config["axis"] = axis[0]
    dtype = config.get("dtype")
    if isinstance(dtype, dict) and dtype.get("class_name") == "Policy":
        config["dtype"] = dtype | {"class_name": "DTypePolicy"}
    return layer | {"config": config}


def _initializer(key: str, value: Any) -> Any:
    """Initializers had a dtype of their own, which was always the layer's."""
    if not key.endswith("_initializer") or not isinstance(value, dict):
        return value
    if not isinstance(value.get("config"), dict):
        return value
    return value | {"config": {k: v for k, v in value["config"].items() if k != "dtype"}}


def _compile(training: dict[str, Any]) -> dict[str, Any]:
    config = {key: value for key, value in training.items() if key != "optimizer_config"}
    if "optimizer_config" in training:
        config["optimizer"] = _optimizer(training["optimizer_config"])
    return config | {"loss": _loss(config.get("loss"))}


def _optimizer(optimizer: Any) -> Any:
    if not isinstance(optimizer, dict) or not isinstance(optimizer.get("config"), dict):
        return optimizer  # refused where it is read
    config, name = dict(optimizer["config"]), optimizer.get("class_name")
    if "is_legacy_optimizer" in config and isinstance(name, str):
        name = name.removeprefix("Custom>")  # so Keras 2.11 and later called its own
    for gone in ("is_legacy_optimizer", "jit_compile"):
        config.pop(gone, None)
    if "lr" in config:
        config["learning_rate"] = config.pop("lr")
    if not config.get("decay"):
        config.pop("decay", None)
    if not config.get("use_ema"):
        config.pop("ema_overwrite_frequency", None)
    return optimizer | {"class_name": name, "config": config}


def _loss(loss: Any) -> Any:
    if not isinstance(loss, dict) or not isinstance(loss.get("config"), dict):
        return loss
    config = {key: value for key, value in loss["config"].items() if key != "fn"}
    if config.get("reduction") == "auto":
        config["reduction"] = "sum_over_batch_size"
    return loss | {"config": config}

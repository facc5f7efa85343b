"""One side of the exchange: a process of one library that writes files, reads the other's, or both.

    python -W error -m keras_ref.interchange.side scratchnet write FOLDER

write   trains each network some steps, saves it, and goes on: FOLDER/scratchnet/mlp_adam.keras ...
read    loads what the other side saved, in every format, and goes on
both    leave what came out in FOLDER/scratchnet/write.json and read.json

Dropout's counters are in no file of Keras: both sides set them anew before they go on.
"""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

import scratchnet
from keras_ref import floatx, quiet
from keras_ref.interchange.networks import EXCHANGES, Exchange

__all__ = ["STEPS", "act", "main"]

BEFORE, STEPS = 2, 3  # until the file, and after it


def steps(k: Any, model: Any, exchange: Exchange, count: int = STEPS) -> list[dict[str, float]]:
    """The logs of the next steps, from counters that are as in a fresh model."""
    if k.__name__ == "keras":
        model.run_eagerly = True  # of a few steps, tracing would take the longest
    for index, layer in enumerate(model.layers):
        if type(layer).__name__ == "Dropout":
            if k.__name__ == "keras":
                layer.seed_generator.state.assign([index, 0])
            else:
                layer.seed_generator.state = (index, 0)
    model.reset_metrics()
    batch = exchange.batch(model)
    logs = [model.train_on_batch(*batch, return_dict=True) for _ in range(count)]
    return [{name: float(np.asarray(value)) for name, value in log.items()} for log in logs]


def predicted(model: Any, exchange: Exchange) -> dict[str, Any]:
    """What the model says of the batch."""
    return {"predicted": np.asarray(model(exchange.batch(model)[0], training=False)).tolist()}


def state(model: Any) -> dict[str, Any]:
    """What the optimizer says about itself."""
    optimizer = model.optimizer
    return {
        "optimizer": type(optimizer).__name__,
        "iterations": int(np.asarray(optimizer.iterations)),
        "learning_rate": float(np.asarray(optimizer.learning_rate)),
    }


def write(k: Any, folder: Path) -> dict[str, Any]:
    """Train, save, and go on."""
    told: dict[str, Any] = {}
    for name, exchange in EXCHANGES.items():
        k.utils.set_random_seed(3)
        model = exchange.build(k)
        steps(k, model, exchange, BEFORE)
        if exchange.rate is not None:
            model.optimizer.learning_rate = exchange.rate
        for suffix in exchange.formats:
            if suffix == ".weights.h5":
                model.save_weights(folder / f"{name}{suffix}")
            elif suffix != ".h5" or k.__name__ == "keras":
                model.save(folder / f"{name}{suffix}")
        told[name] = predicted(model, exchange) | state(model)
        told[name]["next"] = steps(k, model, exchange)
        told[name]["layers"] = [type(layer).__name__ for layer in model.layers]
    return told


def read(k: Any, folder: Path) -> dict[str, Any]:
    """Load what is in this folder, and go on."""

    def fresh(exchange: Exchange, path: Path) -> Any:
        k.utils.set_random_seed(4)
        model = exchange.build(k)
        if k.__name__ == "keras":
            model.optimizer.build(model.trainable_variables)
        else:
            model.build_optimizer()
        model.load_weights(path)
        return model

    ways: dict[str, Callable[[Exchange, Path], Any]] = {
        ".keras": lambda exchange, path: k.models.load_model(path),
        ".weights.h5": fresh,
    }
    if k.__name__ == "scratchnet":
        ways[".h5"] = lambda exchange, path: old(k, exchange, path)
    told: dict[str, Any] = {}
    for name, exchange in EXCHANGES.items():
        told[name] = {}
        for suffix in (suffix for suffix in exchange.formats if suffix in ways):
            model = ways[suffix](exchange, folder / f"{name}{suffix}")
            told[name][suffix] = predicted(model, exchange) | state(model)
            told[name][suffix]["next"] = steps(k, model, exchange)
    return told


def old(k: Any, exchange: Exchange, path: Path) -> Any:
    """The model in an .h5 file, whose weights go into another one as well."""
    model, other = k.models.load_model(path), exchange.build(k)
    other.load_weights(path)
    for mine, given in zip(other.get_weights(), model.get_weights(), strict=True):
        np.testing.assert_array_equal(mine, given)
    return model


def act(k: Any, folder: Path, *actions: str) -> None:
    """Write, read, or both, by library k in float64."""
    mine = folder / k.__name__
    mine.mkdir(exist_ok=True)
    theirs = folder / ("scratchnet" if k.__name__ == "keras" else "keras")
    for action in actions:
        told = write(k, mine) if action == "write" else read(k, theirs)
        (mine / f"{action}.json").write_text(json.dumps(told))


def main(library: str, *rest: str) -> None:
    """A process of its own: do what the arguments say."""
    *actions, folder = rest
    k = quiet.start() if library == "keras" else scratchnet
    with floatx(k, "float64"):
        act(k, Path(folder), *actions)
    imported = {name.split(".")[0] for name in sys.modules} & {"keras", "tensorflow"}
    if library == "scratchnet" and imported:
        raise RuntimeError(f"expected no Keras in this process, got {sorted(imported)}")


if __name__ == "__main__":
    main(*sys.argv[1:])

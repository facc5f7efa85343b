"""Optimizers, by Keras's names: SGD, RMSprop, Adagrad, Adam, AdamW, and the schedules of their
learning rate.
"""

from typing import Any

from scratchnet import registry
from scratchnet.errors import unknown
from scratchnet.optimizers import schedules
from scratchnet.optimizers.adagrad import Adagrad
from scratchnet.optimizers.adam import Adam
from scratchnet.optimizers.adamw import AdamW
from scratchnet.optimizers.optimizer import Optimizer
from scratchnet.optimizers.rmsprop import RMSprop
from scratchnet.optimizers.sgd import SGD
from scratchnet.registry import serialize

__all__ = [
    "SGD",
    "Adagrad",
    "Adam",
    "AdamW",
    "Optimizer",
    "RMSprop",
    "deserialize",
    "get",
    "schedules",
    "serialize",
]

# Keras looks optimizers up in lower case: "SGD", "sgd" and "Sgd" are the same
OPTIMIZERS: dict[str, type] = {
    cls.__name__.lower(): cls for cls in (SGD, RMSprop, Adagrad, Adam, AdamW)
}


def get(identifier: Any) -> Any:
    """An optimizer from a name in any case, a config, a class or itself; None stays None."""
    if isinstance(identifier, str):
        identifier = identifier.lower()
    elif isinstance(identifier, dict) and isinstance(identifier.get("class_name"), str):
        identifier = identifier | {"class_name": identifier["class_name"].lower()}
    return registry.lookup("Optimizer", identifier, OPTIMIZERS, Optimizer)


def deserialize(config: dict[str, Any]) -> Optimizer:
    """The optimizer that `serialize` described."""
    optimizer: Optimizer = get(config)
    return optimizer


def __getattr__(name: str) -> Any:
    raise AttributeError(unknown("scratchnet.optimizers", name, __all__))

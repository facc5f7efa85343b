"""Losses, by Keras's names."""

from typing import Any

from scratchnet import registry
from scratchnet.errors import unknown
from scratchnet.losses.crossentropy import (
    BinaryCrossentropy,
    CategoricalCrossentropy,
    SparseCategoricalCrossentropy,
    binary_crossentropy,
    categorical_crossentropy,
    sparse_categorical_crossentropy,
)
from scratchnet.losses.loss import Loss, squeeze_or_expand_to_same_rank
from scratchnet.losses.regression import (
    Huber,
    MeanAbsoluteError,
    MeanSquaredError,
    huber,
    mean_absolute_error,
    mean_squared_error,
)

__all__ = [
    "BinaryCrossentropy",
    "CategoricalCrossentropy",
    "Huber",
    "Loss",
    "MeanAbsoluteError",
    "MeanSquaredError",
    "SparseCategoricalCrossentropy",
    "as_loss",
    "binary_crossentropy",
    "categorical_crossentropy",
    "deserialize",
    "get",
    "huber",
    "mean_absolute_error",
    "mean_squared_error",
    "serialize",
    "sparse_categorical_crossentropy",
    "squeeze_or_expand_to_same_rank",
]

LOSSES = registry.names(
    BinaryCrossentropy,
    CategoricalCrossentropy,
    Huber,
    MeanAbsoluteError,
    MeanSquaredError,
    SparseCategoricalCrossentropy,
    bce=BinaryCrossentropy,
    BCE=BinaryCrossentropy,
    mse=MeanSquaredError,
    MSE=MeanSquaredError,
    mae=MeanAbsoluteError,
    MAE=MeanAbsoluteError,
)

_FUNCTIONS: dict[Any, type[Loss]] = {
    binary_crossentropy: BinaryCrossentropy,
    categorical_crossentropy: CategoricalCrossentropy,
    huber: Huber,
    mean_absolute_error: MeanAbsoluteError,
    mean_squared_error: MeanSquaredError,
    sparse_categorical_crossentropy: SparseCategoricalCrossentropy,
}


def get(identifier: Any) -> Any:
    """The loss of this name, config or class, as Keras has it: the name of a class gives a Loss,
    that of a function, and an alias such as "mse", the function, which returns one value a sample.
    """
    if isinstance(identifier, str) and identifier in LOSSES:
        cls = LOSSES[identifier]
        if identifier != cls.__name__:
            return next(function for function, made in _FUNCTIONS.items() if made is cls)
    return identifier if any(identifier is f for f in _FUNCTIONS) else as_loss(identifier)


def as_loss(identifier: Any) -> Loss | None:
    """What `get` would find, as a Loss: with the reduction and the gradient that training needs."""
    if callable(identifier) and not isinstance(identifier, Loss | type):
        if identifier in _FUNCTIONS:
            return _FUNCTIONS[identifier]()
        identifier = getattr(identifier, "__name__", repr(identifier))
    return registry.lookup("Loss", identifier, LOSSES, Loss)  # type: ignore[no-any-return]


def serialize(loss: Loss) -> dict[str, Any] | None:
    """The config under which `deserialize` finds it again."""
    return registry.serialize(loss)


def deserialize(config: dict[str, Any]) -> Loss:
    """The loss that `serialize` described."""
    return registry.deserialize("Loss", config, LOSSES)  # type: ignore[no-any-return]


def __getattr__(name: str) -> Any:
    raise AttributeError(unknown("scratchnet.losses", name, __all__))

"""Penalties on weights: what is added to the loss, and its derivative."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from scratchnet import registry
from scratchnet.errors import expected, unknown
from scratchnet.registry import Configurable, names, serialize
from scratchnet.utils.options import LARGEST, is_number
from scratchnet.utils.rounding import through_float32

__all__ = [
    "L1",
    "L1L2",
    "L2",
    "Regularizer",
    "deserialize",
    "get",
    "l1",
    "l1_l2",
    "l2",
    "serialize",
]

Array = NDArray[np.floating]


class Regularizer(Configurable):
    """A penalty on an array of weights. A subclass writes `__call__(x)` and `gradient(x)`.

    Factors go through float32 as in Keras, so that float64 runs agree.
    """

    def __call__(self, x: Array) -> float:
        """The penalty, summed in float64."""
        return 0.0

    def gradient(self, x: Array) -> Array:
        """The derivative of the penalty with respect to x, in x's shape and dtype."""
        raise NotImplementedError(
            expected(
                type(self).__name__,
                "a method gradient(self, x)",
                "none",
                "Write the penalty's derivative.",
            )
        )


class L1(Regularizer):
    """l1 * sum of |x|; its derivative is l1 * sign(x), and 0 at 0."""

    def __init__(self, l1: float = 0.01) -> None:
        self.l1 = validate_float_arg(0.01 if l1 is None else l1, "l1", "L1")

    def __call__(self, x: Array) -> float:
        return through_float32(self.l1) * float(np.abs(x).sum(dtype=np.float64))

    def gradient(self, x: Array) -> Array:
        return np.sign(x) * through_float32(self.l1)

    def get_config(self) -> dict[str, Any]:
        return {"l1": self.l1}


class L2(Regularizer):
    """l2 * sum of x**2; its derivative is 2 * l2 * x. There is no 1/2 in the penalty, unlike in
    some texts.
    """

    def __init__(self, l2: float = 0.01) -> None:
        self.l2 = validate_float_arg(0.01 if l2 is None else l2, "l2", "L2")

    def __call__(self, x: Array) -> float:
        return through_float32(self.l2) * float(np.square(x, dtype=np.float64).sum())

    def gradient(self, x: Array) -> Array:
        return x * (2.0 * through_float32(self.l2))

    def get_config(self) -> dict[str, Any]:
        return {"l2": self.l2}


class L1L2(Regularizer):
    """l1 * sum of |x| + l2 * sum of x**2. Both factors are 0 unless given, as in Keras."""

    def __init__(self, l1: float = 0.0, l2: float = 0.0) -> None:
        self.l1 = validate_float_arg(0.0 if l1 is None else l1, "l1", "L1L2")
        self.l2 = validate_float_arg(0.0 if l2 is None else l2, "l2", "L1L2")

    def __call__(self, x: Array) -> float:
        return L1(self.l1)(x) + L2(self.l2)(x)

    def gradient(self, x: Array) -> Array:
        return L1(self.l1).gradient(x) + L2(self.l2).gradient(x)

    def get_config(self) -> dict[str, Any]:
        return {"l1": self.l1, "l2": self.l2}


def validate_float_arg(value: Any, name: str, owner: str = "Regularizer") -> float:
    """value as a float; ValueError unless it is a finite number of 0 or more."""
    number = is_number(value)
    if not number or not 0 <= value <= LARGEST:
        raise ValueError(expected(f"{owner} '{name}'", "a non-negative float", repr(value)))
    return float(value)


l1, l2, l1_l2 = L1, L2, L1L2
REGULARIZERS = names(L1, L2, L1L2, l1_l2=L1L2)


def get(identifier: Any) -> Any:
    """A regularizer from a name ("l1", "l2", "l1_l2"), a config, a class or itself; None stays
    None.

    A bare function is refused: training needs its derivative too, so it has to be a Regularizer
    with `gradient`.
    """
    return registry.lookup("Regularizer", identifier, REGULARIZERS, Regularizer)


def deserialize(config: dict[str, Any]) -> Regularizer:
    """The regularizer that `serialize` described."""
    regularizer: Regularizer = registry.deserialize("Regularizer", config, REGULARIZERS)
    return regularizer


def __getattr__(name: str) -> Any:
    raise AttributeError(unknown("scratchnet.regularizers", name, __all__))

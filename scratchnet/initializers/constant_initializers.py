"""First values that are not drawn: zeros and ones, a constant, the identity matrix."""

from typing import Any

import numpy as np

from scratchnet.config import standardize_dtype
from scratchnet.errors import expected
from scratchnet.initializers.initializer import Array, Initializer, Shape
from scratchnet.registry import read_array, write_array
from scratchnet.utils.options import finite

__all__ = ["Constant", "Identity", "Ones", "Zeros"]


class Zeros(Initializer):
    """Zeros."""

    def __call__(self, shape: Shape, dtype: str | None = None) -> Array:
        return np.zeros(shape, standardize_dtype(dtype))


class Ones(Initializer):
    """Ones."""

    def __call__(self, shape: Shape, dtype: str | None = None) -> Array:
        return np.ones(shape, standardize_dtype(dtype))


class Constant(Initializer):
    """One value everywhere, or an array that broadcasts to the shape."""

    def __init__(self, value: Any = 0.0) -> None:
        _array(value)
        self.value = value

    def __call__(self, shape: Shape, dtype: str | None = None) -> Array:
        with np.errstate(over="ignore"):  # a number that float32 cannot hold is infinite there
            value = np.asarray(self.value, standardize_dtype(dtype))
        try:
            return np.broadcast_to(value, shape).copy()
        except ValueError:
            wanted, got = f"a value that broadcasts to {tuple(shape)}", f"shape {value.shape}"
            raise ValueError(expected("Constant", wanted, got)) from None

    def get_config(self) -> dict[str, Any]:
        """The value; an array as Keras writes it."""
        return {"value": write_array(self.value)}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "Constant":
        """The initializer that `get_config` described."""
        return cls(read_array(config.get("value", 0.0)))


def _array(value: Any) -> Array:
    """A number, or lists of one shape, as an array of numbers."""
    try:
        array = np.asarray(value)
    except ValueError:
        array = np.asarray(None)
    if array.dtype.kind not in "fiu":
        raise TypeError(expected("Constant", "value to be a number or an array", repr(value)))
    return array


class Identity(Initializer):
    """gain on the diagonal of a matrix, zero elsewhere."""

    def __init__(self, gain: float = 1.0) -> None:
        self.gain = finite("Identity", "gain", gain)

    def __call__(self, shape: Shape, dtype: str | None = None) -> Array:
        if len(shape) != 2:
            raise ValueError(expected("Identity", "a shape (rows, columns)", str(tuple(shape))))
        rows, columns = shape
        return self.gain * np.eye(rows, columns, dtype=standardize_dtype(dtype))

    def get_config(self) -> dict[str, Any]:
        """The gain."""
        return {"gain": self.gain}

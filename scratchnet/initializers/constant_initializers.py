"""First values that are not drawn: zeros and ones, a constant, the identity matrix."""

from typing import Any

import numpy as np

from scratchnet.config import standardize_dtype
from scratchnet.errors import expected
from scratchnet.initializers.initializer import Array, Initializer, Shape
from scratchnet.registry import read_array, write_array

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
        if not np.issubdtype(np.asarray(value).dtype, np.number):
            raise TypeError(expected("Constant", "value to be a number or an array", repr(value)))
        self.value = value

    def __call__(self, shape: Shape, dtype: str | None = None) -> Array:
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
        return cls(**{name: read_array(value) for name, value in config.items()})


class Identity(Initializer):
    """gain on the diagonal of a matrix, zero elsewhere."""

    def __init__(self, gain: float = 1.0) -> None:
        self.gain = gain

    def __call__(self, shape: Shape, dtype: str | None = None) -> Array:
        if len(shape) != 2:
            raise ValueError(expected("Identity", "a shape (rows, columns)", str(tuple(shape))))
        rows, columns = shape
        return self.gain * np.eye(rows, columns, dtype=standardize_dtype(dtype))

    def get_config(self) -> dict[str, Any]:
        """The gain."""
        return {"gain": self.gain}

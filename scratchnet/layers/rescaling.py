"""Rescaling: bytes to numbers around one."""

from typing import Any

import numpy as np

from scratchnet.errors import expected
from scratchnet.layers.base import Array, Layer, Shape, broadcasts, readable
from scratchnet.registry import read_array, write_array

__all__ = ["Rescaling"]


class Rescaling(Layer):
    """A fixed scale and shift, the same for all samples.

    forward    y = x * scale + offset
    backward   dx = dy * scale
    shapes     x, y, dx, dy (N, ...)   scale and offset one number, or one for each channel

    A scale or offset that is not NumPy's (a float, a list) is made of float32 numbers even in
    float64 work: Keras on TensorFlow casts it through float32, and 1/255 has other digits there.
    """

    def __init__(self, scale: Any, offset: Any = 0.0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.scale, self.offset = scale, offset
        self._scale, self._offset = self._number("scale", scale), self._number("offset", offset)

    def _number(self, name: str, value: Any) -> Array:
        try:
            array = np.asarray(value)
        except ValueError:
            wanted = f"{name} as an array of one shape"
            raise ValueError(expected(self.owner, wanted, repr(value))) from None
        if array.dtype.kind == "f" and not isinstance(value, np.ndarray | np.generic):
            with np.errstate(over="ignore"):  # what becomes infinite is refused below
                array = array.astype(np.float32)
        if array.dtype.kind not in "fiub":
            wanted = f"{name} as a number or an array of numbers"
            raise TypeError(expected(self.owner, wanted, repr(value)))
        if not np.isfinite(array).all():
            raise ValueError(expected(self.owner, f"a finite {name}", repr(value)))
        return array.astype(self.dtype)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        shapes = self._scale.shape, self._offset.shape
        if not all(broadcasts(shape, input_shape) for shape in shapes):
            wanted = f"scale and offset that fit x {readable(input_shape)}"
            got = f"shapes {shapes[0]} and {shapes[1]}"
            raise ValueError(expected(self.owner, wanted, got))
        return tuple(input_shape)

    def forward(self, x: Array, training: bool = False) -> Array:
        return x * self._scale.astype(x.dtype) + self._offset.astype(x.dtype)

    def backward(self, dy: Array) -> Array:
        return dy * self._scale.astype(dy.dtype)

    def get_config(self) -> dict[str, Any]:
        # as a list, NumPy's array would come back through float32
        config = {"scale": write_array(self.scale), "offset": write_array(self.offset)}
        return {**super().get_config(), **config}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "Rescaling":
        return cls(**{name: read_array(value) for name, value in config.items()})

"""Pooling: a window becomes one number."""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from scratchnet.config import check_data_format
from scratchnet.engines import ops
from scratchnet.layers.arguments import pair
from scratchnet.layers.base import Array, Layer, Shape
from scratchnet.layers.windows import (
    Sides,
    crop,
    image_output_shape,
    pad,
    padding_amounts,
    standardize_padding,
)
from scratchnet.utils.options import flag

__all__ = [
    "AveragePooling2D",
    "AvgPool2D",
    "GlobalAveragePooling2D",
    "GlobalAvgPool2D",
    "GlobalMaxPool2D",
    "GlobalMaxPooling2D",
    "MaxPool2D",
    "MaxPooling2D",
]


class Pooling2D(Layer):
    """What the two windowed poolings share: the windows."""

    ndim = 4

    def __init__(
        self,
        pool_size: Any,
        strides: Any = None,
        padding: str = "valid",
        data_format: str | None = None,
        name: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(name=name, **kwargs)
        self.pool_size = pair(self.owner, "pool_size", pool_size)
        self.strides = pair(self.owner, "strides", self.pool_size if strides is None else strides)
        self.padding = standardize_padding(self.owner, padding)
        self.data_format = check_data_format(self.owner, data_format)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        self.check_input_shape(input_shape)
        return image_output_shape(
            self.owner, input_shape, self.pool_size, self.strides, self.padding, input_shape[-1]
        )

    def _sides(self, x: Array) -> Sides:
        return padding_amounts(x.shape[1:3], self.pool_size, self.strides, self.padding)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "pool_size": self.pool_size,
            "padding": self.padding,
            "strides": self.strides,
            "data_format": self.data_format,
        }


class MaxPoolingSaved(NamedTuple):
    """What MaxPooling2D.backward needs from the last training forward."""

    shape: tuple[int, ...]  # of x with its padding
    sides: Sides  # how much of it is padding
    # (N, P, Q, C) which tap r*S + s of the window was the first maximum
    argmax: NDArray[np.integer]


class MaxPooling2D(Pooling2D):
    """The largest value of each window.

    forward    y[n, p, q, c] = largest x in the window; argmax = the first place that holds it
    backward   dx gets dy at that place, 0 elsewhere (overlapping windows add up)
    shapes     x, dx (N, H, W, C)   y, dy, argmax (N, P, Q, C)
    """

    def __init__(self, pool_size: Any = (2, 2), *args: Any, **kwargs: Any) -> None:
        super().__init__(pool_size, *args, **kwargs)

    def forward(self, x: Array, training: bool = False) -> Array:
        y = np.empty(self.compute_output_shape(x.shape), x.dtype)
        argmax = np.empty(y.shape, np.int32)
        sides = self._sides(x)
        x = pad(x, sides, -np.inf)
        ops.max_pool_forward(x, self.pool_size, self.strides, y, argmax)
        self.saved = MaxPoolingSaved(x.shape, sides, argmax) if training else None
        return y

    def backward(self, dy: Array) -> Array:
        shape, sides, argmax = self.take_saved()
        dx = np.empty(shape, dy.dtype)
        ops.max_pool_dx(np.ascontiguousarray(dy), argmax, self.pool_size, self.strides, dx)
        return crop(dx, sides)

    def branches(self) -> list[NDArray[Any]]:
        return [self.take_saved().argmax]


class AveragePoolingSaved(NamedTuple):
    """What AveragePooling2D.backward needs from the last training forward."""

    shape: tuple[int, ...]  # of x with its padding
    sides: Sides  # how much of it is padding
    counts: Array  # (P, Q) how many real pixels each window holds


class AveragePooling2D(Pooling2D):
    """The mean of each window; padding is left out of the mean.

    forward    y[n, p, q, c] = sum of x over the window / counts[p, q]
    backward   dx gets dy / counts at every pixel of the window (overlapping windows add up)
    shapes     x, dx (N, H, W, C)   y, dy (N, P, Q, C)   counts (P, Q)
    """

    def _counts(self, x: Array, sides: Sides, positions: Shape) -> Array:
        """Real pixels in each window: real rows times real columns."""
        along = []
        for axis in (0, 1):
            size, (before, _) = x.shape[1 + axis], sides[axis]
            first = np.arange(positions[axis]) * self.strides[axis] - before
            last = np.minimum(first + self.pool_size[axis], size)
            along.append(last - np.maximum(first, 0))
        return np.multiply.outer(*along).astype(x.dtype)

    def forward(self, x: Array, training: bool = False) -> Array:
        y = np.empty(self.compute_output_shape(x.shape), x.dtype)
        sides = self._sides(x)
        counts = self._counts(x, sides, y.shape[1:3])
        x = pad(x, sides)
        ops.average_pool_forward(x, counts, self.pool_size, self.strides, y)
        self.saved = AveragePoolingSaved(x.shape, sides, counts) if training else None
        return y

    def backward(self, dy: Array) -> Array:
        shape, sides, counts = self.take_saved()
        dx = np.empty(shape, dy.dtype)
        dy = np.ascontiguousarray(dy)
        ops.average_pool_dx(dy, counts, self.pool_size, self.strides, dx)
        return crop(dx, sides)


class GlobalPooling2D(Layer):
    """What the two global poolings share: one number for each channel of each image."""

    ndim = 4

    def __init__(
        self, data_format: str | None = None, keepdims: bool = False, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.data_format = check_data_format(self.owner, data_format)
        self.keepdims = flag(self.owner, "keepdims", keepdims)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        self.check_input_shape(input_shape)
        image_output_shape(self.owner, input_shape, (1, 1), (1, 1), "valid", None)
        N, C = input_shape[0], input_shape[-1]
        return (N, 1, 1, C) if self.keepdims else (N, C)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "data_format": self.data_format,
            "keepdims": self.keepdims,
        }


class GlobalMaxPoolingSaved(NamedTuple):
    """What GlobalMaxPooling2D.backward needs from the last training forward."""

    x: Array  # (N, H, W, C) input
    y: Array  # (N, C) the largest of each channel


class GlobalMaxPooling2D(GlobalPooling2D):
    """The largest value of each channel.

    forward    y[n, c] = largest x[n, h, w, c]
    backward   dx gets dy at the maximum; several equal maxima share it (as tf.reduce_max has it)
    shapes     x, dx (N, H, W, C)   y, dy (N, C), with keepdims (N, 1, 1, C)
    """

    def forward(self, x: Array, training: bool = False) -> Array:
        y = np.empty((x.shape[0], x.shape[-1]), x.dtype)
        ops.global_max_pool_forward(x, y)
        self.saved = GlobalMaxPoolingSaved(x, y) if training else None
        return y.reshape(self.compute_output_shape(x.shape))

    def backward(self, dy: Array) -> Array:
        x, y = self.take_saved()
        dx = np.empty(x.shape, x.dtype)
        ops.global_max_pool_dx(np.ascontiguousarray(dy).reshape(y.shape), x, y, dx)
        return dx

    def branches(self) -> list[NDArray[Any]]:
        x, y = self.take_saved()
        return [x == y[:, None, None, :]]


class GlobalAveragePooling2D(GlobalPooling2D):
    """The mean of each channel.

    forward    y[n, c] = mean over h, w of x[n, h, w, c]
    backward   dx = dy / (H*W) everywhere
    shapes     x, dx (N, H, W, C)   y, dy (N, C), with keepdims (N, 1, 1, C)
    """

    def forward(self, x: Array, training: bool = False) -> Array:
        y = np.empty((x.shape[0], x.shape[-1]), x.dtype)
        ops.global_average_pool_forward(x, y)
        self.saved = x.shape if training else None
        return y.reshape(self.compute_output_shape(x.shape))

    def backward(self, dy: Array) -> Array:
        N, H, W, C = self.take_saved()
        dx = np.empty((N, H, W, C), dy.dtype)
        ops.global_average_pool_dx(np.ascontiguousarray(dy).reshape(N, C), dx)
        return dx


MaxPool2D = MaxPooling2D
AvgPool2D = AveragePooling2D
GlobalMaxPool2D = GlobalMaxPooling2D
GlobalAvgPool2D = GlobalAveragePooling2D

"""Layers that move numbers without changing them: Flatten, Reshape, ZeroPadding2D."""

from collections.abc import Iterable
from math import prod
from typing import Any

from scratchnet.config import check_data_format
from scratchnet.errors import expected
from scratchnet.layers.arguments import check_rank, pair
from scratchnet.layers.base import Array, Layer, Shape, readable
from scratchnet.layers.windows import crop, pad
from scratchnet.utils.options import is_int

__all__ = ["Flatten", "Reshape", "ZeroPadding2D"]


class Flatten(Layer):
    """Each sample as one row.

    forward    y = x with everything behind the batch axis laid out in memory order (H, W, C)
    backward   dx = dy in the shape of x
    shapes     x, dx (N, ...)   y, dy (N, product of ...)
    """

    def __init__(self, data_format: str | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.data_format = check_data_format(self.owner, data_format)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        self.check_input_shape(input_shape)
        rest = input_shape[1:]
        return input_shape[0], None if None in rest else prod(d or 0 for d in rest)

    def forward(self, x: Array, training: bool = False) -> Array:
        self.saved = x.shape if training else None
        return x.reshape(self.compute_output_shape(x.shape))

    def backward(self, dy: Array) -> Array:
        return dy.reshape(self.take_saved())

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "data_format": self.data_format}


class Reshape(Layer):
    """Each sample in another shape of the same size; one axis may be -1, "what is left".

    forward    y = x with each sample laid out as target_shape
    backward   dx = dy in the shape of x
    shapes     x, dx (N, ...)   y, dy (N, *target_shape)
    """

    def __init__(self, target_shape: Any, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if not isinstance(target_shape, Iterable):
            wanted = "target_shape as a tuple of ints"
            raise TypeError(expected(self.owner, wanted, repr(target_shape)))
        shape = tuple(target_shape)
        check_rank(self.owner, "target_shape", shape)
        if not all(is_int(d) and (d > 0 or d == -1) for d in shape):
            hint = f"Each must be a non-negative integer or -1: target_shape={shape}."
            raise ValueError(
                expected(self.owner, "target_shape of ints above 0 or -1", repr(target_shape), hint)
            )
        if shape.count(-1) > 1:
            hint = f"There can be at most one unknown dimension: target_shape={shape}."
            wanted = "at most one -1 in target_shape"
            raise ValueError(expected(self.owner, wanted, repr(shape), hint))
        self.target_shape = tuple(int(d) for d in shape)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        self.check_input_shape(input_shape)
        if None in input_shape[1:]:
            return input_shape[0], *(None if d == -1 else d for d in self.target_shape)
        size = prod(d or 0 for d in input_shape[1:])
        known = prod(d for d in self.target_shape if d != -1)
        if size % known or (-1 not in self.target_shape and size != known):
            raise ValueError(
                expected(
                    self.owner,
                    f"samples that fit target_shape {self.target_shape}",
                    f"{size} numbers a sample, x {readable((None, *input_shape[1:]))}",
                )
            )
        return input_shape[0], *(size // known if d == -1 else d for d in self.target_shape)

    def forward(self, x: Array, training: bool = False) -> Array:
        self.saved = x.shape if training else None
        return x.reshape(self.compute_output_shape(x.shape))

    def backward(self, dy: Array) -> Array:
        return dy.reshape(self.take_saved())

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "target_shape": self.target_shape}


class ZeroPadding2D(Layer):
    """A frame of zeros around each image.

    forward    y = x with `padding` = ((top, bottom), (left, right)) rows and columns of zeros
    backward   dx = dy without the frame
    shapes     x, dx (N, H, W, C)   y, dy (N, top + H + bottom, left + W + right, C)
    """

    ndim = 4

    def __init__(
        self, padding: Any = (1, 1), data_format: str | None = None, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.data_format = check_data_format(self.owner, data_format)
        if hasattr(padding, "__index__"):
            padding = (padding, padding)
        if not isinstance(padding, tuple | list) or len(padding) != 2:
            wanted = "padding as an int, (rows, columns) or ((top, bottom), (left, right))"
            raise ValueError(expected(self.owner, wanted, repr(padding)))
        self.padding = (
            pair(self.owner, "padding[0]", padding[0], least=0),
            pair(self.owner, "padding[1]", padding[1], least=0),
        )

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        self.check_input_shape(input_shape)
        N, H, W, C = input_shape
        rows, columns = sum(self.padding[0]), sum(self.padding[1])
        return N, None if H is None else H + rows, None if W is None else W + columns, C

    def forward(self, x: Array, training: bool = False) -> Array:
        return pad(x, self.padding)

    def backward(self, dy: Array) -> Array:
        return crop(dy, self.padding)

    def get_config(self) -> dict[str, Any]:
        config = {"padding": self.padding, "data_format": self.data_format}
        return {**super().get_config(), **config}

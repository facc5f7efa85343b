"""Where the shape of the data is written down."""

import warnings
from typing import Any

from scratchnet.errors import expected
from scratchnet.layers.arguments import refuse, sizes
from scratchnet.layers.base import Array, Layer, Shape
from scratchnet.utils.options import is_int

__all__ = ["Input", "InputLayer"]


class InputLayer(Layer):
    """The first entry of a Sequential: says what shape comes in, and computes nothing."""

    sparse = ragged = False  # Keras's names for kinds of input that are not here

    def __init__(
        self,
        shape: Any = None,
        batch_size: int | None = None,
        dtype: Any = None,
        sparse: Any = None,
        ragged: Any = None,
        batch_shape: Any = None,
        name: str | None = None,
        **kwargs: Any,
    ) -> None:
        if "input_shape" in kwargs and shape is None:
            warnings.warn(
                "Argument `input_shape` is deprecated. Use `shape` instead.", stacklevel=2
            )
            shape = kwargs.pop("input_shape")
        super().__init__(name=name, dtype=dtype, **kwargs)
        refuse(self.owner, sparse=(sparse or None, None), ragged=(ragged or None, None))
        if (shape is None) == (batch_shape is None):
            got, hint = "neither", "You must pass a `shape` argument."
            if shape is not None:
                got, hint = "both", "You cannot pass both `shape` and `batch_shape`."
            raise ValueError(expected(self.owner, "either shape or batch_shape", got, hint))
        if batch_shape is not None and batch_size is not None:
            hint = "You cannot pass both `batch_size` and `batch_shape`."
            raise ValueError(expected(self.owner, "either batch_size or batch_shape", "both", hint))
        if batch_shape is None:
            shape = sizes(self.owner, "shape", [shape] if is_int(shape) else shape)
            batch_shape = (*sizes(self.owner, "batch_size", [batch_size]), *shape)
        self.batch_shape: Shape = sizes(self.owner, "batch_shape", batch_shape)
        if not self.batch_shape:
            wanted, hint = "a batch axis in batch_shape", "Write (None, ...)."
            raise ValueError(expected(self.owner, wanted, "()", hint))
        self.build(self.batch_shape)

    def forward(self, x: Array, training: bool = False) -> Array:
        return x

    def backward(self, dy: Array) -> Array:
        return dy

    def get_config(self) -> dict[str, Any]:
        return {"batch_shape": self.batch_shape, "dtype": self.dtype, "name": self.name}


def Input(  # noqa: N802  Keras's name
    shape: Any = None,
    batch_size: int | None = None,
    dtype: Any = None,
    sparse: Any = None,
    ragged: Any = None,
    batch_shape: Any = None,
    name: str | None = None,
) -> InputLayer:
    """The shape of one sample, as the first entry of a Sequential: `Input(shape=(28, 28, 1))`."""
    return InputLayer(shape, batch_size, dtype, sparse, ragged, batch_shape, name)

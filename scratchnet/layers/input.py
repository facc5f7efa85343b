"""Where the shape of the data is written down."""

from typing import Any

from scratchnet.errors import expected
from scratchnet.layers.arguments import refuse
from scratchnet.layers.base import Array, Layer, Shape

__all__ = ["Input", "InputLayer"]


class InputLayer(Layer):
    """The first entry of a Sequential: says what shape comes in, and computes nothing."""

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
            shape = kwargs.pop("input_shape")
        super().__init__(name=name, dtype=dtype, **kwargs)
        refuse(self.owner, sparse=(sparse or None, None), ragged=(ragged or None, None))
        if (shape is None) == (batch_shape is None):
            got = "both" if shape is not None else "neither"
            raise ValueError(expected(self.owner, "either shape or batch_shape", got))
        if batch_shape is None:
            batch_shape = (batch_size, *([shape] if isinstance(shape, int) else shape))
        self.batch_shape: Shape = tuple(batch_shape)
        for d in self.batch_shape:
            if d is not None and (not hasattr(d, "__index__") or d < 0):
                wanted = "shape of ints, 0 or more, or None"
                raise ValueError(expected(self.owner, wanted, repr(self.batch_shape[1:])))
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

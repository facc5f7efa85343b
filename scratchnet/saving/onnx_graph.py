"""An ONNX graph while it grows, and the one value that flows through it.

Images are NHWC here and NCHW in ONNX's convolutions and poolings. A value remembers how it lies,
and is transposed only where a node needs it otherwise: two neighbours of one kind have nothing
between them.
"""

from itertools import chain, count
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from scratchnet.layers.base import Shape

__all__ = ["Graph", "Value"]

TO_NCHW, TO_NHWC = (0, 3, 1, 2), (0, 2, 3, 1)


class Value(NamedTuple):
    """What comes out of a node.

    shape            as the layers have it, (N, H, W, C) for images; None where it is not known
    channels_first   whether it lies as (N, C, H, W)
    """

    name: str
    shape: Shape
    channels_first: bool = False

    def axis(self, axis: int) -> int:
        """Where this axis of `shape` lies."""
        axis %= len(self.shape)
        return TO_NCHW.index(axis) if self.channels_first else axis


class Graph:
    """Nodes and constants, named after the layer that they belong to."""

    def __init__(self, dtype: str) -> None:
        self.dtype = np.dtype(dtype)
        self.nodes: list[Any] = []
        self.constants: dict[str, NDArray[Any]] = {}
        self.layer = ""  # whose nodes are added now
        self._taken: set[str] = set()

    def constant(self, name: str, array: Any, dtype: Any = None) -> str:
        """A constant of the model's dtype, or of another one; `name` within the layer."""
        full = self._unique(f"{self.layer}/{name}")
        self.constants[full] = np.ascontiguousarray(array, dtype or self.dtype)
        return full

    def number(self, value: float) -> str:
        """The same for one number."""
        return self.constant("number", value)

    def node(self, operation: str, *inputs: str, **attributes: Any) -> str:
        """Add a node of one output, and name that."""
        from onnx import helper

        name = self._unique(f"{self.layer}/{operation}")
        self.nodes.append(helper.make_node(operation, inputs, [name], name=name, **attributes))
        return name

    def _unique(self, name: str) -> str:
        numbered = (f"{name}_{number}" for number in count(1))
        unique = next(n for n in chain([name], numbered) if n not in self._taken)
        self._taken.add(unique)
        return unique

    # ------------------------------------------------------------------ layouts

    def nchw(self, value: Value) -> Value:
        """The images as ONNX's convolutions want them."""
        if value.channels_first:
            return value
        return Value(self.node("Transpose", value.name, perm=TO_NCHW), value.shape, True)

    def nhwc(self, value: Value) -> Value:
        """The value as the layers have it."""
        if not value.channels_first:
            return value
        return Value(self.node("Transpose", value.name, perm=TO_NHWC), value.shape)

    def beside(self, name: str, array: NDArray[Any], value: Value) -> str:
        """A constant that is stretched along `value`; `array` fits its shape as NumPy has it."""
        if value.channels_first:
            array = array.reshape((1,) * (4 - array.ndim) + array.shape).transpose(TO_NCHW)
        return self.constant(name, array)

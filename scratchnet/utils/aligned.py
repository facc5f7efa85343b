"""Memory that begins with a cache line.

NumPy's arrays begin at a multiple of 16 bytes, large ones almost always at 16 bytes behind a line.
Every other vector of 32 bytes, and every one of 64, then lies in two cache lines and is fetched
twice.
"""

from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["empty"]

LINE = 64  # bytes


def empty(shape: int | tuple[int, ...], dtype: Any) -> NDArray[Any]:
    """np.empty(shape, dtype) at the beginning of a cache line; a view, whose memory nobody else
    has."""
    dtype = np.dtype(dtype)
    size = prod(shape) if isinstance(shape, tuple) else shape
    memory = np.empty(size * dtype.itemsize + LINE, np.uint8)
    begin = -memory.ctypes.data % LINE
    return memory[begin : begin + size * dtype.itemsize].view(dtype).reshape(shape)

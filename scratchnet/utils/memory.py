"""Memory: where arrays begin, and what becomes of it when they go."""

from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["LINE", "aligned", "keep_freed"]

LINE = 64  # bytes of a cache line
LARGEST = 2**25 - 2**16  # bytes of an array that glibc still learns from


def aligned(shape: int | tuple[int, ...], dtype: Any) -> NDArray[Any]:
    """np.empty(shape, dtype) at the beginning of a cache line: a view of memory of its own.

    NumPy's arrays begin at a multiple of 16 bytes, large ones almost always at 16 bytes behind a
    line. Every other vector of 32 bytes, and every one of 64, then lies in two lines and is fetched
    twice.
    """
    dtype = np.dtype(dtype)
    size = prod(shape) if isinstance(shape, tuple) else shape
    memory = np.empty(size * dtype.itemsize + LINE, np.uint8)
    begin = -memory.ctypes.data % LINE
    return memory[begin : begin + size * dtype.itemsize].view(dtype).reshape(shape)


def keep_freed() -> None:
    """Let this process keep up to 64 MB of freed memory for its next arrays.

    glibc gives the end of its memory back to the system as soon as twice the size of the largest
    array that was ever freed lies unused there. The arrays of a batch are freed together, so it
    goes back after each batch, and the next one pays for every page anew: a third of a prediction.
    So glibc is shown a free array once, of the largest size that counts. It is never written to,
    and so costs no memory. Other C libraries take no notice.
    """
    np.empty(LARGEST, np.uint8)

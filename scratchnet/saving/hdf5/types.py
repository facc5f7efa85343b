"""Types and shapes: what an array or an attribute holds."""

from math import prod
from typing import NamedTuple

import numpy as np

from scratchnet.saving.hdf5.source import Cursor

__all__ = ["Kind", "read_shape", "read_type"]

MAX_RANK = 32
CLASSES = (
    "whole numbers|floats|times|texts|bits|opaque bytes|compounds|references|enumerations|"
    "sequences|arrays"
).split("|")
# size in bytes -> where sign, exponent and fraction lie: (sign, exponent at, its size, fraction
# at, its size, bias)
IEEE = {
    2: (15, 10, 5, 0, 10, 15),
    4: (31, 23, 8, 0, 23, 127),
    8: (63, 52, 11, 0, 52, 1023),
}


class Kind(NamedTuple):
    """The type of one value."""

    name: str  # for messages
    size: int  # in bytes
    dtype: np.dtype[np.generic] | None = None  # of numbers
    text: str = ""  # "fixed" or "variable" for texts


def read_type(block: Cursor) -> Kind:
    """The type that a message describes. What numbers NumPy does not have are only named."""
    first = block.number(1)
    bits, size = block.number(3), block.number(4)
    kind = first & 0x0F
    if kind >= len(CLASSES) or not 1 <= first >> 4 <= 4:
        raise block.source.error("a type of HDF5", f"class {kind}, version {first >> 4}")
    name = f"{8 * size}-bit {CLASSES[kind]}"
    if kind == 0 and size in (1, 2, 4, 8) and block.unpack("HH") == (0, 8 * size):
        letter = "i" if bits & 8 else "u"
        return _numbers(letter, size, bits & 1)
    if kind == 1 and size in IEEE:
        offset, precision, exponent, exponents, fraction, fractions, bias = block.unpack("HH4BI")
        layout = (bits >> 8 & 0xFF, exponent, exponents, fraction, fractions, bias)
        if (offset, precision) == (0, 8 * size) and layout == IEEE[size] and not bits & 0x40:
            return _numbers("f", size, bits & 1)
    if kind == 3 and size:
        return Kind("texts", size, text="fixed")
    if kind == 9 and bits & 0x0F == 1:
        return Kind("texts", 16, text="variable")
    return Kind(name, size)


def _numbers(letter: str, size: int, big: int) -> Kind:
    dtype = np.dtype(f"{'>' if big else '<'}{letter}{size}")
    return Kind(dtype.name, size, dtype)


def read_shape(block: Cursor) -> tuple[int, ...] | None:
    """The shape that a message describes; None for no values at all."""
    version = block.version("a shape", 1, 2)
    rank, _ = block.unpack("BB")
    if rank > MAX_RANK:
        raise block.source.error(f"an array of at most {MAX_RANK} axes", str(rank))
    if version == 1:
        block.bytes(5)
    elif block.number(1) == 2:
        return None
    shape = tuple(block.number(8) for _ in range(rank))
    if prod(max(d, 1) for d in shape) >= 1 << 48:
        raise block.source.error("a shape that fits in memory", str(shape))
    return shape

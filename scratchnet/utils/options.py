"""Checks of options that every kind of thing has: switches, numbers, whole numbers, names."""

import math
from typing import Any

import numpy as np

from scratchnet.errors import expected

__all__ = ["LARGEST", "count", "finite", "flag", "is_int", "is_number", "plain_name"]

LARGEST = float(np.finfo(np.float32).max)  # what any model can hold


def flag(owner: str, name: str, value: Any) -> bool:
    """True or False, NumPy's too, or 1 or 0; ValueError for anything else."""
    if isinstance(value, bool | np.bool_) or (is_int(value) and value in (0, 1)):
        return bool(value)
    raise ValueError(expected(owner, f"{name} as True or False", repr(value)))


def finite(owner: str, name: str, value: Any, least: float = -math.inf) -> Any:
    """The number as it is; TypeError for what is none, ValueError for NaN, for what float32 cannot
    hold, and below `least`."""
    if not is_number(value):
        raise TypeError(expected(owner, f"{name} as a number", repr(value)))
    number: Any = value
    if not abs(number) <= LARGEST or not number >= least:
        wanted = f"{name} as a finite number"
        wanted += f" of {least:g} or more" if least > -math.inf else ""
        raise ValueError(expected(owner, wanted, repr(value)))
    return value


def count(owner: str, name: str, value: Any, least: int = 1) -> int:
    """A whole number, `least` or more; ValueError for anything else."""
    if not is_int(value) or value < least:
        raise ValueError(expected(owner, f"{name} of at least {least}", repr(value)))
    return int(value)


def plain_name(owner: str, name: str) -> str:
    """The name of a layer or model, which stands in paths and in messages."""
    if "/" in name or not name.isprintable():
        hint = "Argument `name` must be a string and cannot contain character `/`."
        raise ValueError(expected(owner, "a name without '/' or line breaks", repr(name), hint))
    return name


def is_number(value: Any) -> bool:
    """Whether this is a Python or NumPy number, not an array of one; True and False are none."""
    return is_int(value) or isinstance(value, float | np.floating)


def is_int(value: Any) -> bool:
    """Whether this is a Python or NumPy int, not an array of one; True and False are none."""
    return isinstance(value, int | np.integer) and not isinstance(value, bool)

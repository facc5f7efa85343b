"""Checks of constructor arguments that several layers share."""

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scratchnet.errors import expected
from scratchnet.utils.options import is_int

__all__ = ["check_rank", "numbers", "pair", "positive", "refuse", "sizes"]

MAX_RANK = 32


def positive(owner: str, name: str, value: Any) -> int:
    """The value as an int above zero."""
    hint = f"`{name}` must be a positive integer."
    if not is_int(value):
        raise ValueError(expected(owner, f"{name} as an int", repr(value), hint))
    if value <= 0:
        raise ValueError(expected(owner, f"{name} above 0", repr(value), hint))
    return int(value)


def pair(owner: str, name: str, value: Any, least: int = 1) -> tuple[int, int]:
    """One int for both directions, or two of them: (rows, columns), none below `least`."""
    two = (value, value) if hasattr(value, "__index__") else value
    if isinstance(two, Iterable) and not isinstance(two, str):
        two = tuple(two)
        if len(two) == 2 and all(is_int(v) and v >= least for v in two):
            return int(two[0]), int(two[1])
    raise ValueError(expected(owner, f"{name} as one or two ints, {least} or more", repr(value)))


def check_rank(owner: str, name: str, shape: tuple[Any, ...]) -> None:
    """Raise where a shape has more axes than any array: its product would take minutes."""
    if len(shape) > MAX_RANK:
        got = f"{len(shape)}"
        raise ValueError(expected(owner, f"{name} of at most {MAX_RANK} axes", got))


def sizes(owner: str, name: str, value: Any) -> tuple[int | None, ...]:
    """The value as a shape: a tuple of ints, 0 or more, or None where a size is not known."""
    if isinstance(value, Iterable) and not isinstance(value, str):
        shape = tuple(value)
        check_rank(owner, name, shape)
        if all(d is None or (is_int(d) and d >= 0) for d in shape):
            return tuple(None if d is None else int(d) for d in shape)
    raise ValueError(expected(owner, f"{name} of ints, 0 or more, or None", repr(value)))


def numbers(owner: str, name: str, value: Any) -> NDArray[Any]:
    """The value as an array of numbers with a batch axis."""
    if hasattr(value, "compute_output_shape"):  # an Input or another layer
        hint = "ScratchNet has no functional models: write Sequential([Input(...), layer, ...])."
        got = f"{type(value).__name__} '{value.name}'"
        raise TypeError(expected(owner, f"{name} as an array of numbers", got, hint))
    try:
        array = np.asarray(value)
    except ValueError:
        wanted = f"{name} as an array of one shape"
        raise ValueError(expected(owner, wanted, "rows of different lengths")) from None
    if array.dtype.kind not in "fiub":
        raise TypeError(expected(owner, f"{name} as an array of numbers", f"dtype {array.dtype}"))
    if array.ndim == 0:
        raise ValueError(expected(owner, f"{name} with a batch axis", "one number"))
    return array


def refuse(owner: str, **options: tuple[Any, Any]) -> None:
    """Raise for the first option that is not at its off value: name=(value, off)."""
    for name, (value, off) in options.items():
        if value != off:
            raise NotImplementedError(
                expected(owner, f"{name}={off!r}", repr(value), f"ScratchNet has no {name}.")
            )

"""Checks of constructor arguments that several layers share."""

from collections.abc import Iterable
from typing import Any

from scratchnet.errors import expected

__all__ = ["pair", "positive", "refuse"]


def positive(owner: str, name: str, value: Any) -> int:
    """The value as an int above zero."""
    if isinstance(value, bool) or not hasattr(value, "__index__"):
        raise TypeError(expected(owner, f"{name} as an int", repr(value)))
    if value <= 0:
        raise ValueError(expected(owner, f"{name} above 0", repr(value)))
    return int(value)


def pair(owner: str, name: str, value: Any, least: int = 1) -> tuple[int, int]:
    """One int for both directions, or two of them: (rows, columns), none below `least`."""
    two = (value, value) if hasattr(value, "__index__") else value
    if isinstance(two, Iterable) and not isinstance(two, str):
        two = tuple(two)
        if len(two) == 2 and all(hasattr(v, "__index__") and v >= least for v in two):
            return int(two[0]), int(two[1])
    raise ValueError(expected(owner, f"{name} as one or two ints, {least} or more", repr(value)))


def refuse(owner: str, **options: tuple[Any, Any]) -> None:
    """Raise for the first option that is not at its off value: name=(value, off)."""
    for name, (value, off) in options.items():
        if value != off:
            raise NotImplementedError(
                expected(owner, f"{name}={off!r}", repr(value), f"ScratchNet has no {name}.")
            )

"""What an optimizer checks before it changes anything."""

import math
import warnings
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scratchnet import config
from scratchnet.errors import expected
from scratchnet.utils.options import is_number

__all__ = ["check_gradients", "check_number", "check_options", "check_variables", "not_negative"]

Array = NDArray[np.floating]
CLIPPING = ("clipnorm", "clipvalue", "global_clipnorm")
REFUSED = (
    "use_ema",
    "ema_overwrite_frequency",
    "loss_scale_factor",
    "gradient_accumulation_steps",
)


def not_negative(x: float) -> bool:
    """0 or more, and finite."""
    return 0 <= x < math.inf


def check_number(
    owner: str, argument: str, value: Any, wanted: str, holds: Callable[[float], bool]
) -> None:
    """ValueError unless value is a number for which `holds` is true (it never is for NaN)."""
    if not is_number(value) or not holds(value):
        raise ValueError(expected(owner, f"{argument} as {wanted}", repr(value)))


def check_options(optimizer: Any) -> None:
    """ValueError for an option that is not implemented, two ways of clipping, or a bad value."""
    owner = f"{type(optimizer).__name__} '{optimizer.name}'"
    for option in REFUSED:
        value = getattr(optimizer, option)
        if value not in (None, False, 0):
            hint = "ScratchNet does not implement it."
            raise ValueError(expected(owner, f"{option} left off", f"{option}={value!r}", hint))
    given = [option for option in CLIPPING if getattr(optimizer, option) is not None]
    if len(given) > 1:
        hint = "Only one of `clipnorm`, `clipvalue` and `global_clipnorm` can be set."
        raise ValueError(expected(owner, "one way of clipping", " and ".join(given), hint))
    for option in (*CLIPPING, "weight_decay"):
        value = getattr(optimizer, option)
        if value is not None:
            check_number(
                owner, option, value, "a finite number of 0 or more, or None", not_negative
            )


def check_variables(owner: str, variables: Sequence[Any]) -> None:
    """Arrays that can be updated in place as a flat view, all float32 or all float64."""
    for i, v in enumerate(variables):
        if not isinstance(v, np.ndarray):
            raise TypeError(
                expected(owner, "NumPy arrays as variables", f"{type(v).__name__} at {i}")
            )
        if v.dtype.name not in config.FLOAT_TYPES or v.dtype != variables[0].dtype:
            dtypes = [w.dtype.name for w in variables[: i + 1]]
            raise ValueError(
                expected(owner, "variables that are all float32 or all float64", f"{dtypes}")
            )
        if not v.flags.c_contiguous or not v.flags.writeable:
            raise ValueError(
                expected(
                    owner,
                    "C-contiguous variables that can be written to",
                    f"another at {i}",
                    "Use np.ascontiguousarray(variable).",
                )
            )


def check_gradients(
    owner: str, grads: Sequence[Any], variables: Sequence[Array]
) -> list[Array | None]:
    """The gradients as 1-D arrays of their variable's dtype; None stays None, with a warning."""
    if len(grads) != len(variables):
        raise ValueError(expected(owner, f"{len(variables)} gradients", f"{len(grads)}"))
    check_variables(owner, variables)
    missing = [i for i, gradient in enumerate(grads) if gradient is None]
    if len(missing) == len(grads):
        raise ValueError(
            expected(
                owner,
                "one gradient or more",
                "None only",
                "No gradients provided for any variable.",
            )
        )
    checked: list[Array | None] = []
    for i, (gradient, variable) in enumerate(zip(grads, variables, strict=True)):
        if gradient is None:
            checked.append(None)
            continue
        array = np.asarray(gradient)
        if array.shape != variable.shape or array.dtype.kind != "f":
            raise ValueError(
                expected(
                    owner,
                    f"gradient {i} as floats of shape {variable.shape}",
                    f"{array.dtype} of shape {array.shape}",
                )
            )
        checked.append(np.ascontiguousarray(array, dtype=variable.dtype).reshape(-1))
    if missing:
        warnings.warn(
            f"Gradients do not exist for variables {missing}: they stay as they are.", stacklevel=4
        )
    return checked

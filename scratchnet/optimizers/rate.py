"""The learning rate of an optimizer: a float, a schedule, or a function of nothing."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scratchnet import config
from scratchnet.errors import expected
from scratchnet.optimizers import schedules
from scratchnet.optimizers.schedules import LearningRateSchedule
from scratchnet.utils.options import LARGEST
from scratchnet.utils.rounding import through_float32

__all__ = ["Rate", "StoredRate", "current_rate", "rate_config", "store_rate"]

Rate = float | LearningRateSchedule | Callable[[], float]
# a float is kept as an array without axes, which is a part of the optimizer's state
StoredRate = NDArray[np.floating] | LearningRateSchedule | Callable[[], float]


def store_rate(owner: str, learning_rate: Any) -> StoredRate:
    """The rate as an optimizer keeps it: a float is rounded to `config.floatx()`, as in Keras."""
    if callable(learning_rate):
        return learning_rate
    if not isinstance(learning_rate, float) or not abs(learning_rate) <= LARGEST:
        raise ValueError(
            expected(
                owner,
                "learning_rate as a finite float, a LearningRateSchedule or a function of nothing",
                repr(learning_rate),
                "Argument `learning_rate` should be float: write 1.0 for 1.",
            )
        )
    return np.array(learning_rate, dtype=config.floatx())


def current_rate(owner: str, rate: StoredRate, iterations: int) -> float:
    """The rate of the next update."""
    if isinstance(rate, np.ndarray):
        return float(rate)
    value = rate(iterations) if isinstance(rate, LearningRateSchedule) else rate()
    try:
        # TensorFlow reads a Python float as float32; NumPy's float64 stays what it is
        return float(value) if isinstance(value, np.float64) else through_float32(float(value))
    except (TypeError, ValueError):
        raise TypeError(expected(owner, "a number from its learning rate", repr(value))) from None


def rate_config(owner: str, rate: StoredRate) -> float | dict[str, Any]:
    """The rate for `get_config`."""
    if isinstance(rate, np.ndarray):
        return float(rate)
    if isinstance(rate, LearningRateSchedule):
        return schedules.serialize(rate)
    raise TypeError(
        expected(
            owner,
            "a float or a LearningRateSchedule as learning rate, to write it down",
            repr(rate),
            "Turn the function into a LearningRateSchedule.",
        )
    )

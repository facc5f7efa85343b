"""Learning-rate schedules: the rate as a function of the number of updates made so far.

Keras computes them in float32, step by step, even where the weights are float64. So do these, in
the same order, and return the result as a Python float: a float64 run then uses the very rates that
Keras uses.
"""

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from scratchnet import registry
from scratchnet.errors import expected, unknown
from scratchnet.registry import Configurable
from scratchnet.utils.options import LARGEST, flag, is_number

__all__ = [
    "CosineDecay",
    "CosineDecayRestarts",
    "ExponentialDecay",
    "InverseTimeDecay",
    "LearningRateSchedule",
    "PiecewiseConstantDecay",
    "PolynomialDecay",
    "deserialize",
    "serialize",
]

f32 = np.float32


def _cosine(angle: np.float32) -> np.float32:
    """cos in float32. NumPy has two: the complex one is the C library's cosf, which TensorFlow
    calls as well.
    """
    return np.cos(np.complex64(angle)).real


def _log(x: np.float32) -> np.float32:
    return f32(math.log(x)) if x > 0 else f32(np.nan)


class LearningRateSchedule(Configurable):
    """A learning rate that follows the number of updates. A subclass writes `__call__(step)` and
    `get_config`.
    """

    def __call__(self, step: int) -> float:
        """The rate for the update after `step` updates."""
        raise NotImplementedError(
            expected(type(self).__name__, "a method __call__(self, step)", "none", "Write it.")
        )

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        raise NotImplementedError(
            expected(type(self).__name__, "a method get_config(self)", "none", "Write it to save.")
        )

    @property
    def _owner(self) -> str:
        return type(self).__name__

    def _check_rate(self, argument: str, value: Any) -> None:
        # Keras would take a whole number's type for the whole schedule, and compute in integers
        if not isinstance(value, float | np.floating) or not math.isfinite(value):
            raise ValueError(
                expected(
                    type(self).__name__,
                    f"{argument} as a finite float",
                    repr(value),
                    "Write 1.0 for 1.",
                )
            )

    def _check_numbers(self, **values: Any) -> None:
        for argument, value in values.items():
            if not is_number(value) or not abs(value) <= LARGEST:
                raise ValueError(
                    expected(type(self).__name__, f"{argument} as a number", repr(value))
                )

    def _check_steps(self, **values: Any) -> None:
        self._check_numbers(**values)
        for argument, value in values.items():
            if not value > 0:
                raise ValueError(
                    expected(
                        type(self).__name__,
                        f"{argument} above 0",
                        repr(value),
                        f"Argument `{argument}` must be > 0: it counts updates.",
                    )
                )


class ExponentialDecay(LearningRateSchedule):
    """rate = initial_learning_rate * decay_rate ** (step / decay_steps)

    staircase rounds the quotient down.
    """

    def __init__(
        self,
        initial_learning_rate: float,
        decay_steps: int,
        decay_rate: float,
        staircase: bool = False,
        name: str = "ExponentialDecay",
    ) -> None:
        self._check_rate("initial_learning_rate", initial_learning_rate)
        self._check_steps(decay_steps=decay_steps)
        self._check_numbers(decay_rate=decay_rate)
        self.initial_learning_rate = initial_learning_rate
        self.decay_steps, self.decay_rate = decay_steps, decay_rate
        self.staircase, self.name = flag(self._owner, "staircase", staircase), name

    def __call__(self, step: int) -> float:
        p = f32(step) / f32(self.decay_steps)
        if self.staircase:
            p = np.floor(p)
        return float(f32(self.initial_learning_rate) * f32(self.decay_rate) ** p)

    def get_config(self) -> dict[str, Any]:
        return {
            "initial_learning_rate": self.initial_learning_rate,
            "decay_steps": self.decay_steps,
            "decay_rate": self.decay_rate,
            "staircase": self.staircase,
            "name": self.name,
        }


class PiecewiseConstantDecay(LearningRateSchedule):
    """rate = values[i], i = how many boundaries lie below step

    values[0] holds up to and with boundaries[0].
    """

    def __init__(
        self, boundaries: Sequence[float], values: Sequence[float], name: str = "PiecewiseConstant"
    ) -> None:
        for argument, given in (("boundaries", boundaries), ("values", values)):
            if not isinstance(given, Sequence | np.ndarray) or isinstance(given, str):
                raise TypeError(expected(self._owner, f"{argument} as a list", repr(given)))
        if len(boundaries) != len(values) - 1 or not len(boundaries):
            raise ValueError(
                expected(
                    type(self).__name__,
                    "one value more than boundaries, and one boundary or more",
                    f"{len(boundaries)} boundaries and {len(values)} values",
                    "The length of boundaries should be 1 less than the length of values.",
                )
            )
        for argument, numbers in (("boundaries", boundaries), ("values", values)):
            self._check_numbers(**{f"{argument}[{i}]": x for i, x in enumerate(numbers)})
        if any(low >= high for low, high in pairwise(boundaries)):
            raise ValueError(
                expected(
                    type(self).__name__, "boundaries that increase", repr(boundaries), "Sort them."
                )
            )
        self.boundaries, self.values, self.name = boundaries, values, name

    def __call__(self, step: int) -> float:
        # steps are whole numbers, so a boundary of 2.7 is 2
        return float(f32(self.values[sum(step > int(b) for b in self.boundaries)]))

    def get_config(self) -> dict[str, Any]:
        return {"boundaries": self.boundaries, "values": self.values, "name": self.name}


class PolynomialDecay(LearningRateSchedule):
    """rate = (initial - end) * (1 - step / decay_steps) ** power + end

    From decay_steps on it is end. With cycle, decay_steps is stretched to its first multiple that
    is not below step.
    """

    def __init__(
        self,
        initial_learning_rate: float,
        decay_steps: int,
        end_learning_rate: float = 0.0001,
        power: float = 1.0,
        cycle: bool = False,
        name: str = "PolynomialDecay",
    ) -> None:
        self._check_rate("initial_learning_rate", initial_learning_rate)
        self._check_steps(decay_steps=decay_steps)
        self._check_numbers(end_learning_rate=end_learning_rate, power=power)
        self.initial_learning_rate, self.end_learning_rate = (
            initial_learning_rate,
            end_learning_rate,
        )
        self.decay_steps, self.power = decay_steps, power
        self.cycle, self.name = flag(self._owner, "cycle", cycle), name

    def __call__(self, step: int) -> float:
        initial, end = f32(self.initial_learning_rate), f32(self.end_learning_rate)
        done, steps = f32(step), f32(self.decay_steps)
        if self.cycle:
            steps *= np.ceil(done / steps) if done else f32(1)
        else:
            done = min(done, steps)
        return float((initial - end) * (f32(1) - done / steps) ** f32(self.power) + end)

    def get_config(self) -> dict[str, Any]:
        return {
            "initial_learning_rate": self.initial_learning_rate,
            "decay_steps": self.decay_steps,
            "end_learning_rate": self.end_learning_rate,
            "power": self.power,
            "cycle": self.cycle,
            "name": self.name,
        }


class InverseTimeDecay(LearningRateSchedule):
    """rate = initial_learning_rate / (1 + decay_rate * step / decay_steps)

    staircase rounds the quotient down.
    """

    def __init__(
        self,
        initial_learning_rate: float,
        decay_steps: int,
        decay_rate: float,
        staircase: bool = False,
        name: str = "InverseTimeDecay",
    ) -> None:
        self._check_rate("initial_learning_rate", initial_learning_rate)
        self._check_steps(decay_steps=decay_steps)
        self._check_numbers(decay_rate=decay_rate)
        self.initial_learning_rate = initial_learning_rate
        self.decay_steps, self.decay_rate = decay_steps, decay_rate
        self.staircase, self.name = flag(self._owner, "staircase", staircase), name

    def __call__(self, step: int) -> float:
        p = f32(step) / f32(self.decay_steps)
        if self.staircase:
            p = np.floor(p)
        return float(f32(self.initial_learning_rate) / (f32(1) + f32(self.decay_rate) * p))

    def get_config(self) -> dict[str, Any]:
        return {
            "initial_learning_rate": self.initial_learning_rate,
            "decay_steps": self.decay_steps,
            "decay_rate": self.decay_rate,
            "staircase": self.staircase,
            "name": self.name,
        }


class CosineDecay(LearningRateSchedule):
    """rate = top * ((1 - alpha) * (1 + cos(pi * step / decay_steps)) / 2 + alpha)

    At the end it is top * alpha. top is initial_learning_rate. With warmup_target the rate first
    climbs in a straight line from initial_learning_rate to warmup_target in warmup_steps, then
    decays with warmup_target as its top. Source: Loshchilov and Hutter 2016.
    """

    def __init__(
        self,
        initial_learning_rate: float,
        decay_steps: int,
        alpha: float = 0.0,
        name: str = "CosineDecay",
        warmup_target: float | None = None,
        warmup_steps: int = 0,
    ) -> None:
        self._check_rate("initial_learning_rate", initial_learning_rate)
        self._check_steps(decay_steps=decay_steps)
        self._check_numbers(alpha=alpha, warmup_steps=warmup_steps)
        if warmup_target is not None:
            self._check_numbers(warmup_target=warmup_target)
        self.initial_learning_rate, self.decay_steps = initial_learning_rate, decay_steps
        self.alpha, self.name = alpha, name
        self.warmup_target, self.warmup_steps = warmup_target, warmup_steps

    def __call__(self, step: int) -> float:
        top, steps, done = f32(self.initial_learning_rate), f32(self.decay_steps), f32(step)
        if self.warmup_target is not None:
            warmup, start, top = f32(self.warmup_steps), top, f32(self.warmup_target)
            if done < warmup:
                return float((top - start) * (done / warmup) + start)
            done = min(done, steps + warmup) - warmup
        wave = f32(0.5) * (f32(1) + _cosine(f32(math.pi) * (min(done, steps) / steps)))
        return float(top * (f32(1 - self.alpha) * wave + f32(self.alpha)))

    def get_config(self) -> dict[str, Any]:
        return {
            "initial_learning_rate": self.initial_learning_rate,
            "decay_steps": self.decay_steps,
            "alpha": self.alpha,
            "name": self.name,
            "warmup_target": self.warmup_target,
            "warmup_steps": self.warmup_steps,
        }


class CosineDecayRestarts(LearningRateSchedule):
    """CosineDecay that starts again.

    Each period is t_mul times as long as the one before, and m_mul times as high. Source:
    Loshchilov and Hutter 2016 (SGDR).
    """

    def __init__(
        self,
        initial_learning_rate: float,
        first_decay_steps: int,
        t_mul: float = 2.0,
        m_mul: float = 1.0,
        alpha: float = 0.0,
        name: str = "SGDRDecay",
    ) -> None:
        self._check_rate("initial_learning_rate", initial_learning_rate)
        self._check_steps(first_decay_steps=first_decay_steps)
        self._check_numbers(t_mul=t_mul, m_mul=m_mul, alpha=alpha)
        self.initial_learning_rate, self.first_decay_steps = (
            initial_learning_rate,
            first_decay_steps,
        )
        self._t_mul, self._m_mul = t_mul, m_mul
        self.alpha, self.name = alpha, name

    def __call__(self, step: int) -> float:
        one, alpha, t_mul = f32(1), f32(self.alpha), f32(self._t_mul)
        done = f32(step) / f32(self.first_decay_steps)  # in periods of the first length
        if t_mul == 1:
            restarts = np.floor(done)
            done = done - restarts
        else:
            # the first r periods take (1 - t_mul**r) / (1 - t_mul); solved for r, then rounded down
            restarts = np.floor(_log(one - done * (one - t_mul)) / _log(t_mul))
            before = (one - t_mul**restarts) / (one - t_mul)
            done = (done - before) / t_mul**restarts
        height = f32(0.5) * f32(self._m_mul) ** restarts
        wave = height * (one + _cosine(f32(math.pi) * done))
        return float(f32(self.initial_learning_rate) * ((one - alpha) * wave + alpha))

    def get_config(self) -> dict[str, Any]:
        return {
            "initial_learning_rate": self.initial_learning_rate,
            "first_decay_steps": self.first_decay_steps,
            "t_mul": self._t_mul,
            "m_mul": self._m_mul,
            "alpha": self.alpha,
            "name": self.name,
        }


SCHEDULES: dict[str, type] = {
    cls.__name__: cls
    for cls in (
        CosineDecay,
        CosineDecayRestarts,
        ExponentialDecay,
        InverseTimeDecay,
        PiecewiseConstantDecay,
        PolynomialDecay,
    )
}


def serialize(learning_rate_schedule: LearningRateSchedule) -> dict[str, Any]:
    """The config that `deserialize` reads, with the two keys more that Keras writes and needs to
    read it.
    """
    name = type(learning_rate_schedule).__name__
    return {
        "module": "keras.optimizers.schedules" if name in SCHEDULES else None,
        "class_name": name,
        "config": learning_rate_schedule.get_config(),
        "registered_name": None if name in SCHEDULES else name,
    }


def deserialize(config: dict[str, Any]) -> LearningRateSchedule:
    """The schedule that `serialize` described."""
    schedule: LearningRateSchedule = registry.deserialize("LearningRateSchedule", config, SCHEDULES)
    return schedule


def __getattr__(name: str) -> Any:
    raise AttributeError(unknown("scratchnet.optimizers.schedules", name, __all__))

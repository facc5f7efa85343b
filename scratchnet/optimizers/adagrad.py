"""Adagrad: each step divided by the size of all gradients so far."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from scratchnet.engines import ops
from scratchnet.optimizers.optimizer import Optimizer
from scratchnet.optimizers.rate import Rate

__all__ = ["Adagrad"]

Array = NDArray[np.floating]


class Adagrad(Optimizer):
    """s = s + g**2 and w = w - learning_rate * g / sqrt(s + epsilon).

    Slot: accumulator, which starts at initial_accumulator_value. epsilon is inside the root
    (PyTorch: outside, and s starts at 0).
    """

    def __init__(
        self,
        learning_rate: Rate = 0.001,
        initial_accumulator_value: float = 0.1,
        epsilon: float = 1e-7,
        weight_decay: float | None = None,
        clipnorm: float | None = None,
        clipvalue: float | None = None,
        global_clipnorm: float | None = None,
        use_ema: bool = False,
        ema_momentum: float = 0.99,
        ema_overwrite_frequency: int | None = None,
        loss_scale_factor: float | None = None,
        gradient_accumulation_steps: int | None = None,
        name: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            learning_rate,
            weight_decay,
            clipnorm,
            clipvalue,
            global_clipnorm,
            use_ema,
            ema_momentum,
            ema_overwrite_frequency,
            loss_scale_factor,
            gradient_accumulation_steps,
            name,
            **kwargs,
        )
        self._check("initial_accumulator_value", initial_accumulator_value)
        self._check("epsilon", epsilon)
        self.initial_accumulator_value, self.epsilon = initial_accumulator_value, epsilon

    def _slot_groups(self) -> list[tuple[str, ...]]:
        return [("accumulator",)]

    def _initial_slot_value(self) -> float:
        return self.initial_accumulator_value

    def _update(
        self, parameters: Array, gradients: Array, slots: dict[str, Array], learning_rate: float
    ) -> None:
        ops.adagrad_update(
            parameters, gradients, slots["accumulator"], learning_rate, float(self.epsilon)
        )

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {
            "initial_accumulator_value": self.initial_accumulator_value,
            "epsilon": self.epsilon,
        }

"""Adam: the average gradient, divided by the recent size of the gradients."""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scratchnet.engines import ops
from scratchnet.optimizers.optimizer import Optimizer
from scratchnet.optimizers.rate import Rate
from scratchnet.utils.options import flag
from scratchnet.utils.rounding import through_float32

__all__ = ["Adam"]

Array = NDArray[np.floating]


class Adam(Optimizer):
    """m and v are moving averages of g and g**2, and w = w - alpha * m / (sqrt(v) + epsilon).

    alpha = learning_rate * sqrt(1 - beta_2**t) / (1 - beta_1**t) at update t = 1, 2 ...: the
    averages start at 0, and alpha makes up for it. epsilon meets the uncorrected sqrt(v), as before
    section 2.1 of Kingma and Ba 2015; PyTorch and the paper's Algorithm 1 correct first. amsgrad
    takes the largest v so far. Slots: momentum and velocity, then velocity_hat where amsgrad.
    """

    def __init__(
        self,
        learning_rate: Rate = 0.001,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-7,
        amsgrad: bool = False,
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
        self._check("beta_1", beta_1, "a number in [0, 1)", lambda x: 0 <= x < 1)
        self._check("beta_2", beta_2, "a number in [0, 1)", lambda x: 0 <= x < 1)
        self._check("epsilon", epsilon)
        self.beta_1, self.beta_2, self.epsilon = beta_1, beta_2, epsilon
        self.amsgrad = flag(self._owner, "amsgrad", amsgrad)

    def _slot_groups(self) -> list[tuple[str, ...]]:
        groups: list[tuple[str, ...]] = [("momentum", "velocity")]
        return [*groups, ("velocity_hat",)] if self.amsgrad else groups

    def _alpha(self, learning_rate: float) -> float:
        """The rate of this update with both bias corrections in it, in float64 for any arrays."""
        t = self.iterations + 1
        # Keras casts the betas here, but not in the averages
        beta_1, beta_2 = through_float32(self.beta_1), through_float32(self.beta_2)
        return learning_rate * math.sqrt(1 - beta_2**t) / (1 - beta_1**t)

    def _update(
        self, parameters: Array, gradients: Array, slots: dict[str, Array], learning_rate: float
    ) -> None:
        averages = [slots[name] for group in self._slot_groups() for name in group]
        update = ops.amsgrad_update if self.amsgrad else ops.adam_update
        betas = (float(self.beta_1), float(self.beta_2))
        update(
            parameters, gradients, *averages, self._alpha(learning_rate), betas, float(self.epsilon)
        )

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {
            "beta_1": self.beta_1,
            "beta_2": self.beta_2,
            "epsilon": self.epsilon,
            "amsgrad": self.amsgrad,
        }

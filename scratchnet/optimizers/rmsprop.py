"""RMSprop: each step divided by the recent size of its gradient."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from scratchnet.engines import ops
from scratchnet.optimizers.optimizer import Optimizer
from scratchnet.optimizers.rate import Rate
from scratchnet.utils.options import flag

__all__ = ["RMSprop"]

Array = NDArray[np.floating]


class RMSprop(Optimizer):
    """v = rho * v + (1 - rho) * g**2 and w = w - learning_rate * g / sqrt(v + epsilon).

    centered takes v - a**2 in place of v, where a is the same average of g; momentum > 0 adds up
    the steps, m = momentum * m + step and w = w - m. epsilon is inside the root (PyTorch: outside).
    Slots: velocity, then momentum where it is used, then average_gradient where centered; all start
    at 0.
    """

    def __init__(
        self,
        learning_rate: Rate = 0.001,
        rho: float = 0.9,
        momentum: float = 0.0,
        epsilon: float = 1e-7,
        centered: bool = False,
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
        self._check("rho", rho, "a number from 0 to 1", lambda x: 0 <= x <= 1)
        self._check("momentum", momentum, "a number from 0 to 1", lambda x: 0 <= x <= 1)
        self._check("epsilon", epsilon)
        self.rho, self.momentum, self.epsilon = rho, momentum, epsilon
        self.centered = flag(self._owner, "centered", centered)

    def _slot_groups(self) -> list[tuple[str, ...]]:
        groups: list[tuple[str, ...]] = [("velocity",)]
        if self.momentum:
            groups.append(("momentum",))
        if self.centered:
            groups.append(("average_gradient",))
        return groups

    def _update(
        self, parameters: Array, gradients: Array, slots: dict[str, Array], learning_rate: float
    ) -> None:
        velocity, average = slots["velocity"], slots.get("average_gradient")
        momentum, decays = slots.get("momentum"), (float(self.rho), float(self.momentum))
        rate, rho, epsilon = learning_rate, float(self.rho), float(self.epsilon)
        if self.centered and self.momentum:
            ops.rmsprop_centered_momentum_update(
                parameters, gradients, velocity, average, momentum, rate, decays, epsilon
            )
        elif self.centered:
            ops.rmsprop_centered_update(
                parameters, gradients, velocity, average, rate, rho, epsilon
            )
        elif self.momentum:
            ops.rmsprop_momentum_update(
                parameters, gradients, velocity, momentum, rate, decays, epsilon
            )
        else:
            ops.rmsprop_update(parameters, gradients, velocity, rate, rho, epsilon)

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {
            "rho": self.rho,
            "momentum": self.momentum,
            "epsilon": self.epsilon,
            "centered": self.centered,
        }

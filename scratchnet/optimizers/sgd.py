"""Gradient descent, plain or with momentum."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from scratchnet.engines import ops
from scratchnet.optimizers.optimizer import Optimizer
from scratchnet.optimizers.rate import Rate
from scratchnet.utils.options import flag
from scratchnet.utils.rounding import through_float32

__all__ = ["SGD"]

Array = NDArray[np.floating]


class SGD(Optimizer):
    """w = w - learning_rate * g; with momentum:
    m = momentum * m - learning_rate * g,   w = w + m

    nesterov adds momentum * m - learning_rate * g in place of m. Slot: momentum, only where
    momentum is not 0. The formulas are `momentum_update` and `nesterov_update` in
    engines/loops/optimizers.py.
    """

    def __init__(
        self,
        learning_rate: Rate = 0.01,
        momentum: float = 0.0,
        nesterov: bool = False,
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
        if not isinstance(momentum, float) or not 0 <= momentum <= 1:
            raise ValueError(
                self._expected(
                    "momentum as a float from 0 to 1",
                    repr(momentum),
                    "`momentum` must be a float between [0, 1].",
                )
            )
        self.momentum, self.nesterov = momentum, flag(self._owner, "nesterov", nesterov)

    def _slot_groups(self) -> list[tuple[str, ...]]:
        return [("momentum",)] if self.momentum else []

    def _update(
        self, parameters: Array, gradients: Array, slots: dict[str, Array], learning_rate: float
    ) -> None:
        if not self.momentum:
            ops.sgd_update(parameters, gradients, learning_rate)
            return
        update = ops.nesterov_update if self.nesterov else ops.momentum_update
        # Keras casts this momentum (and no other optimizer's)
        update(
            parameters, gradients, slots["momentum"], learning_rate, through_float32(self.momentum)
        )

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {"momentum": self.momentum, "nesterov": self.nesterov}

"""AdamW: Adam with weight decay by default."""

from typing import Any

from scratchnet.optimizers.adam import Adam
from scratchnet.optimizers.rate import Rate

__all__ = ["AdamW"]


class AdamW(Adam):
    """Adam whose weights shrink by w * weight_decay * learning_rate before each step, past the
    averages.

    Source: Loshchilov and Hutter 2019. Every optimizer here takes weight_decay and does the same;
    this one has it on by default.
    """

    def __init__(
        self,
        learning_rate: Rate = 0.001,
        weight_decay: float = 0.004,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-7,
        amsgrad: bool = False,
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
            beta_1,
            beta_2,
            epsilon,
            amsgrad,
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
        if self.weight_decay is None:
            raise ValueError(
                self._expected(
                    "weight_decay as a number of 0 or more",
                    "None",
                    "Argument `weight_decay` must be a float. Received: weight_decay=None",
                )
            )

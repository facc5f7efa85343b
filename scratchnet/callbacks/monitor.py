"""What the callbacks share that watch one quantity for improvement."""

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

from scratchnet import config
from scratchnet.callbacks.callback import Callback
from scratchnet.errors import expected

__all__ = ["MonitorCallback"]


class MonitorCallback(Callback):
    """Knows whether the monitored value is better than another, by more than `min_delta`.

    `mode` "min" or "max" says which way is better; "auto" finds it: a loss should fall, and a
    metric of the compiled model says it of itself.

    source    keras/src/callbacks/monitor_callback.py
    """

    def __init__(
        self,
        monitor: str = "val_loss",
        mode: str = "auto",
        baseline: float | None = None,
        min_delta: float = 0,
    ) -> None:
        super().__init__()
        if mode not in ("auto", "min", "max"):
            warnings.warn(
                expected(
                    type(self).__name__, 'mode "auto", "min" or "max"', repr(mode), 'Using "auto".'
                ),
                stacklevel=2,
            )
            mode = "auto"
        self.monitor = monitor
        self.mode = mode
        self.best = baseline
        self.min_delta = abs(min_delta)
        self.monitor_op: Callable[..., Any] | None = None

    def _set_monitor_op(self) -> None:
        """Choose the comparison; called at the first epoch's end, when the metrics exist."""
        direction = {"min": "down", "max": "up"}.get(self.mode) or self._find_direction()
        if direction is None:
            raise ValueError(
                expected(
                    type(self).__name__,
                    "a monitor whose better direction is known",
                    repr(self.monitor),
                    "Pass mode='max' where larger is better, mode='min' where smaller is.",
                )
            )
        self.monitor_op = np.greater if direction == "up" else np.less
        if direction == "down":
            self.min_delta *= -1

    def _find_direction(self) -> str | None:
        """Whether the monitored value should go "up" or "down"; None where nothing tells."""
        name = self.monitor.removeprefix("val_")
        direction = "down" if name == "loss" else None
        for metric in getattr(self.model, "metrics", ()):
            if metric.name == name and hasattr(metric, "_direction"):
                direction = metric._direction
        return direction

    def _is_improvement(self, value: float, reference: float | None) -> bool:
        """Whether value beats reference by more than min_delta; anything beats None."""
        if reference is None:
            return True
        # Keras compares in the default float type: a gain that float32 cannot show is no gain
        with np.errstate(over="ignore"):
            x, y = (np.asarray(v, config.floatx()) for v in (value - self.min_delta, reference))
        assert self.monitor_op is not None, "_set_monitor_op comes first"
        return bool(self.monitor_op(x, y))

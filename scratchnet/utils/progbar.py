"""The progress text of `fit`, `evaluate` and `predict`, letter for letter as Keras 3 writes it."""

import os
import sys
import time
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from scratchnet.errors import expected
from scratchnet.utils.console import print_msg

__all__ = ["Progbar"]

BOLD, GREEN, WHITE, PLAIN = "\x1b[1m", "\x1b[32m", "\x1b[37m", "\x1b[0m"
ESCAPES = (BOLD, GREEN, WHITE, PLAIN)


class Progbar:
    """Time and metrics: as a bar redrawn in place (verbose=1), or a line at the end (verbose=2).

    A metric is shown as it is given when it is stateful, else as its mean over the steps. At most
    one of `stateful_metrics` and `stateless_metrics` is given; with neither, all are averaged.

    source    keras/src/utils/progbar.py
    """

    def __init__(
        self,
        target: int | None,
        width: int = 20,
        verbose: int = 1,
        interval: float = 0.05,
        stateful_metrics: Iterable[str] | None = None,
        stateless_metrics: Iterable[str] | None = None,
        unit_name: str = "step",
    ) -> None:
        if stateful_metrics is not None and stateless_metrics is not None:
            raise ValueError(
                expected(
                    "Progbar",
                    "one of stateful_metrics and stateless_metrics",
                    "both",
                    "Only one of them can be given: the rest are of the other kind.",
                )
            )
        self.target = target
        self.width = width
        self.verbose = verbose
        self.interval = interval
        self.unit_name = unit_name
        self.stateful_metrics = set(stateful_metrics or ()) if stateless_metrics is None else None
        self.stateless_metrics = None if stateless_metrics is None else set(stateless_metrics)
        # Keras's own test: on every Unix "posix" is loaded, so the bar is always redrawn there
        self._dynamic_display = (
            (hasattr(sys.stdout, "isatty") and sys.stdout.isatty())
            or "ipykernel" in sys.modules
            or "posix" in sys.modules
            or "PYCHARM_HOSTED" in os.environ
        )
        self._seen_so_far = 0
        self._values: dict[str, tuple[Any, int]] = {}  # name -> (sum over steps, steps)
        self._start = time.time()
        self._last_update = 0.0
        self._time_after_first_step: float | None = None
        self._previous_width = 0

    def update(
        self,
        current: int,
        values: Sequence[tuple[str, Any]] | None = None,
        finalize: bool | None = None,
    ) -> None:
        """Show step `current` with `values`, pairs (name, value of the last step).

        `finalize` says whether this is the last update; None: it is when the target is reached.
        """
        if finalize is None:
            finalize = self.target is not None and current >= self.target
        for name, value in values or ():
            self._record(name, value, current, finalize)
        self._seen_so_far = current
        now = time.time()
        seconds = self._seconds_per_step(current, now)
        if self.verbose == 1:
            if now - self._last_update < self.interval and not finalize:
                return
            self._draw(current, now, seconds, finalize)
        elif self.verbose == 2 and finalize and self.target:
            took = f"{now - self._start:.0f}s -{self._per_step(seconds)}"
            # Keras asks for abs() in the bar alone, so here a negative value is in the short form
            metrics = "".join(f" - {name}: {_number(self._mean(name))}" for name in self._values)
            print_msg(f"{self._count(current)} - {took}{metrics}\n", line_break=False)
        self._last_update = now

    def add(self, n: int, values: Sequence[tuple[str, Any]] | None = None) -> None:
        """Show that `n` more steps are done."""
        self.update(self._seen_so_far + n, values)

    def _record(self, name: str, value: Any, current: int, finalize: bool) -> None:
        """Keep a value as it is (a stateful metric, any in the last update), or average it."""
        if self.stateful_metrics is not None:
            averaged = name not in self.stateful_metrics
        else:
            averaged = name in (self.stateless_metrics or ())
        if not averaged or finalize:
            self._values[name] = (value, 1)
            return
        steps = max(current - self._seen_so_far, 1)
        total, count = self._values.get(name, (None, 0))
        total = value * steps if total is None else total + value * steps
        self._values[name] = (total, count + steps)

    def _mean(self, name: str) -> Any:
        total, count = self._values[name]
        if not isinstance(total, float):
            total = np.mean(total)
        return total / max(1, count)

    def _draw(self, current: int, now: float, seconds: float, finalize: bool) -> None:
        """Write the bar over the one before it."""
        if self.target:
            done = int(self.width * (float(current) / self.target))
            bar = f"{BOLD}{self._count(current)}{PLAIN} "
            bar += f"{GREEN}{'━' * done}{PLAIN}" if done > 0 else ""
            bar += f"{WHITE}{'━' * (self.width - done)}{PLAIN}"
        else:
            bar = f"{current:7d}/Unknown"
        if self.target and not finalize:
            clock = _remaining(seconds * (self.target - current))
        else:
            clock = f"{now - self._start:.0f}s"
        info = f" {BOLD}{clock}{PLAIN}{self._per_step(seconds)}"
        for name in self._values:
            mean = self._mean(name)
            info += f" - {name}: {_number(mean, abs(mean))}"
        width = _visible_length(bar + info)
        start = "\b" * self._previous_width + "\r" if self._dynamic_display else "\n"
        blank = " " * (self._previous_width - width)
        print_msg(f"{start}{bar}{info}{blank}" + ("\n" if finalize else ""), line_break=False)
        self._previous_width = width

    def _count(self, current: int) -> str:
        """ "  7/469": the step right-aligned to the target's width."""
        return f"{current:{len(str(self.target))}d}/{self.target}"

    def _per_step(self, seconds: float) -> str:
        """ " 3ms/step": in seconds, milliseconds or microseconds, whichever reads best."""
        if seconds >= 1 or seconds == 0:
            return f" {seconds:.0f}s/{self.unit_name}"
        if seconds >= 1e-3:
            return f" {seconds * 1e3:.0f}ms/{self.unit_name}"
        return f" {seconds * 1e6:.0f}us/{self.unit_name}"

    def _seconds_per_step(self, current: int, now: float) -> float:
        """The mean so far, without the first step (it compiles) once there are more."""
        if not current:
            return 0
        if self._time_after_first_step is not None and current > 1:
            seconds = (now - self._time_after_first_step) / (current - 1)
        else:
            seconds = (now - self._start) / current
        if current == 1:
            self._time_after_first_step = now
        return seconds


def _number(value: Any, size: Any = None) -> str:
    """Four decimals, or the exponent form where the size (the value itself) is at most 0.001."""
    return f"{value:.4f}" if (value if size is None else size) > 1e-3 else f"{value:.4e}"


def _remaining(seconds: float) -> str:
    """12s, 3:07 or 1:02:03."""
    if seconds > 3600:
        return f"{int(seconds // 3600)}:{int(seconds % 3600 // 60):02d}:{int(seconds % 60):02d}"
    if seconds > 60:
        return f"{int(seconds // 60)}:{int(seconds % 60):02d}"
    return f"{int(seconds)}s"


def _visible_length(text: str) -> int:
    """The length without the escape sequences of the colours."""
    return len(text) - sum(len(escape) * text.count(escape) for escape in ESCAPES)

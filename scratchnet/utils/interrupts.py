"""Ctrl-C that waits until a step is whole."""

import signal
import threading
from types import FrameType
from typing import Any

__all__ = ["HeldInterrupt"]


class HeldInterrupt:
    """In this `with` block the first Ctrl-C only sets `asked`; the second one interrupts at once.

    An interrupt between the lines of an update would leave a model that is neither the old nor the
    new one. Where Ctrl-C is not Python's own (in another thread, or with a handler of the user's)
    nothing is held.
    """

    def __init__(self) -> None:
        self.asked = False
        self._before: Any = None

    def __enter__(self) -> "HeldInterrupt":
        ours = threading.current_thread() is threading.main_thread()
        if ours and signal.getsignal(signal.SIGINT) is signal.default_int_handler:
            self._before = signal.signal(signal.SIGINT, self._hold)
        return self

    def __exit__(self, *_: Any) -> None:
        if self._before is not None:
            signal.signal(signal.SIGINT, self._before)

    def _hold(self, number: int, frame: FrameType | None) -> None:
        if self.asked:
            raise KeyboardInterrupt
        self.asked = True

"""What a command shows while it works: a line when it compiles, one for each epoch.

In a terminal the epoch's line is a moving bar, in a pipe only the finished line.
"""

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn

import scratchnet
from scratchnet.callbacks import Callback

__all__ = ["EpochBars", "announce_compiling"]


@contextmanager
def announce_compiling(console: Console, *ahead: str) -> Iterator[None]:
    """Say so, once, if something must be compiled: what is in the cache on disk need not be.

    ahead    NETWORK DTYPE BATCH_SIZE of a training, half of whose kernels another process then
             compiles (ahead.py)
    """
    if scratchnet.get_engine() not in ("numba", "fused"):
        yield
        return
    from numba.core import event

    class Listener(event.Listener):  # type: ignore[misc]
        said = False
        helper: subprocess.Popen[bytes] | None = None

        def on_start(self, event: Any) -> None:
            if self.said:
                return
            self.said = True
            console.print("compiling for this processor: once, some seconds")
            if ahead and scratchnet.get_engine() == "fused":
                command = [sys.executable, "-m", "scratchnet.cli.ahead", *ahead]
                # what goes wrong there goes wrong here too, and is said here
                self.helper = subprocess.Popen(command, stderr=subprocess.DEVNULL)

        def on_end(self, event: Any) -> None:
            """Nothing to say."""

    listener = Listener()
    try:
        with event.install_listener("numba:compile", listener):
            yield
    finally:
        if listener.helper is not None:
            listener.helper.kill()
            listener.helper.wait()


class EpochBars(Callback):
    """Shows epoch, bar, seconds, loss and accuracy; leaving its `with` gives the cursor back."""

    writes = True

    def __init__(self, console: Console, epochs: int) -> None:
        super().__init__()
        self.console, self.epochs = console, epochs
        self.progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=10),
            TextColumn("{task.fields[values]}"),
            console=console,
            disable=not console.is_terminal,
        )

    def __enter__(self) -> "EpochBars":
        self.progress.start()
        return self

    def __exit__(self, *_: Any) -> None:
        self.progress.stop()

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """A new line."""
        assert self.params is not None
        self.start = time.perf_counter()
        width = len(str(self.epochs))
        self.label = f"{epoch + 1:{width}d}/{self.epochs}"
        self.task = self.progress.add_task(self.label, total=self.params["steps"], values="")

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        """Move the bar."""
        self.progress.update(self.task, completed=batch + 1, values=self._values(logs))

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """The line as it stays."""
        values = self._values(logs)
        self.progress.update(self.task, values=values)
        if not self.console.is_terminal:
            self.console.print(f"{self.label} {values}")

    def _values(self, logs: Any) -> str:
        names = [("loss", "loss"), ("accuracy", "acc")]
        names += [(f"val_{name}", f"val_{short}") for name, short in names]
        shown = [f"{short} {logs[name]:.4f}" for name, short in names if name in (logs or {})]
        return "  ".join([f"{time.perf_counter() - self.start:5.1f} s", *shown])

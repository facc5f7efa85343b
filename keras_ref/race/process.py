"""The parent's end of a contestant: it asks in JSON lines, waits, and stops what it started."""

import json
import os
import queue
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

from keras_ref.race.contestants import Contestant, environment
from scratchnet.errors import expected

__all__ = ["Process", "Spinner"]

LAST_LINES = 5  # of what a contestant wrote before it died
GRACE = 5.0  # seconds that one is given to end by itself

# ends by itself when whoever started it is gone
SPIN = """
import os, sys
if hasattr(os, "sched_setaffinity"):
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
parent = int(sys.argv[1])
while os.getppid() == parent:
    for _ in range(1_000_000):
        pass
"""


class Process:
    """A contestant that runs; `with` stops it, whatever happens.

    start_up   seconds from the start of the process to a built model, without the time for what
               only the race needs
    """

    def __init__(
        self, chosen: Contestant, task: dict[str, Any], threads: int, patience: float, **kinds: Any
    ) -> None:
        self.chosen, self.patience = chosen, patience
        self.log = Path(task["folder"]) / f"{chosen.name}.log"
        self._answers: queue.Queue[str | None] = queue.Queue()
        start = time.perf_counter()
        with self.log.open("wb") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "keras_ref.race.contestant", chosen.side],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                env=environment(threads, **kinds),
            )
        self._listener = threading.Thread(target=self._listen, daemon=True)
        self._listener.start()
        try:
            self.ready = self.ask("start", **task, options=chosen.options, threads=threads)
        except BaseException:
            self.stop(GRACE if self._process.poll() is not None else 0)
            raise
        self.start_up = time.perf_counter() - start - self.ready["harness"]

    def _listen(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self._answers.put(line)
        self._answers.put(None)

    def ask(self, action: str, **arguments: Any) -> dict[str, Any]:
        """Have it do something and wait for the answer; RuntimeError if it fails, dies or hangs."""
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(json.dumps({"do": action, **arguments}) + "\n")
            self._process.stdin.flush()
        except OSError:
            raise RuntimeError(self._dead(action)) from None
        try:
            line = self._answers.get(timeout=self.patience)
        except queue.Empty:
            self.stop(0)
            wanted, got = f"an answer to '{action}'", f"none in {self.patience:g} seconds"
            hint = "Give it more time with --timeout."
            raise RuntimeError(expected(self.chosen.owner, wanted, got, hint)) from None
        if line is None:
            raise RuntimeError(self._dead(action))
        answer: dict[str, Any] = json.loads(line)
        if "error" in answer:
            raise RuntimeError(f"{self.chosen.owner}, '{action}': {answer['error']}")
        return answer

    def _dead(self, action: str) -> str:
        try:
            code: int | str = self._process.wait(GRACE)
        except subprocess.TimeoutExpired:
            code = "unknown"
        lines = self.log.read_text(errors="replace").strip().splitlines()[-LAST_LINES:]
        told = " | ".join(lines) or "nothing"
        wanted, got = f"an answer to '{action}'", f"its end, exit code {code}"
        return expected(self.chosen.owner, wanted, got, f"Its last words: {told}")

    def stop(self, grace: float = GRACE) -> None:
        """End the process: by itself within `grace` seconds, else by force."""
        try:
            if self._process.stdin is not None:
                self._process.stdin.close()
        except OSError:  # it is gone already
            pass
        try:
            self._process.wait(grace)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._listener.join()
        assert self._process.stdout is not None
        self._process.stdout.close()

    def __enter__(self) -> "Process":
        return self

    def __exit__(self, kind: Any, *_: Any) -> None:
        self.stop(GRACE if kind is None else 0)


class Spinner:
    """A process that does nothing, as fast as it can, on one core, inside the `with` block."""

    def __init__(self, wanted: bool) -> None:
        self._wanted = wanted

    def __enter__(self) -> None:
        if self._wanted:
            self._process = subprocess.Popen([sys.executable, "-c", SPIN, str(os.getpid())])

    def __exit__(self, *_: Any) -> None:
        if self._wanted:
            self._process.kill()
            self._process.wait()

"""The child's end: `python -m keras_ref.race.contestant SIDE`, one JSON line in, one out.

{"do": "start", ...}   ->  {"memory": {...}, "harness": seconds}
{"do": "epoch"}        ->  {"seconds": ...}
{"do": NAME, ...}      ->  what the method NAME of the side returns
an exception           ->  {"error": text}

It ends when its input ends. What libraries print goes to standard error, so that the answers stay
alone on standard output. SIGINT is the parent's affair, who then stops everybody.
"""

import json
import os
import signal
import sys
import time
from importlib import import_module
from typing import Any

__all__ = ["main"]

ACTIONS = frozenset(
    ("first", "losses", "evaluate", "epoch", "reset", "predict", "one", "trial", "facts", "peak")
)


def main() -> None:
    """Answer until the input ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    side: Any = None
    for line in sys.stdin:
        request = json.loads(line)
        action = request.pop("do")
        try:
            if action == "start":
                side, answer = _start(sys.argv[1], request)
            elif action in ACTIONS:
                answer = getattr(side, action)(**request)
            else:
                raise ValueError(f"Contestant: expected one of {sorted(ACTIONS)}, got {action!r}.")
        except Exception as error:
            answer = {"error": f"{type(error).__name__}: {error}"}
        answers.write(json.dumps(answer) + "\n")
        answers.flush()


def _start(name: str, task: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
    import numpy  # noqa: F401 (every side needs it: its time is theirs, not the harness's)

    start = time.perf_counter()
    module = import_module(f"keras_ref.race.{name}_side")
    from keras_ref.race.measure import memory

    # the network's description is ScratchNet's; for others, reading it is the race's affair
    harness = 0.0 if name == "scratchnet" else time.perf_counter() - start
    side = module.SIDE(task)
    side.load()
    imported = memory()
    side.read()
    side.build()
    return side, {"memory": {"import": imported, "ready": memory()}, "harness": harness}


if __name__ == "__main__":
    main()

"""Kernels compiled in a second process: they are those that a training step calls."""

from typing import Any

import numpy as np
import pytest

import scratchnet
from scratchnet import engines
from scratchnet.networks import NETWORKS

pytestmark = pytest.mark.skipif(not engines.JIT, reason="nothing is compiled")


@pytest.mark.parametrize("network", NETWORKS)
def test_a_step_that_runs_no_kernel_calls_the_same_ones(network, monkeypatch):
    from scratchnet.cli import ahead

    record = ahead._recorder

    def record_and_run(kernel: Any, calls: Any) -> Any:
        note = record(kernel, calls)

        def run(*arguments: Any) -> Any:
            note(*arguments)
            return kernel(*arguments)

        return run

    listed = ahead.kernels_of_a_step(network, 8)
    # nothing may be compiled while the kernels' names stand for others
    chosen = NETWORKS[network]
    step = chosen.prepare(np.zeros((8, 28, 28), np.uint8), np.zeros(8, int))
    chosen.compiled(scratchnet).train_on_batch(*step)
    monkeypatch.setattr(ahead, "_recorder", record_and_run)
    assert listed == ahead.kernels_of_a_step(network, 8)
    assert {"rmsprop_update", "adam_update"} & {kernel.py_func.__name__ for kernel, _ in listed}


def test_what_was_listed_is_compiled_the_last_first(monkeypatch):
    from scratchnet.cli import ahead

    class Kernel:
        def __init__(self, name: str) -> None:
            self.name = name

        def compile(self, types: tuple[str, ...]) -> None:
            compiled.append((self.name, types))

    compiled: list[tuple[str, tuple[str, ...]]] = []
    listed = [(Kernel("forward"), ("a",)), (Kernel("backward"), ("b",))]
    monkeypatch.setattr(ahead, "kernels_of_a_step", lambda *_: listed)
    ahead.compile_backwards("softmax", 8)
    assert compiled == [("backward", ("b",)), ("forward", ("a",))]

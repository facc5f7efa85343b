"""Compile a network's kernels in a process of their own, the last ones first.

    python -m scratchnet.cli.ahead NETWORK DTYPE BATCH_SIZE

`scratchnet train` starts it when its first kernel is not in the cache on disk. Numba compiles one
function at a time in a process. While the training compiles what it comes to, from the first
layer's forward pass on, this process compiles from the end of the step: they meet in the middle, as
each looks into the cache before it compiles. Neither waits for the other.
"""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any

import numpy as np
from numba.core.registry import CPUDispatcher

import scratchnet
from scratchnet import config, engines, networks
from scratchnet.engines.fused import pool, shared

__all__ = ["compile_backwards", "kernels_of_a_step"]

Kernel = tuple[CPUDispatcher, tuple[Any, ...]]


def kernels_of_a_step(network: str, batch_size: int) -> list[Kernel]:
    """The kernels that one training step calls, with the types of their arguments, in order."""
    (chosen,) = networks.get(network)
    with engines.engine("numpy"):  # for its weights nothing is compiled here
        model = chosen.compiled(scratchnet)
    images = np.zeros((batch_size, 28, 28), np.uint8)
    x, y = chosen.prepare(images, np.zeros(batch_size, int))
    with _recorded() as calls:
        model.train_on_batch(x, y)
    return list(dict.fromkeys(calls))


@contextmanager
def _recorded() -> Iterator[list[Kernel]]:
    """A list of the kernels called in the `with` block, none of which runs.

    What the pool's threads do is no kernel: a thread that has been started must be there.
    """
    calls: list[Kernel] = []
    found: list[tuple[ModuleType, str, Any]] = [
        (module, name, value)
        for module in _modules()
        for name, value in vars(module).items()
        if isinstance(value, CPUDispatcher) and value.py_func.__module__ != pool.__name__
    ]
    kernel_of = shared.kernel_of
    for module, name, kernel in found:
        setattr(module, name, _recorder(kernel, calls))
    found.append((shared, "kernel_of", kernel_of))
    setattr(shared, "kernel_of", lambda name: _recorder(kernel_of(name), calls))  # noqa: B010
    try:
        yield calls
    finally:
        for module, name, kernel in found:
            setattr(module, name, kernel)


def _modules() -> list[ModuleType]:
    package = engines.load("fused").__name__
    return [module for name, module in sys.modules.items() if name.startswith(package)]


def _recorder(kernel: CPUDispatcher, calls: list[Kernel]) -> Callable[..., float]:
    def record(*arguments: Any) -> float:
        calls.append((kernel, tuple(kernel.typeof_pyval(value) for value in arguments)))
        return 0.0  # those that give back something give back a number

    return record


def compile_backwards(network: str, batch_size: int) -> None:
    """Leave in the cache on disk what is not there yet."""
    for kernel, types in reversed(kernels_of_a_step(network, batch_size)):
        kernel.compile(types)


if __name__ == "__main__":
    name, dtype, rows = sys.argv[1:]
    config.set_floatx(dtype)
    with scratchnet.engine("fused"):
        compile_backwards(name, int(rows))

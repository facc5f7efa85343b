"""Single operations in every engine, on the sizes that the networks have with batches of 128.

`loops` does a small part of the work, and its seconds are scaled up by the operations left out.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

import scratchnet.engines
from benchmarks.recorder import Recorder, Work, assert_same

ENGINES = ["loops", "numpy", "numba", "fused"]
PAIRS = ((1, 1), (1, 1))  # strides and dilation
PHILOX = 10 * (2 + 4 + 2) / 4 + 2  # operations a random number: ten rounds give four; comparison
RELU = (0.0, np.inf, 0.0)


@dataclass(frozen=True)
class Call:
    """One call of an operation.

    arguments    as the contract of the engines has them
    outputs      which of them are written
    flops        by the definition (recorder.Work)
    updated      which of them are read and written
    unread       which of them this operation need not look at
    """

    operation: str
    arguments: tuple[Any, ...]
    outputs: tuple[int, ...]
    flops: float
    updated: tuple[int, ...] = ()
    unread: tuple[int, ...] = ()
    integers: bool = False

    @property
    def work(self) -> Work:
        arrays = {i: a for i, a in enumerate(self.arguments) if isinstance(a, np.ndarray)}
        nbytes = sum(a.nbytes for i, a in arrays.items() if i not in self.unread)
        nbytes += sum(arrays[i].nbytes for i in self.updated)
        return Work(self.flops, nbytes, integers=self.integers)

    def by(self, engine: str) -> Callable[[], None]:
        """The call, ready to be timed."""
        operation = getattr(scratchnet.engines.load(engine), self.operation)
        return lambda: operation(*self.arguments)

    def results(self, engine: str, dtype: Any = np.float32) -> list[Any]:
        """What an engine writes, from copies of the arrays with floats of this type."""
        copies = [
            a.astype(dtype if a.dtype.kind == "f" else a.dtype) if isinstance(a, np.ndarray) else a
            for a in self.arguments
        ]
        getattr(scratchnet.engines.load(engine), self.operation)(*copies)
        return [copies[i] for i in self.outputs]


def normal(*shape: int, seed: int = 0) -> Any:
    return np.random.default_rng(seed).standard_normal(shape, dtype=np.float32)


def room(*shape: int, dtype: Any = np.float32) -> Any:
    return np.zeros(shape, dtype)


# ------------------------------------------------------------------ what is measured


def dense_forward(N: int, D: int, U: int) -> Call:
    arrays = normal(N, D), normal(D, U, seed=1), normal(U), room(N, U)
    return Call("dense_forward", arrays, (3,), 2 * N * D * U)


def dense_dkernel(N: int, D: int, U: int) -> Call:
    arrays = normal(N, D), normal(N, U, seed=1), room(D, U)
    return Call("dense_dkernel", arrays, (2,), 2 * N * D * U)


def dense_dx(N: int, D: int, U: int) -> Call:
    arrays = normal(N, U), normal(D, U, seed=1), room(N, D)
    return Call("dense_dx", arrays, (2,), 2 * N * D * U)


def conv2d_forward(N: int, H: int, C: int, F: int) -> Call:
    P = H - 2
    arrays = normal(N, H, H, C), normal(3, 3, C, F, seed=1), normal(F), *PAIRS, room(N, P, P, F)
    return Call("conv2d_forward", arrays, (5,), 2 * N * P * P * F * 9 * C)


def conv2d_dkernel(N: int, H: int, C: int, F: int) -> Call:
    P = H - 2
    arrays = normal(N, H, H, C), normal(N, P, P, F, seed=1), *PAIRS, room(3, 3, C, F)
    return Call("conv2d_dkernel", arrays, (4,), 2 * N * P * P * F * 9 * C)


def conv2d_dx(N: int, H: int, C: int, F: int) -> Call:
    P = H - 2
    arrays = normal(N, P, P, F), normal(3, 3, C, F, seed=1), *PAIRS, room(N, H, H, C)
    return Call("conv2d_dx", arrays, (4,), 2 * N * P * P * F * 9 * C)


def max_pool_forward(N: int, H: int, C: int) -> Call:
    y, argmax = room(N, H // 2, H // 2, C), room(N, H // 2, H // 2, C, dtype=np.int32)
    arguments = normal(N, H, H, C), (2, 2), (2, 2), y, argmax
    return Call("max_pool_forward", arguments, (3, 4), 3 * y.size)


def max_pool_dx(N: int, H: int, C: int) -> Call:
    y, argmax = max_pool_forward(N, H, C).results("numpy")
    arguments = normal(*y.shape, seed=1), argmax, (2, 2), (2, 2), room(N, H, H, C)
    return Call("max_pool_dx", arguments, (4,), y.size)


def relu_forward(n: int) -> Call:
    return Call("relu_forward", (normal(n), *RELU, room(n)), (4,), n)


def relu_backward(n: int) -> Call:
    z = normal(n)
    arguments = normal(n, seed=1), z, np.maximum(z, 0), *RELU, room(n)
    return Call("relu_backward", arguments, (6,), n, unread=(2,))


def softmax_forward(N: int, K: int) -> Call:
    flops = 5 * N * K  # largest, difference from it, exponential, sum, quotient
    return Call("softmax_forward", (normal(N, K), room(N, K)), (1,), flops)


def adam_update(n: int) -> Call:
    arrays = normal(n), normal(n, seed=1), room(n), room(n)
    arguments = *arrays, 1e-3, (0.9, 0.999), 1e-7
    return Call("adam_update", arguments, (0, 2, 3), 12 * n, updated=(0, 2, 3))


def rmsprop_update(n: int) -> Call:
    arguments = normal(n), normal(n, seed=1), room(n), 1e-3, 0.9, 1e-7
    return Call("rmsprop_update", arguments, (0, 2), 9 * n, updated=(0, 2))


def dropout_mask(n: int) -> Call:
    arguments = 3, 5, 23, 2**22, room(n, dtype=np.uint8)  # a rate of one half, in float32
    return Call("dropout_mask", arguments, (4,), PHILOX * n, integers=True)


# (operation, its sizes, those of the part that `loops` does)
DENSE = [((128, 784, 512), (8, 49, 32)), ((128, 512, 10), (8, 128, 10))]
CONVOLUTIONS = [  # the three of `cnn`: (N, H, C, F), H x H pixels and 3 x 3 taps
    ((128, 28, 1, 32), (1, 12, 1, 8)),
    ((128, 13, 32, 64), (1, 5, 32, 4)),
    ((128, 5, 64, 128), (1, 5, 64, 2)),
]
CASES = [
    *((make, *sizes) for make in (dense_forward, dense_dkernel, dense_dx) for sizes in DENSE),
    *(
        (make, *sizes)
        for make in (conv2d_forward, conv2d_dkernel, conv2d_dx)
        for sizes in CONVOLUTIONS
    ),
    *((make, (128, 26, 32), (2, 10, 32)) for make in (max_pool_forward, max_pool_dx)),
    *((make, (128 * 26 * 26 * 32,), (20_000,)) for make in (relu_forward, relu_backward)),
    (softmax_forward, (128, 10), (32, 10)),
    *((make, (407_050,), (10_000,)) for make in (adam_update, rmsprop_update)),  # of `mlp_adam`
    (dropout_mask, (128 * 512,), (2048,)),
]


def _label(sizes: tuple[int, ...]) -> str:
    return "x".join(str(n) for n in sizes)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize(
    ("make", "sizes", "part"),
    CASES,
    ids=[f"{case[0].__name__}-{_label(case[1])}" for case in CASES],
)
def test_kernel(
    record: Recorder,
    engine: str,
    make: Callable[..., Call],
    sizes: tuple[int, ...],
    part: tuple[int, ...],
) -> None:
    name = f"{make.__name__} {_label(sizes)}"
    record.group(f"kernel {name}")
    whole = make(*sizes)
    call = make(*part) if engine == "loops" else whole
    names = [f"argument {i} of {call.operation}" for i in call.outputs]
    assert_same(call.results(engine), call.results("numpy", np.float64), names)
    if engine == "loops":
        record.time_part(call.by(engine), whole.flops / call.flops)
        record.extra["timed_sizes"] = list(part)
    else:
        record.time(call.by(engine), whole.work)
    record.judge(whole.work, name if engine == "fused" else None)

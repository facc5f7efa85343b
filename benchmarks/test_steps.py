"""The merged steps of engine "fused" beside the plain layers they stand for.

The three convolutions of `cnn` with relu and pooling, and the dense layers of `mlp2_dropout` with
relu and dropout, batches of 128. "fused, one by one" are the plain layers through the single
operations of that engine: what merging adds.

All numbers are small whole ones, so that every sum is exact, equal ones tie, and all must agree to
the last bit; the biases let half of the units of each convolution live.
"""

from collections.abc import Callable
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np
import pytest

import scratchnet
from benchmarks.recorder import Recorder, Work, assert_same

N = 128
CONTESTANTS = ["numpy", "numba", "fused, one by one", "fused"]
Array = Any


@dataclass(frozen=True)
class Case:
    """Layers that are merged.

    layers      makes them
    shape       of one input
    needs_dx    whether training asks for the input's gradient: not in the lowest layer
    """

    name: str
    layers: Callable[[], list[Any]]
    shape: tuple[int, ...]
    needs_dx: bool


def pooled(filters: int) -> Callable[[], list[Any]]:
    k = scratchnet.layers
    return lambda: [k.Conv2D(filters, 3, activation="relu"), k.MaxPooling2D(2)]


def dropped(units: int) -> Callable[[], list[Any]]:
    k = scratchnet.layers
    return lambda: [k.Dense(units, activation="relu"), k.Dropout(0.5)]


CASES = [
    Case("conv+relu+pool 28x28x1 to 32", pooled(32), (28, 28, 1), False),
    Case("conv+relu+pool 13x13x32 to 64", pooled(64), (13, 13, 32), True),
    Case("conv+relu+pool 5x5x64 to 128", pooled(128), (5, 5, 64), True),
    Case("dense+relu+dropout 784 to 512", dropped(512), (784,), False),
    Case("dense+relu+dropout 512 to 512", dropped(512), (512,), True),
]


def whole(*shape: int, seed: int) -> Array:
    """Whole numbers from -2 to 2 without 0."""
    return np.random.default_rng(seed).choice(np.float32([-2, -1, 1, 2]), shape)


class Side:
    """One contestant's own layers for a case, all with the same weights and dropout masks."""

    def __init__(self, case: Case, contestant: str) -> None:
        self.needs_dx = case.needs_dx
        self.engine = contestant.partition(",")[0]
        scratchnet.utils.set_random_seed(0)
        self.layers, shape = case.layers(), (None, *case.shape)
        for layer in self.layers:
            layer.build(shape)
            shape = layer.compute_output_shape(shape)
        first = self.layers[0]
        first.params["kernel"][...] = whole(*first.params["kernel"].shape, seed=1)
        self.step = None
        if contestant == "fused":
            from scratchnet.engines.fused.planner import merge
            from scratchnet.engines.fused.steps import PlainStep, every_row

            (self.step,) = merge(self.layers)
            self.rows = every_row(N)
            assert not isinstance(self.step, PlainStep)
            assert self.step.layers == tuple(self.layers)
        first.needs_dx = case.needs_dx

    def forward(self, x: Array) -> Array:
        if self.step is not None:
            return self.step.forward(x, self.rows, True)
        for layer in self.layers:
            x = layer.forward(x, training=True)
        return x

    def backward(self, dy: Array) -> Array:
        if self.step is not None:
            return self.step.backward(dy, self.needs_dx)
        for layer in reversed(self.layers):
            dy = layer.backward(dy)
        return dy if self.needs_dx else None

    def both(self, x: Array, dy: Array) -> list[Array]:
        """Copies of y, dx and the gradients."""
        with scratchnet.engine(self.engine):
            y, dx = self.forward(x).copy(), self.backward(dy)
        grads = self.layers[0].grads
        return [y, None if dx is None else dx.copy(), grads["kernel"].copy(), grads["bias"].copy()]


def prepare(case: Case, contestant: str) -> tuple[Side, Array, Array, Array]:
    """The contestant after it has shown that it agrees, x, dy and y."""
    x = whole(N, *case.shape, seed=0)
    reference = Side(case, "numpy")
    side = Side(case, contestant)
    with scratchnet.engine("numpy"):
        out = reference.forward(x)
    if out.ndim == 4:  # put half of each filter's outputs below 0
        conv, pool = reference.layers
        with scratchnet.engine("numpy"):
            conv.activation = None
            middle = np.median(pool.forward(conv.forward(x)), axis=(0, 1, 2))
            conv.activation = "relu"
        for one in (reference, side):
            one.layers[0].params["bias"][...] = -np.round(middle)
    else:
        reference = Side(case, "numpy")  # its masks begin again
    dy = whole(*out.shape, seed=2)
    wanted = reference.both(x, dy)
    assert_same(side.both(x, dy), wanted, ["y", "dx", "dkernel", "dbias"])
    return side, x, dy, wanted[0]


def forward_work(case: Case, side: Side, x: Array, y: Array) -> Work:
    """The plain layers' products, and those that the merged step does."""
    first = side.layers[0]
    kernel, bias = first.params["kernel"], first.params["bias"]
    nbytes = x.nbytes + y.nbytes + kernel.nbytes + bias.nbytes
    positions = prod(first.compute_output_shape(x.shape)[:-1])
    flops = 2 * positions * kernel.size
    if y.ndim == 2:
        return Work(flops, nbytes + y.size)  # and a mask of bytes
    windows = y[..., 0].size * prod(side.layers[1].pool_size)
    computed = 2 * windows * kernel.size if side.step is not None else None
    return Work(flops, nbytes + y.size, computed)  # and which window it was, a byte each


def backward_work(case: Case, side: Side, x: Array, y: Array) -> Work:
    """The same for dkernel, and dx where it is asked for."""
    forward = forward_work(case, side, x, y)
    products = 2 if case.needs_dx else 1
    kernel = side.layers[0].params["kernel"]
    nbytes = forward.nbytes + kernel.nbytes + (x.nbytes if case.needs_dx else 0)
    computed = None
    if side.step is not None and y.ndim == 4:
        alive, taps = np.count_nonzero(y), kernel[..., 0].size
        computed = 2 * products * alive * taps
    return Work(products * forward.flops, nbytes, computed)


@pytest.mark.parametrize("contestant", CONTESTANTS)
@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_forward(record: Recorder, case: Case, contestant: str) -> None:
    record.group(f"merged {case.name}, forward")
    side, x, _, y = prepare(case, contestant)
    work = forward_work(case, side, x, y)
    with scratchnet.engine(side.engine):
        record.time(lambda: side.forward(x), work)
    name = f"{case.name}, forward" if side.step is not None else None
    record.judge(work, name)


@pytest.mark.parametrize("contestant", CONTESTANTS)
@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_backward(record: Recorder, case: Case, contestant: str) -> None:
    record.group(f"merged {case.name}, backward")
    side, x, dy, y = prepare(case, contestant)
    work = backward_work(case, side, x, y)
    record.extra["alive"] = np.count_nonzero(y) / y.size  # of the gradients in dy
    with scratchnet.engine(side.engine):
        record.time(lambda: side.backward(dy), work)
    name = f"{case.name}, backward" if side.step is not None else None
    record.judge(work, name)

"""A prediction of a few rows: the steps of a network in one call.

One image is so little work that Python takes as long between two steps as a step itself. So what
the steps are is written down once, as a table of numbers and addresses, and compiled code walks
through it (few_rows.py has the products).
"""

from collections.abc import Iterator, Sequence
from math import prod
from typing import Any

import numpy as np
from llvmlite import ir
from numba import carray
from numba.core import types
from numba.extending import intrinsic
from numpy.typing import NDArray

from scratchnet.activations import softmax
from scratchnet.engines.fused import loss
from scratchnet.engines.fused.elementwise import is_finite
from scratchnet.engines.fused.few_rows import conv_few, dense_few
from scratchnet.engines.fused.packing import every
from scratchnet.engines.fused.steps import (
    ConvStep,
    DenseStep,
    Rows,
    Step,
    every_row,
)
from scratchnet.engines.fused.threads import compiled, workers_for
from scratchnet.engines.fused.tile import SLIM, WIDE, vectors_for
from scratchnet.engines.fused.windows import Windows
from scratchnet.layers.base import Array
from scratchnet.layers.dense import Dense
from scratchnet.layers.dropout import Dropout
from scratchnet.layers.reshaping import Flatten

__all__ = ["FEW", "FewSteps", "gather", "predict_few"]

FEW = 4  # rows for which packing a kernel costs more than it saves
FETCHED = 4  # multiply-adds that take as long as one whose weight has to be fetched for it alone
SHARED = 150_000  # multiply-adds that are worth another thread, if one is awake

DENSE, CONVOLUTION, SOFTMAX = range(3)
UNCHANGING = Dropout, Flatten  # these change no number of a prediction

# A line of the table. Arrays are given by their addresses.
LINE = np.dtype(
    [
        (name, np.intp)
        for name in (
            "kind",  # one of the three above
            "relu",  # whether it follows
            "slim",  # whether the panels of a convolution are (tile.py)
            "shared",  # whether the threads share the work
            "inputs",  # rows of the kernel
            "units",  # columns of the kernel: units or filters
            "outputs",  # numbers that leave the step, for each row of x
            "kernel",
            "bias",
            "work",  # multiply-adds for each row, or what takes as long
            *Windows._fields,
            "windows",  # how many there are
        )
    ]
)


@intrinsic
def _at(typingctx: Any, address: Any) -> Any:
    """The address as a pointer."""

    def emit(context: Any, b: ir.IRBuilder, signature: Any, arguments: Any) -> Any:
        return b.inttoptr(arguments[0], ir.IntType(8).as_pointer())

    return types.voidptr(types.intp), emit


@compiled
def predict_few(table, x, rows, y, convolves, check, workers):
    """y[n] = what the steps in the table make of x[rows[n]]; returns whether it was done

    table (steps,) of LINE   x (M, numbers), of which rows (N,) are taken   y (N, outputs)
    convolves    True; or None where there is no convolution: nothing of it is compiled
    check        whether to do nothing where a number is infinite or NaN
    """
    N = rows.size
    for n in range(N if check else 0):
        if not is_finite(x[rows[n]]):
            return False
    for s in range(table.size):
        step = table[s]
        out = y if s == table.size - 1 else np.empty((N, step.outputs), x.dtype)
        if step.kind == SOFTMAX:
            loss.softmax(x, out, 1)
            x = out
            continue
        relu, crew = step.relu != 0, workers if step.shared else 1
        kernel = carray(_at(step.kernel), (step.inputs, step.units), x.dtype)
        bias = carray(_at(step.bias), (step.units,), x.dtype)
        if step.kind == DENSE:
            dense_few(x, rows, kernel, bias, relu, out, crew)
        elif convolves is not None:
            starts = carray(_at(step.starts), (step.windows,), np.intp)
            taps = carray(_at(step.taps), (step.inputs,), np.intp)
            windows = Windows(
                step.H, step.W, step.C, step.top, step.left, step.room_row, step.room,
                starts, taps, step.per_cell, step.R, step.row_gap, step.row_length,
                step.run,
            )  # fmt: skip
            cells = out.reshape(N, step.windows // step.per_cell, step.units)
            if step.slim:
                conv_few(x, rows, windows, kernel, bias, relu, cells, SLIM, crew)
            else:
                conv_few(x, rows, windows, kernel, bias, relu, cells, WIDE, crew)
        x, rows = out, every(1, N)
    return True


class FewSteps(Step):
    """Several steps in one call, for a prediction.

    Stands for ConvStep.forward, DenseStep.forward, softmax's forward, and for layers that change no
    number in a prediction. There is no way back, and the layers keep nothing.
    """

    def __init__(self, steps: Sequence[Step]) -> None:
        super().__init__([layer for step in steps for layer in step.layers])
        self.steps = tuple(steps)
        self._tables: dict[tuple[int, ...], Table] = {}

    def forward(self, x: Array, rows: Rows, training: bool) -> Array:
        y = self.run(x, rows, check=False)
        assert y is not None
        return y

    def run(self, x: Array, rows: Rows, check: bool) -> Array | None:
        """The output for x[rows]; with `check` None where a number of them is infinite or NaN, or
        the layers are no longer what they were."""
        image = x.shape[1:]
        table = self._tables.get(image)
        if table is None or table.dtype != x.dtype or not table.holds():
            if check:
                return None
            table = self._tables[image] = Table(self.steps, image, x.dtype)
        if not table.plain:
            return None if check else self._one_by_one(x, rows)
        y = np.empty((rows.size, table.outputs), x.dtype)
        x = x if x.ndim == 2 else x.reshape(len(x), table.inputs)
        workers = workers_for(rows.size * table.work)
        if not predict_few(table.lines, x, rows, y, table.convolves, check, workers):
            return None
        return y if len(table.shape) == 1 else y.reshape(-1, *table.shape)

    def _one_by_one(self, x: Array, rows: Rows) -> Array:
        for step in self.steps:
            x = step.forward(x, rows, False)
            rows = every_row(len(x))
        return x


class Table:
    """What FewSteps hands over for rows of one shape.

    lines, convolves    for predict_few
    inputs, outputs     numbers that go in and come out, for one row
    shape               of what leaves the steps, for one row
    plain               whether all arrays lie as they must for compiled code
    work                of all lines
    """

    def __init__(self, steps: Sequence[Step], shape: tuple[int, ...], dtype: Any) -> None:
        self.dtype, self.shape, self.plain = np.dtype(dtype), shape, True
        self.inputs = prod(shape)
        self._used: list[tuple[Any, ...]] = []  # layer, activation, kernel, bias
        self._others: list[NDArray[Any]] = []  # that must live as long as their addresses
        lines: list[dict[str, int]] = []
        for step in steps:
            lines += self._lines(step)
        self.lines = np.zeros(len(lines), LINE)
        for line, numbers in zip(self.lines, lines, strict=True):
            for name, number in numbers.items():
                line[name] = number
        self.outputs = prod(self.shape)
        self.convolves = True if CONVOLUTION in self.lines["kind"] else None
        self.work = int(self.lines["work"].sum())

    def holds(self) -> bool:
        """Whether the layers still have the arrays whose addresses are in the table."""
        for layer, activation, kernel, bias in self._used:
            params = layer.params
            if params["kernel"] is not kernel or params.get("bias") is not bias:
                return False
            if layer._activation is not activation:
                return False
        return True

    def _lines(self, step: Step) -> Iterator[dict[str, int]]:
        """The lines of one step; `shape` becomes that of its output."""
        layer: Any = step.layers[0]
        if isinstance(step, ConvStep):
            where = step.geometry(self.shape)
            windows, units = where.windows, layer.filters
            self.shape = where.P, where.Q, units
            self._others += windows.starts, windows.taps
            places = {
                name: _address(value) if isinstance(value, np.ndarray) else value
                for name, value in windows._asdict().items()
            }
            yield {
                "kind": CONVOLUTION,
                **self._product(layer, windows.taps.size, units, windows.starts.size, step.relu),
                **places,
                "slim": vectors_for(units, self.dtype) == SLIM,
                "windows": windows.starts.size,
            }
        elif isinstance(layer, Dense):
            (inputs,), self.shape = self.shape, (layer.units,)
            relu = isinstance(step, DenseStep) and step.relu
            yield {"kind": DENSE, **self._product(layer, inputs, layer.units, FETCHED, relu)}
            if layer.activation is softmax:
                yield {"kind": SOFTMAX, "outputs": layer.units}
        elif isinstance(layer, Flatten):
            self.shape = (prod(self.shape),)

    def _product(
        self, layer: Any, inputs: int, units: int, times: int, relu: bool
    ) -> dict[str, int]:
        kernel, bias = layer.params["kernel"], layer.params.get("bias")
        self._used.append((layer, layer.activation, kernel, bias))
        if bias is None:
            bias = np.zeros(units, self.dtype)
            self._others.append(bias)
        for array, size in ((kernel, inputs * units), (bias, units)):
            fits = array.dtype == self.dtype and array.size == size
            self.plain = self.plain and fits and array.flags.c_contiguous
        work = times * inputs * units
        return {
            "relu": relu,
            "shared": work >= SHARED,
            "inputs": inputs,
            "units": units,
            "outputs": prod(self.shape),
            "kernel": _address(kernel),
            "bias": _address(bias),
            "work": work,
        }


def _address(array: NDArray[Any]) -> int:
    return array.ctypes.data


def gather(steps: Sequence[Step]) -> list[Step]:
    """The steps for a few rows: what stands in a row, and can stand in one table, becomes one."""
    gathered: list[list[Step]] = []
    for step in steps:
        layer: Any = step.layers[0]
        product = _is_product(step)
        if gathered and _is_product(gathered[-1][0]) and (product or type(layer) in UNCHANGING):
            gathered[-1].append(step)
        else:
            gathered.append([step])
    return [FewSteps(group) if _is_product(group[0]) else group[0] for group in gathered]


def _is_product(step: Step) -> bool:
    """Whether the step begins with a product that can stand in a table."""
    layer: Any = step.layers[0]
    if isinstance(step, ConvStep):
        return True
    rows = type(layer) is Dense and len(layer.input_shape or ()) == 2
    return rows and (isinstance(step, DenseStep) or layer.activation is softmax)

"""The merged steps: each does at once what several plain layers do one after the other.

A step has the layers it stands for in `layers`, and two methods that do what `forward` and
`backward` of those layers would have done together. It works on the layers' own weights and leaves
the gradients in their `grads`. What it needs on the way back it keeps itself: the layers hold no
`x` and `y` of a batch.

The batch comes as `x` and `rows`: sample n is x[rows[n]]. The first step takes its rows from all
the data where they lie; for the others `rows` counts 0, 1, 2, ...
"""

from collections.abc import Sequence
from functools import lru_cache
from math import prod
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from scratchnet.activations import relu, softmax
from scratchnet.engines.fused import convolution, dense, loss
from scratchnet.engines.fused.dense import nothing
from scratchnet.engines.fused.elementwise import relu_backward
from scratchnet.engines.fused.exponential import EXP_WORK
from scratchnet.engines.fused.threads import workers_for
from scratchnet.engines.fused.tile import LONG, VECTOR_BYTES, vectors_for
from scratchnet.engines.fused.windows import Windows, back, windows
from scratchnet.layers.base import ActivatedLayer, Array, Layer
from scratchnet.layers.convolution import Conv2D
from scratchnet.layers.dense import Dense
from scratchnet.layers.windows import padding_amounts
from scratchnet.utils import memory

__all__ = ["ConvStep", "DenseStep", "PlainStep", "Rows", "Step", "every_row", "flat"]

Rows = NDArray[np.intp]


@lru_cache(maxsize=16)
def every_row(n: int) -> Rows:
    """0, 1, ..., n - 1."""
    return np.arange(n)


def flat(x: Array) -> Array:
    """x with one axis behind the first, of no samples too."""
    return x.reshape(len(x), prod(x.shape[1:]))


class Step:
    """What the steps share: their layers, and arrays that are used again for every batch."""

    def __init__(self, layers: Sequence[Layer]) -> None:
        self.layers = tuple(layers)
        self.dtype = np.dtype(layers[0].dtype)
        self._arrays: dict[str, Array] = {}
        self._given: dict[str, Array] = {}  # what `array` gave last

    def forward(self, x: Array, rows: Rows, training: bool) -> Array:
        """The output of the last of the layers for the samples x[rows]."""
        raise NotImplementedError

    def backward(self, dy: Array, needs_dx: bool) -> Array | None:
        """From dy of the last of the layers to dx of the first; their gradients are in `grads`."""
        raise NotImplementedError

    def own(self, array: Array) -> Array:
        """The array as the vector code must have it: in order, and of the layers' dtype. Somebody
        may have put in a weight that is not so, and a layer of their own need not keep to it."""
        return np.ascontiguousarray(array, self.dtype)

    def own_rows(self, x: Array, rows: Rows) -> tuple[Array, Rows]:
        """The same for samples x[rows], where they are of another dtype."""
        if x.dtype == self.dtype:
            return x, rows
        return self.own(x[rows]), every_row(rows.size)

    def array(self, name: str, shape: tuple[int, ...], dtype: Any) -> Array:
        """An array of this shape, the same memory each time if it is large enough."""
        given = self._given.get(name)
        if given is not None and given.shape == shape and given.dtype == dtype:
            return given
        size = prod(shape)
        known = self._arrays.get(name)
        if known is None or known.size < size or known.dtype != dtype:
            known = self._arrays[name] = memory.aligned(size, dtype)
        given = self._given[name] = known[:size].reshape(shape)
        return given


class PlainStep(Step):
    """One layer as it is, through the single operations of the engine."""

    @property
    def layer(self) -> Layer:
        return self.layers[0]

    def forward(self, x: Array, rows: Rows, training: bool) -> Array:
        layer = self.layer
        # in variables: another thread may predict with the same layer
        layer.x = x = x if rows is every_row(len(x)) else x[rows]
        layer.y = y = layer.forward(x, training=training)
        return np.ascontiguousarray(y)

    def backward(self, dy: Array, needs_dx: bool) -> Array | None:
        self.layer.needs_dx = needs_dx
        dx = self.layer.backward(np.ascontiguousarray(dy))
        self.layer.needs_dx = True
        return dx

    def backward_z(self, dz: Array, needs_dx: bool) -> Array | None:
        """From dz, where the loss starts from the layer's logits."""
        assert isinstance(self.layer, ActivatedLayer)
        self.layer.needs_dx = needs_dx
        dx = self.layer.backward_z(dz)
        self.layer.needs_dx = True
        return dx


class DenseStep(Step):
    """Dense + its activation (linear, relu, softmax under a cross-entropy) + Dropout behind relu.

    Stands for Dense.forward, relu's or softmax's forward and Dropout.forward; back, for
    Dropout.backward, relu's backward and Dense.backward.
    """

    def __init__(self, layers: Sequence[Layer]) -> None:
        super().__init__(layers)
        assert isinstance(layers[0], Dense)
        self.dense: Dense = layers[0]
        self.dropout: Any = layers[1] if len(layers) > 1 else None
        self.relu = layers[0].activation is relu
        self.softmax = layers[0].activation is softmax
        self.loss_follows = False  # whether `crossentropy` will be called, and can make the softmax

    def forward(self, x: Array, rows: Rows, training: bool) -> Array:
        x, rows = self.own_rows(x, rows)
        kernel = self.own(self.dense.params["kernel"])
        D, U = kernel.shape
        shape = (rows.size, *x.shape[1:-1])
        if x.ndim > 2:
            x, rows = _positions(x, rows)
        N, kind = rows.size, x.dtype
        y = self.array("y", (N, U), kind) if training else np.empty((N, U), kind)
        keep, scale = NO_MASK, 1.0
        if training and self.dropout is not None and self.dropout.rate > 0:
            keep = _as_mask(self.dropout.draw_mask((*shape, U)), (*shape, U))
            keep = keep if len(shape) == 1 else keep.reshape(N, U)
            scale = 1 / (1 - self.dropout.rate) if self.dropout.rate < 1 else 0.0
        bias = _zeros(U, kind.char)
        if self.dense.use_bias:
            bias = self.own(self.dense.params["bias"])
        workers = workers_for(N * D * U)
        dense.dense_forward(x, rows, kernel, bias, self.relu, keep, kind.type(scale), y, workers)
        if training:
            self.saved = DenseSaved(x, rows, y, scale, shape)
        if self.softmax:
            z, y = y, np.empty((N, U), kind)
            self.dense.z = z if len(shape) == 1 else z.reshape(*shape, U)
            if training and self.loss_follows:
                self.probabilities = y
            else:
                loss.softmax(z, y, workers_for(EXP_WORK * N * U))
        return y if len(shape) == 1 else y.reshape(*shape, U)

    def crossentropy(self, y_true: Array, factor: float) -> tuple[float, Array]:
        """The loss -factor * sum of y_true * log(softmax(z)) of the last training forward, and dz.

        Stands for softmax's forward and the cross-entropy's loss and gradient.
        """
        z = self.saved.y
        dz = np.empty_like(z)
        y = self.probabilities if self.softmax else nothing(2, z.dtype.char)
        value = loss.softmax_crossentropy(z, y_true, factor, y, dz)
        return float(z.dtype.type(value)), dz

    def backward(self, dy: Array, needs_dx: bool) -> Array | None:
        y = self.saved.y
        if not self.relu:
            return self.backward_z(dy, needs_dx)
        dy = self.own(dy)
        dy = dy if dy.shape == y.shape else dy.reshape(y.shape)
        return self._backward(dy, y, self.array("dz", y.shape, dy.dtype), needs_dx)

    def backward_z(self, dz: Array, needs_dx: bool) -> Array | None:
        """From dz, where the activation is behind us, or the loss starts from the logits."""
        dz, shape = self.own(dz), self.saved.y.shape
        dz = dz if dz.shape == shape else dz.reshape(shape)
        return self._backward(dz, nothing(2, dz.dtype.char), dz, needs_dx)

    def _backward(self, dy: Array, y: Array, dz: Array, needs_dx: bool) -> Array | None:
        kept, grads = self.saved, self.dense.grads
        kernel = self.own(self.dense.params["kernel"])
        (N, U), D, kind = dz.shape, len(kernel), dz.dtype
        dx = self.array("dx", (N, D), kind) if needs_dx else nothing(2, kind.char)
        dbias = grads["bias"] if self.dense.use_bias else nothing(1, kind.char)
        dense.dense_backward(
            kept.x, kept.rows, dy, y, kind.type(kept.scale), dz, kernel, grads["kernel"], dbias, dx,
            workers_for(2 * N * D * U),
        )  # fmt: skip
        if not needs_dx:
            return None
        return dx if len(kept.shape) == 1 else dx.reshape(*kept.shape, D)


class DenseSaved(NamedTuple):
    """What DenseStep.backward needs from the last training forward."""

    x: Array  # (M, D)
    rows: Rows  # (N,)
    y: Array  # (N, U) output, or the logits
    scale: float  # of the dropout
    shape: tuple[int, ...]  # of a batch, without its last axis


class ConvStep(Step):
    """Conv2D + its activation (linear or relu) + MaxPooling2D whose windows do not overlap.

    Stands for Conv2D.forward, relu's forward and MaxPooling2D.forward; back, for
    MaxPooling2D.backward, relu's backward and Conv2D.backward. Outputs of the convolution that the
    pooling does not look at are not computed.
    """

    def __init__(self, layers: Sequence[Layer]) -> None:
        super().__init__(layers)
        assert isinstance(layers[0], Conv2D)
        self.conv: Conv2D = layers[0]
        self.pool: Any = layers[1] if len(layers) > 1 else None
        self.relu = layers[0].activation is relu
        self._geometry: dict[tuple[int, ...], Geometry] = {}

    def forward(self, x: Array, rows: Rows, training: bool) -> Array:
        x, rows = self.own_rows(x, rows)
        conv, N, F = self.conv, rows.size, self.conv.filters
        known = self.geometry(x.shape[1:])
        shape = (N, known.P * known.Q, F)
        y = self.array("y", shape, x.dtype) if training else np.empty(shape, x.dtype)
        argmax = NO_ARGMAX
        if self.pool is not None and training:
            argmax = self.array("argmax", shape, np.uint8)
        bias = _zeros(F, x.dtype.char)
        if conv.use_bias:
            bias = self.own(conv.params["bias"])
        kernel = self.own(conv.params["kernel"]).reshape(-1, F)
        x, where = flat(x), known.windows
        workers = workers_for(N * where.starts.size * kernel.size)
        vectors = vectors_for(F, x.dtype)
        convolution.conv_forward(
            x, rows, where, kernel, bias, self.relu, y, argmax, vectors, workers
        )
        if training:
            self.saved = ConvSaved(x, rows, y, argmax, known.sizes, where, known.output)
        return y.reshape(N, known.P, known.Q, F)

    def geometry(self, image: tuple[int, ...]) -> "Geometry":
        """Where everything lies for images (H, W, C); raises where they are too small."""
        known = self._geometry.get(image)
        if known is None:
            known = self._geometry[image] = self._measure(image)
        return known

    def _measure(self, image: tuple[int, ...]) -> "Geometry":
        conv = self.conv
        _, P, Q, F = conv.compute_output_shape((1, *image))
        H, W, _ = image
        sides = padding_amounts((H, W), conv.window, conv.strides, conv.padding)
        sizes = image, sides, conv.kernel_size, conv.strides, conv.dilation_rate
        if self.pool is None:
            return Geometry(sizes, windows(*sizes, None), (P, Q), P, Q)
        self.pool.compute_output_shape((1, P, Q, F))
        a, b = self.pool.pool_size
        return Geometry(sizes, windows(*sizes, (a, b)), (P, Q), P // a, Q // b)

    def backward(self, dy: Array, needs_dx: bool) -> Array | None:
        conv, kept = self.conv, self.saved
        dy = self.own(dy)
        kernel, kind, N = self.own(conv.params["kernel"]), dy.dtype, len(dy)
        taps = kernel.reshape(-1, kernel.shape[-1])
        dkernel = conv.grads["kernel"].reshape(taps.shape)
        dbias = conv.grads["bias"] if conv.use_bias else nothing(1, kind.char)
        dx = nothing(2, kind.char)
        if needs_dx:
            dx = self.array("dx", (N, kept.x.shape[1]), kind)
        dy = dy.reshape(kept.y.shape)
        workers = workers_for(N * kept.windows.starts.size * kernel.size)
        if self.pool is not None and self._lists_pay(kind):
            convolution.pooled_backward(
                kept.x, kept.rows, kept.windows, dy, kept.argmax, taps, dkernel, dbias, dx, workers
            )
        else:
            if self.relu and kept.windows.per_cell == 1:  # else argmax says where relu let through
                dz = self.array("dz", dy.shape, kind)
                y = kept.y.reshape(-1)
                relu_backward(dy.reshape(-1), y, y, 0.0, np.inf, 0.0, dz.reshape(-1))
                dy = dz
            convolution.conv_backward(
                kept.x, kept.rows, kept.windows, dy, kept.argmax, dkernel, dbias,
                vectors_for(conv.filters, kind), workers,
            )  # fmt: skip
            if needs_dx:
                dz = dy if self.pool is None else self._spread(dy)
                way = back(*kept.sizes, kernel.shape[-1])
                kernel = kernel.reshape(-1, *kernel.shape[2:])
                vectors = vectors_for(kernel.shape[1], kind)
                convolution.conv_dx(flat(dz), *kept.output, way, kernel, dx, vectors, workers)
        return dx.reshape(N, *kept.sizes[0]) if needs_dx else None

    def _lists_pay(self, dtype: Any) -> bool:
        """Whether to walk through lists of living gradients: where a row of the window lies in one
        piece and is long enough to fill the vectors."""
        row = self.saved.windows.row_length
        return self.conv.dilation_rate[1] == 1 and row * dtype.itemsize * 4 >= LONG * VECTOR_BYTES

    def _spread(self, dy: Array) -> Array:
        """dz of the whole convolution, from dy of the pooled one."""
        (P, Q), (a, b), (N, _, F) = self.saved.output, self.pool.pool_size, dy.shape
        dz = np.zeros((N, P, Q, F), dy.dtype)
        argmax = self.saved.argmax.reshape(N, P // a, Q // b, F)
        for window in range(a * b):
            chosen = np.where(argmax == window, dy.reshape(argmax.shape), 0)
            i, j = divmod(window, b)
            dz[:, i : P // a * a : a, j : Q // b * b : b] = chosen
        return dz


class Geometry(NamedTuple):
    """Where everything lies for images of one size."""

    sizes: tuple[Any, ...]  # image, sides, kernel, strides, dilation
    windows: Windows
    output: tuple[int, int]  # rows and columns of the convolution's output, without pooling
    P: int  # rows of what leaves the step
    Q: int  # columns


class ConvSaved(NamedTuple):
    """What ConvStep.backward needs from the last training forward."""

    x: Array  # (M, H*W*C)
    rows: Rows  # (N,)
    y: Array  # (N, cells, F) output
    argmax: Array  # (N, cells, F) which window of its cell was the first maximum
    sizes: tuple[Any, ...]  # image, sides, kernel, strides, dilation
    windows: Windows
    output: tuple[int, int]  # rows and columns of the convolution's output, without pooling


NO_MASK: Array = np.empty((0, 0), np.uint8)
NO_ARGMAX: Array = np.empty((0, 0, 0), np.uint8)


@lru_cache(maxsize=16)
def _zeros(size: int, kind: str) -> Array:
    """The bias of a layer without one."""
    return np.zeros(size, kind)


def _positions(x: Array, rows: Rows) -> tuple[Array, Rows]:
    """x (M, ..., D) as a matrix in which every position is a row, and the rows in it."""
    each = int(np.prod(x.shape[1:-1]))
    chosen = (rows[:, None] * each + np.arange(each)).ravel()
    return x.reshape(-1, x.shape[-1]), chosen


def _as_mask(mask: Array, shape: tuple[int, int]) -> Array:
    """A dropout's mask as bytes of the full shape."""
    if mask.dtype == np.uint8 and mask.shape == shape:
        return np.ascontiguousarray(mask)
    return np.ascontiguousarray(np.broadcast_to(mask != 0, shape), np.uint8)

"""The single operations that the register tile makes faster, as the contract has them.

What they compute stands in engines/loops under the same name. Sums are kept in the arrays' own
type, in vectors, not in float64; but for few rows or units see dense.py.
"""

import numpy as np

from scratchnet.engines.fused import convolution, dense
from scratchnet.engines.fused.steps import NO_ARGMAX, NO_MASK, every_row, flat
from scratchnet.engines.fused.threads import workers_for
from scratchnet.engines.fused.tile import vectors_for
from scratchnet.engines.fused.windows import Windows, back, windows
from scratchnet.layers.base import Array

__all__ = [
    "conv2d_dkernel",
    "conv2d_dx",
    "conv2d_forward",
    "dense_dkernel",
    "dense_dx",
    "dense_forward",
]

Pair = tuple[int, int]
NO_SIDES = ((0, 0), (0, 0))


def dense_forward(x: Array, kernel: Array, bias: Array, z: Array) -> None:
    """z = x @ kernel + bias"""
    x, kernel, bias = _own(z, x, kernel, bias)
    workers = workers_for(len(x) * kernel.size)
    one = x.dtype.type(1)
    dense.dense_forward(x, every_row(len(x)), kernel, bias, False, NO_MASK, one, z, workers)


def dense_dkernel(x: Array, dz: Array, dkernel: Array) -> None:
    """dkernel = x.T @ dz"""
    x, dz = _own(dkernel, x, dz)
    nothing = np.empty((0, 0), x.dtype)
    workers = workers_for(len(x) * dkernel.size)
    dense.dense_backward(
        x, every_row(len(x)), dz, nothing, x.dtype.type(1), dz, dkernel, dkernel,
        np.empty(0, x.dtype), nothing, workers,
    )  # fmt: skip


def dense_dx(dz: Array, kernel: Array, dx: Array) -> None:
    """dx = dz @ kernel.T"""
    dz, kernel = _own(dx, dz, kernel)
    dense.dense_dx(dz, kernel, dx, workers_for(len(dz) * kernel.size))


def _own(out: Array, *arrays: Array) -> list[Array]:
    """The arrays in order and of the dtype of `out`, as they mostly are: see Step.own."""
    return [np.ascontiguousarray(array, out.dtype) for array in arrays]


def _windows(x: Array, kernel: Array, strides: Pair, dilation: Pair) -> Windows:
    return windows(x.shape[1:], NO_SIDES, kernel.shape[:2], tuple(strides), tuple(dilation))


def conv2d_forward(
    x: Array, kernel: Array, bias: Array, strides: Pair, dilation: Pair, z: Array
) -> None:
    """z[n, p, q, f] = bias[f] + sum over r, s, c of x at that tap of the window * kernel"""
    N, P, Q, F = z.shape
    x, kernel, bias = _own(z, x, kernel, bias)
    convolution.conv_forward(
        flat(x), every_row(N), _windows(x, kernel, strides, dilation),
        kernel.reshape(-1, F), bias, False, z.reshape(N, P * Q, F), NO_ARGMAX,
        vectors_for(F, z.dtype), workers_for(N * P * Q * kernel.size),
    )  # fmt: skip


def conv2d_dkernel(x: Array, dz: Array, strides: Pair, dilation: Pair, dkernel: Array) -> None:
    """dkernel[r, s, c, f] = sum over n, p, q of dz * x at that tap of the window"""
    N, P, Q, F = dz.shape
    x, dz = _own(dkernel, x, dz)
    convolution.conv_backward(
        flat(x), every_row(N), _windows(x, dkernel, strides, dilation),
        dz.reshape(N, P * Q, F), NO_ARGMAX, dkernel.reshape(-1, F), np.empty(0, x.dtype),
        vectors_for(F, dz.dtype), workers_for(N * P * Q * dkernel.size),
    )  # fmt: skip


def conv2d_dx(dz: Array, kernel: Array, strides: Pair, dilation: Pair, dx: Array) -> None:
    """dx[n, h, w, c] = sum over the windows and taps that saw the pixel of dz * kernel"""
    N, P, Q, F = dz.shape
    where = back(dx.shape[1:], NO_SIDES, kernel.shape[:2], tuple(strides), tuple(dilation), F)
    dz, kernel = _own(dx, dz, kernel)
    convolution.conv_dx(
        flat(dz), P, Q, where, kernel.reshape(-1, *kernel.shape[2:]), flat(dx),
        vectors_for(kernel.shape[2], dz.dtype), workers_for(N * P * Q * kernel.size),
    )  # fmt: skip

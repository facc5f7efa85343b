"""Activations a stretch at a time: relu, tanh and sigmoid, as vectors.

tanh and sigmoid take an exponential. The C library's works on one number at a time; the one here
is a polynomial without branches, of which the compiler makes vectors. It computes in float64 for
either type, to three units in the last place of that.
"""

import math

import numpy as np
from llvmlite import ir
from numba.core import types
from numba.extending import intrinsic

from scratchnet.engines import compiled as numba_engine
from scratchnet.engines.fused.threads import compiled, draw, share, workers_for

__all__ = [
    "relu_backward",
    "relu_forward",
    "sigmoid_backward",
    "sigmoid_forward",
    "tanh_backward",
    "tanh_forward",
]

STRETCH = 8192  # numbers of a task
RELU_WORK, EXP_WORK = 2, 16  # multiply-adds that one number is worth

LOG2_E = 1.4426950408889634
LN2_HIGH, LN2_LOW = 6.93147180369123816490e-01, 1.90821492927058770002e-10
ROUND = 6755399441055744.0  # 1.5 * 2**52: adding it leaves the nearest whole number in the low bits
# expm1(r) = r + r**2 / 2! + ... to r**13 / 13!: below 1e-17 for |r| <= ln(2) / 2
TERMS = tuple(1.0 / math.factorial(k) for k in range(13, 1, -1))


@intrinsic
def _bits(typingctx, x):
    """The bits of a float64, as an integer."""

    def emit(context, b, signature, arguments):
        return b.bitcast(arguments[0], ir.IntType(64))

    return types.int64(types.float64), emit


@intrinsic
def _float(typingctx, bits):
    """The float64 that has these bits."""

    def emit(context, b, signature, arguments):
        return b.bitcast(arguments[0], ir.DoubleType())

    return types.float64(types.int64), emit


@compiled
def _powers(x):
    """2**n and expm1(r) with x = n * ln(2) + r, |r| <= ln(2) / 2, for -708 <= x <= 708

    Without a branch. So exp(x) is 2**n * expm1(r) + 2**n, and exp(x) - 1 is one less, added last.
    source    Muller, "Elementary Functions" (2016), section 11.1; 2**n is put together from bits
    """
    shifted = x * LOG2_E + ROUND
    n = shifted - ROUND
    r = (x - n * LN2_HIGH) - n * LN2_LOW
    p = 0.0
    for term in TERMS:
        p = p * r + term
    p = p * (r * r) + r
    return _float((_bits(shifted) + 1023) << 52), p


@compiled
def _tanh_tasks(counter, z, y):
    """tanh(z) = e / (e + 2) with e = exp(2 z) - 1; from |z| = 22 on it is 1"""
    kind = y.dtype.type
    first = draw(counter) * STRETCH
    while first < z.size:
        last = min(first + STRETCH, z.size)
        source, target = z[first:last], y[first:last]
        for i in range(source.size):
            v = np.float64(source[i])
            w = abs(v)
            w = w if w < 22.0 else 22.0
            power, p = _powers(2.0 * w)
            e = power * p + (power - 1.0)
            t = math.copysign(e / (e + 2.0), v)
            target[i] = kind(t if v == v else v)
        first = draw(counter) * STRETCH


@compiled
def _sigmoid_tasks(counter, z, y):
    """sigmoid(z) = 1 / (1 + e) with e = exp(-z), or e / (1 + e) with e = exp(z) where z < 0"""
    kind = y.dtype.type
    first = draw(counter) * STRETCH
    while first < z.size:
        last = min(first + STRETCH, z.size)
        source, target = z[first:last], y[first:last]
        for i in range(source.size):
            v = np.float64(source[i])
            w = abs(v)
            power, p = _powers(-(w if w < 708.0 else 708.0))
            e = power * p + power if w < 708.0 else 0.0
            s = 1.0 / (1.0 + e)
            s = s if v >= 0 else e * s
            target[i] = kind(s if v == v else v)
        first = draw(counter) * STRETCH


@compiled
def _slope_tasks(counter, dy, y, is_tanh, dz):
    """dz = dy * (1 - y^2) for tanh, dy * y * (1 - y) for sigmoid"""
    kind = dz.dtype.type
    first = draw(counter) * STRETCH
    while first < y.size:
        last = min(first + STRETCH, y.size)
        d, source, target = dy[first:last], y[first:last], dz[first:last]
        for i in range(source.size):
            v = np.float64(source[i])
            slope = 1.0 - v * v if is_tanh else v * (1.0 - v)
            target[i] = kind(d[i] * slope)
        first = draw(counter) * STRETCH


@compiled
def _tanh(z, y, workers):
    share(workers, _tanh_tasks, (np.zeros(8, np.intp), z, y))


@compiled
def _sigmoid(z, y, workers):
    share(workers, _sigmoid_tasks, (np.zeros(8, np.intp), z, y))


@compiled
def _slope(dy, y, is_tanh, dz, workers):
    share(workers, _slope_tasks, (np.zeros(8, np.intp), dy, y, is_tanh, dz))


def tanh_forward(z, y):
    """y = tanh(z)"""
    _tanh(z, y, workers_for(z.size * EXP_WORK))


def tanh_backward(dy, z, y, dz):
    """dz = dy * (1 - y^2)"""
    _slope(dy, y, True, dz, workers_for(y.size * RELU_WORK))


def sigmoid_forward(z, y):
    """y = 1 / (1 + exp(-z))"""
    _sigmoid(z, y, workers_for(z.size * EXP_WORK))


def sigmoid_backward(dy, z, y, dz):
    """dz = dy * y * (1 - y)"""
    _slope(dy, y, False, dz, workers_for(y.size * RELU_WORK))


@compiled
def _relu_tasks(counter, dy, z, y):
    """y = dy where z > 0, else 0; NaN stays NaN where dy is z"""
    zero = y.dtype.type(0)
    first = draw(counter) * STRETCH
    while first < z.size:
        last = min(first + STRETCH, z.size)
        d, source, target = dy[first:last], z[first:last], y[first:last]
        for i in range(source.size):
            target[i] = zero if source[i] <= 0 else d[i]
        first = draw(counter) * STRETCH


@compiled
def _relu(dy, z, y, workers):
    share(workers, _relu_tasks, (np.zeros(8, np.intp), dy, z, y))


def relu_forward(z, negative_slope, max_value, threshold, y):
    """y = min(z, max_value) where z > threshold, else negative_slope * (z - threshold)"""
    if negative_slope == 0 and max_value == math.inf and threshold == 0:
        _relu(z, z, y, workers_for(z.size * RELU_WORK))
    else:
        numba_engine.relu_forward(z, negative_slope, max_value, threshold, y)


def relu_backward(dy, z, y, negative_slope, limit, threshold, dz):
    """dz = dy * f', f' = 1 where threshold < z <= limit, negative_slope below, else 0"""
    if negative_slope == 0 and limit == math.inf and threshold == 0:
        _relu(dy, z, dz, workers_for(z.size * RELU_WORK))
    else:
        numba_engine.relu_backward(dy, z, y, negative_slope, limit, threshold, dz)

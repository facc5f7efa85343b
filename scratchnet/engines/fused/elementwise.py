"""Activations as vectors: relu, tanh and sigmoid a stretch at a time, softmax row by row. And
of all numbers of an array, whether they are finite, and the sum of their squares.
"""

import math

import numpy as np

from scratchnet.engines.fused.exponential import EXP_WORK, powers
from scratchnet.engines.fused.loss import softmax
from scratchnet.engines.fused.shared import share_out
from scratchnet.engines.fused.threads import compiled, draw, inner, share, tasks, workers_for
from scratchnet.engines.loops.optimizers import BLOCK

__all__ = [
    "all_finite",
    "relu_backward",
    "relu_forward",
    "sigmoid_backward",
    "sigmoid_forward",
    "softmax_forward",
    "sum_of_squares",
    "tanh_backward",
    "tanh_forward",
]

STRETCH = 8192  # numbers of a task
FINITE_STRETCH = 2**15
SUMS = 64
FINITE_WORK, RELU_WORK = 2, 2  # multiply-adds that one number is worth


@inner
def is_finite(part):
    """Whether no number of a piece, 1-D, is infinite or NaN: these alone times 0 are not 0."""
    zero = part.dtype.type(0)
    sums = np.zeros(SUMS, part.dtype)  # several, side by side: else they are added one by one
    whole = part.size // SUMS * SUMS
    for begin in range(0, whole, SUMS):
        some = part[begin : begin + SUMS]
        for v in range(SUMS):
            sums[v] += some[v] * zero
    for i in range(whole, part.size):
        sums[0] += part[i] * zero
    total = zero
    for v in range(SUMS):
        total += sums[v]
    return total == 0


@tasks
def _finite_tasks(counter, x, found):
    """found[0] = 1 if there is a number that is infinite or NaN."""
    first = draw(counter) * FINITE_STRETCH
    while first < x.size and not found[0]:
        if not is_finite(x[first : min(first + FINITE_STRETCH, x.size)]):
            found[0] = 1
        first = draw(counter) * FINITE_STRETCH


@compiled
def _all_finite(x, workers):
    counter, found = np.zeros(8, np.intp), np.zeros(8, np.uint8)
    share(workers, _finite_tasks, (counter, x, found))
    return found[0] == 0


def all_finite(x):
    """Whether no number of the contiguous array x, float32 or float64, is infinite or NaN."""
    return _all_finite(x.reshape(-1), workers_for(FINITE_WORK * x.size))


@tasks
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
            power, p = powers(2.0 * w)
            e = power * p + (power - 1.0)
            t = math.copysign(e / (e + 2.0), v)
            target[i] = kind(t if v == v else v)
        first = draw(counter) * STRETCH


@tasks
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
            power, p = powers(-(w if w < 708.0 else 708.0))
            e = power * p + power if w < 708.0 else 0.0
            s = 1.0 / (1.0 + e)
            s = s if v >= 0 else e * s
            target[i] = kind(s if v == v else v)
        first = draw(counter) * STRETCH


@tasks
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


def softmax_forward(z, y):
    """y[n, k] = exp(z[n, k]) / sum over j of exp(z[n, j])"""
    softmax(z, y, workers_for(z.size * EXP_WORK))


def sigmoid_backward(dy, z, y, dz):
    """dz = dy * y * (1 - y)"""
    _slope(dy, y, False, dz, workers_for(y.size * RELU_WORK))


@tasks
def _relu_tasks(counter, z, y):
    """y = z, and 0 where z <= 0: not a number stays what it is"""
    zero = y.dtype.type(0)
    first = draw(counter) * STRETCH
    while first < z.size:
        last = min(first + STRETCH, z.size)
        source, target = z[first:last], y[first:last]
        for i in range(source.size):
            target[i] = zero if source[i] <= 0 else source[i]
        first = draw(counter) * STRETCH


@tasks
def _gate_tasks(counter, dy, z, dz):
    """dz = dy where z > 0, else 0"""
    zero = dz.dtype.type(0)
    first = draw(counter) * STRETCH
    while first < z.size:
        last = min(first + STRETCH, z.size)
        d, source, target = dy[first:last], z[first:last], dz[first:last]
        for i in range(source.size):
            target[i] = d[i] if source[i] > 0 else zero
        first = draw(counter) * STRETCH


@compiled
def _relu(z, y, workers):
    share(workers, _relu_tasks, (np.zeros(8, np.intp), z, y))


@compiled
def _gate(dy, z, dz, workers):
    share(workers, _gate_tasks, (np.zeros(8, np.intp), dy, z, dz))


def relu_forward(z, negative_slope, max_value, threshold, y):
    """y = min(z, max_value) where z > threshold, else negative_slope * (z - threshold)"""
    if negative_slope == 0 and max_value == math.inf and threshold == 0:
        _relu(z, y, workers_for(z.size * RELU_WORK))
    else:
        share_out("relu_forward")(z, negative_slope, max_value, threshold, y)


def relu_backward(dy, z, y, negative_slope, limit, threshold, dz):
    """dz = dy * f', f' = 1 where threshold < z <= limit, negative_slope below, else 0"""
    if negative_slope == 0 and limit == math.inf and threshold == 0:
        _gate(dy, z, dz, workers_for(z.size * RELU_WORK))
    else:
        share_out("relu_backward")(dy, z, y, negative_slope, limit, threshold, dz)


@tasks
def _squares_tasks(counter, x, partial):
    block = draw(counter)
    while block < partial.size:
        total = np.float64(0)
        for value in x[block * BLOCK : (block + 1) * BLOCK]:
            total += np.float64(value) * np.float64(value)
        partial[block] = total
        block = draw(counter)


@compiled
def _squares(x, workers):
    partial = np.empty((x.size + BLOCK - 1) // BLOCK, np.float64)
    share(workers, _squares_tasks, (np.zeros(8, np.intp), x, partial))
    total = np.float64(0)
    for value in partial:
        total += value
    return total


def sum_of_squares(x):
    """the sum over i of x[i]**2, in float64"""
    return _squares(x, workers_for(x.size))

"""Activations on whole arrays: y = f(z) and dz = dy * f'(z).

The formulas stand in loops/activations.py. What takes an exponential or a logarithm is computed in
float64 and rounded once.
"""

import math

import numpy as np

from scratchnet.engines.loops.activations import (
    SELU_ALPHA,
    SELU_SCALE,
    SQRT_HALF,
    SQRT_PI,
    TANH_CUBE,
    TANH_SCALE,
)
from scratchnet.engines.loops.activations import __all__ as __all__


def _wide(*arrays):
    return tuple(a.astype(np.float64) for a in arrays)


_erfc = np.vectorize(math.erfc, otypes=[np.float64])  # NumPy has none; the C library's is exact


def relu_forward(z, negative_slope, max_value, threshold, y):
    y[...] = np.where(z > threshold, np.minimum(z, max_value), negative_slope * (z - threshold))


def relu_backward(dy, z, y, negative_slope, limit, threshold, dz):
    left = z <= threshold if threshold == 0 else z < threshold
    dz[...] = dy * (((z > threshold) & (z <= limit)) + negative_slope * left).astype(dy.dtype)


def elu_forward(z, alpha, y):
    z = z.astype(np.float64)
    y[...] = np.where(z > 0, z, alpha * np.expm1(np.minimum(z, 0)))


def elu_backward(dy, z, y, alpha, dz):
    dy, z = _wide(dy, z)
    dz[...] = dy * np.where(z > 0, 1, alpha * np.exp(np.minimum(z, 0)))


def selu_forward(z, y):
    z = z.astype(np.float64)
    y[...] = SELU_SCALE * np.where(z > 0, z, SELU_ALPHA * np.expm1(np.minimum(z, 0)))


def selu_backward(dy, z, y, dz):
    dy, z = _wide(dy, z)
    dz[...] = dy * SELU_SCALE * np.where(z >= 0, 1, SELU_ALPHA * np.exp(np.minimum(z, 0)))


def _sigmoid(z):
    e = np.exp(-np.abs(z))
    return np.where(z >= 0, 1, e) / (1 + e)


def sigmoid_forward(z, y):
    z = z.astype(np.float64)
    y[...] = _sigmoid(z)


def sigmoid_backward(dy, z, y, dz):
    dy, y = _wide(dy, y)
    dz[...] = dy * y * (1 - y)


def hard_sigmoid_forward(z, y):
    y[...] = np.clip(z + 3, 0, 6) / 6


def hard_sigmoid_backward(dy, z, y, dz):
    dz[...] = np.where((z + 3 > 0) & (z + 3 < 6), dy / 6, 0)


def tanh_forward(z, y):
    y[...] = np.tanh(z.astype(np.float64))


def tanh_backward(dy, z, y, dz):
    dy, y = _wide(dy, y)
    dz[...] = dy * (1 - y * y)


def softplus_forward(z, y):
    z = z.astype(np.float64)
    y[...] = np.maximum(z, 0) + np.log1p(np.exp(-np.abs(z)))


def softplus_backward(dy, z, y, dz):
    dy, z = _wide(dy, z)
    dz[...] = dy * _sigmoid(z)


def softsign_forward(z, y):
    z = z.astype(np.float64)
    y[...] = z / (1 + np.abs(z))


def softsign_backward(dy, z, y, dz):
    dy, z = _wide(dy, z)
    dz[...] = dy / (1 + np.abs(z)) ** 2


def silu_forward(z, y):
    z = z.astype(np.float64)
    y[...] = z * _sigmoid(z)


def silu_backward(dy, z, y, dz):
    dy, z = _wide(dy, z)
    s = _sigmoid(z)
    dz[...] = dy * s * (1 + z * (1 - s))


def gelu_forward(z, y):
    z = z.astype(np.float64)
    y[...] = 0.5 * z * _erfc(-z * SQRT_HALF)


def gelu_backward(dy, z, y, dz):
    dy, z = _wide(dy, z)
    t = z * SQRT_HALF
    dz[...] = dy * (0.5 * _erfc(-t) + t * np.exp(-t * t) / SQRT_PI)


def gelu_tanh_forward(z, y):
    z = z.astype(np.float64)
    y[...] = 0.5 * z * (1 + np.tanh(TANH_SCALE * (z + TANH_CUBE * z**3)))


def gelu_tanh_backward(dy, z, y, dz):
    dy, z = _wide(dy, z)
    t = np.tanh(TANH_SCALE * (z + TANH_CUBE * z**3))
    slope = TANH_SCALE * (1 + 3 * TANH_CUBE * z**2)
    dz[...] = dy * (0.5 * (1 + t) + 0.5 * z * (1 - t * t) * slope)


def exponential_forward(z, y):
    y[...] = np.exp(z.astype(np.float64))


def exponential_backward(dy, z, y, dz):
    dy, y = _wide(dy, y)
    dz[...] = dy * y


def softmax_forward(z, y):
    z = z.astype(np.float64)
    e = np.exp(z - z.max(axis=1, keepdims=True))
    y[...] = e / e.sum(axis=1, keepdims=True)


def softmax_backward(dy, z, y, dz):
    dy, y = _wide(dy, y)
    dz[...] = y * (dy - (dy * y).sum(axis=1, keepdims=True))


def log_softmax_forward(z, y):
    z = z.astype(np.float64)
    shifted = z - z.max(axis=1, keepdims=True)
    y[...] = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))


def log_softmax_backward(dy, z, y, dz):
    dy, y = _wide(dy, y)
    dz[...] = dy - np.exp(y) * dy.sum(axis=1, keepdims=True)

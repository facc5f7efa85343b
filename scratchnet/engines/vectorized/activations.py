"""Activations on whole arrays: y = f(z) and dz = dy * f'(z); the formulas stand in loops/activations.py."""

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

_erfc = np.vectorize(math.erfc, otypes=[np.float64])  # NumPy has none; the C library's is exact


def relu_forward(z, negative_slope, max_value, threshold, y):
    y[...] = np.where(z > threshold, np.minimum(z, max_value), negative_slope * (z - threshold))


def relu_backward(dy, z, y, negative_slope, limit, threshold, dz):
    left = z <= threshold if threshold == 0 else z < threshold
    dz[...] = dy * (((z > threshold) & (z <= limit)) + negative_slope * left).astype(dy.dtype)


def elu_forward(z, alpha, y):
    y[...] = np.where(z > 0, z, alpha * np.expm1(np.minimum(z, 0)))


def elu_backward(dy, z, y, alpha, dz):
    dz[...] = dy * np.where(z > 0, 1, alpha * np.exp(np.minimum(z, 0)))


def selu_forward(z, y):
    y[...] = SELU_SCALE * np.where(z > 0, z, SELU_ALPHA * np.expm1(np.minimum(z, 0)))


def selu_backward(dy, z, y, dz):
    dz[...] = dy * SELU_SCALE * np.where(z >= 0, 1, SELU_ALPHA * np.exp(np.minimum(z, 0)))


def _sigmoid(z):
    e = np.exp(-np.abs(z))
    return np.where(z >= 0, 1, e) / (1 + e)


def sigmoid_forward(z, y):
    y[...] = _sigmoid(z)


def sigmoid_backward(dy, z, y, dz):
    dz[...] = dy * y * (1 - y)


def hard_sigmoid_forward(z, y):
    y[...] = np.clip(z + 3, 0, 6) / 6


def hard_sigmoid_backward(dy, z, y, dz):
    dz[...] = np.where((z + 3 > 0) & (z + 3 < 6), dy / 6, 0)


def tanh_forward(z, y):
    np.tanh(z, out=y)


def tanh_backward(dy, z, y, dz):
    dz[...] = dy * (1 - y * y)


def softplus_forward(z, y):
    y[...] = np.maximum(z, 0) + np.log1p(np.exp(-np.abs(z)))


def softplus_backward(dy, z, y, dz):
    dz[...] = dy * _sigmoid(z)


def softsign_forward(z, y):
    y[...] = z / (1 + np.abs(z))


def softsign_backward(dy, z, y, dz):
    dz[...] = dy / (1 + np.abs(z)) ** 2


def silu_forward(z, y):
    y[...] = z * _sigmoid(z)


def silu_backward(dy, z, y, dz):
    s = _sigmoid(z)
    dz[...] = dy * s * (1 + z * (1 - s))


def gelu_forward(z, y):
    y[...] = 0.5 * z * _erfc(-z * SQRT_HALF)


def gelu_backward(dy, z, y, dz):
    t = z * SQRT_HALF
    dz[...] = dy * (0.5 * _erfc(-t) + t * np.exp(-t * t) / SQRT_PI)


def gelu_tanh_forward(z, y):
    y[...] = 0.5 * z * (1 + np.tanh(TANH_SCALE * (z + TANH_CUBE * z**3)))


def gelu_tanh_backward(dy, z, y, dz):
    t = np.tanh(TANH_SCALE * (z + TANH_CUBE * z**3))
    slope = TANH_SCALE * (1 + 3 * TANH_CUBE * z**2)
    dz[...] = dy * (0.5 * (1 + t) + 0.5 * z * (1 - t * t) * slope)


def exponential_forward(z, y):
    np.exp(z, out=y)


def exponential_backward(dy, z, y, dz):
    np.multiply(dy, y, out=dz)


def softmax_forward(z, y):
    np.exp(z - z.max(axis=1, keepdims=True), out=y)
    y /= y.sum(axis=1, keepdims=True)


def softmax_backward(dy, z, y, dz):
    dz[...] = y * (dy - (dy * y).sum(axis=1, keepdims=True))


def log_softmax_forward(z, y):
    shifted = z - z.max(axis=1, keepdims=True)
    y[...] = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))


def log_softmax_backward(dy, z, y, dz):
    dz[...] = dy - np.exp(y) * dy.sum(axis=1, keepdims=True)

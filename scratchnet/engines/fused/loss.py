"""Softmax and the cross-entropy behind it, in one pass over the logits."""

import math

import numpy as np

from scratchnet.engines.fused.threads import compiled

__all__ = ["relu_backward", "softmax", "softmax_crossentropy"]


@compiled
def softmax(z, y):
    """y[n, k] = exp(z[n, k] - largest) / sum over j of exp(z[n, j] - largest), (N, K) both"""
    N, K = z.shape
    e = np.empty(K, np.float64)
    for n in range(N):
        largest = np.float64(z[n, 0])
        for k in range(K):
            largest = max(largest, np.float64(z[n, k]))
        total = 0.0
        for k in range(K):
            e[k] = math.exp(z[n, k] - largest)
            total += e[k]
        for k in range(K):
            y[n, k] = e[k] / total


@compiled
def softmax_crossentropy(z, y_true, factor, dz):
    """The loss -factor * sum over n, k of y_true * log(softmax(z)), and its gradient.

    dz = (softmax(z) - y_true) * factor, as Keras has it (y_true of a row adds up to 1)
    shapes    z, dz (N, K), y_true (N, K)    dz is overwritten
    dtype     sums and exponentials in float64, rounded once
    """
    N, K = z.shape
    e = np.empty(K, np.float64)
    loss = 0.0
    for n in range(N):
        largest = np.float64(z[n, 0])
        for k in range(K):
            largest = max(largest, np.float64(z[n, k]))
        total = 0.0
        for k in range(K):
            e[k] = math.exp(z[n, k] - largest)
            total += e[k]
        log_total = math.log(total)
        for k in range(K):
            loss -= y_true[n, k] * (z[n, k] - largest - log_total)
            dz[n, k] = (e[k] / total - y_true[n, k]) * factor
    return loss * factor


@compiled
def relu_backward(dy, y, scale, dz):
    """dz = dy * scale where y > 0, else 0: back through a dropout and the relu before it.

    y is what came out of both: above 0 only where the dropout kept it and relu let it through.
    shapes    1-D, all of one size
    """
    zero = dz.dtype.type(0)
    factor = dz.dtype.type(scale)
    for i in range(dy.size):
        dz[i] = dy[i] * factor if y[i] > 0 else zero

"""Softmax and the cross-entropy behind it, in one pass over the logits.

Sums and exponentials are float64 for either type, and rounded once.
"""

import math

import numpy as np

from scratchnet.engines.fused.exponential import SMALLEST, powers
from scratchnet.engines.fused.threads import compiled, draw, inner, share, tasks

__all__ = ["softmax", "softmax_crossentropy"]

AT_ONCE = 64  # rows, whose exponentials stay in the cache


@inner
def _exponentials(z, e):
    """e[n, k] = exp(z[n, k] - the largest z of row n); z and e (N, K)"""
    N, K = z.shape
    for n in range(N):
        largest = np.float64(z[n, 0])
        for k in range(K):
            largest = max(largest, np.float64(z[n, k]))
        for k in range(K):
            e[n, k] = z[n, k] - largest
    flat = e.reshape(-1)  # whatever K is, whole vectors
    for i in range(flat.size):
        v = flat[i]
        power, p = powers(SMALLEST if v < SMALLEST else v)
        flat[i] = 0.0 if v < SMALLEST else power * p + power


@tasks
def _softmax_tasks(counter, z, y):
    """A task is AT_ONCE rows."""
    N, K = z.shape
    e = np.empty((min(N, AT_ONCE), K), np.float64)
    begin = draw(counter) * AT_ONCE
    while begin < N:
        end = min(begin + AT_ONCE, N)
        _exponentials(z[begin:end], e[: end - begin])
        for n in range(begin, end):
            total = 0.0
            for k in range(K):
                total += e[n - begin, k]
            for k in range(K):
                y[n, k] = e[n - begin, k] / total
        begin = draw(counter) * AT_ONCE


@compiled
def softmax(z, y, workers):
    """y[n, k] = exp(z[n, k] - largest) / sum over j of exp(z[n, j] - largest), (N, K) both"""
    share(workers, _softmax_tasks, (np.zeros(8, np.intp), z, y))


@compiled
def softmax_crossentropy(z, y_true, factor, y, dz):
    """The loss -factor * sum over n, k of y_true * log(softmax(z)), its gradient, and the softmax.

    dz = (softmax(z) - y_true) * factor, as Keras has it (y_true of a row adds up to 1)
    shapes    z, y_true, dz (N, K); y too, or (0, 0) for no softmax; y and dz are overwritten
    """
    N, K = z.shape
    e = np.empty((N, K), np.float64)
    _exponentials(z, e)
    loss = 0.0
    for n in range(N):
        total, largest = 0.0, np.float64(z[n, 0])
        for k in range(K):
            total += e[n, k]
            largest = max(largest, np.float64(z[n, k]))
        log_total = math.log(total)
        for k in range(K):
            loss -= y_true[n, k] * (z[n, k] - largest - log_total)
            p = e[n, k] / total
            dz[n, k] = (p - y_true[n, k]) * factor
            if y.size:
                y[n, k] = p
    return loss * factor

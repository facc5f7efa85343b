"""Batch normalization over the rows of x: every channel gets mean 0 and variance 1, then its own
scale and shift.

x_hat = (x - mean) * inv_std,   y = gamma * x_hat + beta,   inv_std = 1 / sqrt(variance + epsilon)
"""

import numpy as np

from scratchnet.engines.loops.parallel import prange

__all__ = ["batch_norm_dparams", "batch_norm_dx", "batch_norm_forward", "batch_norm_statistics"]


def batch_norm_statistics(x, mean, variance):
    """mean[c] = average over m of x[m, c];  variance[c] = average over m of (x[m, c] - mean[c])^2

    shapes    x (M, C) with M = N*H*W   mean, variance (C,)
    threads   one channel c each
    """
    M, C = x.shape
    for c in prange(C):
        total = np.float64(0.0)
        for m in range(M):
            total += x[m, c]
        center = total / M
        squares = np.float64(0.0)
        for m in range(M):
            squares += (x[m, c] - center) ** 2
        mean[c] = center
        variance[c] = squares / M


def batch_norm_forward(x, mean, inv_std, gamma, beta, y):
    """y[m, c] = gamma[c] * (x[m, c] - mean[c]) * inv_std[c] + beta[c]

    shapes    x, y (M, C)   mean, inv_std, gamma, beta (C,)
    threads   one row m each
    """
    M, C = x.shape
    for m in prange(M):
        for c in range(C):
            y[m, c] = gamma[c] * (x[m, c] - mean[c]) * inv_std[c] + beta[c]


def batch_norm_dparams(dy, x, mean, inv_std, dgamma, dbeta):
    """dgamma[c] = sum over m of dy[m, c] * x_hat[m, c];  dbeta[c] = sum over m of dy[m, c]

    shapes    dy, x (M, C)   mean, inv_std, dgamma, dbeta (C,)
    threads   one channel c each
    """
    M, C = x.shape
    for c in prange(C):
        scaled = np.float64(0.0)
        total = np.float64(0.0)
        for m in range(M):
            scaled += dy[m, c] * (x[m, c] - mean[c]) * inv_std[c]
            total += dy[m, c]
        dgamma[c] = scaled
        dbeta[c] = total


def batch_norm_dx(dy, x, mean, inv_std, gamma, dgamma, dbeta, dx):
    """dx[m, c] = gamma[c] * inv_std[c] * (dy[m, c] - (dbeta[c] + x_hat[m, c] * dgamma[c]) / M)

    shapes    dy, x, dx (M, C)   the rest (C,)
    threads   one row m each
    derived   mean and variance depend on every x, so each row also gets what all rows feel through
              them; with fixed statistics (dgamma = dbeta = 0) only the first term is left
    source    Ioffe and Szegedy, "Batch Normalization" (2015), section 3
    """
    M, C = x.shape
    for m in prange(M):
        for c in range(C):
            x_hat = (x[m, c] - mean[c]) * inv_std[c]
            dx[m, c] = gamma[c] * inv_std[c] * (dy[m, c] - (dbeta[c] + x_hat * dgamma[c]) / M)

"""Pooling over the strided view of all windows."""

import numpy as np

from scratchnet.engines.vectorized.convolution import windows

__all__ = [
    "average_pool_dx",
    "average_pool_forward",
    "global_average_pool_dx",
    "global_average_pool_forward",
    "global_max_pool_dx",
    "global_max_pool_forward",
    "max_pool_dx",
    "max_pool_forward",
]


def _tap(x, r, s, strides, positions):
    """The view of x at tap (r, s) of every window: (N, P, Q, C)."""
    (sh, sw), (P, Q) = strides, positions
    return x[:, r : r + (P - 1) * sh + 1 : sh, s : s + (Q - 1) * sw + 1 : sw]


def max_pool_forward(x, pool, strides, y, argmax):
    """One comparison of whole arrays for each tap; a later tap must be greater: the first wins"""
    R, S = pool
    positions = y.shape[1:3]
    y[...] = _tap(x, 0, 0, strides, positions)
    argmax[...] = 0
    for r in range(R):
        for s in range(S):
            value = _tap(x, r, s, strides, positions)
            greater = value > y
            np.copyto(y, value, where=greater)
            np.copyto(argmax, r * S + s, where=greater, casting="unsafe")


def max_pool_dx(dy, argmax, pool, strides, dx):
    """For each tap: dx at the pixels that it read += dy where it was the first maximum"""
    R, S = pool
    dx[...] = 0
    for r in range(R):
        for s in range(S):
            read = _tap(dx, r, s, strides, dy.shape[1:3])
            np.add(read, dy, out=read, where=argmax == r * S + s)


def average_pool_forward(x, counts, pool, strides, y):
    """y = windows(x) summed over their taps / counts"""
    view = windows(x, pool, strides, (1, 1), y.shape[1:3])
    y[...] = view.sum(axis=(3, 4), dtype=np.float64) / counts[:, :, None]


def average_pool_dx(dy, counts, pool, strides, dx):
    """For each tap: dx at the pixels that the tap read += dy / counts"""
    R, S = pool
    share = dy / counts[:, :, None].astype(dy.dtype)
    dx[...] = 0
    for r in range(R):
        for s in range(S):
            read = _tap(dx, r, s, strides, dy.shape[1:3])
            read += share


def global_max_pool_forward(x, y):
    """y = x.max over H and W"""
    np.max(x, axis=(1, 2), out=y)


def global_max_pool_dx(dy, x, y, dx):
    """dx = dy / (number of maxima) at every maximum"""
    maxima = x == y[:, None, None, :]
    share = dy / maxima.sum(axis=(1, 2), dtype=dy.dtype)
    np.multiply(maxima, share[:, None, None, :], out=dx)


def global_average_pool_forward(x, y):
    """y = x.mean over H and W"""
    y[...] = x.mean(axis=(1, 2), dtype=np.float64)


def global_average_pool_dx(dy, dx):
    """dx = dy / (H*W), repeated"""
    _, H, W, _ = dx.shape
    dx[...] = (dy / dy.dtype.type(H * W))[:, None, None, :]

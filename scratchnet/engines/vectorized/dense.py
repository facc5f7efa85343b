"""The fully connected layer as three matrix products."""

import numpy as np

__all__ = ["bias_gradient", "dense_dkernel", "dense_dx", "dense_forward"]


def product(a, b):
    """a @ b in float64. BLAS would sum float32 numbers in float32, in an order of its own; like
    every sum of the engines, this one is kept in float64 and rounded once, when it is stored.
    """
    return a.astype(np.float64, copy=False) @ b.astype(np.float64, copy=False)


def dense_forward(x, kernel, bias, z):
    """z = x @ kernel + bias"""
    z[...] = product(x, kernel) + bias


def dense_dx(dz, kernel, dx):
    """dx = dz @ kernel.T"""
    dx[...] = product(dz, kernel.T)


def dense_dkernel(x, dz, dkernel):
    """dkernel = x.T @ dz"""
    dkernel[...] = product(x.T, dz)


def bias_gradient(dz, dbias):
    """dbias = dz summed over N"""
    dbias[...] = dz.sum(axis=0, dtype=np.float64)

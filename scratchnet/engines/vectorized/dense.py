"""The fully connected layer as three matrix products."""

import numpy as np

__all__ = ["bias_gradient", "dense_dkernel", "dense_dx", "dense_forward"]


def dense_forward(x, kernel, bias, z):
    """z = x @ kernel + bias"""
    np.matmul(x, kernel, out=z)
    z += bias


def dense_dx(dz, kernel, dx):
    """dx = dz @ kernel.T"""
    np.matmul(dz, kernel.T, out=dx)


def dense_dkernel(x, dz, dkernel):
    """dkernel = x.T @ dz"""
    np.matmul(x.T, dz, out=dkernel)


def bias_gradient(dz, dbias):
    """dbias = dz summed over N (in float64: NumPy adds the rows of a column one after the other)"""
    dbias[...] = dz.sum(axis=0, dtype=np.float64)

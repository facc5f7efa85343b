"""The convolution as one matrix product over a matrix of patches (im2col).

The patch matrix has a row for every output position and a column for every weight of one filter: it
holds each pixel as often as a tap reads it, nine times for a 3x3 kernel. That memory is what the
speed of one big product costs.
"""

import numpy as np
from numpy.lib.stride_tricks import as_strided

from scratchnet.engines.vectorized.dense import product

__all__ = ["conv2d_dkernel", "conv2d_dx", "conv2d_forward"]


def windows(x, size, strides, dilation, positions):
    """v[n, p, q, r, s, c] = x[n, p*sh + r*dh, q*sw + s*dw, c]: every window, a view and no copy

    shapes    x (N, H, W, C)   size (R, S)   positions (P, Q)   result (N, P, Q, R, S, C), read-only
    """
    N, _, _, C = x.shape
    bn, bh, bw, bc = x.strides
    (sh, sw), (dh, dw) = strides, dilation
    shape = (N, *positions, *size, C)
    return as_strided(x, shape, (bn, bh * sh, bw * sw, bh * dh, bw * dw, bc), writeable=False)


def _patches(x, size, strides, dilation, positions):
    """The patch matrix (N*P*Q, R*S*C): here the view becomes a copy."""
    R, S = size
    return windows(x, size, strides, dilation, positions).reshape(-1, R * S * x.shape[3])


def conv2d_forward(x, kernel, bias, strides, dilation, z):
    """z = patches(x) @ kernel + bias"""
    R, S, C, F = kernel.shape
    patches = _patches(x, (R, S), strides, dilation, z.shape[1:3])
    z[...] = (product(patches, kernel.reshape(R * S * C, F)) + bias).reshape(z.shape)


def conv2d_dx(dz, kernel, strides, dilation, dx):
    """For each tap (r, s): dx at the pixels that the tap read += dz @ kernel[r, s].T"""
    N, P, Q, F = dz.shape
    R, S, C, _ = kernel.shape
    (sh, sw), (dh, dw) = strides, dilation
    total = np.zeros(dx.shape)
    for r in range(R):
        for s in range(S):
            rows = slice(r * dh, r * dh + (P - 1) * sh + 1, sh)
            columns = slice(s * dw, s * dw + (Q - 1) * sw + 1, sw)
            dtap = product(dz.reshape(-1, F), kernel[r, s].T)
            total[:, rows, columns] += dtap.reshape(N, P, Q, C)
    dx[...] = total


def conv2d_dkernel(x, dz, strides, dilation, dkernel):
    """dkernel = patches(x).T @ dz"""
    R, S, _, F = dkernel.shape
    patches = _patches(x, (R, S), strides, dilation, dz.shape[1:3])
    dkernel[...] = product(patches.T, dz.reshape(-1, F)).reshape(dkernel.shape)

"""The fully connected layer: z = x @ kernel + bias, one multiplication at a time."""

import numpy as np

from scratchnet.engines.loops.parallel import prange

__all__ = ["bias_gradient", "dense_dkernel", "dense_dx", "dense_forward"]


def dense_forward(x, kernel, bias, z):
    """z[n, u] = bias[u] + sum over d of x[n, d] * kernel[d, u]

    shapes    x (N, D)   kernel (D, U)   bias (U,)   z (N, U)
    threads   one sample n each
    order     d outside u, so that the innermost loop runs along a row of the kernel, as memory does
    """
    N, D = x.shape
    U = kernel.shape[1]
    for n in prange(N):
        total = np.empty(U)
        for u in range(U):
            total[u] = bias[u]
        for d in range(D):
            for u in range(U):
                total[u] += x[n, d] * kernel[d, u]
        for u in range(U):
            z[n, u] = total[u]


def dense_dx(dz, kernel, dx):
    """dx[n, d] = sum over u of dz[n, u] * kernel[d, u]

    shapes    dz (N, U)   kernel (D, U)   dx (N, D)
    threads   one sample n each
    derived   x[n, d] enters every z[n, u], each time with the weight kernel[d, u]
    """
    N, U = dz.shape
    D = kernel.shape[0]
    turned = np.empty((U, D), kernel.dtype)  # units before features: d then runs along memory
    for d in range(D):
        for u in range(U):
            turned[u, d] = kernel[d, u]
    for n in prange(N):
        total = np.zeros(D)
        for u in range(U):
            for d in range(D):
                total[d] += dz[n, u] * turned[u, d]
        for d in range(D):
            dx[n, d] = total[d]


def dense_dkernel(x, dz, dkernel):
    """dkernel[d, u] = sum over n of x[n, d] * dz[n, u]

    shapes    x (N, D)   dz (N, U)   dkernel (D, U)
    threads   one input feature d each
    derived   kernel[d, u] enters z[n, u] with the weight x[n, d], once for every sample
    """
    N, D = x.shape
    U = dz.shape[1]
    for d in prange(D):
        total = np.zeros(U)
        for n in range(N):
            for u in range(U):
                total[u] += x[n, d] * dz[n, u]
        for u in range(U):
            dkernel[d, u] = total[u]


def bias_gradient(dz, dbias):
    """dbias[u] = sum over n of dz[n, u]

    shapes    dz (N, U), for a convolution (N*P*Q, F)   dbias (U,)
    derived   bias[u] enters z[n, u] with the weight one, once for every sample (and position)
    """
    N, U = dz.shape
    total = np.zeros(U)
    for n in range(N):
        for u in range(U):
            total[u] += dz[n, u]
    for u in range(U):
        dbias[u] = total[u]

"""Pooling: each output looks at one window of one channel.

The image arrives already padded: with minus infinity for the maximum, so that padding never wins,
and with zeros for the average, whose `counts` say how many real pixels each window holds (padding
does not count, as in TensorFlow).
"""

import numpy as np

from scratchnet.engines.loops.parallel import prange

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


def max_pool_forward(x, pool, strides, y, argmax):
    """y[n, p, q, c] = the largest x in the window at (p, q); argmax = r*S + s of its first place

    shapes    x (N, H, W, C) padded   pool (R, S)   y, argmax (N, P, Q, C), argmax of integers
    threads   one sample n each
    ties      the first maximum wins, reading the window row by row (TensorFlow's rule on the CPU)
    """
    N, P, Q, C = y.shape
    R, S = pool
    sh, sw = strides
    for n in prange(N):
        for p in range(P):
            for q in range(Q):
                for c in range(C):
                    best, place = x[n, p * sh, q * sw, c], 0
                    for r in range(R):
                        for s in range(S):
                            value = x[n, p * sh + r, q * sw + s, c]
                            if value > best:
                                best, place = value, r * S + s
                    y[n, p, q, c] = best
                    argmax[n, p, q, c] = place


def max_pool_dx(dy, argmax, pool, strides, dx):
    """dx[n, p*sh + r, q*sw + s, c] += dy[n,p,q,c] where argmax[n,p,q,c] = r*S + s, from dx = 0

    shapes    dy, argmax (N, P, Q, C)   dx (N, H, W, C), the padded image's
    threads   one sample n each
    derived   the output is a copy of one input: that one gets the whole gradient
    """
    N, P, Q, C = dy.shape
    _, S = pool
    sh, sw = strides
    for n in prange(N):
        dx[n] = 0
        for p in range(P):
            for q in range(Q):
                for c in range(C):
                    r, s = argmax[n, p, q, c] // S, argmax[n, p, q, c] % S
                    dx[n, p * sh + r, q * sw + s, c] += dy[n, p, q, c]


def average_pool_forward(x, counts, pool, strides, y):
    """y[n, p, q, c] = sum of x over the window at (p, q) / counts[p, q]

    shapes    x (N, H, W, C) padded   counts (P, Q)   pool (R, S)   y (N, P, Q, C)
    threads   one sample n each
    """
    N, P, Q, C = y.shape
    R, S = pool
    sh, sw = strides
    for n in prange(N):
        for p in range(P):
            for q in range(Q):
                for c in range(C):
                    total = np.float64(0.0)
                    for r in range(R):
                        for s in range(S):
                            total += x[n, p * sh + r, q * sw + s, c]
                    y[n, p, q, c] = total / counts[p, q]


def average_pool_dx(dy, counts, pool, strides, dx):
    """dx[n, p*sh + r, q*sw + s, c] += dy[n, p, q, c] / counts[p, q] for every (r, s), from dx = 0

    shapes    dy (N, P, Q, C)   counts (P, Q)   pool (R, S)   dx (N, H, W, C), the padded image's
    threads   one sample n each
    derived   every pixel of the window entered the average with the weight 1 / counts
    """
    N, P, Q, C = dy.shape
    R, S = pool
    sh, sw = strides
    for n in prange(N):
        dx[n] = 0
        for p in range(P):
            for q in range(Q):
                for r in range(R):
                    for s in range(S):
                        for c in range(C):
                            dx[n, p * sh + r, q * sw + s, c] += dy[n, p, q, c] / counts[p, q]


def global_max_pool_forward(x, y):
    """y[n, c] = the largest x[n, h, w, c]

    shapes    x (N, H, W, C)   y (N, C)
    threads   one sample n each
    """
    N, H, W, C = x.shape
    for n in prange(N):
        for c in range(C):
            best = x[n, 0, 0, c]
            for h in range(H):
                for w in range(W):
                    best = max(best, x[n, h, w, c])
            y[n, c] = best


def global_max_pool_dx(dy, x, y, dx):
    """dx[n, h, w, c] = dy[n, c] / (number of maxima) where x[n, h, w, c] is a maximum, else 0

    shapes    dy, y (N, C)   x, dx (N, H, W, C)
    threads   one sample n each
    ties      all maxima share the gradient equally: Keras takes this maximum with tf.reduce_max,
              whose gradient does so, unlike the one of max-pooling
    """
    N, H, W, C = x.shape
    for n in prange(N):
        for c in range(C):
            count = 0
            for h in range(H):
                for w in range(W):
                    if x[n, h, w, c] == y[n, c]:
                        count += 1
            for h in range(H):
                for w in range(W):
                    if x[n, h, w, c] == y[n, c]:
                        dx[n, h, w, c] = dy[n, c] / count
                    else:
                        dx[n, h, w, c] = 0


def global_average_pool_forward(x, y):
    """y[n, c] = mean over h, w of x[n, h, w, c]

    shapes    x (N, H, W, C)   y (N, C)
    threads   one sample n each
    """
    N, H, W, C = x.shape
    for n in prange(N):
        for c in range(C):
            total = np.float64(0.0)
            for h in range(H):
                for w in range(W):
                    total += x[n, h, w, c]
            y[n, c] = total / (H * W)


def global_average_pool_dx(dy, dx):
    """dx[n, h, w, c] = dy[n, c] / (H*W)

    shapes    dy (N, C)   dx (N, H, W, C)
    threads   one sample n each
    """
    N, H, W, C = dx.shape
    for n in prange(N):
        for h in range(H):
            for w in range(W):
                for c in range(C):
                    dx[n, h, w, c] = dy[n, c] / (H * W)

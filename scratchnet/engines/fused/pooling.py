"""Pooling that no convolution takes over: channel by channel side by side, in vectors.

engines/loops/pooling.py has the definitions. A task is an image.
"""

import numpy as np

from scratchnet.engines.fused.threads import compiled, draw, share, tasks, workers_for

__all__ = [
    "average_pool_dx",
    "average_pool_forward",
    "global_average_pool_dx",
    "global_average_pool_forward",
    "max_pool_dx",
    "max_pool_forward",
]


@tasks
def _max_tasks(counter, x, pool, strides, y, argmax):
    N, P, Q, C = y.shape
    n = draw(counter)
    while n < N:
        for p in range(P):
            for q in range(Q):
                best, place = y[n, p, q], argmax[n, p, q]
                source = x[n, p * strides[0], q * strides[1]]
                for c in range(C):
                    best[c] = source[c]
                    place[c] = 0
                for tap in range(1, pool[0] * pool[1]):
                    r, s = tap // pool[1], tap % pool[1]
                    source = x[n, p * strides[0] + r, q * strides[1] + s]
                    for c in range(C):
                        larger = source[c] > best[c]
                        place[c] = tap if larger else place[c]
                        best[c] = source[c] if larger else best[c]
        n = draw(counter)


@compiled
def _max_forward(x, pool, strides, y, argmax, workers):
    share(workers, _max_tasks, (np.zeros(8, np.intp), x, pool, strides, y, argmax))


def max_pool_forward(x, pool, strides, y, argmax):
    """y[n, p, q, c] = the largest x in the window at (p, q); argmax = r*S + s of its first place"""
    _max_forward(x, pool, strides, y, argmax, workers_for(y.size * pool[0] * pool[1]))


@tasks
def _max_dx_tasks(counter, dy, argmax, pool, strides, dx):
    N, P, Q, C = dy.shape
    zero = dy.dtype.type(0)
    n = draw(counter)
    while n < N:
        dx[n] = 0
        for p in range(P):
            for q in range(Q):
                d, place = dy[n, p, q], argmax[n, p, q]
                for tap in range(pool[0] * pool[1]):
                    r, s = tap // pool[1], tap % pool[1]
                    target = dx[n, p * strides[0] + r, q * strides[1] + s]
                    for c in range(C):
                        target[c] += d[c] if place[c] == tap else zero
        n = draw(counter)


@compiled
def _max_dx(dy, argmax, pool, strides, dx, workers):
    share(workers, _max_dx_tasks, (np.zeros(8, np.intp), dy, argmax, pool, strides, dx))


def max_pool_dx(dy, argmax, pool, strides, dx):
    """dx[n, p*sh + r, q*sw + s, c] += dy[n,p,q,c] where argmax[n,p,q,c] = r*S + s, from dx = 0"""
    _max_dx(dy, argmax, pool, strides, dx, workers_for(dy.size * pool[0] * pool[1]))


@tasks
def _average_tasks(counter, x, counts, pool, strides, y):
    N, P, Q, C = y.shape
    total = np.empty(C, np.float64)
    n = draw(counter)
    while n < N:
        for p in range(P):
            for q in range(Q):
                total[:] = 0
                for r in range(pool[0]):
                    for s in range(pool[1]):
                        source = x[n, p * strides[0] + r, q * strides[1] + s]
                        for c in range(C):
                            total[c] += source[c]
                target, count = y[n, p, q], counts[p, q]
                for c in range(C):
                    target[c] = total[c] / count
        n = draw(counter)


@compiled
def _average_forward(x, counts, pool, strides, y, workers):
    share(workers, _average_tasks, (np.zeros(8, np.intp), x, counts, pool, strides, y))


def average_pool_forward(x, counts, pool, strides, y):
    """y[n, p, q, c] = sum of x over the window at (p, q) / counts[p, q]"""
    _average_forward(x, counts, pool, strides, y, workers_for(y.size * pool[0] * pool[1]))


@tasks
def _average_dx_tasks(counter, dy, counts, pool, strides, dx):
    N, P, Q, C = dy.shape
    share_of = np.empty(C, dy.dtype)
    n = draw(counter)
    while n < N:
        dx[n] = 0
        for p in range(P):
            for q in range(Q):
                for c in range(C):
                    share_of[c] = dy[n, p, q, c] / counts[p, q]
                for r in range(pool[0]):
                    for s in range(pool[1]):
                        target = dx[n, p * strides[0] + r, q * strides[1] + s]
                        for c in range(C):
                            target[c] += share_of[c]
        n = draw(counter)


@compiled
def _average_dx(dy, counts, pool, strides, dx, workers):
    share(workers, _average_dx_tasks, (np.zeros(8, np.intp), dy, counts, pool, strides, dx))


def average_pool_dx(dy, counts, pool, strides, dx):
    """dx[n, p*sh + r, q*sw + s, c] += dy[n,p,q,c] / counts[p,q] for every (r, s), from dx = 0"""
    _average_dx(dy, counts, pool, strides, dx, workers_for(dy.size * pool[0] * pool[1]))


@tasks
def _global_tasks(counter, x, y):
    N, H, W, C = x.shape
    total = np.empty(C, np.float64)
    n = draw(counter)
    while n < N:
        total[:] = 0
        for h in range(H):
            for w in range(W):
                source = x[n, h, w]
                for c in range(C):
                    total[c] += source[c]
        for c in range(C):
            y[n, c] = total[c] / (H * W)
        n = draw(counter)


@compiled
def _global_forward(x, y, workers):
    share(workers, _global_tasks, (np.zeros(8, np.intp), x, y))


def global_average_pool_forward(x, y):
    """y[n, c] = average of x[n, h, w, c] over h, w"""
    _global_forward(x, y, workers_for(x.size))


@tasks
def _global_dx_tasks(counter, dy, dx):
    N, H, W, C = dx.shape
    part = np.empty(C, dx.dtype)
    n = draw(counter)
    while n < N:
        for c in range(C):
            part[c] = dy[n, c] / (H * W)
        for h in range(H):
            for w in range(W):
                target = dx[n, h, w]
                for c in range(C):
                    target[c] = part[c]
        n = draw(counter)


@compiled
def _global_dx(dy, dx, workers):
    share(workers, _global_dx_tasks, (np.zeros(8, np.intp), dy, dx))


def global_average_pool_dx(dy, dx):
    """dx[n, h, w, c] = dy[n, c] / (H*W)"""
    _global_dx(dy, dx, workers_for(dx.size))

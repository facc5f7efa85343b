"""Batch normalization, row by row: the channels of a row lie side by side, and fill vectors.

engines/loops/normalization.py has the definitions, which walk down one channel after the other.
Here a task is a block of rows with sums of its own, in float64; the blocks' sums are added in
order.
"""

import numpy as np

from scratchnet.engines.fused.threads import compiled, draw, share, tasks, workers_for

__all__ = ["batch_norm_dparams", "batch_norm_dx", "batch_norm_forward", "batch_norm_statistics"]

ROWS_OF_A_BLOCK = 1024
WORK = 4  # multiply-adds that one number is worth


@tasks
def _sum_tasks(counter, x, center, squares, partial):
    """partial[block, c] = sum over its rows of x - center, or of its square"""
    M, C = x.shape
    block = draw(counter)
    while block < partial.shape[0]:
        total = partial[block]
        total[:] = 0
        for m in range(block * ROWS_OF_A_BLOCK, min(M, (block + 1) * ROWS_OF_A_BLOCK)):
            row = x[m]
            if squares:
                for c in range(C):
                    d = row[c] - center[c]
                    total[c] += d * d
            else:
                for c in range(C):
                    total[c] += row[c]
        block = draw(counter)


@compiled
def _add_blocks(partial):
    total = np.zeros(partial.shape[1], np.float64)
    for b in range(partial.shape[0]):
        for c in range(total.size):
            total[c] += partial[b, c]
    return total


@compiled
def _statistics(x, mean, variance, workers):
    M, C = x.shape
    partial = np.empty(((M + ROWS_OF_A_BLOCK - 1) // ROWS_OF_A_BLOCK, C), np.float64)
    center = np.zeros(C, np.float64)
    share(workers, _sum_tasks, (np.zeros(8, np.intp), x, center, False, partial))
    center = _add_blocks(partial) / M
    share(workers, _sum_tasks, (np.zeros(8, np.intp), x, center, True, partial))
    squares = _add_blocks(partial)
    for c in range(C):
        mean[c] = center[c]
        variance[c] = squares[c] / M


def batch_norm_statistics(x, mean, variance):
    """mean[c] = average over m of x[m, c]; variance[c] = average of (x[m, c] - mean[c])^2"""
    _statistics(x, mean, variance, workers_for(x.size * WORK))


@tasks
def _forward_tasks(counter, x, mean, inv_std, gamma, beta, y):
    M, C = x.shape
    block = draw(counter)
    while block * ROWS_OF_A_BLOCK < M:
        for m in range(block * ROWS_OF_A_BLOCK, min(M, (block + 1) * ROWS_OF_A_BLOCK)):
            source, target = x[m], y[m]
            for c in range(C):
                target[c] = gamma[c] * (source[c] - mean[c]) * inv_std[c] + beta[c]
        block = draw(counter)


@compiled
def _forward(x, mean, inv_std, gamma, beta, y, workers):
    share(workers, _forward_tasks, (np.zeros(8, np.intp), x, mean, inv_std, gamma, beta, y))


def batch_norm_forward(x, mean, inv_std, gamma, beta, y):
    """y[m, c] = gamma[c] * (x[m, c] - mean[c]) * inv_std[c] + beta[c]"""
    _forward(x, mean, inv_std, gamma, beta, y, workers_for(x.size * WORK))


@tasks
def _dparams_tasks(counter, dy, x, mean, partial_scaled, partial):
    M, C = x.shape
    block = draw(counter)
    while block < partial.shape[0]:
        scaled, total = partial_scaled[block], partial[block]
        scaled[:] = 0
        total[:] = 0
        for m in range(block * ROWS_OF_A_BLOCK, min(M, (block + 1) * ROWS_OF_A_BLOCK)):
            d, row = dy[m], x[m]
            for c in range(C):
                g = np.float64(d[c])
                scaled[c] += g * (row[c] - mean[c])
                total[c] += g
        block = draw(counter)


@compiled
def _dparams(dy, x, mean, inv_std, dgamma, dbeta, workers):
    M, C = x.shape
    partial_scaled = np.empty(((M + ROWS_OF_A_BLOCK - 1) // ROWS_OF_A_BLOCK, C), np.float64)
    partial = np.empty_like(partial_scaled)
    share(workers, _dparams_tasks, (np.zeros(8, np.intp), dy, x, mean, partial_scaled, partial))
    scaled, total = _add_blocks(partial_scaled), _add_blocks(partial)
    for c in range(C):
        dgamma[c] = scaled[c] * inv_std[c]
        dbeta[c] = total[c]


def batch_norm_dparams(dy, x, mean, inv_std, dgamma, dbeta):
    """dgamma[c] = sum over m of dy[m, c] * x_hat[m, c];  dbeta[c] = sum over m of dy[m, c]"""
    _dparams(dy, x, mean, inv_std, dgamma, dbeta, workers_for(x.size * WORK))


@tasks
def _dx_tasks(counter, dy, x, mean, inv_std, factor, shift, slope, dx):
    M, C = x.shape
    block = draw(counter)
    while block * ROWS_OF_A_BLOCK < M:
        for m in range(block * ROWS_OF_A_BLOCK, min(M, (block + 1) * ROWS_OF_A_BLOCK)):
            d, row, target = dy[m], x[m], dx[m]
            for c in range(C):
                x_hat = (row[c] - mean[c]) * inv_std[c]
                target[c] = factor[c] * (d[c] - (shift[c] + x_hat * slope[c]))
        block = draw(counter)


@compiled
def _dx(dy, x, mean, inv_std, gamma, dgamma, dbeta, dx, workers):
    M, C = x.shape
    factor, shift, slope = np.empty_like(mean), np.empty_like(mean), np.empty_like(mean)
    for c in range(C):
        factor[c], shift[c], slope[c] = gamma[c] * inv_std[c], dbeta[c] / M, dgamma[c] / M
    share(
        workers, _dx_tasks, (np.zeros(8, np.intp), dy, x, mean, inv_std, factor, shift, slope, dx)
    )


def batch_norm_dx(dy, x, mean, inv_std, gamma, dgamma, dbeta, dx):
    """dx[m, c] = gamma[c] * inv_std[c] * (dy[m, c] - (dbeta[c] + x_hat[m, c] * dgamma[c]) / M)"""
    _dx(dy, x, mean, inv_std, gamma, dgamma, dbeta, dx, workers_for(x.size * WORK))

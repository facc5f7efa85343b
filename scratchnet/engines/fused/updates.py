"""The optimizers' updates in one pass over the flat arrays, shared out to threads.

A number of the result depends on its own place alone, so a task is a stretch of the arrays. The
formulas are those of engines/loops/optimizers.py; the others of that file keep Numba's loops.
"""

import numpy as np

from scratchnet.engines.fused.threads import compiled, draw, share, tasks, workers_for

__all__ = ["adam_update", "momentum_update", "nesterov_update", "rmsprop_update", "sgd_update"]

STRETCH = 16384  # numbers: a task takes about ten microseconds
WORK = 16  # multiply-adds that one number of an update is worth


@tasks
def _adam_tasks(counter, parameters, gradients, momentums, velocities, rate, take_1, take_2, eps):
    first = draw(counter) * STRETCH
    while first < parameters.size:
        last = min(first + STRETCH, parameters.size)
        w, g = parameters[first:last], gradients[first:last]
        m, v = momentums[first:last], velocities[first:last]
        for i in range(w.size):
            m[i] += (g[i] - m[i]) * take_1
            v[i] += (g[i] * g[i] - v[i]) * take_2
            w[i] -= m[i] * rate / (np.sqrt(v[i]) + eps)
        first = draw(counter) * STRETCH


@compiled
def _adam(parameters, gradients, momentums, velocities, alpha, betas, epsilon, workers):
    kind = parameters.dtype.type
    share(
        workers,
        _adam_tasks,
        (
            np.zeros(8, np.intp), parameters, gradients, momentums, velocities,
            kind(alpha), kind(1.0 - betas[0]), kind(1.0 - betas[1]), kind(epsilon),
        ),
    )  # fmt: skip


def adam_update(parameters, gradients, momentums, velocities, alpha, betas, epsilon):
    """m = m + (g - m) * (1 - beta_1);   v = v + (g**2 - v) * (1 - beta_2);
    w = w - alpha * m / (sqrt(v) + epsilon)"""
    workers = workers_for(parameters.size * WORK)
    _adam(parameters, gradients, momentums, velocities, alpha, betas, epsilon, workers)


@tasks
def _rmsprop_tasks(counter, parameters, gradients, velocities, lr, keep, take, eps):
    first = draw(counter) * STRETCH
    while first < parameters.size:
        last = min(first + STRETCH, parameters.size)
        w, g, v = parameters[first:last], gradients[first:last], velocities[first:last]
        for i in range(w.size):
            v[i] = keep * v[i] + take * (g[i] * g[i])
            w[i] -= lr * g[i] / np.sqrt(v[i] + eps)
        first = draw(counter) * STRETCH


@compiled
def _rmsprop(parameters, gradients, velocities, learning_rate, rho, epsilon, workers):
    kind = parameters.dtype.type
    share(
        workers,
        _rmsprop_tasks,
        (
            np.zeros(8, np.intp), parameters, gradients, velocities,
            kind(learning_rate), kind(rho), kind(1.0 - rho), kind(epsilon),
        ),
    )  # fmt: skip


def rmsprop_update(parameters, gradients, velocities, learning_rate, rho, epsilon):
    """v = rho * v + (1 - rho) * g**2;   w = w - learning_rate * g / sqrt(v + epsilon)"""
    workers = workers_for(parameters.size * WORK)
    _rmsprop(parameters, gradients, velocities, learning_rate, rho, epsilon, workers)


@tasks
def _sgd_tasks(counter, parameters, gradients, lr):
    first = draw(counter) * STRETCH
    while first < parameters.size:
        last = min(first + STRETCH, parameters.size)
        w, g = parameters[first:last], gradients[first:last]
        for i in range(w.size):
            w[i] -= g[i] * lr
        first = draw(counter) * STRETCH


@compiled
def _sgd(parameters, gradients, learning_rate, workers):
    lr = parameters.dtype.type(learning_rate)
    share(workers, _sgd_tasks, (np.zeros(8, np.intp), parameters, gradients, lr))


def sgd_update(parameters, gradients, learning_rate):
    """w = w - learning_rate * g"""
    _sgd(parameters, gradients, learning_rate, workers_for(parameters.size * WORK))


@tasks
def _momentum_tasks(counter, parameters, gradients, velocities, lr, mu, nesterov):
    first = draw(counter) * STRETCH
    while first < parameters.size:
        last = min(first + STRETCH, parameters.size)
        w, g, v = parameters[first:last], gradients[first:last], velocities[first:last]
        for i in range(w.size):
            v[i] = v[i] * mu - g[i] * lr
            w[i] += v[i] * mu - g[i] * lr if nesterov else v[i]
        first = draw(counter) * STRETCH


@compiled
def _momentum(parameters, gradients, velocities, learning_rate, momentum, nesterov, workers):
    kind = parameters.dtype.type
    share(
        workers,
        _momentum_tasks,
        (
            np.zeros(8, np.intp), parameters, gradients, velocities,
            kind(learning_rate), kind(momentum), nesterov,
        ),
    )  # fmt: skip


def momentum_update(parameters, gradients, velocities, learning_rate, momentum):
    """v = momentum * v - learning_rate * g;   w = w + v"""
    workers = workers_for(parameters.size * WORK)
    _momentum(parameters, gradients, velocities, learning_rate, momentum, False, workers)


def nesterov_update(parameters, gradients, velocities, learning_rate, momentum):
    """v = momentum * v - learning_rate * g;   w = w + momentum * v - learning_rate * g"""
    workers = workers_for(parameters.size * WORK)
    _momentum(parameters, gradients, velocities, learning_rate, momentum, True, workers)

"""The optimizers' updates on whole arrays, in place: the formulas of `loops/optimizers.py`, step by
step.

A Python float times a float32 array stays float32, so the hyperparameters need no rounding here.
"""

import numpy as np

__all__ = [
    "adagrad_update",
    "adam_update",
    "amsgrad_update",
    "clip_by_value",
    "momentum_update",
    "nesterov_update",
    "rmsprop_centered_momentum_update",
    "rmsprop_centered_update",
    "rmsprop_momentum_update",
    "rmsprop_update",
    "scale_gradients",
    "sgd_update",
    "sum_of_squares",
    "weight_decay_update",
]


def sum_of_squares(x):
    """returns the sum over i of x[i]**2, in float64"""
    return np.einsum("i,i->", x, x, dtype=np.float64)


def scale_gradients(gradients, factor, scaled):
    """scaled = factor * gradients"""
    np.multiply(gradients, factor, out=scaled)


def clip_by_value(gradients, clipvalue, clipped):
    """clipped = max(-clipvalue, min(clipvalue, gradients)); NaN stays NaN"""
    np.clip(gradients, -clipvalue, clipvalue, out=clipped)


def weight_decay_update(parameters, learning_rate, weight_decay):
    """w = w - w * weight_decay * learning_rate"""
    parameters -= parameters * weight_decay * learning_rate


def sgd_update(parameters, gradients, learning_rate):
    """w = w - learning_rate * g"""
    parameters -= gradients * learning_rate


def momentum_update(parameters, gradients, velocities, learning_rate, momentum):
    """v = momentum * v - learning_rate * g;   w = w + v"""
    velocities *= momentum
    velocities -= gradients * learning_rate
    parameters += velocities


def nesterov_update(parameters, gradients, velocities, learning_rate, momentum):
    """v = momentum * v - learning_rate * g;   w = w + momentum * v - learning_rate * g"""
    step = gradients * learning_rate
    velocities *= momentum
    velocities -= step
    parameters += velocities * momentum - step


def _average(averages, values, rho):
    """averages = rho * averages + (1 - rho) * values"""
    averages *= rho
    averages += (1.0 - rho) * values


def rmsprop_update(parameters, gradients, velocities, learning_rate, rho, epsilon):
    """v = rho * v + (1 - rho) * g**2;   w = w - learning_rate * g / sqrt(v + epsilon)"""
    _average(velocities, gradients * gradients, rho)
    parameters -= learning_rate * gradients / np.sqrt(velocities + epsilon)


def rmsprop_momentum_update(
    parameters, gradients, velocities, momentums, learning_rate, decays, epsilon
):
    """v = rho * v + (1 - rho) * g**2;
    m = momentum * m + learning_rate * g / sqrt(v + epsilon);   w = w - m
    """
    rho, momentum = decays
    _average(velocities, gradients * gradients, rho)
    momentums *= momentum
    momentums += learning_rate * gradients / np.sqrt(velocities + epsilon)
    parameters -= momentums


def rmsprop_centered_update(
    parameters, gradients, velocities, averages, learning_rate, rho, epsilon
):
    """v as in rmsprop_update;   a = rho * a + (1 - rho) * g;
    w = w - learning_rate * g / sqrt(v - a**2 + epsilon)
    """
    _average(velocities, gradients * gradients, rho)
    _average(averages, gradients, rho)
    parameters -= learning_rate * gradients / np.sqrt(velocities - averages * averages + epsilon)


def rmsprop_centered_momentum_update(
    parameters, gradients, velocities, averages, momentums, learning_rate, decays, epsilon
):
    """v and a as in rmsprop_centered_update;
    m = momentum * m + lr * g / sqrt(v - a**2 + epsilon);   w = w - m
    """
    rho, momentum = decays
    _average(velocities, gradients * gradients, rho)
    _average(averages, gradients, rho)
    momentums *= momentum
    momentums += learning_rate * gradients / np.sqrt(velocities - averages * averages + epsilon)
    parameters -= momentums


def adagrad_update(parameters, gradients, accumulators, learning_rate, epsilon):
    """s = s + g**2;   w = w - learning_rate * g / sqrt(s + epsilon)"""
    accumulators += gradients * gradients
    parameters -= learning_rate * gradients / np.sqrt(accumulators + epsilon)


def _adam_moments(gradients, momentums, velocities, betas):
    """m = m + (g - m) * (1 - beta_1);   v = v + (g**2 - v) * (1 - beta_2)"""
    momentums += (gradients - momentums) * (1.0 - betas[0])
    velocities += (gradients * gradients - velocities) * (1.0 - betas[1])


def adam_update(parameters, gradients, momentums, velocities, alpha, betas, epsilon):
    """m and v are moving averages of g and g**2;   w = w - alpha * m / (sqrt(v) + epsilon)"""
    _adam_moments(gradients, momentums, velocities, betas)
    parameters -= momentums * alpha / (np.sqrt(velocities) + epsilon)


def amsgrad_update(
    parameters, gradients, momentums, velocities, velocity_hats, alpha, betas, epsilon
):
    """m and v as in adam_update;   h = max(h, v);   w = w - alpha * m / (sqrt(h) + epsilon)"""
    _adam_moments(gradients, momentums, velocities, betas)
    np.maximum(velocity_hats, velocities, out=velocity_hats)
    parameters -= momentums * alpha / (np.sqrt(velocity_hats) + epsilon)

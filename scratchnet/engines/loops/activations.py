"""Activations, one number at a time: y = f(z) and dz = dy * f'(z).

Every array is flat (M,), except for softmax and log_softmax, which look at a row (M, K). `y` enters
the backward pass where the derivative is simplest in the output. Each branch is the one that cannot
overflow.

Two constants are float32 numbers even in float64 work, because TensorFlow casts them through
float32 (`tf.nn.gelu`); the last digits of a float64 gelu depend on it.

Whatever takes an exponential or a logarithm is computed in float64 and rounded once, on store.
"""

import math

import numpy as np

from scratchnet.engines.loops.parallel import prange

__all__ = [
    "elu_backward",
    "elu_forward",
    "exponential_backward",
    "exponential_forward",
    "gelu_backward",
    "gelu_forward",
    "gelu_tanh_backward",
    "gelu_tanh_forward",
    "hard_sigmoid_backward",
    "hard_sigmoid_forward",
    "log_softmax_backward",
    "log_softmax_forward",
    "relu_backward",
    "relu_forward",
    "selu_backward",
    "selu_forward",
    "sigmoid_backward",
    "sigmoid_forward",
    "silu_backward",
    "silu_forward",
    "softmax_backward",
    "softmax_forward",
    "softplus_backward",
    "softplus_forward",
    "softsign_backward",
    "softsign_forward",
    "tanh_backward",
    "tanh_forward",
]

SELU_ALPHA = 1.6732632423543772848170429916717
SELU_SCALE = 1.0507009873554804934193349852946
SQRT_HALF = float(np.float32(0.7071067811865476))
SQRT_PI = math.sqrt(math.pi)
TANH_SCALE = 0.7978845608028654  # sqrt(2 / pi)
TANH_CUBE = float(np.float32(0.044715))


def relu_forward(z, negative_slope, max_value, threshold, y):
    """y = min(z, max_value) where z > threshold, else negative_slope * (z - threshold)"""
    for i in prange(z.size):
        if z[i] > threshold:
            y[i] = min(z[i], max_value)
        else:
            y[i] = negative_slope * (z[i] - threshold)


def relu_backward(dy, z, y, negative_slope, limit, threshold, dz):
    """dz = dy * f', f' = 1 where threshold < z <= limit, negative_slope where z < threshold, else 0

    `limit` is the largest z that max_value leaves alone. At z = threshold = 0 the slope of the left
    side holds (TensorFlow's rule), at another threshold none.
    """
    for i in prange(z.size):
        if z[i] > threshold:
            dz[i] = dy[i] if z[i] <= limit else 0
        elif z[i] < threshold or threshold == 0:
            dz[i] = dy[i] * negative_slope
        else:
            dz[i] = 0


def elu_forward(z, alpha, y):
    """y = z where z > 0, else alpha * (exp(z) - 1)"""
    for i in prange(z.size):
        v = np.float64(z[i])
        y[i] = v if v > 0 else alpha * np.expm1(v)


def elu_backward(dy, z, y, alpha, dz):
    """dz = dy * f', f' = 1 where z > 0, else alpha * exp(z)"""
    for i in prange(z.size):
        v = np.float64(z[i])
        dz[i] = dy[i] if v > 0 else dy[i] * alpha * np.exp(v)


def selu_forward(z, y):
    """y = SELU_SCALE * (z where z > 0, else SELU_ALPHA * (exp(z) - 1))

    source    Klambauer et al., "Self-Normalizing Neural Networks" (2017), equation 2
    """
    for i in prange(z.size):
        v = np.float64(z[i])
        y[i] = SELU_SCALE * v if v > 0 else SELU_SCALE * SELU_ALPHA * np.expm1(v)


def selu_backward(dy, z, y, dz):
    """dz = dy * f', f' = SELU_SCALE where z >= 0, else SELU_SCALE * SELU_ALPHA * exp(z)"""
    for i in prange(z.size):
        v = np.float64(z[i])
        dz[i] = dy[i] * SELU_SCALE if v >= 0 else dy[i] * SELU_SCALE * SELU_ALPHA * np.exp(v)


def sigmoid_forward(z, y):
    """y = 1 / (1 + exp(-z))"""
    for i in prange(z.size):
        v = np.float64(z[i])
        e = np.exp(-abs(v))
        y[i] = 1 / (1 + e) if v >= 0 else e / (1 + e)


def sigmoid_backward(dy, z, y, dz):
    """dz = dy * f', f' = y * (1 - y)"""
    for i in prange(z.size):
        v = np.float64(y[i])
        dz[i] = dy[i] * v * (1 - v)


def hard_sigmoid_forward(z, y):
    """y = min(max(z + 3, 0), 6) / 6"""
    for i in prange(z.size):
        y[i] = min(max(z[i] + 3, 0), 6) / 6


def hard_sigmoid_backward(dy, z, y, dz):
    """dz = dy * f', f' = 1/6 where -3 < z < 3, else 0"""
    for i in prange(z.size):
        dz[i] = dy[i] / 6 if 0 < z[i] + 3 < 6 else 0


def tanh_forward(z, y):
    """y = tanh(z)"""
    for i in prange(z.size):
        y[i] = np.tanh(np.float64(z[i]))


def tanh_backward(dy, z, y, dz):
    """dz = dy * f', f' = 1 - y^2"""
    for i in prange(z.size):
        v = np.float64(y[i])
        dz[i] = dy[i] * (1 - v * v)


def softplus_forward(z, y):
    """y = log(1 + exp(z)) = max(z, 0) + log(1 + exp(-|z|))"""
    for i in prange(z.size):
        v = np.float64(z[i])
        y[i] = max(v, 0) + np.log1p(np.exp(-abs(v)))


def softplus_backward(dy, z, y, dz):
    """dz = dy * f', f' = sigmoid(z)"""
    for i in prange(z.size):
        v = np.float64(z[i])
        e = np.exp(-abs(v))
        dz[i] = dy[i] / (1 + e) if v >= 0 else dy[i] * e / (1 + e)


def softsign_forward(z, y):
    """y = z / (1 + |z|)"""
    for i in prange(z.size):
        v = np.float64(z[i])
        y[i] = v / (1 + abs(v))


def softsign_backward(dy, z, y, dz):
    """dz = dy * f', f' = 1 / (1 + |z|)^2"""
    for i in prange(z.size):
        v = np.float64(z[i])
        dz[i] = dy[i] / (1 + abs(v)) ** 2


def silu_forward(z, y):
    """y = z * sigmoid(z)"""
    for i in prange(z.size):
        v = np.float64(z[i])
        e = np.exp(-abs(v))
        y[i] = v / (1 + e) if v >= 0 else v * e / (1 + e)


def silu_backward(dy, z, y, dz):
    """dz = dy * f', f' = s * (1 + z * (1 - s)) with s = sigmoid(z)"""
    for i in prange(z.size):
        v = np.float64(z[i])
        e = np.exp(-abs(v))
        s = 1 / (1 + e) if v >= 0 else e / (1 + e)
        dz[i] = dy[i] * s * (1 + v * (1 - s))


def gelu_forward(z, y):
    """y = z * Phi(z), Phi the normal distribution function: Phi(z) = erfc(-z / sqrt(2)) / 2

    source    Hendrycks and Gimpel, "Gaussian Error Linear Units" (2016), section 2
    """
    for i in prange(z.size):
        v = np.float64(z[i])
        y[i] = 0.5 * v * math.erfc(-v * SQRT_HALF)


def gelu_backward(dy, z, y, dz):
    """dz = dy * f', f' = Phi(z) + z * (normal density at z)"""
    for i in prange(z.size):
        v = np.float64(z[i])
        t = v * SQRT_HALF
        dz[i] = dy[i] * (0.5 * math.erfc(-t) + t * np.exp(-t * t) / SQRT_PI)


def gelu_tanh_forward(z, y):
    """y = z * (1 + tanh(u)) / 2 with u = TANH_SCALE * (z + TANH_CUBE * z^3): nearly gelu"""
    for i in prange(z.size):
        v = np.float64(z[i])
        y[i] = 0.5 * v * (1 + np.tanh(TANH_SCALE * (v + TANH_CUBE * v**3)))


def gelu_tanh_backward(dy, z, y, dz):
    """dz = dy * f', f' = (1 + t) / 2 + z * (1 - t^2) * u' / 2 with t = tanh(u)"""
    for i in prange(z.size):
        v = np.float64(z[i])
        t = np.tanh(TANH_SCALE * (v + TANH_CUBE * v**3))
        slope = TANH_SCALE * (1 + 3 * TANH_CUBE * v**2)
        dz[i] = dy[i] * (0.5 * (1 + t) + 0.5 * v * (1 - t * t) * slope)


def exponential_forward(z, y):
    """y = exp(z)"""
    for i in prange(z.size):
        y[i] = np.exp(np.float64(z[i]))


def exponential_backward(dy, z, y, dz):
    """dz = dy * f', f' = y"""
    for i in prange(z.size):
        dz[i] = dy[i] * y[i]


def softmax_forward(z, y):
    """y[m, k] = exp(z[m, k] - largest) / sum over j of exp(z[m, j] - largest)

    shapes    z, y (M, K)
    threads   one row m each
    derived   subtracting the largest z of the row changes nothing in the quotient, and no exp can
              overflow
    """
    M, K = z.shape
    for m in prange(M):
        largest = np.float64(z[m, 0])
        for k in range(K):
            largest = max(largest, np.float64(z[m, k]))
        total = np.float64(0.0)
        for k in range(K):
            total += np.exp(z[m, k] - largest)
        for k in range(K):
            y[m, k] = np.exp(z[m, k] - largest) / total


def softmax_backward(dy, z, y, dz):
    """dz[m, k] = y[m, k] * (dy[m, k] - sum over j of dy[m, j] * y[m, j])

    shapes    all (M, K)
    threads   one row m each
    derived   dy_j/dz_k = y_j * (1 if j = k else 0) - y_j * y_k: the Jacobian is not diagonal
    """
    M, K = z.shape
    for m in prange(M):
        total = np.float64(0.0)
        for k in range(K):
            total += np.float64(dy[m, k]) * y[m, k]
        for k in range(K):
            dz[m, k] = y[m, k] * (dy[m, k] - total)


def log_softmax_forward(z, y):
    """y[m, k] = z[m, k] - largest - log(sum over j of exp(z[m, j] - largest))

    shapes    z, y (M, K)
    threads   one row m each
    """
    M, K = z.shape
    for m in prange(M):
        largest = np.float64(z[m, 0])
        for k in range(K):
            largest = max(largest, np.float64(z[m, k]))
        total = np.float64(0.0)
        for k in range(K):
            total += np.exp(z[m, k] - largest)
        for k in range(K):
            y[m, k] = (z[m, k] - largest) - np.log(total)


def log_softmax_backward(dy, z, y, dz):
    """dz[m, k] = dy[m, k] - exp(y[m, k]) * sum over j of dy[m, j]

    shapes    all (M, K)
    threads   one row m each
    derived   dy_j/dz_k = (1 if j = k else 0) - softmax_k
    """
    M, K = z.shape
    for m in prange(M):
        total = np.float64(0.0)
        for k in range(K):
            total += dy[m, k]
        for k in range(K):
            dz[m, k] = dy[m, k] - np.exp(y[m, k]) * total

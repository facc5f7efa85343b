"""The optimizers' updates: one pass over a flat array of parameters, in place.

Parameters, gradients and slots are 1-D and of one float type; hyperparameters are Python floats,
rounded to that type before the loop, so that every engine computes in it. The formulas are Keras's;
where others differ it says so.
"""

import numpy as np

from scratchnet.engines.loops.parallel import prange

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

# numbers that one thread sums: fixed, so that the sum does not depend on the thread count
BLOCK = 8192


def sum_of_squares(x):
    """returns the sum over i of x[i]**2, in float64

    shapes    x (n,)
    threads   one block of BLOCK numbers each; the blocks' sums are added in order
    derived   the square of the norm that clipnorm and global_clipnorm compare with
    """
    blocks = (x.size + BLOCK - 1) // BLOCK
    partial = np.zeros(blocks, dtype=np.float64)
    for block in prange(blocks):
        total = np.float64(0.0)
        for i in range(block * BLOCK, min((block + 1) * BLOCK, x.size)):
            value = np.float64(x[i])
            total += value * value
        partial[block] = total
    total = np.float64(0.0)
    for block in range(blocks):
        total += partial[block]
    return total


def scale_gradients(gradients, factor, scaled):
    """scaled[i] = factor * gradients[i]

    shapes    gradients, scaled (n,)
    threads   one i each
    source    tf.clip_by_norm: factor = clipnorm / max(norm, clipnorm)
    """
    factor = gradients.dtype.type(factor)
    for i in prange(gradients.size):
        scaled[i] = factor * gradients[i]


def clip_by_value(gradients, clipvalue, clipped):
    """clipped[i] = max(-clipvalue, min(clipvalue, gradients[i])); NaN stays NaN

    shapes    gradients, clipped (n,)
    threads   one i each
    source    tf.clip_by_value
    """
    limit = gradients.dtype.type(clipvalue)
    for i in prange(gradients.size):
        g = gradients[i]
        if g > limit:
            g = limit
        elif g < -limit:
            g = -limit
        clipped[i] = g


def weight_decay_update(parameters, learning_rate, weight_decay):
    """w = w - w * weight_decay * learning_rate

    shapes    parameters (n,), updated
    threads   one i each
    source    Loshchilov and Hutter, "Decoupled weight decay regularization": the decay goes past
              the optimizer's averages. Keras does this for every optimizer; elsewhere only AdamW
              has it, and weight decay in SGD means g = g + weight_decay * w.
    """
    lr, wd = parameters.dtype.type(learning_rate), parameters.dtype.type(weight_decay)
    for i in prange(parameters.size):
        parameters[i] -= parameters[i] * wd * lr


def sgd_update(parameters, gradients, learning_rate):
    """w = w - learning_rate * g

    shapes    parameters, gradients (n,); parameters updated
    threads   one i each
    derived   a step downhill
    """
    lr = parameters.dtype.type(learning_rate)
    for i in prange(parameters.size):
        parameters[i] -= gradients[i] * lr


def momentum_update(parameters, gradients, velocities, learning_rate, momentum):
    """v = momentum * v - learning_rate * g;   w = w + v

    shapes    parameters, gradients, velocities (n,); parameters and velocities updated
    threads   one i each
    source    Polyak 1964. The rate is inside v, as in Sutskever et al. 2013; PyTorch has v =
              momentum * v + g and w = w - learning_rate * v, which differs as soon as the rate
              changes; autograd scales g by 1 - momentum.
    """
    lr, mu = parameters.dtype.type(learning_rate), parameters.dtype.type(momentum)
    for i in prange(parameters.size):
        velocities[i] = velocities[i] * mu - gradients[i] * lr
        parameters[i] += velocities[i]


def nesterov_update(parameters, gradients, velocities, learning_rate, momentum):
    """v = momentum * v - learning_rate * g;   w = w + momentum * v - learning_rate * g

    shapes    parameters, gradients, velocities (n,); parameters and velocities updated
    threads   one i each
    source    Sutskever et al. 2013, in Keras's form: w is the point already looked ahead to, so
              that the gradient is taken where the parameters stand
    """
    lr, mu = parameters.dtype.type(learning_rate), parameters.dtype.type(momentum)
    for i in prange(parameters.size):
        velocities[i] = velocities[i] * mu - gradients[i] * lr
        parameters[i] += velocities[i] * mu - gradients[i] * lr


def rmsprop_update(parameters, gradients, velocities, learning_rate, rho, epsilon):
    """v = rho * v + (1 - rho) * g**2;   w = w - learning_rate * g / sqrt(v + epsilon)

    shapes    parameters, gradients, velocities (n,); parameters and velocities updated
    threads   one i each
    source    Hinton 2012, lecture 6e. epsilon is inside the root and v starts at 0; PyTorch divides
              by sqrt(v) + epsilon, and autograd starts v at 1.
    """
    lr, eps = parameters.dtype.type(learning_rate), parameters.dtype.type(epsilon)
    keep, take = parameters.dtype.type(rho), parameters.dtype.type(1.0 - rho)
    for i in prange(parameters.size):
        g = gradients[i]
        velocities[i] = keep * velocities[i] + take * (g * g)
        parameters[i] -= lr * g / np.sqrt(velocities[i] + eps)


def rmsprop_momentum_update(
    parameters, gradients, velocities, momentums, learning_rate, decays, epsilon
):
    """v = rho * v + (1 - rho) * g**2;
    m = momentum * m + learning_rate * g / sqrt(v + epsilon);   w = w - m

    shapes    parameters, gradients, velocities, momentums (n,); all but gradients updated; decays =
              (rho, momentum)
    threads   one i each
    source    Keras; the momentum is plain, never Nesterov's
    """
    lr, eps = parameters.dtype.type(learning_rate), parameters.dtype.type(epsilon)
    keep, take = parameters.dtype.type(decays[0]), parameters.dtype.type(1.0 - decays[0])
    mu = parameters.dtype.type(decays[1])
    for i in prange(parameters.size):
        g = gradients[i]
        velocities[i] = keep * velocities[i] + take * (g * g)
        momentums[i] = mu * momentums[i] + lr * g / np.sqrt(velocities[i] + eps)
        parameters[i] -= momentums[i]


def rmsprop_centered_update(
    parameters, gradients, velocities, averages, learning_rate, rho, epsilon
):
    """v as in rmsprop_update;   a = rho * a + (1 - rho) * g;
    w = w - learning_rate * g / sqrt(v - a**2 + epsilon)

    shapes    parameters, gradients, velocities, averages (n,); all but gradients updated
    threads   one i each
    source    Graves 2013: v - a**2 estimates the variance of the gradient
    """
    lr, eps = parameters.dtype.type(learning_rate), parameters.dtype.type(epsilon)
    keep, take = parameters.dtype.type(rho), parameters.dtype.type(1.0 - rho)
    for i in prange(parameters.size):
        g = gradients[i]
        velocities[i] = keep * velocities[i] + take * (g * g)
        averages[i] = keep * averages[i] + take * g
        parameters[i] -= lr * g / np.sqrt(velocities[i] - averages[i] * averages[i] + eps)


def rmsprop_centered_momentum_update(
    parameters, gradients, velocities, averages, momentums, learning_rate, decays, epsilon
):
    """v and a as in rmsprop_centered_update;
    m = momentum * m + lr * g / sqrt(v - a**2 + epsilon);   w = w - m

    shapes    parameters, gradients, velocities, averages, momentums (n,); all but gradients
              updated; decays = (rho, momentum)
    threads   one i each
    source    Graves 2013, with the momentum of rmsprop_momentum_update
    """
    lr, eps = parameters.dtype.type(learning_rate), parameters.dtype.type(epsilon)
    keep, take = parameters.dtype.type(decays[0]), parameters.dtype.type(1.0 - decays[0])
    mu = parameters.dtype.type(decays[1])
    for i in prange(parameters.size):
        g = gradients[i]
        velocities[i] = keep * velocities[i] + take * (g * g)
        averages[i] = keep * averages[i] + take * g
        step = lr * g / np.sqrt(velocities[i] - averages[i] * averages[i] + eps)
        momentums[i] = mu * momentums[i] + step
        parameters[i] -= momentums[i]


def adagrad_update(parameters, gradients, accumulators, learning_rate, epsilon):
    """s = s + g**2;   w = w - learning_rate * g / sqrt(s + epsilon)

    shapes    parameters, gradients, accumulators (n,); parameters and accumulators updated
    threads   one i each
    source    Duchi et al. 2011. epsilon is inside the root, and Keras starts s at 0.1; PyTorch
              divides by sqrt(s) + epsilon and starts at 0.
    """
    lr, eps = parameters.dtype.type(learning_rate), parameters.dtype.type(epsilon)
    for i in prange(parameters.size):
        g = gradients[i]
        accumulators[i] += g * g
        parameters[i] -= lr * g / np.sqrt(accumulators[i] + eps)


def adam_update(parameters, gradients, momentums, velocities, alpha, betas, epsilon):
    """m = m + (g - m) * (1 - beta_1);   v = v + (g**2 - v) * (1 - beta_2);
    w = w - alpha * m / (sqrt(v) + epsilon)

    shapes    parameters, gradients, momentums, velocities (n,); all but gradients updated; betas =
              (beta_1, beta_2)
    threads   one i each
    source    Kingma and Ba 2015, the formula before section 2.1: both bias corrections are folded
              into alpha = learning_rate * sqrt(1 - beta_2**t) / (1 - beta_1**t), so epsilon meets
              the uncorrected sqrt(v) ("epsilon hat", 1e-7 in Keras, 1e-8 in scikit-learn). PyTorch
              and the paper's Algorithm 1 have m_hat / (sqrt(v_hat) + epsilon), which differs most
              where gradients are tiny.
    """
    rate, eps = parameters.dtype.type(alpha), parameters.dtype.type(epsilon)
    take_1, take_2 = parameters.dtype.type(1.0 - betas[0]), parameters.dtype.type(1.0 - betas[1])
    for i in prange(parameters.size):
        g = gradients[i]
        momentums[i] += (g - momentums[i]) * take_1
        velocities[i] += (g * g - velocities[i]) * take_2
        parameters[i] -= momentums[i] * rate / (np.sqrt(velocities[i]) + eps)


def amsgrad_update(
    parameters, gradients, momentums, velocities, velocity_hats, alpha, betas, epsilon
):
    """m and v as in adam_update;   h = max(h, v);   w = w - alpha * m / (sqrt(h) + epsilon)

    shapes    parameters, gradients, momentums, velocities, velocity_hats (n,); all but gradients
              updated; betas = (beta_1, beta_2)
    threads   one i each
    source    Reddi et al. 2018; the largest v is kept uncorrected, as in adam_update
    """
    rate, eps = parameters.dtype.type(alpha), parameters.dtype.type(epsilon)
    take_1, take_2 = parameters.dtype.type(1.0 - betas[0]), parameters.dtype.type(1.0 - betas[1])
    for i in prange(parameters.size):
        g = gradients[i]
        momentums[i] += (g - momentums[i]) * take_1
        velocities[i] += (g * g - velocities[i]) * take_2
        velocity_hats[i] = np.maximum(velocity_hats[i], velocities[i])
        parameters[i] -= momentums[i] * rate / (np.sqrt(velocity_hats[i]) + eps)

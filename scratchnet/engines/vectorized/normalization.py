"""Batch normalization with broadcasting over the rows."""

import numpy as np

__all__ = ["batch_norm_dparams", "batch_norm_dx", "batch_norm_forward", "batch_norm_statistics"]


def batch_norm_statistics(x, mean, variance):
    """mean and variance of each column (sums in float64)"""
    center = x.mean(axis=0, dtype=np.float64)
    mean[...] = center
    variance[...] = np.square(x - center).mean(axis=0)


def batch_norm_forward(x, mean, inv_std, gamma, beta, y):
    """y = gamma * (x - mean) * inv_std + beta"""
    np.subtract(x, mean, out=y)
    y *= gamma * inv_std
    y += beta


def batch_norm_dparams(dy, x, mean, inv_std, dgamma, dbeta):
    """dgamma = (dy * x_hat) summed over M;  dbeta = dy summed over M"""
    dgamma[...] = (dy * (x - mean) * inv_std).sum(axis=0, dtype=np.float64)
    dbeta[...] = dy.sum(axis=0, dtype=np.float64)


def batch_norm_dx(dy, x, mean, inv_std, gamma, dgamma, dbeta, dx):
    """dx = gamma * inv_std * (dy - (dbeta + x_hat * dgamma) / M)"""
    x_hat = (x - mean) * inv_std
    dx[...] = gamma * inv_std * (dy - (dbeta + x_hat * dgamma) / len(x))

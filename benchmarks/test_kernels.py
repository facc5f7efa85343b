"""Single operations in every engine, on the sizes that the second convolution of `cnn` has."""

import numpy as np
import pytest

from scratchnet import engines

ENGINES = ["numpy", "numba"]  # `loops` takes minutes here; `test_loops_on_one_sample` times it
RNG = np.random.default_rng(0)


def conv_arrays(rows):
    """Input, kernel, bias of the second convolution: 13x13x32 to 11x11x64."""
    x = RNG.standard_normal((rows, 13, 13, 32), dtype=np.float32)
    kernel = RNG.standard_normal((3, 3, 32, 64), dtype=np.float32)
    return x, kernel, np.zeros(64, np.float32)


def forward(engine, x, kernel, bias, z):
    engines.load(engine).conv2d_forward(x, kernel, bias, (1, 1), (1, 1), z)
    return z


@pytest.mark.benchmark(group="conv2d_forward, 128 images")
@pytest.mark.parametrize("engine", ENGINES)
def test_conv2d_forward(record, engine):
    x, kernel, bias = conv_arrays(128)
    z = np.empty((128, 11, 11, 64), np.float32)
    expected = forward("numpy", x, kernel, bias, np.empty_like(z))
    np.testing.assert_allclose(forward(engine, x, kernel, bias, z), expected, atol=1e-3)
    record(forward, engine, x, kernel, bias, z)
    flops = 2 * z.size * kernel[..., 0].size
    record.extra_info["GFLOP/s"] = flops / record.stats["median"] / 1e9


@pytest.mark.benchmark(group="conv2d_forward, 1 image")
@pytest.mark.parametrize("engine", ["loops", *ENGINES])
def test_loops_on_one_sample(record, engine):
    x, kernel, bias = conv_arrays(1)
    z = np.empty((1, 3, 3, 64), np.float32)  # nine positions: what the interpreter can bear
    x = np.ascontiguousarray(x[:, :5, :5])
    expected = forward("numpy", x, kernel, bias, np.empty_like(z))
    np.testing.assert_allclose(forward(engine, x, kernel, bias, z), expected, atol=1e-3)
    record.pedantic(forward, (engine, x, kernel, bias, z), rounds=3)
    record.extra_info["GFLOP/s"] = 2 * z.size * kernel[..., 0].size / record.stats["median"] / 1e9


@pytest.mark.benchmark(group="dense_forward, 128 x 784 x 512")
@pytest.mark.parametrize("engine", ENGINES)
def test_dense_forward(record, engine):
    x = RNG.standard_normal((128, 784), dtype=np.float32)
    kernel = RNG.standard_normal((784, 512), dtype=np.float32)
    bias, z = np.zeros(512, np.float32), np.empty((128, 512), np.float32)
    operation = engines.load(engine).dense_forward
    operation(x, kernel, bias, z)
    np.testing.assert_allclose(z, x @ kernel, atol=1e-3)
    record(operation, x, kernel, bias, z)
    record.extra_info["GFLOP/s"] = 2 * x.size * 512 / record.stats["median"] / 1e9

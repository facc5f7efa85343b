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


def agree(operation, arrays, outputs, atol=1e-3):
    """Call the operation of both engines and compare what they write: `outputs` of `arrays`."""
    results = []
    for engine in ENGINES:
        copies = [a.copy() if isinstance(a, np.ndarray) else a for a in arrays]
        getattr(engines.load(engine), operation)(*copies)
        results.append([copies[index] for index in outputs])
    for ours, theirs in zip(*results, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=atol)


@pytest.mark.benchmark(group="conv2d backward, 128 images")
@pytest.mark.parametrize("engine", ENGINES)
def test_conv2d_backward(record, engine):
    x, kernel, bias = conv_arrays(128)
    dz = RNG.standard_normal((128, 11, 11, 64), dtype=np.float32)
    step = (1, 1), (1, 1)
    rows = dz.reshape(-1, 64)
    dx, dkernel, dbias = np.empty_like(x), np.empty_like(kernel), np.empty_like(bias)
    agree("conv2d_dx", (dz, kernel, *step, dx), [4])
    agree("conv2d_dkernel", (x, dz, *step, dkernel), [4], atol=1e-2)  # sums of 15,488 products
    agree("bias_gradient", (rows, dbias), [1], atol=1e-2)
    ops = engines.load(engine)

    def backward():
        ops.conv2d_dx(dz, kernel, *step, dx)
        ops.conv2d_dkernel(x, dz, *step, dkernel)
        ops.bias_gradient(rows, dbias)

    record(backward)
    flops = 4 * dz.size * kernel[..., 0].size
    record.extra_info["GFLOP/s"] = flops / record.stats["median"] / 1e9


@pytest.mark.benchmark(group="dense backward, 128 x 784 x 512")
@pytest.mark.parametrize("engine", ENGINES)
def test_dense_backward(record, engine):
    x = RNG.standard_normal((128, 784), dtype=np.float32)
    kernel = RNG.standard_normal((784, 512), dtype=np.float32)
    dz = RNG.standard_normal((128, 512), dtype=np.float32)
    dx, dkernel, dbias = np.empty_like(x), np.empty_like(kernel), np.empty(512, np.float32)
    agree("dense_dx", (dz, kernel, dx), [2])
    agree("dense_dkernel", (x, dz, dkernel), [2])
    agree("bias_gradient", (dz, dbias), [1])
    ops = engines.load(engine)

    def backward():
        ops.dense_dx(dz, kernel, dx)
        ops.dense_dkernel(x, dz, dkernel)
        ops.bias_gradient(dz, dbias)

    record(backward)
    record.extra_info["GFLOP/s"] = 4 * x.size * 512 / record.stats["median"] / 1e9


def pool_arrays():
    """x, pool, strides, y, argmax of the pooling after the first convolution: 26x26x32 to 13x13."""
    x = RNG.standard_normal((128, 26, 26, 32), dtype=np.float32)
    shape = (128, 13, 13, 32)
    return x, (2, 2), (2, 2), np.empty(shape, np.float32), np.empty(shape, np.int32)


@pytest.mark.benchmark(group="max_pool_forward, 128 images")
@pytest.mark.parametrize("engine", ENGINES)
def test_max_pool_forward(record, engine):
    arrays = pool_arrays()
    agree("max_pool_forward", arrays, [3, 4], atol=0)
    record(engines.load(engine).max_pool_forward, *arrays)


@pytest.mark.benchmark(group="max_pool_dx, 128 images")
@pytest.mark.parametrize("engine", ENGINES)
def test_max_pool_dx(record, engine):
    x, pool, strides, y, argmax = pool_arrays()
    engines.load("numpy").max_pool_forward(x, pool, strides, y, argmax)
    dy, dx = RNG.standard_normal(y.shape, dtype=np.float32), np.empty_like(x)
    agree("max_pool_dx", (dy, argmax, pool, strides, dx), [4], atol=0)
    record(engines.load(engine).max_pool_dx, dy, argmax, pool, strides, dx)


@pytest.mark.benchmark(group="adam_update, 400,000 parameters")
@pytest.mark.parametrize("engine", ENGINES)
def test_adam_update(record, engine):
    parameters, gradients = RNG.standard_normal((2, 400_000), dtype=np.float32)
    moments = np.zeros((2, 400_000), np.float32)
    arrays = parameters, gradients, *moments, 1e-3, (0.9, 0.999), 1e-7
    agree("adam_update", arrays, [0, 2, 3], atol=1e-6)
    record(engines.load(engine).adam_update, *arrays)


@pytest.mark.benchmark(group="dropout_mask, 128 x 512")
@pytest.mark.parametrize("engine", ENGINES)
def test_dropout_mask(record, engine):
    mask = np.empty(128 * 512, np.uint8)
    arrays = 3, 5, 23, 2**22, mask  # a rate of one half, in float32
    agree("dropout_mask", arrays, [4], atol=0)
    record(engines.load(engine).dropout_mask, *arrays)

"""Conv2D: against the definition, its gradients, and TensorFlow's rule of padding."""

import numpy as np
import pytest

from scratchnet.layers import Conv2D, Convolution2D
from scratchnet.tests.gradients import assert_gradients

CASES = {
    "valid": {"kernel_size": (3, 2)},
    "same": {"kernel_size": (3, 2), "padding": "same"},
    "valid-stride": {"kernel_size": 2, "strides": (2, 3)},
    "same-stride": {"kernel_size": (3, 4), "strides": (2, 3), "padding": "same"},
    "valid-dilation": {"kernel_size": (2, 3), "dilation_rate": (3, 2)},
    "same-dilation": {"kernel_size": (2, 3), "dilation_rate": (2, 1), "padding": "same"},
    "1x1": {"kernel_size": 1, "use_bias": False},
    "stride-beyond-kernel": {"kernel_size": 1, "strides": 2},
    "relu": {"kernel_size": 2, "activation": "relu"},
}


def definition(x, layer):
    """Every output from its window, sliced out of an image padded as TensorFlow does."""
    (R, S), (sh, sw), (dh, dw) = layer.kernel_size, layer.strides, layer.dilation_rate
    reach = (R - 1) * dh + 1, (S - 1) * dw + 1
    if layer.padding == "same":
        extra = [
            max((-(-size // stride) - 1) * stride + k - size, 0)
            for size, stride, k in zip(x.shape[1:3], (sh, sw), reach, strict=True)
        ]
        x = np.pad(x, [(0, 0), *((e // 2, e - e // 2) for e in extra), (0, 0)])
    kernel = layer.params["kernel"]
    P, Q = (x.shape[1] - reach[0]) // sh + 1, (x.shape[2] - reach[1]) // sw + 1
    z = np.empty((len(x), P, Q, layer.filters))
    for p in range(P):
        for q in range(Q):
            window = x[:, p * sh : p * sh + reach[0] : dh, q * sw : q * sw + reach[1] : dw]
            z[:, p, q] = np.tensordot(window, kernel, axes=3)
    return z + (layer.params["bias"] if layer.use_bias else 0)


@pytest.mark.parametrize("options", CASES.values(), ids=CASES)
def test_forward_is_the_definition(options, rng, each_engine):
    layer = Conv2D(3, **{**options, "activation": None}, dtype="float64")
    layer.build((None, 7, 6, 2))
    layer.set_weights([rng.normal(size=w.shape) for w in layer.weights])
    x = rng.normal(size=(3, 7, 6, 2))
    y = layer(x)
    assert y.shape == layer.compute_output_shape(x.shape)
    np.testing.assert_allclose(y, definition(x, layer), rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("options", CASES.values(), ids=CASES)
def test_gradients_match_central_difference(options, rng, each_engine):
    layer = Conv2D(3, bias_initializer="random_normal", **options)
    assert_gradients(layer, (7, 6, 2), rng, n=2, samples=12)


def test_kernel_is_not_flipped(each_engine):
    layer = Conv2D(1, (1, 2), use_bias=False)
    layer.build((None, 1, 3, 1))
    layer.set_weights([np.reshape([1.0, 10.0], (1, 2, 1, 1))])
    x = np.reshape([1.0, 2.0, 3.0], (1, 1, 3, 1))
    np.testing.assert_array_equal(layer(x).ravel(), [21, 32])


def test_same_padding_puts_the_odd_row_below(each_engine):
    layer = Conv2D(1, 3, strides=2, padding="same", use_bias=False, kernel_initializer="ones")
    x = np.arange(16, dtype=float).reshape(1, 4, 4, 1)
    # nothing above and left, one row below and one column right
    np.testing.assert_array_equal(layer(x)[0, :, :, 0], [[45, 39], [66, 50]])


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_dtype_in_is_dtype_out(dtype, rng, each_engine):
    layer = Conv2D(3, 2, padding="same", dtype=dtype)
    y = layer(rng.normal(size=(2, 5, 4, 2)), training=True)
    dx = layer.backward(rng.normal(size=y.shape).astype(dtype))
    assert dx.shape == (2, 5, 4, 2)
    assert dx.flags.c_contiguous
    assert {a.dtype.name for a in (y, dx, *layer.params.values(), *layer.grads.values())} == {dtype}


def test_other_channels_than_built_for_raise():
    layer = Conv2D(3, 2, name="c")
    layer.build((None, 5, 4, 2))
    with pytest.raises(
        ValueError, match=r"Conv2D 'c': expected x of shape \(N, H, W, 2\), got \(N, 5, 4, 3\)"
    ):
        layer(np.zeros((1, 5, 4, 3)))


def test_unknown_image_size_is_known_with_the_data():
    layer = Conv2D(3, 2, strides=2)
    assert layer.compute_output_shape((None, None, 9, 2)) == (None, None, 4, 3)


def test_config_makes_the_layer_again():
    layer = Convolution2D(3, (2, 3), padding="SAME", dilation_rate=2, kernel_regularizer="l1")
    again = Conv2D.from_config(layer.get_config())
    assert again.get_config() == layer.get_config()
    assert again.padding == "same"


def test_lowest_layer_computes_no_dx(rng):
    layer = Conv2D(3, 2)
    y = layer(rng.normal(size=(2, 4, 4, 1)), training=True)
    layer.needs_dx = False
    assert layer.backward(np.ones_like(y)) is None


def test_without_bias_the_bias_is_none():
    layer = Conv2D(2, 1, use_bias=False)
    layer.build((None, 3, 3, 1))
    assert layer.bias is None
    assert len(layer.weights) == 1

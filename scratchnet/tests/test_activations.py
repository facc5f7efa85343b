"""Activations: values worked by hand, gradients, and extreme inputs."""

import math

import numpy as np
import pytest

from scratchnet import activations
from scratchnet.activations import ACTIVATIONS

SMOOTH_CASES = [
    *((name, {}) for name in sorted(ACTIVATIONS)),
    ("relu", {"negative_slope": 0.25, "max_value": 1.5, "threshold": 0.5}),
    ("leaky_relu", {"negative_slope": 0.125}),
    ("elu", {"alpha": 0.5}),
    ("gelu", {"approximate": True}),
    ("softmax", {"axis": 1}),
    ("log_softmax", {"axis": 0}),
]
E = math.e

HAND = [
    ("linear", {}, -2.0, -2.0),
    ("relu", {}, -2.0, 0.0),
    ("relu", {}, 3.0, 3.0),
    ("relu", {"negative_slope": 0.25, "threshold": 1.0}, -1.0, -0.5),
    ("relu", {"max_value": 2.0}, 3.0, 2.0),
    ("relu6", {}, 7.0, 6.0),
    ("leaky_relu", {}, -1.0, -float(np.float32(0.2))),
    ("elu", {"alpha": 2.0}, -1.0, 2 * (1 / E - 1)),
    ("selu", {}, 1.0, 1.0507009873554805),
    ("selu", {}, -1.0, 1.0507009873554805 * 1.6732632423543772 * (1 / E - 1)),
    ("sigmoid", {}, -1.0, 1 / (1 + E)),
    ("hard_sigmoid", {}, 1.5, 0.75),
    ("hard_sigmoid", {}, -4.0, 0.0),
    ("tanh", {}, 0.5, math.tanh(0.5)),
    ("softplus", {}, 1.0, math.log(1 + E)),
    ("softsign", {}, -3.0, -0.75),
    ("silu", {}, 1.0, 1 / (1 + 1 / E)),
    ("gelu", {}, 1.0, 0.5 * (1 + math.erf(math.sqrt(0.5)))),
    ("gelu", {"approximate": True}, 1.0, 0.841191990607477),
    ("exponential", {}, 2.0, E * E),
]


@pytest.mark.parametrize(("name", "options", "z", "y"), HAND)
def test_value_is_the_formula_by_hand(name, options, z, y, each_engine):
    result = ACTIVATIONS[name](np.array([[z]]), **options)
    np.testing.assert_allclose(result, [[y]], rtol=2e-7 if name == "gelu" else 1e-14, atol=0)


def test_softmax_is_the_share_of_each_exponential(each_engine):
    z = np.log([[1.0, 2.0, 5.0], [3.0, 3.0, 2.0]])
    np.testing.assert_allclose(
        activations.softmax(z), [[0.125, 0.25, 0.625], [0.375, 0.375, 0.25]], rtol=1e-14
    )
    np.testing.assert_allclose(
        np.exp(activations.log_softmax(z)), activations.softmax(z), rtol=1e-14
    )
    np.testing.assert_allclose(activations.softmax(z, axis=0).sum(axis=0), 1, rtol=1e-14)


@pytest.mark.parametrize(("name", "options"), SMOOTH_CASES)
def test_backward_matches_central_difference(name, options, rng, each_engine):
    f = type(ACTIVATIONS[name])(ACTIVATIONS[name].name, **{**ACTIVATIONS[name].options, **options})
    z, dy, h = rng.normal(size=(5, 3)) * 2, rng.normal(size=(5, 3)), 1e-6
    for kink in (*f.kinks, 0.0):
        z[np.abs(z - kink) < 1e-3] += 0.01
    kept_z, kept_dy = z.copy(), dy.copy()
    dz = f.backward(dy, z, f.forward(z))
    numeric = np.empty_like(z)
    for index in np.ndindex(*z.shape):
        step = np.zeros_like(z)
        step[index] = h
        numeric[index] = ((f.forward(z + step) - f.forward(z - step)) * dy).sum() / (2 * h)
    np.testing.assert_allclose(dz, numeric, rtol=1e-6, atol=1e-8)
    np.testing.assert_array_equal(z, kept_z)
    np.testing.assert_array_equal(dy, kept_dy)


@pytest.mark.parametrize("name", sorted(set(ACTIVATIONS) - {"exponential"}))
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_large_inputs_stay_finite_and_keep_their_dtype(name, dtype, each_engine):
    f = ACTIVATIONS[name]
    z = np.array([[-1e4, -90.0, 0.0, 90.0, 1e4]], dtype)
    y = f.forward(z)
    dz = f.backward(np.full_like(z, -0.5), z, y)
    assert y.dtype == dz.dtype == dtype
    assert np.isfinite(y).all()
    assert np.isfinite(dz).all()


@pytest.mark.parametrize(
    ("name", "options", "z", "slope"),
    [
        ("relu", {}, 0.0, 0.0),
        ("relu", {"negative_slope": 0.25}, 0.0, 0.25),
        ("relu", {"threshold": 1.0}, 1.0, 0.0),
        ("relu", {"max_value": 2.0}, 2.0, 1.0),
        ("relu6", {}, 6.0, 0.0),
        ("elu", {}, 0.0, 1.0),
        ("hard_sigmoid", {}, 3.0, 0.0),
        ("hard_sigmoid", {}, -3.0, 0.0),
    ],
)
def test_slope_on_a_kink_is_that_of_tensorflow(name, options, z, slope, each_engine):
    f = type(ACTIVATIONS[name])(name, **{**ACTIVATIONS[name].options, **options})
    z = np.array([z])
    np.testing.assert_allclose(
        f.backward(np.array([3.0]), z, f.forward(z)), [3 * slope], rtol=1e-14
    )


def test_a_name_and_its_activation_lead_to_each_other():
    for name, f in ACTIVATIONS.items():
        assert activations.get(name) is f
        assert activations.get(f) is f
        assert activations.deserialize(activations.serialize(f)) is f
        assert f.name in repr(f)
    assert activations.get(None) is activations.linear
    assert activations.get("swish") is activations.silu


@pytest.mark.parametrize("name", ["softmax", "log_softmax"])
def test_several_axes_are_one_row(name, each_engine):
    f, rng = ACTIVATIONS[name], np.random.default_rng(0)
    z, dy = rng.normal(size=(2, 2, 3, 4))
    over_two = type(f)(name, axis=(2, 0))
    y = f(z, axis=(2, 0))
    rows = z.transpose(1, 2, 0).reshape(3, 8)
    np.testing.assert_allclose(y.transpose(1, 2, 0).reshape(3, 8), f(rows), rtol=1e-13)
    dz = over_two.backward(dy, z, y).transpose(1, 2, 0).reshape(3, 8)
    wanted = f.backward(dy.transpose(1, 2, 0).reshape(3, 8), rows, f(rows))
    np.testing.assert_allclose(dz, wanted, rtol=1e-12)
    for axis in ((0, 3), (0, 0), (1, -2), (), 1.0):
        with pytest.raises(ValueError, match=r"expected an axis of z \(2, 3, 4\), got"):
            f(z, axis=axis)


def test_ints_are_taken_as_the_default_float():
    assert activations.tanh([[1, -2]]).dtype == np.float32


def test_an_activation_without_formula_says_nothing():
    with pytest.raises(NotImplementedError, match="expected a forward method"):
        activations.Activation("mine").forward(np.zeros(2))
    with pytest.raises(NotImplementedError, match="expected a backward method"):
        activations.Activation("mine").backward(np.zeros(2), np.zeros(2), np.zeros(2))

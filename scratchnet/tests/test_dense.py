"""Dense: the matrix product by hand, its gradients, its weights."""

import numpy as np
import pytest

from scratchnet.layers import Dense, Input
from scratchnet.tests.gradients import assert_gradients


def test_forward_is_x_times_kernel_plus_bias(each_engine):
    layer = Dense(2, dtype="float64")
    layer.build((None, 3))
    layer.set_weights([[[1, 2], [3, 4], [5, 6]], [10, 20]])
    np.testing.assert_array_equal(layer([[1, 0, 2]]), [[21, 34]])


def test_backward_is_the_transposed_product(each_engine):
    layer = Dense(2, dtype="float64")
    layer.build((None, 3))
    layer.set_weights([[[1, 2], [3, 4], [5, 6]], [10, 20]])
    layer([[1, 0, 2], [0, 1, 1]], training=True)
    dx = layer.backward(np.array([[1.0, -1.0], [2.0, 0.5]]))
    np.testing.assert_array_equal(dx, [[-1, -1, -1], [3, 8, 13]])
    np.testing.assert_array_equal(layer.grads["kernel"], [[1, -1], [2, 0.5], [4, -1.5]])
    np.testing.assert_array_equal(layer.grads["bias"], [3, -0.5])


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"use_bias": False},
        {"activation": "relu"},
        {"activation": "softmax"},
        {"activation": "gelu"},
    ],
    ids=str,
)
@pytest.mark.parametrize("shape", [(7,), (2, 5), (2, 3, 5)], ids=str)
def test_gradients_match_central_difference(options, shape, rng, each_engine):
    assert_gradients(Dense(3, **options), shape, rng)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_dtype_in_is_dtype_out(dtype, rng, each_engine):
    layer = Dense(3, dtype=dtype)
    y = layer(rng.normal(size=(5, 4)), training=True)
    dx = layer.backward(rng.normal(size=(5, 3)).astype(dtype))
    assert {a.dtype.name for a in (y, dx, *layer.params.values(), *layer.grads.values())} == {dtype}


def test_weights_are_reached_by_name_and_read_as_copies(rng):
    layer = Dense(3, name="d")
    layer.build((None, 4))
    assert layer.kernel is layer.params["kernel"]
    assert [w.shape for w in layer.weights] == [(4, 3), (3,)]
    layer.get_weights()[0][...] = 7
    assert not (layer.kernel == 7).any()
    assert layer.count_params() == 15
    with pytest.raises(AttributeError, match=r"'Dense' object has no attribute 'gamma'"):
        layer.gamma  # noqa: B018


def test_lowest_layer_computes_no_dx(rng):
    layer = Dense(3)
    layer(rng.normal(size=(5, 4)), training=True)
    layer.needs_dx = False
    assert layer.backward(np.ones((5, 3), np.float32)) is None
    assert layer.grads["kernel"].any()


def test_no_pass_writes_to_its_argument(rng, each_engine):
    layer = Dense(3, activation="tanh", dtype="float64")
    x, dy = rng.normal(size=(5, 4)), rng.normal(size=(5, 3))
    kept = x.copy(), dy.copy()
    layer(x, training=True)
    layer.backward(dy)
    np.testing.assert_array_equal(x, kept[0])
    np.testing.assert_array_equal(dy, kept[1])


def test_gradients_are_assigned_not_added_up(rng):
    layer = Dense(3, dtype="float64")
    layer(rng.normal(size=(5, 4)), training=True)
    dy = rng.normal(size=(5, 3))
    layer.backward(dy)
    first = {key: g.copy() for key, g in layer.grads.items()}
    layer.backward(dy)
    for key, gradient in first.items():
        np.testing.assert_array_equal(layer.grads[key], gradient)


def test_config_makes_the_layer_again():
    layer = Dense(3, "relu", False, "he_normal", kernel_regularizer="l2", activity_regularizer="l1")
    again = Dense.from_config(layer.get_config())
    assert again.get_config() == layer.get_config()
    assert not again.use_bias
    assert again.activity_regularizer.get_config() == layer.activity_regularizer.get_config()


def test_without_bias_the_bias_is_none():
    layer = Dense(2, use_bias=False)
    assert layer([[1.0, 2.0]]).shape == (1, 2)
    assert layer.bias is None
    assert len(layer.weights) == 1


@pytest.mark.parametrize("units", [0, -3, 2.5, None, "64", True])
def test_units_are_a_positive_integer(units):
    with pytest.raises(ValueError, match=r"expected units .* must be a positive integer"):
        Dense(units)


def test_masks_and_layers_as_input_are_refused():
    with pytest.raises(
        NotImplementedError,
        match=r"Dense 'd': expected no mask, got ndarray\. ScratchNet has no masking",
    ):
        Dense(2, name="d")(np.ones((1, 2)), mask=np.ones(1))
    with pytest.raises(
        TypeError, match=r"got InputLayer 'in'\. ScratchNet has no functional models"
    ):
        Dense(2)(Input((2,), name="in"))


def test_the_activation_can_be_set_anew():
    layer = Dense(2, activation="relu", use_bias=False)
    layer.build((None, 2))
    layer.set_weights([[[1.0, -2.0], [3.0, -4.0]]])
    assert layer([[-1.0, 2.0]]).tolist() == [[5.0, 0.0]]
    for activation in (None, "linear"):
        layer.activation = activation
        assert layer([[-1.0, 2.0]]).tolist() == [[5.0, -6.0]]
    with pytest.raises(ValueError, match=r"Activation 'rellu': .*Did you mean"):
        layer.activation = "rellu"


def test_another_number_of_features_is_refused_in_the_words_of_keras():
    layer = Dense(2)
    layer.build((None, 3))
    words = "x is incompatible with the layer"
    with pytest.raises(ValueError, match=rf"x of shape \(N, 3\), got \(N, 4\)\. {words}"):
        layer(np.zeros((1, 4)))
    with pytest.raises(ValueError, match=rf"Put Flatten\(\) before it: {words}"):
        layer(np.zeros((1, 2, 2)))

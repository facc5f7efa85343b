"""Penalties against hand-worked values, their gradients against central differences."""

import numpy as np
import pytest

from scratchnet import regularizers
from scratchnet.regularizers import L1, L1L2, L2, Regularizer

X = np.array([[1.0, -2.0], [0.0, 3.0]])


def test_penalties_are_the_hand_worked_ones():
    # |1| + |-2| + |0| + |3| = 6 and 1 + 4 + 0 + 9 = 14
    assert L1(0.5)(X) == 3.0
    assert L2(0.25)(X) == 3.5
    assert L1L2(0.5, 0.25)(X) == 6.5
    assert Regularizer()(X) == 0.0


def test_gradients_are_the_hand_worked_ones_and_zero_at_zero():
    np.testing.assert_array_equal(L1(0.5).gradient(X), [[0.5, -0.5], [0.0, 0.5]])
    np.testing.assert_array_equal(L2(0.25).gradient(X), [[0.5, -1.0], [0.0, 1.5]])
    np.testing.assert_array_equal(L1L2(0.5, 0.25).gradient(X), [[1.0, -1.5], [0.0, 2.0]])


@pytest.mark.parametrize("regularizer", [L1(0.3), L2(0.7), L1L2(0.3, 0.7)])
def test_gradient_is_the_derivative_of_the_penalty(regularizer):
    x, h = np.array([0.4, -1.3, 2.0]), 1e-6
    numeric = [(regularizer(x + h * e) - regularizer(x - h * e)) / (2 * h) for e in np.eye(x.size)]
    np.testing.assert_allclose(regularizer.gradient(x), numeric, rtol=1e-8)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("regularizer", [L1(), L2(), L1L2(0.1, 0.1)])
def test_gradient_has_the_dtype_of_the_weights(regularizer, dtype):
    assert regularizer.gradient(X.astype(dtype)).dtype == dtype
    assert isinstance(regularizer(X.astype(dtype)), float)


def test_factors_go_through_float32():
    assert L1(0.1)(np.ones(1)) == float(np.float32(0.1))
    assert L2(0.1).gradient(np.ones(1))[0] == 2 * float(np.float32(0.1))


@pytest.mark.parametrize(
    ("identifier", "kind"),
    [("l1", L1), ("L1", L1), ("l2", L2), ("l1_l2", L1L2), ("l1l2", L1L2), (L2, L2)],
)
def test_get_knows_the_names_of_keras(identifier, kind):
    assert type(regularizers.get(identifier)) is kind


def test_defaults_are_those_of_keras():
    assert (L1().l1, L2().l2, L1(None).l1, L2(None).l2) == (0.01, 0.01, 0.01, 0.01)
    assert L1L2().get_config() == {"l1": 0.0, "l2": 0.0}
    assert regularizers.get(None) is None


@pytest.mark.parametrize("regularizer", [L1(0.2), L2(0.3), L1L2(0.1, 0.4)])
def test_config_gives_the_regularizer_back(regularizer):
    copy = regularizers.deserialize(regularizers.serialize(regularizer))
    assert type(copy) is type(regularizer)
    assert copy.get_config() == regularizer.get_config()


@pytest.mark.parametrize("value", [-1, float("nan"), float("inf"), "a", [0.1]])
def test_a_bad_factor_is_refused(value):
    for cls, name in ((L1, "l1"), (L2, "l2"), (L1L2, "l2")):
        with pytest.raises(
            ValueError, match=rf"{cls.__name__} '{name}': expected a non-negative float, got"
        ):
            cls(**{name: value})


def test_what_is_not_offered_is_refused_by_name():
    with pytest.raises(ValueError, match="Regularizer 'orthogonal_regularizer': expected one of"):
        regularizers.get("orthogonal_regularizer")
    with pytest.raises(TypeError, match="Regularizer: expected a name, a config"):
        regularizers.get(lambda x: 0.0)


def test_a_regularizer_without_gradient_says_so():
    with pytest.raises(NotImplementedError, match="expected a method gradient"):
        Regularizer().gradient(X)

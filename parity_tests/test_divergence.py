"""When a comparison fails, the report names the first quantity that parted."""

from dataclasses import replace

import numpy as np
import pytest

from keras_ref.case import Case, scratchnet_trace
from keras_ref.cases import on_vector
from keras_ref.divergence import (
    first_divergence,
    float32_bars,
    relative_error,
    shared_errors,
    ulps,
)
from scratchnet.engines import vectorized
from scratchnet.layers import Dense
from scratchnet.optimizers import SGD

CASE = Case("mlp", on_vector("Dense", 5, activation="tanh"), steps=2, whole=(1, 2))


@pytest.fixture(scope="module")
def right():
    return scratchnet_trace(CASE, "float64", "numpy")


def broken(monkeypatch, owner, name, wrong):
    monkeypatch.setattr(owner, name, wrong)
    return scratchnet_trace(CASE, "float64", "numpy")


def test_equal_traces_do_not_diverge(right):
    assert first_divergence(right, right, bar=0.0) is None


def test_a_wrong_activation_is_named_at_the_forward_pass(right, monkeypatch):
    def tanh_forward(z, y):
        y[...] = np.tanh(z) + 1e-6

    wrong = broken(monkeypatch, vectorized, "tanh_forward", tanh_forward)
    assert first_divergence(wrong, right, bar=1e-12).name == "step 1/forward/1 Dense/y"


def test_a_wrong_kernel_gradient_is_named_although_the_loss_agrees(right, monkeypatch):
    def dense_dkernel(x, dz, dkernel):
        np.matmul(x.T, dz, out=dkernel)
        dkernel[-1, -1] *= 1 + 1e-9

    wrong = broken(monkeypatch, vectorized, "dense_dkernel", dense_dkernel)
    report = first_divergence(wrong, right, bar=1e-12)
    assert report.name == "step 1/gradient/2 Dense/kernel"
    assert report.index == (4, 3)
    assert "quantities upstream agree to 0.0e+00" in str(report)


def test_a_wrong_update_is_named_although_the_gradients_agree(right, monkeypatch):
    def sgd_update(parameters, gradients, learning_rate):
        parameters -= learning_rate * 1.0001 * gradients

    wrong = broken(monkeypatch, vectorized, "sgd_update", sgd_update)
    assert first_divergence(wrong, right, bar=1e-12).name.startswith("step 1/update/0 Dense/kernel")


def test_an_error_in_the_second_step_is_named_there(right, monkeypatch):
    update = SGD.apply_flat

    def forgetful(self, gradients, parameters):
        update(self, gradients if self.iterations == 0 else gradients * 0.5, parameters)

    wrong = broken(monkeypatch, SGD, "apply_flat", forgetful)
    assert first_divergence(wrong, right, bar=1e-12).name.startswith("step 2/update/")


def test_a_forgotten_bias_gradient_is_named(right, monkeypatch):
    backward_z = Dense.backward_z

    def without_bias(self, dz):
        dx = backward_z(self, dz)
        self.grads["bias"][...] = 0
        return dx

    wrong = broken(monkeypatch, Dense, "backward_z", without_bias)
    report = first_divergence(wrong, right, bar=1e-12)
    assert report.name == "step 1/gradient/2 Dense/bias"
    assert report.ours == 0.0


def test_nan_is_a_divergence(right):
    wrong = dict(right, **{"step 1/loss": np.array(np.nan)})
    assert first_divergence(wrong, right, bar=1e-12).name == "step 1/loss"


def test_a_missing_quantity_is_an_error(right):
    with pytest.raises(KeyError, match="expected 'step 1/loss'"):
        first_divergence({k: v for k, v in right.items() if k != "step 1/loss"}, right, bar=1.0)


def test_float32_runs_are_held_against_keras_own_error(right):
    ours = scratchnet_trace(CASE, "float32", "numpy")
    nothing = dict.fromkeys(right, 0.0)
    much = dict.fromkeys(right, 1.0)
    assert first_divergence(ours, right, keras_errors=much) is None
    assert first_divergence(ours, right, keras_errors=nothing) is not None


def test_units_in_the_last_place():
    one = np.float32(1)
    assert ulps(float(np.nextafter(one, np.float32(2))), 1.0) == 1
    assert relative_error(np.array([1.0, 2.5]), np.array([1.0, 2.0])) == 0.25


def test_a_small_array_is_held_to_the_same_relative_bar():
    exact = np.array([1e-9, -2e-9])
    assert relative_error(exact * 1.5, exact) == pytest.approx(0.5)
    assert relative_error(exact * 1.5, exact, floor=1e-3) == pytest.approx(1e-6)


def test_of_zeros_the_difference_itself_is_judged():
    zeros = np.zeros(2)
    assert relative_error(zeros, zeros) == 0.0
    assert relative_error(np.array([0.0, 1e-6]), zeros) == 1e-6


def test_small_arrays_borrow_keras_error_for_float32():
    exact = {"step 1/gradient/a": np.ones(64), "step 1/gradient/b": np.ones(3)}
    errors = {"step 1/gradient/a": 1e-5, "step 1/gradient/b": 0.0}
    bars = float32_bars(exact, errors)
    assert bars["step 1/gradient/b"] == bars["step 1/gradient/a"] == 2e-5
    errors = {"step 1/gradient/a": 0.0, "step 1/gradient/b": 0.0}
    assert set(float32_bars(exact, errors).values()) == {2.0**-23}


def test_where_one_run_sets_the_bar_the_arrays_of_a_kind_share_the_largest_relative_error():
    names = "step 1/update/a", "step 1/update/b", "step 2/update/a", "step 1/gradient/a"
    exact = dict(zip(names, (np.ones(64), np.full(64, 3.0), np.ones(64), np.ones(64)), strict=True))
    errors = dict(zip(names, (1e-5, 6e-5, 3e-5, 0.0), strict=True))
    shared = shared_errors(exact, errors)
    assert shared == pytest.approx(dict(zip(names, (2e-5, 6e-5, 3e-5, 0.0), strict=True)))


def test_only_a_case_that_says_so_may_cancel():
    assert CASE.floor == 0.0
    assert replace(CASE, cancels=True).floor == 1e-3

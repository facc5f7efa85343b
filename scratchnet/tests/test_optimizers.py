"""Optimizers: one step of each worked by hand, engines against each other, bad input."""

import copy

import numpy as np
import pytest

from scratchnet import config, engines, optimizers
from scratchnet.engines import engine
from scratchnet.optimizers import SGD, Adagrad, Adam, AdamW, Optimizer, RMSprop, schedules
from scratchnet.utils.rounding import through_float32

ENGINES = engines.RUNNABLE
SHAPES = [(3, 5), (5,), (2, 1, 3), ()]
CASES = [
    (SGD, {}),
    (SGD, {"momentum": 0.9}),
    (SGD, {"momentum": 0.9, "nesterov": True}),
    (RMSprop, {}),
    (RMSprop, {"momentum": 0.7}),
    (RMSprop, {"centered": True}),
    (RMSprop, {"centered": True, "momentum": 0.7}),
    (Adagrad, {}),
    (Adam, {}),
    (Adam, {"amsgrad": True}),
    (AdamW, {"clipnorm": 0.5}),
    (AdamW, {"global_clipnorm": 0.5}),
    (AdamW, {"clipvalue": 0.1}),
]
IDS = [f"{cls.__name__}-{'-'.join(options) or 'plain'}" for cls, options in CASES]


def run(cls, options, dtype, flat, steps=4):
    """Weights and state after a few updates; `flat` takes apply_flat, else apply."""
    rng = np.random.default_rng(1)
    sizes = [int(np.prod(shape)) for shape in SHAPES]
    buffer = rng.normal(size=sum(sizes)).astype(dtype)
    parts = np.split(buffer, np.cumsum(sizes)[:-1])
    variables = [part.reshape(shape) for part, shape in zip(parts, SHAPES, strict=True)]
    optimizer = cls(**options)
    optimizer.build(variables)
    for _ in range(steps):
        gradients = rng.normal(size=buffer.size).astype(dtype)
        if flat:
            optimizer.apply_flat(gradients, buffer)
        else:
            pieces = np.split(gradients, np.cumsum(sizes)[:-1])
            optimizer.apply([g.reshape(s) for g, s in zip(pieces, SHAPES, strict=True)], variables)
    return [buffer.copy(), *optimizer.variables]


# One or two steps by hand. w = 1, g = 0.5 at each step, learning rate 0.25.
HAND = [
    # w = 1 - 0.25*0.5
    (SGD, {}, [0.875]),
    # m = -0.125, w = 0.875; m = 0.5*-0.125 - 0.125 = -0.1875, w = 0.6875
    (SGD, {"momentum": 0.5}, [0.875, 0.6875]),
    # m = -0.125, w = 1 + 0.5*-0.125 - 0.125 = 0.8125; m = -0.1875, w += -0.09375 - 0.125
    (SGD, {"momentum": 0.5, "nesterov": True}, [0.8125, 0.59375]),
    # v = 0.75*0.25 = 0.1875; + 0.0625 is 0.25 under the root: w = 1 - 0.125/0.5
    (RMSprop, {"rho": 0.25, "epsilon": 0.0625}, [0.75]),
    # the same step 0.25 is m; then v = 0.046875 + 0.1875 = 0.234375
    (
        RMSprop,
        {"rho": 0.25, "epsilon": 0.0625, "momentum": 0.5},
        [0.75, 0.75 - (0.125 + 0.125 / np.sqrt(0.234375 + 0.0625))],
    ),
    # v = 0.75*0.25, a = 0.75*0.5 = 0.375, v - a**2 = 0.046875; + 0.015625 = 0.0625: 0.125/0.25
    (RMSprop, {"rho": 0.25, "epsilon": 0.015625, "centered": True}, [0.5]),
    # m is that step: 1 - 0.5
    (RMSprop, {"rho": 0.25, "epsilon": 0.015625, "centered": True, "momentum": 0.5}, [0.5]),
    # s = 0.5 + 0.25, + 0.25 = 1 under the root
    (Adagrad, {"initial_accumulator_value": 0.5, "epsilon": 0.25}, [0.875]),
    # m = 0.25, v = 0.25*0.25; alpha = 0.25*sqrt(0.25)/0.5 = 0.25; w = 1 - 0.0625/(0.25 + 0.25)
    (Adam, {"beta_1": 0.5, "beta_2": 0.75, "epsilon": 0.25}, [0.875]),
    # first 1 - 1*0.5*0.25 = 0.875, then the step of Adam, 0.125
    (AdamW, {"beta_1": 0.5, "beta_2": 0.75, "epsilon": 0.25, "weight_decay": 0.5}, [0.75]),
]


@pytest.mark.parametrize("name", ENGINES)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("cls", "options", "expected"), HAND)
def test_steps_are_the_hand_worked_ones(cls, options, expected, dtype, name):
    w, g = np.ones(1, dtype), np.full(1, 0.5, dtype)
    optimizer = cls(learning_rate=0.25, **options)
    with engine(name):
        for value in expected:
            optimizer.apply([g], [w])
            np.testing.assert_allclose(w, value, rtol=1e-6 if dtype == "float32" else 1e-15)


def test_amsgrad_keeps_the_largest_velocity():
    # gradients 1, 0: v = 0.5, 0.25, so h stays 0.5. m = 0.5, 0.25.
    # step 1: alpha = sqrt(0.5)/0.5; step 2: alpha = sqrt(0.75)/0.75
    w = np.zeros(1)
    optimizer = Adam(learning_rate=1.0, beta_1=0.5, beta_2=0.5, epsilon=0.0, amsgrad=True)
    optimizer.apply([np.ones(1)], [w])
    np.testing.assert_allclose(w, -1.0, rtol=1e-15)
    optimizer.apply([np.zeros(1)])
    np.testing.assert_allclose(w, -1.0 - 0.25 * np.sqrt(0.75) / 0.75 / np.sqrt(0.5), rtol=1e-15)
    np.testing.assert_array_equal(optimizer.slots["velocity_hat"], [0.5])


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("cls", "options"), CASES, ids=IDS)
def test_engines_agree(cls, options, dtype):
    results = {}
    for name in ENGINES:
        with engine(name):
            results[name] = run(cls, options, dtype, flat=True)
    for name in ENGINES[1:]:
        for a, b in zip(results["loops"], results[name], strict=True):
            # not to the bit: a norm is summed in another order
            np.testing.assert_allclose(a, b, rtol=1e-6 if dtype == "float32" else 1e-14, atol=1e-9)


@pytest.mark.parametrize("name", ENGINES)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("cls", "options"), CASES, ids=IDS)
def test_apply_and_apply_flat_agree_to_the_bit(cls, options, dtype, name):
    with engine(name):
        one_by_one = run(cls, options, dtype, flat=False)
        at_once = run(cls, options, dtype, flat=True)
    for a, b in zip(one_by_one, at_once, strict=True):
        assert a.dtype == b.dtype
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("name", ENGINES)
def test_sum_of_squares_is_exact_over_several_blocks(name):
    from scratchnet.engines import load

    x = np.full(8192 * 2 + 3, 2.0, dtype=np.float32)
    assert load(name).sum_of_squares(x) == 4.0 * x.size


# clipping

GRADIENTS = [np.array([3.0, 4.0]), np.array([12.0])]  # norms 5 and 12, 13 together


@pytest.mark.parametrize("name", ENGINES)
@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"clipnorm": 10}, [[3.0, 4.0], [10.0]]),
        ({"global_clipnorm": 6.5}, [[1.5, 2.0], [6.0]]),
        ({"global_clipnorm": 16.0}, [[3.0, 4.0], [12.0]]),
        ({"clipvalue": 3.5}, [[3.0, 3.5], [3.5]]),
        ({"clipnorm": 0}, [[3.0, 4.0], [12.0]]),
    ],
)
def test_clipped_gradients_are_the_hand_worked_ones(options, expected, name):
    w = [np.zeros(2), np.zeros(1)]
    given = [g.copy() for g in GRADIENTS]
    with engine(name):
        SGD(learning_rate=1.0, **options).apply(given, w)
    for value, wanted in zip(w, expected, strict=True):
        np.testing.assert_allclose(-value, wanted, rtol=1e-15)
    for g, before in zip(given, GRADIENTS, strict=True):
        np.testing.assert_array_equal(g, before)


@pytest.mark.parametrize("options", [{"clipnorm": 1.0}, {"global_clipnorm": 0.5}])
def test_a_zero_gradient_survives_clipping(options):
    w = np.ones(3)
    SGD(learning_rate=1.0, **options).apply([np.zeros(3)], [w])
    np.testing.assert_array_equal(w, np.ones(3))


def test_an_infinite_gradient_makes_all_nan_under_global_clipnorm():
    w = [np.zeros(1), np.zeros(1)]
    with np.errstate(invalid="ignore"):
        SGD(global_clipnorm=1.0).apply([np.array([np.inf]), np.array([1.0])], w)
    assert np.isnan(w).all()


# weight decay


@pytest.mark.parametrize("flat", [False, True])
def test_weight_decay_leaves_out_the_excluded_variables(flat):
    buffer = np.ones(3)
    kernel, bias, gamma = (buffer[i : i + 1] for i in range(3))
    optimizer = SGD(learning_rate=0.5, weight_decay=0.5)
    optimizer.exclude_from_weight_decay(var_list=[gamma], var_names=["bias"])
    optimizer.build([kernel, bias, gamma], names=["kernel", "bias", "gamma"])
    if flat:
        optimizer.apply_flat(np.zeros(3), buffer)
    else:
        optimizer.apply([np.zeros(1)] * 3)
    np.testing.assert_array_equal(buffer, [0.75, 1.0, 1.0])


def test_excluding_by_name_needs_names():
    optimizer = SGD(weight_decay=0.1)
    optimizer.exclude_from_weight_decay(var_names=["bias"])
    with pytest.raises(ValueError, match="expected names to match var_names with, got none"):
        optimizer.build([np.ones(1)])
    optimizer = SGD(weight_decay=0.1)
    optimizer.build([np.ones(1)])
    with pytest.raises(ValueError, match="expected names to match var_names with, got none"):
        optimizer.exclude_from_weight_decay(var_names=["bias"])
    with pytest.raises(ValueError, match="expected 1 names, got 2"):
        SGD().build([np.ones(1)], names=["a", "b"])


# hyperparameters that Keras rounds to float32, even in float64


def test_keras_rounds_these_hyperparameters_in_float64():
    rate = float(np.float32(0.1))
    decay, momentum = through_float32(0.004), through_float32(0.9)
    w = np.ones(1)
    SGD(learning_rate=0.1, weight_decay=0.004).apply([np.zeros(1)], [w])
    assert w[0] == 1.0 - decay * rate
    optimizer = SGD(learning_rate=0.1, momentum=0.9)
    optimizer.build([w])
    optimizer.slots["momentum"][:] = 1.0
    optimizer.apply([np.zeros(1)])
    assert optimizer.slots["momentum"][0] == momentum
    optimizer = Adagrad()
    optimizer.build([w])
    assert optimizer.slots["accumulator"][0] == through_float32(0.1)
    optimizer = Adam(learning_rate=1.0, epsilon=0.0)
    w = np.zeros(1)
    optimizer.apply([np.ones(1)], [w])
    b1, b2 = through_float32(0.9), through_float32(0.999)
    alpha = np.sqrt(1 - b2) / (1 - b1)
    np.testing.assert_allclose(w, -alpha * (1 - 0.9) / np.sqrt(1 - 0.999), rtol=1e-15)


# the learning rate


def test_learning_rate_is_rounded_to_floatx():
    assert SGD(0.1).learning_rate == float(np.float32(0.1))
    before = config.floatx()
    config.set_floatx("float64")
    try:
        assert SGD(0.1).learning_rate == 0.1
    finally:
        config.set_floatx(before)


def test_a_schedule_is_read_at_iterations():
    optimizer = SGD(schedules.PiecewiseConstantDecay([0], [1.0, 0.5]))
    w = np.zeros(1)
    for expected in (-1.0, -1.5):
        optimizer.apply([np.ones(1)], [w])
        assert w[0] == expected
    assert (optimizer.iterations, optimizer.learning_rate) == (2, 0.5)


def test_a_function_gives_the_rate_and_its_float_is_rounded():
    assert SGD(lambda: 0.1).learning_rate == float(np.float32(0.1))
    assert SGD(lambda: np.float64(0.1)).learning_rate == 0.1
    with pytest.raises(
        TypeError, match="SGD 's': expected a number from its learning rate, got None"
    ):
        SGD(lambda: None, name="s").apply([np.ones(1)], [np.ones(1)])


def test_setting_the_rate_follows_keras():
    optimizer = SGD(0.5)
    optimizer.learning_rate = 0.25
    assert optimizer.learning_rate == 0.25
    assert len(optimizer.variables) == 2
    optimizer.learning_rate = schedules.ExponentialDecay(0.5, 1, 0.5)
    assert len(optimizer.variables) == 1
    with pytest.raises(TypeError, match=r"created with a `LearningRateSchedule`.*not settable"):
        optimizer.learning_rate = 0.1
    with pytest.raises(ValueError, match="learning_rate as a finite number, got 'a'"):
        SGD().learning_rate = "a"


# state


def test_state_stands_in_the_order_of_keras():
    kernel, bias = np.ones((2, 3)), np.ones(3)
    shapes = {
        Adam(amsgrad=True): ["m0", "v0", "m1", "v1", "h0", "h1"],
        RMSprop(momentum=0.5, centered=True): ["v0", "v1", "m0", "m1", "a0", "a1"],
        SGD(momentum=0.5): ["m0", "m1"],
        SGD(): [],
        Adagrad(): ["s0", "s1"],
    }
    letter = {
        "m": "momentum",
        "v": "velocity",
        "h": "velocity_hat",
        "a": "average_gradient",
        "s": "accumulator",
    }
    for optimizer, order in shapes.items():
        optimizer.build([kernel, bias])
        spans = {"0": slice(0, 6), "1": slice(6, 9)}
        iterations, rate, *slots = optimizer.variables
        assert (iterations.dtype, rate.dtype) == ("int64", "float32")
        for array, (name, index) in zip(slots, order, strict=True):
            assert array.shape == ((2, 3), (3,))[int(index)]
            assert np.shares_memory(array, optimizer.slots[letter[name]][spans[index]])


def test_a_copied_state_goes_on_as_if_never_stopped():
    g = np.array([0.3, -0.2])
    w = np.ones(2)
    first = Adam()
    first.apply([g], [w])
    other_w, second = w.copy(), Adam()
    second.build([other_w])
    second.set_weights([v.copy() for v in first.variables])
    first.apply([g])
    second.apply([g])
    np.testing.assert_array_equal(w, other_w)
    assert second.iterations == 2
    third = copy.deepcopy(first)
    third.apply([g])
    assert (third.iterations, first.iterations) == (3, 2)
    np.testing.assert_array_equal(w, other_w)


def test_set_weights_checks_before_it_changes():
    optimizer = SGD(momentum=0.5)
    with pytest.raises(ValueError, match=r"You are calling `set_weights\(\)` too early"):
        optimizer.set_weights([])
    optimizer.build([np.ones(2)])
    with pytest.raises(ValueError, match="expected weights of shapes"):
        optimizer.set_weights([np.int64(5), np.float32(0.5), np.zeros(3)])
    assert optimizer.iterations == 0


@pytest.mark.parametrize(("cls", "options"), CASES, ids=IDS)
def test_config_gives_the_optimizer_back(cls, options):
    optimizer = cls(schedules.ExponentialDecay(0.5, 2, 0.5), **options)
    twin = optimizers.deserialize(optimizers.serialize(optimizer))
    assert type(twin) is cls
    assert twin.get_config() == optimizer.get_config()
    assert twin.learning_rate == 0.5


def test_a_function_as_rate_cannot_be_written_down():
    with pytest.raises(TypeError, match="expected a float or a LearningRateSchedule"):
        SGD(lambda: 0.1).get_config()


@pytest.mark.parametrize("name", ["sgd", "RMSprop", "rmsprop", "Adagrad", "ADAM", "adamw"])
def test_get_takes_a_name_in_any_case(name):
    assert type(optimizers.get(name)).__name__.lower() == name.lower()
    assert optimizers.get(None) is None


# bad input


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: SGD(1), "expected learning_rate as a finite float, a Learning.* got 1"),
        (lambda: SGD("a"), "expected learning_rate as a finite float, a Learning.* got 'a'"),
        (lambda: SGD(float("nan")), "expected learning_rate as a finite float.* got nan"),
        (lambda: SGD(momentum=1.5), r"`momentum` must be a float between \[0, 1\]"),
        (lambda: SGD(momentum=1), "expected momentum as a float from 0 to 1, got 1"),
        (lambda: SGD(lr=0.1), "the rate is `learning_rate`, not `lr`"),
        (lambda: SGD(clipnorm=-1.0), "expected clipnorm as a finite number of 0 or more"),
        (lambda: SGD(clipvalue="a"), "expected clipvalue as a finite number of 0 or more"),
        (lambda: SGD(weight_decay=-0.1), "expected weight_decay as a finite number of 0 or more"),
        (
            lambda: SGD(clipnorm=1.0, clipvalue=1.0),
            "Only one of `clipnorm`, `clipvalue` and `global_clipnorm` can be set",
        ),
        (lambda: SGD(use_ema=True), "expected use_ema left off, got use_ema=True"),
        (lambda: SGD(ema_overwrite_frequency=2), "expected ema_overwrite_frequency left off"),
        (lambda: SGD(loss_scale_factor=8.0), "expected loss_scale_factor left off"),
        (lambda: SGD(gradient_accumulation_steps=2), "expected gradient_accumulation_steps left"),
        (lambda: RMSprop(rho=1.5), "expected rho as a number from 0 to 1, got 1.5"),
        (lambda: RMSprop(momentum=-1), "expected momentum as a number from 0 to 1, got -1"),
        (lambda: RMSprop(epsilon=-1e-7), "expected epsilon as a finite number of 0 or more"),
        (lambda: Adagrad(initial_accumulator_value=-1), "expected initial_accumulator_value as"),
        (lambda: Adagrad(epsilon="a"), "expected epsilon as a finite number of 0 or more, got 'a'"),
        (lambda: Adam(beta_1=1.0), r"expected beta_1 as a number in \[0, 1\), got 1.0"),
        (lambda: Adam(beta_2=-0.1), r"expected beta_2 as a number in \[0, 1\), got -0.1"),
        (lambda: Adam(epsilon=float("nan")), "expected epsilon as a finite number of 0 or more"),
        (lambda: AdamW(weight_decay=None), "Argument `weight_decay` must be a float"),
        (lambda: optimizers.get("nadam"), "Optimizer 'nadam'.*Did you mean 'adam'.*rmsprop, sgd"),
    ],
)
def test_bad_arguments_are_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_an_old_decay_is_ignored_with_a_warning():
    with pytest.warns(UserWarning, match="`decay` is no longer supported"):
        SGD(decay=1e-6)


@pytest.mark.parametrize(
    ("grads", "error", "message"),
    [
        ([np.ones(2)], ValueError, "expected 2 gradients, got 1"),
        (
            [np.ones(2), np.ones(2)],
            ValueError,
            r"gradient 1 as floats of shape \(3,\), got float64",
        ),
        ([np.ones(2), np.ones(3, int)], ValueError, "gradient 1 as floats of shape .*got int64"),
        ([None, None], ValueError, "No gradients provided for any variable"),
    ],
)
def test_bad_gradients_change_nothing(grads, error, message):
    optimizer, w = Adam(), [np.ones(2), np.ones(3)]
    optimizer.build(w)
    with pytest.raises(error, match=message):
        optimizer.apply(grads, w)
    assert optimizer.iterations == 0
    assert all((v == 1).all() for v in w)
    assert not optimizer.slots["velocity"].any()


def test_a_missing_gradient_leaves_its_variable_alone():
    w = [np.ones(2), np.ones(3)]
    with pytest.warns(UserWarning, match=r"Gradients do not exist for variables \[0\]"):
        iterations = SGD(1.0).apply_gradients([(None, w[0]), (np.ones(3), w[1])])
    assert iterations == 1
    np.testing.assert_array_equal(w[0], np.ones(2))
    np.testing.assert_array_equal(w[1], np.zeros(3))


def test_no_gradients_at_all_do_nothing():
    optimizer = SGD()
    optimizer.apply([])
    assert optimizer.iterations == 0


@pytest.mark.parametrize(
    ("variables", "error", "message"),
    [
        ([[1.0]], TypeError, "expected NumPy arrays as variables, got list at 0"),
        ([np.ones(2, int)], ValueError, "all float32 or all float64, got .'int64'"),
        ([np.ones(1), np.ones(1, "f4")], ValueError, "all float32 or all float64"),
        ([np.ones((2, 3)).T], ValueError, "expected C-contiguous variables"),
    ],
)
def test_variables_that_cannot_be_updated_in_place_are_refused(variables, error, message):
    with pytest.raises(error, match=message):
        SGD().build(variables)


def test_apply_needs_the_variables_it_was_built_with():
    with pytest.raises(ValueError, match="expected variables, or a built optimizer, got neither"):
        SGD().apply([np.ones(2)])
    optimizer, w = SGD(1.0), np.ones(4)
    optimizer.build([w])
    with pytest.raises(ValueError, match=r"expected variables it was built with.*shape \(4,\)"):
        optimizer.apply([np.ones(4)], [np.ones(4)])
    optimizer.apply([np.ones(4)], [w[:]])  # another view of the same memory is the same variable
    np.testing.assert_array_equal(w, np.zeros(4))


def test_apply_flat_checks_shape_and_dtype():
    optimizer = SGD()
    with pytest.raises(RuntimeError, match=r"expected build\(variables\) before apply_flat"):
        optimizer.apply_flat(np.ones(2), np.ones(2))
    optimizer.build([np.ones(2)])
    with pytest.raises(
        ValueError, match=r"gradients of shape \(2,\) and dtype float64, got \(3,\)"
    ):
        optimizer.apply_flat(np.ones(3), np.ones(2))
    with pytest.raises(ValueError, match=r"parameters of shape .* got .* float32"):
        optimizer.apply_flat(np.ones(2), np.ones(2, "f4"))


def test_an_optimizer_without_a_formula_says_so():
    with pytest.raises(NotImplementedError, match="expected a method _update"):
        Optimizer(0.1).apply([np.ones(1)], [np.ones(1)])

"""The engines: one contract, the same numbers, and how one is chosen."""

import inspect

import numpy as np
import pytest

import scratchnet
from scratchnet import engines
from scratchnet.engines import engine, get_engine, load, loops, ops, set_engine, vectorized

TOLERANCE = {"float32": 2e-5, "float64": 1e-12}
INTEGERS = (np.uint8, np.int32)


def numbers(shape, seed=0):
    """Random numbers with ties and zeros among them."""
    values = np.round(np.random.default_rng(seed).normal(size=shape) * 2, 1)
    values.flat[::5] = 0
    values.flat[1::7] = 1.5
    return values


def positive(shape, seed=0):
    return np.abs(numbers(shape, seed)) + 0.25


def out(*shape):
    return np.full(shape, 7.0)  # every output is overwritten, so what is in it must not matter


Z = numbers((37,))
ROWS = numbers((5, 7))
X, KERNEL = numbers((3, 9, 8, 2)), numbers((3, 2, 2, 5), 1)
CONV = {"plain": ((1, 1), (1, 1)), "strides": ((2, 3), (1, 1)), "dilation": ((1, 1), (3, 2))}
POOLS = {"plain": ((2, 2), (2, 2)), "overlapping": ((3, 2), (1, 1)), "gaps": ((2, 1), (3, 2))}
OPTIONS = {
    "relu_forward": (0.25, 1.5, 0.5),
    "relu_backward": (0.25, 1.5, 0.0),
    "elu_forward": (0.5,),
    "elu_backward": (0.5,),
}
CASES = []
for name in (n for n in loops.activations.__all__ if n.endswith("_forward")):
    back = name.replace("_forward", "_backward")
    z = ROWS if "softmax" in name else Z
    y = out(*z.shape)
    getattr(loops, name)(z, *OPTIONS.get(name, ()), y)
    CASES.append((name, [z, *OPTIONS.get(name, ()), out(*z.shape)]))
    CASES.append((back, [numbers(z.shape, 1), z, y, *OPTIONS.get(back, ()), out(*z.shape)]))
for strides, dilation in CONV.values():
    P, Q = (
        (n - (k - 1) * d - 1) // s + 1
        for n, k, d, s in zip((9, 8), (3, 2), dilation, strides, strict=True)
    )
    dz = numbers((3, P, Q, 5), 2)
    CASES += [
        ("conv2d_forward", [X, KERNEL, numbers((5,)), strides, dilation, out(3, P, Q, 5)]),
        ("conv2d_dx", [dz, KERNEL, strides, dilation, out(*X.shape)]),
        ("conv2d_dkernel", [X, dz, strides, dilation, out(*KERNEL.shape)]),
    ]
for pool, strides in POOLS.values():
    P, Q = ((n - k) // s + 1 for n, k, s in zip((9, 8), pool, strides, strict=True))
    dy, y, argmax = numbers((3, P, Q, 2), 3), out(3, P, Q, 2), np.zeros((3, P, Q, 2), np.int32)
    loops.max_pool_forward(X, pool, strides, y, argmax)
    CASES += [
        ("max_pool_forward", [X, pool, strides, y * 0, argmax * 0 + 9]),
        ("max_pool_dx", [dy, argmax, pool, strides, out(*X.shape)]),
        ("average_pool_forward", [X, positive((P, Q)), pool, strides, out(3, P, Q, 2)]),
        ("average_pool_dx", [dy, positive((P, Q)), pool, strides, out(*X.shape)]),
    ]
CASES += [
    ("global_max_pool_forward", [X, out(3, 2)]),
    ("global_max_pool_dx", [numbers((3, 2), 4), X, X.max(axis=(1, 2)), out(*X.shape)]),
    ("global_average_pool_forward", [X, out(3, 2)]),
    ("global_average_pool_dx", [numbers((3, 2), 4), out(*X.shape)]),
    ("dense_forward", [ROWS, numbers((7, 3)), numbers((3,), 1), out(5, 3)]),
    ("dense_dx", [numbers((5, 3)), numbers((7, 3), 1), out(5, 7)]),
    ("dense_dkernel", [ROWS, numbers((5, 3), 1), out(7, 3)]),
    ("bias_gradient", [ROWS, out(7)]),
    ("batch_norm_statistics", [ROWS, out(7), out(7)]),
    (
        "batch_norm_forward",
        [ROWS, numbers((7,)), positive((7,)), *(numbers((7,), s) for s in (1, 2)), out(5, 7)],
    ),
    (
        "batch_norm_dparams",
        [numbers((5, 7), 1), ROWS, numbers((7,)), positive((7,)), out(7), out(7)],
    ),
    (
        "batch_norm_dx",
        [
            numbers((5, 7), 1),
            ROWS,
            numbers((7,)),
            positive((7,)),
            *(numbers((7,), s) for s in (1, 2, 3)),
            out(5, 7),
        ],
    ),
    ("dropout_mask", [5, 3, 23, 2**22, np.full(4099, 9, np.uint8)]),
    ("dropout_mask", [5, 3, 52, 2**51, np.full(35, 9, np.uint8)]),
    ("sum_of_squares", [Z]),
    ("scale_gradients", [Z, 0.25, out(37)]),
    ("clip_by_value", [Z, 1.5, out(37)]),
    ("weight_decay_update", [Z, 0.5, 0.25]),
    ("sgd_update", [Z, numbers((37,), 1), 0.5]),
    *(
        (f"{n}_update", [Z, numbers((37,), 1), numbers((37,), 2), 0.5, 0.75])
        for n in ("momentum", "nesterov")
    ),
    ("rmsprop_update", [Z, numbers((37,), 1), positive((37,)), 0.5, 0.75, 0.125]),
    (
        "rmsprop_momentum_update",
        [Z, numbers((37,), 1), positive((37,)), numbers((37,), 2), 0.5, (0.75, 0.5), 0.125],
    ),
    (
        "rmsprop_centered_update",
        [Z, numbers((37,), 1), positive((37,)) + 60, numbers((37,), 2), 0.5, 0.75, 0.125],
    ),
    (
        "rmsprop_centered_momentum_update",
        [
            Z,
            numbers((37,), 1),
            positive((37,)) + 60,
            numbers((37,), 2),
            numbers((37,), 3),
            0.5,
            (0.75, 0.5),
            0.125,
        ],
    ),
    ("adagrad_update", [Z, numbers((37,), 1), positive((37,)), 0.5, 0.125]),
    (
        "adam_update",
        [Z, numbers((37,), 1), numbers((37,), 2), positive((37,)), 0.5, (0.75, 0.5), 0.125],
    ),
    (
        "amsgrad_update",
        [
            Z,
            numbers((37,), 1),
            numbers((37,), 2),
            positive((37,)),
            positive((37,), 4),
            0.5,
            (0.75, 0.5),
            0.125,
        ],
    ),
]


def cast(argument, dtype):
    """A fresh copy: floats as this type, integer arrays and hyperparameters as they are."""
    if not isinstance(argument, np.ndarray):
        return argument
    return argument.astype(argument.dtype if argument.dtype in INTEGERS else dtype)


def run(name, arguments, dtype):
    arguments = [cast(a, dtype) for a in arguments]
    result = getattr(ops, name)(*arguments)
    return [a for a in arguments if isinstance(a, np.ndarray)] + (
        [] if result is None else [np.asarray(result)]
    )


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(
    ("name", "arguments"), CASES, ids=[f"{i}-{c[0]}" for i, c in enumerate(CASES)]
)
def test_engines_agree(name, arguments, dtype):
    with engine("loops"):
        reference = run(name, arguments, dtype)
    for other in engines.RUNNABLE[1:]:
        with engine(other):
            result = run(name, arguments, dtype)
        for mine, theirs in zip(result, reference, strict=True):
            assert mine.dtype == theirs.dtype
            if mine.dtype in INTEGERS:
                np.testing.assert_array_equal(mine, theirs, err_msg=other)
            else:
                bar = TOLERANCE[dtype]
                np.testing.assert_allclose(mine, theirs, rtol=bar, atol=bar * 10, err_msg=other)


def test_every_operation_of_the_contract_is_compared():
    assert {name for name, _ in CASES} == set(loops.__all__)


@pytest.mark.parametrize("name", loops.__all__)
def test_every_engine_offers_every_operation_with_the_same_signature(name):
    signature = inspect.signature(getattr(loops, name))
    assert inspect.signature(getattr(vectorized, name)) == signature
    compiled = getattr(load("numba"), name)
    assert inspect.signature(getattr(compiled, "py_func", compiled)) == signature
    assert len(signature.parameters) <= 8


@pytest.mark.parametrize("name", loops.__all__)
def test_every_loop_nest_says_its_formula(name):
    function = getattr(loops, name)
    assert function.__doc__
    assert "=" in function.__doc__ or "returns" in function.__doc__


def test_no_engine_offers_more_than_the_contract():
    assert set(vectorized.__all__) == set(loops.__all__)
    assert set(load("numba").__all__) == set(loops.__all__)
    assert all(load(name) for name in engines.RUNNABLE)


def test_engine_is_chosen_by_scope_then_by_set_engine_then_by_the_environment(monkeypatch):
    monkeypatch.setattr(engines, "_default", [None])
    monkeypatch.delenv("SCRATCHNET_ENGINE", raising=False)
    assert get_engine() == ("fused" if engines.JIT else "numba")
    monkeypatch.setenv("SCRATCHNET_ENGINE", "loops")
    assert get_engine() == ("fused" if engines.JIT else "numba")  # who has asked has decided
    monkeypatch.setattr(engines, "_default", [None])
    assert get_engine() == "loops"
    set_engine("numpy")
    assert get_engine() == scratchnet.get_engine() == "numpy"
    with engine("numba"):
        assert get_engine() == "numba"
        with engine("loops"):
            assert get_engine() == "loops"
            assert ops.dense_forward is loops.dense_forward
        assert get_engine() == "numba"
    assert get_engine() == "numpy"
    assert ops.dense_forward is vectorized.dense_forward


def leave_by_an_error():
    with engine("loops"):
        raise KeyError("on purpose")


def test_engine_is_put_back_after_an_error():
    before = get_engine()
    with pytest.raises(KeyError, match="on purpose"):
        leave_by_an_error()
    assert get_engine() == before

"""Predictions of a few rows: one call for many steps, and when it must not be taken."""

import numba
import numpy as np
import pytest

import scratchnet as keras
from scratchnet import networks
from scratchnet.engines import engine
from scratchnet.engines import threads as setting
from scratchnet.engines.fused import few, few_rows, planner
from scratchnet.engines.fused import threads as regions
from scratchnet.engines.fused.convolution import conv_forward
from scratchnet.engines.fused.few import FEW, FewSteps, gather
from scratchnet.engines.fused.planner import Plan, merge
from scratchnet.engines.fused.steps import NO_ARGMAX, ConvStep, PlainStep
from scratchnet.engines.fused.threads import draw, share
from scratchnet.engines.fused.tile import SLIM, WIDE
from scratchnet.engines.fused.windows import windows
from scratchnet.layers import (
    Activation,
    BatchNormalization,
    Conv2D,
    Dense,
    Dropout,
    Flatten,
    MaxPooling2D,
)

TOLERANCE = {"float32": 2e-6, "float64": 1e-13}


@pytest.fixture(autouse=True)
def fused():
    with engine("fused"):
        yield


@pytest.fixture
def work_is_shared(monkeypatch):
    """However small the work is."""
    monkeypatch.setattr(regions, "ALONE", 0)
    monkeypatch.setattr(few, "SHARED", 0)
    before = list(setting._chosen)
    yield
    setting._chosen[:] = before
    setting.tell_numba()


def dense(*units, inputs=30, **options):
    """Dense layers with relu, the last with softmax."""
    layers = [Dense(u, activation="relu", **options) for u in units[:-1]]
    return [keras.Input((inputs,)), *layers, Dense(units[-1], activation="softmax", **options)]


def image(*layers, size=(14, 13, 2)):
    return [keras.Input(size), *layers]


MODELS = {
    "one layer": lambda: dense(10),
    # a whole number of tiles, and not; fewer columns than a tile; more parts than one
    "wide": lambda: dense(256, 10),
    "ragged": lambda: dense(301, 130, 70, 3, inputs=61),
    "no bias": lambda: dense(200, 10, use_bias=False),
    "linear": lambda: [keras.Input((30,)), Dense(100), Dropout(0.5), Dense(7)],
    "pixels": lambda: image(Flatten(), *dense(140, 10)[1:]),
    "convolutions": lambda: image(
        Conv2D(16, 3, activation="relu"),
        MaxPooling2D(2),
        Conv2D(20, 3, padding="same", use_bias=False),
        Dropout(0.2),
        Conv2D(32, 2, strides=2, activation="relu"),
        Flatten(),
        Dense(10, activation="softmax"),
    ),
    "leaves images": lambda: image(Conv2D(5, 3), MaxPooling2D((2, 3))),
}


def model_of(name, dtype="float32"):
    model = keras.Sequential(MODELS[name](), dtype=dtype)
    rng = np.random.default_rng(2)
    model.set_weights([rng.normal(size=w.shape) / 4 for w in model.weights])
    return model


def rows_for(model, n=1):
    x = np.random.default_rng(3).normal(size=(n, *model.input_shape[1:])).astype(model.dtype)
    return np.maximum(x, 0)  # with zeros, which are left out


def plain(model, x):
    """The output as engine "numpy" computes it in float64."""
    exact = keras.Sequential(
        [
            type(layer).from_config(layer.get_config() | {"dtype": "float64"})
            for layer in model.layers
        ]
    )
    exact.build((None, *x.shape[1:]))
    exact.set_weights(model.get_weights())
    with engine("numpy"):
        return exact.forward(x.astype(np.float64))


def calls(monkeypatch):
    """A list that gets an entry for each call of the compiled code."""
    seen = []
    original = few.predict_few

    def counted(*arguments):
        seen.append(arguments)
        return original(*arguments)

    monkeypatch.setattr(few, "predict_few", counted)
    return seen


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("name", MODELS)
def test_a_few_rows_come_out_as_the_plain_layers_have_them(name, dtype, monkeypatch):
    model, seen = model_of(name, dtype), calls(monkeypatch)
    for n in range(1, FEW + 1):
        x = rows_for(model, n)
        expected = plain(model, x)
        for _ in range(2):  # checked with care, and as one that is known
            got = model.predict_on_batch(x)
            assert got.dtype == dtype
            assert got.shape == expected.shape
            np.testing.assert_allclose(got, expected, rtol=0, atol=TOLERANCE[dtype])
    assert len(seen) == 2 * FEW


def test_more_rows_go_another_way(monkeypatch):
    model, seen = model_of("wide"), calls(monkeypatch)
    x = rows_for(model, FEW + 1)
    np.testing.assert_allclose(model.predict_on_batch(x), plain(model, x), rtol=0, atol=2e-6)
    assert not seen


@pytest.mark.parametrize("name", ["wide", "ragged", "convolutions"])
def test_the_same_bits_with_any_number_of_threads(name, work_is_shared):
    model = model_of(name)
    x = rows_for(model, 3)
    results = []
    for threads in (1, 2, 5):
        keras.set_num_threads(threads)
        results += [model.predict_on_batch(x).tobytes() for _ in range(5)]
    assert len(set(results)) == 1


# image, kernel, strides, dilation, (top and bottom, left and right), pool, filters
CONVOLUTIONS = {
    "one window": ((3, 3, 5), (3, 3), (1, 1), (1, 1), 0, None, 16),
    "fewer than a tile": ((5, 5, 8), (3, 3), (1, 1), (1, 1), 0, (2, 2), 64),
    "one tile": ((4, 5, 3), (3, 3), (1, 1), (1, 1), 0, None, 32),
    "two tiles": ((5, 6, 3), (3, 3), (1, 1), (1, 1), 0, None, 32),
    "halves of a panel": ((11, 12, 4), (3, 3), (1, 1), (1, 1), 0, (2, 2), 48),
    "ragged halves": ((11, 14, 1), (4, 3), (1, 1), (1, 1), 0, (3, 2), 16),
    "few large cells": ((20, 10, 2), (2, 3), (1, 1), (1, 1), 0, (6, 8), 16),
    "one large cell": ((14, 14, 1), (3, 3), (1, 1), (1, 1), 0, (12, 12), 16),
    "ragged filters": ((9, 8, 2), (3, 2), (1, 1), (1, 1), 0, (2, 2), 21),
    "few windows, ragged filters": ((4, 4, 2), (3, 3), (1, 1), (1, 1), 0, (2, 2), 5),
    "padding": ((9, 8, 2), (3, 3), (1, 1), (1, 1), 1, (2, 2), 32),
    "padding, few windows": ((2, 2, 6), (3, 3), (1, 1), (1, 1), 1, (2, 2), 32),
    "strides": ((13, 12, 3), (3, 2), (2, 3), (1, 1), 1, None, 32),
    "dilation": ((13, 12, 3), (3, 2), (1, 1), (2, 3), 0, None, 32),
}


@numba.njit(error_model="numpy")
def conv_from_the_end(x, rows, windows, kernel, bias, relu, y, vectors):
    """conv_few as one thread does it that came second and is left alone."""
    counters = np.zeros((3, 8), np.intp)
    counters[0] = 1
    whole = few_rows.bias_of_panels(bias, few_rows.width_of(vectors, x))
    tiles = windows.starts.size // few_rows.rows_of(vectors)
    parts = max(1, min(few_rows.PARTS, tiles // few_rows.TILES_OF_A_PART))
    few_rows._conv_tasks(counters, x, rows, windows, kernel, whole, relu, parts, y, vectors)


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("n", range(1, FEW + 1))
@pytest.mark.parametrize("name", CONVOLUTIONS)
def test_a_convolution_of_a_few_images_has_the_bits_of_one_of_many(name, n, dtype):
    image, kernel, strides, dilation, pad, pool, filters = CONVOLUTIONS[name]
    sides = ((pad, pad), (pad, pad))
    places = windows(image, sides, kernel, strides, dilation, pool)
    rng = np.random.default_rng(4)
    x = rng.normal(size=(6, np.prod(image))).astype(dtype)
    w = rng.normal(size=(places.taps.size, filters)).astype(dtype)
    bias = rng.normal(size=filters).astype(dtype)
    rows = np.array([4, 0, 5, 1])[:n]
    cells = places.starts.size // places.per_cell
    regions.launch(5)
    for relu in (False, True):
        wanted = np.full((n, cells, filters), np.nan, dtype)
        conv_forward(x, rows, places, w, bias, relu, wanted, NO_ARGMAX, WIDE, 1)
        for vectors in {WIDE, SLIM}:
            for workers in (1, 2, 5, 5, 5):
                y = np.full((n, cells, filters), np.nan, dtype)
                few_rows.conv_few(x, rows, places, w, bias, relu, y, vectors, workers)
                np.testing.assert_array_equal(y, wanted)
            y = np.full((n, cells, filters), np.nan, dtype)
            conv_from_the_end(x, rows, places, w, bias, relu, y, vectors)
            np.testing.assert_array_equal(y, wanted)


@pytest.mark.parametrize("threads", [1, 2, 5])
@pytest.mark.parametrize("total", [0, 1, 2, 7, 64])
def test_tasks_from_both_ends_are_done_once_each(total, threads):
    @regions.tasks
    def count(counters, done_by, total):
        seat, done, spent = draw(counters[0]), 0, 0.0
        task = few_rows._draw(counters, seat, done, total)
        while task >= 0:
            for i in range(5000):  # long enough for all threads to come
                spent = spent * 0.5 + i
            done_by[task] += 1 + 100 * seat + int(spent < 0)
            done += 1
            task = few_rows._draw(counters, seat, done, total)

    @numba.njit
    def run(done_by, workers):
        share(workers, count, (np.zeros((3, 8), np.intp), done_by, done_by.size))

    regions.launch(threads)
    for _ in range(200):
        done_by = np.zeros(total, np.int64)
        run(done_by, threads)
        assert np.all(done_by % 100 == 1)
        front = done_by // 100 == 0  # of the thread that came first
        assert np.all(front[:-1] >= front[1:])


@pytest.mark.parametrize("name", networks.NETWORKS)
def test_the_six_networks_take_one_call(name, monkeypatch):
    model, seen = networks.NETWORKS[name].compiled(keras), calls(monkeypatch)
    x = rows_for(model)
    np.testing.assert_allclose(model.predict_on_batch(x), plain(model, x), rtol=0, atol=2e-6)
    assert len(seen) == 1


def test_what_has_no_line_in_the_table_stands_between():
    layers = [
        Flatten(),
        Dense(8, activation="relu"),
        Dropout(0.5),
        Dense(8, activation="tanh"),
        Dropout(0.5),
        Dense(8),
        BatchNormalization(),
        Dense(8),
        Activation("relu"),
    ]
    model = keras.Sequential([keras.Input((2, 3)), *layers])
    steps = gather(merge(model.layers))
    kinds = [(type(step), len(step.layers)) for step in steps]
    assert kinds == [
        (PlainStep, 1),
        (FewSteps, 2),
        (PlainStep, 1),  # tanh
        (PlainStep, 1),
        (FewSteps, 1),
        (PlainStep, 1),
        (FewSteps, 1),
        (PlainStep, 1),
    ]
    x = rows_for(model)
    for _ in range(2):
        np.testing.assert_allclose(model.predict_on_batch(x), plain(model, x), rtol=0, atol=2e-6)


def test_positions_of_an_image_are_no_rows():
    layers = [Dense(8, activation="relu"), Flatten(), Dense(3)]
    model = keras.Sequential([keras.Input((2, 3)), *layers])
    assert [type(step) for step in gather(merge(model.layers))] == [
        type(merge(model.layers)[0]),
        PlainStep,
        FewSteps,
    ]
    x = rows_for(model)
    np.testing.assert_allclose(model.predict_on_batch(x), plain(model, x), rtol=0, atol=2e-6)


def test_images_of_any_size():
    model = keras.Sequential([keras.Input((None, None, 2)), Conv2D(4, 3), MaxPooling2D(2)])
    for size in ((6, 7), (9, 5), (6, 7)):
        x = np.random.default_rng(1).normal(size=(2, *size, 2)).astype(np.float32)
        np.testing.assert_allclose(model.predict_on_batch(x), plain(model, x), rtol=0, atol=2e-6)


def put_another_kernel(model):
    kernel = model.layers[0].params["kernel"]
    model.layers[0].params["kernel"] = np.zeros_like(kernel)


def put_another_bias(model):
    bias = model.layers[0].params["bias"]
    model.layers[0].params["bias"] = np.ones_like(bias)


def put_other_params(model):
    first = model.layers[0]
    first.params = {name: np.zeros_like(array) for name, array in first.params.items()}


CHANGES = {
    "weights written to": lambda model: model.layers[0].params["kernel"].fill(0.25),
    "weights set": lambda model: model.set_weights([w * 2 for w in model.get_weights()]),
    "another array": put_another_kernel,
    "another bias": put_another_bias,
    "another dict": put_other_params,
    "another activation": lambda model: setattr(model.layers[0], "activation", "tanh"),
    "no activation": lambda model: setattr(model.layers[0], "activation", None),
    "packed": lambda model: model.pack(),
    "a layer more": lambda model: model.add(Dense(4)),
    "a layer less": lambda model: model.pop(),
    "trained": lambda model: [
        model.compile("sgd", "mse"),
        model.fit(rows_for(model, 9), np.ones((9, *model.output_shape[1:])), verbose=0),
    ],
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_change_of_the_model_is_seen(change):
    model = model_of("wide")
    x = rows_for(model)
    before = model.predict_on_batch(x), model.predict_on_batch(x)
    np.testing.assert_array_equal(*before)
    CHANGES[change](model)
    after = plain(model, x)
    for _ in range(2):
        np.testing.assert_allclose(model.predict_on_batch(x), after, rtol=0, atol=2e-6)
    if change != "packed":
        assert after.shape != before[0].shape or abs(after - before[0]).max() > 1e-4


def test_another_engine_is_taken_when_it_is_chosen(monkeypatch):
    model, x = model_of("wide"), np.full((1, 30), 0.5, np.float32)
    model.predict_on_batch(x)
    seen = calls(monkeypatch)
    with engine("numpy"):
        model.predict_on_batch(x)
    assert not seen
    model.predict_on_batch(x)
    assert len(seen) == 1


def test_two_models_that_share_layers():
    model = model_of("ragged")
    x = rows_for(model)
    lower = keras.Sequential([keras.Input((61,)), *model.layers[:2]])
    for _ in range(2):
        np.testing.assert_allclose(model.predict_on_batch(x), plain(model, x), rtol=0, atol=2e-6)
        np.testing.assert_allclose(lower.predict_on_batch(x), plain(lower, x), rtol=0, atol=2e-5)
        model.pack()
        lower.pack()


@pytest.mark.parametrize("name", ["kernel", "bias"])
def test_weights_that_do_not_lie_side_by_side_are_read_otherwise(name, monkeypatch):
    model, seen = model_of("wide"), calls(monkeypatch)
    x, params = rows_for(model), model.layers[0].params
    params[name] = np.repeat(params[name], 2, axis=-1)[..., ::2]
    np.testing.assert_allclose(model.predict_on_batch(x), plain(model, x), rtol=0, atol=2e-6)
    assert not seen


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("place", [0, 17, 29])
def test_a_number_that_is_none_is_refused(bad, place):
    model = model_of("wide")
    x = rows_for(model, 2)
    model.predict_on_batch(x)
    x[1, place] = bad
    with pytest.raises(ValueError, match="expected finite numbers in x"):
        model.predict_on_batch(x)


def test_large_numbers_are_numbers():
    model = model_of("one layer")
    x = np.full((1, 30), 1e30, np.float32)
    model.predict_on_batch(x)
    np.testing.assert_allclose(model.predict_on_batch(x), plain(model, x), atol=1e-6)


def test_infinities_within_the_network_go_on():
    model = keras.Sequential([keras.Input((3,)), Dense(4), Activation("exponential"), Dense(2)])
    model.set_weights([np.full((3, 4), 30.0), np.zeros(4), np.ones((4, 2)), np.zeros(2)])
    x = np.full((1, 3), 100, np.float32)
    for _ in range(2):
        with np.errstate(over="ignore"):
            assert np.isinf(model.predict_on_batch(x)).all()


OTHERS = {
    "read-only": lambda x: np.broadcast_to(x, x.shape),
    "not in order": lambda x: np.asfortranarray(np.repeat(x, 3, axis=0))[:2],
    "other numbers": lambda x: (100 * x).astype(int),
    "a list": lambda x: x.tolist(),
}


@pytest.mark.parametrize("form", OTHERS)
def test_data_of_every_form(form):
    model = model_of("wide")
    model.predict_on_batch(rows_for(model, 2))
    compiled = len(few.predict_few.signatures)
    x = OTHERS[form](rows_for(model, 2))
    expected = plain(model, np.asarray(x))
    for _ in range(2):
        np.testing.assert_allclose(model.predict_on_batch(x), expected, rtol=0, atol=2e-6)
    assert len(few.predict_few.signatures) == compiled  # nobody waits for a compiler


def test_the_layers_keep_nothing_and_a_backup_plan_is_there():
    model = model_of("convolutions")
    model.predict_on_batch(rows_for(model))
    assert all(layer.x is layer.y is layer.saved is None for layer in model.layers)
    made = planner.plan(model)
    assert isinstance(made, Plan)
    assert [type(step) for step in made.few] == [FewSteps]
    assert isinstance(made.steps[0], ConvStep)

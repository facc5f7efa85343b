"""Each merged step against the plain layers it stands for, which engine "numpy" runs in float64."""

from itertools import pairwise

import numba
import numpy as np
import pytest

from scratchnet.engines import engine
from scratchnet.engines.fused import convolution, dense, steps, threads
from scratchnet.engines.fused.convolution import BLOCKS, FEW_BLOCKS
from scratchnet.engines.fused.steps import ConvStep, DenseStep, PlainStep, every_row
from scratchnet.engines.fused.tile import ROWS
from scratchnet.engines.threads import set_num_threads
from scratchnet.layers import BatchNormalization, Conv2D, Dense, Dropout, MaxPooling2D
from scratchnet.registry import deserialize, serialize

DTYPES = ("float32", "float64")
TOLERANCE = {"float32": 2e-5, "float64": 1e-12}  # of the largest number of an array
BATCHES = (1, 2, 5, 7, 33)
MANY_ROWS = dense.TILES * ROWS + 3  # more than wait at once under a panel of a dense layer


def random(rng, *shape):
    return rng.normal(size=shape)


def few_values(rng, *shape):
    """Quarters from -1 to 1, most of them 0: sums are exact in both types, and ties are many."""
    return rng.integers(-4, 5, shape) * (rng.random(shape) < 0.6) / 4


def built(layers, shape, rng, draw):
    """The layers, with these numbers as weights."""
    for layer in layers:
        layer.build((None, *shape))
        for w in layer.weights:
            w[...] = draw(rng, *w.shape)
        shape = layer.output_shape[1:]
    return layers


def twins(layers):
    """The same layers in float64, with the same weights and masks."""
    others = []
    for layer in layers:
        if isinstance(layer, Dropout):  # whose mask depends on its dtype
            other = Dropout(
                layer.rate, layer.noise_shape, layer.seed, layer.mask, dtype=layer.dtype
            )
            other.build(layer.input_shape)
        else:
            config = serialize(layer)
            config["config"]["dtype"] = "float64"
            other = deserialize("Layer", config, {type(layer).__name__: type(layer)})
            other.build(layer.input_shape)
            other.set_weights(layer.get_weights())
        others.append(other)
    return others


def forward(layers, x):
    for layer in layers:
        x = layer.forward(x, training=True)
    return x


def backward(layers, dy, needs_dx=True):
    for index in reversed(range(len(layers))):
        layers[index].needs_dx = needs_dx or index > 0
        dy = layers[index].backward(dy)
    return dy


def close(mine, wanted, dtype, what, exact=False):
    assert mine.dtype == dtype, what
    assert mine.shape == wanted.shape, what
    if exact:
        np.testing.assert_array_equal(mine, wanted, err_msg=what)
    else:
        bar = TOLERANCE[dtype] * max(abs(wanted).max(initial=0), 1e-30)
        np.testing.assert_allclose(mine, wanted, rtol=0, atol=bar, err_msg=what)


def assert_step(step, shape, n, dtype, draw, seed=0, needs_dx=True, exact=False):
    """Two batches through the step and through its layers: y, dx and gradients.

    The rows of a batch come from more data, in no order.
    """
    rng = np.random.default_rng(seed)
    layers = built(list(step.layers), shape, rng, draw)
    plain = twins(layers)
    x = draw(rng, n + 9, *shape).astype(dtype)
    for call in range(2):
        before = x.copy()
        rows = rng.permutation(n + 9)[:n]
        y = step.forward(x, rows, training=True)
        with engine("numpy"):
            wanted = forward(plain, x[rows].astype("float64"))
        close(y, wanted, dtype, f"y of call {call}", exact)
        dy = draw(rng, *y.shape).astype(dtype)
        given = dy.copy()
        for layer in layers:
            for gradient in layer.grads.values():
                gradient[...] = 7  # every gradient is overwritten
        dx = step.backward(dy, needs_dx)
        with engine("numpy"):
            wanted = backward(plain, dy.astype("float64"), needs_dx)
        np.testing.assert_array_equal(dy, given)
        np.testing.assert_array_equal(x, before)
        for mine, theirs in zip(layers, plain, strict=True):
            assert mine.grads.keys() == theirs.grads.keys()
            for key in mine.grads:
                close(mine.grads[key], theirs.grads[key], dtype, f"{key} of call {call}", exact)
        if needs_dx:
            close(dx, wanted, dtype, f"dx of call {call}", exact)
        else:
            assert dx is None
    predicted = step.forward(x, every_row(len(x)), training=False)
    with engine("numpy"):
        wanted = x.astype("float64")
        for layer in plain:
            wanted = layer.forward(wanted, training=False)
    close(predicted, wanted, dtype, "prediction", exact)


# ------------------------------------------------------------------ dense

DENSE = {
    "1x1": (1, 1, {}),
    "7x3-relu": (7, 3, {"activation": "relu"}),
    "13x16": (13, 16, {}),
    "13x17-relu": (13, 17, {"activation": "relu"}),
    "20x10-linear": (20, 10, {"activation": "linear"}),
    "33x64-relu-no-bias": (33, 64, {"activation": "relu", "use_bias": False}),
    "50x65": (50, 65, {}),
    "9x200-relu": (9, 200, {"activation": "relu"}),
    "9x333": (9, 333, {"use_bias": False}),
}


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("n", BATCHES)
@pytest.mark.parametrize(("D", "U", "options"), DENSE.values(), ids=DENSE)
def test_dense_step_is_its_layers(D, U, options, n, dtype):
    step = DenseStep([Dense(U, dtype=dtype, **options)])
    assert_step(step, (D,), n, dtype, random, needs_dx=n != 5)
    step = DenseStep([Dense(U, dtype=dtype, **options)])
    assert_step(step, (D,), n, dtype, few_values, exact=True)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(
    ("n", "D", "U"), [(7, 900, 40), (7, 900, 700), (MANY_ROWS, 20, 40), (MANY_ROWS, 20, 700)]
)
def test_dense_step_of_long_sums_and_many_rows_is_its_layers(n, D, U, dtype):
    step = DenseStep([Dense(U, activation="relu", dtype=dtype)])
    assert_step(step, (D,), n, dtype, few_values, exact=True)


def test_a_kernel_too_large_to_be_packed_as_a_whole():
    D, U = 33_000, 520
    assert D * U * 4 > dense.PACKED_BYTES
    x, kernel = (
        few_values(np.random.default_rng(0), *shape).astype("float32")
        for shape in ((MANY_ROWS, D), (D, U))
    )
    bias, y = np.ones(U, np.float32), np.empty((MANY_ROWS, U), np.float32)
    rows, none, one = np.arange(MANY_ROWS)[::-1].copy(), np.empty((0, 0), np.uint8), np.float32(1)
    dense.dense_forward(x, rows, kernel, bias, False, none, one, y, 2)
    np.testing.assert_array_equal(y, x[::-1] @ kernel + 1)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("rate", [0, 0.2, 0.5, 1])
@pytest.mark.parametrize(("n", "U"), [(1, 5), (5, 17), (7, 64), (33, 40)])
def test_dense_step_with_dropout_is_its_layers(n, U, rate, dtype):
    for draw in (random, few_values):
        drop = Dropout(rate, seed=3, dtype=dtype)
        step = DenseStep([Dense(U, activation="relu", dtype=dtype), drop])
        assert_step(step, (11,), n, dtype, draw)
        if rate:
            assert drop.seed_generator.state == (3, 2)  # one mask a training call, none to predict


MASKS = {
    "function": {"mask": lambda call: np.arange(7 * 12).reshape(7, 12) % (call + 2)},
    "one-row": {"mask": np.arange(12) % 3 > 0},
    "floats": {"mask": lambda call: np.resize([0.5, 0.0], (7, 1))},
    "noise-shape": {"noise_shape": (None, 1), "seed": 4},
    "noise-shape-row": {"noise_shape": (1, 12), "seed": 4},
}


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("options", MASKS.values(), ids=MASKS)
def test_dense_step_takes_the_masks_that_dropout_takes(options, dtype):
    drop = Dropout(0.4, dtype=dtype, **options)
    step = DenseStep([Dense(12, activation="relu", dtype=dtype), drop])
    assert_step(step, (5,), 7, dtype, random)


def test_a_mask_that_does_not_fit_is_refused_with_the_layers_words():
    drop = Dropout(0.4, mask=lambda call: np.ones(5), name="d")
    step = DenseStep([Dense(12, activation="relu"), drop])
    built(step.layers, (5,), np.random.default_rng(0), random)
    with pytest.raises(
        ValueError, match=r"Dropout 'd': expected a mask that fits x of .*\(3, 12\)"
    ):
        step.forward(np.ones((3, 5), np.float32), every_row(3), training=True)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("dropout", [False, True])
@pytest.mark.parametrize("shape", [(3, 5), (2, 3, 4), (1, 5)])
def test_dense_step_takes_every_position_as_a_row(shape, dropout, dtype):
    layers = [Dense(18, activation="relu", dtype=dtype)]
    if dropout:
        layers.append(Dropout(0.3, seed=2, dtype=dtype))
    assert_step(DenseStep(layers), shape, 7, dtype, few_values, exact=not dropout)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(6,), (3, 6)])
@pytest.mark.parametrize("n", BATCHES)
def test_softmax_step_leaves_the_logits_and_goes_back_from_them(n, shape, dtype):
    rng = np.random.default_rng(n)
    step = DenseStep([Dense(11, activation="softmax", dtype=dtype)])
    layers = built(list(step.layers), shape, rng, random)
    plain = twins(layers)
    x = rng.normal(size=(n + 4, *shape)).astype(dtype)
    rows = rng.permutation(n + 4)[:n]
    y = step.forward(x, rows, training=True)
    dz = rng.normal(size=y.shape).astype(dtype)
    with engine("numpy"):
        wanted = forward(plain, x[rows].astype("float64"))
        wanted_dx = plain[0].backward_z(dz.astype("float64"))
    close(y, wanted, dtype, "y")
    close(layers[0].z, plain[0].z, dtype, "z")
    close(step.backward_z(dz, True), wanted_dx, dtype, "dx")
    for key in layers[0].grads:
        close(layers[0].grads[key], plain[0].grads[key], dtype, key)
    assert step.backward_z(dz, False) is None


@pytest.mark.parametrize("dtype", DTYPES)
def test_dense_step_leaves_out_zeros_and_nothing_else(dtype):
    """Columns of zeros, rows of zeros, single numbers: what packing leaves out."""
    rng = np.random.default_rng(0)
    step = DenseStep([Dense(40, dtype=dtype)])
    layers = built(list(step.layers), (23,), rng, random)
    plain = twins(layers)
    x = np.zeros((31, 23), dtype)
    x[:, 22] = x[3] = x[12, 0] = x[30, 7] = 1.5
    x[13, 11], x[14, 11] = 2.5, -2.5  # which cancel
    y = step.forward(x, every_row(31), training=True)
    dy = rng.normal(size=y.shape).astype(dtype)
    dy[:, 5] = dy[8:21] = 0
    dx = step.backward(dy, True)
    with engine("numpy"):
        close(y, forward(plain, x.astype("float64")), dtype, "y")
        close(dx, backward(plain, dy.astype("float64")), dtype, "dx")
    for key in ("kernel", "bias"):
        close(layers[0].grads[key], plain[0].grads[key], dtype, key)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("n", [3, ROWS + 1, MANY_ROWS])
def test_the_zeros_that_fill_a_list_meet_zeros(n, dtype):
    """One place is left of each list; with any row but the zeros behind the panel 0 * infinity
    would come in."""
    infinite, one = np.array([np.inf, 1], dtype)
    x, dz, bias = (np.zeros(shape, dtype) for shape in ((n, 23), (n, 40), 40))
    kernel, rows = np.full((23, 40), infinite), np.arange(n)
    y, dx, dkernel, dbias = (np.empty_like(like) for like in (dz, x, kernel, bias))
    none, no_keep = np.empty((0, 0), dtype), np.empty((0, 0), np.uint8)
    x[:, 4] = dz[:, 3] = 2
    used = [np.full(64 * size, np.nan) for size in range(200)]
    del used[:-1]  # into which the next allocations are put
    # the same memory, with a row that is no number where the zeros belong
    more, bad = np.full((n, 24), one), np.full((24, 40), np.nan, dtype)
    for _ in range(3):
        dense.dense_forward(more, rows, bad, bias, False, no_keep, one, y, 1)
    dense.dense_forward(x, rows, kernel, bias, False, no_keep, one, y, 1)
    assert (y == infinite).all()
    dense.dense_dx(dz, kernel, dx, 1)
    assert (dx == infinite).all()
    x[1:], dz[:] = 0, infinite
    dense.dense_backward(x, rows, dz, none, one, dz, kernel, dkernel, dbias, none, 1)
    assert (dkernel[4] == infinite).all()


# ------------------------------------------------------------------ convolution

# image, filters, options of Conv2D, pool
CONV = {
    "1x1": ((5, 4, 3), 5, {"kernel_size": 1}, None),
    "1x1-strides-beyond": ((7, 8, 2), 5, {"kernel_size": 1, "strides": (2, 3)}, None),
    "2x3": ((6, 7, 2), 16, {"kernel_size": (2, 3), "activation": "relu"}, None),
    "3x3-one-pixel": ((3, 3, 1), 1, {"kernel_size": 3, "activation": "relu"}, None),
    "3x3-same": ((5, 4, 3), 17, {"kernel_size": 3, "padding": "same"}, None),
    "3x3-same-strides": ((7, 6, 2), 5, {"kernel_size": 3, "padding": "same", "strides": 2}, None),
    "3x3-strides": ((8, 9, 3), 17, {"kernel_size": 3, "strides": (3, 2)}, None),
    "3x3-left-over": ((8, 8, 1), 5, {"kernel_size": 3, "strides": 2, "activation": "relu"}, None),
    "3x3-dilation": ((7, 9, 2), 5, {"kernel_size": 3, "dilation_rate": (2, 3)}, None),
    "2x3-same-dilation": (
        (6, 7, 2), 16,
        {"kernel_size": (2, 3), "dilation_rate": 2, "padding": "same", "activation": "relu"}, None,
    ),
    "5x5-same": ((6, 6, 2), 64, {"kernel_size": 5, "padding": "same", "use_bias": False}, None),
    "5x5-beyond-the-image": ((3, 4, 2), 5, {"kernel_size": 5, "padding": "same"}, None),
    "3x3-many-channels": ((5, 5, 32), 64, {"kernel_size": 3, "activation": "relu"}, None),
    "pool": ((6, 6, 1), 16, {"kernel_size": 3, "activation": "relu"}, 2),
    "pool-left-over": ((7, 8, 3), 17, {"kernel_size": 3, "activation": "relu"}, 2),
    "pool-linear": ((7, 8, 2), 5, {"kernel_size": (2, 3)}, (2, 3)),
    "pool-1x1": ((5, 6, 3), 5, {"kernel_size": 1, "activation": "relu"}, (2, 3)),
    "pool-3x3": ((8, 8, 2), 1, {"kernel_size": 3, "activation": "relu", "use_bias": False}, 3),
    "pool-same": ((6, 5, 3), 17, {"kernel_size": 3, "padding": "same", "activation": "relu"}, 2),
    "pool-same-strides": (
        (9, 7, 2), 5, {"kernel_size": 3, "padding": "same", "strides": 2, "activation": "relu"}, 2,
    ),
    "pool-strides": ((10, 9, 3), 16, {"kernel_size": 2, "strides": (2, 1)}, (2, 3)),
    "pool-dilation": (
        (9, 9, 2), 5, {"kernel_size": 3, "dilation_rate": 2, "activation": "relu"}, 2,
    ),
    "pool-dilation-of-rows": (
        (9, 6, 2), 17, {"kernel_size": 3, "dilation_rate": (2, 1), "activation": "relu"}, 2,
    ),
    "pool-many-channels": ((6, 7, 32), 64, {"kernel_size": 3, "activation": "relu"}, 2),
    "pool-5x5-same": ((6, 6, 3), 64, {"kernel_size": 5, "padding": "same"}, 3),
    "pool-of-one": ((4, 4, 2), 5, {"kernel_size": 2, "activation": "relu"}, 1),
    "pool-of-all": ((5, 6, 2), 17, {"kernel_size": 2, "activation": "relu"}, (4, 5)),
}  # fmt: skip
POOLED = {name: case for name, case in CONV.items() if case[3] is not None}
WAYS = {"tiles": False, "lists": True}


def conv_step(image, F, options, pool, dtype):
    layers = [Conv2D(F, dtype=dtype, **options)]
    return ConvStep(layers if pool is None else [*layers, MaxPooling2D(pool, dtype=dtype)])


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("case", CONV.values(), ids=CONV)
def test_conv_step_is_its_layers(case, dtype):
    for n in BATCHES if case[0][2] < 32 else (1, 7):
        assert_step(conv_step(*case, dtype), case[0], n, dtype, random, n, needs_dx=n != 5)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("case", CONV.values(), ids=CONV)
def test_conv_step_is_its_layers_to_the_bit_where_numbers_tie(case, dtype):
    for n in (2, 7):
        assert_step(conv_step(*case, dtype), case[0], n, dtype, few_values, n, exact=True)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("case", POOLED.values(), ids=POOLED)
def test_both_ways_back_through_a_pooling_are_the_layers(case, dtype, way, monkeypatch):
    lists = WAYS[way] and np.broadcast_to(case[2].get("dilation_rate", 1), 2)[1] == 1
    monkeypatch.setattr(ConvStep, "_lists_pay", lambda *_: lists)
    assert_step(conv_step(*case, dtype), case[0], 5, dtype, few_values, exact=True)
    assert_step(conv_step(*case, dtype), case[0], 19, dtype, random, 1)


def test_each_way_back_is_taken_somewhere(monkeypatch):
    ways = set()
    for name in ("pooled_backward", "conv_backward"):
        function = getattr(steps.convolution, name)

        def note(*arguments, name=name, function=function):
            ways.add(name)
            return function(*arguments)

        monkeypatch.setattr(steps.convolution, name, note)
    for case in (POOLED["pool"], POOLED["pool-many-channels"]):
        assert_step(conv_step(*case, "float32"), case[0], 2, "float32", random)
    assert ways == {"pooled_backward", "conv_backward"}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("activation", ["linear", "relu"])
@pytest.mark.parametrize("value", [-1, 0, 1])
def test_the_first_of_equal_windows_takes_the_gradient(value, activation, dtype, way, monkeypatch):
    monkeypatch.setattr(ConvStep, "_lists_pay", lambda *_: WAYS[way])
    conv = Conv2D(3, 1, activation=activation, dtype=dtype)
    step = ConvStep([conv, MaxPooling2D(2, dtype=dtype)])
    built(step.layers, (4, 4, 1), None, lambda rng, *shape: np.ones(shape))
    conv.params["bias"][...] = value - 1
    step.forward(np.ones((1, 4, 4, 1), dtype), every_row(1), training=True)
    dx = step.backward(np.full((1, 2, 2, 3), 2, dtype), True)
    wanted = np.zeros((4, 4))
    if value > 0 or activation == "linear":
        wanted[::2, ::2] = 6
    np.testing.assert_array_equal(dx[0, :, :, 0], wanted)
    assert conv.grads["bias"].tolist() == [wanted.sum() / 3] * 3


def test_a_large_kernel_has_few_partial_sums():
    @numba.njit
    def blocks(nbytes, images):
        return convolution._blocks_of(nbytes, images)

    small = convolution.PARTIAL_BYTES // BLOCKS
    assert (blocks(small, 99), blocks(small + 1, 99)) == (BLOCKS, FEW_BLOCKS)
    assert (blocks(small, 3), blocks(small + 1, 3)) == (3, 3)


def test_a_task_has_images_that_fill_its_tiles():
    @numba.njit
    def images(windows, height, rows):
        return convolution._images_of(windows, height, rows)

    assert images(100, 6, 128) == 3  # 300 windows, 50 tiles
    assert images(100, 6, 33) == 1  # of 33 images so few tasks would keep threads waiting
    assert images(676, 9, 128) == 1
    assert images(4, 6, 999) == 18
    assert images(4, 6, 7) == 7
    assert images(4, 6, 0) == 1


@pytest.mark.parametrize("padding", ["valid", "same"])  # "valid": read where they lie
@pytest.mark.parametrize("dtype", DTYPES)
def test_images_of_a_task_come_from_any_rows(dtype, padding):
    # 9 windows (or 25) of 72 terms and more images than a task has, the last of which has fewer
    step = conv_step((5, 5, 8), 20, {"kernel_size": 3, "padding": padding}, None, dtype)
    assert_step(step, (5, 5, 8), 150, dtype, few_values, exact=True)


@pytest.mark.parametrize("pool", [2, None])
def test_a_conv_step_with_a_large_kernel_is_its_layers(pool):
    C, F, n = 64, 64, 2 * FEW_BLOCKS + 1  # more images than it has partial sums
    assert BLOCKS * 9 * C * F * 4 > convolution.PARTIAL_BYTES
    step = conv_step((4, 5, C), F, {"kernel_size": 3, "activation": "relu"}, pool, "float32")
    assert_step(step, (4, 5, C), n, "float32", few_values, exact=True)


@pytest.mark.parametrize("dtype", DTYPES)
def test_conv_steps_of_drawn_shapes_are_their_layers(dtype):
    """Sixty shapes that nobody chose; every sum is exact, so every bit counts."""
    rng = np.random.default_rng(11)
    for trial in range(60):
        kernel = rng.integers(1, 5, 2)
        strides, dilation = rng.integers(1, 4, 2), rng.integers(1, 3, 2)
        if rng.random() < 0.5:
            strides[:] = 1
        else:
            dilation[:] = 1
        pool = rng.permutation([rng.integers(2, 4), rng.integers(1, 4)])
        if rng.random() < 0.4:
            pool = None
        reach = (kernel - 1) * dilation + 1
        least = reach + (np.ones(2, int) if pool is None else pool) * strides
        H, W = (int(v) for v in least + rng.integers(0, 4, 2))
        C, F, n = (int(rng.integers(1, limit)) for limit in (5, 40, 6))
        options = {
            "kernel_size": tuple(kernel.tolist()), "strides": tuple(strides.tolist()),
            "dilation_rate": tuple(dilation.tolist()),
            "padding": str(rng.choice(["valid", "same"])),
            "activation": str(rng.choice(["linear", "relu"])), "use_bias": bool(rng.random() < 0.7),
        }  # fmt: skip
        pool = None if pool is None else tuple(pool.tolist())
        try:
            step = conv_step((H, W, C), F, options, pool, dtype)
            assert_step(step, (H, W, C), n, dtype, few_values, trial, exact=True)
        except AssertionError as error:
            raise AssertionError(f"{(H, W, C), F, options, pool, n}") from error


# ------------------------------------------------------------------ what all share


@pytest.fixture
def three_threads(monkeypatch):
    """Three threads for however little work."""
    monkeypatch.setattr(threads, "ALONE", 0)
    from scratchnet.engines import threads as setting

    before = setting.get_num_threads()
    set_num_threads(3)
    yield
    set_num_threads(before)


@pytest.mark.parametrize("dtype", DTYPES)
def test_steps_are_their_layers_with_three_threads(dtype, three_threads):
    for D, U, options in DENSE.values():
        step = DenseStep([Dense(U, dtype=dtype, **options)])
        assert_step(step, (D,), 33, dtype, few_values, exact=True)
    for case in CONV.values():
        assert_step(conv_step(*case, dtype), case[0], 9, dtype, few_values, exact=True)


def test_arrays_are_kept_and_grow():
    step = PlainStep([Dense(1)])
    large = step.array("a", (5, 4), np.float32)
    large[...] = 3
    small = step.array("a", (2, 3), np.float32)
    assert small.shape == (2, 3)
    assert np.shares_memory(small, large)
    assert not np.shares_memory(step.array("b", (2, 3), np.float32), large)
    other = step.array("a", (2, 3), np.float64)
    assert other.dtype == np.float64
    assert step.array("a", (50, 4), np.float64).shape == (50, 4)
    assert step.array("a", (50, 4), np.float64) is step.array("a", (50, 4), np.float64)
    assert step.array("a", (50, 4), np.float32).dtype == np.float32


@pytest.mark.parametrize("activation", ["linear", "relu"])
def test_a_gradient_of_another_size_is_refused(activation):
    """A layer of somebody's own may give back any array: kernels would read behind its end."""
    step = DenseStep([Dense(20, activation=activation)])
    built(list(step.layers), (4,), np.random.default_rng(0), random)
    step.forward(np.ones((9, 4), np.float32), every_row(9), training=True)
    for shape in ((8, 20), (9, 19), (9,)):
        with pytest.raises(ValueError, match="cannot reshape"):
            step.backward(np.ones(shape, np.float32), True)
    assert step.backward(np.ones((9, 4, 5), np.float32), True).shape == (9, 4)


def test_batches_of_changing_size_share_no_numbers():
    """A short batch, then a long one, then one number: what was before leaves nothing behind."""
    rng = np.random.default_rng(0)
    step = conv_step(*POOLED["pool-left-over"], "float64")
    built(list(step.layers), (7, 8, 3), rng, random)
    plain = twins(step.layers)
    x = rng.normal(size=(40, 7, 8, 3))
    for n in (3, 40, 1, 2, 17):
        y = step.forward(x, rng.permutation(40)[:n], training=True)
        rows = step.saved.rows
        with engine("numpy"):
            close(y, forward(plain, x[rows]), "float64", f"y of {n}")
        dy = rng.normal(size=y.shape)
        dx = step.backward(dy, True)
        with engine("numpy"):
            close(dx, backward(plain, dy), "float64", f"dx of {n}")
        close(step.conv.grads["kernel"], plain[0].grads["kernel"], "float64", f"dkernel of {n}")


def test_the_last_results_are_not_written_over_by_a_prediction():
    step = DenseStep([Dense(20, activation="relu", dtype="float64")])
    built(list(step.layers), (4,), np.random.default_rng(0), random)
    x = np.random.default_rng(1).normal(size=(9, 4))
    one = step.forward(x, every_row(9), training=False)
    kept = one.copy()
    step.forward(-x, every_row(9), training=False)
    step.forward(-x, every_row(9), training=True)
    np.testing.assert_array_equal(one, kept)


@pytest.mark.parametrize("rows", [None, [4, 0, 3]])
def test_plain_step_is_its_layer(rows, rng):
    layer = BatchNormalization(dtype="float64")
    step = PlainStep([layer])
    layer.build((None, 4))
    x = rng.normal(size=(5, 4))
    rows = every_row(5) if rows is None else np.array(rows)
    y = step.forward(x, rows, training=True)
    dy = rng.normal(size=y.shape)
    dx = step.backward(dy, True)
    other = BatchNormalization(dtype="float64")
    other.build((None, 4))
    np.testing.assert_array_equal(y, other.forward(x[rows], training=True))
    np.testing.assert_array_equal(dx, other.backward(dy))
    assert layer.needs_dx
    np.testing.assert_array_equal(layer.grads["gamma"], other.grads["gamma"])


def test_plain_step_copies_no_row_of_a_whole_batch():
    step = PlainStep([Dropout(0)])
    x = np.ones((3, 2), np.float32)
    step.forward(x, every_row(3), training=True)
    assert step.layer.x is x


def test_every_row_counts():
    for one, two in pairwise(range(5)):
        assert every_row(one).tolist() == list(range(one))
        assert every_row(two).size == two

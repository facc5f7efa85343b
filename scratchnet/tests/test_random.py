"""Expected numbers were read once from TensorFlow 2.21.0 under Keras 3.15.1 on a CPU."""

import random as python_random
from collections.abc import Iterator

import numpy as np
import pytest

from scratchnet import engines, random
from scratchnet.utils import random_seed

UNIFORM = {  # keras.random.uniform((5,), seed=42)
    "float32": [
        0.2824331521987915,
        0.4984169006347656,
        0.7154585123062134,
        0.020202040672302246,
        0.07859814167022705,
    ],
    "float64": [
        0.2594654438987689,
        0.7236686870832034,
        0.6287856150913227,
        0.03998694042341011,
        0.029702048846838025,
    ],
}
UNIFORM_BETWEEN = {  # keras.random.uniform((3,), minval=-.1, maxval=.3, seed=42)
    "float32": [0.01297326385974884, 0.09936676174402237, 0.18618342280387878],
    "float64": [0.0037861795490942013, 0.18946748304831862, 0.15151425297908516],
}
NORMAL = {  # keras.random.normal((5,), seed=42)
    "float32": [
        0.015817075967788696,
        -1.5900869369506836,
        0.10359445959329605,
        0.8117459416389465,
        -1.610355019569397,
    ],
    "float64": [
        -1.620209350905405,
        -0.2705275550817895,
        0.23948420504962206,
        0.9330472363796555,
        -0.6632944779973228,
    ],
}
TRUNCATED = {  # keras.random.truncated_normal((5,), seed=9)
    "float32": [
        -0.5550820827484131,
        -0.4970337748527527,
        -0.7479323148727417,
        -0.14649856090545654,
        0.39888444542884827,
    ],
    "float64": [
        -0.986061561171238,
        -0.7749036651496805,
        -1.4077847931413603,
        0.6846230028279329,
        0.27931187937692836,
    ],
}
MASK = {  # where keras.random.dropout(ones(32), 0.3) keeps, third call of SeedGenerator(42)
    "float32": "10101110100111010011111111011111",
    "float64": "10111111001011101111111101100111",
}
ORDER = {  # of 10 samples in fit, by global seed
    0: [2, 0, 5, 8, 7, 1, 9, 6, 3, 4],
    7: [7, 5, 4, 0, 3, 6, 9, 2, 8, 1],
    2**32 - 1: [2, 4, 0, 8, 9, 1, 5, 6, 3, 7],
}
BOTH = pytest.mark.parametrize("dtype", ["float32", "float64"])


@pytest.fixture(autouse=True)
def _seed_put_back(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Each test starts with no global seed; Python's and NumPy's states are put back after it."""
    python_state, numpy_state = python_random.getstate(), np.random.get_state()  # noqa: NPY002
    monkeypatch.setattr(random_seed, "_global_seed", None)
    monkeypatch.setattr(random_seed, "_global_generator", None)
    yield
    python_random.setstate(python_state)
    np.random.set_state(numpy_state)  # noqa: NPY002


# numbers


@BOTH
def test_uniform_is_keras_bit_for_bit(dtype: str) -> None:
    got = random.uniform((5,), dtype=dtype, seed=42)
    assert got.dtype == dtype
    assert got.tolist() == UNIFORM[dtype]


@BOTH
def test_uniform_bounds_are_rounded_as_in_keras(dtype: str) -> None:
    assert random.uniform((3,), -0.1, 0.3, dtype, 42).tolist() == UNIFORM_BETWEEN[dtype]


@BOTH
@pytest.mark.parametrize(
    ("name", "table", "seed"), [("normal", NORMAL, 42), ("truncated_normal", TRUNCATED, 9)]
)
def test_normal_kinds_are_keras_to_two_units_in_the_last_place(
    name: str, table: dict, seed: int, dtype: str
) -> None:
    got = getattr(random, name)((5,), dtype=dtype, seed=seed)
    assert got.dtype == dtype
    np.testing.assert_array_max_ulp(got, np.array(table[dtype], dtype), 2)


@BOTH
@pytest.mark.parametrize("name", ["uniform", "normal", "truncated_normal"])
@pytest.mark.parametrize("n", [0, 1, 2, 3, 6])
def test_a_shorter_stream_is_the_beginning_of_a_longer_one(name: str, dtype: str, n: int) -> None:
    stream = getattr(random, name)
    assert np.array_equal(stream((n,), dtype=dtype, seed=5), stream((7,), dtype=dtype, seed=5)[:n])


@BOTH
def test_shape_only_reshapes_the_stream(dtype: str) -> None:
    flat = random.normal((24,), dtype=dtype, seed=5)
    assert np.array_equal(random.normal((2, 3, 4), dtype=dtype, seed=5), flat.reshape(2, 3, 4))
    assert random.normal((), dtype=dtype, seed=5) == flat[0]


@BOTH
def test_uniform_is_uniform(dtype: str) -> None:
    u = random.uniform((100_000,), dtype=dtype, seed=1)
    counts = np.histogram(u, 20, (0, 1))[0]
    chi_squared = ((counts - 5000.0) ** 2 / 5000).sum()
    assert u.min() >= 0
    assert u.max() < 1
    assert chi_squared < 43.8  # 19 degrees of freedom: one seed in a thousand is above


@BOTH
def test_normal_has_its_moments(dtype: str) -> None:
    z = random.normal((100_000,), 3.0, 2.0, dtype, 1)
    assert abs(z.mean() - 3) < 4 * 2 / 100_000**0.5
    assert abs(z.std() - 2) < 4 * 2 / 200_000**0.5
    assert abs((np.abs(z - 3) < 2).mean() - 0.6827) < 4 * (0.6827 * 0.3173 / 100_000) ** 0.5


@BOTH
def test_truncated_normal_stays_within_two_deviations(dtype: str) -> None:
    z = random.truncated_normal((100_000,), 0.0, 1.0, dtype, 1)
    assert np.abs(z).max() < 2
    assert abs(z.std() - 0.8796) < 0.01


def test_streams_of_neighbouring_seeds_and_counters_are_independent() -> None:
    streams = [random.uniform((20_000,), seed=pair) for pair in [(3, 0), (4, 0), (3, 1), (0, 3)]]
    correlation = np.corrcoef(streams) - np.eye(4)
    assert np.abs(correlation).max() < 5 / 20_000**0.5


@pytest.mark.parametrize(
    ("seed", "same"), [(-7, 2**31 - 9), (2**31 - 2, 0), (2**40 + 3, (2**40 + 3) % (2**31 - 2))]
)
def test_seeds_count_modulo_the_largest_int32_less_one(seed: int, same: int) -> None:
    assert np.array_equal(random.uniform((9,), seed=seed), random.uniform((9,), seed=same))


# seeds


def test_set_random_seed_draws_the_seeds_that_keras_draws() -> None:
    random.set_random_seed(7)
    assert random.global_seed() == 7
    drawn = [random.SeedGenerator().state for _ in range(3)]
    assert drawn == [(347712783, 0), (161973070, 0), (423938500, 0)]
    # the global generator comes fourth; then it moves by its own rule
    assert random.uniform((2,)).tolist() == [0.854203462600708, 0.5976772308349609]
    assert random.uniform((2,)).tolist() == [0.9531700611114502, 0.19247198104858398]


def test_set_random_seed_starts_the_global_generator_anew() -> None:
    random.set_random_seed(7)
    first = random.uniform((3,))
    random.set_random_seed(7)
    assert np.array_equal(random.uniform((3,)), first)


def test_set_random_seed_seeds_python_and_numpy() -> None:
    random.set_random_seed(3)
    first = python_random.random(), np.random.rand()  # noqa: NPY002
    random.set_random_seed(3)
    assert first == (python_random.random(), np.random.rand())  # noqa: NPY002
    assert first[0] == python_random.Random(3).random()


def test_seed_generator_counts_its_uses() -> None:
    generator = random.SeedGenerator(42)
    assert [generator.next() for _ in range(3)] == [(42, 0), (42, 1), (42, 2)]
    assert generator.state == (42, 3)
    assert np.array_equal(random.uniform((4,), seed=generator), random.uniform((4,), seed=(42, 3)))


def test_a_given_seed_draws_nothing_from_python() -> None:
    python_random.seed(1)
    random.SeedGenerator(5)
    assert python_random.random() == python_random.Random(1).random()


def test_seed_generator_comes_back_from_its_config() -> None:
    generator = random.SeedGenerator(5, name="dice")
    assert generator.get_config() == {"seed": 5, "name": "dice"}
    assert random.SeedGenerator.from_config(generator.get_config()).state == (5, 0)
    assert random.SeedGenerator(name="drawn").get_config()["seed"] is None


@pytest.mark.parametrize("seed", ["1", 1.5, True, np.int64(3)])
def test_a_seed_that_is_no_int_is_refused(seed: object) -> None:
    with pytest.raises(
        ValueError, match=r"SeedGenerator 'dice': expected seed to be a Python int, got"
    ):
        random.SeedGenerator(seed, name="dice")
    with pytest.raises(
        ValueError, match=r"set_random_seed: expected seed to be a Python int, got .*int\(seed\)"
    ):
        random.set_random_seed(seed)


@pytest.mark.parametrize("seed", [-1, 2**32])
def test_a_global_seed_out_of_range_is_refused_and_changes_nothing(seed: int) -> None:
    random.set_random_seed(7)
    state = python_random.getstate()
    with pytest.raises(
        ValueError, match=rf"set_random_seed: expected seed between 0 and 4294967295, got {seed}"
    ):
        random.set_random_seed(seed)
    assert random.global_seed() == 7
    assert python_random.getstate() == state


def test_a_seed_beyond_int64_is_refused() -> None:
    with pytest.raises(
        ValueError, match=r"random stream: expected seed between -9223372036854775808 and"
    ):
        random.uniform((2,), seed=2**63)


def test_a_stream_of_something_else_is_refused() -> None:
    with pytest.raises(
        ValueError, match=r"random stream: expected seed to be an int, a SeedGenerator, a pair"
    ):
        random.uniform((2,), seed="1")
    with pytest.raises(ValueError, match=r"seed pair: expected seed to be a Python int, got 0.5"):
        random.uniform((2,), seed=(1, 0.5))


@pytest.mark.parametrize("shape", [5, (2, -1), (2, None), "22"])
def test_a_shape_that_is_none_is_refused(shape: object) -> None:
    with pytest.raises(ValueError, match=r"random stream: expected shape to be a tuple of sizes"):
        random.uniform(shape, seed=1)


# masks


@BOTH
@pytest.mark.parametrize("engine", engines.RUNNABLE)
def test_mask_is_keras_bit_for_bit(engine: str, dtype: str) -> None:
    with engines.engine(engine):
        mask = random.dropout_mask((4, 8), (42, 2), 0.3, dtype)
    assert mask.dtype == np.uint8
    assert "".join(map(str, mask.ravel())) == MASK[dtype]


@BOTH
@pytest.mark.parametrize("rate", [0.1, 0.2, 0.25, 0.5, 0.9])
def test_mask_is_the_uniform_stream_compared_with_the_rate(dtype: str, rate: float) -> None:
    u = random.uniform((20_000,), dtype=dtype, seed=(8, 5))
    mask = random.dropout_mask((20_000,), (8, 5), rate, dtype)  # more than one thread takes alone
    assert np.array_equal(mask, u >= np.dtype(dtype).type(rate))


def test_an_element_equal_to_the_rate_is_kept_and_one_just_below_is_dropped() -> None:
    u = random.uniform((64,), dtype="float32", seed=(8, 5))
    i = int(np.argmax((u > 0.125) & (u < 0.25)))  # float32 is finer here than the steps of u
    above = np.nextafter(u[i], np.float32(1))
    assert random.dropout_mask((64,), (8, 5), u[i], "float32")[i] == 1
    assert random.dropout_mask((64,), (8, 5), above, "float32")[i] == 0


@BOTH
@pytest.mark.parametrize("n", [0, 1, 2, 3, 5, 2047, 2048, 2049])
def test_engines_make_the_same_mask_and_write_all_of_it(n: int, dtype: str) -> None:
    bits = random.BITS[dtype]
    masks = []
    for name in engines.RUNNABLE:
        mask = np.full(n, 9, np.uint8)
        engines.load(name).dropout_mask(123456789, 7, bits, 2**bits // 3, mask)
        masks.append(mask)
    assert all(np.array_equal(mask, masks[0]) for mask in masks)
    assert np.isin(masks[0], (0, 1)).all()


@pytest.mark.parametrize("engine", engines.RUNNABLE)
def test_a_smaller_last_batch_takes_the_first_part_of_the_mask(engine: str) -> None:
    with engines.engine(engine):
        full = random.dropout_mask((8, 5), (3, 1), 0.5, "float32")
        part = random.dropout_mask((3, 5), (3, 1), 0.5, "float32")
    assert np.array_equal(part, full[:3])


@BOTH
def test_rate_0_keeps_all_and_rate_1_drops_all(dtype: str) -> None:
    assert random.dropout_mask((999,), (3, 0), 0, dtype).all()
    assert not random.dropout_mask((999,), (3, 0), 1, dtype).any()


@pytest.mark.parametrize("rate", [-0.1, 1.5, float("nan")])
def test_a_rate_outside_0_to_1_is_refused(rate: float) -> None:
    with pytest.raises(ValueError, match=r"dropout_mask: expected rate between 0 and 1, got"):
        random.dropout_mask((3,), (1, 0), rate)


# orders


@pytest.mark.parametrize("seed", ORDER)
def test_order_of_samples_is_that_of_keras_in_fit(seed: int) -> None:
    random.set_random_seed(seed)
    assert random.permutation(10).tolist() == ORDER[seed]
    assert random.permutation(10).tolist() == ORDER[seed]


def test_a_later_epoch_continues_the_stream_as_a_repeated_tf_dataset_does() -> None:
    random.set_random_seed(7)
    assert random.permutation(10, epoch=1).tolist() == [6, 3, 5, 4, 0, 8, 7, 2, 1, 9]


def test_batch_order_is_that_of_keras_in_fit() -> None:
    random.set_random_seed(7)
    assert random.batch_permutation(10, 4).tolist() == [1, 2, 0, 3, 7, 5, 4, 6, 8, 9]


@pytest.mark.parametrize("seed", [None, 1])
@pytest.mark.parametrize("n", [0, 1, 2, 5, 1001])
def test_orders_hold_every_sample_once(seed: int | None, n: int) -> None:
    if seed is not None:
        random.set_random_seed(seed)
    for epoch in range(2):
        assert sorted(random.permutation(n, epoch)) == list(range(n))
    in_batches = random.batch_permutation(n, 4)
    assert sorted(in_batches) == list(range(n))
    assert np.array_equal(in_batches // 4, np.arange(n) // 4)


def test_without_a_seed_every_order_is_fresh() -> None:
    assert random.global_seed() is None
    assert not np.array_equal(random.permutation(1000), random.permutation(1000))
    first, second = random.batch_permutation(1000, 500), random.batch_permutation(1000, 500)
    assert not np.array_equal(first, second)


def test_an_order_may_be_written_to_and_comes_again():
    random_seed.set_random_seed(3)
    first = random.permutation(50)
    kept = first.copy()
    first[:] = 0
    np.testing.assert_array_equal(random.permutation(50), kept)

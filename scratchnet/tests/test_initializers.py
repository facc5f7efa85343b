"""Expected numbers were read once from Keras 3.15.1 on TensorFlow 2.21.0 (CPU, float32)."""

import json
import random as python_random
from typing import Any

import numpy as np
import pytest

from scratchnet import initializers, random
from scratchnet.initializers.random_initializers import compute_fans

KERAS = {  # called with shape (2, 3), seed=3
    "glorot_uniform": [
        [-0.6662216186523438, 0.962557315826416, 0.07071137428283691],
        [0.747184157371521, -0.6949249505996704, -0.8349170684814453],
    ],
    "he_normal": [
        [-0.763489305973053, 1.905413269996643, -1.0734628438949585],
        [0.6911337375640869, -0.4764222502708435, -0.5636196732521057],
    ],
    "lecun_normal": [
        [-0.5398684740066528, 1.3473306894302368, -0.7590528726577759],
        [0.4887053370475769, -0.3368813991546631, -0.39853930473327637],
    ],
    "random_normal": [
        [-0.03357924148440361, 0.08380252122879028, -0.04721227288246155],
        [0.030396947637200356, 0.0626392588019371, 0.06762262433767319],
    ],
    "orthogonal": [
        [-0.39354825019836426, -0.553327202796936, 0.7341312170028687],
        [0.7484162449836731, 0.27089422941207886, 0.6053837537765503],
    ],
}
NAMES = [
    "zeros",
    "ones",
    "constant",
    "identity",
    "random_normal",
    "random_uniform",
    "truncated_normal",
    "variance_scaling",
    "glorot_uniform",
    "glorot_normal",
    "he_uniform",
    "he_normal",
    "lecun_uniform",
    "lecun_normal",
    "orthogonal",
]
RANDOM = NAMES[4:]


@pytest.mark.parametrize("name", KERAS)
def test_values_are_those_of_keras_from_the_same_seed(name: str) -> None:
    got = getattr(initializers, name)(seed=3)((2, 3))
    units = {"glorot_uniform": 0, "orthogonal": 8}.get(name, 2)  # Q comes from another LAPACK
    np.testing.assert_array_max_ulp(got, np.array(KERAS[name], np.float32), units)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_gives_a_new_contiguous_array_of_the_shape_and_dtype(name: str, dtype: str) -> None:
    initializer = initializers.get(name)
    first, second = initializer((3, 5), dtype=dtype), initializer((3, 5), dtype=dtype)
    assert (first.shape, first.dtype) == ((3, 5), dtype)
    assert first.flags.c_contiguous
    assert first.flags.writeable
    assert not np.shares_memory(first, second)


@pytest.mark.parametrize("name", RANDOM)
def test_is_a_function_once_constructed(name: str) -> None:
    initializer = initializers.get(name)
    assert np.array_equal(initializer((3, 5)), initializer((3, 5)))


@pytest.mark.parametrize("name", RANDOM)
def test_draws_its_seed_when_constructed_and_only_then(name: str) -> None:
    state = python_random.getstate()
    try:
        python_random.seed(7)
        initializer = initializers.get(name)
        initializer((2, 2))
        assert initializer.seed == 347712783
        assert initializers.get(name).seed == 161973070
    finally:
        python_random.setstate(state)


def test_a_clone_with_a_drawn_seed_draws_its_own_and_with_a_given_seed_shares_it() -> None:
    drawn, given = initializers.HeNormal(), initializers.HeNormal(seed=4)
    assert drawn.clone().seed != drawn.seed
    assert np.array_equal(given.clone()((2, 3)), given((2, 3)))


def test_a_seed_generator_moves_on_with_each_call() -> None:
    initializer = initializers.RandomUniform(seed=random.SeedGenerator(4))
    first, second = initializer((5,)), initializer((5,))
    assert np.array_equal(first, initializers.RandomUniform(seed=4)((5,)))
    assert not np.array_equal(first, second)


@pytest.mark.parametrize(
    ("name", "variance"),
    [
        ("glorot_uniform", 2 / (150 + 240)),
        ("glorot_normal", 2 / (150 + 240)),
        ("he_uniform", 2 / 150),
        ("he_normal", 2 / 150),
        ("lecun_uniform", 1 / 150),
        ("lecun_normal", 1 / 150),
    ],
)
def test_variance_is_scale_over_fan(name: str, variance: float) -> None:
    weights = getattr(initializers, name)(seed=1)((3, 5, 10, 16), "float64")
    assert weights.var() == pytest.approx(variance, rel=0.1)
    assert abs(weights.mean()) < 5 * (variance / weights.size) ** 0.5


def test_distributions_of_variance_scaling() -> None:
    make = initializers.VarianceScaling
    uniform = make(3.0, "fan_out", "uniform", 1)((40, 90))
    assert np.abs(uniform).max() <= np.float32((3 * 3 / 90) ** 0.5)
    cut = make(1.0, "fan_in", "normal", 1)((40, 90))
    assert make(distribution="normal").distribution == "truncated_normal"
    assert np.abs(cut).max() <= 2 * (1 / 40) ** 0.5 / 0.8796
    uncut = make(1.0, "fan_in", "untruncated_normal", 1)((40, 90))
    assert np.abs(uncut).max() > 2.5 * (1 / 40) ** 0.5


@pytest.mark.parametrize(
    ("shape", "fans"),
    [((), (1, 1)), ((4,), (4, 4)), ((4, 5), (4, 5)), ((3, 2, 4, 5), (24, 30))],
)
def test_fans_of_a_weight(shape: tuple[int, ...], fans: tuple[int, int]) -> None:
    assert compute_fans(shape) == fans


def test_fans_of_given_axes() -> None:
    assert compute_fans((512, 8, 64), [0], [1, 2]) == (512, 512)


@pytest.mark.parametrize("shape", [(6, 4), (4, 6), (5, 5), (3, 2, 2, 4)])
def test_orthogonal_has_orthonormal_columns_or_rows(shape: tuple[int, ...]) -> None:
    matrix = initializers.Orthogonal(gain=2.0, seed=1)(shape, "float64").reshape(-1, shape[-1])
    short = matrix if matrix.shape[0] >= matrix.shape[1] else matrix.T
    np.testing.assert_allclose(short.T @ short, 4 * np.eye(short.shape[1]), atol=1e-14)


@pytest.mark.parametrize("seed", range(4))
def test_orthogonal_is_the_q_whose_r_has_a_positive_diagonal(seed: int) -> None:
    q = initializers.Orthogonal(seed=seed)((5, 4), "float64")
    r = q.T @ random.normal((5, 4), dtype="float64", seed=seed)
    assert (np.diag(r) > 0).all()
    np.testing.assert_allclose(np.tril(r, -1), 0, atol=1e-14)


def test_constants() -> None:
    assert np.array_equal(initializers.Zeros()((2,)), [0, 0])
    assert np.array_equal(initializers.Ones()((2,)), [1, 1])
    assert np.array_equal(initializers.Constant(6.0)((2, 1)), [[6], [6]])
    assert np.array_equal(initializers.Constant([1, 2])((2, 2)), [[1, 2], [1, 2]])
    assert np.array_equal(initializers.Identity(2)((2, 3)), [[2, 0, 0], [0, 2, 0]])


# names and configs


@pytest.mark.parametrize("name", NAMES)
def test_comes_back_from_its_config_written_as_json(name: str) -> None:
    kwargs: dict[str, Any] = {"seed": 5} if name in RANDOM else {}
    initializer = getattr(initializers, name)(**kwargs)
    again = initializers.deserialize(json.loads(json.dumps(initializers.serialize(initializer))))
    assert type(again) is type(initializer)
    assert again.get_config() == initializer.get_config()
    assert np.array_equal(again((3, 3)), initializer((3, 3)))


def test_a_seed_generator_and_an_array_come_back_too() -> None:
    made = initializers.GlorotNormal(seed=random.SeedGenerator(4, name="dice"))
    again = initializers.get(json.loads(json.dumps(initializers.serialize(made))))
    assert again.seed.state == (4, 0)
    assert again.get_config() == made.get_config()
    constant = initializers.Constant(np.array([1.5, 2.5]))
    again = initializers.get(json.loads(json.dumps(initializers.serialize(constant))))
    assert np.array_equal(again.value, constant.value)


def test_named_scalings_write_only_what_their_constructor_takes() -> None:
    config = {"seed": 5, "input_axes": None, "output_axes": None}
    assert initializers.HeUniform(seed=5).get_config() == config


def test_axes_of_numpy_can_be_saved() -> None:
    axes = {"input_axes": (np.int64(0),), "output_axes": [np.int32(-1)]}
    made = initializers.VarianceScaling(seed=5, **axes)
    again = initializers.get(json.loads(json.dumps(initializers.serialize(made))))
    assert (again.input_axes, again.output_axes) == ([0], [-1])
    assert np.array_equal(again((3, 4)), made((3, 4)))


@pytest.mark.parametrize("axes", [[True], [0.0], 0])
def test_axes_that_are_no_ints_are_refused(axes) -> None:
    with pytest.raises(TypeError, match="HeNormal: expected output_axes as a list of ints, got "):
        initializers.HeNormal(input_axes=[0], output_axes=axes)


@pytest.mark.parametrize(
    ("alias", "cls"),
    [
        ("zero", "Zeros"),
        ("one", "Ones"),
        ("normal", "RandomNormal"),
        ("uniform", "RandomUniform"),
        ("IdentityInitializer", "Identity"),
        ("OrthogonalInitializer", "Orthogonal"),
    ],
)
def test_keras_aliases_are_known(alias: str, cls: str) -> None:
    assert type(initializers.get(alias)).__name__ == cls


def test_get_takes_objects_classes_functions_arrays_and_none() -> None:
    made = initializers.Ones()
    assert initializers.get(made) is made
    assert isinstance(initializers.get(initializers.Ones), initializers.Ones)
    assert initializers.get(np.full) is np.full
    assert initializers.get(None) is None
    values = np.arange(6.0).reshape(2, 3)
    given = initializers.get(values)((2, 3), dtype="float32")
    assert given.dtype == np.float32
    assert np.array_equal(given, values)
    assert not np.shares_memory(initializers.get(values)((2, 3), dtype="float64"), values)


# refusals


def test_an_unknown_name_is_refused_with_the_nearest() -> None:
    with pytest.raises(ValueError, match=r"Initializer 'he_norml': .* Did you mean 'he_normal'\?"):
        initializers.get("he_norml")


def test_an_array_of_another_shape_is_refused() -> None:
    with pytest.raises(
        ValueError, match=r"Initializer: expected \(5, 5\), got \(10, 10\)\. Expected `shape` to be"
    ):
        initializers.get(np.ones((5, 5)))((10, 10))


@pytest.mark.parametrize("scale", [0, -1.0, "2", True])
def test_a_scale_that_is_not_positive_is_refused(scale: object) -> None:
    with pytest.raises(
        ValueError, match=r"VarianceScaling: expected scale > 0, got .* must be positive float\."
    ):
        initializers.VarianceScaling(scale=scale)


def test_an_unknown_mode_or_distribution_is_refused() -> None:
    with pytest.raises(
        ValueError, match=r"VarianceScaling mode 'fan': .*fan_avg.* Invalid `mode` argument: fan"
    ):
        initializers.VarianceScaling(mode="fan")
    with pytest.raises(
        ValueError,
        match=r"VarianceScaling distribution 'norm': .* Invalid `distribution` argument: norm",
    ):
        initializers.VarianceScaling(distribution="norm")


@pytest.mark.parametrize("seed", ["1", 1.5, np.int64(3), 2**63])
def test_a_bad_seed_is_refused(seed: object) -> None:
    with pytest.raises(ValueError, match=r"HeNormal: expected seed"):
        initializers.HeNormal(seed=seed)


def test_shapes_that_do_not_fit_are_refused() -> None:
    with pytest.raises(
        ValueError, match=r"Identity: expected a shape \(rows, columns\), got \(3,\)"
    ):
        initializers.Identity()((3,))
    with pytest.raises(
        ValueError, match=r"Orthogonal: expected a shape of at least two axes, got \(3,\)"
    ):
        initializers.Orthogonal()((3,))
    with pytest.raises(
        ValueError,
        match=r"Constant: expected a value that broadcasts to \(2, 2\), got shape \(3,\)",
    ):
        initializers.Constant([1, 2, 3])((2, 2))


def test_a_constant_that_is_no_number_is_refused() -> None:
    with pytest.raises(
        TypeError, match=r"Constant: expected value to be a number or an array, got 'a'"
    ):
        initializers.Constant("a")


def test_an_initializer_without_a_call_is_refused() -> None:
    with pytest.raises(
        NotImplementedError,
        match=r"Initializer: expected a __call__\(shape, dtype=None\), got none",
    ):
        initializers.Initializer()((2,))

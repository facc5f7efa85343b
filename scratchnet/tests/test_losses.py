"""Losses: values by hand, gradients, both paths of the cross-entropies, weights, reductions."""

import json

import numpy as np
import pytest

from scratchnet import config, losses
from scratchnet.losses import (
    BinaryCrossentropy,
    CategoricalCrossentropy,
    Huber,
    MeanAbsoluteError,
    MeanSquaredError,
    SparseCategoricalCrossentropy,
)

LOG2 = np.log(2)
HAND = [
    (MeanSquaredError(), [[1.0, 2.0], [0.0, 0.0]], [[2.0, 4.0], [0.0, 1.0]], [2.5, 0.5]),
    (MeanAbsoluteError(), [[1.0, 2.0], [0.0, 0.0]], [[2.0, -1.0], [0.0, 1.0]], [2.0, 0.5]),
    (Huber(delta=2.0), [[0.0, 0.0]], [[1.0, -4.0]], [(0.5 + 6.0) / 2]),
    (CategoricalCrossentropy(), [[0.0, 1.0]], [[0.75, 0.25]], [2 * LOG2]),
    # probabilities are scaled to sum to 1
    (CategoricalCrossentropy(), [[0.0, 1.0]], [[1.5, 0.5]], [2 * LOG2]),
    (CategoricalCrossentropy(from_logits=True), [[0.0, 1.0]], [[np.log(3.0), 0.0]], [2 * LOG2]),
    # labels 0.25 and 0.75
    (CategoricalCrossentropy(label_smoothing=0.5), [[0.0, 1.0]], [[0.5, 0.5]], [LOG2]),
    (SparseCategoricalCrossentropy(), [1, 0], [[0.75, 0.25], [0.5, 0.5]], [2 * LOG2, LOG2]),
    (SparseCategoricalCrossentropy(from_logits=True), [[1]], [[np.log(3.0), 0.0]], [2 * LOG2]),
    (
        SparseCategoricalCrossentropy(ignore_class=0),
        [1, 0],
        [[0.75, 0.25], [0.5, 0.5]],
        [2 * LOG2, 0.0],
    ),
    (BinaryCrossentropy(), [[1.0, 0.0]], [[0.25, 0.5]], [1.5 * LOG2]),
    (BinaryCrossentropy(from_logits=True), [[1.0]], [[-np.log(3.0)]], [2 * LOG2]),
    (
        BinaryCrossentropy(label_smoothing=0.5),
        [[1.0]],
        [[0.25]],
        [0.75 * 2 * LOG2 - 0.25 * np.log(0.75)],
    ),
]
IDS = [f"{type(row[0]).__name__}-{i}" for i, row in enumerate(HAND)]

GRADIENTS = [
    *(cls() for cls in (MeanSquaredError, MeanAbsoluteError, Huber)),
    Huber(0.3, "sum"),
    *(
        cls()
        for cls in (CategoricalCrossentropy, SparseCategoricalCrossentropy, BinaryCrossentropy)
    ),
    *(
        cls(from_logits=True, reduction=reduction)
        for cls in (CategoricalCrossentropy, SparseCategoricalCrossentropy, BinaryCrossentropy)
        for reduction in ("sum", "mean_with_sample_weight")
    ),
    CategoricalCrossentropy(label_smoothing=0.25, axis=1),
    CategoricalCrossentropy(True, axis=1),
    BinaryCrossentropy(True, label_smoothing=0.25),
    SparseCategoricalCrossentropy(ignore_class=1),
    SparseCategoricalCrossentropy(True, 0),
]


@pytest.mark.parametrize(("loss", "y_true", "y_pred", "values"), HAND, ids=IDS)
def test_values_are_the_formula_by_hand(loss, y_true, y_pred, values):
    y_true, y_pred = np.array(y_true), np.array(y_pred)
    np.testing.assert_allclose(loss.call(y_true, y_pred), values, rtol=1e-14)
    counted = 1 if loss.get_config().get("ignore_class") is not None else len(values)
    np.testing.assert_allclose(loss(y_true, y_pred), sum(values) / counted, rtol=1e-14)


def labels_for(loss, rng, shape):
    if isinstance(loss, SparseCategoricalCrossentropy):
        return rng.integers(0, shape[-1], size=shape[:-1])
    if isinstance(loss, CategoricalCrossentropy):
        return np.moveaxis(
            np.eye(shape[loss.axis])[
                rng.integers(0, shape[loss.axis], np.delete(shape, loss.axis))
            ],
            -1,
            loss.axis,
        )
    if isinstance(loss, BinaryCrossentropy):
        return rng.integers(0, 2, size=shape).astype(float)
    return rng.normal(size=shape)


@pytest.mark.parametrize("loss", GRADIENTS, ids=lambda loss: f"{loss.name}-{loss.reduction}")
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("shape", [(5, 3), (4, 2, 3)], ids=str)
def test_gradient_matches_central_difference(loss, weighted, shape, rng):
    y_true, h = labels_for(loss, rng, shape), 1e-6
    logits = getattr(loss, "from_logits", True)
    y_pred = rng.normal(size=shape) if logits else rng.uniform(0.1, 0.9, size=shape)
    weight = rng.uniform(0.5, 2, size=shape[:1]) if weighted else None
    if weighted and len(shape) == 3:
        weight = weight[:, None]
    numeric = np.empty(shape)
    for index in np.ndindex(*shape):
        step = np.zeros(shape)
        step[index] = h
        above, below = (loss(y_true, y_pred + s * step, weight) for s in (1, -1))
        numeric[index] = (above - below) / (2 * h)
    gradient = loss.gradient(y_true, y_pred, weight)
    np.testing.assert_allclose(gradient, numeric, rtol=1e-6, atol=2e-9)


def test_no_gradient_flows_where_a_probability_was_clipped():
    y_pred = np.array([[1.0, 0.0], [0.5, 0.5]])
    gradient = CategoricalCrossentropy().gradient([[0.0, 1.0], [0.0, 1.0]], y_pred)
    assert gradient[0].tolist() == [0, 0]
    assert gradient[1, 1] != 0
    value = CategoricalCrossentropy()([[0.0, 1.0]], y_pred[:1])
    np.testing.assert_allclose(value, -np.log(config.epsilon()), rtol=1e-12)
    assert BinaryCrossentropy().gradient([[0.0]], [[1.0]])[0, 0] == 0
    assert SparseCategoricalCrossentropy().gradient([1], y_pred[:1]).tolist() == [[0, 0]]


@pytest.mark.parametrize("cls", [CategoricalCrossentropy, BinaryCrossentropy])
def test_saturated_logits_keep_their_gradient(cls):
    z = np.array([[1000.0, -1000.0]])
    y_true = np.array([[0.0, 1.0]])
    loss = cls(from_logits=True)
    share = 2 if cls is BinaryCrossentropy else 1
    np.testing.assert_allclose(loss.gradient(y_true, z), [[1 / share, -1 / share]])
    np.testing.assert_allclose(loss(y_true, z), 1000.0 * (1 if share == 2 else 2))


@pytest.mark.parametrize(
    ("reduction", "value"),
    [
        ("sum_over_batch_size", (1 * 1 + 3 * 4) / 2),
        ("mean", (1 * 1 + 3 * 4) / 2),
        ("sum", 13.0),
        ("mean_with_sample_weight", 13 / 4),
        ("none", [1.0, 12.0]),
        (None, [1.0, 12.0]),
    ],
)
def test_reduction_of_weighted_values(reduction, value):
    loss = MeanSquaredError(reduction=reduction)
    np.testing.assert_allclose(loss([[0.0], [0.0]], [[1.0], [2.0]], [1.0, 3.0]), value)


def test_weights_that_sum_to_nothing_give_nothing():
    loss = MeanSquaredError(reduction="mean_with_sample_weight")
    assert loss([[1.0]], [[3.0]], [0.0]) == 0
    assert loss.gradient([[1.0]], [[3.0]], [0.0]).tolist() == [[0]]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_loss_and_gradient_have_the_dtype_of_the_prediction(dtype):
    y_pred = np.array([[0.25, 0.75]], dtype)
    for name in ("categorical_crossentropy", "binary_crossentropy", "mse", "mae", "huber"):
        loss = losses.as_loss(name)
        assert loss([[0, 1]], y_pred).dtype == dtype
        assert loss.gradient([[0, 1]], y_pred).dtype == dtype
        assert losses.get(name)([[0, 1]], y_pred).dtype == dtype


def test_labels_of_rank_one_meet_predictions_of_one_column():
    assert MeanSquaredError()([1.0, 2.0], [[2.0], [2.0]]) == 0.5
    np.testing.assert_allclose(BinaryCrossentropy()([1, 0], [[0.5], [0.5]]), LOG2)


def test_functions_return_the_values():
    y_true, y_pred = [[0.0, 1.0], [1.0, 0.0]], [[0.5, 0.5], [0.75, 0.25]]
    expected = [LOG2, -np.log(0.75)]
    np.testing.assert_allclose(losses.categorical_crossentropy(y_true, y_pred), expected, rtol=1e-6)
    np.testing.assert_allclose(
        losses.sparse_categorical_crossentropy([1, 0], y_pred), expected, rtol=1e-6
    )
    np.testing.assert_allclose(losses.binary_crossentropy(y_true, y_pred), expected, rtol=1e-6)
    np.testing.assert_allclose(losses.mean_squared_error(y_true, y_pred), [0.25, 0.0625])
    np.testing.assert_allclose(losses.mean_absolute_error(y_true, y_pred), [0.5, 0.25])
    np.testing.assert_allclose(losses.huber(y_true, y_pred, 0.25), [0.09375, 0.03125])


@pytest.mark.parametrize("loss", [row[0] for row in HAND], ids=IDS)
def test_config_makes_the_loss_again(loss):
    again = losses.deserialize(losses.serialize(loss))
    assert type(again) is type(loss)
    assert again.get_config() == loss.get_config()


def test_names_functions_and_classes_lead_to_the_same_loss():
    for identifier in (
        "mse",
        "MSE",
        "mean_squared_error",
        "MeanSquaredError",
        losses.mean_squared_error,
        MeanSquaredError,
    ):
        assert type(losses.as_loss(identifier)) is MeanSquaredError
    assert losses.as_loss(None) is None


def test_get_gives_the_function_for_its_name_and_a_loss_for_the_name_of_a_class():
    for identifier in ("mse", "MSE", "mean_squared_error", losses.mean_squared_error):
        assert losses.get(identifier) is losses.mean_squared_error
    for identifier in ("MeanSquaredError", MeanSquaredError, losses.serialize(MeanSquaredError())):
        assert type(losses.get(identifier)) is MeanSquaredError
    for name in ("huber", "bce", "categorical_crossentropy", "sparse_categorical_crossentropy"):
        assert callable(losses.get(name))
        assert not isinstance(losses.get(name), losses.Loss)
    loss = MeanSquaredError()
    assert losses.get(loss) is loss
    assert losses.get(None) is None


@pytest.mark.parametrize(
    "loss", [MeanSquaredError(), BinaryCrossentropy(), SparseCategoricalCrossentropy()]
)
def test_a_column_of_weights_is_one_weight_a_sample(loss):
    y_pred = np.array([[0.25, 0.75], [0.5, 0.5], [0.875, 0.125]])
    y_true = np.array([0, 1, 1])
    if not isinstance(loss, SparseCategoricalCrossentropy):
        y_true = np.eye(2)[y_true]
    flat, column = np.array([1.0, 2.0, 4.0]), np.array([[1.0], [2.0], [4.0]])
    assert loss(y_true, y_pred, column) == loss(y_true, y_pred, flat)
    np.testing.assert_array_equal(
        loss.gradient(y_true, y_pred, column), loss.gradient(y_true, y_pred, flat)
    )


def test_unreduced_values_keep_the_column_of_their_weights():
    loss = MeanSquaredError(reduction="none")
    values = loss([[0.0], [0.0]], [[1.0], [2.0]], [[3.0], [5.0]])
    np.testing.assert_array_equal(values, [[3.0], [20.0]])


def test_delta_is_written_only_where_it_is_not_the_default():
    assert Huber().get_config() == {"name": "huber_loss", "reduction": "sum_over_batch_size"}
    assert Huber(2.0).get_config()["delta"] == 2.0


def test_labels_of_another_shape_are_refused_in_the_words_of_keras():
    for loss in (CategoricalCrossentropy(), BinaryCrossentropy()):
        with pytest.raises(
            ValueError, match=r"expected y_true of the shape.*must have the same shape"
        ):
            loss([[1.0], [0.0]], [[0.5, 0.5], [0.5, 0.5]])
    with pytest.raises(
        ValueError, match=r"expected axis -1, got 0\. Only axis=-1 .* Received: axis=0"
    ):
        SparseCategoricalCrossentropy(axis=0)


def test_on_logits_keeps_every_option():
    loss = CategoricalCrossentropy(label_smoothing=0.25, axis=1, reduction="sum", name="mine")
    assert loss.on_logits().get_config() == {**loss.get_config(), "from_logits": True}


def test_smoothing_counts_the_classes_of_the_last_axis_whatever_axis_says():
    """Keras's own: K is the size of the last axis even where the classes lie on another."""
    y_true = np.eye(2)[None]  # (1, 2, 2), then two classes beside three places
    y_true = np.concatenate([y_true, y_true[..., :1]], axis=-1)
    y_pred = np.full((1, 2, 3), 0.5)
    value = CategoricalCrossentropy(label_smoothing=0.3, axis=1)(y_true, y_pred)
    assert value == pytest.approx((0.7 + 2 * 0.3 / 3) * np.log(2))


def test_whole_numbers_of_numpy_can_be_saved():
    one = losses.CategoricalCrossentropy(axis=np.int64(1))
    sparse = losses.SparseCategoricalCrossentropy(ignore_class=np.uint8(255), axis=np.int64(-1))
    for loss in (one, sparse):
        config = loss.get_config()
        assert json.loads(json.dumps(config)) == config
        assert type(loss).from_config(config).get_config() == config

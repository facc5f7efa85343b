"""Metrics: results worked out by hand or taken from Keras, weights of every rank, the names."""

import numpy as np
import pytest

from scratchnet import config, initializers, losses, metrics
from scratchnet.metrics.resolve import flatten, log_names, resolve, sees_logits

LABELS = np.array([2, 0, 1, 1])
SCORES = np.array([[0.1, 0.2, 0.7], [0.3, 0.6, 0.1], [0.2, 0.5, 0.3], [0.4, 0.3, 0.3]], "float32")
ONE_HOT = np.eye(3, dtype="float32")[LABELS]


@pytest.mark.parametrize(
    ("weight", "mean", "total"),
    [
        (None, 4.0, 16.0),
        ([1, 1, 0, 0], 2.0, 4.0),
        ([-1, -1, 0, 0], 2.0, -4.0),
        (2.0, 4.0, 32.0),
        ([[1], [0], [0], [1]], 4.0, 8.0),
    ],
)
def test_mean_and_sum_weigh_each_value(weight, mean, total):
    assert metrics.Mean()([1, 3, 5, 7], sample_weight=weight) == mean
    assert metrics.Sum()([1, 3, 5, 7], sample_weight=weight) == total


@pytest.mark.parametrize(
    ("weight", "expected"),
    [
        (None, 4.0),  # a sample counts once, as the mean of its values
        ([1, 0], 2.0),
        ([[1, 1], [1, 0]], (2 + 2.5) / 1.5),
        ([[1, 0]], 3.0),
    ],
)
def test_mean_takes_weights_of_every_rank(weight, expected):
    assert metrics.Mean()([[1, 3], [5, 7]], sample_weight=weight) == np.float32(expected)


def test_mean_of_nothing_is_zero_and_reset_starts_again():
    mean = metrics.Mean()
    assert mean.result() == 0
    mean.update_state([3.0, 5.0])
    assert mean.result() == 4
    mean.reset_state()
    assert mean.result() == 0
    assert [v.tolist() for v in mean.variables] == [0, 0]


def test_a_mean_over_batches_weighs_by_size():
    mean = metrics.Mean()
    mean.update_state(1.0, sample_weight=128)
    mean.update_state(4.0, sample_weight=64)
    assert mean.result() == 2


def test_sums_are_float64_and_results_have_the_metrics_dtype():
    mean = metrics.Mean()
    for _ in range(1000):  # a float32 sum would be 1e-5 off by now
        mean.update_state([0.1])
    assert mean.total.dtype == np.float64
    assert mean.result() == np.float32(0.1)
    assert mean.result().dtype == np.float32
    assert metrics.Mean(dtype="float64")([0.1]).dtype == np.float64


def test_a_float32_result_too_large_is_infinite():
    assert metrics.Sum()([1e300]) == np.inf


@pytest.mark.parametrize("metric", [metrics.Mean(), metrics.Sum()])
def test_weights_that_do_not_broadcast_are_refused_before_anything_changes(metric):
    metric.update_state([1.0, 2.0])
    with pytest.raises(ValueError, match=r"expected sample_weight that broadcasts to shape \(2,\)"):
        metric.update_state([1.0, 2.0], sample_weight=[1, 2, 3])
    assert metric.total == 3


def test_categorical_accuracies_agree_and_take_the_first_of_equals():
    assert metrics.CategoricalAccuracy()(ONE_HOT, SCORES) == 0.5
    assert metrics.SparseCategoricalAccuracy()(LABELS, SCORES) == 0.5
    assert metrics.SparseCategoricalAccuracy()(LABELS[:, None], SCORES) == 0.5
    tied = np.ones((2, 3), "float32")
    assert metrics.sparse_categorical_accuracy([0, 1], tied).tolist() == [1, 0]


def test_negative_zero_is_below_zero_and_nan_never_wins():
    scores = np.array([[-0.0, 0.0], [np.nan, 1.0], [np.nan, np.nan]], "float32")
    assert metrics.sparse_categorical_accuracy([1, 1, 0], scores).tolist() == [1, 1, 1]


def test_accuracies_weigh_samples():
    metric = metrics.SparseCategoricalAccuracy()
    assert metric(LABELS, SCORES, sample_weight=[0.7, 0.3, 0, 0]) == np.float32(0.7)


@pytest.mark.parametrize(("k", "right"), [(1, [1, 0, 1, 0]), (2, [1, 1, 1, 1]), (3, [1, 1, 1, 1])])
def test_top_k_counts_the_equals_of_the_kth(k, right):
    assert metrics.sparse_top_k_categorical_accuracy(LABELS, SCORES, k=k).tolist() == right
    assert metrics.top_k_categorical_accuracy(ONE_HOT, SCORES, k=k).tolist() == right


def test_top_k_is_wrong_for_scores_that_are_not_finite_and_labels_that_are_no_class():
    scores = np.array([[np.inf, 0], [np.nan, 0], [1, 0]], "float32")
    assert metrics.sparse_top_k_categorical_accuracy([0, 1, 5], scores, k=2).tolist() == [0, 0, 0]


def test_top_k_of_sorted_ids_looks_at_the_first_k():
    metric = metrics.SparseTopKCategoricalAccuracy(k=1, from_sorted_ids=True)
    assert metric([2, 1], [[1, 0, 3], [1, 2, 3]]) == 0.5


def test_binary_accuracy_needs_more_than_the_threshold():
    p = np.array([[0.98], [0.5], [0.2], [0.6]], "float32")
    assert metrics.binary_accuracy([1, 1, 0, 0], p).ravel().tolist() == [1, 0, 1, 0]
    assert metrics.BinaryAccuracy(threshold=0.7)([1, 1, 0, 0], p) == 0.75


def test_the_threshold_is_held_in_the_default_float_type():
    between = np.array([0.7 - 5e-9])  # float32(0.7) is 0.7 - 1.2e-8
    assert metrics.binary_accuracy([1], between, 0.7).tolist() == [1]
    config.set_floatx("float64")
    try:
        assert metrics.binary_accuracy([1], between, 0.7).tolist() == [0]
    finally:
        config.set_floatx("float32")


def test_accuracy_compares_exactly():
    assert metrics.Accuracy()([[1], [2], [3], [4]], [[0], [2], [3], [4]]) == 0.75


@pytest.mark.parametrize(
    ("metric", "y_true", "message"),
    [
        ("categorical_accuracy", LABELS, r"expected one-hot y_true .*\(4, 3\), got \(4,\)"),
        ("top_k_categorical_accuracy", LABELS, r"got \(4,\)\. Use sparse_top_k"),
        ("sparse_categorical_accuracy", ONE_HOT, r"of shape \(4,\) for y_pred \(4, 3\), got"),
        ("sparse_top_k_categorical_accuracy", ONE_HOT, r"Use top_k_categorical_accuracy for one"),
        ("binary_accuracy", LABELS, r"of the shape of y_pred, \(4, 3\), got \(4,\)"),
        ("accuracy", LABELS, r"Use a categorical accuracy"),
        ("precision", LABELS, r"'precision\w*': expected y_true of the shape of y_pred, \(4, 3\)"),
    ],
)
def test_labels_that_do_not_fit_are_refused(metric, y_true, message):
    with pytest.raises(ValueError, match=message):
        metrics.get(metric).update_state(y_true, SCORES)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: metrics.TopKCategoricalAccuracy(k=0), r"expected k of at least 1, got 0"),
        (lambda: metrics.Precision(thresholds=[0.5, 1.5]), r"thresholds in \[0, 1\], got \[0.5, 1"),
        (lambda: metrics.Recall(thresholds=[]), r"expected one or more thresholds"),
        (lambda: metrics.Recall(top_k=0), r"expected top_k of at least 1, got 0"),
        (lambda: metrics.Mean(dtype="int8"), r"dtype 'int8'"),
        (lambda: metrics.Mean().add_variable(initializer="ones"), r'expected initializer "zeros"'),
    ],
)
def test_bad_arguments_are_refused_by_the_constructor(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_root_mean_squared_error_takes_the_root_once():
    rmse = metrics.RootMeanSquaredError()
    rmse.update_state([[0.0]], [[3.0]])
    rmse.update_state([[0.0]], [[1.0]])
    assert rmse.result() == np.float32(np.sqrt(5))


def test_errors_are_means_over_samples():
    y_true, y_pred = np.zeros((2, 2), "float32"), np.array([[1, 3], [2, 2]], "float32")
    assert metrics.MeanSquaredError()(y_true, y_pred) == 4.5
    assert metrics.MeanAbsoluteError()(y_true, y_pred, sample_weight=[3, 1]) == 2


def test_crossentropies_are_the_means_of_the_losses():
    p = SCORES[np.arange(4), LABELS].astype("float64")
    for metric, y_true in [
        (metrics.CategoricalCrossentropy(), ONE_HOT),
        (metrics.SparseCategoricalCrossentropy(), LABELS),
    ]:
        np.testing.assert_allclose(metric(y_true, SCORES), -np.log(p).mean(), rtol=1e-6)
    y, q = np.array([[1.0], [0.0]]), np.array([[0.8], [0.4]])
    bce = -(np.log(0.8) + np.log(0.6)) / 2
    np.testing.assert_allclose(metrics.BinaryCrossentropy()(y, q), bce, rtol=1e-6)


def test_an_ignored_class_weighs_nothing_where_there_are_weights():
    make = lambda: metrics.SparseCategoricalCrossentropy(ignore_class=0)  # noqa: E731
    p = np.array([[0.8, 0.1, 0.1], [0.05, 0.95, 0], [0.1, 0.8, 0.1]])
    np.testing.assert_allclose(make()([0, 1, 2], p), 0.78462, atol=1e-5)  # Keras's own test
    weighted = make()([0, 1, 2], p, sample_weight=[0.5, 1.5, 2.0])
    np.testing.assert_allclose(weighted, 1.33774646, atol=1e-6)


@pytest.mark.parametrize("name", ["categorical_crossentropy", losses.CategoricalCrossentropy()])
def test_crossentropies_can_start_from_the_logits(name):
    z = np.array([[60.0, 0.0, -60.0]], "float32")
    y_true = np.array([[0.0, 0.0, 1.0]], "float32")
    (metric,) = resolve([name], y_true, z)
    metric.update_state_from_logits(y_true, z)
    assert metric.result() == 120  # the clipped path stops at -log(1e-7) = 16.1


@pytest.mark.parametrize(
    ("name", "logits"),
    [
        ("categorical_crossentropy", True),
        ("bce", True),
        (losses.sparse_categorical_crossentropy, True),
        (losses.BinaryCrossentropy(), True),
        ("mse", False),
        ("acc", False),
        (losses.MeanSquaredError(), False),
        (lambda t, p: abs(t - p), False),
        ("precision", False),
    ],
)
def test_only_crossentropies_see_the_logits(name, logits):
    (metric,) = resolve([name], ONE_HOT, SCORES)
    assert sees_logits(metric) is logits


# Keras 3.15.1: Precision()([0, 1, 1, 1], [1, 0, 1, 1]) and its docstrings' other examples
@pytest.mark.parametrize(
    ("kwargs", "weight", "precision", "recall"),
    [
        ({}, None, 2 / 3, 2 / 3),
        ({}, [0, 0, 1, 0], 1.0, 1.0),
        ({"thresholds": [0.0, 1.0]}, None, [2 / 3, 0], [2 / 3, 0]),
        ({"top_k": 1}, None, 0.0, 0.0),
    ],
)
def test_precision_and_recall(kwargs, weight, precision, recall):
    y_true, y_pred = [0, 1, 1, 1], [1.0, 0.0, 1.0, 1.0]
    result = metrics.Precision(**kwargs)(y_true, y_pred, sample_weight=weight)
    np.testing.assert_array_equal(result, np.float32(precision))
    result = metrics.Recall(**kwargs)(y_true, y_pred, sample_weight=weight)
    np.testing.assert_array_equal(result, np.float32(recall))


def test_precision_of_one_class_among_the_top_k():
    y_true = np.array([[0, 1, 1], [1, 0, 0]])
    y_pred = np.array([[0.5, 0.4, 0.4], [0.1, 0.2, 0.3]])  # of the equal 0.4 the first is kept
    assert metrics.Precision(class_id=1, top_k=2)(y_true, y_pred) == 0.5
    assert metrics.Recall(class_id=2, top_k=2)(y_true, y_pred) == 0


def test_of_many_equal_scores_the_first_are_the_top_k():
    y_pred = np.tile([0.5, 0.25, 0.75], 50)
    y_true = (y_pred == 0.75) & (np.arange(150) < 18)  # its first six
    assert metrics.Recall(top_k=6)(y_true, y_pred) == 1


@pytest.mark.parametrize(
    ("kwargs", "y", "weight", "message"),
    [
        ({"class_id": 3}, ONE_HOT, None, r"expected y_pred of shape \(N, K\) with a class 3"),
        ({"class_id": 0}, ONE_HOT[0], None, r"got \(3,\)"),
        ({"top_k": 4}, ONE_HOT, None, r"at least top_k=4 classes, got 3"),
        ({}, ONE_HOT, [1.0, 2.0], r"expected sample_weight that broadcasts to shape \(4, 3\)"),
    ],
)
def test_precision_refuses_what_does_not_fit(kwargs, y, weight, message):
    with pytest.raises(ValueError, match=message):
        metrics.Precision(**kwargs).update_state(y, y, weight)


def test_custom_metrics_keep_their_state_in_arrays():
    class Largest(metrics.Metric):
        def __init__(self, name="largest", dtype=None):
            super().__init__(name=name, dtype=dtype)
            self.seen = self.add_weight(shape=(), name="seen")

        def update_state(self, y_true, y_pred, sample_weight=None):
            self.seen[...] = max(self.seen, np.max(y_pred))

        def result(self):
            return self.seen

    metric = Largest()
    assert metric(None, [3.0, 1.0]) == 3
    metric.reset_state()
    assert metric.result() == 0
    assert repr(metric) == "<Largest name=largest>"


def test_a_metric_without_its_methods_says_so():
    with pytest.raises(NotImplementedError, match=r"Metric 'bare': expected a method update_state"):
        metrics.Metric(name="bare").update_state()
    with pytest.raises(NotImplementedError, match=r"Metric 'bare': expected a method result"):
        metrics.Metric(name="bare").result()


@pytest.mark.parametrize(
    "name", [n for n in metrics.__all__ if n in metrics.METRICS and n[0].isupper()]
)
def test_every_metric_is_remade_from_its_config(name):
    cls = metrics.METRICS[name]
    args = (losses.mean_squared_error,) if cls is metrics.MeanMetricWrapper else ()
    metric = cls(*args, name="mine", dtype="float64")
    again = metrics.deserialize(metrics.serialize(metric))
    assert type(again) is cls
    assert again.get_config() == metric.get_config()
    assert (again.name, again.dtype) == ("mine", "float64")


def test_configs_hold_what_keras_configs_hold():
    assert metrics.SparseTopKCategoricalAccuracy().get_config() == {
        "name": "sparse_top_k_categorical_accuracy",
        "dtype": "float32",
        "k": 5,
    }
    assert metrics.BinaryAccuracy(threshold=0.25).get_config()["threshold"] == 0.25


def test_a_wrapped_function_knows_its_direction_where_it_is_a_loss():
    assert metrics.MeanMetricWrapper(losses.mean_squared_error)._direction == "down"
    assert not hasattr(metrics.MeanMetricWrapper(lambda t, p: p), "_direction")
    assert metrics.MeanMetricWrapper(lambda t, p, s: s * p, s=3)(0, np.array([2.0])) == 6


def test_get_takes_names_aliases_configs_classes_and_functions():
    for identifier in ("mse", "MSE", "mean_squared_error", "MeanSquaredError"):
        assert isinstance(metrics.get(identifier), metrics.MeanSquaredError)
    assert metrics.get(None) is None
    assert metrics.get(len) is len
    assert isinstance(metrics.get(metrics.Recall), metrics.Recall)
    config = {"class_name": "TopKCategoricalAccuracy", "config": {"k": 3}}
    assert metrics.get(config).k == 3


def test_get_lists_the_known_names():
    with pytest.raises(ValueError, match=r"metric 'acuracy'.*Did you mean 'accuracy'\? Known: "):
        metrics.get("acuracy")
    with pytest.raises(
        TypeError, match=r"metric: expected a name, a config, a Metric or None, got 3"
    ):
        metrics.get(3)


@pytest.mark.parametrize(
    ("y_true", "y_pred", "cls"),
    [
        ((4, 3), (4, 3), metrics.CategoricalAccuracy),
        ((4,), (4, 3), metrics.SparseCategoricalAccuracy),
        ((4, 1), (4, 3), metrics.SparseCategoricalAccuracy),
        ((4, 1), (4, 1), metrics.BinaryAccuracy),
        ((4,), (4, 1), metrics.BinaryAccuracy),
    ],
)
@pytest.mark.parametrize("name", ["acc", "accuracy", "Accuracy"])
def test_accuracy_is_chosen_by_the_shapes_and_keeps_its_name(name, y_true, y_pred, cls):
    (metric,) = resolve([name], np.zeros(y_true), np.zeros(y_pred))
    assert type(metric) is cls
    assert metric.name == name


def absolute_gap(y_true, y_pred):
    return abs(y_true - y_pred)


@pytest.mark.parametrize(
    ("given", "names"),
    [
        (None, []),
        ([], []),
        (("acc", "acc", "acc"), ["acc", "acc_1", "acc_2"]),
        ([["acc", "mse"]], ["acc", "mse"]),
        (
            {"b": "acc", "a": ["mse", {"z": "mae", "y": "accuracy"}]},
            ["mse", "accuracy", "mae", "acc"],
        ),
        (["MSE", "CategoricalAccuracy"], ["MSE", "CategoricalAccuracy"]),
        ([metrics.MeanSquaredError], ["mean_squared_error"]),
        ([metrics.MeanSquaredError(name="m")], ["m"]),
        ([absolute_gap, lambda t, p: p], ["absolute_gap", "lambda"]),
        ([losses.MeanSquaredError(name="obj")], ["obj"]),
    ],
)
def test_history_names_are_those_of_keras(given, names):
    assert log_names(resolve(given, ONE_HOT, SCORES)) == names


def test_weighted_metrics_get_a_prefix_where_the_name_is_taken():
    plain = resolve(["acc", "mse"], ONE_HOT, SCORES)
    weighted = resolve(["mae", "acc", "acc"], ONE_HOT, SCORES, "weighted_metrics")
    assert log_names(plain, weighted) == ["acc", "mse", "mae", "weighted_acc", "weighted_acc_1"]


def test_flatten_makes_nothing():
    before = metrics.Precision().name
    flatten([metrics.Precision, "precision", "acc", absolute_gap])
    number = int(before.partition("_")[2] or 0)
    assert metrics.Precision().name == f"precision_{number + 1}"


@pytest.mark.parametrize(
    ("given", "error", "message"),
    [
        (
            "acc",
            ValueError,
            r"expected metrics as a list, tuple or dict, got 'acc'\. Write metrics=\[",
        ),
        ([None], ValueError, r"expected a metric in metrics, got None"),
        (["crossentropy"], ValueError, r"metric 'crossentropy': expected one of the known names"),
        ([3], TypeError, r"metric: expected a name"),
    ],
)
def test_compile_refuses_what_is_no_metric(given, error, message):
    with pytest.raises(error, match=message):
        flatten(given)


def test_a_sum_may_be_made_with_the_initializer_itself():
    metric = metrics.Metric(name="mine")
    for zeros in ("zeros", initializers.Zeros(), initializers.Zeros):
        assert metric.add_variable((2,), initializer=zeros).tolist() == [0, 0]
    with pytest.raises(ValueError, match='expected initializer "zeros"'):
        metric.add_variable((2,), initializer=initializers.Ones())


def test_a_class_of_predictions_without_classes_is_refused_in_the_words_of_keras():
    for metric in (metrics.Precision(class_id=2), metrics.Recall(class_id=2)):
        with pytest.raises(ValueError, match="class_id is provided, y_pred must be a 2D array"):
            metric([0, 1], [0.2, 0.7])

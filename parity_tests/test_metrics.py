"""Every metric against Keras's: several batches, with and without sample weights."""

import numpy as np
import pytest

import scratchnet

CLASSES, BATCHES, ROWS = 5, 3, 17


def numbers(random):
    return random.standard_normal((ROWS, 3)), random.standard_normal((ROWS, 3))


def one_hot(random):
    return np.eye(CLASSES)[random.randint(0, CLASSES, ROWS)], probabilities(random)


def classes(random):
    return random.randint(0, CLASSES, ROWS), probabilities(random)


def binary(random):
    return random.randint(0, 2, (ROWS, 1)), random.random_sample((ROWS, 1))


def labels(random):
    return random.randint(0, 3, (ROWS, 1)), random.randint(0, 3, (ROWS, 1))


def probabilities(random):
    """Rows that sum to one, with ties: eighths are often equal."""
    p = np.round(random.random_sample((ROWS, CLASSES)) * 8) / 8 + 0.125
    return p / p.sum(axis=1, keepdims=True)


METRICS = [
    ("MeanSquaredError", {}, numbers),
    ("RootMeanSquaredError", {}, numbers),
    ("MeanAbsoluteError", {}, numbers),
    ("Accuracy", {}, labels),
    ("BinaryAccuracy", {}, binary),
    ("BinaryAccuracy", {"threshold": 0.25}, binary),
    ("CategoricalAccuracy", {}, one_hot),
    ("SparseCategoricalAccuracy", {}, classes),
    ("TopKCategoricalAccuracy", {"k": 2}, one_hot),
    ("SparseTopKCategoricalAccuracy", {"k": 2}, classes),
    ("CategoricalCrossentropy", {}, one_hot),
    ("CategoricalCrossentropy", {"from_logits": True, "label_smoothing": 0.25}, one_hot),
    ("SparseCategoricalCrossentropy", {}, classes),
    ("BinaryCrossentropy", {}, binary),
    ("Precision", {}, binary),
    ("Precision", {"thresholds": [0.25, 0.75]}, binary),
    ("Recall", {}, binary),
    ("Recall", {"top_k": 2, "class_id": 1}, one_hot),
]


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize(
    ("name", "options", "data"), METRICS, ids=[f"{n}-{len(o)}-{d.__name__}" for n, o, d in METRICS]
)
def test_metric_follows_keras_over_several_batches(name, options, data, weighted, keras):
    metrics = [getattr(k.metrics, name)(**options) for k in (scratchnet, keras)]
    random = np.random.RandomState(3)
    for _ in range(BATCHES):
        y_true, y_pred = (np.asarray(a, np.float32) for a in data(random))
        weight = random.random_sample(ROWS).astype(np.float32) if weighted else None
        for metric in metrics:
            metric.update_state(y_true, y_pred, sample_weight=weight)
        ours, theirs = (np.asarray(metric.result()) for metric in metrics)
        assert ours.shape == theirs.shape
        # Keras adds up in float32: a few units in the last place of a number near one
        np.testing.assert_allclose(ours, theirs, rtol=2e-6, atol=1e-7)
    for metric in metrics:
        metric.reset_state()
    ours, theirs = (np.asarray(metric.result()) for metric in metrics)
    np.testing.assert_array_equal(ours, theirs)


def test_mean_and_sum_follow_keras(keras):
    for name in ("Mean", "Sum"):
        ours, theirs = (getattr(k.metrics, name)() for k in (scratchnet, keras))
        for values, weight in (([1.0, 2.5], None), ([[4.0], [8.0]], [0.5, 0.25])):
            for metric in (ours, theirs):
                metric.update_state(np.float32(values), sample_weight=weight)
        assert float(ours.result()) == pytest.approx(float(theirs.result()), rel=1e-6)

"""What `fit` and `evaluate` report: the same keys, in the same order, with the same numbers.

Float64 and a seed on both sides, nothing else shared; the options that change what a number means
are tried one by one.
"""

import numpy as np
import pytest

import keras_ref
import scratchnet

RANDOM = np.random.RandomState(0)
X = RANDOM.standard_normal((53, 6))
CLASSES = RANDOM.randint(0, 3, 53)
ONE_HOT = np.eye(3)[CLASSES]
WEIGHTS = RANDOM.random_sample(53)

OPTIONS = {
    "plain": {},
    "validation split": {"validation_split": 0.3},
    "validation data": {"validation_data": (X[:10], ONE_HOT[:10], WEIGHTS[:10])},
    "validation every second epoch": {"validation_split": 0.2, "validation_freq": 2},
    "validation batches": {"validation_split": 0.3, "validation_batch_size": 5},
    "class weight": {"class_weight": {0: 1.0, 1: 2.5, 2: 0.25}},
    "sample weight": {"sample_weight": WEIGHTS},
    "not shuffled": {"shuffle": False},
    "batches shuffled inside": {"shuffle": "batch"},
    "later epochs only": {"initial_epoch": 2},
    "batch of one": {"batch_size": 1},
    "one batch": {"batch_size": 100},
}


def classifier(k, **options):
    model = k.Sequential(
        [
            k.Input((6,)),
            k.layers.Dense(8, activation="tanh", kernel_regularizer="l2"),
            k.layers.Dropout(0.25),
            k.layers.BatchNormalization(),
            k.layers.Dense(3, activation="softmax"),
        ]
    )
    model.compile("adam", "categorical_crossentropy", metrics=["accuracy", "mse"], **options)
    return model


def both(keras, run):
    """What `run(library)` gives for each library, in float64 and from one seed."""
    results = []
    for k in (scratchnet, keras):
        with keras_ref.floatx(k, "float64"):
            k.utils.set_random_seed(12)
            results.append(run(k))
    return results


@pytest.mark.parametrize("name", OPTIONS)
def test_history_is_that_of_keras(name, keras):
    def run(k):
        options = {"batch_size": 16, "epochs": 3, "verbose": 0, **OPTIONS[name]}
        return classifier(k).fit(X, ONE_HOT, **options).history

    ours, theirs = both(keras, run)
    assert list(ours) == list(theirs)
    for key in theirs:
        np.testing.assert_allclose(ours[key], theirs[key], rtol=1e-6, atol=1e-7, err_msg=key)


@pytest.mark.parametrize(
    ("metrics", "weighted"),
    [
        (["acc"], None),
        (["accuracy", "MSE", "mae"], ["accuracy"]),
        (["categorical_crossentropy"], ["mse", "mse"]),
        ([[]], None),
    ],
)
def test_evaluate_and_names_are_those_of_keras(metrics, weighted, keras):
    def run(k):
        model = classifier(k)
        model.compile("sgd", "categorical_crossentropy", metrics=metrics, weighted_metrics=weighted)
        values = model.evaluate(X, ONE_HOT, sample_weight=WEIGHTS, verbose=0)
        return values, model.evaluate(X, ONE_HOT, verbose=0, return_dict=True)

    (ours, named), (theirs, his) = both(keras, run)
    if len(his) == np.size(theirs):  # Keras lists a metric twice that is asked for in both lists
        np.testing.assert_allclose(ours, theirs, rtol=1e-6)
    assert np.size(ours) == len(named)
    assert list(named) == list(his)
    np.testing.assert_allclose(list(named.values()), list(his.values()), rtol=1e-6)


def test_one_batch_at_a_time_says_what_keras_says(keras):
    def run(k):
        model = classifier(k)
        steps = [model.train_on_batch(X[:20], ONE_HOT[:20]) for _ in range(3)]
        weight = {0: 1.0, 1: 3.0, 2: 0.5}
        steps.append(model.train_on_batch(X[20:], ONE_HOT[20:], class_weight=weight))
        tested = model.test_on_batch(X, ONE_HOT, sample_weight=WEIGHTS)
        return np.array([*steps, tested]), model.predict_on_batch(X), model.predict(X, verbose=0)

    for ours, theirs in zip(*both(keras, run), strict=True):
        np.testing.assert_allclose(ours, np.asarray(theirs), rtol=1e-6, atol=1e-9)


@pytest.mark.filterwarnings("ignore:__array__ implementation")  # Keras's own, of its variables
def test_early_stopping_and_plateau_follow_keras(keras):
    def run(k):
        model = classifier(k)
        calls = [
            k.callbacks.ReduceLROnPlateau(patience=1, factor=0.5, min_delta=0.05),
            k.callbacks.EarlyStopping(patience=3, min_delta=0.05, restore_best_weights=True),
        ]
        history = model.fit(
            X, ONE_HOT, epochs=30, validation_split=0.3, verbose=0, callbacks=calls
        ).history
        return history, [np.asarray(w) for w in model.get_weights()]

    (ours, mine), (theirs, his) = both(keras, run)
    assert len(ours["loss"]) == len(theirs["loss"]) < 30
    np.testing.assert_allclose(ours["learning_rate"], theirs["learning_rate"], rtol=1e-6)
    for a, b in zip(mine, his, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-6, atol=1e-9)

"""compile, fit, evaluate, predict: what is averaged over what, in which order, on which rows."""

import numpy as np
import pytest

from scratchnet import (
    Input,
    Sequential,
    activations,
    callbacks,
    engine,
    engines,
    losses,
    utils,
)
from scratchnet.data import Batches
from scratchnet.layers import Activation, BatchNormalization, Dense, Dropout
from scratchnet.steps import StepByStep

F32 = 1e-6  # a running mean is kept in config.floatx(), whatever the model computes in


def data(n=7, seed=0):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n, 4)), np.eye(3)[rng.integers(0, 3, n)]


def classifier(*layers, **options):
    utils.set_random_seed(5)
    middle = layers or (Dense(3, activation="softmax"),)
    model = Sequential([Input((4,)), *middle], dtype="float64")
    options = {
        "optimizer": "sgd",
        "loss": "categorical_crossentropy",
        "metrics": ["accuracy"],
    } | options
    model.compile(**options)
    return model


def loss_of(model, x, y, weight=None):
    return float(losses.CategoricalCrossentropy()(y, model(x), weight))


class Recorder(callbacks.Callback):
    """Keeps the first column of every batch, and the hooks in their order."""

    def __init__(self):
        super().__init__()
        self.batches, self.hooks, self.logs = [], [], []

    def on_epoch_begin(self, epoch, logs=None):
        self.hooks.append(f"epoch {epoch}")
        self.batches.append([])

    def on_train_batch_end(self, batch, logs=None):
        self.hooks.append(f"batch {batch}")
        x = self.model.layers[0].x
        self.batches[-1].append(None if x is None else x[:, 0].tolist())
        self.logs.append(dict(logs))

    def on_test_begin(self, logs=None):
        self.hooks.append("test")


def rows_seen(model, x, y, **options):
    recorder = Recorder()
    with engine("numba"):  # "fused" leaves nothing in the layers to look at
        model.fit(x, y, verbose=0, callbacks=[recorder], **options)
    return recorder.batches


# ------------------------------------------------------------------ fit


def test_validation_takes_the_last_rows_before_any_shuffling():
    x, y = data(11)
    model = classifier()
    seen = rows_seen(model, x, y, validation_split=0.3, batch_size=4, epochs=2)
    first = 7  # floor(11 * 0.7)
    for epoch in seen:
        assert sorted(v for batch in epoch for v in batch) == sorted(x[:first, 0])
    logs = model.history.history
    value = model.evaluate(x[first:], y[first:], verbose=0, return_dict=True)
    assert logs["val_loss"][-1] == pytest.approx(value["loss"], rel=F32)
    assert logs["val_accuracy"][-1] == value["accuracy"]


def test_split_is_the_floor_of_the_floating_point_product():
    x, y = data(10)
    # 10 * (1 - 0.9) is 0.99999..., so nothing would be left; 0.7 gives 3.0000000000000004
    assert sum(map(len, rows_seen(classifier(), x, y, validation_split=0.7)[0])) == 3
    with pytest.raises(
        ValueError, match="rows on both sides of the validation split, got 10 rows split at 0"
    ):
        classifier().fit(x, y, validation_split=0.9, verbose=0)


def test_validation_data_go_before_validation_split():
    x, y = data(10)
    model = classifier()
    seen = rows_seen(model, x, y, validation_split=0.5, validation_data=(x[:2], y[:2]))
    assert sum(map(len, seen[0])) == 10
    assert model.history.history["val_loss"][0] == pytest.approx(loss_of(model, x[:2], y[:2]))


def test_weights_of_the_validation_data_count():
    x, y = data()
    weight = np.arange(7.0)
    model = classifier()
    model.fit(x, y, validation_data=(x, y, weight), verbose=0)
    assert model.history.history["val_loss"][0] == pytest.approx(loss_of(model, x, y, weight))


def test_last_batch_is_smaller_and_counts_by_its_size():
    x, y = data(7)
    model = classifier(optimizer="sgd")
    model.optimizer.learning_rate = 0.0
    seen = rows_seen(model, x, y, batch_size=3, shuffle=False)
    assert [len(batch) for batch in seen[0]] == [3, 3, 1]
    logs = model.history.history
    assert logs["loss"][0] == pytest.approx(loss_of(model, x, y), rel=F32)
    assert logs["accuracy"][0] == pytest.approx(np.mean(model(x).argmax(1) == y.argmax(1)), rel=F32)


def test_history_is_the_mean_of_what_each_batch_showed_before_its_update():
    x, y = data(6)
    model, other = classifier(), classifier()
    model.fit(x, y, batch_size=2, shuffle=False, verbose=0)
    shown = [other.train_on_batch(x[i : i + 2], y[i : i + 2])[0] for i in (0, 2, 4)]
    assert model.history.history["loss"][0] == pytest.approx(np.mean(shown), rel=F32)
    for mine, theirs in zip(model.weights, other.weights, strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=1e-13)


def test_history_has_the_keys_of_keras_in_its_order():
    x, y = data()
    model = classifier(metrics=["acc", "mse"], weighted_metrics=["mae"])
    history = model.fit(x, y, epochs=2, validation_split=0.5, verbose=0)
    names = ["acc", "loss", "mae", "mse"]
    assert list(history.history) == [*names, *(f"val_{name}" for name in names)]
    assert history.epoch == [0, 1]
    assert history is model.history
    assert model.metrics_names == ["loss", "acc", "mse", "mae"]


def test_metrics_see_no_sample_weight_and_weighted_metrics_do():
    x, y = data()
    weight = np.arange(7.0)
    model = classifier(metrics=["mse"], weighted_metrics=["mse"])
    result = model.evaluate(x, y, sample_weight=weight, verbose=0)
    errors = ((model(x) - y) ** 2).mean(axis=1)
    assert abs(errors.mean() - (errors * weight).sum() / weight.sum()) > 1e-3
    np.testing.assert_allclose(
        result,
        [loss_of(model, x, y, weight), errors.mean(), (errors * weight).sum() / weight.sum()],
        rtol=F32,
    )


def test_each_epoch_is_averaged_by_itself():
    x, y = data()
    one, two = classifier(), classifier()
    history = one.fit(x, y, epochs=2, batch_size=2, shuffle=False, verbose=0).history
    for epoch in range(2):
        two.reset_metrics()
        again = two.fit(x, y, batch_size=2, shuffle=False, verbose=0).history
        assert history["loss"][epoch] == again["loss"][0]
    assert history["loss"][0] != history["loss"][1]


def test_class_weight_is_a_sample_weight_by_class():
    x, y = data()
    one, two = classifier(), classifier()
    labels = y.argmax(1)
    one.fit(x, y, class_weight={0: 2.0, 2: 0.5}, shuffle=False, verbose=0)
    two.fit(x, y, sample_weight=np.array([2.0, 1.0, 0.5])[labels], shuffle=False, verbose=0)
    np.testing.assert_array_equal(one.weights[0], two.weights[0])
    three = classifier(loss="sparse_categorical_crossentropy")
    three.fit(x, labels[:, None], class_weight={0: 2.0, 2: 0.5}, shuffle=False, verbose=0)
    np.testing.assert_allclose(three.weights[0], one.weights[0], rtol=1e-12)


def test_initial_epoch_goes_on_counting():
    x, y = data()
    recorder = Recorder()
    history = classifier().fit(x, y, epochs=4, initial_epoch=2, verbose=0, callbacks=[recorder])
    assert history.epoch == [2, 3]
    assert recorder.hooks[0] == "epoch 2"
    assert classifier().fit(x, y, epochs=2, initial_epoch=2, verbose=0).history == {}


def test_stop_training_ends_after_the_batch():
    x, y = data()
    stop = callbacks.LambdaCallback(
        on_train_batch_end=lambda b, logs: setattr(model, "stop_training", b == 1)
    )
    model = classifier()
    seen = Recorder()
    model.fit(x, y, batch_size=2, epochs=3, verbose=0, callbacks=[seen, stop])
    assert [len(epoch) for epoch in seen.batches] == [2]


@pytest.mark.parametrize(("freq", "due"), [(1, [0, 1, 2, 3]), (2, [1, 3]), ([1, 4], [0, 3])])
def test_validation_frequency(freq, due):
    x, y = data()
    recorder = Recorder()
    classifier().fit(
        x, y, epochs=4, validation_split=0.5, validation_freq=freq, verbose=0, callbacks=[recorder]
    )
    epochs = [recorder.hooks[:i].count("test") for i, h in enumerate(recorder.hooks) if h == "test"]
    assert len(epochs) == len(due)
    tested = [
        int(max(h for h in recorder.hooks[:i] if "epoch" in h)[-1])
        for i, h in enumerate(recorder.hooks)
        if h == "test"
    ]
    assert tested == due


def test_logs_of_a_batch_are_the_mean_so_far():
    x, y = data(6)
    model = classifier()
    model.optimizer.learning_rate = 0.0
    recorder = Recorder()
    model.fit(x, y, batch_size=2, shuffle=False, verbose=0, callbacks=[recorder])
    for k, logs in enumerate(recorder.logs, start=1):
        assert logs["loss"] == pytest.approx(loss_of(model, x[: 2 * k], y[: 2 * k]), rel=F32)


# ------------------------------------------------------------------ the order of samples


def test_without_shuffling_rows_come_as_given():
    x, y = data()
    assert rows_seen(classifier(), x, y, batch_size=3, shuffle=False)[0] == [
        x[:3, 0].tolist(),
        x[3:6, 0].tolist(),
        x[6:, 0].tolist(),
    ]


@pytest.mark.parametrize("shuffle", [True, "reshuffle", "batch"])
def test_every_epoch_sees_every_row_once_and_repeats_from_the_seed(shuffle):
    x, y = data(23)
    seen = rows_seen(classifier(), x, y, batch_size=5, shuffle=shuffle, epochs=3)
    for epoch in seen:
        assert sorted(v for batch in epoch for v in batch) == sorted(x[:, 0])
        assert [v for batch in epoch for v in batch] != x[:, 0].tolist()
    assert (seen[0] == seen[1]) == (shuffle != "reshuffle")  # with a seed, as Keras
    assert seen == rows_seen(classifier(), x, y, batch_size=5, shuffle=shuffle, epochs=3)


def test_batch_shuffling_keeps_rows_together():
    x, y = data(23)
    for epoch in rows_seen(classifier(), x, y, batch_size=5, shuffle="batch"):
        whole = [set(x[i : i + 5, 0]) for i in range(0, 23, 5)]
        assert all(set(batch) in whole for batch in epoch)


def test_without_a_seed_every_epoch_has_a_new_order(monkeypatch):
    model, (x, y) = classifier(), data(23)
    monkeypatch.setattr(utils.random_seed, "_global_seed", None)
    seen = rows_seen(model, x, y, batch_size=5, epochs=3)
    assert seen[0] != seen[1] != seen[2]


# ------------------------------------------------------------------ evaluate, predict, one batch


def test_evaluation_uses_no_dropout_and_moves_no_average():
    x, y = data()
    model = classifier(BatchNormalization(), Dropout(0.5), Dense(3, activation="softmax"))
    before = model.get_weights()
    first = model.evaluate(x, y, batch_size=2, verbose=0)
    assert first == model.evaluate(x, y, batch_size=2, verbose=0)
    assert first[0] == pytest.approx(loss_of(model, x, y), rel=F32)
    np.testing.assert_array_equal(model.predict(x, verbose=0), model(x))
    for now, then in zip(model.weights, before, strict=True):
        np.testing.assert_array_equal(now, then)


def test_results_come_as_numbers_list_or_dict():
    x, y = data()
    model = classifier(metrics=None)
    for result in (
        model.evaluate(x, y, verbose=0),
        model.train_on_batch(x, y),
        model.test_on_batch(x, y),
    ):
        assert isinstance(result, float)
    model = classifier()
    assert len(model.test_on_batch(x, y)) == 2
    assert list(model.train_on_batch(x, y, return_dict=True)) == ["accuracy", "loss"]
    assert model.predict_on_batch(x).shape == (7, 3)


def test_predictions_are_nobody_elses_arrays(each_engine):
    x = np.ones((3, 4), np.float32)
    for layer in (Activation("linear"), Dropout(0.5)):
        model = Sequential([Input((4,)), layer])
        for _ in range(2):  # the second time there is a plan
            for y in (model.predict_on_batch(x), model.predict(x, verbose=0)):
                assert np.array_equal(y, x)
                assert not np.shares_memory(y, x)
        assert np.array_equal(model.predict_on_batch(x.tolist()), x)


def test_train_on_batch_is_one_step_of_fit():
    x, y = data()
    one, two = classifier(optimizer="adam"), classifier(optimizer="adam")
    weight = {0: 2.0, 1: 1.0, 2: 0.25}
    one.fit(x, y, batch_size=7, shuffle=False, class_weight=weight, verbose=0)
    two.train_on_batch(x, y, class_weight=weight)
    np.testing.assert_array_equal(one.weights[0], two.weights[0])
    assert one.optimizer.iterations == two.optimizer.iterations == 1


def test_metrics_start_anew_with_each_batch_and_each_epoch():
    x, y = data()
    model = classifier()
    model.optimizer.learning_rate = 0.0
    assert model.train_on_batch(x, y) == model.train_on_batch(x, y)
    history = model.fit(x, y, epochs=2, shuffle=False, verbose=0).history
    assert history["loss"][0] == history["loss"][1]


# ------------------------------------------------------------------ the loss and its gradient


def gradient_of_last(model, x, y):
    value = model.loss_and_gradients(x, y)
    return value, model.layers[0].grads["kernel"].copy()


@pytest.mark.parametrize("cls", [losses.CategoricalCrossentropy, losses.BinaryCrossentropy])
def test_loss_starts_from_the_logits_behind_a_softmax(cls, each_engine):
    x, y = data()
    one = classifier(Dense(3, activation="softmax"), loss=cls())
    two = classifier(Dense(3), loss=cls(from_logits=True))
    two.set_weights(one.get_weights())
    value, gradient = gradient_of_last(one, x, y)
    other, plain = gradient_of_last(two, x, y)
    assert value == pytest.approx(other, rel=1e-14)
    np.testing.assert_allclose(gradient, plain, rtol=1e-12, atol=1e-15)


def test_saturated_softmax_keeps_its_gradient_on_the_logits_path():
    model = classifier()
    model.layers[0].kernel[...] = 0
    model.layers[0].bias[...] = [500, 0, 0]
    value, _ = gradient_of_last(model, np.ones((1, 4)), [[0.0, 1.0, 0.0]])
    assert value == 500
    np.testing.assert_allclose(model.layers[0].dz, [[1, -1, 0]], atol=1e-15)


def test_probabilities_are_clipped_where_no_softmax_is_last():
    squash = [Dense(3, activation="softmax"), Activation("relu")]
    model = classifier(*squash)
    model.layers[0].kernel[...] = 0
    model.layers[0].bias[...] = [500, 0, 0]
    value, gradient = gradient_of_last(model, np.ones((1, 4)), [[0.0, 1.0, 0.0]])
    assert value == pytest.approx(-np.log(1e-7))
    assert not gradient.any()


def test_layers_that_pass_everything_on_do_not_hide_the_logits():
    x, y = data()
    one = classifier(Dense(3, activation="softmax"))
    two = classifier(Dense(3, activation="softmax"), Dropout(0), Activation("linear"))
    two.set_weights(one.get_weights())
    for a, b in zip(gradient_of_last(one, x, y), gradient_of_last(two, x, y), strict=True):
        np.testing.assert_array_equal(a, b)
    assert two._logits_layer(training=True) == 0
    three = classifier(Dense(3, activation="softmax"), Dropout(0.5))
    assert three._logits_layer(training=True) is None
    assert three._logits_layer(training=False) == 0


def test_regularizers_are_in_the_loss_and_in_the_gradient():
    x, y = data()
    plain = classifier(Dense(3, activation="softmax"))
    model = classifier(
        Dense(
            3,
            activation="softmax",
            kernel_regularizer="l2",
            bias_regularizer="l1",
            activity_regularizer="l2",
        )
    )
    model.set_weights([w + 0.5 for w in plain.get_weights()])
    plain.set_weights(model.get_weights())
    factor = float(np.float32(0.01))
    kernel, bias = plain.layers[0].params.values()
    p = plain(x)
    penalty = factor * ((kernel**2).sum() + np.abs(bias).sum() + (p**2).sum() / len(x))
    value, gradient = gradient_of_last(model, x, y)
    base, without = gradient_of_last(plain, x, y)
    assert value == pytest.approx(base + penalty, rel=1e-12)
    through = activations.softmax.backward(2 * factor * p / len(x), x @ kernel + bias, p)
    np.testing.assert_allclose(gradient, without + 2 * factor * kernel + x.T @ through, rtol=1e-10)
    assert model.evaluate(x, y, verbose=0)[0] == pytest.approx(value, rel=F32)


def test_frozen_layers_stay_and_the_others_learn():
    x, y = data()
    model = classifier(
        Dense(5, activation="relu"), BatchNormalization(), Dense(3, activation="softmax")
    )
    model.layers[0].trainable = model.layers[1].trainable = False
    model.compile("adam", "categorical_crossentropy")
    before = model.get_weights()
    model.fit(x, y, verbose=0)
    assert [bool((a != b).any()) for a, b in zip(model.weights, before, strict=True)] == [
        False
    ] * 6 + [True] * 2
    assert model.lowest_trainable() == 2


def test_a_model_with_nothing_to_train_is_only_measured():
    x, y = data()
    model = classifier()
    model.trainable = False
    model.compile("adam", "categorical_crossentropy")
    before = model.get_weights()
    assert model.fit(x, y, verbose=0).history["loss"]
    np.testing.assert_array_equal(model.weights[0], before[0])


def test_training_gives_the_same_with_every_engine():
    x, y = data(9)
    results = []
    for name in ("loops", "numpy", "numba", engines.DEFAULT):
        with engine(name):
            utils.set_random_seed(5)
            layers = Dense(5, activation="relu"), Dropout(0.25), Dense(3, activation="softmax")
            model = classifier(*layers, optimizer="adam")
            model.fit(x, y, epochs=3, batch_size=4, verbose=0)
            results.append(model.parameters)
    np.testing.assert_allclose(results[1], results[0], rtol=1e-10, atol=1e-14)
    np.testing.assert_allclose(results[2], results[0], rtol=1e-10, atol=1e-14)
    np.testing.assert_allclose(results[3], results[0], rtol=1e-10, atol=1e-14)


def test_an_engine_may_take_the_whole_list_of_layers(monkeypatch):
    asked = []

    def plan(model):
        asked.append(model)
        return StepByStep(model)

    module = engines.load(engines.get_engine())
    monkeypatch.setattr(module, "plan", plan, raising=False)
    model, (x, y) = classifier(), data()
    model.fit(x, y, verbose=0)
    assert asked == [model]


def test_compiling_anew_forgets_the_optimizers_state():
    x, y = data()
    model = classifier(optimizer="adam")
    model.fit(x, y, verbose=0)
    model.compile("adam", "mse")
    assert model.optimizer.iterations == 0
    assert model.fit(x, y, verbose=0).history.keys() == {"loss"}


def test_the_progress_bar_shows_epochs_and_metrics(capsys):
    x, y = data()
    classifier().fit(x, y, epochs=2, verbose=2)
    text = capsys.readouterr().out
    assert "Epoch 1/2" in text
    assert "accuracy: " in text
    classifier().fit(x, y, verbose=0)
    assert capsys.readouterr().out == ""


def test_an_infinite_target_ends_with_terminate_on_nan():
    model = Sequential([Input((1,)), Dense(1)])
    model.compile("sgd", "mse")
    x, y = np.array([[1.0], [2.0]]), np.array([[np.inf], [np.inf]])
    history = model.fit(
        x, y, epochs=3, batch_size=1, verbose=0, callbacks=[callbacks.TerminateOnNaN()]
    )
    assert history.history["loss"] == [np.inf]
    with pytest.raises(ValueError, match=r"expected finite numbers in y, got nan at \(0, 0\)"):
        model.fit(x, y * np.nan, verbose=0)


@pytest.mark.parametrize("method", ["fit", "evaluate", "train_on_batch", "test_on_batch"])
def test_a_generator_that_brings_its_labels_is_refused_by_its_name(method):
    with pytest.raises(TypeError, match=r"x as an array, got generator\. ScratchNet takes no"):
        getattr(classifier(), method)(batch for batch in [data()])


def test_there_are_no_metrics_before_compile():
    model = Sequential([Input((4,)), Dense(3)])
    assert model.metrics == []
    model.compile("sgd", "mse")
    assert [metric.name for metric in model.metrics] == ["loss"]


@pytest.mark.parametrize("hook", ["call", "compute_loss", "train_step", "test_step"])
def test_a_hook_that_would_never_be_called_is_refused(hook):
    with pytest.raises(NotImplementedError, match=f"Mine: expected no {hook} of its own, got a"):
        type("Mine", (Sequential,), {hook: lambda self, *data: None})
    assert type("Other", (Sequential,), {"extra": 1})([Dense(3)]).extra == 1


@pytest.mark.parametrize("off", [False, 0, np.False_])
def test_whatever_is_false_does_not_shuffle(off):
    batches = Batches(np.arange(5))
    batches.shuffle(off)
    assert batches.order(0).tolist() == [0, 1, 2, 3, 4]

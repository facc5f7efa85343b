"""Many batches at once where nobody looks in between: the same numbers, in fewer calls."""

import numpy as np
import pytest

from scratchnet import Input, Sequential, callbacks, engine, engines, utils
from scratchnet.layers import Dense
from scratchnet.metrics import CategoricalAccuracy, MeanSquaredError

BATCHES = 70  # more than two times 32, and some


class Onlooker(callbacks.Callback):
    """Sees the logs of every batch."""

    def __init__(self):
        super().__init__()
        self.seen = []

    def on_train_batch_end(self, batch, logs=None):
        self.seen.append(dict(logs))


class Counted(CategoricalAccuracy):
    """Remembers how many rows each update had."""

    def __init__(self):
        super().__init__()
        self.rows = []

    def update_state(self, y_true, y_pred, sample_weight=None):
        self.rows.append(len(y_pred))
        super().update_state(y_true, y_pred, sample_weight)


def data(rows=2 * BATCHES - 1):
    rng = np.random.default_rng(3)
    return rng.normal(size=(rows, 4)).astype("float32"), np.eye(3)[rng.integers(0, 3, rows)]


def model(*metrics):
    utils.set_random_seed(5)
    made = Sequential([Input((4,)), Dense(3, activation="softmax")])
    made.compile("sgd", "categorical_crossentropy", metrics=list(metrics))
    return made


def updates(monkeypatch):
    """A list that gets the rows of each update of the accuracy."""
    rows, real = [], CategoricalAccuracy.update_state

    def update_state(self, y_true, y_pred, sample_weight=None):
        rows.append(len(y_pred))
        real(self, y_true, y_pred, sample_weight)

    monkeypatch.setattr(CategoricalAccuracy, "update_state", update_state)
    return rows


@pytest.mark.parametrize("name", ["numpy", engines.DEFAULT])
@pytest.mark.parametrize("metrics", [("accuracy",), ("accuracy", "mse"), ()])
def test_history_is_the_same_whoever_looks(metrics, name):
    x, y = data()
    histories = []
    with engine(name):
        for watching in ([], [Onlooker()]):
            fitted = model(*metrics)
            history = fitted.fit(x, y, batch_size=2, epochs=2, verbose=0, callbacks=watching)
            histories.append(history.history)
    assert histories[0] == histories[1]
    assert watching[0].seen[-1]["loss"] == histories[1]["loss"][-1]
    assert len(watching[0].seen) == 2 * BATCHES


def test_accuracies_are_counted_by_many_batches(monkeypatch):
    rows, (x, y) = updates(monkeypatch), data()
    model("accuracy").fit(x, y, batch_size=2, verbose=0)
    # the first batch shows the shapes; then twice 32 batches, and the rest
    assert rows == [2, 64, 64, 9]


@pytest.mark.parametrize("watched", ["callback", "another metric", "sample weights"])
def test_each_batch_is_counted_alone_where_it_matters(watched, monkeypatch):
    rows, (x, y) = updates(monkeypatch), data()
    fitted = model("accuracy", *([MeanSquaredError()] if watched == "another metric" else []))
    fitted.fit(
        x, y, batch_size=2, verbose=0,
        callbacks=[Onlooker()] if watched == "callback" else None,
        sample_weight=np.ones(len(x)) if watched == "sample weights" else None,
    )  # fmt: skip
    assert rows == [2] * (BATCHES - 1) + [1]


def test_a_metric_with_an_update_of_its_own_sees_every_batch():
    metric, (x, y) = Counted(), data()
    model(metric).fit(x, y, batch_size=2, verbose=0)
    assert metric.rows == [2] * (BATCHES - 1) + [1]


def test_large_outputs_do_not_wait(monkeypatch):
    monkeypatch.setattr("scratchnet.metrics.tally.NUMBERS", 30)
    rows, (x, y) = updates(monkeypatch), data(40)
    model("accuracy").fit(x, y, batch_size=2, verbose=0)
    assert rows == [2, 10, 10, 10, 8]


@pytest.mark.skipif(not engines.JIT, reason="engine fused needs Numba's compiler")
def test_predictions_take_many_batches_at_once_where_nobody_looks(monkeypatch):
    from scratchnet.engines.fused import planner

    class Look(callbacks.Callback):
        def __init__(self):
            super().__init__()
            self.rows = []

        def on_predict_batch_end(self, batch, logs=None):
            self.rows.append(len(logs["outputs"]))

    (x, _), look = data(1300), Look()
    with engine("fused"):
        fitted = model()
        units = fitted.output_shape[-1]
        monkeypatch.setattr(planner, "NUMBERS_AT_ONCE", 512 * units)
        plan, given = fitted._steps(), []
        plan.plain_sums = False  # or all rows would be taken at once, and the output be looked at
        real = plan.predict
        plan.predict = lambda batch: given.append(len(batch.x)) or real(batch)
        at_once = fitted.predict(x, batch_size=100, verbose=0)
        assert given == [500, 500, 300]
        one_by_one = fitted.predict(x, batch_size=100, verbose=0, callbacks=[look])
    assert look.rows == [100] * 13
    np.testing.assert_allclose(at_once, one_by_one, rtol=1e-6)
    with engine("numba"):
        np.testing.assert_allclose(fitted.predict(x, batch_size=1300), at_once, rtol=1e-5)

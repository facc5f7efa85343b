"""Callbacks, driven by a fake model through made-up epochs."""

import numpy as np
import pytest

from scratchnet import callbacks, config, metrics
from scratchnet.callbacks import CallbackList


class Optimizer:
    """Holds its rate in float32, as the real ones do."""

    def __init__(self, learning_rate):
        self.learning_rate = learning_rate

    def __setattr__(self, name, value):
        super().__setattr__(name, np.float32(value))


class Model:
    """Its only weight is the number of epochs trained."""

    def __init__(self, learning_rate=0.5):
        self.stop_training = False
        self.history = None
        self.optimizer = Optimizer(learning_rate)
        self.metrics = [metrics.Mean(name="loss"), metrics.CategoricalAccuracy(name="acc")]
        self.epochs = 0

    def get_weights(self):
        return [np.array([self.epochs])]

    def set_weights(self, weights):
        self.epochs = int(weights[0][0])


def train(given, values, name="val_loss", model=None):
    """One epoch for each value; returns the model and the history."""
    model = model or Model()
    calls = CallbackList(given, add_history=True, model=model, verbose=0, epochs=9, steps=1)
    model.stop_training = False
    calls.on_train_begin()
    for epoch, value in enumerate(values):
        calls.on_epoch_begin(epoch)
        model.epochs += 1
        calls.on_epoch_end(epoch, {name: np.float32(value)})
        if model.stop_training:
            break
    calls.on_train_end()
    return model, model.history.history


# ------------------------------------------------------------------ the list, the history, the text


def test_logs_reach_callbacks_as_sorted_floats():
    seen = []
    calls = CallbackList([callbacks.LambdaCallback(on_epoch_end=lambda e, logs: seen.append(logs))])
    calls.on_epoch_end(
        0, {"loss": np.float32(0.5), "acc": 1, "more": {"b": np.array(2.0)}, "v": [1]}
    )
    assert list(seen[0].items()) == [("acc", 1.0), ("loss", 0.5), ("b", 2.0), ("v", [1])]
    assert type(seen[0]["acc"]) is float


def test_every_hook_reaches_every_callback():
    called = []

    class Spy(callbacks.Callback):
        def __getattribute__(self, name):
            if name.startswith("on_"):
                called.append(name)
            return super().__getattribute__(name)

    hooks = [name for name in dir(callbacks.Callback) if name.startswith("on_")]
    assert len(hooks) == 16
    calls = CallbackList([Spy(), [Spy()]])
    for hook in hooks:
        called.clear()
        arguments = (0, None) if "batch" in hook or "epoch" in hook else (None,)
        getattr(calls, hook)(*arguments)
        assert called.count(hook) == 2


def test_older_batch_hooks_are_called_through_the_newer():
    seen = []

    class Old(callbacks.Callback):
        def on_batch_begin(self, batch, logs=None):
            seen.append(("begin", batch))

        def on_batch_end(self, batch, logs=None):
            seen.append(("end", batch))

    calls = CallbackList(Old())
    calls.on_train_batch_begin(3)
    calls.on_train_batch_end(3)
    assert seen == [("begin", 3), ("end", 3)]


def test_callbacks_know_their_model_and_params():
    callback, model = callbacks.Callback(), Model()
    CallbackList([callback], model=model, epochs=2)
    assert callback.model is model
    assert callback.params == {"epochs": 2}


def test_a_given_history_is_used_and_none_is_added():
    history, model = callbacks.History(), Model()
    calls = CallbackList([history], add_history=True, model=model)
    assert calls.callbacks == [history]
    assert model.history is history


def test_what_is_no_callback_is_refused():
    with pytest.raises(
        TypeError, match=r"expected objects of classes that extend Callback, got <bu"
    ):
        CallbackList([len])


def test_history_goes_on_and_lists_the_epochs_of_the_last_fit():
    history = callbacks.History()
    model, _ = train([history], [3, 2])
    train([history], [1], model=model)
    assert history.history == {"val_loss": [3, 2, 1]}
    assert history.epoch == [0]


def test_a_rate_logged_by_one_callback_reaches_the_history():
    _, history = train([callbacks.LearningRateScheduler(lambda epoch, rate: rate * 0.5)], [1, 1])
    assert history["learning_rate"] == [0.25, 0.125]


def run_text(verbose, epochs, steps, given=3):
    model = Model()
    calls = CallbackList(add_progbar=True, model=model, verbose=verbose, epochs=epochs, steps=steps)
    calls.on_train_begin()
    for epoch in range(epochs):
        calls.on_epoch_begin(epoch)
        for batch in range(given):
            calls.on_train_batch_end(batch, {"loss": 1.0})
        calls.on_test_begin()
        calls.on_test_batch_end(0, {"loss": 9.0})
        calls.on_test_end({"loss": 9.0})
        calls.on_epoch_end(epoch, {"loss": 0.5, "val_loss": 0.25})
    calls.on_train_end()


def test_the_text_of_a_fit_is_one_line_an_epoch_with_verbose_2(capsys):
    run_text(2, 2, 3)
    lines = capsys.readouterr().out.splitlines()
    assert lines[::2] == ["Epoch 1/2", "Epoch 2/2"]
    assert all(line.startswith("3/3 - 0s - ") for line in lines[1::2])
    assert all(line.endswith("/step - loss: 0.5000 - val_loss: 0.2500") for line in lines[1::2])


def test_the_bar_shows_the_logs_as_they_are(capsys):
    calls = CallbackList(add_progbar=True, model=Model(), verbose=1, epochs=1, steps=9)
    calls.on_epoch_begin(0)
    calls._last(callbacks.ProgbarLogger).progbar.interval = 0
    for batch in range(3):
        calls.on_train_batch_end(batch, {"loss": 1.0 + batch})
    assert capsys.readouterr().out.endswith("loss: 3.0000")


def test_a_single_epoch_has_no_headline_and_validation_is_silent(capsys):
    run_text("auto", 1, None)
    out = capsys.readouterr().out
    assert "Epoch" not in out
    assert "9.0" not in out
    assert "/Unknown" in out
    assert "3/3" in out.rpartition("\r")[2]  # the end of the epoch told how many steps there are


def test_evaluate_shows_its_metrics_and_predict_shows_none(capsys):
    calls = CallbackList(add_progbar=True, model=Model(), verbose=1, epochs=1, steps=1)
    calls.on_test_begin()
    calls.on_test_batch_end(0, {"loss": 9.0})
    calls.on_test_end({"loss": 8.0})
    assert "loss: 8.0000\n" in capsys.readouterr().out
    calls.on_predict_begin()
    calls.on_predict_batch_end(0, {"outputs": np.zeros((4, 2))})
    calls.on_predict_end()
    out = capsys.readouterr().out
    assert "1/1" in out
    assert "outputs" not in out


# ------------------------------------------------------------------ early stopping


@pytest.mark.parametrize(
    ("kwargs", "values", "epochs"),
    [
        ({}, [3, 2, 2, 1], 3),
        ({"patience": 2}, [3, 2, 2, 1, 1, 1, 0], 6),
        ({"min_delta": 0.5, "patience": 1}, [3, 2.75, 2], 2),
        ({"min_delta": -0.5, "patience": 1}, [3, 2.75, 2], 2),  # its size counts, not its sign
        ({"mode": "max"}, [1, 2, 1], 3),
        ({"baseline": 1, "patience": 2}, [3, 2, 1.5, 0.5], 4),
        ({"baseline": 1, "patience": 2}, [3, 2, 2, 0.5], 3),
        ({"start_from_epoch": 2}, [1, 2, 3, 3], 4),
        ({"patience": 0}, [float("nan"), float("nan"), 1], 2),
    ],
)
def test_early_stopping_ends_after_patience(kwargs, values, epochs):
    model, _ = train([callbacks.EarlyStopping(**kwargs)], values)
    assert model.epochs == epochs


def test_what_counts_as_a_gain_depends_on_the_default_float_type():
    stopping = callbacks.EarlyStopping(mode="min")
    stopping._set_monitor_op()
    assert not stopping._is_improvement(1 - 1e-9, 1)
    config.set_floatx("float64")
    try:
        assert stopping._is_improvement(1 - 1e-9, 1)
    finally:
        config.set_floatx("float32")


@pytest.mark.parametrize("values", [[3, 1, 2, 2, 0], [3, 1, 2]])
def test_the_best_weights_come_back_stopped_or_not(values, capsys):
    stopping = callbacks.EarlyStopping(patience=2, restore_best_weights=True, verbose=1)
    model, _ = train([stopping], values)
    assert model.epochs == 2
    out = capsys.readouterr().out
    assert "Restoring model weights from the end of the best epoch: 2.\n" in out
    assert ("Epoch 4: early stopping\n" in out) is (len(values) == 5)


def test_early_stopping_starts_anew_in_the_next_fit():
    stopping = callbacks.EarlyStopping(patience=1)
    model, _ = train([stopping], [1, 2, 3])
    train([stopping], [5, 4, 3], model=model)
    assert model.epochs == 2 + 3
    assert stopping.best == 3


@pytest.mark.parametrize(
    ("monitor", "stops"), [("val_acc", False), ("val_loss", True), ("loss", True)]
)
def test_auto_mode_finds_the_direction_by_the_name(monitor, stops):
    model, _ = train([callbacks.EarlyStopping(monitor)], [1, 2, 3], name=monitor)
    assert (model.epochs == 2) is stops


def test_a_monitor_of_unknown_direction_is_refused():
    with pytest.raises(
        ValueError, match=r"EarlyStopping: expected a monitor whose .*, got 'speed'\. P"
    ):
        train([callbacks.EarlyStopping("speed")], [1], name="speed")


def test_a_monitor_that_is_not_logged_is_told():
    message = r"EarlyStopping: expected 'val_loss' among the logged metrics, got loss\."
    with pytest.warns(UserWarning, match=message):
        train([callbacks.EarlyStopping()], [1], name="loss")


def test_an_unknown_mode_is_told_and_taken_as_auto():
    with pytest.warns(UserWarning, match=r"EarlyStopping: expected mode .*, got 'least'"):
        assert callbacks.EarlyStopping(mode="least").mode == "auto"


@pytest.mark.parametrize("argument", ["patience", "start_from_epoch"])
@pytest.mark.parametrize("value", ["a", None])
def test_early_stopping_refuses_what_is_no_number_of_epochs(argument, value):
    message = rf"EarlyStopping: expected {argument} as a number of epochs, got {value!r}\. Try 3"
    with pytest.raises(ValueError, match=message):
        callbacks.EarlyStopping(**{argument: value})


# ------------------------------------------------------------------ learning rates


@pytest.mark.parametrize(
    ("kwargs", "values", "rates"),
    [
        ({"patience": 1}, [1, 1, 1], [0.5, 0.25, 0.125]),
        ({"patience": 2}, [1, 1, 1, 0], [0.5, 0.5, 0.25, 0.25]),
        ({"patience": 1, "cooldown": 2}, [1, 1, 1, 1, 1], [0.5, 0.25, 0.25, 0.125, 0.125]),
        ({"patience": 1, "min_lr": 0.2}, [1, 1, 1, 1], [0.5, 0.25, 0.2, 0.2]),
        ({"patience": 1, "min_delta": 0.5}, [2, 1.75, 1], [0.5, 0.25, 0.25]),
        ({"patience": 1, "mode": "max"}, [1, 2, 2], [0.5, 0.5, 0.25]),
    ],
)
def test_a_plateau_reduces_the_rate(kwargs, values, rates):
    model, after = Model(), []
    note = callbacks.LambdaCallback(
        on_epoch_end=lambda epoch, logs: after.append(model.optimizer.learning_rate)
    )
    reduce = callbacks.ReduceLROnPlateau(factor=0.5, **kwargs)
    _, history = train([reduce, note], values, model=model)
    assert after == [np.float32(rate) for rate in rates]
    assert history["learning_rate"][1:] == [float(rate) for rate in after[:-1]]  # logged before


def test_the_callbacks_that_set_the_rate_say_so(capsys):
    train([callbacks.LearningRateScheduler(lambda epoch: 0.25, verbose=1)], [1])
    message = "\nEpoch 1: LearningRateScheduler setting learning rate to 0.25.\n"
    assert capsys.readouterr().out == message
    train([callbacks.ReduceLROnPlateau(patience=1, factor=0.5, verbose=1)], [1, 1])
    message = "\nEpoch 2: ReduceLROnPlateau reducing learning rate to 0.25.\n"
    assert capsys.readouterr().out == message


def test_a_rate_at_its_least_is_not_reduced_again(capsys):
    reduce = callbacks.ReduceLROnPlateau(patience=1, min_lr=0.1, verbose=1)
    train([reduce], [1, 1, 1, 1])  # float32(0.1) is a little more than 0.1
    assert capsys.readouterr().out.count("reducing") == 1


def test_a_plateau_of_what_is_not_logged_is_told():
    message = (
        r"ReduceLROnPlateau: expected 'val_loss' among the logged metrics, got loss, learning_rate"
    )
    with pytest.warns(UserWarning, match=message):
        train([callbacks.ReduceLROnPlateau()], [1], name="loss")


def test_a_factor_that_does_not_reduce_is_refused():
    with pytest.raises(ValueError, match=r"ReduceLROnPlateau: expected factor below 1.0, got 1.0"):
        callbacks.ReduceLROnPlateau(factor=1.0)


def test_arguments_that_keras_ignores_are_told():
    with pytest.warns(
        UserWarning, match=r"ReduceLROnPlateau: expected known arguments, got epsilon"
    ):
        callbacks.ReduceLROnPlateau(epsilon=0.1)


def test_a_schedule_must_return_a_float():
    with pytest.raises(ValueError, match=r"expected a float from schedule\(epoch, lr\), got 1\b"):
        train([callbacks.LearningRateScheduler(lambda epoch, rate: 1)], [1])


# ------------------------------------------------------------------ functions, NaN, files


def test_lambda_callback_calls_its_functions_and_keeps_other_keywords():
    seen = []
    callback = callbacks.LambdaCallback(
        on_train_batch_end=lambda batch, logs: seen.append((batch, logs)),
        on_test_begin=lambda logs: seen.append("test"),
        custom=7,
    )
    calls = CallbackList([callback])
    calls.on_train_batch_end(2, {"loss": 1})
    calls.on_test_begin()
    assert seen == [(2, {"loss": 1.0}), "test"]
    assert callback.custom == 7


@pytest.mark.parametrize("loss", [float("nan"), float("inf"), float("-inf")])
def test_a_loss_that_is_no_number_ends_training(loss, capsys):
    model = Model()
    calls = CallbackList([callbacks.TerminateOnNaN()], model=model)
    calls.on_train_batch_end(0, {"loss": 1.0})
    assert not model.stop_training
    calls.on_train_batch_end(1, {"loss": loss})
    assert model.stop_training
    assert capsys.readouterr().out == "Batch 1: Invalid loss, terminating training\n"


def test_a_loss_that_is_no_number_raises_where_asked():
    calls = CallbackList([callbacks.TerminateOnNaN(raise_error=True)], model=Model())
    with pytest.raises(
        RuntimeError, match=r"NaN or Inf loss encountered at batch 3: expected a finite"
    ):
        calls.on_train_batch_end(3, {"loss": float("nan")})


def test_the_table_has_a_header_and_a_row_each_epoch(tmp_path):
    file = tmp_path / "log.csv"
    train([callbacks.CSVLogger(file)], [0.5, 0.25])
    assert file.read_bytes() == b"epoch,val_loss\r\n0,0.5\r\n1,0.25\r\n"


def test_columns_for_validation_stand_ready(tmp_path):
    file = tmp_path / "log.csv"
    logger = callbacks.CSVLogger(str(file), separator=";")
    logger.on_train_begin()
    logger.on_epoch_end(0, {"loss": 0.5, "acc": [1, 2]})
    logger.on_epoch_end(1, {"loss": np.array(2.0), "val_loss": 3, "acc": "a;b"})
    logger.on_train_end()
    assert file.read_text().split() == [
        "epoch;acc;loss;val_acc;val_loss",
        '0;"""[1,',
        '2]""";0.5;NA;NA',
        '1;"a;b";2.0;NA;3',
    ]


@pytest.mark.parametrize(
    ("before", "append", "after"),
    [
        ("", True, "epoch,loss,val_loss\n0,1.0,NA\n"),
        (None, True, "epoch,loss,val_loss\n0,1.0,NA\n"),
        ("epoch,loss,val_loss\n0,9,NA\n", True, "epoch,loss,val_loss\n0,9,NA\n0,1.0,NA\n"),
        ("old\n", False, "epoch,loss,val_loss\n0,1.0,NA\n"),
    ],
)
def test_append_goes_on_with_the_file_and_its_header(tmp_path, before, append, after):
    file = tmp_path / "log.csv"
    if before is not None:
        file.write_text(before)
    train([callbacks.CSVLogger(file, append=append)], [1], name="loss")
    assert file.read_text() == after


def test_a_crash_leaves_whole_rows_only(tmp_path):
    class Broken:
        def __str__(self):
            raise MemoryError("no room")

    file = tmp_path / "log.csv"
    logger = callbacks.CSVLogger(file)
    logger.on_train_begin()
    logger.on_epoch_end(0, {"a": 1, "b": 2})
    with pytest.raises(MemoryError, match="no room"):
        logger.on_epoch_end(1, {"a": 1, "b": Broken()})
    assert (
        file.read_text() == "epoch,a,b,val_a,val_b\n0,1,2,NA,NA\n"
    )  # and nothing waits in a buffer


def test_a_separator_is_one_character():
    with pytest.raises(
        ValueError, match=r"CSVLogger: expected a separator of one character, got '::'"
    ):
        callbacks.CSVLogger("log.csv", separator="::")

"""compile, fit, evaluate, predict: the loop over epochs and batches, as Keras has it.

One step (forward, loss, backward, update) stands in steps.py; here is the loop around it.
"""

from operator import attrgetter
from typing import Any

import numpy as np

from scratchnet import callbacks as callbacks_module
from scratchnet import data, engines, losses, optimizers
from scratchnet.data import Batches
from scratchnet.distributed import agreement
from scratchnet.distributed.split import split
from scratchnet.distributed.world import any_rank, counted_on
from scratchnet.errors import expected
from scratchnet.layers.arguments import refuse
from scratchnet.layers.base import Array
from scratchnet.losses.loss import Loss
from scratchnet.metrics import Mean, Metric
from scratchnet.metrics.resolve import flatten, log_names, resolve, sees_logits
from scratchnet.metrics.tally import Tally
from scratchnet.numerics import Numerics
from scratchnet.saving.backup import Progress
from scratchnet.steps import StepByStep, Steps
from scratchnet.utils.interrupts import HeldInterrupt
from scratchnet.utils.options import is_int

__all__ = ["Trainer"]

# what of a layer decides how it is done; attrgetter reads it all in one call
_MATTERS = attrgetter("trainable", "activity_regularizer", "input_shape", "_activation")
# what a subclass of a Keras model may write to change its training
KERAS_HOOKS = ("call", "compute_loss", "compute_metrics", "train_step", "test_step", "predict_step")


class Trainer(Steps):
    """The half of Sequential that trains it."""

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        for name in KERAS_HOOKS:
            if name in vars(cls):
                wanted, hint = f"no {name} of its own", "ScratchNet would never call it."
                raise NotImplementedError(expected(cls.__name__, wanted, f"a {name}", hint))

    def __init__(self) -> None:
        self.optimizer: optimizers.Optimizer | None = None
        self.loss: Loss | None = None
        self.numerics: Numerics | None = None  # who looks for NaN, where that was asked for
        self.stop_training = False
        self.history: Any = None
        self._loss_tracker = Mean(name="loss")
        self._metrics: list[Metric] | None = None  # None until the first batch shows the shapes
        self._plain_count = 0  # how many of them take no weights: those of metrics=
        self._metric_specs: tuple[Any, Any] = (None, None)
        self._updated: list[tuple[str, str]] | None = None
        # what the plan was made from, the plan, and the dtype and shape of its input
        self._plan: tuple[list[Any], Any, Any] | None = None

    # ------------------------------------------------------------------ compile

    def compile(
        self: Any,
        optimizer: Any = "rmsprop",
        loss: Any = None,
        loss_weights: Any = None,
        metrics: Any = None,
        weighted_metrics: Any = None,
        run_eagerly: bool = False,
        steps_per_execution: int = 1,
        jit_compile: Any = "auto",
        auto_scale_loss: bool = True,
        check_numerics: bool = False,
    ) -> None:
        """Choose the optimizer, the loss and the metrics, by name or as objects.

        run_eagerly, steps_per_execution, jit_compile and auto_scale_loss tune TensorFlow in Keras;
        they change no number here and are ignored.

        check_numerics    end the training at the first NaN or infinity, with a FloatingPointError
                          that names the layer, the direction and the step; the weights are then
                          those before the step. Not in Keras.
        """
        refuse(self.owner, loss_weights=(loss_weights, None))
        chosen_optimizer = optimizers.get(optimizer)
        chosen_loss = losses.as_loss(loss)
        if chosen_optimizer is None:
            raise ValueError(
                expected(self.owner, "an optimizer", "None", "compile(optimizer=...).")
            )
        if chosen_loss is not None and chosen_loss.reduction in (None, "none"):
            wanted = "a loss that is reduced to one number"
            raise ValueError(expected(self.owner, wanted, f"reduction {chosen_loss.reduction!r}"))
        if not isinstance(check_numerics, bool):
            wanted = "check_numerics as a bool"
            raise TypeError(expected(self.owner, wanted, repr(check_numerics)))
        flatten(metrics, "metrics")  # unknown names are refused now; shapes come with the data
        flatten(weighted_metrics, "weighted_metrics")
        self.optimizer, self.loss = chosen_optimizer, chosen_loss
        self.numerics = Numerics(self) if check_numerics else None
        self._metric_specs = metrics, weighted_metrics
        self._metrics, self._updated = None, None
        self._loss_tracker = Mean(name="loss")

    @property
    def compiled(self) -> bool:
        return self.optimizer is not None

    def _check_compiled(self: Any, method: str) -> None:
        if not self.compiled:
            wanted, hint = "a compiled model", "Call compile(optimizer, loss) first."
            raise ValueError(expected(f"{self.owner}.{method}", wanted, "one that is not", hint))
        if self.loss is None:
            wanted, hint = "a loss", "Call compile(optimizer, loss)."
            raise ValueError(expected(f"{self.owner}.{method}", wanted, "none", hint))

    @property
    def metrics(self) -> list[Metric]:
        """The loss's running mean, then the metrics; nothing before `compile`."""
        return [self._loss_tracker, *(self._metrics or [])] if self.compiled else []

    @property
    def metrics_names(self) -> list[str]:
        """The keys of the logs and of the history."""
        metrics = self._metrics or []
        return ["loss", *log_names(metrics[: self._plain_count], metrics[self._plain_count :])]

    @property
    def metric_specs(self) -> tuple[Any, Any]:
        """metrics and weighted_metrics as they were given to `compile`."""
        return self._metric_specs

    def reset_metrics(self) -> None:
        """Start counting anew."""
        for metric in self.metrics:
            metric.reset_state()

    # ------------------------------------------------------------------ bookkeeping

    def _steps(self: Any) -> Any:
        """Who does the steps: the engine's plan for this model where it has one.

        A plan is kept as long as nothing it was made from has changed.
        """
        engine = engines.get_engine()
        plan = getattr(engines.load(engine), "plan", None)
        if plan is None:
            return StepByStep(self)
        made_from = [engine, plan, self.loss, self._trainable, *self._layers]
        made_from += map(_MATTERS, self._layers)
        if self._plan is None or self._plan[0] != made_from:
            self._plan = made_from, plan(self), (np.dtype(self.dtype), self.input_shape[1:])
        self._plan[1].begin()
        return self._plan[1]

    def _make_metrics(self: Any, y: Array, y_pred: Array) -> None:
        """Choose the metrics for labels and output of these shapes, once."""
        if self._metrics is None:
            plain, weighted = (resolve(spec, y, y_pred) for spec in self._metric_specs)
            self._metrics, self._plain_count = [*plain, *weighted], len(plain)

    def make_metrics(self: Any, y: Array) -> None:
        """The same before there is an output: for metrics that go on from a backup."""
        self._make_metrics(y, np.zeros((len(y), *self.output_shape[1:]), self.dtype))

    def _update_metrics(
        self: Any, loss: float, batch: Batches, y_pred: Array, training: bool
    ) -> None:
        self._make_metrics(batch.y, y_pred)
        self._loss_tracker.update_state(loss, sample_weight=len(y_pred))
        for index, metric in enumerate(self._metrics):
            weight = None if index < self._plain_count else batch.sample_weight
            source = self._logits_layer(training) if sees_logits(metric) else None
            if source is None:
                metric.update_state(batch.y, y_pred, sample_weight=weight)
            else:
                z = self._layers[source].z
                metric.update_state_from_logits(batch.y, z, sample_weight=weight)

    def _logs(self) -> dict[str, float]:
        """What the metrics say now, in the order of their names."""
        values = zip(self.metrics_names, self.metrics, strict=True)
        return {name: float(metric.result()) for name, metric in sorted(values, key=lambda v: v[0])}

    # ------------------------------------------------------------------ fit

    @counted_on
    def fit(
        self: Any,
        x: Any = None,
        y: Any = None,
        batch_size: int | None = None,
        epochs: int = 1,
        verbose: Any = "auto",
        callbacks: Any = None,
        validation_split: float = 0.0,
        validation_data: Any = None,
        shuffle: Any = True,
        class_weight: dict[int, float] | None = None,
        sample_weight: Any = None,
        initial_epoch: int = 0,
        steps_per_epoch: int | None = None,
        validation_steps: int | None = None,
        validation_batch_size: int | None = None,
        validation_freq: Any = 1,
    ) -> Any:
        """Train, and return the History.

        validation_split   the last rows, cut off before anything is shuffled: floor(n * (1 -
                           split)) rows are left to train on
        shuffle            True: in the order that Keras on TensorFlow takes from the seed of
                           utils.set_random_seed, the same in every epoch, or without a seed in a
                           fresh one each; "reshuffle": a new order each epoch from the seed as
                           well; "batch": within batches; False: as given
        history            the mean over all samples of what each batch showed before its update

        All data are checked before anything is trained. After `distributed.start()` all ranks of
        `mpiexec` train together.
        """
        self._check_compiled("fit")
        refuse(
            f"{self.owner}.fit",
            steps_per_epoch=(steps_per_epoch, None),
            validation_steps=(validation_steps, None),
        )
        epochs = data.whole(f"{self.owner}.fit", "epochs", epochs, 0)
        initial_epoch = data.whole(f"{self.owner}.fit", "initial_epoch", initial_epoch, 0)
        _check_frequency(f"{self.owner}.fit", validation_freq)
        train, validation = data.prepare_fit(
            self, x, y, sample_weight, class_weight, validation_split, validation_data
        )
        train.shuffle(shuffle)
        train.batch_size = data.batch_size(f"{self.owner}.fit", batch_size)
        if validation is not None:
            validation.batch_size = train.batch_size
            if validation_batch_size is not None:
                validation.batch_size = data.batch_size(
                    f"{self.owner}.fit", validation_batch_size, "validation_batch_size"
                )
        self.build((None, *train.x.shape[1:]))
        self._check_layout()
        agreement.check(self, train, validation, epochs)
        calls = self._callbacks(callbacks, verbose, epochs, len(train), add_history=True)
        if calls.backup is not None:
            calls.backup.follow(train, calls.callbacks)
        self.stop_training = False
        calls.on_train_begin()
        backup = None if calls.backup is None else calls.backup.restore()
        start = backup or Progress(initial_epoch)
        agreement.begin(self, start[:2])
        if backup and self.stop_training and not start.batch:
            epochs = start.epoch  # it had been stopped, and only its end is missing
        epoch_logs = start.logs or {}
        with HeldInterrupt() as interrupt:
            for epoch in range(start.epoch, epochs):
                self._train_epoch(epoch, start.batch, train, calls, interrupt)
                start = Progress(epoch + 1)
                epoch_logs = self._logs()
                if validation is not None and _is_due(epoch, validation_freq):
                    logs = self._evaluate(validation, calls, split(self._steps()))
                    epoch_logs |= {f"val_{name}": value for name, value in logs.items()}
                calls.on_epoch_end(epoch, epoch_logs)
                self._check_interrupt(interrupt, calls, Progress(epoch + 1, 0, epoch_logs))
                self.stop_training = any_rank(self.stop_training)
                if self.stop_training:
                    break
        calls.on_train_end(epoch_logs)
        return self.history

    def _train_epoch(
        self: Any, epoch: int, done: int, train: Batches, calls: Any, interrupt: HeldInterrupt
    ) -> None:
        """The batches of an epoch, or the rest, where a training goes on with some of them done."""
        steps, follows = split(self._steps()), calls.follows("train")
        tally = Tally(self, watched=follows)
        self.reset_metrics()
        calls.on_epoch_begin(epoch)
        if done:
            calls.backup.restore()  # what on_epoch_begin changed had been changed before
            if self.stop_training:
                return
        for step, batch in enumerate(train.batches(epoch, done), done):
            if follows:
                calls.on_train_batch_begin(step)
            loss, y_pred = steps.train(batch)
            tally.add(loss, batch, y_pred)
            if follows:
                calls.on_train_batch_end(step, self._logs())
            if any_rank(self.stop_training or interrupt.asked):
                tally.flush()
                self._check_interrupt(interrupt, calls, Progress(epoch, step + 1))
                self.stop_training = True
                break
        tally.flush()

    def _check_interrupt(self, interrupt: HeldInterrupt, calls: Any, progress: Progress) -> None:
        """After Ctrl-C: keep what there is, then interrupt. The last update is whole."""
        if any_rank(interrupt.asked):
            if calls.backup is not None:
                calls.backup.back_up(progress)
            raise KeyboardInterrupt

    def _callbacks(
        self: Any, callbacks: Any, verbose: Any, epochs: int, steps: int, add_history: bool = False
    ) -> callbacks_module.CallbackList:
        if isinstance(callbacks, callbacks_module.CallbackList):
            return callbacks
        if verbose != "auto" and (not isinstance(verbose, int) or verbose not in (0, 1, 2)):
            wanted = "verbose as 'auto', 0, 1 or 2"
            raise ValueError(expected(self.owner, wanted, repr(verbose)))
        return callbacks_module.CallbackList(
            callbacks,
            add_history=add_history,
            add_progbar=verbose != 0,
            model=self,
            verbose=verbose,
            epochs=epochs,
            steps=steps,
        )

    # ------------------------------------------------------------------ evaluate and predict

    def _evaluate(self: Any, batches: Batches, calls: Any, steps: Any) -> dict[str, float]:
        self.reset_metrics()
        calls.on_test_begin()
        logs: dict[str, float] = {}
        for step, batch in enumerate(batches.batches(0)):
            calls.on_test_batch_begin(step)
            loss, y_pred = steps.test(batch)
            self._update_metrics(loss, batch, y_pred, training=False)
            logs = self._logs()
            calls.on_test_batch_end(step, logs)
        calls.on_test_end(logs)
        return logs

    def evaluate(
        self: Any,
        x: Any = None,
        y: Any = None,
        batch_size: int | None = None,
        verbose: Any = "auto",
        sample_weight: Any = None,
        steps: int | None = None,
        callbacks: Any = None,
        return_dict: bool = False,
    ) -> Any:
        """Loss and metrics of these data, without dropout: [loss, metric, ...], or a dict."""
        self._check_compiled("evaluate")
        refuse(f"{self.owner}.evaluate", steps=(steps, None))
        batches = data.check(self, x, data.labels(self.owner, y, x), sample_weight)
        batches.batch_size = data.batch_size(f"{self.owner}.evaluate", batch_size)
        self.build((None, *batches.x.shape[1:]))
        calls = self._callbacks(callbacks, verbose, 1, len(batches))
        return self._flat(self._evaluate(batches, calls, self._steps()), return_dict)

    def predict(
        self: Any,
        x: Any,
        batch_size: int | None = None,
        verbose: Any = "auto",
        steps: int | None = None,
        callbacks: Any = None,
    ) -> Array:
        """The output for all rows of x."""
        refuse(f"{self.owner}.predict", steps=(steps, None))
        size = data.batch_size(f"{self.owner}.predict", batch_size)
        if isinstance(verbose, int) and verbose == 0 and not callbacks:  # nobody looks on
            y = self._predict_checked(x)
            if y is not None:
                return y  # type: ignore[no-any-return]
        batches = data.check(self, x)
        batches.batch_size = size
        self.build((None, *batches.x.shape[1:]))
        calls = self._callbacks(callbacks, verbose, 1, len(batches))
        doer, outputs = self._steps(), []
        if not calls.follows("predict"):
            batches.batch_size *= max(1, doer.rows_at_once // batches.batch_size)
        calls.on_predict_begin()
        for step, batch in enumerate(batches.batches(0)):
            calls.on_predict_batch_begin(step)
            outputs.append(doer.predict(batch))
            calls.on_predict_batch_end(step, {"outputs": outputs[-1]})
        calls.on_predict_end()
        return np.concatenate(outputs)

    # ------------------------------------------------------------------ one batch at a time

    def train_on_batch(
        self: Any,
        x: Any,
        y: Any = None,
        sample_weight: Any = None,
        class_weight: dict[int, float] | None = None,
        return_dict: bool = False,
    ) -> Any:
        """One step on this batch; its loss and metrics before the update."""
        self._check_compiled("train_on_batch")
        batch, _ = data.prepare_fit(self, x, y, sample_weight, class_weight, 0.0, None)
        self.build((None, *batch.x.shape[1:]))
        self._check_layout()
        self.reset_metrics()
        loss, y_pred = self._steps().train(batch)
        self._update_metrics(loss, batch, y_pred, training=True)
        return self._flat(self._logs(), return_dict)

    def test_on_batch(
        self: Any, x: Any, y: Any = None, sample_weight: Any = None, return_dict: bool = False
    ) -> Any:
        """Loss and metrics of this batch."""
        self._check_compiled("test_on_batch")
        batch = data.check(self, x, data.labels(self.owner, y, x), sample_weight)
        self.build((None, *batch.x.shape[1:]))
        self.reset_metrics()
        loss, y_pred = self._steps().test(batch)
        self._update_metrics(loss, batch, y_pred, training=False)
        return self._flat(self._logs(), return_dict)

    def predict_on_batch(self: Any, x: Any) -> Array:
        """The output for this batch."""
        y = self._predict_checked(x)
        if y is not None:
            return y  # type: ignore[no-any-return]
        batch = data.check(self, x)
        self.build((None, *batch.x.shape[1:]))
        y = self._steps().predict(batch)
        # layers may hand on what they are given
        return y.copy() if np.may_share_memory(y, batch.source) else y  # type: ignore[no-any-return]

    def _predict_checked(self: Any, x: Any) -> Array | None:
        """The output for x where that is known to be right without `data.check`, which looks at all
        of x first: for one image, or one layer, that takes as long as the network."""
        if self._plan is not None and type(x) is np.ndarray:
            made_from, steps, (dtype, shape) = self._plan
            known = x.dtype == dtype and x.shape[1:] == shape and x.size > 0
            if known and made_from[0] == engines.get_engine():
                return steps.predict_checked(x)  # type: ignore[no-any-return]
        return None

    def _flat(self, logs: dict[str, float], return_dict: bool) -> Any:
        """A dict, or the values in the order of metrics_names, a single one alone."""
        if return_dict:
            return logs
        values = [logs[name] for name in self.metrics_names]
        return values[0] if len(values) == 1 else values


def _check_frequency(owner: str, validation_freq: Any) -> None:
    """Raise unless this is an int above 0 or a list of epochs."""
    if is_int(validation_freq):
        data.whole(owner, "validation_freq", validation_freq, 1)
    elif not isinstance(validation_freq, list | tuple | set | range) or not all(
        is_int(epoch) for epoch in validation_freq
    ):
        wanted = "validation_freq as an int or a list of epochs"
        raise TypeError(expected(owner, wanted, repr(validation_freq)))


def _is_due(epoch: int, validation_freq: Any) -> bool:
    """Whether to validate after this epoch: every n-th, or the listed ones (counted from 1)."""
    if is_int(validation_freq):
        return (epoch + 1) % validation_freq == 0
    return epoch + 1 in validation_freq

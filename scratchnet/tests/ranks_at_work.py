"""Trainings that test_distributed.py starts, on many ranks and on one, and compares.

    python ranks_at_work.py alone|together FOLDER CASE ...

Each rank leaves FOLDER/SIZE_RANK.npz: for each case what there is after every step (parameters),
the history, and the state in the end.
"""

import sys
from collections.abc import Callable
from typing import Any

import numpy as np

import scratchnet as sn
from scratchnet import engines, networks
from scratchnet.callbacks import LambdaCallback
from scratchnet.layers import BatchNormalization, Dense, Dropout

FAST = engines.DEFAULT if engines.JIT else "numpy"


def rows(n: int, features: int = 9, classes: int = 4) -> tuple[Any, Any]:
    """Data that every process draws alike."""
    rng = np.random.default_rng(5)
    return rng.standard_normal((n, features)), rng.integers(0, classes, n)


def small(*layers: Any, **options: Any) -> Any:
    """A small network for `rows`, compiled."""
    options = {"optimizer": "adam", "loss": "sparse_categorical_crossentropy"} | options
    top = Dense(4, activation="softmax")
    model = sn.Sequential([sn.Input((9,)), *layers, top])
    model.compile(**options)
    return model


def network(name: str) -> tuple[Any, dict[str, Any]]:
    """One of the six, a batch that no number of ranks divides, and a last one of two rows."""
    (chosen,) = networks.get(name)
    rng = np.random.default_rng(0)
    x, y = chosen.prepare(rng.integers(0, 256, (16, 28, 28)), rng.integers(0, 10, 16))
    return chosen.compiled(sn), {"x": x, "y": y, "batch_size": 7}


def fused(name: str) -> Callable[[], Any]:
    def case() -> Any:
        sn.set_engine(FAST)
        return network(name)

    return case


def fitted(*layers: Any, n: int = 19, batch_size: int = 7, fit: Any = None, **options: Any) -> Any:
    x, y = rows(n)
    return small(*layers, **options), {"x": x, "y": y, "batch_size": batch_size} | (fit or {})


def weights(n: int = 19) -> Any:
    return np.random.default_rng(6).uniform(0, 2, n)


def sum_with_penalties() -> Any:
    layer = Dense(6, activation="tanh", kernel_regularizer="l2", bias_regularizer="l1")
    loss = sn.losses.SparseCategoricalCrossentropy(reduction="sum")
    return fitted(
        layer, loss=loss, optimizer=sn.optimizers.SGD(0.01), fit={"sample_weight": weights()}
    )


def mean_of_weights() -> Any:
    loss = sn.losses.SparseCategoricalCrossentropy(reduction="mean_with_sample_weight")
    given = weights()
    given[:5] = 0  # with shuffle=False a whole part counts nothing
    layer = Dense(6, activation="relu", kernel_regularizer="l2")
    return fitted(layer, loss=loss, fit={"sample_weight": given, "shuffle": False})


def nothing_counts() -> Any:
    loss = sn.losses.SparseCategoricalCrossentropy(reduction="mean_with_sample_weight")
    layer = Dense(6, kernel_regularizer="l2")
    return fitted(layer, loss=loss, fit={"sample_weight": np.zeros(19)})


def ignored_class() -> Any:
    loss = sn.losses.SparseCategoricalCrossentropy(ignore_class=1)
    return fitted(Dense(6, activation="relu", kernel_regularizer="l2"), loss=loss)


def many_metrics() -> Any:
    """Metrics that start from the logits, that take weights, and whose sums are not whole."""
    given, names = weights(), ["accuracy", "sparse_categorical_crossentropy"]
    x, y = rows(11)
    return fitted(
        Dropout(0.3, noise_shape=(None, 9)),
        metrics=names,
        weighted_metrics=["accuracy"],
        fit={"sample_weight": given, "validation_data": (x, y, weights(11))},
    )


def regression() -> Any:
    model = small(Dense(5, activation="sigmoid"), loss="mse", metrics=["mae"])
    x, _ = rows(19)
    return model, {"x": x, "y": x[:, :4] ** 2, "batch_size": 6, "validation_split": 0.3}


def masks() -> Any:
    """Masks that were given, of one row or of a whole batch; and one that a frozen layer draws."""
    whole = np.random.default_rng(8).integers(0, 2, (5, 9))
    given = [Dropout(0.5, mask=whole), Dropout(0.5, mask=lambda k: np.arange(9) % (k + 2))]
    last = Dropout(0.5, trainable=False, noise_shape=(1, 9))
    return fitted(*given, last, n=20, batch_size=5)


def frozen() -> Any:
    """A layer in the middle is not trained, and a normalization neither."""
    frozen = Dense(9, activation="relu", trainable=False)
    return fitted(Dense(9, activation="relu"), frozen, BatchNormalization(trainable=False))


def normal() -> Any:
    """Two normalizations, over rows and over channels; the lowest layers are not trained."""
    bottom = BatchNormalization(center=False, scale=False), Dense(12, trainable=False)
    image = sn.layers.Reshape((2, 3, 2)), BatchNormalization(axis=1, gamma_regularizer="l2")
    flat = sn.layers.Flatten(), BatchNormalization(momentum=0.5), Dropout(0.3)
    return fitted(*bottom, *image, *flat, Dense(5, activation="relu"))


def normal_fused() -> Any:
    sn.set_engine(FAST)
    return fitted(Dense(8, activation="relu"), BatchNormalization(), Dense(5, activation="relu"))


def normal_of_few_rows() -> Any:
    """A rank without rows stands by, and takes in the averages all the same."""
    bottom = BatchNormalization(center=False, scale=False)  # nobody asks for its way back
    middle = BatchNormalization(momentum=0.5), Dense(5), BatchNormalization(), Dropout(0.3)
    layers = bottom, *middle
    loss = sn.losses.SparseCategoricalCrossentropy(reduction="sum")
    # the bias below a normalization has no gradient but rounding, of which Adam makes steps
    return fitted(*layers, n=8, batch_size=3, loss=loss, optimizer=sn.optimizers.SGD(0.1))


def callbacks() -> Any:
    """The rate changes within and between epochs, and the best weights are put back."""
    x, y = rows(19)
    acts = [
        sn.callbacks.ReduceLROnPlateau("loss", patience=1, min_delta=1.0),
        sn.callbacks.LearningRateScheduler(lambda epoch, rate: rate * 0.9),
        sn.callbacks.EarlyStopping("loss", patience=2, min_delta=0.5, restore_best_weights=True),
    ]
    fit = {"epochs": 9, "callbacks": acts, "validation_data": (x, y), "validation_freq": 2}
    return fitted(Dense(6, activation="relu"), fit=fit)


def one_stops() -> Any:
    """The last rank alone wants to stop, after the second batch."""

    def stop(batch: int, logs: Any) -> None:
        if batch == 1 and sn.distributed.rank() == sn.distributed.size() - 1:
            model.stop_training = True

    model, fit = fitted(Dropout(0.5), batch_size=3)
    return model, fit | {"callbacks": [LambdaCallback(on_train_batch_end=stop)], "epochs": 4}


def unseeded() -> Any:
    """Ranks that start with other weights, masks and orders: those of rank 0 count."""
    import random

    random.seed(sn.distributed.rank())
    sn.utils.random_seed._global_seed = None
    return fitted(Dense(7), Dropout(0.5), metrics=["accuracy"], fit={"epochs": 3})


def with_optimizer(optimizer: Any) -> Callable[[], Any]:
    return lambda: fitted(Dense(6, activation="relu"), Dropout(0.2), optimizer=optimizer())


OPTIMIZERS: dict[str, Any] = {
    "sgd": lambda: sn.optimizers.SGD(0.1, momentum=0.9, nesterov=True, clipvalue=0.05),
    "adagrad": lambda: sn.optimizers.Adagrad(0.1, clipnorm=0.1),
    "rmsprop": lambda: sn.optimizers.RMSprop(0.01, momentum=0.5, centered=True),
    "adamw": lambda: sn.optimizers.AdamW(0.01, weight_decay=0.1, global_clipnorm=0.1),
    "amsgrad": lambda: sn.optimizers.Adam(
        sn.optimizers.schedules.ExponentialDecay(0.01, 2, 0.5), amsgrad=True
    ),
}

CASES: dict[str, Callable[[], Any]] = {
    **{name: lambda name=name: network(name) for name in networks.NETWORKS},  # type: ignore[misc]
    "fused_cnn": fused("cnn"),
    "fused_mlp2_dropout": fused("mlp2_dropout"),
    "few_rows": lambda: fitted(Dropout(0.4), Dense(5, activation="relu"), n=7, batch_size=3),
    "one_row": lambda: fitted(Dropout(0.4), n=3, batch_size=1, metrics=["accuracy"]),
    "sum_with_penalties": sum_with_penalties,
    "mean_of_weights": mean_of_weights,
    "nothing_counts": nothing_counts,
    "ignored_class": ignored_class,
    "many_metrics": many_metrics,
    "regression": regression,
    "activity": lambda: fitted(Dense(6, activity_regularizer="l2"), Dropout(0.2)),
    "class_weight": lambda: fitted(Dropout(0.4), fit={"class_weight": {0: 3.0, 2: 0.0}}),
    "masks": masks,
    "frozen": frozen,
    "normal": normal,
    "normal_of_few_rows": normal_of_few_rows,
    "normal_fused": normal_fused,
    "callbacks": callbacks,
    "one_stops": one_stops,
    "unseeded": unseeded,
    "as_given": lambda: fitted(Dropout(0.4), fit={"shuffle": False}),
    "within_batches": lambda: fitted(Dropout(0.4), fit={"shuffle": "batch", "epochs": 2}),
    "reshuffle": lambda: fitted(Dropout(0.4), fit={"shuffle": "reshuffle", "epochs": 2}),
    **{name: with_optimizer(made) for name, made in OPTIMIZERS.items()},
}


def train(case: Callable[[], Any]) -> dict[str, Any]:
    """Everything that can be compared of one training."""
    sn.config.set_floatx("float64")
    sn.set_engine("numpy")
    sn.utils.set_random_seed(3)
    model, fit = case()
    steps: list[Any] = []
    losses: list[float] = []

    def look(batch: int, logs: Any) -> None:
        steps.append(model.parameters.copy())
        losses.append(logs["loss"])

    acts = [*fit.pop("callbacks", []), LambdaCallback(on_train_batch_end=look)]
    history = model.fit(**fit, callbacks=acts, verbose=0).history
    generators = [
        layer.seed_generator for layer in model.layers if hasattr(layer, "seed_generator")
    ]
    return {
        "steps": np.array(steps),
        "losses": np.array(losses),
        "parameters": model.parameters,
        "averages": np.concatenate(
            [np.zeros(0), *(a.ravel() for a in model.non_trainable_weights)]
        ),
        "optimizer": np.concatenate([v.reshape(-1) for v in model.optimizer.variables]),
        "streams": np.array([g.state for g in generators if g is not None]),
        **{f"history_{name}": np.array(values) for name, values in history.items()},
    }


def main(how: str, folder: str, *names: str) -> None:
    """Train the cases, and leave what there is to see."""
    if how == "together":
        sn.distributed.start()
    found = {}
    for name in names:
        found |= {f"{name}/{key}": value for key, value in train(CASES[name]).items()}
    np.savez(f"{folder}/{sn.distributed.size()}_{sn.distributed.rank()}.npz", **found)


if __name__ == "__main__":
    main(*sys.argv[1:])

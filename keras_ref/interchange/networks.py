"""The networks that are exchanged, their data and their training.

Options are numbers that float32 holds exactly, or Keras's defaults, as in keras_ref/cases.py.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from scratchnet import networks

__all__ = ["EXCHANGES", "Exchange"]


ALL, ONE = (".keras", ".weights.h5", ".h5"), (".keras",)


@dataclass(frozen=True)
class Exchange:
    """One network.

    build     the model of library k, compiled
    labels    "one-hot", "classes", "binary" or "numbers"
    weighted  whether the samples have weights
    rate      a learning rate that is set by hand after the first steps
    formats   of the files; ".h5" is written by Keras only
    """

    name: str
    build: Callable[[Any], Any]
    labels: str = "one-hot"
    weighted: bool = False
    rate: float | None = None
    rows: int = 6
    formats: tuple[str, ...] = ALL

    def batch(self, model: Any) -> tuple[Any, ...]:
        """x, y and, where there are, sample weights."""
        random = np.random.RandomState(11)
        x = random.standard_normal((self.rows, *model.input_shape[1:]))
        shape = (self.rows, *model.output_shape[1:])
        classes = random.randint(0, shape[-1], shape[:-1])
        y = {
            "one-hot": np.eye(shape[-1])[classes],
            "classes": classes,
            "binary": random.randint(0, 2, shape).astype(float),
            "numbers": random.standard_normal(shape),
        }[self.labels]
        return (x, y, random.random_sample(self.rows)) if self.weighted else (x, y)


def convolutions(k: Any) -> Any:
    L = k.layers
    model = k.Sequential(
        [
            k.Input((8, 7, 2)),
            L.Rescaling(0.25, offset=-0.5),
            L.ZeroPadding2D(((1, 0), (0, 2))),
            L.Conv2D(
                *(4, (3, 2)),
                strides=(2, 1),
                padding="same",
                activation="relu",
                kernel_regularizer=k.regularizers.L2(2**-6),
                kernel_initializer=k.initializers.VarianceScaling(2.0, distribution="uniform"),
            ),
            L.BatchNormalization(momentum=0.875, beta_initializer="ones"),
            L.MaxPooling2D((2, 3), strides=1, padding="same"),
            L.GlobalAveragePooling2D(),
            L.Dense(3, activation="softmax"),
        ]
    )
    model.compile(
        k.optimizers.SGD(0.125, momentum=0.875, nesterov=True),
        k.losses.CategoricalCrossentropy(label_smoothing=0.125),
        metrics=["accuracy", k.metrics.Precision(thresholds=0.25, name="precision"), "mse"],
    )
    return model


def dilation(k: Any) -> Any:
    L = k.layers
    model = k.Sequential(
        [
            k.Input((9, 8, 1)),
            L.Conv2D(3, 2, dilation_rate=(2, 1), use_bias=False),
            L.ReLU(max_value=1.5, negative_slope=0.25, threshold=0.125),
            L.AveragePooling2D(3, strides=2, padding="same"),
            L.LeakyReLU(0.375),
            L.Flatten(),
            L.Dense(6, activation="elu", bias_initializer=k.initializers.Constant(0.5)),
            L.Reshape((2, 3)),
            L.Flatten(),
            L.Dense(1, activation="sigmoid", name="out"),
        ]
    )
    model.compile(
        k.optimizers.RMSprop(2**-6, rho=0.875, momentum=0.5, centered=True),
        k.losses.BinaryCrossentropy(),
        metrics={"out": ["accuracy", k.metrics.Recall(name="recall")]},
    )
    return model


def pooling(k: Any) -> Any:
    L = k.layers
    model = k.Sequential(
        [
            k.Input((6, 5, 2)),
            L.Conv2D(5, 3, activation="tanh"),
            L.GlobalMaxPooling2D(keepdims=True),
            L.Flatten(),
            L.Activation("gelu"),
            L.Dense(4),
            L.Softmax(),
        ]
    )
    model.compile(
        k.optimizers.Adagrad(0.125, initial_accumulator_value=0.25),
        "sparse_categorical_crossentropy",
        metrics=["accuracy", k.metrics.SparseCategoricalCrossentropy(name="ce")],
    )
    return model


def schedule(k: Any) -> Any:
    L = k.layers
    model = k.Sequential(
        [
            k.Input((5,)),
            L.Dense(7, activation="selu", kernel_initializer="lecun_normal"),
            L.Dropout(0.25, seed=5),
            L.Dense(4, activation="softsign", activity_regularizer=k.regularizers.L1(2**-6)),
            L.Dense(2, activation="softplus"),
        ]
    )
    decay = k.optimizers.schedules.ExponentialDecay(0.125, 2, 0.5, staircase=True)
    model.compile(k.optimizers.Adam(decay), "mse", weighted_metrics=["mae"])
    return model


def amsgrad(k: Any) -> Any:
    L = k.layers
    model = k.Sequential(
        [
            k.Input((5,)),
            L.Dense(7, activation="hard_sigmoid"),
            L.Dense(4, activation="silu", kernel_regularizer=k.regularizers.L1L2(2**-7, 2**-8)),
            L.Dense(3),
        ]
    )
    model.compile(
        k.optimizers.Adam(2**-5, amsgrad=True, clipnorm=0.5),
        k.losses.Huber(),
        metrics=[k.metrics.RootMeanSquaredError(), k.metrics.mean_absolute_error],
    )
    return model


def frozen(k: Any) -> Any:
    L = k.layers
    model = k.Sequential(
        [
            k.Input((5,)),
            L.Dense(6, activation="leaky_relu", trainable=False),
            L.BatchNormalization(trainable=False),
            L.Dense(4, activation="exponential"),
            L.Dense(3),
        ]
    )
    restarts = k.optimizers.schedules.CosineDecay(0.0625, 8, warmup_target=0.125, warmup_steps=2)
    model.compile(
        k.optimizers.AdamW(restarts, weight_decay=2**-6),
        k.losses.CategoricalCrossentropy(from_logits=True, reduction="sum"),
        metrics=[[k.metrics.CategoricalCrossentropy(from_logits=True)]],
    )
    return model


def by_hand(k: Any) -> Any:
    L = k.layers
    model = k.Sequential([k.Input((5,)), L.Dense(6, activation="sigmoid"), L.Dense(3)])
    model.compile(k.optimizers.RMSprop(2**-5), "mean_absolute_error")
    return model


def of_network(name: str) -> Exchange:
    """One of the six, as its tutorial compiles it; the large ones in one format only."""
    formats = ALL if name in ("softmax", "cnn") else ONE
    return Exchange(name, networks.NETWORKS[name].compiled, rows=4, formats=formats)


EXCHANGES = {
    exchange.name: exchange
    for exchange in (
        *(of_network(name) for name in networks.NETWORKS),
        Exchange("convolutions", convolutions),
        Exchange("dilation", dilation, "binary", formats=ONE),
        Exchange("pooling", pooling, "classes", formats=ONE),
        Exchange("schedule", schedule, "numbers", weighted=True, formats=ONE),
        Exchange("amsgrad", amsgrad, "numbers"),
        Exchange("frozen", frozen),
        Exchange("by_hand", by_hand, "numbers", rate=2**-7),
    )
}

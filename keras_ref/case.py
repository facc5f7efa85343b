"""A case: a network, its data and its training, described once for both sides.

`build`, `loss` and `optimizer` take the library to use, so one description makes the ScratchNet
model and its Keras twin. Weights and data come from NumPy's frozen RandomState and are float32
numbers, so that the float32 and the float64 run of a case start from exactly the same point.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

import scratchnet
from keras_ref import floatx, require
from keras_ref.trace import Batch, Trace, of_keras, of_scratchnet

__all__ = ["Case", "keras_trace", "scratchnet_trace"]


ROWWISE = ("forward", "backward")  # quantities of a trace that have a row for each sample


CANCELLED = 1e-3


def sgd(k: Any) -> Any:
    """Plain gradient descent with a rate that float32 holds exactly."""
    return k.optimizers.SGD(learning_rate=0.125)


@dataclass(frozen=True)
class Case:
    """One comparison.

    labels    "numbers", "one-hot", "classes" or "binary", in the shape that the output has
    data      "normal"; "ties" (few distinct values, many equal and many zeros); "large" (exact
              logits of the size where softmax saturates); "probability" (rows from 0 to 1)
    whole     after which steps all weights and the optimizer's state are compared
    bar       float64: the largest relative error allowed, in the first step and later
    cancels   some sums cancel to zero (the gradient of a bias before a batch normalization, which
              takes the mean off again): what is left of them is nothing but rounding, which has no
              relative error. Arrays of no number above CANCELLED are judged as if they had one
    """

    name: str
    build: Callable[[Any], Any]
    loss: Callable[[Any], Any] = lambda k: "mse"
    optimizer: Callable[[Any], Any] = sgd
    labels: str = "numbers"
    data: str = "normal"
    rows: int = 33
    steps: int = 1
    whole: tuple[int, ...] = (1,)
    weighted: bool = False
    weight_scale: float | None = None  # None: 1 / sqrt(fan-in), which keeps the numbers near one
    bar: float = 1e-12
    later_bar: float = 1e-12  # the same after the first step
    cancels: bool = False

    @property
    def floor(self) -> float:
        """What an array's largest number counts as, if it is smaller."""
        return CANCELLED if self.cancels else 0.0

    def model(self, k: Any) -> Any:
        """The compiled model of library `k`, with this case's weights."""
        model = self.build(k)
        model.compile(optimizer=self.optimizer(k), loss=self.loss(k))
        random = np.random.RandomState(7)
        weights = []
        for layer in model.layers:
            for old in layer.get_weights():
                fan_in = max(int(np.prod(old.shape[:-1])), 1)
                scale = self.weight_scale or 1 / np.sqrt(fan_in)
                new = random.standard_normal(old.shape) * scale
                if (
                    self.data == "large"
                ):  # multiples of 1/64: the logits come out exact on both sides
                    new = np.round(new * 64) / 64
                weights.append(new.astype(np.float32))
            if type(layer).__name__ == "BatchNormalization":
                weights[-1] = np.abs(weights[-1]) + np.float32(0.25)  # a variance
        model.set_weights(weights)
        return model

    def batches(self, model: Any) -> list[Batch]:
        """The data of every step."""
        random = np.random.RandomState(11)
        shape = tuple(model.input_shape[1:])
        dropouts = {
            index: layer.rate
            for index, layer in enumerate(model.layers)
            if type(layer).__name__ == "Dropout" and layer.rate > 0
        }
        return [self._batch(random, model, shape, dropouts) for _ in range(self.steps)]

    def _batch(self, random: Any, model: Any, shape: Any, dropouts: dict[int, float]) -> Batch:
        x = random.standard_normal((self.rows, *shape)).astype(np.float32)
        if self.data == "ties":
            x = np.maximum(np.round(x), 0)
        elif self.data == "large":
            x = np.round(x * 4) * np.float32(16)
        elif self.data == "probability":
            x = random.random_sample(x.shape).astype(np.float32)
        output = (self.rows, *model.output_shape[1:])
        classes = random.randint(0, output[-1], output[:-1])
        y: Any = random.standard_normal(output).astype(np.float32)
        if self.labels == "one-hot":
            y = np.eye(output[-1], dtype=np.float32)[classes]
        elif self.labels == "classes":
            y = classes
        elif self.labels == "binary":
            y = random.randint(0, 2, output).astype(np.float32)
        weight = random.random_sample(self.rows).astype(np.float32) if self.weighted else None
        masks = {}
        for index, rate in dropouts.items():
            size = x.shape
            for layer in model.layers[:index]:
                size = layer.compute_output_shape(size)
            masks[index] = random.random_sample(size) >= rate
        return Batch(x, y, weight, masks or None)


def permuted(batches: list[Batch], order: Any) -> list[Batch]:
    """The same batches with their rows in another order."""
    return [
        Batch(
            b.x[order],
            b.y[order],
            None if b.sample_weight is None else b.sample_weight[order],
            None if b.masks is None else {i: m[order] for i, m in b.masks.items()},
        )
        for b in batches
    ]


def scratchnet_trace(case: Case, dtype: str, engine: str) -> Trace:
    """Our trace of a case, by one engine, in one dtype."""
    with floatx(scratchnet, dtype), scratchnet.engine(engine):
        model = case.model(scratchnet)
        return of_scratchnet(model, case.batches(model), case.whole)


def keras_trace(case: Case, dtype: str, order_seed: int | None = None) -> Trace:
    """Keras's trace of a case. With `order_seed` the rows of each batch go in in another order; the
    trace has them in the old one again, so only rounding differs."""
    keras = require()
    with floatx(keras, dtype):
        model = case.model(keras)
        batches = case.batches(model)
        if order_seed is None:
            return of_keras(model, batches, case.whole)
        order = np.random.RandomState(order_seed).permutation(case.rows)
        trace = of_keras(model, permuted(batches, order), case.whole)
    back = np.argsort(order)
    return {
        name: value[back] if name.split("/")[1] in ROWWISE or "/batch/" in name else value
        for name, value in trace.items()
    }

"""compile(check_numerics=True): who was the first to make a NaN or an infinity.

In every step of training the outputs of the layers, the loss and the gradients are looked at,
before the update: what is found is reported with the weights as they were before the step.
"""

from collections.abc import Iterable
from math import isfinite
from typing import Any, NoReturn

import numpy as np

from scratchnet import engines
from scratchnet.errors import expected
from scratchnet.layers.base import Array, Layer

__all__ = ["Numerics", "all_finite"]

HINT = "Lower the learning rate, clip the gradients, or look at the data."


def all_finite(array: Array) -> bool:
    """Whether no number of the array is infinite or NaN."""
    fast = getattr(engines.load(engines.get_engine()), "all_finite", None)
    if fast is not None and array.flags.c_contiguous and array.dtype in ("float32", "float64"):
        return bool(fast(array))
    with np.errstate(over="ignore", invalid="ignore"):
        if np.isfinite(array.sum()):  # no mask is made
            return True
    return bool(np.isfinite(array).all())


class Numerics:
    """Looks at the steps of a model; every method raises FloatingPointError for what it finds."""

    def __init__(self, model: Any) -> None:
        self.model = model
        self._states: list[tuple[Array, Array]] = []

    def begin(self) -> None:
        """Before a step: keep what a forward pass changes (moving averages)."""
        states = [array for layer in self.model.layers for array in layer.state.values()]
        self._states = [(array, array.copy()) for array in states]

    def output(self, layer: Layer, y: Array) -> None:
        """y (N, ...) came out of this layer, or out of several of which it is the first."""
        if not all_finite(y):
            for key, weights in [*layer.params.items(), *layer.state.items()]:
                if not all_finite(weights):
                    step = self.model.optimizer.iterations
                    self._fail(layer, f"{_first_bad(weights)} in its {key}", "the update", step)
            self._fail(layer, f"{_first_bad(y)} in its output", "the forward pass")

    def outputs(self) -> None:
        """All layers hold their y."""
        for layer in self.model.layers:
            self.output(layer, layer.y)

    def loss(self, value: float, layer: Layer, y: Array) -> None:
        """`value` is the loss of y, what `layer` gives to it."""
        if not isfinite(value):
            self.output(layer, y)
            self._fail(self.model.loss, f"{value}", "the forward pass")

    def fine(self) -> bool:
        """Whether all gradients are finite."""
        n = self.model.trainable_size
        return n == 0 or all_finite(self.model._gradients[:n])  # the backward pass has packed them

    def gradients(self, layers_dx: Iterable[tuple[Layer, Array | None]]) -> None:
        """The gradients are in the layers; `layers_dx` gives these, the top one first, and their dx
        where it is known."""
        for layer, dx in layers_dx:
            for key, gradient in layer.grads.items() if self.model.trains(layer) else ():
                if not all_finite(gradient):
                    bad = _first_bad(gradient)
                    self._fail(layer, f"{bad} in the gradient of its {key}", "the backward pass")
            if dx is not None and not all_finite(dx):
                self._fail(layer, f"{_first_bad(dx)} in its dx", "the backward pass")

    def _fail(self, thing: Any, got: str, where: str, step: int | None = None) -> NoReturn:
        for array, kept in self._states:
            array[...] = kept
        if step is None:
            step = self.model.optimizer.iterations + 1
        message = f"{got} after {where} of step {step}"
        raise FloatingPointError(expected(thing.owner, "finite numbers", message, HINT))


def _first_bad(array: Array) -> str:
    """The first number that is not finite, and its place."""
    place = tuple(int(i) for i in np.argwhere(~np.isfinite(array))[0])
    return f"{array[place]} at {place}"

"""The gradient, checked against the definition of a derivative.

For every number w of the parameters and of the input: (loss(w + h) - loss(w - h)) / (2h), in
float64. Where a step of h carries some z over a kink (ReLU at 0, another maximum in a pooling
window) the two sides belong to different formulas and the quotient means nothing: such a number is
skipped and named.
"""

from collections.abc import Iterator
from copy import copy, deepcopy
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from scratchnet import data
from scratchnet.errors import expected

if TYPE_CHECKING:
    from scratchnet.layers.base import Layer
    from scratchnet.models import Sequential

__all__ = ["GradientCheck", "gradcheck"]

# what the copy of a layer has in common with it: a mask may be any function, and whether an
# activation is `linear` is asked by identity
SHARED = ("mask", "_activation")
PASSES = ("saved", "x", "y", "z", "dx", "dy", "dz")  # what it does not get


@dataclass
class GradientCheck:
    """What gradcheck found.

    errors    for each array ("dense_1/kernel", "input"): the largest difference, relative to the
              array's largest gradient
    worst     array, index, gradient and central difference where that was largest
    skipped   the numbers whose step crossed a kink, e.g. "dense_1/kernel[3, 7]"
    """

    tolerance: float
    errors: dict[str, float] = field(default_factory=dict)
    worst: tuple[str, tuple[int, ...], float, float] | None = None
    skipped: list[str] = field(default_factory=list)
    checked: int = 0

    @property
    def ok(self) -> bool:
        """Whether something was checked and all of it agrees."""
        return self.checked > 0 and all(e <= self.tolerance for e in self.errors.values())

    def __bool__(self) -> bool:
        return self.ok

    def __str__(self) -> str:
        lines = [f"{name:32} {error:.1e}" for name, error in self.errors.items()]
        if self.worst is not None and not self.ok:
            name, index, gradient, difference = self.worst
            place = f"{name}[{', '.join(map(str, index))}]"
            lines.append(f"worst: {place} gradient {gradient!r}, difference {difference!r}")
        if self.skipped:
            lines.append(f"skipped at a kink: {', '.join(self.skipped)}")
        return "\n".join(lines)


def gradcheck(
    model: "Sequential",
    x: Any,
    y: Any,
    sample_weight: Any = None,
    h: float = 1e-5,
    tolerance: float = 1e-6,
    samples: int | None = 200,
) -> GradientCheck:
    """Compare the gradients of `model.loss` with central differences, in float64.

    samples    how many numbers of each array to try, evenly spread; None tries all
    tolerance  h = 1e-5 leaves an error of h^2 and of 1e-16 / h, both near 1e-10; a wrong formula is
               off by far more than 1e-6

    The model keeps its weights, averages and dropout counters. A float32 model is checked as a
    float64 copy of itself.
    """
    if model.loss is None:
        wanted, hint = "a compiled model", "Call compile(optimizer, loss) first."
        raise ValueError(expected("gradcheck", wanted, "one without a loss", hint))
    if not h > 0:
        raise ValueError(expected("gradcheck", "h above 0", repr(h)))
    if samples is not None:
        data.whole("gradcheck", "samples", samples, 1)
    data.check(model, x, y, sample_weight)
    x = np.array(x, np.float64)
    model.build((None, *x.shape[1:]))
    double = _in_float64(model)
    frozen = _Frozen(double)
    double.loss_and_gradients(x, y, sample_weight)
    frozen.restore()  # else the first difference would see another dropout mask
    gradients = {
        f"{layer.name}/{key}": (layer.params[key], layer.grads[key].copy())
        for layer in double.layers
        for key in layer.params
        if double.trains(layer)
    }
    gradients["input"] = x, np.array(double.layers[0].dx)

    result = GradientCheck(tolerance)
    largest = 0.0
    for name, (array, gradient) in gradients.items():
        scale = max(float(np.abs(gradient).max(initial=0.0)), 1e-8)
        result.errors[name] = 0.0
        for index in _spread(array.shape, samples):
            difference = frozen.central_difference(array, index, h, x, y, sample_weight)
            if difference is None:
                result.skipped.append(f"{name}[{', '.join(map(str, index))}]")
                continue
            result.checked += 1
            error = abs(difference - float(gradient[index])) / scale
            result.errors[name] = max(result.errors[name], error)
            if error > largest:
                largest = error
                result.worst = name, index, float(gradient[index]), difference
    return result


def _in_float64(model: "Sequential") -> "Sequential":
    """A model of the same layers, weights, loss and dropout streams, in float64."""
    from scratchnet.layers import Input
    from scratchnet.models import Sequential

    layers: list[Any] = [_layer_in_float64(layer) for layer in model.layers]
    front = Input(batch_shape=model.input_shape, dtype="float64")
    made = Sequential([front, *layers], trainable=model.trainable)
    made.compile("sgd", model.loss)
    return made


def _layer_in_float64(layer: "Layer") -> "Layer":
    """A copy of the layer, of whatever class, without what its last passes left."""
    made = copy(layer)
    for key, value in vars(layer).items():
        if key not in SHARED:
            made.__dict__[key] = None if key in PASSES else deepcopy(value)
    made.dtype = "float64"
    for arrays in (made.params, made.grads, made.state):
        for key, values in arrays.items():
            arrays[key] = values.astype(np.float64)
    return made


class _Frozen:
    """A model whose training forward always sees the same state: averages and dropout masks."""

    def __init__(self, model: "Sequential") -> None:
        self.model = model
        self.state = [w.copy() for layer in model.layers for w in layer.state.values()]
        self.seeds = [
            (layer.seed_generator, layer.seed_generator.state)
            for layer in model.layers
            if getattr(layer, "seed_generator", None) is not None
        ]

    def restore(self) -> None:
        current = [w for layer in self.model.layers for w in layer.state.values()]
        for now, before in zip(current, self.state, strict=True):
            now[...] = before
        for generator, state in self.seeds:
            generator.state = state

    def loss(self, x: Any, y: Any, sample_weight: Any) -> tuple[float, list[Any]]:
        """The loss in training mode, and which branch every kink took."""
        y = np.asarray(y)
        y_pred = self.model.forward(x, training=True)
        value = self.model.loss_value(y, y_pred, sample_weight, training=True)
        branches = [b for layer in self.model.layers for b in layer.branches()]
        self.restore()
        return value, branches

    def central_difference(
        self, array: Any, index: tuple[int, ...], h: float, x: Any, y: Any, sample_weight: Any
    ) -> float | None:
        """(loss(w + h) - loss(w - h)) / (2h), None where the two took different branches."""
        kept = array[index]
        try:
            array[index] = kept + h
            above, up = self.loss(x, y, sample_weight)
            array[index] = kept - h
            below, down = self.loss(x, y, sample_weight)
        finally:
            array[index] = kept
        if any(not np.array_equal(a, b) for a, b in zip(up, down, strict=True)):
            return None
        return (above - below) / (2 * h)


def _spread(shape: tuple[int, ...], samples: int | None) -> Iterator[tuple[int, ...]]:
    """Indices of an array of this shape, all of them or so many evenly spread."""
    size = int(np.prod(shape))
    count = size if samples is None else min(samples, size)
    for flat in np.unique(np.linspace(0, size - 1, count).astype(int)) if size else ():
        yield tuple(int(i) for i in np.unravel_index(flat, shape))

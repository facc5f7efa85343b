"""The planner: which layers are done together, decided once from the list of layers and the loss.

    Conv2D (linear or relu) + MaxPooling2D whose windows do not overlap     ConvStep
    Conv2D (linear or relu)                                                 ConvStep
    Dense (relu) + Dropout                                                  DenseStep
    Dense (linear or relu; softmax where the loss starts from its logits)   DenseStep
    softmax + cross-entropy                                                 DenseStep.crossentropy
    everything else                                                         PlainStep, one layer
    a prediction of a few rows: ConvStep, DenseStep, softmax in a row       FewSteps

The gather of the batch's rows goes into the first step. The optimizer needs no rule: parameters,
gradients and slots lie flat, and one pass updates them (optimizers/optimizer.py).
"""

from itertools import pairwise
from math import isfinite, prod
from typing import TYPE_CHECKING, Any

import numpy as np

from scratchnet.activations import linear, relu, softmax
from scratchnet.data import Batches
from scratchnet.engines.fused import few
from scratchnet.engines.fused.elementwise import all_finite
from scratchnet.engines.fused.narrow import NARROW
from scratchnet.engines.fused.steps import ConvStep, DenseStep, PlainStep, Rows, Step, every_row
from scratchnet.layers.base import ActivatedLayer, Array, Layer
from scratchnet.layers.convolution import Conv2D
from scratchnet.layers.dense import Dense
from scratchnet.layers.dropout import Dropout
from scratchnet.layers.pooling import MaxPooling2D
from scratchnet.layers.windows import padding_amounts
from scratchnet.losses import CategoricalCrossentropy, SparseCategoricalCrossentropy
from scratchnet.numerics import Numerics
from scratchnet.steps import StepByStep
from scratchnet.utils.memory import keep_freed

if TYPE_CHECKING:
    from scratchnet.models import Sequential

__all__ = ["Plan", "merge", "plan"]

NUMBERS_AT_ONCE, ROWS_AT_ONCE = 2**22, 2048  # what is packed of so many stays in the last cache
SMALL = 4096  # numbers: BLAS sets no threads to work for fewer
MOST_WINDOWS = 250  # of a pooling cell: which one it was is kept in a byte


keep_freed()


def plan(model: "Sequential") -> StepByStep:
    """Who does the steps of this model: a Plan, unless its layers must keep what passes through."""
    if any(layer.activity_regularizer is not None for layer in model.layers):
        return StepByStep(model)
    logits = None
    if model.loss is not None and model.loss.takes_logits:
        logits = model._logits_layer(training=True)
    return Plan(model, merge(model.layers, logits))


def merge(layers: list[Layer], logits: int | None = None) -> list[Step]:
    """The steps for these layers. `logits`: the layer whose logits the loss starts from."""
    steps: list[Step] = []
    at = 0
    while at < len(layers):
        layer, above = layers[at], layers[at + 1] if at + 1 < len(layers) else None
        step: Step = PlainStep([layer])
        if type(layer) is Conv2D and layer.activation in (linear, relu):
            pooled = type(above) is MaxPooling2D and _apart(layer, above)
            step = ConvStep([layer, above] if pooled and above is not None else [layer])
        elif type(layer) is Dense and layer.activation is relu:
            step = DenseStep([layer, above] if type(above) is Dropout else [layer])
        elif type(layer) is Dense and (
            layer.activation is linear or (layer.activation is softmax and at == logits)
        ):
            step = DenseStep([layer])
        steps.append(step)
        at += len(step.layers)
    return steps


def _forget(layers: tuple[Layer, ...]) -> None:
    """Take from these layers what an earlier pass left in them: nothing here renews it."""
    for layer in layers:
        layer.x = layer.y = layer.dx = layer.dy = layer.saved = None
        if isinstance(layer, ActivatedLayer):
            layer.z = layer.dz = None


def _apart(conv: Conv2D, pool: Any) -> bool:
    """Whether the pooling's windows lie side by side within the convolution's output."""
    size = pool.pool_size
    if pool.strides != size or size[0] * size[1] > MOST_WINDOWS or conv.input_shape is None:
        return False
    image = conv.compute_output_shape(conv.input_shape)[1:3]
    if None in image:
        return bool(pool.padding == "valid")
    sides = padding_amounts(image, size, size, pool.padding)
    return all(n >= s for n, s in zip(image, size, strict=True)) and not np.any(sides)


class Plan(StepByStep):
    """The steps of a model, merged."""

    def __init__(self, model: "Sequential", steps: list[Step]) -> None:
        super().__init__(model)
        self.steps, self.few = steps, few.gather(steps)
        self.made_for = list(model._layers)
        # whether each output is a sum over all of x, or a softmax of such sums, and x is read where
        # it lies: an infinity or NaN in x then shows in the output, and no row costs memory
        last = steps[-1] if steps else None
        plain = all(type(step.layers[0]) in few.UNCHANGING for step in steps[:-1])
        few_units = isinstance(last, DenseStep) and last.dense.units <= NARROW and not last.relu
        self.plain_sums = plain and few_units
        self.ready = False

    def begin(self) -> None:
        self.ready = False

    @property
    def rows_at_once(self) -> int:
        """As many as leave NUMBERS_AT_ONCE behind the widest step, and at most ROWS_AT_ONCE."""
        shapes = [step.layers[-1].output_shape[1:] for step in self.steps]
        if any(None in shape for shape in shapes):  # images of any size
            return 1
        most = NUMBERS_AT_ONCE // max(prod(shape) for shape in shapes)
        return max(1, min(most, ROWS_AT_ONCE))

    def _get_ready(self) -> None:
        """What need not be looked up for each batch of `fit`."""
        model = self.model
        model.pack()
        self.lowest = model.lowest_trainable()
        self.penalized = any(model.penalties(layer) for layer in model.layers)
        self.logits, self.top = self._logits_step(), self._merged_loss()
        for step in self.steps:
            if not isinstance(step, PlainStep):
                _forget(step.layers)
        self.ready = True

    def _source(self, batch: Batches) -> tuple[Array, Rows]:
        """The data, and which rows of it are the batch."""
        x: Any = batch.source
        rows: Any = batch.taken
        # kernels are compiled for arrays that can be written to, of the model's type, in order
        plain = x.dtype == self.model.dtype and x.flags.c_contiguous and x.flags.writeable
        if not plain:
            x, rows = np.require(batch.x, self.model.dtype, ["C", "W"]), None
        return x, every_row(len(x)) if rows is None else rows

    def _forward(self, batch: Batches, training: bool) -> Array:
        x, rows = self._source(batch)
        numerics = self.model.numerics if training else None
        for index, step in enumerate(self.steps):
            x = step.forward(x, rows, training)
            rows = every_row(len(x))
            if numerics is not None and not self._shows(index + 1):
                numerics.output(step.layers[0], x)
        return x

    def _shows(self, index: int) -> bool:
        """Whether an infinity or NaN that goes into this step shows in the loss, or for sure in the
        gradient of its kernel, a sum over the rows of x times dz."""
        if index == len(self.steps):
            return True
        step = self.steps[index]
        return isinstance(step, DenseStep) and self.model.trains(step.dense)

    def _check_gradients(self, numerics: Numerics) -> None:
        """Look at the gradients; what came into a layer is to blame before the layer is."""
        if not numerics.fine():
            self._check_inputs(numerics)
            numerics.gradients((layer, None) for layer in reversed(self.model.layers))

    def _check_inputs(self, numerics: Numerics) -> None:
        """Look at what went into the Dense layers, from the lowest up."""
        for before, step in pairwise(self.steps):
            if isinstance(step, DenseStep):
                numerics.output(before.layers[0], step.saved.x)

    def predict(self, batch: Batches) -> Array:
        x, rows = self._source(batch)
        for step in self.few if rows.size <= few.FEW else self.steps:
            x = step.forward(x, rows, False)
            rows = every_row(len(x))
        return x

    def predict_checked(self, x: Array) -> Array | None:
        step = self.few[0] if len(self.few) == 1 and len(x) <= few.FEW else None
        if isinstance(step, few.FewSteps) and x.flags.c_contiguous and x.flags.writeable:
            # what else of the layers decides what a prediction is, `run` looks at
            if self.model._layers == self.made_for:
                return step.run(x, every_row(len(x)), check=True)
        elif self.model._steps() is not self:
            return None
        elif self.plain_sums:
            y = self.predict(Batches(x))
            return y if all_finite(y) else None
        elif x.size <= SMALL and isfinite(np.vdot(x, x)):
            return self.predict(Batches(x.copy()))  # layers may hand on what they are given
        return None

    def test(self, batch: Batches) -> tuple[float, Array]:
        y_pred = self._forward(batch, training=False)
        return self.model.loss_value(batch.y, y_pred, batch.sample_weight, training=False), y_pred

    def gradients(self, batch: Batches) -> tuple[float, Array]:
        model = self.model
        if not self.ready:
            self._get_ready()
        y_true = self._labels(batch)
        if self.top is not None:
            self.top.loss_follows = y_true is not None
        numerics = model.numerics
        if numerics is not None:
            numerics.begin()
        y_pred = self._forward(batch, training=True)
        dy: Any
        if self.top is not None and y_true is not None:
            value, dy = self.top.crossentropy(y_true, 1 / len(y_true))
            value += model.penalty_value() if self.penalized else 0.0
            top = len(self.steps) - 1
        else:
            value = model.loss_value(batch.y, y_pred, batch.sample_weight, training=True)
            top, dy = self._logits_gradient(batch)
        if numerics is not None:
            last = self.steps[-1]
            made = last.saved.y if isinstance(last, DenseStep) and last.softmax else y_pred
            if not isfinite(value):
                self._check_inputs(numerics)
            numerics.loss(value, last.layers[0], made)
        if dy is None:
            dy = model.loss.gradient(batch.y, y_pred, batch.sample_weight)
        first = len(model.layers)
        for index in range(len(self.steps) - 1, -1, -1):
            step = self.steps[index]
            first -= len(step.layers)
            if first + len(step.layers) <= self.lowest:
                break
            if index > top:
                continue
            if index == top:
                dy = step.backward_z(dy, first > self.lowest)  # type: ignore[attr-defined]
            else:
                dy = step.backward(dy, first > self.lowest)
        if self.penalized:
            model.add_penalty_gradients()
        if numerics is not None:
            self._check_gradients(numerics)
        return value, y_pred

    def train(self, batch: Batches) -> tuple[float, Array]:
        model = self.model
        if not self.ready:
            model.build_optimizer()
        value, y_pred = self.gradients(batch)
        n = model.trainable_size
        if n:
            model.optimizer.apply_flat(model._gradients[:n], model._parameters[:n])
        return value, y_pred

    def _logits_step(self) -> int | None:
        """The step that holds the layer whose logits the loss starts from."""
        if not self.model.loss.takes_logits:
            return None
        layer = self.model._logits_layer(training=True)
        if layer is None:
            return None
        ends = np.cumsum([len(step.layers) for step in self.steps])
        return int(np.searchsorted(ends, layer, side="right"))

    def _logits_gradient(self, batch: Batches) -> tuple[int, Array | None]:
        """The step at which the way back enters below the activation, and dz there."""
        at = self.logits
        if at is None:
            return len(self.steps), None
        z = self.steps[at].layers[0].z
        return at, self.model.loss.on_logits().gradient(batch.y, z, batch.sample_weight)

    def _merged_loss(self) -> DenseStep | None:
        """The last step, where the loss can be computed with it: a plain cross-entropy on its
        logits."""
        loss, top = self.model.loss, self.steps[-1] if self.steps else None
        plain = (type(loss) is CategoricalCrossentropy and not loss.label_smoothing) or (
            type(loss) is SparseCategoricalCrossentropy and loss.ignore_class is None
        )
        if not plain or not isinstance(top, DenseStep) or loss.axis != -1:
            return None
        if loss.reduction not in ("sum_over_batch_size", "mean"):
            return None
        starts_here = top.softmax or (loss.from_logits and top.dense.activation is linear)
        return top if starts_here else None

    def _labels(self, batch: Batches) -> Array | None:
        """The labels as one row of probabilities a sample, where the loss is merged; else None."""
        if self.top is None or batch.sample_weight is not None:
            return None
        units = self.top.dense.units
        if type(self.model.loss) is CategoricalCrossentropy:
            y_true = np.ascontiguousarray(batch.y, np.float64)
            return y_true if y_true.shape == (len(batch.y), units) else None
        if batch.y.size != len(batch.y):
            return None
        y_true = np.zeros((len(batch.y), units))
        y_true[np.arange(len(batch.y)), batch.y.reshape(-1).astype(np.intp)] = 1
        return y_true

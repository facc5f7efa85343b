"""One step of training: forward, loss, backward, update.

`Steps` is the part of a model that does them; `StepByStep` strings them together layer by layer,
with the operations of the engine in use. An engine that knows how to do whole lists of layers at
once offers `plan(model)` and returns an object with the same methods.
"""

from typing import TYPE_CHECKING, Any

from scratchnet import data
from scratchnet.data import Batches
from scratchnet.errors import expected
from scratchnet.layers.base import ActivatedLayer, Array, Layer
from scratchnet.regularizers import Regularizer

if TYPE_CHECKING:
    from scratchnet.models import Sequential

__all__ = ["StepByStep", "Steps"]


class StepByStep:
    """The steps of a model, layer by layer: what every engine can do."""

    def __init__(self, model: "Sequential") -> None:
        self.model: Any = model

    def begin(self) -> None:
        """Called before `fit` and the like: what was looked up earlier may have changed."""

    @property
    def rows_at_once(self) -> int:
        """For a prediction where nobody looks at the batches; at least one batch is taken."""
        return 1

    def predict(self, batch: Batches) -> Array:
        """The output for a batch."""
        return self.model.forward(batch.x, training=False)

    def predict_checked(self, x: Array) -> Array | None:
        """The output for rows of the model's own type and shape, with as few looks around as can
        be; None where that is not enough, say because a number is infinite or NaN. An array of its
        own, no view of x."""
        return None

    def test(self, batch: Batches) -> tuple[float, Array]:
        """Loss and output of a batch."""
        y_pred = self.model.forward(batch.x, training=False)
        return self.model.loss_value(batch.y, y_pred, batch.sample_weight, training=False), y_pred

    def gradients(self, batch: Batches) -> tuple[float, Array]:
        """Loss and output of a batch in training; the gradients are left in the layers."""
        model, y, weight = self.model, batch.y, batch.sample_weight
        numerics = model.numerics
        if numerics is not None:
            numerics.begin()
        y_pred = model.forward(batch.x, training=True)
        if numerics is not None:
            numerics.outputs()
        value = model.loss_value(y, y_pred, weight, training=True)
        if numerics is not None:
            numerics.loss(value, model.layers[-1], y_pred)
        model.backward_loss(y, y_pred, weight, lowest=model.lowest_trainable())
        if numerics is not None:
            numerics.gradients((layer, layer.dx) for layer in reversed(model.layers))
        return value, y_pred

    def train(self, batch: Batches) -> tuple[float, Array]:
        """One step: loss and output of a batch, then the update."""
        value, y_pred = self.gradients(batch)
        self.model.update()
        return value, y_pred


class Steps:
    """The quarter of Sequential that knows what one step is."""

    def _logits_layer(self: Any, training: bool) -> int | None:
        """The index of the layer whose z a cross-entropy starts from, None if it must take the
        output.

        Keras on TensorFlow follows the output back to the softmax or sigmoid that made it, unless
        an operation in between made new numbers of it.
        """
        for index in range(len(self._layers) - 1, -1, -1):
            layer = self._layers[index]
            if isinstance(layer, ActivatedLayer) and layer.activation.name in (
                "softmax",
                "sigmoid",
            ):
                return index
            if not layer.passes_logits(training):
                return None
        return None

    def loss_value(
        self: Any, y: Array, y_pred: Array, sample_weight: Array | None, training: bool
    ) -> float:
        """The loss of the last forward, with the penalties of the regularizers."""
        index = self._logits_layer(training) if self.loss.takes_logits else None
        if index is None:
            value = float(self.loss(y, y_pred, sample_weight))
        else:
            value = float(self.loss.on_logits()(y, self._layers[index].z, sample_weight))
        return value + self.penalty_value()

    def penalty_value(self: Any) -> float:
        """What the regularizers add to the loss of the last forward."""
        value = 0.0
        for layer in self._layers:
            for key, regularizer in self.penalties(layer):
                value += float(regularizer(layer.params[key]))
            if layer.activity_regularizer is not None:
                value += float(layer.activity_regularizer(layer.y)) / max(len(layer.y), 1)
        return value

    def add_penalty_gradients(self: Any) -> None:
        """Add to the gradients of the weights what their regularizers ask for."""
        for layer in self._layers:
            for key, regularizer in self.penalties(layer):
                layer.grads[key] += regularizer.gradient(layer.params[key])

    def backward_loss(
        self: Any,
        y: Array,
        y_pred: Array,
        sample_weight: Array | None = None,
        lowest: int | None = None,
    ) -> Array | None:
        """Walk back from the loss of the last training forward; the gradients are in the layers.

        With `lowest` the walk ends there, as in training; else it gives the input's gradient.
        """
        index = self._logits_layer(training=True) if self.loss.takes_logits else None
        if index is None:
            top, after_activation = len(self._layers) - 1, True
            gradient = self.loss.gradient(y, y_pred, sample_weight)
        else:
            top, after_activation = index, False
            z = self._layers[index].z
            gradient = self.loss.on_logits().gradient(y, z, sample_weight)
        dx: Array | None = self.backward_from(top, gradient, after_activation, lowest)
        self.add_penalty_gradients()
        return dx

    def loss_and_gradients(self: Any, x: Any, y: Any, sample_weight: Any = None) -> float:
        """The loss of a batch in training mode; all gradients are left in the layers, none is
        applied.

        Every layer then holds x, y, dy, dx and grads: the place to look around.
        """
        self._check_compiled("loss_and_gradients")
        batch = data.check(self, x, data.labels(self.owner, y, x), sample_weight)
        y_pred = self.forward(batch.x, training=True)
        value: float = self.loss_value(batch.y, y_pred, batch.sample_weight, training=True)
        self.backward_loss(batch.y, y_pred, batch.sample_weight)
        return value

    def penalties(self: Any, layer: Layer) -> list[tuple[str, Regularizer]]:
        """The regularizers that count, by weight: as in Keras, those of trained weights only."""
        return list(layer.regularizers.items()) if self.trains(layer) else []

    def lowest_trainable(self: Any) -> int:
        """The index of the lowest layer with something to train: below it no gradient is needed."""
        for index, layer in enumerate(self._layers):
            if self.trains(layer) and layer.params:
                return index
        return len(self._layers)

    def update(self: Any) -> None:
        """Let the optimizer apply the gradients: one pass over the flat arrays."""
        self.build_optimizer()
        n = self.trainable_size
        if n:
            self.optimizer.apply_flat(self.gradients[:n], self.parameters[:n])

    def build_optimizer(self: Any) -> None:
        """Give the optimizer the state it needs for the weights that are trained."""
        self.pack()
        layout = self._check_layout()
        if layout and self._updated is None:
            self.optimizer.build(self.trainable_weights, [f"{a}/{b}" for a, b in layout])
            self._updated = layout

    def _check_layout(self: Any) -> list[tuple[str, str]]:
        """The names of what is trained; raises where the optimizer was built for others."""
        layout = [
            (layer.name, key)
            for layer in self._layers
            if self.trains(layer)
            for key in layer.params
        ]
        if self._updated is not None and self._updated != layout:
            wanted, hint = "the weights it was compiled for", "Call compile() again."
            raise RuntimeError(expected(self.owner, wanted, "other trainable ones", hint))
        return layout

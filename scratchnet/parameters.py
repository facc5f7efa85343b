"""The weights of a model.

All parameters lie in one flat array, `model.parameters`, and all gradients in another,
`model.gradients`, in the same order; the arrays in `layer.params` and `layer.grads` are views into
them. So one pass of an optimizer updates the whole model.
"""

from typing import Any

from scratchnet.errors import expected
from scratchnet.layers.base import Array, Layer, check_weights
from scratchnet.utils import memory

__all__ = ["Parameters"]


class Parameters:
    """The part of Sequential that holds the weights."""

    dtype: Any
    built: Any
    _layers: list[Layer]
    _parameters: Array | None = None
    _gradients: Array | None = None
    trainable_size = 0  # how many of the parameters are trained: they lie in front
    _trainable = True

    def pack(self) -> None:
        """Lay all parameters in one flat array and all gradients in another: trained ones first.

        Does nothing while they lie there already. It also looks whether another model took one of
        the layers into its own arrays meanwhile, or layers were frozen.
        """
        arrays = [(layer, key) for layer in self._layers for key in layer.params]
        arrays.sort(key=lambda pair: not self.trains(pair[0]))  # stable: the order within stays
        size = sum(layer.params[key].size for layer, key in arrays)
        trained = sum(layer.params[key].size for layer, key in arrays if self.trains(layer))
        if self._parameters is not None and trained == self.trainable_size:
            whole = self._parameters.base
            bases = [layer.params[key].base for layer, key in arrays]
            # None in a copy of a model: there each array stands alone
            if whole is not None and all(base is whole for base in bases):
                return
        parameters, gradients = memory.aligned(size, self.dtype), memory.aligned(size, self.dtype)
        start = 0
        for layer, key in arrays:
            old, end = layer.params[key], start + layer.params[key].size
            for flat, views in ((parameters, layer.params), (gradients, layer.grads)):
                view = flat[start:end].reshape(old.shape)
                view[...] = views[key]
                views[key] = view
            start = end
        self._parameters, self._gradients, self.trainable_size = parameters, gradients, trained

    @property
    def parameters(self) -> Array:
        """All parameters of the model, one flat array; writing into it changes the model."""
        self.pack()
        assert self._parameters is not None
        return self._parameters

    @property
    def gradients(self) -> Array:
        """The gradients of `parameters`, in the same order."""
        self.pack()
        assert self._gradients is not None
        return self._gradients

    @property
    def weights(self) -> list[Array]:
        return [w for layer in self._layers for w in layer.weights]

    @property
    def trainable_weights(self) -> list[Array]:
        return [w for layer in self._layers if self._trainable for w in layer.trainable_weights]

    @property
    def non_trainable_weights(self) -> list[Array]:
        if not self._trainable:
            return self.weights
        return [w for layer in self._layers for w in layer.non_trainable_weights]

    variables = weights
    trainable_variables = trainable_weights
    non_trainable_variables = non_trainable_weights

    @property
    def trainable(self) -> bool:
        """Whether the model is trained at all; setting it sets all layers, too, as in Keras."""
        return self._trainable

    @trainable.setter
    def trainable(self, value: bool) -> None:
        self._trainable = bool(value)
        for layer in self._layers:
            layer.trainable = bool(value)

    def trains(self, layer: Layer) -> bool:
        """Whether the weights of this layer are trained."""
        return self._trainable and layer.trainable

    def get_weights(self) -> list[Array]:
        """Copies of all weights, layer by layer, in Keras's order."""
        return [w.copy() for w in self.weights]

    def set_weights(self: Any, weights: list[Any]) -> None:
        """Copy these values into the model's weights; count and shapes must be equal."""
        check_weights(self.owner, self.weights, weights)
        for mine, given in zip(self.weights, weights, strict=True):
            mine[...] = given

    def count_params(self: Any) -> int:
        """How many numbers the model holds."""
        if not self.built:
            raise ValueError(
                expected(self.owner, "a built model", "one without a shape", "Call build(shape).")
            )
        return sum(w.size for w in self.weights)

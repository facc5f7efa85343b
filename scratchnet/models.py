"""A model is a list of layers: what comes out of one goes into the next."""

import os
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from scratchnet.config import standardize_dtype
from scratchnet.errors import expected, unknown
from scratchnet.layers import LAYERS
from scratchnet.layers.arguments import numbers, refuse, sizes
from scratchnet.layers.base import ActivatedLayer, Array, Layer, Shape, readable
from scratchnet.layers.input import InputLayer
from scratchnet.parameters import Parameters
from scratchnet.registry import deserialize, serialize
from scratchnet.training import Trainer
from scratchnet.utils.naming import auto_name
from scratchnet.utils.options import is_int, plain_name

__all__ = ["Sequential", "load_model"]


class Sequential(Trainer, Parameters):
    """A stack of layers, as Keras's Sequential.

    Give the layers as a list or one by one with `add`. The model is built, that is, its weights
    exist, as soon as the shape of its input is known: from an `Input(shape)` at the front, from the
    first layer's `input_shape=`, or from the first data. `dtype` is that of all its layers; without
    it they have the default one, `config.floatx()`.
    """

    def __init__(
        self,
        layers: Iterable[Layer] | None = None,
        trainable: bool = True,
        name: str | None = None,
        dtype: Any = None,
    ) -> None:
        if name is not None and not isinstance(name, str):
            raise TypeError(expected(type(self).__name__, "name as a str or None", repr(name)))
        self.name = plain_name(type(self).__name__, name or auto_name("Sequential"))
        self._dtype = None if dtype is None else standardize_dtype(dtype)
        self._input: InputLayer | None = None
        self._layers: list[Layer] = []
        super().__init__()
        if layers is not None and (isinstance(layers, str) or not isinstance(layers, Iterable)):
            hint = "Write Sequential([layer])." if isinstance(layers, Layer) else ""
            raise TypeError(expected(self.owner, "a list of layers", repr(layers), hint))
        for layer in layers or ():
            self.add(layer)
        self._trainable = bool(trainable)  # of the model; its layers keep their own flags

    # ------------------------------------------------------------------ putting layers together

    @property
    def owner(self) -> str:
        """How error messages name this model: Sequential 'sequential_1'."""
        return f"{type(self).__name__} '{self.name}'"

    def add(self, layer: Layer) -> None:
        """Put a layer on top. If it does not fit, it is refused and the model stays as it was."""
        if isinstance(layer, type) and issubclass(layer, Layer):
            wanted, hint = "a layer", f"Write {layer.__name__}(...)."
            raise ValueError(expected(self.owner, wanted, f"the class {layer.__name__}", hint))
        if not isinstance(layer, Layer):
            hint = "Only instances of Layer can be added."
            if isinstance(layer, Sequential):
                hint = "ScratchNet has no models inside models. Add its layers one by one."
            raise ValueError(
                expected(self.owner, "a layer of scratchnet.layers", repr(layer), hint)
            )
        if any(layer is known or layer.name == known.name for known in self._layers):
            wanted, hint = "layers with names of their own", "All layers should have unique names."
            raise ValueError(expected(self.owner, wanted, f"a second '{layer.name}'", hint))
        if isinstance(layer, InputLayer):
            self._add_input(layer)
            return
        first = not self._layers and self._input is None
        if first and layer.input_shape_argument is not None:
            self._input = InputLayer(batch_shape=layer.input_shape_argument, dtype=layer.dtype)
        try:
            self._match_dtype(layer)
            if self.built_shape is not None:
                self._build_layer(layer, self.built_shape)
        except Exception:
            self._input = None if first else self._input
            raise
        self._layers.append(layer)
        self._parameters = None

    def _add_input(self, layer: InputLayer) -> None:
        if self._input is not None or self._layers:
            wanted, hint = "one Input, before all other layers", ""
            if self._input is not None:
                hint = f"It has already been configured for {readable(self._input.batch_shape)}."
            raise ValueError(expected(self.owner, wanted, f"another, '{layer.name}'", hint))
        self._input = layer

    def _match_dtype(self, layer: Layer) -> None:
        """Give the layer the model's dtype, unless it was given another one by name."""
        dtype = self._dtype or (self._layers[0].dtype if self._layers else layer.dtype)
        if layer.dtype == dtype:
            return
        if layer.dtype_argument is not None or layer.built or self._dtype is None:
            wanted, hint = f"layers of dtype {dtype}", "Give all layers of a model one dtype."
            got = f"{layer.owner} of {layer.dtype}"
            raise ValueError(expected(self.owner, wanted, got, hint))
        layer.dtype = dtype

    def _build_layer(self, layer: Layer, shape: Shape) -> None:
        layer.compute_output_shape(shape)  # raises where x of this shape does not fit
        if not layer.built:
            layer.build(shape)
        layer.input_shape = shape

    def pop(self) -> Layer:
        """Take the top layer off."""
        if not self._layers:
            raise ValueError(expected(self.owner, "a layer to take off", "none", "add() one."))
        self._parameters = None
        return self._layers.pop()

    def build(self, input_shape: Shape | None = None) -> None:
        """Create the weights for inputs of this shape, batch dimension first: (None, 28, 28, 1)."""
        self._check_not_empty()
        if input_shape is None:
            return
        shape = sizes(self.owner, "input_shape", input_shape)
        if self._input is not None and not _match(self._input.batch_shape, shape):
            wanted = f"the input shape {readable(self._input.batch_shape)}"
            hint = "The model has already been configured: make a new one."
            raise ValueError(expected(self.owner, wanted, readable(shape), hint))
        if self.built:
            return
        if self._input is None:
            self._input = InputLayer(batch_shape=shape, dtype=self.dtype)
        try:
            self.compute_output_shape(self._input.batch_shape)  # all must fit before one is built
        except Exception:
            self._input = None
            raise
        shape = self._input.batch_shape
        for layer in self._layers:
            self._build_layer(layer, shape)
            shape = layer.output_shape

    def _check_not_empty(self) -> None:
        if not self._layers:
            hint = "The model has no layers: add() one."
            raise ValueError(expected(self.owner, "at least one layer", "none", hint))

    @property
    def layers(self) -> list[Layer]:
        """The layers, without the Input."""
        return list(self._layers)

    @layers.setter
    def layers(self, value: Any) -> None:
        wanted, hint = "layers put in one by one", "Use `add()` and `pop()`."
        raise AttributeError(expected(f"{self.owner}.layers", wanted, "an assignment", hint))

    @property
    def built(self) -> bool:
        return bool(self._layers) and all(layer.built for layer in self._layers)

    @property
    def built_shape(self) -> Shape | None:
        """The shape that comes out of the top layer, None while that is unknown."""
        if not self._layers:
            return None if self._input is None else self._input.batch_shape
        top = self._layers[-1]
        return None if top.input_shape is None else top.output_shape

    @property
    def dtype(self) -> str:
        if self._dtype is not None:
            return self._dtype
        return self._layers[0].dtype if self._layers else standardize_dtype(None)

    @property
    def input_shape(self) -> Shape:
        if self._input is None:
            raise AttributeError(
                expected(self.owner, "a known input shape", "none", "Put an Input first.")
            )
        return self._input.batch_shape

    @property
    def output_shape(self) -> Shape:
        shape = self.built_shape
        if shape is None:
            raise AttributeError(
                expected(self.owner, "a known input shape", "none", "Put an Input first.")
            )
        return shape

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        """The shape that comes out for an input of this shape."""
        for layer in self._layers:
            input_shape = layer.compute_output_shape(input_shape)
        return input_shape

    def get_layer(self, name: str | None = None, index: int | None = None) -> Layer:
        """The layer of this name, or at this index."""
        if (name is None) == (index is None):
            got = "neither" if name is None else "both"
            raise ValueError(expected(self.owner, "a name or an index", got))
        if index is not None:
            if not is_int(index):
                raise TypeError(expected(self.owner, "index as an int", repr(index)))
            if not -len(self._layers) <= index < len(self._layers):
                wanted = f"an index below {len(self._layers)}"
                raise ValueError(expected(self.owner, wanted, str(index)))
            return self._layers[index]
        for layer in self._layers:
            if layer.name == name:
                return layer
        raise ValueError(unknown("Layer", name, [layer.name for layer in self._layers]))

    # ------------------------------------------------------------------ the two passes

    def forward(self, x: Any, training: bool = False) -> Array:
        """The output for x. Afterwards every layer holds its `x` and `y`.

        With training=True layers act as in training (dropout, batch statistics) and keep what
        `backward` needs.
        """
        x = self.prepare_input(x)
        for layer in self._layers:
            layer.x = x
            x = layer.y = layer.forward(x, training=training)
        return x

    def backward(self, dy: Any) -> Array:
        """The gradient with respect to the input, from dy, the one with respect to the output.

        Needs a forward(x, training=True) before. Afterwards every layer holds its `dy` and `dx`,
        and in `grads` the gradient of each of its `params`.
        """
        self._check_not_empty()
        dy = np.ascontiguousarray(numbers(self.owner, "dy", dy), dtype=self.dtype)
        if self._layers[-1].y is not None and dy.shape != self._layers[-1].y.shape:
            wanted = f"dy of the output's shape {self._layers[-1].y.shape}"
            raise ValueError(expected(self.owner, wanted, str(dy.shape)))
        dx = self.backward_from(len(self._layers) - 1, dy)
        assert dx is not None
        return dx

    def backward_from(
        self, top: int, gradient: Array, after_activation: bool = True, lowest: int | None = None
    ) -> Array | None:
        """Walk back from layer `top` down to the pixels, or to layer `lowest`, which then computes
        no dx.

        `gradient` is dy of layer `top`, or with after_activation=False its dz, which a
        cross-entropy gives where the layer ends in softmax.
        """
        self.pack()
        for layer in self._layers:  # what the walk does not reach has no gradient of this batch
            layer.dy = layer.dx = None
            if isinstance(layer, ActivatedLayer):
                layer.dz = None
        dy: Any = gradient
        for index in range(top, (lowest or 0) - 1, -1):
            layer = self._layers[index]
            layer.needs_dx = lowest is None or index > lowest
            if index == top and not after_activation:
                assert isinstance(layer, ActivatedLayer)
                # layers above pass y on as it is, and their penalties with it
                penalties = [a.activity_regularizer for a in self._layers[top:]]
                for penalty in penalties:
                    if penalty is not None and layer.y is not None and layer.z is not None:
                        dy_penalty = penalty.gradient(layer.y) / len(layer.y)
                        dy = dy + layer.activation.backward(dy_penalty, layer.z, layer.y)
                layer.dz = dy
                dy = layer.dx = layer.backward_z(dy)
            else:
                if layer.activity_regularizer is not None and layer.y is not None:
                    dy = dy + layer.activity_regularizer.gradient(layer.y) / len(layer.y)
                layer.dy = dy
                dy = layer.dx = layer.backward(dy)
            layer.needs_dx = True
        return dy

    def prepare_input(self, x: Any) -> Array:
        """x as a contiguous array of the model's dtype, built for; raises where it does not fit."""
        array = numbers(self.owner, "x", x)
        self.check_input_shape(array.shape)
        self.build((None, *array.shape[1:]))
        return np.ascontiguousarray(array, dtype=self.dtype)

    def check_input_shape(self, shape: Shape) -> None:
        """Raise unless an x of this shape fits, whether the model is built or not."""
        self._check_not_empty()
        if self._input is None:
            self.compute_output_shape((None, *shape[1:]))
            return
        # as in Keras, the batch size of an Input binds nobody: a last batch may be smaller
        wanted = (None, *self._input.batch_shape[1:])
        if not _match(wanted, (None, *shape[1:])):
            first = self._layers[0]
            first.check_input_shape((None, *shape[1:]))  # says what to do, where it knows
            raise ValueError(
                expected(
                    first.owner, f"x of shape {readable(wanted)}", readable((None, *shape[1:]))
                )
            )

    def __call__(self, x: Any, training: bool = False) -> Array:
        return self.forward(x, training=bool(training))

    # ------------------------------------------------------------------ looking and keeping

    def summary(
        self, line_length: int | None = None, print_fn: Callable[[str], Any] | None = None
    ) -> None:
        """Print the layers, their output shapes and parameter counts."""
        from scratchnet.study.summary import summary

        summary(self, line_length, print_fn)

    def get_config(self) -> dict[str, Any]:
        layers = [self._input] if self._input is not None else []
        configs = [serialize(layer) for layer in [*layers, *self._layers]]
        return {"name": self.name, "trainable": self.trainable, "layers": configs}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "Sequential":
        """A new model of the same layers, with new weights."""
        if not isinstance(config, dict) or not isinstance(config.get("layers"), list | tuple):
            wanted = "a config with a list of layers"
            raise ValueError(expected(cls.__name__, wanted, repr(config), "Use get_config()."))
        layers = [deserialize("Layer", c, LAYERS) for c in config["layers"]]
        return cls(layers, name=config.get("name"))

    def save(
        self, filepath: Any, overwrite: bool = True, zipped: bool | None = None, **kwargs: Any
    ) -> None:
        """Write the whole model to a .keras file, which Keras 3 reads too: layers, weights, how it
        is compiled, and the optimizer's state."""
        from scratchnet.saving.archive import save_model

        refuse(
            f"{self.owner}.save",
            zipped=(zipped in (None, True), True),
            **{key: (value, None) for key, value in kwargs.items()},
        )
        self._check_overwrite(filepath, overwrite)
        save_model(self, filepath)

    def save_weights(
        self, filepath: Any, overwrite: bool = True, max_shard_size: Any = None
    ) -> None:
        """Write weights and optimizer state to a .weights.h5 file, which Keras 3 reads too."""
        from scratchnet.saving.weights import save_weights

        refuse(f"{self.owner}.save_weights", max_shard_size=(max_shard_size, None))
        self._check_overwrite(filepath, overwrite)
        save_weights(self, filepath)

    def load_weights(self, filepath: Any, skip_mismatch: bool = False, **kwargs: Any) -> None:
        """Read the weights, and a compiled model's optimizer state, from a .weights.h5 or .keras
        file of ours or of Keras 3."""
        from scratchnet.saving.weights import load_weights

        refuse(
            f"{self.owner}.load_weights",
            skip_mismatch=(skip_mismatch, False),
            **{key: (value, None) for key, value in kwargs.items()},
        )
        load_weights(self, filepath)

    def export(
        self,
        filepath: Any,
        format: str | None = None,
        verbose: bool | None = None,
        input_signature: Any = None,
        **kwargs: Any,
    ) -> None:
        """Write what the model predicts to an .onnx file, for other runtimes."""
        from scratchnet.saving.onnx_export import export

        refuse(
            f"{self.owner}.export",
            format=(format or "onnx", "onnx"),
            input_signature=(input_signature, None),
            **{key: (value, None) for key, value in kwargs.items()},
        )
        export(self, filepath)
        if verbose:
            print(f"Saved artifact at '{filepath}'.")

    def _check_overwrite(self, path: Any, overwrite: bool) -> None:
        if not overwrite and os.path.exists(path):
            wanted, hint = "a new file, for overwrite=False", "Choose another name."
            raise FileExistsError(expected(self.owner, wanted, f"'{path}', which exists", hint))

    def __repr__(self) -> str:
        return f"<Sequential name={self.name}, built={self.built}>"


def _match(one: Shape, other: Shape) -> bool:
    """Whether the two can be the shape of one array; None is any size."""
    if len(one) != len(other):
        return False
    return all(a == b or a is None or b is None for a, b in zip(one, other, strict=True))


def load_model(
    filepath: Any, custom_objects: Any = None, compile: bool = True, safe_mode: bool = True
) -> Sequential:
    """The model in a .keras file, written by `model.save` here or in Keras 3."""
    from scratchnet.saving import archive

    return archive.load_model(filepath, custom_objects, compile, safe_mode)

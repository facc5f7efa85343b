"""What every layer is: parameters, gradients under the same keys, and two passes.

A layer computes y = forward(x), and on the way back turns dy, the gradient of the loss with respect
to y, into dx, leaving in `grads` the gradient of every array of `params`. Gradients are assigned,
never added up, and no pass writes to its argument.
"""

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scratchnet import activations, initializers, regularizers
from scratchnet.activations import Activation
from scratchnet.config import standardize_dtype
from scratchnet.errors import did_you_mean, expected
from scratchnet.layers.arguments import numbers, sizes
from scratchnet.registry import Configurable
from scratchnet.utils import memory
from scratchnet.utils.naming import auto_name
from scratchnet.utils.options import is_int, plain_name

__all__ = ["ActivatedLayer", "Array", "Layer", "Shape"]

Array = NDArray[np.floating]
Shape = tuple[Any, ...]  # ints, with the batch dimension first, None where it is not known


class Layer(Configurable):
    """The base of all layers.

    params     trainable arrays by name, e.g. {"kernel": (D, U), "bias": (U,)}
    grads      the gradient of the loss for each of them, under the same keys
    state      arrays that are not trained (the moving averages of BatchNormalization)
    saved      what backward needs from the last training forward (in most layers a NamedTuple),
               None after a forward that was not for training
    x, y       input and output of the last forward of the model     dy, dx   their gradients
    """

    saved: Any = None
    x: Array | None = None
    y: Array | None = None
    dy: Array | None = None
    dx: Array | None = None
    _activation: Activation | None = None  # of those that have one, see ActivatedLayer
    needs_dx = True  # False for the lowest layer in training: nobody asks for the pixels' gradient
    min_ndim = 1
    ndim: int | None = None

    def __init__(
        self,
        *,
        activity_regularizer: Any = None,
        trainable: bool = True,
        dtype: Any = None,
        name: str | None = None,
        **kwargs: Any,
    ) -> None:
        if name is not None and not isinstance(name, str):
            raise TypeError(expected(type(self).__name__, "name as a str or None", repr(name)))
        self.name = plain_name(type(self).__name__, name or auto_name(type(self).__name__))
        self.input_shape_argument = self._pop_input_shape(kwargs)
        if kwargs:
            wanted, wrong = "arguments that this layer has", sorted(kwargs)
            hint = did_you_mean(wrong[0], self._known_arguments())
            raise TypeError(expected(self.owner, wanted, ", ".join(wrong), hint))
        if not isinstance(trainable, bool):
            raise ValueError(expected(self.owner, "trainable as a bool", repr(trainable)))
        self.trainable = trainable
        self.dtype_argument = dtype
        self.dtype = standardize_dtype(dtype)
        self.activity_regularizer = regularizers.get(activity_regularizer)
        self.params: dict[str, Array] = {}
        self.grads: dict[str, Array] = {}
        self.state: dict[str, Array] = {}
        self.regularizers: dict[str, regularizers.Regularizer] = {}
        self.built = False
        self.input_shape: Shape | None = None

    @property
    def owner(self) -> str:
        """How error messages name this layer: Dense 'dense_1'."""
        return f"{type(self).__name__} '{self.name}'"

    def _pop_input_shape(self, kwargs: dict[str, Any]) -> Shape | None:
        """The batch shape from Keras's older input_shape, input_dim or batch_input_shape."""
        if "batch_input_shape" in kwargs:
            return sizes(self.owner, "batch_input_shape", kwargs.pop("batch_input_shape"))
        for name in ("input_dim", "input_shape"):
            if name in kwargs:
                shape = kwargs.pop(name)
                return None, *sizes(self.owner, name, [shape] if is_int(shape) else shape)
        return None

    def _known_arguments(self) -> set[str]:
        """What the constructors of this class and its bases take by name."""
        codes = [
            vars(c)["__init__"].__code__
            for c in type(self).__mro__
            if "__init__" in vars(c) and c is not object
        ]
        names = {
            n
            for code in codes
            for n in code.co_varnames[1 : code.co_argcount + code.co_kwonlyargcount]
        }
        return names

    # ------------------------------------------------------------------ building

    def build(self, input_shape: Shape) -> None:
        """Create the weights for inputs of this shape (batch dimension first). Subclasses add
        theirs with `add_weight` and then call this."""
        self.input_shape = tuple(input_shape)
        self.built = True

    def weight_shapes(self, input_shape: Shape) -> dict[str, tuple[int, ...]]:
        """The shapes of the weights that `build` would create for these inputs, in the order of
        `weights`; nothing is allocated."""
        return {}

    def add_weight(
        self, name: str, shape: tuple[int, ...], initializer: Any, regularizer: Any = None
    ) -> None:
        """Create `params[name]` and its gradient; no initializer is glorot_uniform, as in Keras."""
        initializer = initializers.get("glorot_uniform" if initializer is None else initializer)
        values = np.asarray(initializer(shape, dtype=self.dtype))
        if values.shape != tuple(shape):
            wanted = f"an initializer of {name} that gives shape {tuple(shape)}"
            raise ValueError(expected(self.owner, wanted, str(values.shape)))
        self.params[name] = memory.aligned(shape, self.dtype)
        self.params[name][...] = values
        self.grads[name] = np.zeros(shape, self.dtype)
        if regularizer is not None:
            self.regularizers[name] = regularizer

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        """The shape of y for an x of this shape; raises where x does not fit."""
        return tuple(input_shape)

    def check_input_shape(self, shape: Shape) -> None:
        """Raise unless an x of this shape can be taken."""
        if self.ndim is not None and len(shape) != self.ndim:
            letters = "(N, H, W, C)" if self.ndim == 4 else f"{self.ndim} dimensions"
            hint = "Images need their channel axis: x[..., None]." if len(shape) == 3 else ""
            raise ValueError(expected(self.owner, f"x of shape {letters}", readable(shape), hint))
        if len(shape) < self.min_ndim:
            raise ValueError(
                expected(self.owner, f"x of {self.min_ndim} or more dimensions", readable(shape))
            )
        if self.built and self.params:
            self.check_fits_weights(shape)

    def check_fits_weights(self, shape: Shape) -> None:
        """Raise unless x fits the weights that were built, where these depend on x."""

    # ------------------------------------------------------------------ the two passes

    def forward(self, x: Array, training: bool = False) -> Array:
        """y of this x; with training=True also what backward needs is saved."""
        raise NotImplementedError(f"{self.owner}: expected a forward method, got none. Write one.")

    def backward(self, dy: Array) -> Array | None:
        """dx of this dy, for the last training forward; sets `grads`."""
        raise NotImplementedError(f"{self.owner}: expected a backward method, got none. Write one.")

    def __call__(self, x: Any, training: bool = False, mask: Any = None) -> Array:
        """forward, after building the layer on first use and making x an array of its dtype."""
        if mask is not None:
            wanted, hint = "no mask", "ScratchNet has no masking."
            raise NotImplementedError(expected(self.owner, wanted, type(mask).__name__, hint))
        array = np.ascontiguousarray(numbers(self.owner, "x", x), dtype=self.dtype)
        shape = (None, *array.shape[1:])
        self.check_input_shape(shape)
        self.compute_output_shape(shape)  # raises where x of this shape does not fit
        if not self.built:
            self.build(shape)
        return self.forward(array, training=bool(training))

    def take_saved(self) -> Any:
        """What the last training forward saved; an error if there was none."""
        if self.saved is None:
            raise RuntimeError(
                expected(
                    self.owner,
                    "a forward pass with training=True before backward",
                    "none",
                    "Call forward(x, training=True) first.",
                )
            )
        return self.saved

    def branches(self) -> list[NDArray[Any]]:
        """The discrete choices of the last training forward (which side of a kink, which maximum):
        while they stay the same, the loss is smooth. For gradcheck."""
        return []

    def passes_logits(self, training: bool) -> bool:
        """Whether y is x itself, so that a loss still sees the softmax before this layer."""
        return False

    # ------------------------------------------------------------------ weights

    @property
    def weights(self) -> list[Array]:
        """All arrays, trained ones first, in Keras's order. Writing into them changes the layer."""
        return [*self.params.values(), *self.state.values()]

    @property
    def trainable_weights(self) -> list[Array]:
        return list(self.params.values()) if self.trainable else []

    @property
    def non_trainable_weights(self) -> list[Array]:
        return list(self.state.values()) if self.trainable else self.weights

    trainable_variables = trainable_weights
    non_trainable_variables = non_trainable_weights
    variables = weights

    def get_weights(self) -> list[Array]:
        """Copies of all arrays."""
        return [w.copy() for w in self.weights]

    def set_weights(self, weights: list[Any]) -> None:
        """Copy these values into the layer's arrays; shapes must be equal."""
        check_weights(self.owner, self.weights, weights)
        for mine, given in zip(self.weights, weights, strict=True):
            mine[...] = given

    def count_params(self) -> int:
        """How many numbers the layer holds."""
        if not self.built:
            raise ValueError(
                expected(self.owner, "a built layer", "one without a shape", "Call build(shape).")
            )
        return sum(w.size for w in self.weights)

    def __getattr__(self, name: str) -> Any:
        # only reached where nothing else has the name: layer.kernel is layer.params["kernel"]
        for arrays in (self.__dict__.get("params", {}), self.__dict__.get("state", {})):
            if name in arrays:
                return arrays[name]
        if isinstance(getattr(type(self), name, None), property):
            return getattr(type(self), name).fget(self)  # it raised: let it say why
        raise AttributeError(f"'{type(self).__name__}' object has no attribute '{name}'")

    @property
    def output_shape(self) -> Shape:
        if self.input_shape is None:
            raise AttributeError(
                expected(self.owner, "a built layer", "one without a shape", "Call build(shape).")
            )
        return self.compute_output_shape(self.input_shape)

    def get_config(self) -> dict[str, Any]:
        config: dict[str, Any] = {"name": self.name, "trainable": self.trainable}
        config["dtype"] = self.dtype
        if self.activity_regularizer is not None:
            config["activity_regularizer"] = regularizers.serialize(self.activity_regularizer)
        return config

    def __repr__(self) -> str:
        return f"<{type(self).__name__} name={self.name}, built={self.built}>"


class ActivatedLayer(Layer):
    """A layer that ends in an activation: y = f(z).

    Its backward pass has two parts, so that softmax under a cross-entropy can enter between them:
    `backward` takes dy through f, `backward_z` takes dz the rest of the way. `saved` has z and y.
    """

    _activation: Activation = activations.linear
    z: Array | None = None  # what went into the activation in the last forward
    dz: Array | None = None  # its gradient

    @property
    def activation(self) -> Activation:
        """f; may be set to another one, by name too: `layer.activation = None` takes it off."""
        return self._activation

    @activation.setter
    def activation(self, activation: Any) -> None:
        self._activation = activations.get(activation)

    def backward(self, dy: Array) -> Array | None:
        saved = self.take_saved()
        self.dz = self.activation.backward(dy, saved.z, saved.y)
        return self.backward_z(self.dz)

    def backward_z(self, dz: Array) -> Array | None:
        """dx of this dz, the gradient before the activation; sets `grads`."""
        raise NotImplementedError(f"{self.owner}: expected a backward_z method, got none.")

    def branches(self) -> list[NDArray[Any]]:
        return [self.activation.branches(self.take_saved().z)]


def check_weights(owner: str, mine: list[Array], given: Any) -> None:
    """Raise unless `given` is a list of arrays of the same shapes as `mine`."""
    if not isinstance(given, Iterable):
        wanted = f"a list of {len(mine)} weight arrays"
        raise TypeError(expected(owner, wanted, repr(given)))
    arrays = [np.asarray(w) for w in given]
    if len(arrays) != len(mine):
        raise ValueError(expected(owner, f"{len(mine)} weight arrays", str(len(arrays))))
    for index, (ours, theirs) in enumerate(zip(mine, arrays, strict=True)):
        if ours.shape != theirs.shape:
            raise ValueError(
                expected(owner, f"weight {index} of shape {ours.shape}", str(theirs.shape))
            )
        if theirs.dtype.kind not in "fiub":
            wanted = f"weight {index} as an array of numbers"
            raise TypeError(expected(owner, wanted, f"dtype {theirs.dtype}"))


def broadcasts(small: Shape, shape: Shape) -> bool:
    """Whether an array of shape `small` stretches to `shape`; a None may be any size."""
    pairs = zip(reversed(small), reversed(shape), strict=False)
    return len(small) <= len(shape) and all(d in (1, None, n) or n is None for d, n in pairs)


def readable(shape: Shape) -> str:
    """(None, 28, 28) as (N, 28, 28): N stands for any number of samples."""
    letters = ["N" if d is None and i == 0 else str(d) for i, d in enumerate(shape)]
    return f"({', '.join(letters)}{',' if len(letters) == 1 else ''})"

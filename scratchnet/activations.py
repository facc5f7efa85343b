"""Activations: y = f(z), and the gradient that comes back through it.

Each name below is one object. Called like Keras's function of that name it computes f
(`activations.relu(x, negative_slope=0.1)`); a layer uses its two halves, `forward(z)` and
`backward(dy, z, y)`. The formulas themselves stand in `engines/loops/activations.py`.
"""

from collections.abc import Callable
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scratchnet import config
from scratchnet.engines import ops
from scratchnet.errors import expected, unknown
from scratchnet.utils.options import is_int
from scratchnet.utils.rounding import through_float32

__all__ = [
    "Activation",
    "deserialize",
    "elu",
    "exponential",
    "gelu",
    "get",
    "hard_sigmoid",
    "leaky_relu",
    "linear",
    "log_softmax",
    "relu",
    "relu6",
    "selu",
    "serialize",
    "sigmoid",
    "silu",
    "softmax",
    "softplus",
    "softsign",
    "tanh",
]

Array = NDArray[np.floating]


class Activation:
    """An activation with its options settled.

    forward    y = f(z)                 z, y of any shape
    backward   dz = dy times df/dz      dy, z, y, dz of that shape
    """

    # the z at which the derivative jumps; gradcheck steps around them
    kinks: tuple[float, ...] = ()

    def __init__(self, name: str, **options: Any) -> None:
        self.name = self.__name__ = name
        self.options = options

    def __call__(self, x: Any, *args: Any, **options: Any) -> Array:
        """f(x) with these options, as Keras's function of this name; returns a float array."""
        unknown_options = set(options) - set(self.options)
        if unknown_options or len(args) > len(self.options):
            got = ", ".join(sorted(unknown_options)) or f"{len(args)} of them"
            raise TypeError(
                expected(f"activations.{self.name}", f"options {sorted(self.options)}", got)
            )
        settled = {**self.options, **dict(zip(self.options, args, strict=False)), **options}
        x = np.asarray(x)
        if x.dtype not in (np.float32, np.float64):
            x = x.astype(config.floatx())
        return type(self)(self.name, **settled).forward(x)

    def forward(self, z: Array) -> Array:
        """y = f(z)"""
        wanted = "a forward method"
        raise NotImplementedError(
            expected(f"Activation '{self.name}'", wanted, "none", "Write one.")
        )

    def backward(self, dy: Array, z: Array, y: Array) -> Array:
        """dz = dy times df/dz"""
        wanted = "a backward method"
        raise NotImplementedError(
            expected(f"Activation '{self.name}'", wanted, "none", "Write one.")
        )

    def branches(self, z: Array) -> NDArray[Any]:
        """Which side of its kinks each z is on (for gradcheck)."""
        return np.digitize(z, self.kinks) if self.kinks else np.zeros(0, int)

    def __repr__(self) -> str:
        return f"<activation {self.name}>"


class Linear(Activation):
    """y = z"""

    def forward(self, z: Array) -> Array:
        return z

    def backward(self, dy: Array, z: Array, y: Array) -> Array:
        return dy


class Elementwise(Activation):
    """y[i] = f(z[i]): the engine sees flat arrays."""

    def forward_kernel(self) -> tuple[Callable[..., None], tuple[float, ...]]:
        return getattr(ops, f"{self.name}_forward"), tuple(self.options.values())

    def backward_kernel(self) -> tuple[Callable[..., None], tuple[float, ...]]:
        return getattr(ops, f"{self.name}_backward"), tuple(self.options.values())

    def forward(self, z: Array) -> Array:
        kernel, options = self.forward_kernel()
        y = np.empty(z.shape, z.dtype)
        kernel(np.ascontiguousarray(z).reshape(-1), *options, y.reshape(-1))
        return y

    def backward(self, dy: Array, z: Array, y: Array) -> Array:
        kernel, options = self.backward_kernel()
        dz = np.empty(z.shape, z.dtype)
        flat = (np.ascontiguousarray(a).reshape(-1) for a in (dy, z, y))
        kernel(*flat, *options, dz.reshape(-1))
        return dz


class Relu(Elementwise):
    """Keras's general ReLU: a slope to the left of the threshold, a cap to the right."""

    @property
    def kinks(self) -> tuple[float, ...]:  # type: ignore[override]
        cap = self.options.get("max_value")
        return (self.options.get("threshold", 0.0), *([] if cap is None else [cap]))

    def _settled(self) -> tuple[float, float | None, float]:
        slope = self.options.get("negative_slope", 0.0)
        cap, threshold = self.options.get("max_value"), self.options.get("threshold", 0.0)
        # in Keras the slope of a leaky ReLU is a float32 attribute, and a cap goes through float32
        if slope and cap is None and threshold == 0:
            slope = through_float32(slope)
        return float(slope), None if cap is None else through_float32(cap), float(threshold)

    def forward_kernel(self) -> tuple[Callable[..., None], tuple[float, ...]]:
        slope, cap, threshold = self._settled()
        return ops.relu_forward, (slope, np.inf if cap is None else float(cap), threshold)

    def backward_kernel(self) -> tuple[Callable[..., None], tuple[float, ...]]:
        slope, cap, threshold = self._settled()
        limit = np.inf if cap is None else float(cap)
        if cap == 6 and threshold == 0:
            # relu6 is an operation of its own and stops the gradient at 6
            limit = 5.999999999999999
        return ops.relu_backward, (slope, limit, threshold)


class Relu6(Relu):
    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.options = {}

    def _settled(self) -> tuple[float, float | None, float]:
        return 0.0, 6.0, 0.0

    kinks = (0.0, 6.0)


class HardSigmoid(Elementwise):
    kinks = (-3.0, 3.0)


class Elu(Elementwise):
    kinks = (0.0,)  # smooth at alpha = 1 only


class Gelu(Elementwise):
    def forward_kernel(self) -> tuple[Callable[..., None], tuple[float, ...]]:
        return (ops.gelu_tanh_forward if self.options["approximate"] else ops.gelu_forward), ()

    def backward_kernel(self) -> tuple[Callable[..., None], tuple[float, ...]]:
        return (ops.gelu_tanh_backward if self.options["approximate"] else ops.gelu_backward), ()


class Rowwise(Activation):
    """Each y depends on all the z along one axis or several: the engine sees rows of a matrix."""

    def _axes(self, z: Array) -> tuple[int, ...]:
        axis = self.options["axis"]
        axes = tuple(axis) if isinstance(axis, tuple | list) else (axis,)
        fit = all(is_int(a) and -z.ndim <= a < z.ndim for a in axes)
        if not axes or not fit or len({a % z.ndim for a in axes}) < len(axes):
            raise ValueError(
                expected(f"activations.{self.name}", f"an axis of z {z.shape}", repr(axis))
            )
        return axes

    def forward(self, z: Array) -> Array:
        return self._on_rows(getattr(ops, f"{self.name}_forward"), self._axes(z), z)

    def backward(self, dy: Array, z: Array, y: Array) -> Array:
        return self._on_rows(getattr(ops, f"{self.name}_backward"), self._axes(z), dy, z, y)

    @staticmethod
    def _on_rows(kernel: Callable[..., None], axes: tuple[int, ...], *arrays: Array) -> Array:
        last = tuple(range(-len(axes), 0))
        moved = [np.ascontiguousarray(np.moveaxis(a, axes, last)) for a in arrays]
        shape = moved[0].shape
        row = prod(shape[-len(axes) :])
        out = np.empty((moved[0].size // row, row), moved[0].dtype)
        kernel(*(a.reshape(out.shape) for a in moved), out)
        return np.moveaxis(out.reshape(shape), last, axes)


linear = Linear("linear")
relu = Relu("relu", negative_slope=0.0, max_value=None, threshold=0.0)
relu6 = Relu6("relu6")
leaky_relu = Relu("leaky_relu", negative_slope=0.2)
elu = Elu("elu", alpha=1.0)
selu = Elu("selu")
sigmoid = Elementwise("sigmoid")
hard_sigmoid = HardSigmoid("hard_sigmoid")
tanh = Elementwise("tanh")
softplus = Elementwise("softplus")
softsign = Elementwise("softsign")
silu = Elementwise("silu")
gelu = Gelu("gelu", approximate=False)
exponential = Elementwise("exponential")
softmax = Rowwise("softmax", axis=-1)
log_softmax = Rowwise("log_softmax", axis=-1)

_ALL: tuple[Activation, ...] = (
    *(linear, relu, relu6, leaky_relu, elu, selu, sigmoid, hard_sigmoid, tanh, softplus),
    *(softsign, silu, gelu, exponential, softmax, log_softmax),
)
ACTIVATIONS = {f.name: f for f in _ALL} | {"swish": silu}


def get(identifier: Any) -> Activation:
    """The activation of this name; None is linear, an Activation is itself."""
    if identifier is None:
        return linear
    if isinstance(identifier, Activation):
        return identifier
    if isinstance(identifier, str):
        if identifier not in ACTIVATIONS:
            raise ValueError(unknown("Activation", identifier, ACTIVATIONS))
        return ACTIVATIONS[identifier]
    raise TypeError(
        expected(
            "activations.get",
            "a name, an activation of scratchnet.activations or None",
            repr(identifier),
            f"Known: {', '.join(sorted(ACTIVATIONS))}.",
        )
    )


def serialize(activation: Activation) -> str:
    """The name under which `get` finds it again."""
    return activation.name


def deserialize(config: str) -> Activation:
    """The activation of this name."""
    return get(config)


def __getattr__(name: str) -> Any:
    raise AttributeError(unknown("scratchnet.activations", name, __all__))

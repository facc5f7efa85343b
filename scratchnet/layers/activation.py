"""Activations as layers of their own."""

from math import inf
from typing import Any, NamedTuple

from scratchnet import activations
from scratchnet.errors import expected
from scratchnet.layers.base import ActivatedLayer, Array, Layer, Shape, readable
from scratchnet.utils.options import is_int, is_number

__all__ = ["Activation", "LeakyReLU", "ReLU", "Softmax"]


class ActivationSaved(NamedTuple):
    """What the backward pass needs from the last training forward."""

    z: Array  # input
    y: Array  # output


class Activation(ActivatedLayer):
    """Any activation of `scratchnet.activations`.

    forward    y = f(x)
    backward   dx = dy through f at x
    shapes     all the same
    """

    def __init__(self, activation: Any, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.activation = activations.get(activation)

    def forward(self, x: Array, training: bool = False) -> Array:
        self.z = x
        y = self.activation.forward(x)
        self.saved = ActivationSaved(x, y) if training else None
        return y

    def passes_logits(self, training: bool) -> bool:
        return self.activation is activations.linear

    def backward_z(self, dz: Array) -> Array:
        self.take_saved()
        return dz

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "activation": activations.serialize(self.activation)}


class ReLU(Activation):
    """y = x where x > threshold, at most max_value, else negative_slope * (x - threshold)."""

    def __init__(
        self,
        max_value: float | None = None,
        negative_slope: float = 0.0,
        threshold: float = 0.0,
        **kwargs: Any,
    ) -> None:
        ActivatedLayer.__init__(self, **kwargs)  # which knows no argument `activation`
        for name, value in (
            ("max_value", 0.0 if max_value is None else max_value),
            ("negative_slope", negative_slope),
            ("threshold", threshold),
        ):
            endless = name != "max_value" and value == inf
            if not is_number(value) or not value >= 0 or endless:
                never = "a negative value" if name == "max_value" else "None or a negative value"
                hint = f"{name} of a ReLU layer cannot be {never}."
                raise ValueError(expected(self.owner, f"{name} of 0 or more", repr(value), hint))
        self.max_value = max_value
        self.negative_slope = negative_slope
        self.threshold = threshold
        self.activation = activations.Relu(
            "relu", negative_slope=negative_slope, max_value=max_value, threshold=threshold
        )

    def get_config(self) -> dict[str, Any]:
        return {
            **Layer.get_config(self),
            "max_value": self.max_value,
            "negative_slope": self.negative_slope,
            "threshold": self.threshold,
        }


class LeakyReLU(Activation):
    """y = x where x > 0, else negative_slope * x."""

    def __init__(self, negative_slope: float = 0.3, **kwargs: Any) -> None:
        ActivatedLayer.__init__(self, **kwargs)
        if not is_number(negative_slope) or not 0 <= negative_slope < inf:
            wanted = "negative_slope of 0 or more"
            never = "None" if negative_slope is None else "a negative value"
            hint = f"The negative_slope value of a Leaky ReLU layer cannot be {never}."
            raise ValueError(expected(self.owner, wanted, repr(negative_slope), hint))
        self.negative_slope = negative_slope
        self.activation = activations.Relu("leaky_relu", negative_slope=negative_slope)

    def get_config(self) -> dict[str, Any]:
        return {**Layer.get_config(self), "negative_slope": self.negative_slope}


class Softmax(Activation):
    """y = exp(x) / sum of exp(x) along one axis."""

    def __init__(self, axis: Any = -1, **kwargs: Any) -> None:
        ActivatedLayer.__init__(self, **kwargs)
        self.axis = axis
        if isinstance(axis, tuple | list) and len(axis) == 1:
            axis = axis[0]
        if not is_int(axis):
            raise NotImplementedError(expected(self.owner, "one axis as an int", repr(axis)))
        self.activation = activations.Rowwise("softmax", axis=int(axis))

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        axis, n = self.activation.options["axis"], len(input_shape)
        if not -n <= axis < n:
            wanted = f"an axis of x {readable(input_shape)}"
            raise ValueError(expected(self.owner, wanted, str(axis)))
        return super().compute_output_shape(input_shape)

    def get_config(self) -> dict[str, Any]:
        return {**Layer.get_config(self), "axis": self.axis}

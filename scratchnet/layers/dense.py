"""The fully connected layer."""

from typing import Any, NamedTuple

import numpy as np

from scratchnet import activations, initializers, regularizers
from scratchnet.engines import ops
from scratchnet.errors import expected
from scratchnet.layers.arguments import positive, refuse
from scratchnet.layers.base import ActivatedLayer, Array, Shape, readable
from scratchnet.utils.options import flag

__all__ = ["Dense"]


class DenseSaved(NamedTuple):
    """What Dense.backward needs from the last training forward."""

    x: Array  # (N, D) input
    z: Array  # (N, U) before the activation
    y: Array  # (N, U) output


class Dense(ActivatedLayer):
    """Fully connected layer.

    forward    z = x @ kernel + bias            y = f(z)
    backward   dz = dy through f at z           dx = dz @ kernel.T
               dkernel = x.T @ dz               dbias = dz summed over N
    shapes     x, dx (N, D)   kernel (D, U)   bias (U,)   y, z, dy, dz (N, U)

    An x of more dimensions (N, ..., D) is taken as rows: every position is one sample.
    """

    min_ndim = 2

    def __init__(
        self,
        units: int,
        activation: Any = None,
        use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        kernel_regularizer: Any = None,
        bias_regularizer: Any = None,
        activity_regularizer: Any = None,
        kernel_constraint: Any = None,
        bias_constraint: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(activity_regularizer=activity_regularizer, **kwargs)
        none = (kernel_constraint, None), (bias_constraint, None)
        refuse(self.owner, kernel_constraint=none[0], bias_constraint=none[1])
        self.units = positive(self.owner, "units", units)
        self.activation = activations.get(activation)
        self.use_bias = flag(self.owner, "use_bias", use_bias)
        self.kernel_initializer = initializers.get(kernel_initializer)
        self.bias_initializer = initializers.get(bias_initializer)
        self.kernel_regularizer = regularizers.get(kernel_regularizer)
        self.bias_regularizer = regularizers.get(bias_regularizer)

    def weight_shapes(self, input_shape: Shape) -> dict[str, tuple[int, ...]]:
        D = input_shape[-1]
        if D is None:
            raise ValueError(
                expected(self.owner, "a known size of the last axis of x", readable(input_shape))
            )
        bias = {"bias": (self.units,)} if self.use_bias else {}
        return {"kernel": (D, self.units), **bias}

    def build(self, input_shape: Shape) -> None:
        shapes = self.weight_shapes(input_shape)
        kernel = shapes["kernel"]
        self.add_weight("kernel", kernel, self.kernel_initializer, self.kernel_regularizer)
        if self.use_bias:
            self.add_weight("bias", shapes["bias"], self.bias_initializer, self.bias_regularizer)
        else:
            self.bias = None
        super().build(input_shape)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        self.check_input_shape(input_shape)
        return (*input_shape[:-1], self.units)

    def check_fits_weights(self, shape: Shape) -> None:
        D = self.params["kernel"].shape[0]
        if shape[-1] != D:
            hint = "x is incompatible with the layer's kernel."
            if len(shape) > 2:
                hint = f"Put Flatten() before it: {hint}"
            raise ValueError(
                expected(self.owner, f"x of shape (N, {D})", readable((None, *shape[1:])), hint)
            )

    def forward(self, x: Array, training: bool = False) -> Array:
        kernel = self.params["kernel"]
        bias = self.params["bias"] if self.use_bias else np.zeros(self.units, x.dtype)
        z = np.empty((*x.shape[:-1], self.units), x.dtype)
        ops.dense_forward(rows(x), kernel, bias, rows(z))
        self.z = z
        y = self.activation.forward(z)
        self.saved = DenseSaved(x, z, y) if training else None
        return y

    def backward_z(self, dz: Array) -> Array | None:
        x = self.take_saved().x
        ops.dense_dkernel(rows(x), rows(dz), self.grads["kernel"])
        if self.use_bias:
            ops.bias_gradient(rows(dz), self.grads["bias"])
        if not self.needs_dx:
            return None
        dx = np.empty(x.shape, x.dtype)
        ops.dense_dx(rows(dz), self.params["kernel"], rows(dx))
        return dx

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "units": self.units,
            "activation": activations.serialize(self.activation),
            "use_bias": self.use_bias,
            "kernel_initializer": initializers.serialize(self.kernel_initializer),
            "bias_initializer": initializers.serialize(self.bias_initializer),
            "kernel_regularizer": regularizers.serialize(self.kernel_regularizer),
            "bias_regularizer": regularizers.serialize(self.bias_regularizer),
        }


def rows(x: Array) -> Array:
    """(N, ..., D) as the matrix (N * ..., D): a view of a contiguous array."""
    return x.reshape(-1, x.shape[-1])

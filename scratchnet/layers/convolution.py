"""The two-dimensional convolution."""

from typing import Any, NamedTuple

import numpy as np

from scratchnet import activations, initializers, regularizers
from scratchnet.config import check_data_format
from scratchnet.engines import ops
from scratchnet.errors import expected
from scratchnet.layers.arguments import pair, positive, refuse
from scratchnet.layers.base import ActivatedLayer, Array, Shape, readable
from scratchnet.layers.dense import rows
from scratchnet.layers.windows import (
    Sides,
    crop,
    image_output_shape,
    pad,
    padding_amounts,
    standardize_padding,
)
from scratchnet.utils.options import flag

__all__ = ["Conv2D", "Convolution2D"]


class Conv2DSaved(NamedTuple):
    """What Conv2D.backward needs from the last training forward."""

    x: Array  # (N, H', W', C) input with its padding
    sides: Sides  # how much of it is padding
    z: Array  # (N, P, Q, F) before the activation
    y: Array  # (N, P, Q, F) output


class Conv2D(ActivatedLayer):
    """Convolution of images: every filter looks at every window.

    forward    z[n, p, q, f] = bias[f] + sum over r, s, c of
                               x[n, p*sh + r*dh, q*sw + s*dw, c] * kernel[r, s, c, f]     y = f(z)
    backward   dz = dy through f at z          dbias = dz summed over N, P, Q
               dkernel: each tap sums what it read times dz       dx: each window sends dz back
    shapes     x, dx (N, H, W, C)   kernel (R, S, C, F)   bias (F,)   y, z, dy, dz (N, P, Q, F)
    """

    ndim = 4

    def __init__(
        self,
        filters: int,
        kernel_size: Any,
        strides: Any = (1, 1),
        padding: str = "valid",
        data_format: str | None = None,
        dilation_rate: Any = (1, 1),
        groups: int = 1,
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
        refuse(
            self.owner,
            groups=(groups, 1),
            kernel_constraint=(kernel_constraint, None),
            bias_constraint=(bias_constraint, None),
        )
        self.filters = positive(self.owner, "filters", filters)
        self.kernel_size = pair(self.owner, "kernel_size", kernel_size)
        self.strides = pair(self.owner, "strides", strides)
        self.padding = standardize_padding(self.owner, padding)
        self.data_format = check_data_format(self.owner, data_format)
        self.dilation_rate = pair(self.owner, "dilation_rate", dilation_rate)
        if max(self.strides) > 1 and max(self.dilation_rate) > 1:
            got = f"strides={self.strides} and dilation_rate={self.dilation_rate}"
            raise ValueError(expected(self.owner, "only one of the two above 1", got))
        self.activation = activations.get(activation)
        self.use_bias = flag(self.owner, "use_bias", use_bias)
        self.kernel_initializer = initializers.get(kernel_initializer)
        self.bias_initializer = initializers.get(bias_initializer)
        self.kernel_regularizer = regularizers.get(kernel_regularizer)
        self.bias_regularizer = regularizers.get(bias_regularizer)

    @property
    def window(self) -> tuple[int, int]:
        """Rows and columns that one window spans, with the gaps of the dilation."""
        (R, S), (dh, dw) = self.kernel_size, self.dilation_rate
        return (R - 1) * dh + 1, (S - 1) * dw + 1

    def weight_shapes(self, input_shape: Shape) -> dict[str, tuple[int, ...]]:
        C = input_shape[-1]
        if C is None:
            raise ValueError(
                expected(self.owner, "a known number of channels", readable(input_shape))
            )
        bias = {"bias": (self.filters,)} if self.use_bias else {}
        return {"kernel": (*self.kernel_size, C, self.filters), **bias}

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
        return image_output_shape(
            self.owner, input_shape, self.window, self.strides, self.padding, self.filters
        )

    def check_fits_weights(self, shape: Shape) -> None:
        C = self.params["kernel"].shape[2]
        if shape[-1] != C:
            raise ValueError(expected(self.owner, f"x of shape (N, H, W, {C})", readable(shape)))

    def forward(self, x: Array, training: bool = False) -> Array:
        N, P, Q, F = self.compute_output_shape(x.shape)
        sides = padding_amounts(x.shape[1:3], self.window, self.strides, self.padding)
        x = pad(x, sides)
        bias = self.params["bias"] if self.use_bias else np.zeros(self.filters, x.dtype)
        z = np.empty((N, P, Q, F), x.dtype)
        ops.conv2d_forward(x, self.params["kernel"], bias, self.strides, self.dilation_rate, z)
        self.z = z
        y = self.activation.forward(z)
        self.saved = Conv2DSaved(x, sides, z, y) if training else None
        return y

    def backward_z(self, dz: Array) -> Array | None:
        x, sides, _, _ = self.take_saved()
        ops.conv2d_dkernel(x, dz, self.strides, self.dilation_rate, self.grads["kernel"])
        if self.use_bias:
            ops.bias_gradient(rows(dz), self.grads["bias"])
        if not self.needs_dx:
            return None
        dx = np.empty(x.shape, x.dtype)
        ops.conv2d_dx(dz, self.params["kernel"], self.strides, self.dilation_rate, dx)
        return crop(dx, sides)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "filters": self.filters,
            "kernel_size": self.kernel_size,
            "strides": self.strides,
            "padding": self.padding,
            "data_format": self.data_format,
            "dilation_rate": self.dilation_rate,
            "groups": 1,
            "activation": activations.serialize(self.activation),
            "use_bias": self.use_bias,
            "kernel_initializer": initializers.serialize(self.kernel_initializer),
            "bias_initializer": initializers.serialize(self.bias_initializer),
            "kernel_regularizer": regularizers.serialize(self.kernel_regularizer),
            "bias_regularizer": regularizers.serialize(self.bias_regularizer),
        }


Convolution2D = Conv2D

"""Batch normalization."""

from typing import Any, NamedTuple

import numpy as np

from scratchnet import initializers, regularizers
from scratchnet.engines import ops
from scratchnet.errors import expected
from scratchnet.layers.arguments import refuse
from scratchnet.layers.base import Array, Layer, Shape, readable
from scratchnet.utils.options import finite, flag, is_int

__all__ = ["BatchNormalization"]


class BatchNormalizationSaved(NamedTuple):
    """What BatchNormalization.backward needs from the last training forward."""

    x: Array  # (M, C) input, every position one row
    mean: Array  # (C,)
    inv_std: Array  # (C,) 1 / sqrt(variance + epsilon)
    of_batch: bool  # whether mean and variance depend on x


class BatchNormalization(Layer):
    """Gives every channel mean 0 and variance 1 over the batch, then its own scale and shift.

    forward    x_hat = (x - mean) / sqrt(variance + epsilon)          y = gamma * x_hat + beta
    backward   dgamma = (dy * x_hat) summed          dbeta = dy summed
               dx = gamma / sqrt(variance + epsilon) * (dy - (dbeta + x_hat * dgamma) / M)
    shapes     x, y, dx, dy (N, ..., C), M = N * ...     the rest (C,)

    Training uses the batch's own mean and variance, and moves the averages that prediction uses:
    moving = moving * momentum + batch * (1 - momentum). With trainable=False it always predicts.

    source     Ioffe and Szegedy, "Batch Normalization" (2015)
    """

    min_ndim = 2

    def __init__(
        self,
        axis: int = -1,
        momentum: float = 0.99,
        epsilon: float = 1e-3,
        center: bool = True,
        scale: bool = True,
        beta_initializer: Any = "zeros",
        gamma_initializer: Any = "ones",
        moving_mean_initializer: Any = "zeros",
        moving_variance_initializer: Any = "ones",
        beta_regularizer: Any = None,
        gamma_regularizer: Any = None,
        beta_constraint: Any = None,
        gamma_constraint: Any = None,
        renorm: bool = False,
        renorm_clipping: Any = None,
        renorm_momentum: float = 0.99,
        synchronized: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        refuse(
            self.owner,
            beta_constraint=(beta_constraint, None),
            gamma_constraint=(gamma_constraint, None),
            renorm=(renorm, False),
            synchronized=(synchronized, False),
        )
        if not is_int(axis):
            raise TypeError(expected(self.owner, "axis as an int", repr(axis)))
        for name, value in (("momentum", momentum), ("epsilon", epsilon)):
            finite(self.owner, name, value)
        self.axis = int(axis)
        self.momentum, self.epsilon = float(momentum), float(epsilon)
        if not 0 <= self.momentum <= 1:
            raise ValueError(expected(self.owner, "momentum from 0 to 1", repr(momentum)))
        if not self.epsilon > 0:
            raise ValueError(expected(self.owner, "epsilon above 0", repr(epsilon)))
        self.center = flag(self.owner, "center", center)
        self.scale = flag(self.owner, "scale", scale)
        self.beta_initializer = initializers.get(beta_initializer)
        self.gamma_initializer = initializers.get(gamma_initializer)
        self.moving_mean_initializer = initializers.get(moving_mean_initializer)
        self.moving_variance_initializer = initializers.get(moving_variance_initializer)
        # while many ranks train together: what adds up over the parts of the batch (distributed/)
        self.among: Any = None
        self.beta_regularizer = regularizers.get(beta_regularizer)
        self.gamma_regularizer = regularizers.get(gamma_regularizer)

    def weight_shapes(self, input_shape: Shape) -> dict[str, tuple[int, ...]]:
        C = input_shape[self.axis]
        if C is None:
            wanted = f"a known size of axis {self.axis} of x"
            raise ValueError(expected(self.owner, wanted, readable(input_shape)))
        names = [*["gamma"][: self.scale], *["beta"][: self.center]]
        return dict.fromkeys([*names, "moving_mean", "moving_variance"], (C,))

    def build(self, input_shape: Shape) -> None:
        (C,) = self.weight_shapes(input_shape)["moving_mean"]
        if self.scale:
            self.add_weight("gamma", (C,), self.gamma_initializer, self.gamma_regularizer)
        if self.center:
            self.add_weight("beta", (C,), self.beta_initializer, self.beta_regularizer)
        for name, initializer in (
            ("moving_mean", self.moving_mean_initializer),
            ("moving_variance", self.moving_variance_initializer),
        ):
            initializer = initializers.get(initializer or "glorot_uniform")  # as `add_weight`
            self.state[name] = np.array(initializer((C,), dtype=self.dtype))
        super().build(input_shape)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        self.check_input_shape(input_shape)
        if not -len(input_shape) <= self.axis < len(input_shape) or self.axis == 0:
            wanted = "an axis of x other than the batch's"
            got = f"axis {self.axis} of x {readable(input_shape)}"
            raise ValueError(expected(self.owner, wanted, got))
        return tuple(input_shape)

    def check_fits_weights(self, shape: Shape) -> None:
        C = self.state["moving_mean"].shape[0]
        if shape[self.axis] != C:
            wanted = f"x with {C} channels on axis {self.axis}"
            raise ValueError(expected(self.owner, wanted, readable(shape)))

    def _rows(self, x: Array) -> Array:
        """x as the matrix (M, C): the channel axis last, every position one row."""
        moved = np.ascontiguousarray(np.moveaxis(x, self.axis, -1))
        return moved.reshape(-1, moved.shape[-1])

    def _unrows(self, rows: Array, shape: tuple[int, ...]) -> Array:
        moved = list(shape)
        C = moved.pop(self.axis)
        return np.moveaxis(rows.reshape(*moved, C), -1, self.axis)

    def forward(self, x: Array, training: bool = False) -> Array:
        rows = self._rows(x)
        M, C = rows.shape
        of_batch = training and self.trainable
        if of_batch:
            mean, variance = np.empty(C, x.dtype), np.empty(C, x.dtype)
            ops.batch_norm_statistics(rows, mean, variance)
            self._take_in(mean, variance)
        else:
            mean, variance = self.state["moving_mean"], self.state["moving_variance"]
        inv_std = 1 / np.sqrt(variance + x.dtype.type(self.epsilon))
        y = np.empty((M, C), x.dtype)
        ops.batch_norm_forward(rows, mean, inv_std, self._gamma(x), self._beta(x), y)
        self.saved = BatchNormalizationSaved(rows, mean, inv_std, of_batch) if training else None
        return np.ascontiguousarray(self._unrows(y, x.shape))

    def _take_in(self, mean: Array, variance: Array) -> None:
        """Move the averages by the statistics of a batch; of a part, which become the batch's."""
        if self.among is not None:
            self.among.statistics(mean, variance)
        for name, batch in (("moving_mean", mean), ("moving_variance", variance)):
            moving = self.state[name]
            moving[...] = moving * self.momentum + batch * (1 - self.momentum)

    def _gamma(self, x: Array) -> Array:
        return self.params["gamma"] if self.scale else np.ones(x.shape[self.axis], x.dtype)

    def _beta(self, x: Array) -> Array:
        return self.params["beta"] if self.center else np.zeros(x.shape[self.axis], x.dtype)

    def backward(self, dy: Array) -> Array:
        x, mean, inv_std, of_batch = self.take_saved()
        rows = self._rows(dy)
        dgamma, dbeta = np.empty_like(mean), np.empty_like(mean)
        ops.batch_norm_dparams(rows, x, mean, inv_std, dgamma, dbeta)
        for name, gradient in (("gamma", dgamma), ("beta", dbeta)):
            if name in self.grads:
                self.grads[name][...] = gradient
        if not of_batch:  # fixed statistics: no row feels another
            dgamma, dbeta = np.zeros_like(mean), np.zeros_like(mean)
        elif self.among is not None:
            self.among.sums(dgamma, dbeta)
        dx = np.empty_like(x)
        ops.batch_norm_dx(rows, x, mean, inv_std, self._gamma(dy), dgamma, dbeta, dx)
        return np.ascontiguousarray(self._unrows(dx, dy.shape))

    def stand_by(self, backward: bool) -> None:
        """What a rank does that has no row of a batch: it takes in the statistics of the others, or
        answers where these ask for the sums of their way back."""
        nothing = [np.zeros_like(self.state["moving_mean"]) for _ in range(2)]
        self.among.sums(*nothing) if backward else self._take_in(*nothing)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "axis": self.axis,
            "momentum": self.momentum,
            "epsilon": self.epsilon,
            "center": self.center,
            "scale": self.scale,
            "beta_initializer": initializers.serialize(self.beta_initializer),
            "gamma_initializer": initializers.serialize(self.gamma_initializer),
            "moving_mean_initializer": initializers.serialize(self.moving_mean_initializer),
            "moving_variance_initializer": initializers.serialize(self.moving_variance_initializer),
            "beta_regularizer": regularizers.serialize(self.beta_regularizer),
            "gamma_regularizer": regularizers.serialize(self.gamma_regularizer),
        }

"""Dropout: in training, some inputs are left out."""

from collections.abc import Callable
from typing import Any

import numpy as np

from scratchnet import random
from scratchnet.errors import expected
from scratchnet.layers.base import Array, Layer, Shape

__all__ = ["Dropout"]


class Dropout(Layer):
    """Sets each input to 0 with probability `rate` while training, and scales up the others.

    forward    y = x * keep / (1 - rate) in training, y = x else
    backward   dx = dy * keep / (1 - rate), with the same keep
    shapes     x, y, dx, dy (N, ...)   keep the same, or `noise_shape` where that is given

    The scale keeps the expected value of y at x, so nothing changes at prediction. The masks are the
    ones that Keras on TensorFlow draws from the same seed: call k of this layer takes the stream of
    the pair (seed, k). `mask` gives them instead: an array (1 keeps, 0 drops), or a function of k.

    source     Srivastava et al., "Dropout" (2014), section 10, "inverted" scaling
    """

    def __init__(
        self,
        rate: float,
        noise_shape: Any = None,
        seed: int | None = None,
        mask: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if isinstance(rate, bool) or not isinstance(rate, int | float | np.floating):
            raise TypeError(expected(self.owner, "rate as a number", repr(rate)))
        if not 0 <= rate <= 1:
            raise ValueError(expected(self.owner, "rate from 0 to 1", repr(rate)))
        self.rate = rate
        self.seed = seed
        self.noise_shape = self._check_noise_shape(noise_shape)
        self.mask: Array | Callable[[int], Array] | None = (
            mask if mask is None or callable(mask) else np.asarray(mask)
        )
        # Keras draws no seed for a Dropout that drops nothing; neither may we, or all later weights
        # would differ
        self.seed_generator = random.SeedGenerator(seed) if rate > 0 else None

    def _check_noise_shape(self, noise_shape: Any) -> Shape | None:
        if noise_shape is None:
            return None
        wanted = "noise_shape as a tuple of ints above 0 or None"
        if isinstance(noise_shape, str) or not hasattr(noise_shape, "__iter__"):
            raise ValueError(expected(self.owner, wanted, repr(noise_shape)))
        shape = tuple(noise_shape)
        if not all(d is None or (isinstance(d, int) and d > 0) for d in shape):
            raise ValueError(expected(self.owner, wanted, repr(noise_shape)))
        return shape

    def draw_mask(self, shape: tuple[int, ...]) -> Array:
        """The mask of the next training call, which it counts: 1 keeps, 0 drops."""
        assert self.seed_generator is not None
        seed, call = self.seed_generator.next()
        if self.mask is None:
            if self.noise_shape is not None:
                if len(self.noise_shape) != len(shape):
                    wanted = f"noise_shape of {len(shape)} dimensions, as x"
                    raise ValueError(expected(self.owner, wanted, repr(self.noise_shape)))
                shape = tuple(
                    n if d is None else d for n, d in zip(shape, self.noise_shape, strict=True)
                )
            return random.dropout_mask(shape, (seed, call), self.rate, self.dtype)
        mask = np.asarray(self.mask(call) if callable(self.mask) else self.mask)
        try:
            np.broadcast_to(mask, shape)
        except ValueError:
            wanted = f"a mask that fits x of shape {shape}"
            raise ValueError(expected(self.owner, wanted, str(mask.shape))) from None
        return mask

    def forward(self, x: Array, training: bool = False) -> Array:
        if not training or self.rate == 0:
            self.saved = np.ones((), bool) if training else None
            return x
        self.saved = self.draw_mask(x.shape) != 0
        return self._through(x)

    def backward(self, dy: Array) -> Array:
        return dy if self.rate == 0 else self._through(dy)

    def passes_logits(self, training: bool) -> bool:
        return self.rate == 0 or not training

    def _through(self, x: Array) -> Array:
        """x * keep / (1 - rate), the same in both directions."""
        keep = self.take_saved()
        scale = x.dtype.type(1 / (1 - self.rate) if self.rate < 1 else 0)
        return np.where(keep, x * scale, x.dtype.type(0))

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "rate": self.rate,
            "seed": self.seed,
            "noise_shape": self.noise_shape,
        }

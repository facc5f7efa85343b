"""Dropout: in training, some inputs are left out."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scratchnet import random
from scratchnet.errors import expected
from scratchnet.layers.arguments import check_rank
from scratchnet.layers.base import Array, Layer, Shape, broadcasts, readable
from scratchnet.utils.options import is_int, is_number

__all__ = ["Dropout"]


class Dropout(Layer):
    """Sets each input to 0 with probability `rate` while training, and scales up the others.

    forward    y = x * keep / (1 - rate) in training, y = x else
    backward   dx = dy * keep / (1 - rate), with the same keep
    shapes     x, y, dx, dy (N, ...)   keep the same, or `noise_shape` where that is given

    The scale keeps the expected value of y at x, so nothing changes at prediction. The masks are
    the ones that Keras on TensorFlow draws from the same seed: call k of this layer takes the
    stream of the pair (seed, k). `mask` gives them instead: an array (1 keeps, 0 drops), or a
    function of k.

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
        if not is_number(rate):
            raise TypeError(expected(self.owner, "rate as a number", repr(rate)))
        if not 0 <= rate <= 1:
            hint = (
                "Invalid value received for argument `rate`. "
                "Expected a float value between 0 and 1."
            )
            raise ValueError(expected(self.owner, "rate from 0 to 1", repr(rate), hint))
        self.rate = rate
        self.seed = seed
        self.noise_shape = self._check_noise_shape(noise_shape)
        self.mask = self._check_mask(mask)
        # Keras draws no seed for a Dropout that drops nothing; neither may we, or all later weights
        # would differ
        self.seed_generator = random.SeedGenerator(seed) if rate > 0 else None
        # where x is a part of a batch: its first row there, and the rows of the whole batch
        self.within: tuple[int, int] | None = None

    def _check_noise_shape(self, noise_shape: Any) -> Shape | None:
        if noise_shape is None:
            return None
        shape: tuple[Any, ...] = ()
        if isinstance(noise_shape, str) or not hasattr(noise_shape, "__iter__"):
            wrong = "a tuple or list of integers"
        else:
            shape = tuple(noise_shape)
            check_rank(self.owner, "noise_shape", shape)
            if not all(d is None or is_int(d) for d in shape):
                wrong = "all elements to be integers or None"
            elif not all(d is None or d > 0 for d in shape):
                wrong = "all dimensions to be positive integers or None"
            else:
                return shape
        wanted = "noise_shape as a tuple of ints above 0 or None"
        # Keras's own words, for code that looks for them
        hint = f"Invalid value received for argument `noise_shape`. Expected {wrong}."
        raise ValueError(expected(self.owner, wanted, repr(noise_shape), hint))

    def _check_mask(self, mask: Any) -> Array | Callable[[int], Array] | None:
        if mask is None or callable(mask):
            return mask  # type: ignore[no-any-return]
        array = np.asarray(mask)
        if array.dtype.kind not in "fiub":
            wanted = "mask as an array of numbers or a function"
            raise TypeError(expected(self.owner, wanted, f"dtype {array.dtype}"))
        return array

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        """That of x; raises where noise_shape or mask do not fit it."""
        self.check_input_shape(input_shape)
        noise = self.noise_shape
        if noise is not None and len(noise) != len(input_shape):
            wanted = f"noise_shape of {len(input_shape)} dimensions, as x"
            raise ValueError(expected(self.owner, wanted, repr(noise)))
        if noise is not None and not broadcasts(noise, input_shape):
            wanted = f"noise_shape that fits x {readable(input_shape)}"
            raise ValueError(expected(self.owner, wanted, repr(noise)))
        if isinstance(self.mask, np.ndarray) and not broadcasts(self.mask.shape, input_shape):
            wanted = f"a mask that fits x of shape {readable(input_shape)}"
            raise ValueError(expected(self.owner, wanted, str(self.mask.shape)))
        return tuple(input_shape)

    def draw_mask(self, shape: tuple[int, ...]) -> NDArray[Any]:
        """The mask of the next training call, which it counts: 1 keeps, 0 drops."""
        if self.within is None:
            return self._draw(shape)
        first, n = self.within
        mask = self._draw((n, *shape[1:]))
        whole = mask.ndim == len(shape) and len(mask) == n
        return mask[first : first + shape[0]] if whole else mask

    def _draw(self, shape: tuple[int, ...]) -> NDArray[Any]:
        assert self.seed_generator is not None
        seed, call = self.seed_generator.next()
        if self.mask is None:
            noise = self.noise_shape or shape
            drawn = tuple(n if d is None else d for n, d in zip(shape, noise, strict=True))
            mask = random.dropout_mask(drawn, (seed, call), self.rate, self.dtype)
        else:
            mask = np.asarray(self.mask(call) if callable(self.mask) else self.mask)
        if not broadcasts(mask.shape, shape):
            wanted = f"a mask that fits x of shape {shape}"
            raise ValueError(expected(self.owner, wanted, str(mask.shape)))
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

"""First values that are drawn from a random stream.

An initializer that is given no seed draws one when it is constructed; from then on it is a
function: called twice, or shared by two layers, it gives the same numbers each time. Only a
`SeedGenerator` as its seed makes it move on.

VarianceScaling keeps the size of a signal the same from layer to layer: it divides the variance by
n, the number of inputs (`fan_in`), outputs (`fan_out`) or their mean (`fan_avg`) of one unit.

    name             scale   n         distribution       source
    GlorotUniform    1       fan_avg   uniform            Glorot and Bengio (2010)
    GlorotNormal     1       fan_avg   truncated_normal   Glorot and Bengio (2010)
    HeUniform        2       fan_in    uniform            He, Zhang, Ren and Sun (2015)
    HeNormal         2       fan_in    truncated_normal   He, Zhang, Ren and Sun (2015)
    LecunUniform     1       fan_in    uniform            LeCun, Bottou, Orr and Mueller (1998)
    LecunNormal      1       fan_in    truncated_normal   LeCun, Bottou, Orr and Mueller (1998)
"""

import math
from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np

from scratchnet import random, registry
from scratchnet.errors import expected, unknown
from scratchnet.initializers.initializer import Array, Initializer, Shape
from scratchnet.utils.options import LARGEST, finite, is_int, is_number
from scratchnet.utils.random_seed import SeedGenerator, check_seed, draw_seed

__all__ = [
    "GlorotNormal",
    "GlorotUniform",
    "HeNormal",
    "HeUniform",
    "LecunNormal",
    "LecunUniform",
    "Orthogonal",
    "RandomInitializer",
    "RandomNormal",
    "RandomUniform",
    "TruncatedNormal",
    "VarianceScaling",
    "compute_fans",
]

# standard deviation of a standard normal number that is cut off at two standard deviations
STDDEV_CUT_AT_2 = 0.87962566103423978


class RandomInitializer(Initializer):
    """Base of the random ones: it settles the seed."""

    def __init__(self, seed: int | SeedGenerator | dict[str, Any] | None = None) -> None:
        if isinstance(seed, dict):  # as get_config writes a SeedGenerator
            seed = registry.deserialize("seed", seed, {"SeedGenerator": SeedGenerator})
        self._init_seed = seed
        if seed is None:
            seed = draw_seed()
        elif not isinstance(seed, SeedGenerator):
            check_seed(type(self).__name__, seed)
        self.seed: Any = seed

    def get_config(self) -> dict[str, Any]:
        """The seed as it was given: None if it was drawn."""
        if isinstance(self._init_seed, SeedGenerator):
            return {"seed": registry.serialize(self._init_seed)}
        return {"seed": self._init_seed}


class RandomNormal(RandomInitializer):
    """Normal numbers."""

    def __init__(self, mean: float = 0.0, stddev: float = 0.05, seed: Any = None) -> None:
        owner = type(self).__name__
        self.mean = finite(owner, "mean", mean)
        self.stddev = finite(owner, "stddev", stddev, 0)
        super().__init__(seed)

    def __call__(self, shape: Shape, dtype: str | None = None) -> Array:
        return random.normal(shape, self.mean, self.stddev, dtype, self.seed)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {**super().get_config(), "mean": self.mean, "stddev": self.stddev}


class TruncatedNormal(RandomInitializer):
    """Normal numbers, those further than two standard deviations from the mean drawn again."""

    def __init__(self, mean: float = 0.0, stddev: float = 0.05, seed: Any = None) -> None:
        owner = type(self).__name__
        self.mean = finite(owner, "mean", mean)
        self.stddev = finite(owner, "stddev", stddev, 0)
        super().__init__(seed)

    def __call__(self, shape: Shape, dtype: str | None = None) -> Array:
        return random.truncated_normal(shape, self.mean, self.stddev, dtype, self.seed)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {**super().get_config(), "mean": self.mean, "stddev": self.stddev}


class RandomUniform(RandomInitializer):
    """Numbers spread evenly over [minval, maxval)."""

    def __init__(self, minval: float = -0.05, maxval: float = 0.05, seed: Any = None) -> None:
        owner = type(self).__name__
        self.minval, self.maxval = finite(owner, "minval", minval), finite(owner, "maxval", maxval)
        super().__init__(seed)

    def __call__(self, shape: Shape, dtype: str | None = None) -> Array:
        return random.uniform(shape, self.minval, self.maxval, dtype, self.seed)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {**super().get_config(), "minval": self.minval, "maxval": self.maxval}


class VarianceScaling(RandomInitializer):
    """Numbers of variance scale / n, with n = fan_in, fan_out or their mean.

    uniform              over [-limit, limit), limit = sqrt(3 scale / n)
    untruncated_normal   standard deviation sqrt(scale / n)
    truncated_normal     the same after cutting off at two standard deviations
    """

    MODES: ClassVar[tuple[str, ...]] = ("fan_in", "fan_out", "fan_avg")
    DISTRIBUTIONS: ClassVar[tuple[str, ...]] = (
        "uniform",
        "truncated_normal",
        "untruncated_normal",
    )

    def __init__(
        self,
        scale: float = 1.0,
        mode: str = "fan_in",
        distribution: str = "truncated_normal",
        seed: Any = None,
        input_axes: Sequence[int] | None = None,
        output_axes: Sequence[int] | None = None,
    ) -> None:
        name = type(self).__name__
        # what stands last in each message are Keras's own words, for code that looks for them
        if not is_number(scale) or not 0 < scale <= LARGEST:
            hint = "Argument `scale` must be positive float."
            raise ValueError(expected(name, "scale > 0", repr(scale), hint))
        if mode not in self.MODES:
            message = unknown(f"{name} mode", mode, self.MODES)
            raise ValueError(f"{message} Invalid `mode` argument: {mode}")
        kind = str(distribution).lower()
        kind = "truncated_normal" if kind == "normal" else kind
        if kind not in self.DISTRIBUTIONS:
            message = unknown(f"{name} distribution", distribution, self.DISTRIBUTIONS)
            raise ValueError(f"{message} Invalid `distribution` argument: {distribution}")
        self.scale, self.mode, self.distribution = scale, mode, kind
        self.input_axes = _whole_axes(name, "input_axes", input_axes)
        self.output_axes = _whole_axes(name, "output_axes", output_axes)
        super().__init__(seed)

    def __call__(self, shape: Shape, dtype: str | None = None) -> Array:
        fan_in, fan_out = compute_fans(shape, self.input_axes, self.output_axes)
        n = {"fan_in": fan_in, "fan_out": fan_out, "fan_avg": (fan_in + fan_out) / 2}[self.mode]
        variance = self.scale / max(1.0, n)
        if self.distribution == "uniform":
            limit = math.sqrt(3 * variance)
            return random.uniform(shape, -limit, limit, dtype, self.seed)
        stddev = math.sqrt(variance)
        if self.distribution == "untruncated_normal":
            return random.normal(shape, 0.0, stddev, dtype, self.seed)
        return random.truncated_normal(shape, 0.0, stddev / STDDEV_CUT_AT_2, dtype, self.seed)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {
            **super().get_config(),
            "scale": self.scale,
            "mode": self.mode,
            "distribution": self.distribution,
            "input_axes": self.input_axes,
            "output_axes": self.output_axes,
        }


class _NamedScaling(VarianceScaling):
    """VarianceScaling with scale, mode and distribution settled by the class."""

    SETTLED: ClassVar[tuple[float, str, str]]

    def __init__(
        self,
        seed: Any = None,
        input_axes: Sequence[int] | None = None,
        output_axes: Sequence[int] | None = None,
    ) -> None:
        super().__init__(*self.SETTLED, seed, input_axes, output_axes)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        settled = ("scale", "mode", "distribution")
        return {k: v for k, v in super().get_config().items() if k not in settled}


class GlorotUniform(_NamedScaling):
    """Uniform, variance 2 / (fan_in + fan_out)."""

    SETTLED = (1.0, "fan_avg", "uniform")


class GlorotNormal(_NamedScaling):
    """Truncated normal, variance 2 / (fan_in + fan_out)."""

    SETTLED = (1.0, "fan_avg", "truncated_normal")


class HeUniform(_NamedScaling):
    """Uniform, variance 2 / fan_in."""

    SETTLED = (2.0, "fan_in", "uniform")


class HeNormal(_NamedScaling):
    """Truncated normal, variance 2 / fan_in."""

    SETTLED = (2.0, "fan_in", "truncated_normal")


class LecunUniform(_NamedScaling):
    """Uniform, variance 1 / fan_in."""

    SETTLED = (1.0, "fan_in", "uniform")


class LecunNormal(_NamedScaling):
    """Truncated normal, variance 1 / fan_in."""

    SETTLED = (1.0, "fan_in", "truncated_normal")


class Orthogonal(RandomInitializer):
    """gain times a matrix whose columns (or rows, if they are fewer) are orthonormal.

    Shapes of more than two axes are seen as the matrix (all axes but the last, last axis). It is Q
    of a normal random matrix = Q R, the signs chosen so that R has a positive diagonal: that makes
    it unique, and evenly spread over all such matrices.

    source    Saxe, McClelland and Ganguli (2014)
    """

    def __init__(self, gain: float = 1.0, seed: Any = None) -> None:
        self.gain = finite(type(self).__name__, "gain", gain)
        super().__init__(seed)

    def __call__(self, shape: Shape, dtype: str | None = None) -> Array:
        if len(shape) < 2:
            raise ValueError(
                expected("Orthogonal", "a shape of at least two axes", str(tuple(shape)))
            )
        rows, columns = math.prod(shape[:-1]), shape[-1]
        tall = (max(rows, columns), min(rows, columns))
        q, r = np.linalg.qr(random.normal(tall, dtype=dtype, seed=self.seed))
        q *= np.sign(np.diag(r))
        matrix = q.T if rows < columns else q
        return np.ascontiguousarray(self.gain * matrix).reshape(shape)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {**super().get_config(), "gain": self.gain}


def _whole_axes(owner: str, name: str, axes: Sequence[int] | None) -> list[int] | None:
    """The axes as Python ints, which a file can hold; TypeError for anything else."""
    if axes is None:
        return None
    if not isinstance(axes, list | tuple) or not all(is_int(a) for a in axes):
        raise TypeError(expected(owner, f"{name} as a list of ints", repr(axes)))
    return [int(a) for a in axes]


def compute_fans(
    shape: Shape,
    input_axes: Sequence[int] | None = None,
    output_axes: Sequence[int] | None = None,
) -> tuple[int, int]:
    """(fan_in, fan_out) of a weight: (D, U) gives D, U; (R, S, C, F) gives R S C, R S F."""
    if input_axes is not None and output_axes is not None:
        if not all(-len(shape) <= a < len(shape) for a in (*input_axes, *output_axes)):
            got = f"{list(input_axes)} and {list(output_axes)}"
            raise ValueError(expected("VarianceScaling", f"axes of a shape {tuple(shape)}", got))
        return math.prod(shape[a] for a in input_axes), math.prod(shape[a] for a in output_axes)
    if len(shape) < 2:
        n = shape[0] if len(shape) else 1
        return int(n), int(n)
    taps = math.prod(shape[:-2])
    return int(shape[-2] * taps), int(shape[-1] * taps)

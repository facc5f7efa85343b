"""The first values of the weights, by Keras's names."""

from collections.abc import Callable
from typing import Any

import numpy as np

from scratchnet import registry
from scratchnet.config import standardize_dtype
from scratchnet.errors import expected, unknown
from scratchnet.initializers.constant_initializers import Constant, Identity, Ones, Zeros
from scratchnet.initializers.initializer import Array, Initializer, Shape
from scratchnet.initializers.random_initializers import (
    GlorotNormal,
    GlorotUniform,
    HeNormal,
    HeUniform,
    LecunNormal,
    LecunUniform,
    Orthogonal,
    RandomNormal,
    RandomUniform,
    TruncatedNormal,
    VarianceScaling,
)
from scratchnet.registry import serialize

__all__ = [
    "Constant",
    "GlorotNormal",
    "GlorotUniform",
    "HeNormal",
    "HeUniform",
    "Identity",
    "IdentityInitializer",
    "Initializer",
    "LecunNormal",
    "LecunUniform",
    "Ones",
    "Orthogonal",
    "OrthogonalInitializer",
    "RandomNormal",
    "RandomUniform",
    "TruncatedNormal",
    "VarianceScaling",
    "Zeros",
    "constant",
    "deserialize",
    "get",
    "glorot_normal",
    "glorot_uniform",
    "he_normal",
    "he_uniform",
    "identity",
    "lecun_normal",
    "lecun_uniform",
    "ones",
    "orthogonal",
    "random_normal",
    "random_uniform",
    "serialize",
    "truncated_normal",
    "variance_scaling",
    "zeros",
]

# Keras has each class under a function's name too
zeros, ones, constant, identity = Zeros, Ones, Constant, Identity
random_normal, random_uniform, truncated_normal = RandomNormal, RandomUniform, TruncatedNormal
variance_scaling, orthogonal = VarianceScaling, Orthogonal
glorot_uniform, glorot_normal = GlorotUniform, GlorotNormal
he_uniform, he_normal = HeUniform, HeNormal
lecun_uniform, lecun_normal = LecunUniform, LecunNormal
IdentityInitializer, OrthogonalInitializer = Identity, Orthogonal

TABLE = registry.names(
    Zeros,
    Ones,
    Constant,
    Identity,
    RandomNormal,
    RandomUniform,
    TruncatedNormal,
    VarianceScaling,
    GlorotUniform,
    GlorotNormal,
    HeUniform,
    HeNormal,
    LecunUniform,
    LecunNormal,
    Orthogonal,
    zero=Zeros,
    one=Ones,
    normal=RandomNormal,
    uniform=RandomUniform,
    IdentityInitializer=Identity,
    OrthogonalInitializer=Orthogonal,
)


def get(identifier: Any) -> Any:
    """An initializer from a name, a class, a config, an array (its values) or any callable."""
    if isinstance(identifier, np.ndarray | np.generic):
        return _copies_of(identifier)
    if callable(identifier) and not isinstance(identifier, type):
        return identifier
    return registry.lookup("Initializer", identifier, TABLE, Initializer)


def _copies_of(values: Any) -> Callable[..., Array]:
    """An initializer that gives these values, and takes their shape only."""

    def initialize(shape: Shape, dtype: str | None = None) -> Array:
        if tuple(shape) != values.shape:
            hint = f"Expected `shape` to be {values.shape}, the shape of the given array."
            raise ValueError(expected("Initializer", str(values.shape), str(tuple(shape)), hint))
        return np.array(values, standardize_dtype(dtype))

    return initialize


def deserialize(config: dict[str, Any]) -> Any:
    """The initializer that `serialize` described."""
    return registry.deserialize("Initializer", config, TABLE)


def __getattr__(name: str) -> Any:
    raise AttributeError(unknown("scratchnet.initializers", name, __all__))

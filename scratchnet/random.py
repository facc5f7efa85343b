"""Random numbers: the very ones that Keras on TensorFlow draws from the same seed.

A stream is a function: seed pair (seed, counter) and index go in, one number comes out. Nothing is
carried from one number to the next (Philox, engines/loops/random.py); what has a state is only
the choice of the seed pairs (utils/random_seed.py).

Uniform numbers, dropout masks and orders equal those of TensorFlow 2.21 on the CPU bit for bit.
Normal numbers pass through a logarithm, a sine and a cosine, in whose last bit C libraries differ.
Against glibc's: in float64 no difference was found; in float32 about 1 number in 70 is another one,
by at most two units in the last place but for a few in a million (up to five).
"""

import math
from collections.abc import Sequence
from functools import lru_cache
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from scratchnet.config import standardize_dtype
from scratchnet.engines import ops
from scratchnet.engines.vectorized.random import fractions, philox, stream_of
from scratchnet.errors import expected, unknown
from scratchnet.utils.random_seed import (
    Seed,
    SeedGenerator,
    SeedPair,
    draw_seed,
    global_seed,
    seed_pair,
    set_random_seed,
)
from scratchnet.utils.rounding import through_float32

__all__ = [
    "SeedGenerator",
    "batch_permutation",
    "draw_seed",
    "dropout_mask",
    "global_seed",
    "normal",
    "permutation",
    "set_random_seed",
    "truncated_normal",
    "uniform",
]

Array: TypeAlias = NDArray[Any]
Shape: TypeAlias = Sequence[int]

# a float in [0, 1) is k / 2**bits: float32 takes 23 bits of one word, float64 20 + 32 bits of two
BITS = {"float32": 23, "float64": 52}
PER_BLOCK = {"float32": 4, "float64": 2}  # a Philox block is four words


def _size(shape: Shape) -> int:
    """How many numbers an array of this shape holds."""
    if not isinstance(shape, (tuple, list)) or not all(
        isinstance(n, (int, np.integer)) and n >= 0 for n in shape
    ):
        wanted = "shape to be a tuple of sizes, each 0 or more"
        raise ValueError(expected("random stream", wanted, repr(shape)))
    return math.prod(int(n) for n in shape)


def _unit(stream: tuple[int, ...], index: NDArray[np.uint64], kind: Any) -> Array:
    """The uniform numbers in [0, 1) of these blocks: (B, 4) float32 or (B, 2) float64."""
    bits = BITS[kind.__name__]
    # k < 2**bits and 2**-bits are exact in this type, and so is their product
    u = fractions(philox(stream, index), bits).astype(kind) * kind(0.5**bits)
    return u.reshape(index.size, PER_BLOCK[kind.__name__])


def _blocks(size: int, kind: Any) -> NDArray[np.uint64]:
    """The indices of the blocks that hold the first `size` numbers."""
    return np.arange(-(-size // PER_BLOCK[kind.__name__]), dtype=np.uint64)


def _bound(value: float, kind: Any) -> Any:
    """A bound of a uniform stream in this float type; ints and NumPy numbers are not rounded."""
    return kind(through_float32(value) if type(value) is float else value)


def _box_muller(u: Array) -> Array:
    """Two normal numbers of each two uniform ones: r sin(a), r cos(a).

    r = sqrt(-2 log u0)    a = 2 pi u1
    shapes    u and the result (B, M), M even: neighbours make a pair
    source    Box and Muller, A note on the generation of random normal deviates (1958)
    """
    kind = u.dtype.type
    u0 = np.maximum(u[:, 0::2], kind(1e-7))  # keeps log(0) away, as TensorFlow does in both types
    # logarithm, sine and cosine are evaluated in float64 and rounded once
    r = np.sqrt(kind(-2) * np.log(u0, dtype=np.float64).astype(kind))
    a = (2 * math.pi * u[:, 1::2].astype(np.float64)).astype(kind).astype(np.float64)
    z = np.empty_like(u)
    z[:, 0::2] = np.sin(a).astype(kind) * r
    z[:, 1::2] = np.cos(a).astype(kind) * r
    return z


def uniform(
    shape: Shape,
    minval: float = 0.0,
    maxval: float = 1.0,
    dtype: str | None = None,
    seed: Seed = None,
) -> Array:
    """Numbers spread evenly over [minval, maxval)."""
    kind, size = np.dtype(standardize_dtype(dtype)).type, _size(shape)
    low, high = _bound(minval, kind), _bound(maxval, kind)
    u = _unit(stream_of(*seed_pair(seed)), _blocks(size, kind), kind).ravel()[:size]
    return (u * (high - low) + low).reshape(shape)


def normal(
    shape: Shape,
    mean: float = 0.0,
    stddev: float = 1.0,
    dtype: str | None = None,
    seed: Seed = None,
) -> Array:
    """Numbers of the normal distribution with this mean and standard deviation."""
    kind, size = np.dtype(standardize_dtype(dtype)).type, _size(shape)
    u = _unit(stream_of(*seed_pair(seed)), _blocks(size, kind), kind)
    return (_box_muller(u).ravel()[:size] * kind(stddev) + kind(mean)).reshape(shape)


def truncated_normal(
    shape: Shape,
    mean: float = 0.0,
    stddev: float = 1.0,
    dtype: str | None = None,
    seed: Seed = None,
) -> Array:
    """Normal numbers, those more than two standard deviations from the mean drawn again.

    As many outputs as a block has numbers form a group, and each group owns a run of blocks: it
    takes the numbers that are near enough, in order, until it is full.
    """
    kind, size = np.dtype(standardize_dtype(dtype)).type, _size(shape)
    stream, per_group = stream_of(*seed_pair(seed)), PER_BLOCK[kind.__name__]
    unfilled = _blocks(size, kind)  # the groups that still want numbers
    z = np.empty((unfilled.size, per_group), kind)
    filled = np.zeros(unfilled.size, np.intp)
    attempt = 0
    while unfilled.size:
        index = unfilled * np.uint64(64 * per_group) + np.uint64(attempt)
        for column in _box_muller(_unit(stream, index, kind)).T:
            take = (np.abs(column) < 2) & (filled[unfilled] < per_group)
            group = unfilled[take]
            z[group, filled[group]] = column[take]
            filled[group] += 1
        unfilled = unfilled[filled[unfilled] < per_group]
        attempt += 1
    return (z.ravel()[:size] * kind(stddev) + kind(mean)).reshape(shape)


def dropout_mask(
    shape: Shape, pair: SeedPair, rate: float, dtype: str | None = None
) -> NDArray[np.uint8]:
    """1 where Dropout keeps an element, 0 where it drops it, made by the engine in use.

    keep = u >= rate, with u the uniform stream of this pair in this float type. A smaller batch
    takes the first part of the same stream.
    """
    bits, threshold = _threshold(rate, standardize_dtype(dtype))
    mask = np.empty(_size(shape), np.uint8)
    ops.dropout_mask(*seed_pair(pair), bits, threshold, mask)
    return mask.reshape(shape)


@lru_cache(maxsize=64)
def _threshold(rate: float, dtype: str) -> tuple[int, int]:
    """bits and threshold of ops.dropout_mask for this rate in this float type."""
    if not 0 <= rate <= 1:
        raise ValueError(expected("dropout_mask", "rate between 0 and 1", repr(rate)))
    bits = BITS[dtype]
    # k / 2**bits >= rate (rounded to the float type) is k >= the integer next above: both are exact
    return bits, math.ceil(float(np.dtype(dtype).type(rate)) * 2**bits)


def _shuffled(n: int, seed: int, skip: int) -> NDArray[np.int64]:
    """0 ... n-1 as tf.random.shuffle orders them, `skip` blocks into the stream of this seed."""
    return _known_order(n, seed, skip).copy()


@lru_cache(maxsize=4)  # each `fit` from one seed takes the same order
def _known_order(n: int, seed: int, skip: int) -> NDArray[np.int64]:
    """The same, not to be written to.

    source    Fisher and Yates: position i changes places with a position j >= i that is drawn
    """
    seed %= 2**31 - 1
    stream = (seed, 0, 0 if seed else 2**31 - 1, 0)  # TensorFlow does not take the pair (0, 0)
    blocks = np.arange(skip, skip + _blocks_of_shuffle(n), dtype=np.uint64)
    words = philox(stream, blocks).T.ravel()[: max(n - 1, 0)]
    steps = words % np.arange(n, 1, -1, dtype=np.uint32)
    order = list(range(n))
    for i, step in enumerate(steps.tolist()):
        order[i], order[i + step] = order[i + step], order[i]
    return np.array(order, np.int64)


def _blocks_of_shuffle(n: int) -> int:
    """The blocks that positions 0 ... n-2 use up, a word each."""
    return -(-max(n - 1, 0) // 4)


def permutation(n: int, epoch: int = 0) -> NDArray[np.int64]:
    """The order of n samples in `fit`.

    After `set_random_seed`: epoch 0 is the order that Keras takes in *every* epoch (it starts the
    stream anew each time); epoch e continues the stream, for an order of its own. With no seed set:
    a fresh order at each call.
    """
    seed = global_seed()
    if seed is None:
        return np.random.default_rng().permutation(n)
    return _shuffled(n, seed, epoch * _blocks_of_shuffle(n))


def batch_permutation(n: int, batch_size: int) -> NDArray[np.int64]:
    """The order for `shuffle="batch"`: batches stay in their places, each is shuffled inside."""
    seed, rng = global_seed(), np.random.default_rng()
    order, skip = np.empty(n, np.int64), 0
    for start in range(0, n, batch_size):
        m = min(batch_size, n - start)
        inside = rng.permutation(m) if seed is None else _shuffled(m, seed, skip)
        order[start : start + m] = start + inside
        skip += _blocks_of_shuffle(m)
    return order


def __getattr__(name: str) -> Any:
    raise AttributeError(unknown("scratchnet.random", name, __all__))

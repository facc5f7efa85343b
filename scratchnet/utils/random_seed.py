"""Which seed a random thing gets: the only part of the randomness that has a state.

`set_random_seed(s)` seeds Python's own `random`. Every layer or initializer that is given no seed
draws one from it when it is constructed: the order of construction decides all weights and masks.
A `SeedGenerator` counts how often its seed was used: a Dropout layer holds one and takes the pairs
(seed, 0), (seed, 1) ... one for each training step. (Keras 3.15: utils/rng_utils.py and
random/seed_generator.py.)
"""

import random
from typing import Any, TypeAlias

import numpy as np

from scratchnet.errors import expected
from scratchnet.utils.naming import auto_name

__all__ = ["Seed", "SeedGenerator", "SeedPair", "draw_seed", "global_seed", "set_random_seed"]

SeedPair: TypeAlias = tuple[int, int]
Seed: TypeAlias = "int | SeedPair | SeedGenerator | None"

_global_seed: int | None = None
_global_generator: "SeedGenerator | None" = None  # for streams that are asked for with seed=None


def check_seed(owner: str, seed: object, low: int = -(2**63), high: int = 2**63) -> int:
    """The seed itself, if it is a Python int with low <= seed < high (Keras holds int64)."""
    if not isinstance(seed, int) or isinstance(seed, bool):
        # the hint opens with Keras's own words, for code that looks for them
        hint = "Argument `seed` must be an integer; write int(seed) for a NumPy number."
        raise ValueError(expected(owner, "seed to be a Python int", repr(seed), hint))
    if not low <= seed < high:
        between = f"seed between {low} and {high - 1}"
        raise ValueError(expected(owner, between, repr(seed), f"Use seed % {high}."))
    return seed


def set_random_seed(seed: int) -> None:
    """Make what follows repeatable: seeds drawn, the order in `fit`, NumPy's old generator."""
    global _global_seed, _global_generator
    _global_seed = check_seed("set_random_seed", seed, low=0, high=2**32)
    _global_generator = None
    random.seed(seed)
    np.random.seed(seed)  # noqa: NPY002  unused here, but scripts rely on Keras doing this


def global_seed() -> int | None:
    """What `set_random_seed` was last given; None if it was never called."""
    return _global_seed


def draw_seed() -> int:
    """A seed for a thing that was given none: one draw from Python's `random`, as in Keras."""
    return random.randint(1, 10**9)


class SeedGenerator:
    """A seed and a count of how often it was used.

    state    (seed, counter), what `next` returns; assign it to resume a stream where it was left
    """

    def __init__(self, seed: int | None = None, name: str | None = None) -> None:
        self.name = auto_name(type(self).__name__) if name is None else name
        self._initial_seed = seed
        if seed is None:
            seed = draw_seed()
        self.state: SeedPair = (check_seed(f"SeedGenerator {self.name!r}", seed), 0)

    def next(self, ordered: bool = True) -> SeedPair:
        """The pair to use now; after it (seed, counter + 1), or both scrambled if not `ordered`."""
        seed, counter = self.state
        if ordered:
            self.state = (seed, counter + 1)
        else:
            self.state = ((seed + 1) * 5387 % 933199, (counter + 1) * 5387 % 933199)
        return seed, counter

    def get_config(self) -> dict[str, Any]:
        """The seed as it was given (None if it was drawn) and the name."""
        return {"seed": self._initial_seed, "name": self.name}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "SeedGenerator":
        """The generator that `get_config` described, counting from 0 again."""
        return cls(**config)


def seed_pair(seed: Seed) -> SeedPair:
    """The pair a stream is made from, both numbers 0 ... 2**31 - 3.

    An int s means (s, 0); a SeedGenerator gives its next pair; None asks the global generator.
    """
    global _global_generator
    if seed is None:
        if _global_generator is None:
            _global_generator = SeedGenerator()
        pair = _global_generator.next(ordered=False)
    elif isinstance(seed, SeedGenerator):
        pair = seed.next()
    elif isinstance(seed, tuple) and len(seed) == 2:
        pair = (check_seed("seed pair", seed[0]), check_seed("seed pair", seed[1]))
    elif isinstance(seed, int):
        pair = (check_seed("random stream", seed), 0)
    else:
        # the hint is Keras's own sentence, for code that looks for it
        hint = "Argument `seed` must be either an integer or an instance of `SeedGenerator`."
        wanted = "seed to be an int, a SeedGenerator, a pair (seed, counter) or None"
        raise ValueError(expected("random stream", wanted, repr(seed), hint))
    # Keras's _cast_seed: int64 becomes int32 by the remainder of the largest int32 less one
    return pair[0] % (2**31 - 2), pair[1] % (2**31 - 2)

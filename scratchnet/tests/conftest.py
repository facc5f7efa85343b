"""What holds for every test: arithmetic that goes wrong raises, and no setting outlives a test."""

import random

import numpy as np
import pytest

from scratchnet import config, engines
from scratchnet.utils import naming, random_seed


@pytest.fixture(autouse=True)
def arithmetic_raises():
    """Overflow, division by zero and NaN are errors; a number too small to hold is 0."""
    with np.errstate(all="raise", under="ignore"):
        yield


@pytest.fixture(autouse=True)
def settings_are_restored():
    """Float type, epsilon, engine, names and seeds after a test are those before it.

    What asks for no seed draws it from `random`, which starts every test alike: else a test may
    fail in a rare run, where a sum happens to come out next to zero.
    """
    kept = config.floatx(), config.epsilon(), engines._default[0]
    names = naming._given.copy()
    seeds = random_seed._global_seed, random_seed._global_generator
    states = random.getstate(), np.random.get_state()  # noqa: NPY002
    random.seed(1)
    yield
    config.set_floatx(kept[0])
    config.set_epsilon(kept[1])
    engines._default[0] = kept[2]
    naming._given.clear()
    naming._given.update(names)
    random_seed._global_seed, random_seed._global_generator = seeds
    random.setstate(states[0])
    np.random.set_state(states[1])  # noqa: NPY002


# engine "fused" and its parts cannot run as plain Python
collect_ignore_glob = [] if engines.JIT else ["test_fused_*.py"]


@pytest.fixture
def rng():
    """A seeded source of test data."""
    return np.random.default_rng(1)


@pytest.fixture(params=engines.RUNNABLE)
def each_engine(request):
    """Runs the test once with every engine."""
    with engines.engine(request.param):
        yield request.param

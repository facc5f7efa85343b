"""The engines: the same operations, written several times, and the one place that chooses.

An engine knows arrays, not layers. It is a module (or package) that offers the functions of the
contract below, with the same names and signatures as every other engine:

- inputs first, sizes and hyperparameters next, outputs last; every output is overwritten, nothing
  else is touched (an optimizer's parameter and slots are both input and output: they come first
  and are updated in place);
- at most eight arguments; arrays are C-contiguous and of one float type; the caller allocates;
- a sum is kept in float64 whatever the arrays hold, and rounded once, when it is stored; `fused`
  alone keeps most sums of float32 numbers in float32, in pieces.

`loops` is the definition: the textbook loop nests, run by Python.
`numpy` is the vectorised reference.
`numba` is the functions of `loops`, compiled and threaded.
`fused` does what it can for several layers at once, through a register tile: the default. It offers
`plan(model)` besides, which says who does the steps of a model, and `all_finite(x)`.

Choose with `scratchnet.set_engine(name)`, `with scratchnet.engine(name):` or the variable
SCRATCHNET_ENGINE, which is read once. Everything else calls `ops.<function>(...)` and never asks
which engine is running.
"""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import lru_cache
from importlib import import_module
from types import ModuleType
from typing import Any

from scratchnet.errors import unknown

__all__ = ["ENGINES", "engine", "get_engine", "load", "ops", "set_engine"]

ENGINES = {
    "loops": "scratchnet.engines.loops",
    "numpy": "scratchnet.engines.vectorized",
    "numba": "scratchnet.engines.compiled",
    "fused": "scratchnet.engines.fused",
}
# "fused" writes its own vector instructions and cannot run as plain Python
JIT = os.environ.get("NUMBA_DISABLE_JIT", "0") in ("", "0")
RUNNABLE = [name for name in ENGINES if JIT or name != "fused"]
DEFAULT = RUNNABLE[-1]

# what set_engine said, or the environment; None until somebody says something, or asks
_default: list[str | None] = [None]
_scoped: ContextVar[str | None] = ContextVar("engine", default=None)


def _known(name: str) -> str:
    if not isinstance(name, str) or name not in ENGINES:
        raise ValueError(unknown("Engine", name, ENGINES))
    return name


def get_engine() -> str:
    """The engine in use: by the innermost `with engine(...)`, set_engine or the environment."""
    name = _scoped.get() or _default[0]
    if name is None:
        name = _default[0] = _known(os.environ.get("SCRATCHNET_ENGINE") or DEFAULT)
    return name


def set_engine(name: str) -> None:
    """Compute everything from now on with this engine: "loops", "numpy", "numba" or "fused"."""
    _default[0] = _known(name)


@contextmanager
def engine(name: str) -> Iterator[None]:
    """Compute what is inside the `with` block with this engine."""
    token = _scoped.set(_known(name))
    try:
        yield
    finally:
        _scoped.reset(token)


@lru_cache(maxsize=len(ENGINES))
def load(name: str) -> ModuleType:
    """The module of an engine, imported on first use: Numba only where somebody needs it."""
    return import_module(ENGINES[_known(name)])


class _Operations:
    """`ops.conv2d_forward(...)` is the function of that name in the engine in use."""

    def __getattr__(self, name: str) -> Callable[..., Any]:
        return getattr(load(get_engine()), name)  # type: ignore[no-any-return]


ops = _Operations()

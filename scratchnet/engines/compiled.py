"""Engine "numba": the functions of `loops`, compiled. There is one source for both.

Each function of `loops` is copied with two names changed: `prange`, which is plain `range` there,
becomes Numba's threaded one, and calls from one function to another reach the compiled versions.
"""

import os
from types import FunctionType, ModuleType
from typing import Any

# A thread of GNU OpenMP that waits for the others spins, by default for milliseconds. On a machine
# that is busy with something else it takes the core from the thread it waits for: a region of 30
# microseconds then takes 8 milliseconds. It reads this when it is loaded, so before Numba.
os.environ.setdefault("GOMP_SPINCOUNT", "1000")

from scratchnet.engines import loops, threads

threads.prepare_numba()

import numba  # noqa: E402

threads.tell_numba()

__all__ = list(loops.__all__)


def _compile(module: ModuleType) -> dict[str, Any]:
    """Compile every function of a module; the machine code is kept on disk."""
    namespace = dict(vars(module), prange=numba.prange)
    for name, function in vars(module).items():
        if not isinstance(function, FunctionType) or function.__module__ != module.__name__:
            continue
        copy = FunctionType(function.__code__, namespace, name, function.__defaults__)
        copy.__module__, copy.__doc__ = function.__module__, function.__doc__
        # boundscheck and fastmath stay off: sums keep their order, NaN and infinity their meaning
        namespace[name] = numba.njit(
            copy,
            parallel="prange" in function.__code__.co_names,
            cache=True,
            nogil=True,
            error_model="numpy",
        )
    return namespace


HELPERS: dict[str, Any] = {}  # everything compiled, also what the contract does not have

for _module in loops.MODULES:
    HELPERS.update(_compile(_module))
globals().update({name: HELPERS[name] for name in __all__})

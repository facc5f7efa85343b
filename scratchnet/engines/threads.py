"""How many threads compute: `set_num_threads`, or the variable SCRATCHNET_NUM_THREADS.

The number changes the time, never a bit of the result. It is that of ScratchNet's own work;
NumPy's products, where you call them yourself, have threads of their own.
"""

import os
import sys

from scratchnet.errors import expected
from scratchnet.utils.options import is_int

__all__ = ["get_num_threads", "prepare_numba", "set_num_threads", "tell_numba"]

VARIABLE = "SCRATCHNET_NUM_THREADS"
_chosen: list[int] = []  # empty until somebody says something


def _check(owner: str, value: int) -> int:
    if value < 1:
        raise ValueError(expected(owner, "at least 1 thread", str(value)))
    return value


def set_num_threads(n: int) -> None:
    """Compute with n threads from now on."""
    if not is_int(n):
        raise TypeError(expected("set_num_threads", "n as an int", repr(n)))
    _chosen[:] = [_check("set_num_threads", int(n))]
    if "numba" in sys.modules:
        tell_numba()


def get_num_threads() -> int:
    """How many threads compute: as set, or as the variable says, or one for each core."""
    if not _chosen:
        _chosen.append(_from_environment() or _cores())
    return _chosen[0]


def _from_environment() -> int | None:
    value = os.environ.get(VARIABLE, "")
    if not value:
        return None
    if not value.isdecimal():
        raise ValueError(expected(VARIABLE, "a number of threads", repr(value)))
    return _check(VARIABLE, int(value))


def _cores() -> int:
    """The cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def prepare_numba() -> None:
    """Before Numba is imported: let it have as many threads as are asked for.

    It never starts more than it was told at its import. Asked for more later, the work is cut for
    that many all the same, and those that there are take turns at it.
    """
    if "numba" not in sys.modules and get_num_threads() > _cores():
        os.environ.setdefault("NUMBA_NUM_THREADS", str(get_num_threads()))


def tell_numba() -> None:
    """Let Numba's loops in this thread use so many threads, as far as it has them."""
    import numba

    most: int = numba.config.NUMBA_NUM_THREADS  # type: ignore[attr-defined]
    numba.set_num_threads(min(get_num_threads(), most))

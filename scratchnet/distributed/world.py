"""The ranks: who they are, and what they tell each other.

Nothing here imports mpi4py before `start` is called, and without it every function says what holds
for a process that is alone. Only arrays travel: no object is ever unpacked.
"""

import atexit
import os
import sys
import time
from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from scratchnet.engines import threads
from scratchnet.errors import expected

__all__ = [
    "World",
    "any_rank",
    "counted_on",
    "current",
    "leads",
    "of_first",
    "rank",
    "size",
    "start",
]

# what the two families of mpiexec tell a process
SIZE_VARIABLES = ("PMI_SIZE", "OMPI_COMM_WORLD_SIZE")
GRACE = 1.0  # seconds
PATIENCE = 5.0  # seconds that a rank which broke off its training waits for the others to follow

Function = TypeVar("Function", bound=Callable[..., Any])

_world: "World | None" = None


class World:
    """All ranks, as one of them sees it.

    rank, size    this process's number, from 0, and how many there are
    comm          mpi4py's communicator of all of them
    training      whether `fit` is at work, or was left by an error: the others may wait there
    """

    def __init__(self, mpi: Any) -> None:
        self.mpi, self.comm = mpi, mpi.COMM_WORLD
        self.rank, self.size = int(self.comm.rank), int(self.comm.size)
        self.training = False
        self._flags = np.zeros(2, np.int32)
        if self.size > 1:
            self._hook = sys.excepthook
            sys.excepthook = self._broken
            atexit.register(self._leave)

    def add(self, mine: NDArray[Any], total: NDArray[Any]) -> None:
        """The sum of all ranks' `mine`, the same bits on each; `total` is other memory."""
        self.comm.Allreduce(mine, total)

    def any(self, flag: bool) -> bool:
        """Whether some rank says yes."""
        self._flags[0] = flag
        self.comm.Allreduce(self._flags[:1], self._flags[1:], self.mpi.MAX)
        return bool(self._flags[1])

    def gather(self, mine: NDArray[Any]) -> NDArray[Any]:
        """The arrays of all ranks, all of one shape: (size, ...)."""
        everybody = np.empty((self.size, *mine.shape), mine.dtype)
        self.comm.Allgather(mine, everybody)
        return everybody

    def copy_first(self, array: NDArray[Any]) -> None:
        """Overwrite the array with that of rank 0, whose shape and dtype are the same."""
        mine = np.ascontiguousarray(array)
        self.comm.Bcast(mine, 0)
        array[...] = mine

    def share_cores(self) -> None:
        """One thread for each core that is this rank's; those that several ranks may use count as
        a part of one. What SCRATCHNET_NUM_THREADS or set_num_threads says goes before."""
        if os.environ.get(threads.VARIABLE) or threads._chosen not in ([], [threads._cores()]):
            return
        count = os.cpu_count() or 1
        mine = np.zeros(count, np.int32)
        usable = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else range(count)
        mine[[core for core in usable if core < count]] = 1
        neighbours = self.comm.Split_type(self.mpi.COMM_TYPE_SHARED)
        users = np.zeros_like(mine)
        neighbours.Allreduce(mine, users)
        neighbours.Free()
        n = max(1, int((mine / np.maximum(users, 1)).sum() + 1e-9))
        threads.set_num_threads(n)
        from threadpoolctl import threadpool_limits

        threadpool_limits(n, "blas")  # NumPy's products, or p ranks have p threads for each core

    # ------------------------------------------------------------------ the end

    def _broken(self, kind: Any, error: Any, trace: Any) -> None:
        """What happens to an error that nobody caught: else the others would wait for ever."""
        self._hook(kind, error, trace)
        self.abort(f"{kind.__name__}", 130 if kind is KeyboardInterrupt else 1)

    def _leave(self) -> None:
        """At the end of the program: where `fit` was left by an error, the others may be in it."""
        if not self.training:
            return
        waiting, end = self.comm.Ibarrier(), time.monotonic() + PATIENCE
        while not waiting.Test():
            if time.monotonic() > end:
                self.abort("the program ended within fit", 1)
            time.sleep(0.01)

    def abort(self, reason: str, code: int) -> None:
        """End the processes of all ranks."""
        sys.stdout.flush()
        text = f"Rank {self.rank} of {self.size}: {reason}. The other ranks are stopped."
        print(text, file=sys.stderr, flush=True)
        time.sleep(GRACE)  # mpiexec throws away what it has not read yet when it ends the others
        self.comm.Abort(code)


def start() -> World:
    """Join the ranks that `mpiexec` started; from now on `fit` trains on all of them together.

    Without `mpiexec` this is a world of one rank. A second call changes nothing.
    """
    global _world
    if _world is None:
        mpi = _mpi()
        _check_size(mpi.COMM_WORLD.size)
        _world = World(mpi)
        if _world.size > 1:
            _world.share_cores()
    return _world


def _mpi() -> Any:
    """mpi4py's MPI; what is missing is said."""
    try:
        from mpi4py import MPI
    except ImportError as error:
        wanted, hint = "the package mpi4py", "pip install 'scratchnet[mpi]'"
        raise ImportError(expected("distributed.start", wanted, "none", hint)) from error
    except RuntimeError as error:  # mpi4py is there, and finds no library
        wanted, hint = "an MPI library for mpi4py", "Install MPICH or Open MPI: pip install mpich"
        raise ImportError(expected("distributed.start", wanted, "none", hint)) from error
    return MPI


def _check_size(size: int) -> None:
    """Raise where each process takes itself for the only one, though mpiexec started several."""
    for name in SIZE_VARIABLES:
        started = os.environ.get(name, "")
        if started.isdecimal() and int(started) > 1 and size == 1:
            wanted = f"the {started} ranks that mpiexec started"
            hint = "mpiexec and mpi4py belong to different MPIs: use the mpiexec of mpi4py's."
            raise RuntimeError(expected("distributed.start", wanted, "a world of one", hint))


def current() -> World | None:
    """The ranks, where there is more than one."""
    return _world if _world is not None and _world.size > 1 else None


def rank() -> int:
    """The number of this process, from 0; 0 too where it is alone."""
    return 0 if _world is None else _world.rank


def size() -> int:
    """How many ranks there are; 1 without `start`."""
    return 1 if _world is None else _world.size


def leads() -> bool:
    """Whether this rank is the one that shows and writes."""
    return rank() == 0


def counted_on(function: Function) -> Function:
    """A function that all ranks do together: one that leaves it by an error must not just end."""

    @wraps(function)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        world = current()
        if world is None:
            return function(*args, **kwargs)
        world.training = True
        result = function(*args, **kwargs)
        world.training = False
        return result

    return wrapped  # type: ignore[return-value]


def any_rank(flag: bool) -> bool:
    """Whether some rank says yes: all must ask at the same point."""
    world = current()
    return flag if world is None else world.any(flag)


def of_first(array: NDArray[Any]) -> NDArray[Any]:
    """The array that rank 0 has: all must ask at the same point, with arrays of one shape."""
    world = current()
    if world is None:
        return array
    array = np.array(array)
    world.copy_first(array)
    return array

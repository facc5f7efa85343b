"""The roofline of this machine: how fast it can multiply and add, and how fast it can fetch.

A kernel cannot be faster than either allows. Which one holds it back depends on its intensity, the
operations that it does for each byte that it has to move:

      GFLOP/s
        peak |            ____________________     bounded by arithmetic
             |          /
             |        /     bandwidth * intensity: bounded by memory
             |      /
             +------------|-----------------------  operations a byte
                        ridge

Both are measured, not looked up. The peak is a loop of independent fused multiply-adds that stay
in registers; one of them counts as two operations. The bandwidth is that of a triad,
a[i] = b[i] + c[i] * s, over arrays of a size that fits a level of the memory; its three arrays
count once each, as in STREAM. What is given is the best of several tries: a peak is what nothing
disturbs. On a machine that is busy with something else the peak of all threads is too low; where
others share its cores the peak moves within minutes, so that a kernel is compared with tries in
turn with its own rounds (recorder.py).

source    Williams, Waterman and Patterson, "Roofline" (2009); McCalpin, STREAM
"""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numba
import numpy as np
from llvmlite import ir
from numba.core import types
from numba.extending import intrinsic

from scratchnet.engines.fused.tile import ROWS, VECTOR_BYTES, VECTORS, Vectors, pointer, simd
from scratchnet.engines.threads import get_num_threads
from scratchnet.utils.memory import aligned

__all__ = ["Ceiling", "Level", "Loops", "Roofline", "measure"]

CHAINS = ROWS * VECTORS  # sums that do not wait for each other: as many as the tile has
UNROLLED = 4  # vectors that one step of the triad does
TRIES = 8
# of one try, about: to wake the threads takes a tenth of a millisecond, which must not count
PEAK_SECONDS, TRIAD_SECONDS = 0.015, 0.01
MEMORY_BYTES = 64 << 20, 512 << 20  # of the three arrays, at least and at most
CACHES = Path("/sys/devices/system/cpu/cpu0/cache")


@dataclass(frozen=True)
class Level:
    """A level of the memory and the speed of a triad whose arrays lie there.

    nbytes    what it holds for all threads together; 0 for the main memory, which holds all
    """

    name: str
    nbytes: int
    gbytes_per_s: dict[str, float]  # "one": of one thread, "all": of all


@dataclass(frozen=True)
class Ceiling:
    """What no kernel of a size is faster than: operations and bytes a second of all threads.

    level    the memory whose bandwidth it is
    """

    level: str
    peak: float
    bandwidth: float


@dataclass(frozen=True)
class Roofline:
    """gflops    float type -> "one" thread, "all" threads -> 10^9 operations a second"""

    threads: int
    simd: str
    gflops: dict[str, dict[str, float]]
    levels: tuple[Level, ...]

    def level(self, nbytes: int) -> Level:
        """The nearest level that holds so much."""
        for level in self.levels:
            if nbytes <= level.nbytes:
                return level
        return self.levels[-1]

    def ceiling(self, nbytes: int) -> Ceiling:
        """As it was measured once, in float32, for arrays of so many bytes."""
        level = self.level(nbytes)
        peak, bandwidth = self.gflops["float32"]["all"], level.gbytes_per_s["all"]
        return Ceiling(level.name, peak * 1e9, bandwidth * 1e9)

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


class Loops:
    """The two loops, a try at a time; what they need is made once."""

    def __init__(self) -> None:
        self.threads = get_num_threads()
        self._pool = ThreadPoolExecutor(self.threads)
        self._made: dict[tuple[Any, ...], Callable[[], float]] = {}

    def peak(self, kind: str = "float32", threads: int | None = None) -> float:
        """Operations a second of so many threads (default: all)."""
        return self._try(_peak, kind, threads)

    def bandwidth(self, nbytes: int, threads: int | None = None) -> float:
        """Bytes a second of so many threads, each of which has arrays of nbytes together."""
        return self._try(_triad_speed, nbytes, threads)

    def ceiling(self, level: str) -> Ceiling:
        """One try of each, in float32."""
        (nbytes,) = [size for name, _, size in _levels(self.threads) if name == level]
        bandwidth = self.bandwidth(nbytes)  # first, as it takes the caches
        return Ceiling(level, self.peak(), bandwidth)

    def _try(self, loop: Callable[..., Callable[[], float]], what: Any, count: int | None) -> float:
        key = loop, what, count or self.threads
        if key not in self._made:
            self._made[key] = loop(self._pool, key[2], what)
        return self._made[key]()


def measure(loops: Loops) -> Roofline:
    """Measure everything; some three seconds, a third of it for compiling."""

    def one_and_all(loop: Callable[[Any, int], float], what: Any) -> dict[str, float]:
        counts = {"one": 1, "all": loops.threads}
        return {
            name: max(loop(what, count) for _ in range(TRIES)) / 1e9
            for name, count in counts.items()
        }

    return Roofline(
        loops.threads,
        simd(),
        {kind: one_and_all(loops.peak, kind) for kind in ("float32", "float64")},
        tuple(
            Level(name, holds, one_and_all(loops.bandwidth, size))
            for name, holds, size in _levels(loops.threads)
        ),
    )


# ------------------------------------------------------------------ arithmetic


@intrinsic
def _multiply_adds(typingctx: Any, x: Any, steps: Any) -> Any:
    """CHAINS sums grow by x[0] * x[1], in all lanes, `steps` times; then they are written to x."""

    def emit(context: Any, b: ir.IRBuilder, signature: Any, arguments: Any) -> Any:
        data = pointer(context, b, signature, arguments, 0)
        lanes = Vectors(b, data.type.pointee, VECTOR_BYTES)
        last = arguments[1]
        zero, one = ir.Constant(last.type, 0), ir.Constant(last.type, 1)
        factors = [lanes.repeat(b.load(b.gep(data, [i]))) for i in (zero, one)]
        starts = [lanes.load(data, i) for i in range(CHAINS)]
        before = b.basic_block
        step, after = b.append_basic_block("step"), b.append_basic_block("after")
        b.branch(step)
        b.position_at_end(step)
        j = b.phi(last.type)
        sums = [b.phi(lanes.type) for _ in starts]
        grown = [b.call(lanes.fma, [*factors, s]) for s in sums]
        following = b.add(j, one)
        j.add_incoming(zero, before)
        j.add_incoming(following, step)
        for sum_, start, new in zip(sums, starts, grown, strict=True):
            sum_.add_incoming(start, before)
            sum_.add_incoming(new, step)
        b.cbranch(b.icmp_signed("<", following, last), step, after)
        b.position_at_end(after)
        for i, new in enumerate(grown):
            lanes.store(new, data, i)
        return context.get_dummy_value()

    return types.void(x, types.intp), emit


@numba.njit(nogil=True)
def _grow(x, steps):
    _multiply_adds(x, steps)


def _peak(pool: ThreadPoolExecutor, threads: int, kind: str) -> Callable[[], float]:
    """Tries: operations a second of so many threads."""
    lanes = VECTOR_BYTES // np.dtype(kind).itemsize
    rooms = [_ones(CHAINS * lanes, kind) for _ in range(threads)]

    def once(steps: int) -> float:
        for room in rooms:
            room[:] = 1
            room[1] = 1e-9  # a product that changes no sum much, and is no denormal number
        return _together(pool, [lambda room=room: _grow(room, steps) for room in rooms])

    steps = _long_enough(once, PEAK_SECONDS)
    return lambda: 2.0 * threads * steps * CHAINS * lanes / once(steps)


# ------------------------------------------------------------------ memory


@intrinsic
def _triad(typingctx: Any, a: Any, b_: Any, c: Any, n: Any) -> Any:
    """a[i] = b[i] + c[i] * a[0] for i < n, whole steps of UNROLLED vectors."""

    def emit(context: Any, b: ir.IRBuilder, signature: Any, arguments: Any) -> Any:
        arrays = [pointer(context, b, signature, arguments, array) for array in range(3)]
        lanes = Vectors(b, arrays[0].type.pointee, VECTOR_BYTES)
        last = arguments[3]
        zero = ir.Constant(last.type, 0)
        scale = lanes.repeat(b.load(arrays[0]))
        before = b.basic_block
        step, after = b.append_basic_block("step"), b.append_basic_block("after")
        b.branch(step)
        b.position_at_end(step)
        i = b.phi(last.type)
        out, first, second = (b.gep(array, [i]) for array in arrays)
        for v in range(UNROLLED):
            new = b.call(lanes.fma, [lanes.load(second, v), scale, lanes.load(first, v)])
            lanes.store(new, out, v)
        following = b.add(i, ir.Constant(last.type, UNROLLED * lanes.lanes))
        i.add_incoming(zero, before)
        i.add_incoming(following, step)
        b.cbranch(b.icmp_signed("<", following, last), step, after)
        b.position_at_end(after)
        return context.get_dummy_value()

    return types.void(a, b_, c, types.intp), emit


@numba.njit(nogil=True)
def _triads(a, b, c, times):
    for _ in range(times):
        _triad(a, b, c, a.size)


def _triad_speed(pool: ThreadPoolExecutor, threads: int, nbytes: int) -> Callable[[], float]:
    """Tries: bytes a second of so many threads, each of which has arrays of nbytes together."""
    step = UNROLLED * VECTOR_BYTES
    size = max(nbytes // 3 // step, 1) * step // 4
    arrays = [[_ones(size, "float32") for _ in range(3)] for _ in range(threads)]

    def once(times: int) -> float:
        return _together(pool, [lambda mine=mine: _triads(*mine, times) for mine in arrays])

    times = _long_enough(once, TRIAD_SECONDS)
    return lambda: threads * times * 3.0 * size * 4 / once(times)


def _levels(threads: int) -> list[tuple[str, int, int]]:
    """(name, bytes that it holds for all threads, bytes of one thread's triad) of each level."""
    caches = _caches()
    levels = []
    l2, l3 = caches.get(2, 512 << 10), caches.get(3, 0)
    levels.append(("L2", l2 * threads, l2 // 2))
    if l3 > 2 * l2 * threads:
        levels.append(("L3", l3, l3 // 2 // threads))
    least, most = MEMORY_BYTES
    levels.append(("memory", 0, min(max(4 * l3, least), most) // threads))
    return levels


def _caches() -> dict[int, int]:
    """Bytes of the caches of a core by level, where the system tells: those of data."""
    found = {}
    for folder in CACHES.glob("index*"):
        try:
            kind, level, size = (
                (folder / name).read_text().strip() for name in ("type", "level", "size")
            )
        except OSError:
            continue
        unit = {"K": 1 << 10, "M": 1 << 20}.get(size[-1:])
        if kind != "Instruction" and unit:
            found[int(level)] = int(size[:-1]) * unit
    return found


# ------------------------------------------------------------------ both


def _ones(size: int, kind: str) -> Any:
    """Ones, from the beginning of a cache line on."""
    ones = aligned(size, kind)
    ones[:] = 1
    return ones


def _together(pool: ThreadPoolExecutor, works: list[Callable[[], None]]) -> float:
    """Seconds until all have done their work, each in a thread of its own."""
    start = time.perf_counter()
    for future in [pool.submit(work) for work in works]:
        future.result()
    return time.perf_counter() - start


def _long_enough(once: Callable[[int], float], seconds: float) -> int:
    """How often something is to be repeated so that it takes about so long."""
    once(1)  # compiles
    times = 1
    while (took := once(times)) < seconds / 4:
        times *= 4
    return max(1, round(times * seconds / took))

"""What a benchmark does: agree, compile, time, and write down what the seconds amount to."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from numpy.typing import NDArray

if TYPE_CHECKING:  # collecting imports neither Numba nor an engine
    from benchmarks.roofline import Roofline

__all__ = ["Recorder", "Row", "Work", "assert_same", "engines", "told"]

SECONDS = 0.2  # that a case is timed for, about
ROUND = 0.005  # seconds of a round, at least: below, several calls make one
MOST_ROUNDS, LEAST_ROUNDS = 25, 3
REST = 0.03  # seconds before a case: threads of the case before it may still spin
# The yardstick for float32 is the largest number of a result. Sums of up to 90,000 products are
# rounded differently by different engines: relative to it about 1e-6.
TOLERANCE = 2e-5
FRACTIONS = "fraction_of_peak_arithmetic", "fraction_of_peak_bandwidth"


class _Told:
    """A clock that only moves when it is told to.

    For times that somebody else took, in a process of its own, or that are scaled up from a part
    of the work: pytest-benchmark's tables then show the seconds that are meant.
    """

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now

    def __repr__(self) -> str:
        return "seconds as told"

    def tell(self, seconds: float) -> None:
        self.now += seconds


told = _Told()


def engines(*names: str) -> list[Any]:
    """Parameters for these engines; `loops` is timed on a part of the work and scaled."""
    scaled = pytest.mark.benchmark(timer=told)
    return [pytest.param(name, marks=scaled if name == "loops" else ()) for name in names]


@dataclass(frozen=True)
class Work:
    """What an operation comes to, whoever does it.

    flops       operations by the textbook's definition: an addition, a product, a comparison, a
                root, a quotient and an exponential count as one each
    nbytes      what must be moved at least: every array once, twice where it is read and written
    computed    operations that are really done, where somebody knows how to leave some out
    integers    whether the operations are those of whole numbers, for which no peak was measured
    """

    flops: float
    nbytes: float
    computed: float | None = None
    integers: bool = False

    def judged(
        self, seconds: float, roofline: "Roofline", dtype: Any = "float32"
    ) -> dict[str, Any]:
        """Rates, fractions of the roofline, and which side of it bounds."""
        level = roofline.level(int(self.nbytes))
        peak, bandwidth = roofline.peak(dtype), level.gbytes_per_s["all"] * 1e9
        done = self.flops if self.computed is None else self.computed
        facts: dict[str, Any] = {
            "gflops": self.flops / seconds / 1e9,
            "gbytes_per_s": self.nbytes / seconds / 1e9,
            "operations_a_byte": done / self.nbytes,
            "memory_level": level.name,
            "fraction_of_peak_bandwidth": self.nbytes / seconds / bandwidth,
        }
        if self.computed is not None:
            facts["gflops_computed"] = done / seconds / 1e9
        if self.integers:
            return facts | {"operations": "of whole numbers", "bound": "arithmetic"}
        ridge = peak / bandwidth
        return facts | {
            "fraction_of_peak_arithmetic": done / seconds / peak,
            "ridge_operations_a_byte": ridge,
            "bound": "arithmetic" if done / self.nbytes >= ridge else "memory",
        }


@dataclass(frozen=True)
class Row:
    """A line of the summary."""

    name: str
    seconds: float  # median
    facts: dict[str, Any]
    best: dict[str, Any]  # the same of the fastest round


class Recorder:
    """The fixture `record`: pytest-benchmark's own, and what is added to it."""

    def __init__(self, benchmark: Any, roofline: Callable[[], "Roofline"], rows: list[Row]) -> None:
        self.benchmark, self.extra = benchmark, benchmark.extra_info
        self._roofline, self._rows = roofline, rows

    def group(self, name: str) -> None:
        self.benchmark.group = name

    def time(self, work: Callable[[], Any], seconds: float = SECONDS) -> None:
        """Time calls of what has been called before, so that all is compiled."""
        start = time.perf_counter()
        work()
        once = time.perf_counter() - start
        time.sleep(REST)
        calls = max(1, round(ROUND / max(once, 1e-7)))
        rounds = round(seconds / (calls * once))
        rounds = min(max(rounds, LEAST_ROUNDS), MOST_ROUNDS)
        self.benchmark.pedantic(work, rounds=rounds, iterations=calls, warmup_rounds=1)

    def time_part(self, work: Callable[[], Any], scale: float) -> None:
        """Time a part of the work; the figures are those of `scale` times as much. The case's timer
        is `told`."""

        def timed() -> None:
            start = time.perf_counter()
            work()
            told.tell((time.perf_counter() - start) * scale)

        self.extra["scaled"] = f"timed on 1/{scale:g} of the work, seconds times {scale:g}"
        self.benchmark.pedantic(timed, rounds=LEAST_ROUNDS, warmup_rounds=0)

    def time_told(self, work: Callable[[], float], rounds: int) -> None:
        """Rounds whose seconds `work` returns. The case's timer is `told`."""
        self.benchmark.pedantic(lambda: told.tell(work()), rounds=rounds)

    def judge(self, work: Work, summary: str | None = None) -> None:
        """Write down the rates of the median, and the fractions of the fastest round: the roofline
        is what the fastest of several tries reached. With a name also in the summary at the end."""
        stats = self.benchmark.stats.stats
        facts, best = (work.judged(s, self._roofline()) for s in (stats.median, stats.min))
        self.extra.update(facts)
        for name in FRACTIONS:
            if name in best:
                self.extra[f"{name}_fastest"] = best[name]
        if summary is not None:
            self._rows.append(Row(summary, stats.median, facts, best))


def assert_same(
    got: Sequence[NDArray[Any] | None], wanted: Sequence[NDArray[Any] | None], names: Sequence[str]
) -> None:
    """Whole numbers must be equal, floats within TOLERANCE of the largest of their array."""
    for ours, theirs, name in zip(got, wanted, names, strict=True):
        assert (ours is None) == (theirs is None), name
        if ours is None or theirs is None:
            continue
        assert ours.shape == theirs.shape, name
        if ours.dtype.kind in "iub":
            np.testing.assert_array_equal(ours, theirs, err_msg=name)
        else:
            scale = float(np.abs(theirs).max(initial=0))
            np.testing.assert_allclose(ours, theirs, rtol=0, atol=TOLERANCE * scale, err_msg=name)

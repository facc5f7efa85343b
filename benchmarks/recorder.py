"""What a benchmark does: agree, compile, time, and write down what the seconds amount to."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:  # collecting imports neither Numba nor an engine
    from benchmarks.roofline import Ceiling, Loops, Roofline

__all__ = ["Recorder", "Row", "Work", "assert_same", "told"]

SECONDS = 0.2  # that a case is timed for, about
ROUND = 0.005  # seconds of a round, at least: below, several calls make one
MOST_ROUNDS, LEAST_ROUNDS = 25, 3
REST = 0.03  # seconds before a case: threads of the case before it may still spin
# The yardstick for float32 is the largest number of a result. Sums of up to 90,000 products are
# rounded differently by different engines: relative to it about 1e-6.
TOLERANCE = 2e-5
FRACTIONS = "fraction_of_peak_arithmetic", "fraction_of_peak_bandwidth"


class _Told:
    """A clock that only moves when it is told to: all cases have it.

    For times that somebody else took, in a process of its own, that are scaled up from a part of
    the work, or that other things are timed in turn with: pytest-benchmark's tables then show the
    seconds that are meant.
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

    def judged(self, seconds: float, ceiling: "Ceiling") -> dict[str, Any]:
        """Rates, fractions of the roofline, and which side of it bounds."""
        peak, bandwidth = ceiling.peak, ceiling.bandwidth
        done = self.flops if self.computed is None else self.computed
        facts: dict[str, Any] = {
            "gflops": self.flops / seconds / 1e9,
            "gbytes_per_s": self.nbytes / seconds / 1e9,
            "operations_a_byte": done / self.nbytes,
            "memory_level": ceiling.level,
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

    def __init__(
        self,
        benchmark: Any,
        roofline: Callable[[], tuple["Roofline", "Loops"]],
        rows: list[Row],
    ) -> None:
        self.benchmark, self.extra = benchmark, benchmark.extra_info
        self._roofline, self._rows = roofline, rows
        self._tries: list[Ceiling] = []

    def group(self, name: str) -> None:
        self.benchmark.group = name

    def time(
        self, call: Callable[[], Any], work: Work | None = None, seconds: float = SECONDS
    ) -> None:
        """Time calls of what has been called before, so that all is compiled.

        work    what a call comes to: it is compared with the roofline's own loops, of which each
                round has a try, as the peak of shared cores moves within minutes
        """
        start = time.perf_counter()
        call()
        once = time.perf_counter() - start
        time.sleep(REST)
        calls = max(1, round(ROUND / max(once, 1e-7)))
        rounds = round(seconds / (calls * once))
        rounds = min(max(rounds, LEAST_ROUNDS), MOST_ROUNDS)

        def timed() -> None:
            if work is not None:
                roofline, loops = self._roofline()
                self._tries.append(loops.ceiling(roofline.level(int(work.nbytes)).name))
                call()  # its arrays lie in the caches again
            start = time.perf_counter()
            for _ in range(calls):
                call()
            told.tell((time.perf_counter() - start) / calls)
            if work is not None:
                time.sleep(REST)  # or its threads spin beside the next try

        self.benchmark.pedantic(timed, rounds=rounds, warmup_rounds=1)

    def time_part(self, work: Callable[[], Any], scale: float) -> None:
        """Time a part of the work; the figures are those of `scale` times as much."""

        def timed() -> None:
            start = time.perf_counter()
            work()
            told.tell((time.perf_counter() - start) * scale)

        self.extra["scaled"] = f"timed on 1/{scale:g} of the work, seconds times {scale:g}"
        self.benchmark.pedantic(timed, rounds=LEAST_ROUNDS, warmup_rounds=0)

    def time_told(self, work: Callable[[], float], rounds: int) -> None:
        """Rounds whose seconds `work` returns."""
        self.benchmark.pedantic(lambda: told.tell(work()), rounds=rounds)

    def judge(self, work: Work, summary: str | None = None) -> None:
        """Write down the rates of the median, and the fractions of the fastest round: the one
        against the median of the roofline's tries, the other against the best. With a name also in
        the summary at the end."""
        stats = self.benchmark.stats.stats
        facts = work.judged(stats.median, self._ceiling(work, np.median))
        best = work.judged(stats.min, self._ceiling(work, np.max))
        self.extra.update(facts)
        for name in FRACTIONS:
            if name in best:
                self.extra[f"{name}_fastest"] = best[name]
        if summary is not None:
            self._rows.append(Row(summary, stats.median, facts, best))

    def _ceiling(self, work: Work, of: Callable[[list[float]], float]) -> "Ceiling":
        """That of the tries between the rounds; without any, the one measured at the start."""
        measured = self._roofline()[0].ceiling(int(work.nbytes))
        if not self._tries:
            return measured
        return replace(
            measured,
            peak=of([one.peak for one in self._tries]),
            bandwidth=of([one.bandwidth for one in self._tries]),
        )


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

"""Benchmarks run only when they are asked for: `pytest --benchmark-only` (or `make bench`).

Each case checks first that the contestants agree, calls each once, so that what compiles has
compiled, and only then times. Nothing is asserted about speed. What everything ran on is recorded
in the `machine_info` of the JSON (`--benchmark-json=FILE`), and what a figure amounts to in the
`extra_info` of its case:

    gflops                         10^9 operations a second, by the textbook's count
    gflops_computed                those really done, where a merged step leaves some out
    gbytes_per_s                   what must be moved at least, a second
    fraction_of_peak_arithmetic    of this machine's peak, all threads (roofline.py)
    fraction_of_peak_bandwidth     of the nearest level of memory that holds the arrays
    fraction_of_peak_..._fastest   the same of the fastest round, and of the fastest peak
    bound                          which of the two holds it back: "arithmetic" or "memory"
"""

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from benchmarks.recorder import Recorder, Row
    from benchmarks.roofline import Loops, Roofline

# `pytest` by itself does not look for modules here, `python -m pytest` does
ROOT = str(Path(__file__).parents[1])
if ROOT not in sys.path:
    sys.path.append(ROOT)

ROWS = pytest.StashKey[list["Row"]]()
ROOFLINE = pytest.StashKey[tuple["Roofline", "Loops"]]()
# What may hold OpenBLAS to slower kernels than its own choice; read when NumPy is imported
PINS = ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE")
REMOVED = "SCRATCHNET_BENCH_REMOVED"  # tells the second start which of them the first one had
PACKAGES = (
    *("scratchnet", "numpy", "numba", "llvmlite"),
    *("keras", "tensorflow", "torch", "scikit-learn"),
)


def pytest_configure(config: pytest.Config) -> None:
    """Start again without the pins where there are any: NumPy is here already."""
    config.stash[ROWS] = []
    if not _asked_for(config) or not _pins() or not _is_pytest():
        return
    capture = config.pluginmanager.getplugin("capturemanager")
    if capture is not None:
        capture.stop_global_capturing()  # else the new process writes to where nobody reads
    kept = {name: value for name, value in os.environ.items() if name not in PINS}
    kept[REMOVED] = ", ".join(f"{name}={value}" for name, value in _pins().items())
    sys.stdout.flush()
    sys.stderr.flush()
    os.execve(sys.executable, [sys.executable, *sys.orig_argv[1:]], kept)


def pytest_report_header(config: pytest.Config) -> list[str]:
    if not _asked_for(config):
        return []
    lines = []
    if removed := os.environ.get(REMOVED):
        lines.append(f"benchmarks: started again without {removed}")
    if pins := _pins():
        told = ", ".join(f"{name}={value}" for name, value in pins.items())
        lines.append(f"benchmarks: NumPy's figures are held back by {told}: unset it")
    return lines


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if _asked_for(config):
        # a case that disagreed was not timed: one failure says so, and needs no second one
        mark = pytest.mark.filterwarnings("ignore:Benchmark fixture was not used")
    else:
        mark = pytest.mark.skip(reason="a benchmark: run `pytest --benchmark-only`")
    from benchmarks.recorder import told

    for item in items:
        if item.path.parent.name == "benchmarks":
            item.add_marker(mark)
            item.add_marker(pytest.mark.benchmark(timer=told))


@pytest.hookimpl(optionalhook=True)
def pytest_benchmark_update_machine_info(machine_info: dict[str, Any]) -> None:
    """What the figures were measured on; the machine's name is nobody's affair."""
    from threadpoolctl import threadpool_info

    from keras_ref.race.measure import machine
    from scratchnet.engines.fused.tile import simd
    from scratchnet.engines.threads import get_num_threads
    from scratchnet.study.doctor import version_of

    here = machine()
    machine_info.pop("node", None)
    machine_info |= {name: here[name] for name in ("processor", "cores", "simd")}
    machine_info["tile"] = simd()
    machine_info["threads"] = get_num_threads()
    machine_info["pools"] = [
        {name: value for name, value in pool.items() if name != "filepath"}
        for pool in threadpool_info()
    ]
    machine_info["versions"] = {name: version_of(name) for name in PACKAGES}
    machine_info["openblas_pins"] = _pins()
    machine_info["openblas_pins_removed"] = os.environ.get(REMOVED, "")


@pytest.hookimpl(optionalhook=True)
def pytest_benchmark_update_json(config: pytest.Config, output_json: dict[str, Any]) -> None:
    """What differs from run to run, and would make machines look different if it were above."""
    output_json["machine_info"]["load_average"] = list(os.getloadavg())
    if ROOFLINE in config.stash:
        output_json["machine_info"]["roofline"] = config.stash[ROOFLINE][0].as_dict()


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    """The merged engine's kernels against the roofline."""
    rows = config.stash[ROWS]
    if not rows:
        return
    roofline, _ = config.stash[ROOFLINE]
    write = terminalreporter.write_line
    terminalreporter.section("engine fused against the roofline of this machine")
    for kind, speed in roofline.gflops.items():
        one, everybody = speed["one"], speed["all"]
        write(f"peak arithmetic, {kind}: {one:.0f} GFLOP/s one thread, {everybody:.0f} all")
    for level in roofline.levels:
        one, everybody = level.gbytes_per_s["one"], level.gbytes_per_s["all"]
        write(f"peak bandwidth, {level.name}: {one:.0f} GB/s one thread, {everybody:.0f} all")
    write(f"{roofline.threads} threads, {roofline.simd}, load {os.getloadavg()[0]:.1f}")
    write("that is the best of some tries at the start; the fractions are of tries in turn with")
    write("the kernel's rounds: median of median, and the fastest round of the best try")
    write("what is far below both peaks is held back by neither: calls, exponentials, waiting")
    write("")
    longest = max(len(row.name) for row in rows)
    write(
        f"{'kernel':{longest}} {'ms':>8} {'GFLOP/s':>8} {'computed':>8} {'of peak':>8} "
        f"{'fastest':>8} {'GB/s':>6} {'of peak':>8} {'fastest':>8}  bound by"
    )
    for row in rows:
        facts = row.facts
        computed = facts.get("gflops_computed")
        arithmetic, bandwidth = (
            [numbers.get(f"fraction_of_peak_{of}") for numbers in (facts, row.best)]
            for of in ("arithmetic", "bandwidth")
        )
        bound = facts["bound"] if facts["bound"] == "arithmetic" else facts["memory_level"]
        bound += " of whole numbers" if "operations" in facts else ""
        write(
            f"{row.name:{longest}} {row.seconds * 1e3:8.3f} {facts['gflops']:8.1f} "
            f"{'' if computed is None else format(computed, '.1f'):>8} "
            f"{' '.join(map(_percent, arithmetic))} "
            f"{facts['gbytes_per_s']:6.1f} {' '.join(map(_percent, bandwidth))}  {bound}"
        )


def _percent(fraction: float | None) -> str:
    return format("" if fraction is None else format(fraction, ".0%"), ">8")


@pytest.fixture(scope="session")
def roofline(request: pytest.FixtureRequest) -> Callable[[], tuple["Roofline", "Loops"]]:
    """The roofline, measured when it is first asked for, once a session, and its loops."""
    from benchmarks.roofline import Loops, measure

    def known() -> tuple["Roofline", "Loops"]:
        stash = request.config.stash
        if ROOFLINE not in stash:
            loops = Loops()
            stash[ROOFLINE] = measure(loops), loops
        return stash[ROOFLINE]

    return known


@pytest.fixture
def record(
    benchmark: Any,
    roofline: Callable[[], tuple["Roofline", "Loops"]],
    request: pytest.FixtureRequest,
) -> "Recorder":
    """pytest-benchmark's fixture with what recorder.py adds."""
    from benchmarks.recorder import Recorder

    return Recorder(benchmark, roofline, request.config.stash[ROWS])


def _asked_for(config: pytest.Config) -> bool:
    return bool(config.getoption("--benchmark-only", default=False))


def _pins() -> dict[str, str]:
    return {name: os.environ[name] for name in PINS if name in os.environ}


def _is_pytest() -> bool:
    """Whether this process is pytest and nothing else, so that it may be started again."""
    program = Path(sys.argv[0])
    return program.stem in ("pytest", "py.test") or program.parts[-2:] == ("pytest", "__main__.py")

"""Numbers of a race: ratios with their spread, memory of a process, and what the machine is."""

import datetime
import os
import platform
import sys
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Any

__all__ = ["machine", "memory", "quantile", "ratios", "seconds_to", "spread", "times", "timings"]

# what may hold OpenBLAS to slower kernels than its own choice; no contestant is started with it
PINS = ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE")
MEGABYTE = 1e6


def quantile(values: Sequence[float], q: float) -> float:
    """The q-quantile (0 to 1) of the values, linear between neighbours as in NumPy."""
    ordered = sorted(values)
    place = q * (len(ordered) - 1)
    low = int(place)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (place - low) * (ordered[high] - ordered[low])


def spread(values: Sequence[float]) -> dict[str, float]:
    """Median, quartiles and extremes."""
    return {
        "median": median(values),
        "quartile_1": quantile(values, 0.25),
        "quartile_3": quantile(values, 0.75),
        "min": min(values),
        "max": max(values),
    }


def ratios(theirs: Sequence[float], ours: Sequence[float]) -> dict[str, Any]:
    """Their seconds over ours, round by round, and the spread of these ratios."""
    rounds = [a / b for a, b in zip(theirs, ours, strict=True)]
    return {"rounds": rounds, **spread(rounds)}


def timings(seconds: Sequence[float], samples: int) -> dict[str, Any]:
    """What one contestant's turns of `samples` samples each come to."""
    middle = median(seconds)
    return {
        "rounds": list(seconds),
        "median": middle,
        "best": min(seconds),
        "samples": samples,
        "samples_per_second": samples / middle,
    }


def seconds_to(
    accuracy: float, accuracies: Sequence[float | None], seconds: Sequence[float]
) -> float | None:
    """Seconds of training until the accuracy was first reached at an epoch's end, None if never."""
    spent = 0.0
    for reached, took in zip(accuracies, seconds, strict=True):
        spent += took
        if reached is not None and reached >= accuracy:
            return spent
    return None


def times(ratio: float) -> str:
    """A ratio in three digits, or two decimals."""
    return f"{ratio:.{0 if ratio >= 100 else 1 if ratio >= 10 else 2}f}"


def memory() -> float:
    """The largest resident set that this process has had, in megabytes (10^6 bytes)."""
    try:
        # not getrusage: its figure outlives exec, so a small child shows its parent's peak
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024 / MEGABYTE
    except OSError:
        pass
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak * (1 if sys.platform == "darwin" else 1024) / MEGABYTE


def machine() -> dict[str, Any]:
    """What everybody runs on; no name of the machine and no path is in it."""
    return {
        "date": datetime.datetime.now().astimezone().isoformat(timespec="seconds"),
        "processor": _processor(),
        "cores": _cores(),
        "simd": _simd(),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "load_average": list(os.getloadavg()),
        "removed_from_environment": {name: os.environ[name] for name in PINS if name in os.environ},
    }


def _cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _processor() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text(errors="replace").splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def _simd() -> list[str]:
    """The vector extensions that LLVM sees in the host."""
    from llvmlite import binding

    try:
        features = dict(binding.get_host_cpu_features())
    except RuntimeError:  # LLVM cannot tell on this system
        return []
    kinds = ("sse4", "avx", "fma", "neon", "sve", "amx")
    return sorted(name for name, here in features.items() if here and name.startswith(kinds))

"""How a step of training scales with the ranks: measured on this machine, and a model on paper.

    python benchmarks/scaling.py            measure, write results/scaling.json and scaling.md
    python benchmarks/scaling.py --model    write scaling.md again from results/scaling.json

Strong scaling keeps the batch at 128 rows and cuts it into parts; weak scaling gives every rank 128
rows. The runs (scaling_worker.py) are started by turns, so that what else the machine does meets
all of them. The model stands in scaling_model.py.
"""

import json
import os
import platform
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from scaling_model import write_model

from scratchnet.engines.threads import VARIABLE

HERE = Path(__file__).parent
RESULTS = HERE / "results" / "scaling.json"
MPIEXEC = Path(sys.executable).parent / "mpiexec"
RANKS = 1, 2, 4
ROUNDS = 4


def measure() -> dict[str, Any]:
    """Start every run ROUNDS times, by turns."""
    cores, load = len(os.sched_getaffinity(0)), os.getloadavg()[0]
    runs = [(ranks, 1) for ranks in RANKS] + [(1, cores)] * (cores > 1)
    steps: dict[str, list[float]] = {}
    parts: dict[str, list[float]] = {}
    for turn in range(ROUNDS):
        for ranks, threads in runs:
            for name, seconds in start(ranks, threads, "steps").items():
                steps.setdefault(f"{name}, {ranks} x {threads}", []).extend(seconds)
        for name, seconds in start(2, 1, "overlap").items():
            steps.setdefault(f"{name}, 2 x 1", []).extend(seconds)
        for name, seconds in start(1, 1, "parts").items():
            parts.setdefault(name, []).extend(seconds)
        print(f"round {turn + 1} of {ROUNDS}", flush=True)
    return {
        "command": "python benchmarks/scaling.py",
        "processor": processor(),
        "cores": cores,
        "load before": round(load, 2),
        "load after": round(os.getloadavg()[0], 2),
        "python": platform.python_version(),
        "numpy": np.__version__,
        "mpi": mpi(),
        "engine": "fused",
        "dtype": "float32",
        "what": "seconds a step; 'NETWORK, MODE, RANKS x THREADS'",
        "steps": {name: summary(seconds) for name, seconds in steps.items()},
        "parts": {name: summary(seconds) for name, seconds in parts.items()},
    }


def start(ranks: int, threads: int, what: str) -> dict[str, list[float]]:
    """Run the worker on so many ranks of so many threads, and take what rank 0 found."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "found.json"
        command = [sys.executable, str(HERE / "scaling_worker.py"), what, str(out)]
        if ranks > 1:
            command = [str(MPIEXEC), "-n", str(ranks), *command]
        subprocess.run(command, check=True, env=os.environ | {VARIABLE: str(threads)})
        return json.loads(out.read_text())  # type: ignore[no-any-return]


def summary(seconds: list[float]) -> dict[str, float]:
    """What is kept of several timings."""
    return {"median": median(seconds), "best": min(seconds), "timings": len(seconds)}


def processor() -> str:
    """The model of the processor."""
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.processor()


def mpi() -> str:
    """Name and version of the MPI library."""
    from mpi4py import MPI

    return " ".join(MPI.Get_library_version().split("\n")[0].split())


if __name__ == "__main__":
    if "--model" not in sys.argv[1:]:
        RESULTS.write_text(json.dumps(measure(), indent=1) + "\n")
    write_model(json.loads(RESULTS.read_text()), HERE / "scaling.md")

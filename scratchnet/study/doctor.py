"""What the engine runs on: processor, BLAS, Numba, TensorFlow, GPU, data; what holds it back."""

import importlib
import importlib.metadata
import importlib.util
import os
import platform
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

import scratchnet

__all__ = ["Report", "examine"]

SMI_SECONDS, LIST_SECONDS = 5, 30
# OpenBLAS's kernels that use 512-bit vectors; all others of x86 use 256 bits or fewer
WIDE_KERNELS = ("skylakex", "cooperlake", "sapphirerapids", "zen4", "zen5")
THREAD_LIMITS = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")
LIST_GPUS = {
    "tensorflow": "import tensorflow as t; print(len(t.config.list_physical_devices('GPU')))",
    "jax": "import jax; print(sum(d.platform != 'cpu' for d in jax.devices()))",
    "torch": "import torch as t; print(t.cuda.device_count())",
}


@dataclass
class Report:
    """found    section -> name -> value, for reading
    advice   what is slower, or less, than it need be, and how to mend it
    """

    found: dict[str, dict[str, Any]] = field(default_factory=dict)
    advice: list[str] = field(default_factory=list)


def examine() -> Report:
    """Look around; nothing is written, and of the heavy packages only Numba is imported."""
    report = Report()
    for look in (_versions, _processor, _blas, _numba, _keras, _gpu, _data):
        look(report)
    return report


def version_of(name: str) -> str | None:
    """The installed version of a package, without importing it."""
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def cores() -> int:
    """How many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _versions(report: Report) -> None:
    report.found["Versions"] = {
        "ScratchNet": scratchnet.__version__,
        "Python": f"{platform.python_version()} on {platform.system()} {platform.machine()}",
        "NumPy": np.__version__,
        "engine": scratchnet.get_engine(),
    }


def _processor(report: Report) -> None:
    features = _features()
    bits = _vector_bits(features)
    fused = "with" if features.get("fma") or features.get("neon") else "without"
    report.found["Processor"] = {
        "name": _processor_name(),
        "cores": f"{cores()} usable of {os.cpu_count()}",
        "vectors": f"{bits} bits ({bits // 32} float32 numbers), {fused} fused multiply-add",
    }
    for name in THREAD_LIMITS:
        value = os.environ.get(name, "")
        if value.isdigit() and int(value) < cores():
            report.advice.append(
                f"{name}={value}, but {cores()} cores may be used: unset it, unless another "
                "program needs them."
            )


def _features() -> dict[str, bool]:
    from llvmlite import binding

    try:
        return dict(binding.get_host_cpu_features())
    except RuntimeError:  # LLVM cannot tell on this system
        return {}


def _vector_bits(features: dict[str, bool]) -> int:
    if features.get("avx512f"):
        return 512
    return 256 if features.get("avx") else 128


def _processor_name() -> str:
    if sys.platform == "linux":
        try:
            for line in Path("/proc/cpuinfo").read_text(errors="replace").splitlines():
                if line.startswith("model name"):
                    return line.split(":", 1)[1].strip()
        except OSError:
            pass
    from llvmlite import binding

    return platform.processor() or str(binding.get_host_cpu_name())


def _blas(report: Report) -> None:
    from threadpoolctl import threadpool_info

    np.ones((2, 2)) @ np.ones((2, 2))  # some libraries say their kernels only once they have run
    libraries = [info for info in threadpool_info() if info["user_api"] == "blas"]
    found: dict[str, Any] = {}
    for info in libraries:
        kernels = info.get("architecture", "")
        found[info["internal_api"]] = (
            f"{info['version']}, {kernels or 'unknown'} kernels, {info['num_threads']} threads "
            f"({info.get('threading_layer', 'unknown')})"
        )
        narrow = kernels and kernels.lower() not in WIDE_KERNELS
        if info["internal_api"] == "openblas" and narrow and _features().get("avx512f"):
            pinned = os.environ.get("OPENBLAS_CORETYPE")
            cure = (
                f"OPENBLAS_CORETYPE={pinned} asks for that: unset it."
                if pinned
                else "Update NumPy: pip install -U numpy."
            )
            report.advice.append(
                f"OpenBLAS uses its {kernels} kernels, this processor has AVX-512, with which "
                f"matrix products are up to twice as fast. {cure}"
            )
        elif os.environ.get("OPENBLAS_CORETYPE"):
            report.advice.append(
                f"OPENBLAS_CORETYPE={os.environ['OPENBLAS_CORETYPE']} pins OpenBLAS's kernels: "
                "unset it, and it chooses the best ones for this processor."
            )
    named = np.show_config(mode="dicts")["Build Dependencies"]["blas"]["name"]
    if not libraries:
        found["library"] = f"{named} (kernels and threads unknown)"
    report.found["Matrix products (BLAS)"] = found


def _numba(report: Report) -> None:
    import numba

    settings: Any = numba.core.config
    place, writable = _numba_cache()
    layers = [
        name
        for name, module in (("tbb", "tbbpool"), ("omp", "omppool"), ("workqueue", "workqueue"))
        if _loads(f"numba.np.ufunc.{module}")
    ]
    report.found["Numba"] = {
        "version": numba.__version__,
        "threads": f"{settings.NUMBA_NUM_THREADS}",
        "threading layer": f"{settings.THREADING_LAYER} (here: {', '.join(layers)})",
        "compiles": "no" if settings.DISABLE_JIT else "yes",
        "cache": f"{place} ({'writable' if writable else 'not writable'})",
    }
    if settings.DISABLE_JIT:
        report.advice.append(
            "NUMBA_DISABLE_JIT is set: the engine numba runs as slowly as loops. Unset it."
        )
    if not writable:
        report.advice.append(
            f"Numba cannot keep what it compiles in {place}, so every program compiles anew: set "
            "NUMBA_CACHE_DIR to a folder of yours."
        )
    if layers == ["workqueue"]:
        report.advice.append(
            "Numba has no OpenMP library, so parallel regions start more slowly: install libgomp1 "
            "(Linux) or libomp (macOS)."
        )


def _loads(module: str) -> bool:
    try:
        importlib.import_module(module)
    except ImportError:
        return False
    return True


def _numba_cache() -> tuple[Path, bool]:
    """Where compiled functions are kept, in Numba's order of places, and whether they can be."""
    import numba
    from numba.misc import appdirs

    settings: Any = numba.core.config
    beside = Path(scratchnet.__file__).parent / "engines" / "loops" / "__pycache__"
    places = [beside, Path(appdirs.user_cache_dir(appname="numba", appauthor=False))]
    if settings.CACHE_DIR:
        places = [Path(settings.CACHE_DIR)]
    for place in places:
        there = next(p for p in (place, *place.parents) if p.exists())
        if there.is_dir() and os.access(there, os.W_OK | os.X_OK):
            return place, True
    return places[0], False


def _keras(report: Report) -> None:
    versions = {name: version_of(name) for name in ("tensorflow", "keras")}
    report.found["Keras"] = {name: v or "not installed" for name, v in versions.items()}
    if not all(versions.values()):
        report.advice.append(
            "Without TensorFlow and Keras nothing can be compared live: pip install '.[keras]'"
        )


def _gpu(report: Report) -> None:
    found: dict[str, Any] = {"NVIDIA": _nvidia() or "none seen"}
    if _nvidia():
        for package, code in LIST_GPUS.items():
            if importlib.util.find_spec(package) is not None:
                count = _ask([sys.executable, "-c", code], LIST_SECONDS)
                found[package] = f"sees {count}" if count else "did not answer"
                if count == "0":
                    report.advice.append(f"{package} does not see the GPU: it is a CPU build.")
    report.found["GPU"] = found


def _nvidia() -> str:
    program = shutil.which("nvidia-smi")
    if program is None:
        return ""
    return _ask([program, "--query-gpu=name,driver_version", "--format=csv,noheader"], SMI_SECONDS)


def _ask(command: list[str], seconds: float) -> str:
    """The last line that a program prints, empty where it fails or takes too long."""
    try:
        answer = subprocess.run(command, capture_output=True, text=True, timeout=seconds)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    lines = answer.stdout.strip().splitlines()
    return lines[-1].strip() if lines and answer.returncode == 0 else ""


def _data(report: Report) -> None:
    from scratchnet.datasets import mnist

    place = mnist.locate()
    report.found["Data"] = {"digits": "in the package", "mnist": place or "not found"}
    if place is None:
        report.advice.append(
            "MNIST is not here: it is downloaded on first use, or set SCRATCHNET_DATA to a folder "
            "with its four IDX files or mnist.npz."
        )
    else:
        report.found["Data"]["mnist"] = str(place)

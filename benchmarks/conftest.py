"""Benchmarks run only when they are asked for: `pytest --benchmark-only` (or `make bench`).

Each case checks first that the contestants agree, calls each once, so that what compiles has
compiled, and only then times. What it ran on is recorded in `extra_info`.
"""

import os
import platform

import pytest

import scratchnet


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if config.getoption("--benchmark-only", default=False):
        return
    skip = pytest.mark.skip(reason="a benchmark: run `pytest --benchmark-only`")
    for item in items:
        if item.path.parent.name == "benchmarks":
            item.add_marker(skip)


@pytest.fixture
def record(benchmark):
    """Write down what a figure was measured on."""
    import numba
    import numpy as np

    benchmark.extra_info.update(
        processor=platform.processor() or platform.machine(),
        cores=os.cpu_count(),
        numba_threads=numba.get_num_threads(),
        openblas_coretype=os.environ.get("OPENBLAS_CORETYPE", "the library's choice"),
        numpy=np.__version__,
        numba=numba.__version__,
        scratchnet=scratchnet.__version__,
    )
    return benchmark

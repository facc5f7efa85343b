"""Small files that want to be large: one process reads them all and takes no memory for it."""

import gzip
import io
import json
import subprocess
import sys
import zipfile
from collections.abc import Callable
from functools import cache
from pathlib import Path

import h5py
import numpy as np
import pytest

from scratchnet.tests import hostile
from scratchnet.tests.test_hostile_data import claims, idx, npz, png

pytestmark = pytest.mark.skipif(
    not Path("/proc/self/clear_refs").is_file(), reason="needs a system that says what was used"
)

MOST = 1_000_000  # bytes of each file
MOST_MEMORY = 120 << 20  # bytes more than before the file
READER = """
import re, sys, time
from pathlib import Path
from scratchnet.datasets import folder
from scratchnet.datasets.idx import read_idx
from scratchnet.models import load_model
from scratchnet.tests import hostile
from scratchnet.utils.images import load_digit

readers = {
    ".keras": load_model,
    ".h5": lambda path: hostile.load_weights_or_leave(model, path),
    ".npz": folder.load,
    ".idx": read_idx,
    ".png": load_digit,
}
model = hostile.tiny_model()
status = Path("/proc/self/status")


def used(key):
    # not ru_maxrss, which counts what the parent had, too
    return int(re.search(key + ":\\s*(\\d+)", status.read_text())[1]) << 10


for path in sorted(Path(sys.argv[1]).iterdir()):
    Path("/proc/self/clear_refs").write_text("5")  # the most that was used starts anew
    start, began = used("VmRSS"), time.monotonic()
    what = hostile.outcome(readers[path.suffix], path)
    took = time.monotonic() - began
    print(path.name, used("VmHWM") - start, took, what[:300].replace("\\n", " "), sep="\\t")
"""


def archive(config: bytes, weights: bytes, packing: int = zipfile.ZIP_DEFLATED) -> bytes:
    return hostile.zipped({"config.json": config, "model.weights.h5": weights}, packing)


def dense(units: int) -> bytes:
    layers = [
        {"class_name": "InputLayer", "config": {"batch_shape": [None, 2]}},
        {"class_name": "Dense", "config": {"units": units, "use_bias": False}},
    ]
    optimizer = {"class_name": "Adam", "config": {}}
    whole = {"class_name": "Sequential", "config": {"layers": layers}}
    return json.dumps(whole | {"compile_config": {"optimizer": optimizer}}).encode()


def zeros(units: int, **options: object) -> bytes:
    """A weights file for `dense`, all zeros."""
    buffer = io.BytesIO()
    with h5py.File(buffer, "w") as file:
        if options:
            kernel = file.create_dataset("layers/dense/vars/0", (2, units), "f4", **options)
            for start in range(0, units, 1 << 20):
                kernel[:, start : start + (1 << 20)] = 0
        else:
            file["layers/dense/vars/0"] = np.zeros((2, units), np.float32)
    return buffer.getvalue()


GOOD = zeros(3)
LARGE = 1 << 24  # units: 128 MB of weights


@cache
def packed() -> bytes:
    return zeros(LARGE, chunks=(2, 1 << 20), compression="gzip", compression_opts=6)


def unpacked(size: int) -> bytes:
    """A config of so many spaces."""
    return archive(b" " * size, GOOD)


def images(size: int) -> bytes:
    head = claims("(1000000, 28, 28)")
    return npz(zipfile.ZIP_DEFLATED, x_train=head + bytes(size))


# name -> how to make the file, and what its outcome says
BOMBS: dict[str, tuple[Callable[[], bytes], str]] = {
    "config.keras": (lambda: unpacked(1 << 27), "config.json of at most 4194304 bytes, got 134"),
    "lists.keras": (
        lambda: archive(b'{"config": {"layers": [' + b"[]," * 1_000_000 + b"[]]}}", GOOD),
        "Model: expected a Sequential, got None",
    ),
    "deep.keras": (lambda: archive(b"[" * (1 << 22), GOOD), "64 lists in each other, got 4194304"),
    "units.keras": (lambda: archive(dense(1 << 29), GOOD), "shape (2, 536870912), got float32"),
    "units2.keras": (lambda: archive(dense(1 << 40), GOOD), "weights of at most 2147483648 num"),
    "hdf5.keras": (
        lambda: archive(dense(LARGE), packed(), zipfile.ZIP_STORED),
        "expected arrays of at most 16777216 bytes",
    ),
    "both.keras": (lambda: archive(dense(LARGE), packed()), "arrays of at most 16777216 bytes"),
    "zeros.keras": (lambda: archive(dense(1 << 22), zeros(1 << 22)), "model.weights.h5 of at most"),
    "most.keras": (lambda: archive(dense(2_000_000), zeros(2_000_000)), "read"),
    "packed.weights.h5": (packed, "arrays of at most 16777216 bytes"),
    "values.idx": (lambda: gzip.compress(idx(1 << 27, data=bytes(1 << 27)), 6), "too short for"),
    "claims.idx": (lambda: idx(2**32 - 1, data=bytes(99)), "at most 1073741824 bytes of values"),
    "images.npz": (lambda: images(1 << 26), "expected 784000128 bytes, got 67108992"),
    "size.png": (lambda: png(60_000, 60_000), "at most 16000000 pixels"),
    "pixels.png": (lambda: png(3999, 3999, bytes(3999 * 4000)), "a digit that stands out"),
}


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[str]]:
    """name -> growth in bytes, seconds, outcome: of one process that reads them all."""
    folder = tmp_path_factory.mktemp("bombs")
    for name, (make, _) in BOMBS.items():
        data = make()
        assert len(data) < MOST, name
        (folder / name).write_bytes(data)
    done = subprocess.run(
        [sys.executable, "-c", READER, str(folder)], capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    assert {path.name for path in folder.iterdir()} == set(BOMBS)
    found = {line.split("\t")[0]: line.split("\t")[1:] for line in done.stdout.splitlines()}
    assert set(found) == set(BOMBS)
    return found


@pytest.mark.parametrize("name", BOMBS)
def test_no_memory_and_no_time_is_taken(outcomes: dict[str, list[str]], name: str) -> None:
    growth, seconds, outcome = outcomes[name]
    assert BOMBS[name][1] in outcome
    # what may be read has its optimizer, too: six arrays for one in the file
    most = 2 * MOST_MEMORY if outcome == "read" else MOST_MEMORY
    assert int(growth) < most, f"{int(growth) >> 20} MB after {name}"
    assert float(seconds) < 5

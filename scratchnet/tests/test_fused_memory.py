"""What becomes of the memory of one batch when the next one needs as much."""

import platform
import subprocess
import sys

import pytest

BATCHES = """
import resource
import sys
import numpy as np
import scratchnet
if "fused" in sys.argv:
    scratchnet.set_engine("fused")
    model = scratchnet.Sequential([scratchnet.Input((2,)), scratchnet.layers.Dense(2)])
    model.predict(np.ones((3, 2), "float32"), verbose=0)

def batch():  # three million bytes each: NumPy asks for no huge pages
    arrays = [np.zeros(3_000_000, np.uint8) for _ in range(8)]
    for array in arrays:
        array.fill(1)

batch()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(10):
    batch()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@pytest.mark.skipif(
    platform.libc_ver()[0] != "glibc", reason="only glibc gives memory back so soon"
)
def test_the_pages_of_a_batch_are_paid_for_once():
    faults = [
        int(
            subprocess.run(
                [sys.executable, "-c", BATCHES, name], capture_output=True, text=True, check=True
            ).stdout
        )
        for name in ("other", "fused")
    ]
    pages = 10 * 8 * 3_000_000 // 4096
    if faults[0] < pages / 10:
        pytest.skip("this system's pages are huge, or it keeps them anyway")
    assert faults[1] < pages / 20

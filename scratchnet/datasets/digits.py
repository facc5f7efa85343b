"""1,797 real handwritten digits that come with the package and need no network, in MNIST's form.

source    E. Alpaydin, C. Kaynak, "Optical Recognition of Handwritten Digits" (1998), UCI Machine
          Learning Repository, doi 10.24432/C50P49, CC BY 4.0: the test part, as
          sklearn.datasets.load_digits returns it
"""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from scratchnet.datasets.folder import Images, LoadedData
from scratchnet.datasets.idx import read_idx

__all__ = ["load_data"]

HERE = Path(__file__).parent
IMAGES = HERE / "digits-images-idx3-ubyte.gz"  # (1797, 8, 8) uint8, 0 to 16
LABELS = HERE / "digits-labels-idx1-ubyte.gz"  # (1797,) uint8
SMALL, BOX, SIDE, MARGIN = 8, 20, 28, 4  # MNIST's digits fill a box of 20x20 in a frame of 28x28
BRIGHTEST = 16


def load_data() -> LoadedData:
    """((x_train, y_train), (x_test, y_test)): 1,437 and 360 digits.

    shapes    x (N, 28, 28) uint8   y (N,) uint8, 0 to 9
    split     the digits are sorted by class and each fifth one is for testing, so every class has
              35 to 37 test digits; within a part they keep their published order
    """
    x, y = _enlarge(read_idx(IMAGES)), read_idx(LABELS)
    testing = np.zeros(len(y), dtype=bool)
    testing[np.argsort(y, kind="stable")[::5]] = True
    return (x[~testing], y[~testing]), (x[testing], y[testing])


def _weights() -> NDArray[np.float64]:
    """(20, 8): row i holds, in tenths, how much of each small pixel is in large pixel i.

    The centre of large pixel i lies at (i + 1/2) * 8/20 - 1/2 = (4 i - 3) / 10 small pixels.
    """
    tenths = np.clip(4 * np.arange(BOX) - 3, 0, 10 * (SMALL - 1))
    weights = np.zeros((BOX, SMALL))
    left, part = np.minimum(tenths // 10, SMALL - 2), np.arange(BOX)
    weights[part, left + 1] = tenths - 10 * left
    weights[part, left] = 10 - weights[part, left + 1]
    return weights


def _enlarge(small: Images) -> Images:
    """(N, 8, 8) of 0 to 16 -> (N, 28, 28) of 0 to 255: bilinear to 20x20, 4 black pixels around.

    All sums are whole numbers far below 2**53: exact in float64, the same on every machine.
    """
    weights = _weights()
    large = weights @ small.astype(np.float64) @ weights.T  # hundredths of 0 to 16
    top = 100 * BRIGHTEST
    values = (large.astype(np.int64) * 255 + top // 2) // top  # rounded to nearest
    frame = np.zeros((len(small), SIDE, SIDE), dtype=np.uint8)
    inside = slice(MARGIN, MARGIN + BOX)
    frame[:, inside, inside] = values
    return frame

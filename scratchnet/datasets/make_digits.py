"""Write the two files of `datasets.digits` anew, from scikit-learn's copy.

Run it with `python -m scratchnet.datasets.make_digits`; nothing else needs scikit-learn.
"""

import numpy as np

from scratchnet.datasets.digits import IMAGES, LABELS
from scratchnet.datasets.idx import write_idx

__all__ = ["main"]


def main() -> None:
    """Take the digits from scikit-learn, which carries them as whole numbers kept in floats."""
    from sklearn.datasets import load_digits

    digits = load_digits()
    write_idx(IMAGES, digits.images.astype(np.uint8))
    write_idx(LABELS, digits.target.astype(np.uint8))


if __name__ == "__main__":
    main()

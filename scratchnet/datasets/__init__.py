"""The data sets: `digits` comes with the package, `mnist` is found on the disk or downloaded."""

import os
from typing import Any

from scratchnet.datasets import digits, folder, mnist
from scratchnet.datasets.folder import LoadedData
from scratchnet.errors import expected, unknown

__all__ = ["digits", "load", "mnist"]


def load(spec: str | os.PathLike[str]) -> LoadedData:
    """((x_train, y_train), (x_test, y_test)) for "digits", "mnist" or a folder.

    A folder holds the four IDX files under MNIST's names, or mnist.npz; the path of an .npz file
    will do too. There may be any number of images of 28x28.
    """
    if spec == "digits":
        return digits.load_data()
    if spec == "mnist":
        return mnist.load_data()
    if not os.path.exists(os.path.expanduser(spec)):
        raise FileNotFoundError(
            expected(
                "Data",
                '"digits", "mnist" or a folder that exists',
                repr(os.fspath(spec)),
                "A folder holds the four IDX files of MNIST, or mnist.npz.",
            )
        )
    return folder.load(spec)


def __getattr__(name: str) -> Any:
    raise AttributeError(unknown("scratchnet.datasets", name, ["digits", "mnist"]))

"""model.safetensors: a model's bare weights, each under `<layer name>/<weight name>`.

    dense/kernel, dense/bias, batch_normalization/moving_mean ...

No layers, no optimizer state. The package checks that the header's sizes are those of the file
before anything is read; what a tensor must look like is checked here.
"""

import os
from collections.abc import Iterable
from types import ModuleType
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from scratchnet.errors import expected
from scratchnet.saving.matching import check_built
from scratchnet.utils.files import atomic_write, plain_file

if TYPE_CHECKING:
    from scratchnet.models import Sequential

__all__ = ["SUFFIX", "load_weights", "save_weights"]

SUFFIX = ".safetensors"
FLOATS = {"F16": "float16", "F32": "float32", "F64": "float64"}  # as the format names them
MANY = 8  # names that an error lists


def save_weights(model: "Sequential", path: str | os.PathLike[str]) -> None:
    """Write the weights to a new file, which takes the old one's place when whole.

    Raises ValueError for a model that is not built, ImportError without `safetensors`.
    """
    package = _package(f"{model.owner}.save_weights")
    content = package.numpy.save(_named(model))
    with atomic_write(path, model.owner) as file:
        file.write(content)


def load_weights(model: "Sequential", path: str | os.PathLike[str]) -> None:
    """Read the weights; the file must hold these and no others, of these shapes.

    Floats of fewer bits than the model's are taken, more are not: nothing is lost. Raises
    ValueError, with the file's name, before any weight has changed; ImportError without
    `safetensors`.
    """
    package, owner = _package(f"{model.owner}.load_weights"), f"Weights file '{path}'"
    arrays = _named(model)
    plain_file(path, owner, f"a {SUFFIX} file")
    try:
        with package.safe_open(path, framework="np") as file:
            _check_names(owner, arrays, set(file.keys()))
            for name, array in arrays.items():
                tensor = file.get_slice(name)
                _check_tensor(f"{owner}, {name}", array, tensor.get_dtype(), tensor.get_shape())
            values = [file.get_tensor(name) for name in arrays]
    except package.SafetensorError as error:
        hint = "The file is damaged or of another kind."
        raise ValueError(expected(owner, "a whole safetensors file", f"{error}", hint)) from error
    for array, value in zip(arrays.values(), values, strict=True):
        array[...] = value


def _package(owner: str) -> ModuleType:
    try:
        import safetensors
        import safetensors.numpy
    except ImportError:
        wanted, hint = "the safetensors package", "pip install 'scratchnet[safetensors]'"
        raise ImportError(expected(owner, wanted, "none", f"Install it: {hint}")) from None
    return safetensors


def _named(model: "Sequential") -> dict[str, NDArray[Any]]:
    """The model's own arrays by their names in the file."""
    check_built(model)
    return {
        f"{layer.name}/{name}": array
        for layer in model.layers
        for name, array in (layer.params | layer.state).items()
    }


def _check_names(owner: str, arrays: dict[str, Any], found: set[str]) -> None:
    """Raise unless the file has the model's names and no others."""
    hint = "Tensors are named after the layers: give these the same names."
    missing = [name for name in arrays if name not in found]
    if missing:
        raise ValueError(expected(owner, f"the tensors {_some(arrays)}", f"no {missing[0]}", hint))
    spare = sorted(found - set(arrays))
    if spare:
        got = f"also {_some(spare)}"
        raise ValueError(expected(owner, f"the tensors {_some(arrays)}", got, hint))


def _some(names: Iterable[str]) -> str:
    names = list(names)
    return ", ".join(names[:MANY]) + (", ..." if len(names) > MANY else "")


def _check_tensor(owner: str, array: NDArray[Any], kind: str, shape: list[int]) -> None:
    """Raise unless a tensor of this kind and shape goes into the array without loss."""
    fits = kind in FLOATS and np.dtype(FLOATS[kind]).itemsize <= array.dtype.itemsize
    if not fits or tuple(shape) != array.shape:
        wanted = f"at most {array.dtype} of shape {array.shape}"
        got = f"{FLOATS.get(kind, kind)} of shape {tuple(shape)}"
        raise ValueError(expected(owner, wanted, got, "Another model's?"))

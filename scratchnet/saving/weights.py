"""The weights file of Keras 3, an HDF5 file:

    vars                            empty; its attribute `name` is the model's
    layers/dense/vars/0, 1 ...      a layer's weights, in the order of `layer.weights`
    layers/dense_1/vars/0, 1 ...    the second layer of that class
    optimizer/vars/0, 1 ...         iterations, learning rate, slots: `optimizer.variables`

source    keras/src/saving/saving_lib.py
"""

import io
import os
import warnings
from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from scratchnet.errors import expected
from scratchnet.saving import legacy, safetensors_file
from scratchnet.utils.files import atomic_write
from scratchnet.utils.naming import to_snake_case

if TYPE_CHECKING:
    from scratchnet.models import Sequential

__all__ = ["load_weights", "read", "save_weights", "write"]

SUFFIX = ".weights.h5"


def save_weights(model: "Sequential", path: str | os.PathLike[str]) -> None:
    """Write weights and optimizer state to a new file, which takes the old one's place when whole.

    Raises ValueError for another suffix than .weights.h5 or a model that is not built.
    """
    if os.fspath(path).endswith(safetensors_file.SUFFIX):
        return safetensors_file.save_weights(model, path)
    if not os.fspath(path).endswith(SUFFIX):
        wanted = f"a file name that ends in {SUFFIX} or {safetensors_file.SUFFIX}"
        raise ValueError(expected(f"{model.owner}.save_weights", wanted, f"'{path}'"))
    content = write(model)
    with atomic_write(path) as file:
        file.write(content)


def load_weights(model: "Sequential", path: str | os.PathLike[str]) -> None:
    """Read weights, and the optimizer's state where the model is compiled, from a .weights.h5 file
    or a .keras archive.

    Raises ValueError where the file does not fit the model, before any weight has changed.
    """
    name = os.fspath(path)
    if name.endswith(safetensors_file.SUFFIX):
        safetensors_file.load_weights(model, path)
    elif name.endswith(".keras"):
        from scratchnet.saving.archive import open_archive

        _, content = open_archive(path)
        read(model, io.BytesIO(content), f"Model file '{path}'")
    elif name.endswith(SUFFIX):
        with open(path, "rb") as file:
            read(model, file, f"Weights file '{path}'")
    elif name.endswith(legacy.SUFFIXES):
        legacy.load_weights(model, path)
    else:
        wanted = f"a file name that ends in {SUFFIX}, .keras, .safetensors or .h5"
        raise ValueError(expected(f"{model.owner}.load_weights", wanted, f"'{path}'"))


def write(model: "Sequential") -> bytes:
    """The content of the weights file."""
    import h5py

    if not model.built:
        hint = "Call build(shape), or give it data, first."
        raise ValueError(expected(model.owner, "a built model", "one without weights", hint))
    buffer = io.BytesIO()
    with h5py.File(buffer, "w") as file:
        file.create_group("vars").attrs["name"] = model.name
        for group, layer in _groups(model):
            _put(file, f"layers/{group}", layer.name, layer.weights)
        if model.optimizer is not None:
            _put(file, "optimizer", model.optimizer.name, model.optimizer.variables)
    return buffer.getvalue()


def read(model: "Sequential", file: BinaryIO, owner: str) -> None:
    """Set weights and optimizer state from an open weights file; `owner` names it in errors."""
    import h5py

    if not model.built:
        hint = "Call build(shape), or give it data, first."
        raise ValueError(expected(model.owner, "a built model", "one without weights", hint))
    try:
        with h5py.File(file, "r") as store:
            pairs = _match_layers(store, model, owner)
            pairs += _match_optimizer(store, model, owner)
            values = [dataset[()] for _, dataset in pairs]
    except OSError as error:
        hint = "The file is damaged or of another kind."
        raise ValueError(expected(owner, "a whole HDF5 file", f"{error}", hint)) from error
    for (array, _), value in zip(pairs, values, strict=True):
        array[...] = value


def _groups(model: "Sequential") -> Iterator[tuple[str, Any]]:
    """The layers with their names in the file: counted by class, whatever they are called."""
    seen: Counter[str] = Counter()
    for layer in model.layers:
        name = to_snake_case(type(layer).__name__)
        yield (f"{name}_{seen[name]}" if seen[name] else name), layer
        seen[name] += 1


def _put(file: Any, path: str, name: str, arrays: list[NDArray[Any]]) -> None:
    group = file.create_group(f"{path}/vars")
    group.attrs["name"] = name
    for index, array in enumerate(arrays):
        group[str(index)] = array


def _match_layers(store: Any, model: "Sequential", owner: str) -> list[tuple[NDArray[Any], Any]]:
    """Each weight of the model with its dataset; nothing is read yet."""
    if "layers" not in store:
        found = ", ".join(sorted(store)[:8]) or "nothing"
        hint = "Older files are not read."
        raise ValueError(expected(owner, "a weights file of Keras 3, with 'layers'", found, hint))
    groups = dict(_groups(model))
    spare = [name for name in store["layers"] if name not in groups]
    spare = [name for name in spare if len(_variables(store, f"layers/{name}"))]
    if spare:
        wanted = f"the layers {', '.join(groups)}"
        raise ValueError(expected(owner, wanted, f"also {', '.join(spare)}", "Another model's?"))
    pairs = []
    for name, layer in groups.items():
        datasets = _variables(store, f"layers/{name}")
        if len(datasets) != len(layer.weights):
            wanted = f"{len(layer.weights)} arrays for {layer.owner}"
            raise ValueError(expected(owner, wanted, str(len(datasets)), "Another model's?"))
        for index, array in enumerate(layer.weights):
            pairs.append((array, _fitting(datasets, index, array, f"{owner}, {layer.owner}")))
    return pairs


def _match_optimizer(store: Any, model: "Sequential", owner: str) -> list[tuple[NDArray[Any], Any]]:
    """The same for the optimizer's state; none, with a warning, where the counts differ, as in
    Keras."""
    if model.optimizer is None:
        return []
    datasets, state = _variables(store, "optimizer"), model.optimizer.variables
    if len(datasets) != len(state):
        wanted, got = f"{len(state)} arrays for {model.optimizer.name}", str(len(datasets))
        hint = "The optimizer starts anew."
        warnings.warn(expected(owner, wanted, got, hint), stacklevel=5)
        return []
    where = f"{owner}, optimizer"
    return [(array, _fitting(datasets, i, array, where)) for i, array in enumerate(state)]


def _variables(store: Any, path: str) -> Any:
    """The group of arrays at this path, empty where there is none."""
    group = store.get(f"{path}/vars")
    return {} if group is None or not hasattr(group, "keys") else group


def _fitting(datasets: Any, index: int, array: NDArray[Any], owner: str) -> Any:
    """The dataset of this index, if it has the array's shape and holds numbers."""
    dataset = datasets.get(str(index))
    dtype = getattr(dataset, "dtype", np.dtype(object))
    if getattr(dataset, "shape", None) != array.shape or dtype.kind not in "fiu":
        got = "none" if dataset is None else f"{dtype} of shape {getattr(dataset, 'shape', '?')}"
        wanted = f"array {index} of numbers, of shape {array.shape}"
        raise ValueError(expected(owner, wanted, got, "Another model's?"))
    return dataset

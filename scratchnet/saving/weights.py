"""The weights file of Keras 3, an HDF5 file:

    vars                            empty; its attribute `name` is the model's
    layers/dense/vars/0, 1 ...      a layer's weights, in the order of `layer.weights`
    layers/dense_1/vars/0, 1 ...    the second layer of that class
    optimizer/vars/0, 1 ...         iterations, learning rate, slots: `optimizer.variables`

Written with h5py; read by `scratchnet.saving.hdf5`, which trusts nothing. Weights may be NaN or
infinite: training that diverged leaves such, and the file is not wrong for it.

source    keras/src/saving/saving_lib.py
"""

import io
import os
import warnings
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from scratchnet.errors import expected
from scratchnet.saving import safetensors_file
from scratchnet.saving.hdf5 import Dataset, Group, dataset, open_hdf5
from scratchnet.utils.files import atomic_write, plain_file
from scratchnet.utils.naming import to_snake_case

if TYPE_CHECKING:
    from scratchnet.models import Sequential

__all__ = [
    "assign",
    "check_layers",
    "fill",
    "load_weights",
    "open_weights",
    "read",
    "save_weights",
    "write",
]

SUFFIX = ".weights.h5"
MAX_ITERATIONS = 1 << 62


def save_weights(model: "Sequential", path: str | os.PathLike[str]) -> None:
    """Write weights and optimizer state to a new file, which takes the old one's place when whole.

    Raises ValueError for another suffix than .weights.h5 or a model that is not built, OSError
    where the file cannot be written.
    """
    _check_path(f"{model.owner}.save_weights", path)
    if os.fspath(path).endswith(safetensors_file.SUFFIX):
        return safetensors_file.save_weights(model, path)
    if not os.fspath(path).endswith(SUFFIX):
        wanted = f"a file name that ends in {SUFFIX} or {safetensors_file.SUFFIX}"
        raise ValueError(expected(f"{model.owner}.save_weights", wanted, f"'{path}'"))
    content = write(model)
    with atomic_write(path, model.owner) as file:
        file.write(content)


def load_weights(model: "Sequential", path: str | os.PathLike[str]) -> None:
    """Read weights, and the optimizer's state where the model is compiled, from a .weights.h5 file
    or a .keras archive.

    Raises ValueError where the file does not fit the model, before any weight has changed.
    """
    _check_path(f"{model.owner}.load_weights", path)
    name = os.fspath(path)
    if name.endswith(safetensors_file.SUFFIX):
        safetensors_file.load_weights(model, path)
    elif name.endswith(".keras"):
        from scratchnet.saving.archive import open_archive

        _, content = open_archive(path)
        read(model, io.BytesIO(content), f"Model file '{path}'", os.path.getsize(path))
    elif name.endswith(SUFFIX):
        owner = f"Weights file '{path}'"
        with plain_file(path, owner, f"a {SUFFIX} file").open("rb") as file:
            read(model, file, owner)
    elif name.endswith((".h5", ".hdf5")):
        from scratchnet.saving import legacy

        legacy.load_weights(model, path)
    else:
        wanted = f"a file name that ends in {SUFFIX}, .keras, .safetensors or .h5"
        raise ValueError(expected(f"{model.owner}.load_weights", wanted, f"'{path}'"))


def _check_path(owner: str, path: Any) -> None:
    if not isinstance(path, str | os.PathLike):
        hint = f'Pass "model{SUFFIX}", for one.'
        raise TypeError(expected(owner, "a path as a str or Path", repr(path), hint))


def write(model: "Sequential") -> bytes:
    """The content of the weights file."""
    import h5py

    _check_built(model)
    buffer = io.BytesIO()
    with h5py.File(buffer, "w") as file:
        file.create_group("vars").attrs["name"] = model.name
        for group, layer in _groups(model.layers):
            _put(file, f"layers/{group}", layer.name, layer.weights)
        if model.optimizer is not None:
            _put(file, "optimizer", model.optimizer.name, model.optimizer.variables)
    return buffer.getvalue()


def _put(file: Any, path: str, name: str, arrays: list[NDArray[Any]]) -> None:
    group = file.create_group(f"{path}/vars")
    group.attrs["name"] = name
    for index, array in enumerate(arrays):
        group[str(index)] = array


# ------------------------------------------------------------------------------ reading


def open_weights(file: BinaryIO, owner: str, stored: int | None = None) -> Group:
    """The groups of a weights file; no array is read. `owner` names the file in errors."""
    store = open_hdf5(file, owner, stored)
    if "layers" not in store:
        found = ", ".join(sorted(store)[:8]) or "nothing"
        hint = "Older files are not read."
        raise ValueError(expected(owner, "a weights file of Keras 3, with 'layers'", found, hint))
    return store


def check_layers(
    store: Group, needs: Iterable[tuple[Any, list[tuple[int, ...]]]], owner: str
) -> list[Dataset]:
    """The arrays of these layers, given with the shapes of their weights, in order.

    Nothing is read yet, so a model can be held against its file before it is built. Raises
    ValueError where a layer or an array is missing, is too many or has another shape.
    """
    needs = list(needs)
    names = [name for name, _ in _groups(layer for layer, _ in needs)]
    groups = dict(zip(names, needs, strict=True))
    layers = store["layers"]
    found = list(layers) if isinstance(layers, Group) else []
    spare = [name for name in found if name not in groups]
    spare = [name for name in spare if len(_variables(store, f"layers/{name}"))]
    if spare:
        wanted = f"the layers {', '.join(groups)}"
        got = f"also {', '.join(spare[:8])}"
        raise ValueError(expected(owner, wanted, got, "Another model's?"))
    datasets = []
    for name, (layer, shapes) in groups.items():
        variables = _variables(store, f"layers/{name}")
        if len(variables) != len(shapes):
            wanted = f"{len(shapes)} arrays for {layer.owner}"
            raise ValueError(expected(owner, wanted, str(len(variables)), "Another model's?"))
        who = f"{owner}, {layer.owner}"
        datasets += [dataset(variables, str(i), shape, who) for i, shape in enumerate(shapes)]
    return datasets


def read(model: "Sequential", file: BinaryIO, owner: str, stored: int | None = None) -> None:
    """Set weights and optimizer state from an open weights file; `owner` names it in errors.

    stored    the length of the archive that the file was packed in
    """
    _check_built(model)
    assign(model, open_weights(file, owner, stored), owner)


def assign(model: "Sequential", store: Group, owner: str) -> None:
    """Set weights and optimizer state from these groups, all or none of them."""
    needs = [(layer, [w.shape for w in layer.weights]) for layer in model.layers]
    datasets = check_layers(store, needs, owner)
    arrays = [w for layer in model.layers for w in layer.weights]
    state = _match_optimizer(store, model, owner)
    if state:
        assert model.optimizer is not None
        arrays, datasets = [*arrays, *model.optimizer.variables], [*datasets, *state]
    pairs = list(zip(arrays, datasets, strict=True))
    fill(pairs, owner)


def fill(pairs: list[tuple[NDArray[Any], Dataset]], owner: str) -> None:
    """Read all of these arrays, then change all of them."""
    values = [_values(found, array.dtype, owner) for array, found in pairs]
    for (array, _), value in zip(pairs, values, strict=True):
        array[...] = value


def _check_built(model: "Sequential") -> None:
    if not model.built:
        hint = "Call build(shape), or give it data, first."
        raise ValueError(expected(model.owner, "a built model", "one without weights", hint))


def _groups(layers: Iterable[Any]) -> Iterator[tuple[str, Any]]:
    """The layers with their names in the file: counted by class, whatever they are called."""
    seen: Counter[str] = Counter()
    for layer in layers:
        name = to_snake_case(type(layer).__name__)
        yield (f"{name}_{seen[name]}" if seen[name] else name), layer
        seen[name] += 1


def _match_optimizer(store: Group, model: "Sequential", owner: str) -> list[Dataset]:
    """The arrays of the optimizer's state; none, with a warning, where the counts differ, as in
    Keras."""
    if model.optimizer is None:
        return []
    variables, state = _variables(store, "optimizer"), model.optimizer.variables
    if len(variables) != len(state):
        wanted, got = f"{len(state)} arrays for {model.optimizer.name}", str(len(variables))
        hint = "The optimizer starts anew."
        warnings.warn(expected(owner, wanted, got, hint), stacklevel=5)
        return []
    where = f"{owner}, optimizer"
    return [dataset(variables, str(i), array.shape, where) for i, array in enumerate(state)]


def _variables(store: Group, path: str) -> Group | dict[str, Any]:
    """The group of arrays at this path, empty where there is none."""
    group = store.get(f"{path}/vars")
    return group if isinstance(group, Group) else {}


def _values(found: Dataset, dtype: np.dtype[Any], owner: str) -> NDArray[Any]:
    """The values in this dtype, without a change that anybody would notice."""
    values = found[()]
    if dtype.kind == "i":  # the number of updates
        if values.dtype.kind == "f" or np.any(values < 0) or np.any(values > MAX_ITERATIONS):
            wanted = f"a whole number of 0 or more in '{found.path}'"
            raise ValueError(expected(owner, wanted, f"{values}"))
        return values.astype(dtype)
    if not values.shape and not np.isfinite(values):  # the learning rate
        raise ValueError(expected(owner, f"a finite number in '{found.path}'", f"{values}"))
    with np.errstate(over="ignore", invalid="ignore"):
        cast = values.astype(dtype)
    if values.dtype.itemsize > dtype.itemsize and np.any(np.isinf(cast) & np.isfinite(values)):
        wanted = f"numbers that {dtype} can hold in '{found.path}'"
        raise ValueError(expected(owner, wanted, f"{values[np.isinf(cast)][:1]}"))
    return cast

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
from typing import TYPE_CHECKING, Any, BinaryIO

from numpy.typing import NDArray

from scratchnet.errors import expected
from scratchnet.saving import safetensors_file
from scratchnet.saving.hdf5 import Group, open_hdf5
from scratchnet.saving.matching import (
    check_built,
    check_layers,
    fill,
    groups,
    match_optimizer,
    needs_of,
)
from scratchnet.utils.files import atomic_write, plain_file

if TYPE_CHECKING:
    from scratchnet.models import Sequential

__all__ = [
    "assign",
    "load_weights",
    "open_weights",
    "read",
    "save_weights",
    "write",
]

SUFFIX = ".weights.h5"


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

    check_built(model)
    buffer = io.BytesIO()
    with h5py.File(buffer, "w") as file:
        file.create_group("vars").attrs["name"] = model.name
        for group, layer in groups(model.layers):
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


def read(model: "Sequential", file: BinaryIO, owner: str, stored: int | None = None) -> None:
    """Set weights and optimizer state from an open weights file; `owner` names it in errors.

    stored    the length of the archive that the file was packed in
    """
    check_built(model)
    assign(model, open_weights(file, owner, stored), owner, level=6)


def assign(model: "Sequential", store: Group, owner: str, level: int = 5) -> None:
    """Set weights and optimizer state from these groups, all or none of them.

    level    how many calls above the warning the user's line is
    """
    arrays, datasets = model.weights, check_layers(store, needs_of(model), owner)
    state = match_optimizer(store, model, owner, level)
    if state:
        assert model.optimizer is not None
        arrays, datasets = [*arrays, *model.optimizer.variables], [*datasets, *state]
    fill(list(zip(arrays, datasets, strict=True)), owner)

"""Models and weights in HDF5 files, as Keras wrote them before .keras and still does:

    attributes model_config, training_config     JSON
    model_weights                                layer_names; a group for each layer
    model_weights/dense                          weight_names; the datasets that they name
    optimizer_weights                            weight_names; the optimizer's state

A file of weights alone is what model_weights is. These files are read and never written.

source    keras/src/legacy/saving/legacy_h5_format.py
"""

import os
import warnings
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

from scratchnet.errors import expected
from scratchnet.saving.hdf5 import Dataset, Group, dataset
from scratchnet.saving.legacy_configs import modern
from scratchnet.saving.legacy_file import group, names, open_file, parsed, text
from scratchnet.saving.limits import Needs
from scratchnet.saving.matching import check_built, fill, needs_of

if TYPE_CHECKING:
    from scratchnet.models import Sequential

__all__ = ["SUFFIXES", "holds_model", "load_model", "load_weights"]

SUFFIXES = (".h5", ".hdf5")


def holds_model(path: str | os.PathLike[str]) -> bool:
    """Whether there is a whole model in this file; ValueError where it is no HDF5 file."""
    with open_file(path, f"Model file '{path}'") as store:
        return "model_config" in store.attrs


def load_model(path: str | os.PathLike[str], compile: bool = True) -> "Sequential":
    """The model in an .h5 file, compiled as it was, with the optimizer's state.

    As in Keras, state that does not fit the optimizer of today is left where it is, with a warning:
    Keras 2 kept no learning rate in it. Raises ValueError, TypeError or NotImplementedError, with
    the file's name, for a damaged file and for layers and options that we do not have.
    """
    from scratchnet.saving.archive import build

    owner = f"Model file '{path}'"
    with open_file(path, owner) as store:
        config = parsed(store, "model_config", owner)
        training = parsed(store, "training_config", owner)
        if config is None:
            wanted, hint = "a model_config", "For weights alone there is model.load_weights."
            raise ValueError(expected(owner, wanted, "none", hint))
        whole, inside = modern(config, training, owner), group(store, "model_weights", owner)
        model = build(whole, compile, owner, lambda needs: _match_layers(inside, needs, owner))
        found = _match_layers(inside, needs_of(model), owner)
        pairs = list(zip(model.weights, found, strict=True))
        fill(pairs + _match_optimizer(store, model, owner), owner)
    return model


def load_weights(model: "Sequential", path: str | os.PathLike[str]) -> None:
    """Read the weights from an .h5 file of a model or of weights alone, layer after layer.

    Raises ValueError where the file does not fit the model, before any weight has changed.
    """
    owner = f"Weights file '{path}'"
    check_built(model)
    with open_file(path, owner) as store:
        whole = "model_weights" in store and "layer_names" not in store.attrs
        inside = group(store, "model_weights" if whole else "", owner)
        found = _match_layers(inside, needs_of(model), owner)
        fill(list(zip(model.weights, found, strict=True)), owner)


def _match_layers(store: Group, needs: Needs, owner: str) -> list[Dataset]:
    """The datasets of these layers' weights: layers that have weights, in order, whatever their
    names are. Nothing is read yet."""
    saved = [name for name in names(store, "layer_names", owner) if _names(store, name, owner)]
    layers = [(layer, shapes) for layer, shapes in needs if shapes]
    if len(saved) != len(layers):
        wanted = f"{len(layers)} layers with weights"
        raise ValueError(expected(owner, wanted, str(len(saved)), "Another model's?"))
    if "top_level_model_weights" in store and _names(store, "top_level_model_weights", owner):
        wanted = "weights in layers only"
        raise ValueError(expected(owner, wanted, "top_level_model_weights", "Another model's?"))
    datasets = []
    for (layer, shapes), name in zip(layers, saved, strict=True):
        inside, found = group(store, name, owner), _names(store, name, owner)
        if len(found) != len(shapes):
            wanted = f"{len(shapes)} arrays for {layer.owner}"
            raise ValueError(expected(owner, wanted, str(len(found)), "Another model's?"))
        who = f"{owner}, {layer.owner}"
        datasets += [dataset(inside, n, s, who) for n, s in zip(found, shapes, strict=True)]
    return datasets


def _names(store: Group, name: str, owner: str) -> list[str]:
    return names(group(store, name, owner), "weight_names", owner)


def _match_optimizer(
    store: Group, model: "Sequential", owner: str
) -> list[tuple[NDArray[Any], Dataset]]:
    """The same for the optimizer's state; none, with a warning, where it is not that of today."""
    if model.optimizer is None or "optimizer_weights" not in store:
        return []
    inside, state = group(store, "optimizer_weights", owner), model.optimizer.variables
    found = names(inside, "weight_names", owner)
    where = f"{owner}, {model.optimizer.name}"
    version = text(store, "keras_version", owner) or "1"
    # Keras 2 put the first slots of all variables before all second ones, Keras 3 puts the slots of
    # a variable side by side: shapes alone do not always tell
    same_order = version.startswith("3") or len(model.optimizer.slots) < 2
    if len(found) != len(state) or not same_order:
        wanted, got = f"{len(state)} arrays of Keras 3", f"{len(found)} of Keras {version}"
        warnings.warn(expected(where, wanted, got, "The optimizer starts anew."), stacklevel=4)
        return []
    return [(a, dataset(inside, one, a.shape, where)) for a, one in zip(state, found, strict=True)]

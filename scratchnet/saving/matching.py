"""A model held against a weights file: which array of the one is which of the other."""

import warnings
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from scratchnet.errors import expected
from scratchnet.saving.hdf5 import Dataset, Group, dataset
from scratchnet.saving.limits import Needs
from scratchnet.utils.naming import to_snake_case

if TYPE_CHECKING:
    from scratchnet.models import Sequential

__all__ = ["check_built", "check_layers", "fill", "groups", "match_optimizer", "needs_of"]

MAX_ITERATIONS = 1 << 62


def check_built(model: "Sequential") -> None:
    """Raise where there are no weights yet."""
    if not model.built:
        hint = "Call build(shape), or give it data, first."
        raise ValueError(expected(model.owner, "a built model", "one without weights", hint))


def needs_of(model: "Sequential") -> Needs:
    """The layers of a built model, with the shapes of their weights."""
    return [(layer, [array.shape for array in layer.weights]) for layer in model.layers]


def groups(layers: Iterable[Any]) -> Iterator[tuple[str, Any]]:
    """The layers with their names in the file: counted by class, whatever they are called."""
    seen: Counter[str] = Counter()
    for layer in layers:
        name = to_snake_case(type(layer).__name__)
        yield (f"{name}_{seen[name]}" if seen[name] else name), layer
        seen[name] += 1


def check_layers(store: Group, needs: Needs, owner: str) -> list[Dataset]:
    """The arrays of these layers, given with the shapes of their weights, in order.

    Nothing is read yet, so a model can be held against its file before it is built. Raises
    ValueError where a layer or an array is missing, is too many or has another shape.
    """
    names = [name for name, _ in groups(layer for layer, _ in needs)]
    wanted_by = dict(zip(names, needs, strict=True))
    layers = store["layers"]
    found = list(layers) if isinstance(layers, Group) else []
    spare = [name for name in found if name not in wanted_by]
    spare = [name for name in spare if len(_variables(store, f"layers/{name}"))]
    if spare:
        wanted = f"the layers {', '.join(wanted_by)}"
        if not wanted_by:
            wanted = "the shape of the input, for a model that has weights"
        got = f"also {', '.join(spare[:8])}"
        raise ValueError(expected(owner, wanted, got, "Another model's?"))
    datasets = []
    for name, (layer, shapes) in wanted_by.items():
        variables = _variables(store, f"layers/{name}")
        if len(variables) != len(shapes):
            wanted = f"{len(shapes)} arrays for {layer.owner}"
            raise ValueError(expected(owner, wanted, str(len(variables)), "Another model's?"))
        who = f"{owner}, {layer.owner}"
        datasets += [dataset(variables, str(i), shape, who) for i, shape in enumerate(shapes)]
    return datasets


def match_optimizer(store: Group, model: "Sequential", owner: str, level: int) -> list[Dataset]:
    """The arrays of the optimizer's state; none, with a warning, where the counts differ, as in
    Keras."""
    if model.optimizer is None:
        return []
    variables, state = _variables(store, "optimizer"), model.optimizer.variables
    if len(variables) != len(state):
        wanted, got = f"{len(state)} arrays for {model.optimizer.name}", str(len(variables))
        hint = "The optimizer starts anew."
        warnings.warn(expected(owner, wanted, got, hint), stacklevel=level)
        return []
    where = f"{owner}, optimizer"
    return [dataset(variables, str(i), array.shape, where) for i, array in enumerate(state)]


def _variables(store: Group, path: str) -> Group | dict[str, Any]:
    """The group of arrays at this path, empty where there is none."""
    group = store.get(f"{path}/vars")
    return group if isinstance(group, Group) else {}


def fill(pairs: list[tuple[NDArray[Any], Dataset]], owner: str) -> None:
    """Read all of these arrays, then change all of them."""
    values = [_values(found, array.dtype, owner) for array, found in pairs]
    for (array, _), value in zip(pairs, values, strict=True):
        array[...] = value


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

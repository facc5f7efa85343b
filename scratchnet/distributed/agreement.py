"""What all ranks must have in common before the first batch: looked at, or taken from rank 0."""

import hashlib
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scratchnet.data import Batches
from scratchnet.distributed import world as ranks
from scratchnet.errors import expected
from scratchnet.layers.normalization import BatchNormalization
from scratchnet.regularizers import L1, L1L2, L2

__all__ = ["begin", "check", "check_rows_are_alone"]

LOOKED_AT = 2**20  # numbers of an array that a rank's data is known by


def check(model: Any, train: Batches, validation: Batches | None, epochs: int) -> None:
    """Raise, on every rank, unless this training can be shared and all mean the same one."""
    world = ranks.current()
    if world is None:
        return
    check_rows_are_alone(model, train)
    layers = [
        (type(layer).__name__, [(key, array.shape) for key, array in layer.params.items()])
        for layer in model.layers
    ]
    network = layers, type(model.optimizer).__name__, type(model.loss).__name__, model.dtype
    sizes = train.batch_size, None if validation is None else validation.batch_size
    same = "Run the same lines on every rank."
    items = [
        ("network", _digest(repr(network)), same),
        ("data", _digest_of(train), "Give every rank all of them: it takes its own part."),
        ("validation data", _digest_of(validation), "Give every rank all of them."),
        ("epochs, batch size and shuffle", _digest(repr((epochs, sizes, train._shuffle))), same),
    ]
    _check_same(world, f"{model.owner}.fit", items)


def begin(model: Any, progress: Any) -> None:
    """Rank 0's weights, optimizer state and dropout streams for all; raises, on every rank, unless
    all start at the same epoch and batch."""
    world = ranks.current()
    if world is None:
        return
    hint = "A backup must lie where every rank can read it."
    _check_same(world, f"{model.owner}.fit", [("first batch", _digest(str(progress)), hint)])
    model.build_optimizer()
    states = [array for layer in model.layers for array in layer.state.values()]
    for array in (model.parameters, *states, *model.optimizer.variables):
        world.copy_first(array)
    for layer in model.layers:
        generator = getattr(layer, "seed_generator", None)
        if generator is not None:
            state = np.array(generator.state, np.int64)
            world.copy_first(state)
            generator.state = int(state[0]), int(state[1])


def check_rows_are_alone(model: Any, train: Batches) -> None:
    """Raise where a rank would need the rows of the others for what a layer or the loss does."""
    weighted = train.sample_weight is not None and model.loss.reduction == "mean_with_sample_weight"
    by_rows = not weighted and getattr(model.loss, "ignore_class", None) is None
    for layer in model.layers:
        normal, penalty = type(layer) is BatchNormalization, layer.activity_regularizer
        if layer.trainable and layer.state and not normal:
            wanted = "layers that look at each row alone, for training on several ranks"
            hint = "Set its trainable to False, or train on one rank."
            raise NotImplementedError(expected(model.owner, wanted, layer.owner, hint))
        if penalty is not None and type(penalty) not in (L1, L2, L1L2):
            wanted = "an activity regularizer that is a sum over rows (L1, L2, L1L2)"
            raise NotImplementedError(expected(layer.owner, wanted, type(penalty).__name__))
        if (penalty is not None or (normal and layer.trainable)) and not by_rows:
            what = "trainable batch statistics" if penalty is None else "an activity regularizer"
            wanted = f"a loss in which all rows count alike beside {what}"
            hint = "Train on one rank."
            raise NotImplementedError(expected(layer.owner, wanted, model.loss.owner, hint))
    if weighted and train.sample_weight is not None and train.sample_weight.min() < 0:
        wanted, got = "sample weights of 0 or more", str(train.sample_weight.min())
        raise NotImplementedError(expected(model.loss.owner, wanted, got, "Train on one rank."))


def _check_same(world: Any, owner: str, items: list[tuple[str, bytes, str]]) -> None:
    mine = np.frombuffer(b"".join(digest for _, digest, _ in items), np.uint64)
    everybody = world.gather(mine)
    differs = everybody != everybody[0]
    for index, (name, _, hint) in enumerate(items):
        if differs[:, index].any():
            wanted = f"the same {name} on every rank"
            got = f"a difference between ranks 0 and {int(np.argmax(differs[:, index]))}"
            raise ValueError(expected(owner, wanted, got, hint))


def _digest(text: str | bytes) -> bytes:
    """Eight bytes that differ where the texts do."""
    data = text.encode() if isinstance(text, str) else text
    return hashlib.blake2b(data, digest_size=8).digest()


def _digest_of(batches: Batches | None) -> bytes:
    if batches is None:
        return bytes(8)
    parts = [
        _sample(a) for a in (batches.source, batches.y, batches.sample_weight) if a is not None
    ]
    return _digest(b"".join(parts))


def _sample(array: NDArray[Any]) -> bytes:
    """Shape, type and some rows, spread over the array."""
    rows = max(1, len(array) * LOOKED_AT // max(array.size, 1))
    step = -(-len(array) // rows)
    return f"{array.shape} {array.dtype}".encode() + np.ascontiguousarray(array[::step]).tobytes()

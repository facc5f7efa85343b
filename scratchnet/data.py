"""What goes into fit, evaluate and predict: checked once, whole, before anything happens; then
batches.
"""

from collections.abc import Iterator
from math import floor
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scratchnet import random
from scratchnet.distributed.world import of_first
from scratchnet.errors import expected
from scratchnet.layers.arguments import numbers
from scratchnet.losses.loss import Array
from scratchnet.numerics import all_finite
from scratchnet.utils.options import is_int, is_number

__all__ = ["Batches", "batch_size", "check", "labels", "prepare_fit", "whole"]


MANY = 2**20  # numbers, from which on several threads look at them faster


class Batches:
    """Rows of x, y and sample_weight, and the order in which they are taken.

    x may be `taken` from a larger `source`: it is then copied out when somebody asks for it, and an
    engine that reads the rows where they lie never does.
    """

    def __init__(
        self,
        source: Array,
        y: Any = None,
        sample_weight: Array | None = None,
        taken: NDArray[np.integer] | None = None,
    ) -> None:
        self.source, self.taken = source, taken
        self.y, self.sample_weight = y, sample_weight
        self._x = source if taken is None else None
        self.batch_size = 32
        self._shuffle: Any = False
        self._order: NDArray[np.integer] | None = None
        self.current: NDArray[np.integer] | None = None  # order of the epoch that is under way

    @property
    def x(self) -> Array:
        """The samples."""
        if self._x is None:
            assert self.taken is not None
            self._x = self.source.take(self.taken, axis=0)
        return self._x

    def __len__(self) -> int:
        """How many batches there are; the last may be smaller."""
        return -(-len(self.x) // self.batch_size)

    def shuffle(self, how: Any) -> None:
        """True, False, "batch" or "reshuffle" (see fit)."""
        named = isinstance(how, str) and how in ("batch", "reshuffle")
        if not named and (not isinstance(how, bool | int | np.bool_) or how not in (True, False)):
            wanted = "shuffle as True, False, 'batch' or 'reshuffle'"
            raise ValueError(expected("fit", wanted, repr(how)))
        self._shuffle = how if named else bool(how)

    def order(self, epoch: int) -> NDArray[np.integer]:
        """The rows in the order of this epoch."""
        n = len(self.x)
        if self._shuffle is False:
            return np.arange(n)
        if self._shuffle == "batch":
            return random.batch_permutation(n, self.batch_size)
        if self._shuffle == "reshuffle" or random.global_seed() is None:
            return random.permutation(n, epoch)
        if self._order is None:  # with a seed, Keras takes the same order in every epoch
            self._order = random.permutation(n)
        return self._order

    def rows(self, chosen: Any) -> "Batches":
        """These rows only."""
        given = self.y, self.sample_weight
        if isinstance(chosen, slice):
            y, weight = (None if a is None else a[chosen] for a in given)
            return Batches(self.x[chosen], y, weight)
        # `take` is three times as fast as an index
        y, weight = (None if a is None else a.take(chosen, axis=0) for a in given)
        return Batches(self.x, y, weight, chosen)

    def part(self, rows: slice) -> "Batches":
        """These rows of a batch, left where they lie."""
        y, weight = (None if a is None else a[rows] for a in (self.y, self.sample_weight))
        if self.taken is None:
            return Batches(self.source[rows], y, weight)
        return Batches(self.source, y, weight, self.taken[rows])

    @property
    def shuffled(self) -> bool | str:
        """What was given to `shuffle`."""
        return self._shuffle  # type: ignore[no-any-return]

    def batches(self, epoch: int, done: int = 0) -> Iterator["Batches"]:
        """The batches of one epoch; with some `done`, the others in the order that was begun."""
        order = None
        if self._shuffle is not False:
            begun = done > 0 and self.current is not None
            # without a seed every rank has drawn an order of its own
            order = self.current = self.current if begun else of_first(self.order(epoch))
        for start in range(done * self.batch_size, len(self.x), self.batch_size):
            part = slice(start, start + self.batch_size)
            yield self.rows(part if order is None else order[part])


def whole(owner: str, name: str, value: Any, least: int) -> int:
    """The value as an int, not below `least`."""
    if not is_int(value):
        raise TypeError(expected(owner, f"{name} as an int", repr(value)))
    if value < least:
        raise ValueError(expected(owner, f"{name} of {least} or more", repr(value)))
    return int(value)


def batch_size(owner: str, value: Any, name: str = "batch_size") -> int:
    """32 unless another number above 0 was given."""
    return 32 if value is None else whole(owner, name, value, 1)


def _numbers(owner: str, name: str, value: Any, dtype: str = "float64") -> Array:
    """The value as an array of numbers with a batch axis, finite in this dtype too."""
    _refuse_streams(owner, name, value)
    array = numbers(owner, name, value)
    if array.dtype.kind == "f":
        # an infinite target is lawful, as in Keras: TerminateOnNaN ends what comes of it
        with np.errstate(over="ignore", invalid="ignore"):
            clean = _is_finite(array)  # as it almost always is, and then no mask is made
        if not clean:
            bad = np.isnan(array) if name == "y" else ~np.isfinite(array)
            _refuse_first(owner, f"finite numbers in {name}", array, bad)
        limit = np.finfo(dtype).max
        if array.dtype.itemsize > np.dtype(dtype).itemsize:
            _refuse_first(owner, f"{name} that fits {dtype}", array, np.abs(array) > limit)
    return array


def _is_finite(array: Array) -> bool:
    """Whether all numbers are; may be False where only their sum is not."""
    return all_finite(array) if array.size >= MANY else bool(np.isfinite(array.sum()))


def _refuse_streams(owner: str, name: str, value: Any) -> None:
    """Raise for what gives its data bit by bit, or under names."""
    if hasattr(value, "__next__") or hasattr(value, "element_spec") or isinstance(value, dict):
        wanted, hint = f"{name} as an array", "ScratchNet takes no generators, datasets or dicts."
        raise TypeError(expected(owner, wanted, type(value).__name__, hint))


def _refuse_first(owner: str, wanted: str, array: Array, bad: NDArray[np.bool_]) -> None:
    """Raise for the first number of the array that is bad, if there is one."""
    if bad.any():
        place = tuple(int(i) for i in np.argwhere(bad)[0])
        raise ValueError(expected(owner, wanted, f"{array[place]} at {place}", "Clean the data."))


def check(model: Any, x: Any, y: Any = None, sample_weight: Any = None) -> Batches:
    """The data as arrays that fit the model and its loss, all of one length."""
    if x is None:
        raise ValueError(expected(model.owner, "x as an array", "None"))
    x = _numbers(model.owner, "x", x, model.dtype)
    if len(x) == 0:
        raise ValueError(expected(model.owner, "at least one sample", "none"))
    shape = (None, *x.shape[1:])
    model.check_input_shape(shape)
    if y is None:
        if sample_weight is not None:
            raise ValueError(expected(model.owner, "labels y", "None"))
        return Batches(x)
    y = _numbers(model.owner, "y", y)
    if len(y) != len(x):
        raise ValueError(expected(model.owner, f"{len(x)} labels, one a sample", str(len(y))))
    output_shape = model.compute_output_shape(shape)
    model.loss.check_labels(y, output_shape)
    if sample_weight is not None:
        sample_weight = _numbers(model.owner, "sample_weight", sample_weight)
        if len(sample_weight) != len(x):
            wanted = f"{len(x)} sample weights, one a sample"
            raise ValueError(expected(model.owner, wanted, str(len(sample_weight))))
        model.loss.check_weights(sample_weight, output_shape)
    return Batches(x, y, sample_weight)


def labels(owner: str, y: Any, x: Any = None) -> Any:
    """y itself; raises where there is none."""
    if y is None:
        _refuse_streams(owner, "x", x)  # whose labels would come with it
        raise ValueError(expected(owner, "labels y", "None"))
    return y


def prepare_fit(
    model: Any,
    x: Any,
    y: Any,
    sample_weight: Any,
    class_weight: Any,
    validation_split: float,
    validation_data: Any,
) -> tuple[Batches, Batches | None]:
    """The data to train on and those to validate on."""
    if not is_number(validation_split) or not 0 <= validation_split < 1:
        wanted = "validation_split of 0 or more and below 1"
        raise ValueError(expected(model.owner, wanted, repr(validation_split)))
    train = check(model, x, labels(model.owner, y, x), sample_weight)
    validation = None
    if validation_data is not None:
        if not isinstance(validation_data, tuple | list) or len(validation_data) not in (2, 3):
            wanted = "validation_data as (x, y) or (x, y, sample_weight)"
            raise ValueError(expected(model.owner, wanted, type(validation_data).__name__))
        x, y, *weight = validation_data
        validation = check(model, x, labels(model.owner, y), *weight)
    elif validation_split:
        train, validation = _split(model.owner, train, validation_split)
    if class_weight is not None:
        if sample_weight is not None:
            raise ValueError(expected(model.owner, "class_weight or sample_weight", "both of them"))
        train.sample_weight = _weights_of_classes(model.owner, train.y, class_weight)
    return train, validation


def _split(owner: str, batches: Batches, split: float) -> tuple[Batches, Batches]:
    """The first floor(n * (1 - split)) rows, and the rest."""
    n = len(batches.x)
    first = floor(n * (1.0 - split))
    if first in (0, n):
        wanted = "rows on both sides of the validation split"
        raise ValueError(expected(owner, wanted, f"{n} rows split at {first}", "Give more data."))
    return batches.rows(slice(0, first)), batches.rows(slice(first, n))


def _weights_of_classes(owner: str, y: Array, class_weight: Any) -> Array:
    """The weight of each sample's class, 1 for a class that is not listed."""
    if not isinstance(class_weight, dict):
        raise TypeError(expected(owner, "class_weight as a dict", type(class_weight).__name__))
    for key, weight in class_weight.items():
        if not is_int(key):
            wanted = "class numbers as the keys of class_weight"
            raise TypeError(expected(owner, wanted, repr(key)))
        if not is_number(weight):
            wanted = "class_weight of numbers"
            raise TypeError(expected(owner, wanted, f"{weight!r} for class {key}"))
        if not np.isfinite(weight):
            wanted = "class_weight of finite numbers"
            raise ValueError(expected(owner, wanted, f"{weight!r} for class {key}"))
    if y.ndim > 2:
        wanted = "class_weight with one label a sample"
        raise ValueError(expected(owner, wanted, f"y of shape {y.shape}"))
    classes = y
    if y.ndim > 1:
        classes = y.argmax(axis=-1) if y.shape[-1] != 1 else y[..., 0]
    classes = np.round(classes).astype(int)
    return np.array([class_weight.get(int(c), 1.0) for c in classes])

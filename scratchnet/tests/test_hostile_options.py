"""Every option of everything that a config can name, with values that make no sense.

By themselves, without the net that a file's reader has below the constructors: what is refused is
refused in our words, and what is taken can be written down again and used.
"""

import inspect
import warnings
from typing import Any

import pytest

from scratchnet import initializers, layers, losses, metrics, optimizers, regularizers
from scratchnet.optimizers import schedules
from scratchnet.registry import deserialize
from scratchnet.tests import hostile

TABLES: dict[str, dict[str, Any]] = {
    "Layer": layers.LAYERS,
    "Optimizer": optimizers.OPTIMIZERS,
    "Loss": losses.LOSSES,
    "metric": metrics.METRICS,
    "Initializer": initializers.TABLE,
    "Regularizer": regularizers.REGULARIZERS,
    "LearningRateSchedule": schedules.SCHEDULES,
}
# each class once, by its shortest name
THINGS = [
    (kind, min((n for n in table if table[n] is cls), key=len))
    for kind, table in TABLES.items()
    for cls in dict.fromkeys(table.values())
]
VALUES = [*hostile.VALUES, 3, 0.9, [2, 2], (2, 2), 10**400, float("nan"), float("inf")]
# what a constructor must be given
NEEDED: dict[str, Any] = {
    **{"units": 3, "filters": 3, "kernel_size": 2, "rate": 0.5, "target_shape": [4], "scale": 1.0},
    **{"activation": "relu", "shape": [3], "learning_rate": 0.1, "initial_learning_rate": 0.1},
    **{"decay_steps": 5, "first_decay_steps": 5, "decay_rate": 0.5, "boundaries": [1, 2]},
    **{"values": [1.0, 0.5, 0.2], "fn": "huber"},
}


def options_of(cls: type) -> tuple[set[str], set[str]]:
    """Names of the constructor's own arguments, and of those of its bases, too."""
    found = [
        {n for n in inspect.signature(c).parameters if n not in ("args", "kwargs")}
        for c in cls.__mro__
        if "__init__" in vars(c) and c is not object
    ]
    return (found[0] if found else set()), set().union(*found)


def use(kind: str, thing: Any) -> None:
    """What a model does with it before there is any data."""
    thing.get_config()
    if kind == "Initializer":
        thing((2, 3), dtype="float32")
    if kind != "Layer" or isinstance(thing, layers.InputLayer):
        return
    for shape in ((None, 4, 4, 2), (None, 4)):
        try:
            thing.compute_output_shape(shape)
            thing.weight_shapes(shape)
        except hostile.REFUSALS as error:
            text = str(error)
            if ": expected " not in text:
                raise


@pytest.mark.parametrize(("kind", "name"), THINGS)
def test_options_are_refused_in_our_words(kind: str, name: str) -> None:
    own, known = options_of(TABLES[kind][name])
    good = {key: value for key, value in NEEDED.items() if key in own}
    refused = 0
    for option in sorted(known):
        for value in VALUES:
            config = {"class_name": name, "config": good | {option: value}}
            text = ": expected "
            try:
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")
                    use(kind, deserialize(kind, config, TABLES[kind]))
            except hostile.REFUSALS as error:
                text, refused = str(error), refused + 1
            assert ": expected " in text, f"{option}={value!r}: {text}"
    assert refused or not known
    with pytest.raises(hostile.REFUSALS, match=r"expected (arguments|only Keras 3|options of)"):
        deserialize(kind, {"class_name": name, "config": good | {"no such": 1}}, TABLES[kind])

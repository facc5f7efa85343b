"""Nothing is timed before it has shown that it computes the same network.

The reference is engine `numpy` in float64. From the same initial weights, without shuffling and
with dropout switched off, each contestant must show its loss of some test rows, its loss of the
first training batch and of a few more after as many updates.
"""

from typing import Any

from numpy.typing import NDArray

import scratchnet
from keras_ref import floatx
from keras_ref.race.contestants import Contestant
from keras_ref.race.torch_formulas import FORMULAS
from scratchnet.errors import expected
from scratchnet.networks import Network

__all__ = ["LOOPS_ROWS", "STEPS", "check", "check_start", "reference", "rows_of"]

STEPS = 4
LOOPS_ROWS = 2  # rows a step of `loops`, which needs half a second for each


def rows_of(name: str, batch_size: int, samples: int) -> int:
    """How many rows a step of the check has for this contestant."""
    return LOOPS_ROWS if name == "loops" else max(1, min(batch_size, samples // STEPS))


def reference(
    network: Network,
    weights: list[NDArray[Any]],
    arrays: dict[str, NDArray[Any]],
    rows: int,
    side: str = "keras",
) -> dict[str, Any]:
    """What `Side.losses(rows, STEPS)` should say; side "torch" has optimizers of its own formula.

    arrays   x_train, x_test in the shape of the network's input; y_train, y_test one-hot
    """
    with scratchnet.engine("numpy"), floatx(scratchnet, "float64"):
        model = network.compiled(scratchnet)
        for layer in model.layers:
            if type(layer).__name__ == "Dropout":
                layer.rate = 0.0
        if side == "torch":
            model.compile(FORMULAS[network.optimizer](), network.loss, metrics=["accuracy"])
        model.set_weights(weights)
        tested = model.evaluate(arrays["x_test"][:rows], arrays["y_test"][:rows], verbose=0)[0]
        losses = []
        for i in range(STEPS):
            cut = slice(i * rows, (i + 1) * rows)
            losses.append(model.train_on_batch(arrays["x_train"][cut], arrays["y_train"][cut])[0])
    return {"test": tested, "steps": losses}


def check(chosen: Contestant, told: dict[str, Any], wanted: dict[str, Any]) -> float:
    """The largest relative difference; ValueError that names the contestant where it is too
    large."""
    first, later = chosen.tolerance
    pairs = [("loss of test rows", told["test"], wanted["test"], first)]
    for step, (got, should) in enumerate(zip(told["steps"], wanted["steps"], strict=True)):
        what = f"loss of step {step + 1}"
        pairs.append((what, got, should, later if step else first))
    return max(_compare(chosen, *pair) for pair in pairs)


def check_start(chosen: Contestant, told: float, wanted: float) -> None:
    """Raise unless the raced model itself begins at the loss where it should."""
    _compare(chosen, "loss of test rows at the start", told, wanted, chosen.tolerance[0])


def _compare(chosen: Contestant, what: str, got: float, should: float, most: float) -> float:
    difference = abs(got - should) / abs(should)
    if not difference <= most:  # a NaN is no agreement either
        wanted = f"{what} {should:.6f} within {most:g}"
        hint = f"It does not compute the same network (relative difference {difference:.1e})."
        raise ValueError(expected(chosen.owner, wanted, f"{got:.6f}", hint))
    return difference

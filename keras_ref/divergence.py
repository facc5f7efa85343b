"""Where two traces part, and by how much.

float64   the largest difference, relative to the largest number of the array, against a fixed bar
float32   the root mean square of the error against the float64 answer, against twice Keras's own
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from keras_ref.trace import Trace

__all__ = [
    "Divergence",
    "first_divergence",
    "float32_bars",
    "relative_error",
    "rms_error",
    "shared_errors",
    "ulps",
]

Array = NDArray[Any]
FEW = 32  # numbers
ULP = 2.0**-23  # one unit in the last place of a float32, relatively: two roundings can cost that


@dataclass
class Divergence:
    """The first quantity at which two programs part."""

    name: str
    index: tuple[int, ...]
    ours: float
    theirs: float
    error: float
    bar: float
    agreed: dict[str, float]  # everything upstream, and how closely it agreed

    def __str__(self) -> str:
        place = f"{self.name}[{', '.join(map(str, self.index))}]" if self.index else self.name
        upstream = "nothing was computed before it"
        if self.agreed:
            worst = max(self.agreed, key=lambda name: self.agreed[name])
            count = len(self.agreed)
            upstream = (
                f"the {count} quantities upstream agree to {self.agreed[worst]:.1e} ({worst})"
            )
        return (
            f"first divergence at {place}: ours {self.ours!r}, Keras {self.theirs!r}, "
            f"{ulps(self.ours, self.theirs):.0f} float32 units in the last place apart; "
            f"error {self.error:.2e}, allowed {self.bar:.2e}; {upstream}"
        )


def relative_error(ours: Array, theirs: Array, floor: float = 0.0) -> float:
    """Largest difference over the array, relative to its largest number, or to `floor` if that is
    larger (see Case.cancels). Of an array that is nothing but zeros the difference itself.
    """
    if ours.shape != theirs.shape:
        return float("inf")
    if not ours.size:
        return 0.0
    scale = max(float(np.abs(theirs).max()), floor) or 1.0
    return float(np.abs(np.asarray(ours, np.float64) - theirs).max()) / scale


def rms_error(values: Array, exact: Array) -> float:
    """Root mean square of values - exact."""
    if values.shape != exact.shape:
        return float("inf")
    difference = np.asarray(values, np.float64) - exact
    return float(np.sqrt(np.mean(difference**2))) if difference.size else 0.0


def ulps(a: float, b: float) -> float:
    """How many float32 units in the last place of b lie between a and b."""
    return abs(float(a) - float(b)) / float(np.spacing(np.float32(abs(b)) or np.float32(1e-30)))


def _size(values: Array) -> float:
    """Root mean square."""
    return float(np.sqrt(np.mean(np.square(values)))) if values.size else 0.0


def _kind(name: str) -> str:
    """ "step 3/gradient" of "step 3/gradient/0 Dense/bias"."""
    return "/".join(name.split("/")[:2])


def shared_errors(exact: Trace, keras_errors: dict[str, float]) -> dict[str, float]:
    """Keras's rms errors where luck must not decide: of each array, the largest relative one among
    the arrays of its kind in the step."""
    typical = _typical_errors(exact, keras_errors)
    return {name: typical[_kind(name)] * _size(value) for name, value in exact.items()}


def float32_bars(exact: Trace, keras_errors: dict[str, float]) -> dict[str, float]:
    """The rms error that float32 is allowed for each name: twice Keras's own, and never less than
    one unit in the last place: no result of two roundings can be asked for more.

    An array of three numbers has no statistics: whichever program is luckier there wins. Arrays of
    fewer than FEW numbers borrow Keras's largest relative error among all arrays of their kind in
    the step.
    """
    shared = shared_errors(exact, keras_errors)
    bars: dict[str, float] = {}
    for name, value in exact.items():
        borrowed = shared[name] if value.size < FEW else 0.0
        bars[name] = max(2 * max(keras_errors[name], borrowed), ULP * _size(value))
    return bars


def _typical_errors(exact: Trace, keras_errors: dict[str, float]) -> dict[str, float]:
    """Keras's largest relative error among the arrays of each kind, by step."""
    typical: dict[str, float] = {}
    for name, value in exact.items():
        relative = keras_errors[name] / _size(value) if _size(value) else 0.0
        typical[_kind(name)] = max(typical.get(_kind(name), 0.0), relative)
    return typical


def first_divergence(
    ours: Trace,
    exact: Trace,
    bar: float | None = None,
    later_bar: float | None = None,
    keras_errors: dict[str, float] | None = None,
    floor: float = 0.0,
) -> Divergence | None:
    """The first name at which `ours` is further from `exact` than allowed, None if there is none.

    bar            float64: the largest relative error, in step 1 and (later_bar) after it
    floor          float64: what an array's largest number counts as, if it is smaller
    keras_errors   float32: Keras's own rms error for each name (see float32_bars)
    """
    missing = [name for name in exact if name not in ours]
    if missing:
        raise KeyError(f"trace: expected {missing[0]!r}, got a trace without it.")
    agreed: dict[str, float] = {}
    bars = {} if keras_errors is None else float32_bars(exact, keras_errors)
    for name, theirs in exact.items():
        mine = np.asarray(ours[name])
        if keras_errors is None:
            assert bar is not None
            later = bar if later_bar is None else later_bar
            allowed = bar if name.startswith("step 1/") else later
            error = relative_error(mine, theirs, floor)
        else:
            error, allowed = rms_error(mine, theirs), bars[name]
        if not error <= allowed:  # a NaN is a divergence
            if mine.shape != theirs.shape:
                raise ValueError(f"{name}: expected shape {theirs.shape}, got {mine.shape}.")
            distance = np.abs(np.asarray(mine, np.float64) - theirs)
            flat = int(np.argmax(np.where(np.isnan(distance), np.inf, distance)))
            index = tuple(int(i) for i in np.unravel_index(flat, mine.shape))
            return Divergence(
                name, index, float(mine[index]), float(theirs[index]), error, allowed, agreed
            )
        agreed[name] = error
    return None

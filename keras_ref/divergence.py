"""Where two traces part, and by how much.

float64   the largest difference, relative to the largest number of the array, against a fixed bar
float32   the root mean square of the error against the float64 answer, against twice Keras's own
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from keras_ref.trace import Trace

__all__ = ["Divergence", "first_divergence", "relative_error", "rms_error", "ulps"]

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


def relative_error(ours: Array, theirs: Array) -> float:
    """Largest difference over the array, relative to its largest number, or to 0.001 if that is
    larger: a sum that cancels to zero (the bias before a batch normalization) is nothing but
    rounding.
    """
    if ours.shape != theirs.shape:
        return float("inf")
    if not ours.size:
        return 0.0
    scale = max(float(np.abs(theirs).max()), 1e-3)
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


def float32_bar(exact: Array, keras_error: float) -> float:
    """Twice Keras's own error, and never less than one unit in the last place: no result of two
    roundings can be asked for more.
    """
    return max(2 * keras_error, ULP * _size(exact))


def _size(values: Array) -> float:
    """Root mean square."""
    return float(np.sqrt(np.mean(np.square(values)))) if values.size else 0.0


def _kind(name: str) -> str:
    """ "step 3/gradient" of "step 3/gradient/0 Dense/bias"."""
    return "/".join(name.split("/")[:2])


def _typical_errors(exact: Trace, keras_errors: dict[str, float]) -> dict[str, float]:
    """Keras's largest relative error among the arrays of each kind, by step.

    An array of three numbers has no statistics: whichever program is luckier there wins. Arrays of
    fewer than FEW numbers borrow those of all arrays of their kind in the step.
    """
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
) -> Divergence | None:
    """The first name at which `ours` is further from `exact` than allowed, None if there is none.

    bar            float64: the largest relative error, in step 1 and (later_bar) after it
    keras_errors   float32: Keras's own rms error for each name (see float32_bar)
    """
    missing = [name for name in exact if name not in ours]
    if missing:
        raise KeyError(f"trace: expected {missing[0]!r}, got a trace without it.")
    agreed: dict[str, float] = {}
    typical = {} if keras_errors is None else _typical_errors(exact, keras_errors)
    for name, theirs in exact.items():
        mine = np.asarray(ours[name])
        if keras_errors is None:
            assert bar is not None
            later = bar if later_bar is None else later_bar
            allowed = bar if name.startswith("step 1/") else later
            error = relative_error(mine, theirs)
        else:
            borrowed = 0.0 if theirs.size >= FEW else typical[_kind(name)] * _size(theirs)
            keras_error = max(keras_errors[name], borrowed)
            error, allowed = rms_error(mine, theirs), float32_bar(theirs, keras_error)
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

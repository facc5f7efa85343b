"""One network against its Keras twin, number by number, as a table: what `scratchnet parity` prints.

Both start from the same weights and are given the same batches and dropout masks. In float64 the
difference itself is judged, against a fixed bar. In float32 two correct programs round differently,
so each one's error against the float64 answer is taken, and ours may be at most twice Keras's own.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from keras_ref import available
from keras_ref.case import Case, keras_trace, scratchnet_trace
from keras_ref.divergence import (
    Divergence,
    first_divergence,
    float32_bar,
    relative_error,
    rms_error,
)
from keras_ref.trace import Trace
from scratchnet.networks import Network

__all__ = ["Parity", "Row", "compact", "measure"]

STEPS = 10
ROWS = 33  # of a batch; odd, so that nothing fits vectors by chance
ORDERS = 4  # of the rows of each batch, to see what rounding alone does to Keras


@dataclass
class Row:
    """One line of the table: the worst of the quantities it stands for.

    float64   largest relative difference from Keras, and the bar
    ours, keras   float32: root-mean-square error against the float64 answer, in units in the last
              place of a number of the array's typical size; `ratio` is ours over what Keras does, 2
              at most, and never judged finer than float32 can hold the answer
    """

    label: str
    float64: float = 0.0
    bar: float = 0.0
    ours: float = 0.0
    keras: float = 0.0
    ratio: float = 0.0

    @property
    def ok(self) -> bool:
        """Whether both dtypes are within their bars; a NaN is not."""
        return self.float64 <= self.bar and self.ratio <= 2

    def add(self, other: "Row") -> None:
        """Take in another quantity: the worse value of each column stays."""
        self.float64 = float(np.maximum(self.float64, other.float64))
        self.bar = max(self.bar, other.bar)
        if not other.ratio <= self.ratio:
            self.ours, self.keras, self.ratio = other.ours, other.keras, other.ratio


@dataclass
class Parity:
    """The table of one network, by one engine, and the first divergence of each dtype if there is one."""

    network: str
    engine: str
    source: str
    rows: list[Row]
    divergences: dict[str, Divergence]

    @property
    def ok(self) -> bool:
        """The verdict."""
        return not self.divergences and all(row.ok for row in self.rows)


def network_case(network: Network) -> Case:
    """The network on batches of numbers from 0 to 1, for ten steps."""
    return Case(
        network.name,
        network.build,
        lambda k: network.loss,
        lambda k: network.optimizer,
        labels="one-hot",
        data="probability",
        rows=ROWS,
        steps=STEPS,
        whole=(1, STEPS),
        bar=1e-12,
        later_bar=1e-9,
    )


def keras_side(case: Case) -> tuple[Trace, dict[str, float], str]:
    """Keras's float64 trace, its float32 error for every name, and where both come from."""
    if not available():
        from keras_ref import require

        require()  # says what to install
    exact = keras_trace(case, "float64")
    orders: Iterable[int | None] = [None, *range(1, ORDERS)]
    errors = dict.fromkeys(exact, 0.0)
    for order in orders:
        trace = keras_trace(case, "float32", order)
        for name, values in exact.items():
            errors[name] = max(errors[name], rms_error(trace[name], values))
    return exact, errors, "live"


def measure(network: Network, engine: str) -> Parity:
    """Compare the network's twin with ours in both dtypes."""
    case = network_case(network)
    exact, keras_errors, source = keras_side(case)
    double = scratchnet_trace(case, "float64", engine)
    single = scratchnet_trace(case, "float32", engine)
    rows: dict[str, Row] = {}
    for name, theirs in exact.items():
        first = name.startswith("step 1/")
        error, allowed = rms_error(single[name], theirs), float32_bar(theirs, keras_errors[name])
        size = float(np.sqrt(np.mean(np.square(theirs)))) if theirs.size else 0.0
        ulp = float(np.spacing(np.float32(size or 1.0)))
        row = Row(
            _label(name),
            relative_error(double[name], theirs),
            case.bar if first else case.later_bar,
            error / ulp,
            keras_errors[name] / ulp,
            0.0 if error == 0 else 2 * error / allowed,
        )
        rows.setdefault(row.label, Row(row.label)).add(row)
    found = {
        "float64": first_divergence(double, exact, bar=case.bar, later_bar=case.later_bar),
        "float32": first_divergence(single, exact, keras_errors=keras_errors),
    }
    divergences = {dtype: parted for dtype, parted in found.items() if parted is not None}
    return Parity(network.name, engine, source, list(rows.values()), divergences)


def _label(name: str) -> str:
    """The line that a quantity belongs to: "step 1/gradient/0 Dense/kernel" is "gradient 0 Dense kernel"."""
    step, kind, *rest = name.split("/")
    if kind == "forward":
        return f"forward {rest[0]}"
    if kind == "loss":
        return "loss" if step == "step 1" else f"loss, steps 2 to {STEPS}"
    if kind == "gradient":
        return f"gradient {rest[0]} {rest[1]}"
    if kind == "backward":
        return "gradient of each layer's input"
    count = int(step.removeprefix("step "))
    what = "optimizer's state" if rest[0] == "optimizer" else "weights"
    return f"{what} after {count} step{'s' if count > 1 else ''}"


def compact(parity: Parity) -> list[Row]:
    """The same table in five lines: forward, loss, gradients, after 1 and after 10 steps."""
    lines: dict[str, Row] = {}
    for row in parity.rows:
        kind = row.label.split()[0]
        if kind in ("optimizer's", "weights"):
            kind = "after " + row.label.split(" after ")[1]
        elif row.label.startswith("loss, steps"):
            kind = f"after {STEPS} steps"
        elif kind == "gradient":
            kind = "gradients"
        lines.setdefault(kind, Row(kind)).add(row)
    return list(lines.values())

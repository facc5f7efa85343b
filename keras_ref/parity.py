"""One network against its Keras twin, number by number: the table that `scratchnet parity` prints.

Both start from the same weights and are given the same batches and dropout masks. In float64 the
difference itself is judged, against a fixed bar. In float32 two correct programs round differently,
so each one's error against the float64 answer is taken, and ours may be at most twice Keras's own.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np

from keras_ref import available, golden, require
from keras_ref.case import Case, scratchnet_trace
from keras_ref.cases import network_cases
from keras_ref.divergence import (
    Divergence,
    first_divergence,
    float32_bars,
    relative_error,
    rms_error,
)
from keras_ref.reference import Reference, live_reference, thinned
from keras_ref.trace import Trace
from scratchnet.networks import Network

__all__ = ["Parity", "Row", "measure"]

STEPS = 10
LOSSES = f"steps 2 to {STEPS}/loss"


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
    """The table of one network by one engine, and where each dtype first diverges, if it does."""

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
    """The network's case of a hundred steps, cut to ten."""
    whole = next(case for case in network_cases() if case.name == f"{network.name} 100 steps")
    return replace(whole, steps=STEPS, whole=(1, STEPS))


def _ask_keras(case: Case) -> tuple[Reference, str]:
    """Keras's answer, live or, without TensorFlow, from the golden pack; and which it was."""
    if available():
        return live_reference(case), "live"
    if not (golden.FOLDER / "networks.npz").is_file():
        require()  # says what to install
    return golden.load("networks")[case.name], "golden pack"


def measure(network: Network, engine: str) -> Parity:
    """Compare the network's twin with ours in both dtypes."""
    case = network_case(network)
    reference, source = _ask_keras(case)
    ours = {dtype: scratchnet_trace(case, dtype, engine) for dtype in ("float64", "float32")}
    if reference.thin:
        ours = {dtype: thinned(trace, dtype == "float64") for dtype, trace in ours.items()}
    double, single = (_together(trace) for trace in ours.values())
    # a golden pack goes on after our last step, and has no float32 errors of its sums
    asked = {name: value for name, value in reference.exact.items() if _step(name) <= STEPS}
    exact = _together(asked)
    judged = {name: value for name, value in exact.items() if not name.endswith("/sums")}
    keras_errors = _together_errors(reference.keras_errors)
    bars = float32_bars(judged, keras_errors)
    rows: dict[str, Row] = {}
    for name, theirs in exact.items():
        first = name.startswith("step 1/")
        bar = case.bar if first else case.later_bar
        row = Row(_label(name), relative_error(double[name], theirs, case.floor), bar)
        if name in judged:
            error = rms_error(single[name], theirs)
            row.ratio = 2 * error / bars[name] if error else 0.0
            size = float(np.sqrt(np.mean(np.square(theirs)))) if theirs.size else 0.0
            ulp = float(np.spacing(np.float32(size or 1.0)))
            row.ours, row.keras = error / ulp, keras_errors[name] / ulp
        rows.setdefault(row.label, Row(row.label)).add(row)
    found = {
        "float64": first_divergence(double, exact, case.bar, case.later_bar, floor=case.floor),
        "float32": first_divergence(single, judged, keras_errors=keras_errors),
    }
    divergences = {dtype: parted for dtype, parted in found.items() if parted is not None}
    return Parity(network.name, engine, source, list(rows.values()), divergences)


def _step(name: str) -> int:
    """3 of "step 3/loss"."""
    return int(name.split("/")[0].removeprefix("step "))


def _later_losses(names: Iterable[str]) -> list[str]:
    wanted = {f"step {step}/loss" for step in range(2, STEPS + 1)}
    return [name for name in names if name in wanted]


def _together(trace: Trace) -> Trace:
    """The same trace with the losses of the later steps as one array.

    How far two correct programs round a single number apart is chance."""
    losses = _later_losses(trace)
    joined = {name: values for name, values in trace.items() if name not in losses}
    return joined | {LOSSES: np.array([trace[name] for name in losses])}


def _together_errors(errors: dict[str, float]) -> dict[str, float]:
    """The same for Keras's errors."""
    squares = [errors[name] ** 2 for name in _later_losses(errors)]
    return errors | {LOSSES: float(np.sqrt(np.mean(squares)))}


def _label(name: str) -> str:
    """The line of a quantity: "step 1/gradient/0 Dense/kernel" is "gradient 0 Dense kernel"."""
    step, kind, *rest = name.removesuffix("/sums").split("/")
    if kind == "forward":
        return f"forward {rest[0]}"
    if kind == "loss":
        return "loss" if step == "step 1" else f"loss, {step}"
    if kind == "gradient":
        return f"gradient {rest[0]} {rest[1]}"
    if kind == "backward":
        return "gradients of inputs"
    count = int(step.removeprefix("step "))
    what = "optimizer" if rest[0] == "optimizer" else "weights"
    return f"{what} after {count} step{'s' if count > 1 else ''}"

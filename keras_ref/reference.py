"""What a case is compared with: Keras here and now, or the golden pack of what it said before.

exact          Keras's float64 trace
keras_errors   how far Keras's own float32 run is from it, for each name: the largest rms error of
               several runs that differ only in the order of each batch's rows
"""

from dataclasses import dataclass

import numpy as np

from keras_ref.case import Case, keras_trace, scratchnet_trace
from keras_ref.divergence import Divergence, first_divergence, rms_error, shared_errors
from keras_ref.trace import Trace

__all__ = ["ORDERS", "Reference", "diverges", "live_reference", "thinned"]

ORDERS = (
    None,
    1,
    2,
    3,
)  # the row orders of Keras's float32 runs: as given, and three shuffled ones
SAMPLE = 128  # numbers that a golden pack keeps of a larger array
SUMS = 8  # signed sums that it keeps of the whole, so that no number is out of sight


@dataclass
class Reference:
    """Keras's answer to a case. `thin`: large arrays are samples and signed sums (see thinned)."""

    exact: Trace
    keras_errors: dict[str, float]
    thin: bool = False


def live_reference(case: Case, thin: bool = False) -> Reference:
    """Ask Keras, in float64 once and in float32 for every row order."""

    def seen(trace: Trace, sums: bool) -> Trace:
        return thinned(trace, sums) if thin else trace

    whole = keras_trace(case, "float64")
    exact = seen(whole, True)
    errors = dict.fromkeys(exact, 0.0)
    for order in ORDERS:
        trace = seen(keras_trace(case, "float32", order), False)
        for name, value in trace.items():
            errors[name] = max(errors[name], rms_error(value, exact[name]))
    if case.rows == 1:
        # No other order, so luck sets the bar of an update, which divides a gradient by its size:
        # after one step of Adam one of a convolution's 18,432 weights carried nine tenths of our
        # error.
        updates = {name: value for name, value in exact.items() if "/update/" in name}
        errors |= shared_errors(updates, errors)
    return Reference(exact, errors, thin)


def diverges(case: Case, reference: Reference, dtype: str, engine: str) -> Divergence | None:
    """Where our run of a case leaves the bars of design.md, None if it does not."""
    ours = scratchnet_trace(case, dtype, engine)
    if dtype == "float64":
        if reference.thin:
            ours = thinned(ours, sums=True)
        return first_divergence(ours, reference.exact, case.bar, case.later_bar, floor=case.floor)
    exact = reference.exact
    if reference.thin:
        ours = thinned(ours, sums=False)
        exact = {name: value for name, value in exact.items() if not name.endswith("/sums")}
    return first_divergence(ours, exact, keras_errors=reference.keras_errors)


def thinned(trace: Trace, sums: bool) -> Trace:
    """Each array of more than SAMPLE numbers as that many of them, evenly spread over memory, and,
    if asked for, SUMS sums of all its numbers with random signs, scaled to the size of one."""
    thin: Trace = {}
    for name, value in trace.items():
        flat = np.asarray(value).reshape(-1)
        if flat.size <= SAMPLE:
            thin[name] = np.asarray(value)
            continue
        thin[name] = flat[np.linspace(0, flat.size - 1, SAMPLE).astype(int)]
        if sums:
            signs = (
                np.random.RandomState(flat.size % 2**32).randint(0, 2, (SUMS, flat.size)) * 2 - 1
            )
            thin[f"{name}/sums"] = signs @ flat.astype(np.float64) / np.sqrt(flat.size)
    return thin

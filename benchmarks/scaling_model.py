"""The model on paper: what a step takes on p ranks, from its parts on one and a network's figures.

    step(p) = passes(rows of a rank) + update
              + masks and metrics of the whole batch        each rank does them all
              + 2 log2(p) latency + 2 (p - 1)/p gradient bytes / bandwidth       all-reduce
              + log2(p) latency + (p - 1)/p output bytes / bandwidth             all-gather
              + log2(p) latency                             whether a rank wants to stop

source    Thakur, Rabenseifner and Gropp, "Optimization of collective communication operations in
          MPICH" (2005): the bytes are those of a ring, in fewer messages
"""

from math import ceil, log2
from pathlib import Path
from typing import Any

from scratchnet import networks

__all__ = ["step_seconds", "write_model"]

BATCH = 128
POWERS = [2**k for k in range(11)]
OUTPUTS, FLOAT = 10, 4  # numbers a row, bytes a number
NETWORKS = {"10 Gbit/s, 20 us": (20e-6, 1.25e9), "100 Gbit/s, 2 us": (2e-6, 12.5e9)}


def parameters_of(name: str) -> int:
    """How many numbers the gradient of this network holds."""
    import scratchnet

    (chosen,) = networks.get(name)
    with scratchnet.engine("numpy"):
        return int(chosen.build(scratchnet).count_params())


def step_seconds(
    parts: dict[str, float], gradient: int, ranks: int, batch: int, latency: float, bandwidth: float
) -> float:
    """The formula above, in seconds; gradient in numbers, latency in seconds, bandwidth in bytes a
    second."""
    rows, tree = ceil(batch / ranks), log2(ranks)
    seconds = passes(parts, rows) + parts["update"] + parts["metrics"] * batch / BATCH
    seconds += parts["masks"] * (batch - rows) / BATCH  # the passes hold those of the rows
    part = (ranks - 1) / ranks
    seconds += 2 * tree * latency + 2 * part * gradient * FLOAT / bandwidth
    seconds += tree * latency + part * batch * OUTPUTS * FLOAT / bandwidth
    return seconds + tree * latency


def passes(parts: dict[str, float], rows: int) -> float:
    """Seconds of forward and backward for so many rows, a power of two."""
    return parts[f"passes of {rows} rows"]


def of(found: dict[str, Any], name: str) -> dict[str, float]:
    """The seconds of the parts of one network: the best, which other work disturbs least."""
    begin = f"{name}, "
    return {
        key.removeprefix(begin): value["best"]
        for key, value in found["parts"].items()
        if key.startswith(begin)
    }


def write_model(found: dict[str, Any], path: Path) -> None:
    """Write scaling.md: what was measured, and the tables of the model."""
    lines = [
        "# Scaling with the ranks",
        "",
        f"Written by `{found['command']}`; `--model` writes the tables again from the timings.",
        "",
        f"- Processor {found['processor']}, {found['cores']} cores, {found['mpi']}.",
        f"- Engine {found['engine']}, {found['dtype']}, Python {found['python']}, NumPy "
        f"{found['numpy']}.",
        f"- Load of the machine before the first run: {found['load before']}. Where that is not "
        "near 0, other work ran on the same cores, and only the best timings mean something.",
        "",
        *_measured(found),
        *_overlap(found),
        *_paper(found),
    ]
    path.write_text("\n".join(lines) + "\n")


def _table(head: list[str], rows: list[list[str]]) -> list[str]:
    return [
        "| " + " | ".join(head) + " |",
        "|---" + "|---:" * (len(head) - 1) + "|",
        *("| " + " | ".join(row) + " |" for row in rows),
        "",
    ]


def _ms(seconds: float) -> str:
    return f"{seconds * 1e3:.3g}" if seconds < 1 else f"{seconds * 1e3:.0f}"


def _measured(found: dict[str, Any]) -> list[str]:
    runs = [
        run
        for run in ("1 x 1", "2 x 1", "4 x 1", f"1 x {found['cores']}")
        if f"softmax, strong, {run}" in found["steps"]
    ]
    lines = ["## Measured on one machine", ""]
    for mode, text in (
        ("strong", "Strong: 128 rows in all. Milliseconds a step, median (best), ranks x threads."),
        ("weak", "Weak: 128 rows for each rank."),
    ):
        rows = []
        for name in networks.NETWORKS:
            cells = [found["steps"][f"{name}, {mode}, {run}"] for run in runs]
            rows.append([name, *(f"{_ms(c['median'])} ({_ms(c['best'])})" for c in cells)])
        lines += [text, "", *_table(["network", *runs], rows)]
    lines.append("Four ranks have no core each: they take turns, and wait for each other busily.")
    return [*lines, ""]


def _overlap(found: dict[str, Any]) -> list[str]:
    rows, ratios = [], []
    for name in networks.NETWORKS:
        one, each = (
            found["steps"][f"{name}, {how}, 2 x 1"]
            for how in ("one all-reduce", "one for each layer")
        )
        ratios.append([each[what] / one[what] for what in ("median", "best")])
        cells = [f"{_ms(c['median'])} ({_ms(c['best'])})" for c in (one, each)]
        rows.append([name, *cells, "{:.2f} ({:.2f})".format(*ratios[-1])])
    medians, bests = zip(*ratios, strict=True)
    return [
        "## Overlapped with the backward pass?",
        "",
        "Two ranks, 128 rows in all: one all-reduce after the backward pass, as the package has",
        "it, against a non-blocking one for each layer, started as soon as its gradients are",
        "there. Milliseconds a step, median (best).",
        "",
        *_table(["network", "one all-reduce", "one for each layer", "ratio"], rows),
        f"The ratios of the medians go from {min(medians):.2f} to {max(medians):.2f}, of the best "
        f"timings from {min(bests):.2f} to {max(bests):.2f}:",
        "below 1 the overlap pays. There is little to win: within one machine the cores that carry",
        "the sums are those that compute; and of a perceptron's gradient the lowest layer, which",
        "comes last and has nothing left to hide behind, is 60% to 100%. The package keeps the one",
        "all-reduce.",
        "",
    ]


def _paper(found: dict[str, Any]) -> list[str]:
    assert __doc__ is not None
    _, formula, source = __doc__.strip().split("\n\n")
    lines = ["## On paper, 1 to 1,024 ranks", "", formula, "", f"{source.strip()}.", ""]
    rows = []
    for name in networks.NETWORKS:
        parts, gradient = of(found, name), parameters_of(name)
        seconds = [parts["passes of 128 rows"], parts["update"], parts["masks"], parts["metrics"]]
        rows.append([name, f"{gradient:,}", f"{gradient * FLOAT:,}", *map(_ms, seconds)])
    head = ["network", "parameters", "gradient bytes", "passes, 128 rows", "update", "masks"]
    lines += [
        "The parts on one rank with one thread, best milliseconds; masks and metrics for 128 rows:",
        "",
        *_table([*head, "metrics"], rows),
        "An all-reduce moves 2 (p - 1)/p times the gradient's bytes through each rank's link. For",
        "each number of ranks: those bytes, and the milliseconds that a rank computes (passes and",
        "update) for its part of 128 rows:",
        "",
        *_bytes(found),
    ]
    lines += [
        "The tables below take it from there. Strong scaling ends where messages and the update",
        "take longer than a few rows; weak scaling, after the all-reduce, where there is much that",
        "each rank does for the whole batch: it draws all masks, of which it takes its rows, and",
        "counts all outputs, so that masks, metrics and history are those of one process.",
        "",
    ]
    for label, (latency, bandwidth) in NETWORKS.items():
        for mode in ("strong", "weak"):
            rows = []
            for name in networks.NETWORKS:
                parts, gradient = of(found, name), parameters_of(name)
                steps = [
                    step_seconds(
                        parts, gradient, p, BATCH * (p if mode == "weak" else 1), latency, bandwidth
                    )
                    for p in POWERS
                ]
                gain = [
                    steps[0] / step / (p if mode == "strong" else 1)
                    for p, step in zip(POWERS, steps, strict=True)
                ]
                rows.append(
                    [name, *(f"{_ms(s)} ({g:.0%})" for s, g in zip(steps, gain, strict=True))]
                )
            lines += [
                f"### {label}: {mode}",
                "",
                "Milliseconds a step (efficiency).",
                "",
                *_table(["network", *(f"{p:,}" for p in POWERS)], rows),
            ]
    return lines


def _bytes(found: dict[str, Any]) -> list[str]:
    rows = []
    for name in networks.NETWORKS:
        parts, gradient = of(found, name), parameters_of(name)
        cells = []
        for p in POWERS:
            moved = 2 * (p - 1) / p * gradient * FLOAT
            computed = passes(parts, ceil(BATCH / p)) + parts["update"]
            cells.append(f"{moved / 1e6:.3g} MB, {_ms(computed)} ms")
        rows.append([name, *cells])
    return _table(["network", *(f"{p:,}" for p in POWERS)], rows)

"""The picture of a race: every epoch of everybody, and accuracy over the seconds it took."""

from itertools import accumulate
from pathlib import Path
from statistics import median
from typing import Any

from keras_ref.race.measure import times
from scratchnet.errors import expected

__all__ = ["HINT", "draw"]

HINT = expected("Plot", "matplotlib", "none", "Install it: pip install matplotlib")
LANE, AXIS, WIDTH = 0.5, 1.3, 10.0  # inches: height of a contestant, of a panel's rest; width


def draw(result: dict[str, Any], path: str | Path) -> None:
    """Write a PNG: for each network its epochs on the left, the way to accuracy on the right.

    Raises ModuleNotFoundError where matplotlib is missing.
    """
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(HINT) from error
    parts = result["networks"]
    heights = [max(LANE * len(part["contestants"]), 1.5) + AXIS for part in parts.values()]
    figure = Figure(figsize=(WIDTH, sum(heights) + 0.5), layout="constrained")
    FigureCanvasAgg(figure)
    panels = figure.subplots(len(parts), 2, squeeze=False, height_ratios=heights)
    for (name, part), (left, right) in zip(parts.items(), panels, strict=True):
        _epochs(left, name, part, result["first"])
        _accuracy(right, part)
    machine, settings = result["machine"], result["settings"]
    busy = ", another process spinning on one core" if settings["busy"] else ""
    figure.suptitle(
        f"{machine['processor']}, {result['threads']} threads each, {settings['data']}, "
        f"{settings['epochs']} rounds{busy}",
        fontsize=10,
    )
    figure.savefig(path, dpi=120)


def _color(index: int) -> str:
    return f"C{index % 10}"


def _label(name: str, entry: dict[str, Any]) -> str:
    return f"{name} (scaled)" if "scaled_from" in entry["epoch"] else name


def _logarithmic(axes: Any) -> None:
    """A logarithmic axis of seconds, with numbers that need no exponent."""
    from matplotlib.ticker import LogLocator, NullFormatter

    axes.set_xscale("log")
    low, high = axes.get_xlim()
    axes.xaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0) if high < 100 * low else (1.0,)))
    axes.xaxis.set_major_formatter("{x:g}")
    axes.xaxis.set_minor_formatter(NullFormatter())


def _epochs(axes: Any, network: str, part: dict[str, Any], first: str) -> None:
    """A dot for each epoch, a line at the median; with the ratio to the first contestant."""
    entries = part["contestants"]
    for index, (name, entry) in enumerate(entries.items()):
        seconds = entry["epoch"]["rounds"]
        axes.plot(seconds, [index] * len(seconds), "o", ms=5, alpha=0.5, color=_color(index))
        middle = median(seconds)
        axes.plot([middle, middle], [index - 0.2, index + 0.2], color=_color(index), lw=2)
        text = f"{middle:.3g} s"
        if name != first:
            text += f" ({times(entry['ratio']['epoch']['median'])} x {first})"
        axes.text(middle, index - 0.25, text, ha="center", va="bottom", fontsize=8)
    labels = [_label(name, entry) for name, entry in entries.items()]
    axes.set_yticks(range(len(labels)), labels)
    axes.set_ylim(len(labels) - 0.5, -0.8)
    every = [s for entry in entries.values() for s in entry["epoch"]["rounds"]]
    span = max(every) / min(every)
    if span > 10:
        margin = 1.5 * span**0.15  # room for the words beside the outermost
        axes.set_xlim(min(every) / margin, max(every) * margin)
        _logarithmic(axes)
    else:
        axes.set_xlim(0, max(every) * 1.25)
    axes.set_xlabel("seconds an epoch")
    axes.set_title(network, loc="left", fontsize=10, fontweight="bold")
    axes.grid(axis="x", alpha=0.3)


def _accuracy(axes: Any, part: dict[str, Any]) -> None:
    """Test accuracy after each epoch over the seconds of training until then."""
    lowest = 1.0
    for index, (name, entry) in enumerate(part["contestants"].items()):
        reached = entry["accuracy"]
        if None in reached:
            continue
        lowest = min(lowest, *reached)
        spent = list(accumulate(entry["epoch"]["rounds"]))
        axes.plot(spent, reached, "o-", ms=3, label=name, color=_color(index))
    target = part["accuracy_to_reach"]
    axes.axhline(target, color="0.5", ls=":", lw=1)
    axes.set_ylim(min(lowest, target) - 0.02, 1.005)
    _logarithmic(axes)
    axes.set_xlabel("seconds of training")
    axes.set_ylabel("test accuracy")
    axes.grid(alpha=0.3)
    if axes.lines[:-1]:
        axes.legend(fontsize=8)

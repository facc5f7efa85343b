"""A digit beside its ten probabilities."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.text import Text

from scratchnet.utils.images import as_text

__all__ = ["digit_with_bars"]

DRAWING, BAR = 28, 28
TOP = 2  # lines of the drawing above the first bar


def digit_with_bars(digit: NDArray[np.uint8], probabilities: NDArray[Any]) -> Text:
    """The drawing left, a bar for each class right: at most 73 columns."""
    bars = [Text() for _ in range(TOP)]
    for number, p in enumerate(probabilities):
        line = f"   {number} {p:6.1%} {'━' * round(BAR * float(p))}".rstrip()
        bars.append(Text(line, style="bold" if p == probabilities.max() else ""))
    lines = []
    for index, drawn in enumerate(as_text(digit).split("\n")):
        right = bars[index] if index < len(bars) else Text()
        lines.append(Text(drawn.ljust(DRAWING) if right else drawn) + right)
    return Text("\n").join(lines)

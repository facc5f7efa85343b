"""A digit beside its ten probabilities."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.table import Table
from rich.text import Text

from scratchnet.utils.images import as_text

__all__ = ["digit_with_bars"]

WIDTH = 28


def digit_with_bars(digit: NDArray[np.uint8], probabilities: NDArray[Any]) -> Table:
    """The drawing left, a bar for each class right."""
    lines = []
    for number, p in enumerate(probabilities):
        bar = "━" * round(WIDTH * float(p))
        line = f"{number} {p:6.1%} {bar}"
        lines.append(Text(line, style="bold" if p == probabilities.max() else ""))
    grid = Table.grid(padding=(0, 3))
    grid.add_column(width=28, no_wrap=True)
    grid.add_column(no_wrap=True, vertical="middle")
    grid.add_row(Text(as_text(digit)), Text("\n").join(lines))
    return grid

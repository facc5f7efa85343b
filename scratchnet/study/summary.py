"""The table of `model.summary()`."""

import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from scratchnet.models import Sequential

__all__ = ["summary"]


def summary(
    model: "Sequential", line_length: int | None, print_fn: Callable[[str], Any] | None
) -> None:
    """Print layers, output shapes and parameter counts, as Keras's summary does."""
    from rich.box import HEAVY_HEAD
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    table = Table(box=HEAVY_HEAD, show_lines=True, header_style="bold")
    table.add_column("Layer (type)", min_width=28)
    table.add_column("Output Shape", min_width=22)
    table.add_column("Param #", justify="right", min_width=13)
    for layer in model.layers:
        shape = str(layer.output_shape) if layer.built else "?"
        count = f"{layer.count_params():,}" if layer.built else "0 (unbuilt)"
        table.add_row(escape(f"{layer.name} ({type(layer).__name__})"), escape(shape), count)
    trained = sum(w.size for w in model.trainable_weights)
    fixed = sum(w.size for w in model.non_trainable_weights)
    itemsize = 8 if model.dtype == "float64" else 4

    console = Console(width=line_length or 80, file=sys.stdout, highlight=False)
    with console.capture() as capture:
        console.print(f'[bold]Model: "{escape(model.name)}"[/bold]')
        console.print(table)
        for label, number in (
            ("Total params", trained + fixed),
            ("Trainable params", trained),
            ("Non-trainable params", fixed),
        ):
            console.print(f"[bold] {label}: [/bold]{number:,} ({_readable(number * itemsize)})")
    text = capture.get()
    (print_fn or print)(text.rstrip("\n"))


def _readable(size: int) -> str:
    """Bytes in the largest fitting unit: 31.41 KB."""
    for unit in ("B", "KB", "MB", "GB"):
        if size < 1024 or unit == "GB":
            break
        size /= 1024  # type: ignore[assignment]
    return f"{size:.2f} {unit}"

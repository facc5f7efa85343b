"""doctor: what this machine offers, and what is slower than it need be."""

import json
import textwrap

import click
from rich.text import Text

from scratchnet.cli import options

__all__ = ["doctor"]


@click.command()
@click.option("--json", "as_json", is_flag=True, help="For programs.")
def doctor(as_json: bool) -> None:
    """Say what the engine runs on here.

    Processor, BLAS, Numba, TensorFlow, GPU and data; what is slower than it need be, and how to
    mend it.
    """
    from scratchnet.study.doctor import examine

    report = examine()
    if as_json:
        click.echo(json.dumps({"found": report.found, "advice": report.advice}, indent=2))
        return
    console = options.console()
    width = min(console.width, 100)
    for section, facts in report.found.items():
        console.print(Text(section, style="bold"))
        for name, value in facts.items():
            _say(f"  {name:17}", f"{value}", width)
    console.print(Text("What is slower, or less, than it need be", style="bold"))
    for advice in report.advice or ["nothing was found"]:
        _say("  - ", advice, width)


def _say(label: str, text: str, width: int) -> None:
    """The label, and the text beside it, over several lines where it must be."""
    lines = textwrap.wrap(text, width - len(label), break_long_words=False, break_on_hyphens=False)
    indent = " " * len(label)
    click.echo("\n".join((label if n == 0 else indent) + line for n, line in enumerate(lines)))

"""doctor: what this machine offers, and what is slower than it need be."""

import json

import click
from rich.table import Table
from rich.text import Text

from scratchnet.cli import options

__all__ = ["doctor"]


@click.command()
@click.option("--json", "as_json", is_flag=True, help="For programs.")
def doctor(as_json: bool) -> None:
    """Say what the engine runs on, and what is slower than it need be."""
    from scratchnet.study.doctor import examine

    report = examine()
    if as_json:
        click.echo(json.dumps({"found": report.found, "advice": report.advice}, indent=2))
        return
    console = options.console()
    for section, facts in report.found.items():
        grid = Table.grid(padding=(0, 2))
        grid.add_column(width=16)
        grid.add_column(overflow="fold")
        for name, value in facts.items():
            grid.add_row(Text(f"  {name}"), Text(str(value)))
        console.print(Text(section, style="bold"))
        console.print(grid)
    console.print(Text("What is slower, or less, than it need be", style="bold"))
    for advice in report.advice or ["nothing was found"]:
        grid = Table.grid(padding=(0, 1))
        grid.add_column(width=3, justify="right")
        grid.add_column()
        grid.add_row("-", Text(advice))
        console.print(grid)

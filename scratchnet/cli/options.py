"""Options that several commands share, and where they print."""

import sys
from typing import Any

import click
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from scratchnet import networks
from scratchnet.config import FLOAT_TYPES
from scratchnet.engines import ENGINES
from scratchnet.errors import unknown

__all__ = ["console", "data", "dtype", "engine", "networks_argument", "numbers", "seed", "table"]


class Name(click.ParamType):
    """One of some known names; the message for another one is the house's."""

    def __init__(self, kind: str, known: list[str]) -> None:
        self.name, self.kind, self.known = kind.lower(), kind, known

    def convert(self, value: Any, param: Any, ctx: Any) -> Any:
        """The name itself, if it is known."""
        if value not in self.known:
            raise click.UsageError(unknown(self.kind, value, self.known))
        return value


NETWORK = Name("Network", list(networks.NETWORKS))
NETWORKS = Name("Network", [*networks.NETWORKS, "all"])

networks_argument = click.argument("network", type=NETWORKS, default="all", metavar="[NETWORK|all]")
data = click.option(
    "--data",
    default="digits",
    show_default=True,
    metavar="digits|mnist|DIR",
    help="The 1,797 digits that come with the package, MNIST, or a folder of MNIST's form.",
)
engine = click.option(
    "--engine",
    type=Name("Engine", list(ENGINES)),
    metavar="|".join(ENGINES),
    help="Which engine computes (default: $SCRATCHNET_ENGINE, else fused).",
)
dtype = click.option(
    "--dtype",
    type=Name("Dtype", list(FLOAT_TYPES)),
    default="float32",
    show_default=True,
    metavar="|".join(FLOAT_TYPES),
    help="float32 to train, float64 to prove.",
)
seed = click.option(
    "--seed",
    type=click.IntRange(0, 2**32 - 1),
    help="For the weights, the order of samples and dropout; the same seed, the same run.",
)


def console() -> Console:
    """Standard output: as wide as the terminal, 80 columns in a pipe."""
    return Console(file=sys.stdout, highlight=False, soft_wrap=False)


def table(*columns: str, title: str | None = None) -> Table:
    """A table whose first column is text and whose others are numbers."""
    made = Table(box=SIMPLE_HEAD, title=title, title_justify="left", pad_edge=False)
    made.title_style = "bold"
    for index, column in enumerate(columns):
        made.add_column(column, justify="right" if index else "left", no_wrap=True)
    return made


def numbers(value: float | None, digits: int = 4) -> str:
    """A number with some decimals, a dash for none."""
    return "-" if value is None else f"{value:.{digits}f}"

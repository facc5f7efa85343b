"""parity, compare, reproduce: the engine and Keras side by side."""

from typing import Any

import click
from rich.console import Console
from rich.text import Text

import scratchnet
from scratchnet import datasets, networks
from scratchnet.cli import options

__all__ = ["compare", "parity", "reproduce"]


@click.command()
@options.networks_argument
@options.engine
def parity(network: str, engine: str | None) -> int:
    """Compare with Keras, number by number.

    Forward pass, loss, gradients, and the state after 1 and after 10 steps, in float64 and float32.
    Exit code 1 where the two are not the same network.
    """
    from keras_ref import available
    from keras_ref.parity import measure
    from keras_ref.quiet import start

    console, good = options.console(), True
    if available():
        with console.status("starting TensorFlow"):
            start()
    for chosen in networks.get(network):
        with console.status(f"{chosen.name}: computing both sides"):
            result = measure(chosen, engine or scratchnet.get_engine())
        heading = f"{result.network}, engine {result.engine}, against Keras ({result.source})"
        _parity_table(console, heading, result)
        good = good and result.ok
    _explain(console)
    return 0 if good else 1


def _parity_table(console: Console, heading: str, result: Any) -> None:
    columns = ("", "float64", "bar", "ulp: ours", "Keras", "ratio", "")
    table = options.table(*columns, title=heading)
    for row in result.rows:
        table.add_row(
            row.label,
            f"{row.float64:.1e}",
            f"{row.bar:.0e}",
            f"{row.ours:.2f}",
            f"{row.keras:.2f}",
            f"{row.ratio:.2f}",
            Text("ok", style="green") if row.ok else Text("NO", style="bold red"),
        )
    console.print(table)
    for dtype, parted in result.divergences.items():
        console.print(Text(f"{dtype}: {parted}", style="red"))
    verdict = "the same network within the bars" if result.ok else "NOT the same network"
    console.print(Text(f"{result.network}: {verdict}", style="bold"))
    console.print()


def _explain(console: Console) -> None:
    for line in (
        "float64  largest difference from Keras, relative to the array's largest number",
        "ulp      float32: how far ours, and Keras, are from the float64 answer (root",
        "         mean square) in units in the last place; ratio ours / Keras, at most 2",
    ):
        console.print(Text(line, style="dim"), soft_wrap=True)


@click.command()
@options.networks_argument
@options.data
@click.option("--epochs", type=click.IntRange(1), default=5, show_default=True)
@click.option("--batch-size", type=click.IntRange(1), help="Default: the tutorial's, 128.")
@options.dtype
@options.engine
@click.option("--seed", type=click.IntRange(0, 2**32 - 1), default=1, show_default=True)
def compare(
    network: str,
    data: str,
    epochs: int,
    batch_size: int | None,
    dtype: str,
    engine: str | None,
    seed: int,
) -> int:
    """Train both side by side.

    First each network is compared with its Keras twin, number by number; then both train from the
    same weights, with the same order of samples and the same dropout masks. In float32 the losses
    of long runs part by rounding; with --dtype float64 they stay together. Exit code 1 where the
    two are not the same network.
    """
    from keras_ref import floatx
    from keras_ref.compare import race
    from keras_ref.parity import measure
    from keras_ref.quiet import start

    console, good, races = options.console(), True, []
    loaded = datasets.load(data)
    name = engine or scratchnet.get_engine()
    with console.status("starting TensorFlow"):
        keras = start()
    console.print(
        f"ScratchNet {scratchnet.__version__} ({name}) and Keras {keras.__version__}, CPU"
    )
    console.print()
    for chosen in networks.get(network):
        with console.status(f"{chosen.name}: computing both sides"):
            result = measure(chosen, name)
        good = good and result.ok
        _parity_table(console, chosen.name, result)
        with (
            scratchnet.engine(name),
            floatx(keras, dtype),
            floatx(scratchnet, dtype),
            console.status(f"{chosen.name}: training both") as status,
        ):
            for state in race(chosen, loaded, epochs, batch_size, seed):
                done = len(state.epochs["Keras"])
                status.update(f"{chosen.name}: training both, epoch {done} of {epochs} done")
        _race_table(console, state, f"{data}, {dtype}")
        races.append(state)
    _summary(console, races, epochs)
    _explain(console)
    return 0 if good else 1


def _race_table(console: Console, race: Any, data: str) -> None:
    title = f"{race.network}: same weights, order and masks, on {data}"
    columns = ("", "loss Keras", "ours", "accuracy Keras", "ours", "s Keras", "ours")
    table = options.table(*columns, title=title)
    pairs = zip(race.epochs["Keras"], race.epochs["ScratchNet"], strict=True)
    for number, (theirs, ours) in enumerate(pairs, start=1):
        mark = "*" if number == 1 else " "
        table.add_row(
            f"epoch {number}",
            *(f"{theirs.loss:.5f}", f"{ours.loss:.5f}"),
            *(f"{theirs.accuracy:.4f}", f"{ours.accuracy:.4f}"),
            *(f"{theirs.seconds:.2f}{mark}", f"{ours.seconds:.2f}{mark}"),
        )
    losses, accuracies = zip(race.test["Keras"], race.test["ScratchNet"], strict=True)
    table.add_row(
        "test data",
        *(f"{value:.5f}" for value in losses),
        *(f"{value:.4f}" for value in accuracies),
        *("", ""),
    )
    console.print(table)


def _summary(console: Console, races: list[Any], epochs: int) -> None:
    table = options.table("", "Keras", "ours", "Keras / ours", title="Seconds an epoch (median)")
    for race in races:
        theirs, ours = race.seconds("Keras"), race.seconds("ScratchNet")
        ratio = "-" if not theirs or not ours else f"{theirs / ours:.2f}"
        table.add_row(race.network, options.numbers(theirs, 3), options.numbers(ours, 3), ratio)
    console.print(table)
    note = "* The first epoch of each side compiles and is left out of the median."
    console.print(note if epochs > 1 else f"{note} Take --epochs 2 or more for timings.")


@click.command()
@options.networks_argument
@click.option(
    "--data",
    default="mnist",
    show_default=True,
    metavar="mnist|digits|DIR",
    help="The tutorials' figures are for MNIST.",
)
@click.option("--only", type=options.Name("--only", ["ours", "keras"]), metavar="ours|keras")
@options.engine
@click.option("--seed", type=click.IntRange(0, 2**32 - 1), default=1, show_default=True)
def reproduce(network: str, data: str, only: str | None, engine: str | None, seed: int) -> None:
    """Train as the tutorials do, on MNIST.

    Their figures, Keras's and ours on this machine, side by side.
    """
    from keras_ref import HINT, available, require
    from keras_ref.compare import train
    from keras_ref.quiet import start

    console = options.console()
    if only != "ours" and not available():
        if only == "keras":
            require()
        click.echo(f"{HINT} Going on without it.", err=True)
        only = "ours"
    loaded = datasets.load(data)
    sides: dict[str, Any] = {} if only == "ours" else {"Keras here": start()}
    if only != "keras":
        sides["ScratchNet here"] = scratchnet
    if data != "mnist":
        console.print(f"These are figures for {data}; the tutorials' are for MNIST.")
    table = options.table("", "", "tutorial", *sides)
    table.columns[1].justify = "left"
    for chosen in networks.get(network):
        figures = {}
        for side, library in sides.items():
            with (
                scratchnet.engine(engine or scratchnet.get_engine()),
                console.status(f"{chosen.name}: {side}, {chosen.epochs} epochs"),
            ):
                figures[side] = train(chosen, library, loaded, seed)
        told = {"test loss": chosen.test_loss, "test accuracy": chosen.test_accuracy}
        told |= chosen.other_figures
        names = [*told, "seconds an epoch"]
        for index, name in enumerate(names):
            digits = 2 if name.startswith("seconds") else 4
            table.add_row(
                chosen.name if index == 0 else "",
                name,
                options.numbers(told.get(name), digits),
                *(options.numbers(figures[side][name], digits) for side in sides),
                end_section=name == names[-1],
            )
    console.print(table)

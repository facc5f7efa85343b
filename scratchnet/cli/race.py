"""race: who trains and predicts faster, one epoch at a time in turn."""

import datetime
import json
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import click
from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from scratchnet.cli import options
from scratchnet.networks import NETWORKS

__all__ = ["race"]


@click.command()
@click.argument("network", default="mlp_adam", metavar="[NETWORK|all]")
@click.option(
    "--against",
    multiple=True,
    default=("keras",),
    metavar="NAME,...|all",
    help="Engines of ScratchNet, keras, keras-best, keras-gpu, torch, sklearn (default: keras).",
)
@options.data
@click.option(
    "--epochs", type=click.IntRange(1), default=7, show_default=True, help="Rounds of one each."
)
@options.engine
@click.option("--threads", type=click.IntRange(1), help="Of every contestant (default: all cores).")
@click.option(
    "--accuracy",
    type=click.FloatRange(0, 1),
    help="Test accuracy to be reached (default: the tutorial's less 0.01).",
)
@click.option("--busy", is_flag=True, help="With another process spinning on one core.")
@click.option("--cold/--no-cold", default=True, help="Time a start with nothing compiled, too.")
@click.option("--plot/--no-plot", default=True, help="A PNG beside the JSON file.")
@click.option(
    "--json",
    "path",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="PATH",
    help="Where the result goes (default: race-NETWORK-TIME.json here).",
)
@click.option(
    "--timeout",
    type=click.FloatRange(0, min_open=True),
    default=900.0,
    show_default=True,
    help="Seconds that a contestant may take for one answer.",
)
@click.option("--seed", type=click.IntRange(0, 2**32 - 1), default=1, show_default=True)
def race(network: str, path: Path | None, plot: bool, engine: str | None, **wanted: Any) -> None:
    """Race against Keras, PyTorch and others.

    Each contestant has a process of its own and waits while another one runs: one epoch each in
    turn. Before that, each must show the losses that the reference shows. The result goes to a
    JSON file, and to a plot where matplotlib is installed. NETWORK may also be pairs, lenet,
    strided or normalized, which are in no tutorial.
    """
    from keras_ref.race.contestants import parse
    from keras_ref.race.plot import HINT, draw
    from keras_ref.race.referee import Settings, run
    from keras_ref.race.strangers import STRANGERS
    from scratchnet.engines import get_engine

    options.Name("Network", [*NETWORKS, *STRANGERS, "all"]).convert(network, None, None)
    try:
        parse(wanted["against"], engine or get_engine())
    except ValueError as error:
        raise click.UsageError(str(error)) from None
    console = options.console()
    settings = Settings(network=network, engine=engine, **wanted)
    if path is None:
        path = Path(f"race-{network}-{datetime.datetime.now():%Y%m%d-%H%M%S}.json")
    if not path.parent.is_dir():  # known now, not after the race
        raise click.UsageError(f"--json: expected a folder that exists, got '{path.parent}'.")
    watcher = _Watcher(console, path)
    with watcher:
        result = run(settings, watcher)
    if len(result["networks"]) > 1:
        _summary(console, result)
    _ran_on(console, result)
    console.print(f"Result: {path}", soft_wrap=True)
    if plot:
        picture = path.with_suffix(".png")
        try:
            draw(result, picture)
        except ModuleNotFoundError:
            console.print(f"No plot. {HINT}", soft_wrap=True)
        else:
            console.print(f"Plot:   {picture}", soft_wrap=True)


class _Watcher:
    """Shows the epochs as they come: a live table in a terminal, a line for each round in a pipe.

    The table is drawn only when something has happened, never by a clock: while a contestant runs,
    nothing else may. Writes the result after every network.
    """

    def __init__(self, console: Console, path: Path) -> None:
        self.console, self.path, self.lines = console, path, 0
        self.live: Any = nullcontext()
        if console.is_terminal:
            self.live = Live(console=console, auto_refresh=False, transient=True)

    def __enter__(self) -> "_Watcher":
        self.live.__enter__()
        return self

    def __exit__(self, *error: Any) -> None:
        self.live.__exit__(*error)

    def __call__(self, progress: Any) -> None:
        if progress.finished is not None:
            # after each network: what the next one does cannot cost this one's result
            self.path.write_text(json.dumps(progress.result, indent=1) + "\n")
            if isinstance(self.live, Live):
                self.live.update("", refresh=True)
            _report(self.console, progress.network, progress.finished, progress.names[0])
            self.lines = 0
        elif isinstance(self.live, Live):
            self.live.update(_live_table(progress), refresh=True)
        else:
            self._line(progress)

    def _line(self, progress: Any) -> None:
        """One line for each round that everybody has finished."""
        done = min((len(s) for s in progress.seconds.values()), default=0)
        if done > self.lines:
            self.lines = done
            seconds = (f"{n} {_seconds(s[done - 1])} s" for n, s in progress.seconds.items())
            line = f"{progress.network}, round {done} of {progress.epochs}: {', '.join(seconds)}"
            self.console.print(line, soft_wrap=True)


def _live_table(progress: Any) -> Group:
    from statistics import median

    table = options.table("", "epochs", "last", "median", "best", "ratio", title=progress.network)
    ours = progress.seconds.get(progress.names[0], [])
    for name in progress.names:
        seconds = progress.seconds.get(name, [])
        if not seconds:
            table.add_row(name, f"0 of {progress.epochs}")
            continue
        rounds = [a / b for a, b in zip(seconds, ours, strict=False)]
        table.add_row(
            name,
            f"{len(seconds)} of {progress.epochs}",
            *(_seconds(s) for s in (seconds[-1], median(seconds), min(seconds))),
            f"{median(rounds):.2f}",
        )
    for name in progress.skipped:  # why, is said at the end
        table.add_row(Text(name, style="dim"), Text("skipped", style="dim"))
    return Group(table, Text(f"{progress.doing} ...", style="dim"))


# ------------------------------------------------------------------ the result


def _seconds(value: float | None) -> str:
    """Three digits that mean something, no exponent."""
    if value is None:
        return "-"
    for bound, digits in ((100, 0), (10, 1), (1, 2), (0.1, 3)):
        if value >= bound:
            return f"{value:.{digits}f}"
    return f"{value:.4f}"


def _ratio(entry: dict[str, Any], part: str) -> tuple[str, str]:
    """The median of the rounds' ratios, and their quartiles; empty for the first contestant."""
    if "ratio" not in entry:
        return "", ""
    from keras_ref.race.measure import times

    found = entry["ratio"][part]
    low, high = found["quartile_1"], found["quartile_3"]
    return times(found["median"]), f"{times(low)}-{times(high)}"


def _report(console: Console, network: str, part: dict[str, Any], first: str) -> None:
    entries = part["contestants"]
    for table in (_training(network, part), _prediction(part), _start(part)):
        console.print(table)
    notes = [
        f"ratio    seconds over those of {first} in the same round: median, quartiles",
    ]
    told = ", ".join(
        f"{name} {entry['agreement']['largest_relative_difference']:.0e}"
        for name, entry in entries.items()
    )
    notes.append(f"agreed   losses of test rows and first steps: relative difference {told}")
    for name, entry in entries.items():
        notes += _notes(name, entry)
    notes += [f"skipped  {name}: {reason}" for name, reason in part["skipped"].items()]
    for line in notes:
        console.print(Text(line, style="dim"), soft_wrap=True)
    console.print()


def _training(network: str, part: dict[str, Any]) -> Table:
    to = f"to {part['accuracy_to_reach']:.3f}"
    columns = ("", "s/epoch", "best", "samples/s", "ratio", "quartiles", to)
    title = f"{network}: training on {part['samples']} samples, in seconds"
    table = options.table(*columns, title=title)
    for name, entry in part["contestants"].items():
        epoch = entry["epoch"]
        table.add_row(
            f"{name} *" if "scaled_from" in epoch else name,
            *(_seconds(epoch["median"]), _seconds(epoch["best"])),
            f"{epoch['samples_per_second']:,.0f}",
            *_ratio(entry, "epoch"),
            _seconds(entry["seconds_to_accuracy"]),
        )
    return table


def _prediction(part: dict[str, Any]) -> Table:
    columns = ("", "all, ms", "ratio", "quartiles", "one, µs", "ratio", "quartiles")
    title = f"Prediction of all {part['predict_images']} images, and of one image at a time"
    table = options.table(*columns, title=title)
    for name, entry in part["contestants"].items():
        table.add_row(
            f"{name} *" if "scaled_from" in entry["predict"] else name,
            _seconds(1e3 * entry["predict"]["median"]),
            *_ratio(entry, "predict"),
            _seconds(1e6 * entry["one_image"]["median"]),
            *_ratio(entry, "one_image"),
        )
    return table


def _start(part: dict[str, Any]) -> Table:
    columns = ("", "start-up", "1st batch", "cold start", "1st batch", "import", "peak")
    table = options.table(*columns, title="Start, in seconds; memory, in MB")
    for name, entry in part["contestants"].items():
        cold = entry.get("cold", {})
        table.add_row(
            name,
            *(_seconds(entry["start_up"]), _seconds(entry["first_batch"])),
            *(_seconds(cold.get("start_up")), _seconds(cold.get("first_batch"))),
            *(f"{entry['memory'][key]:.0f}" for key in ("import", "training")),
        )
    return table


def _notes(name: str, entry: dict[str, Any]) -> list[str]:
    notes = []
    if "scaled_from" in entry["epoch"]:
        few = entry["epoch"]["scaled_from"]
        notes.append(f"*        {name}: measured on {few} samples a turn and scaled")
    if "trials" in entry:
        setting = ", ".join(f"{k}={v}" for k, v in entry["options"]["compile"].items())
        notes.append(f"setting  {name}: {setting}, the fastest of {len(entry['trials'])} tried")
    notes.append(f"call     {name}, one image: {entry['one_image']['call']}")
    return notes


def _summary(console: Console, result: dict[str, Any]) -> None:
    """Everybody's ratio on every network."""
    first = result["first"]
    parts = result["networks"].values()
    names = dict.fromkeys(n for part in parts for n in part["contestants"] if n != first)
    title = f"Seconds an epoch over those of {first}"
    table = options.table("", f"{first}, s", *names, title=title)
    for network, part in result["networks"].items():
        entries = part["contestants"]
        ratios = (_ratio(entries[n], "epoch")[0] if n in entries else "-" for n in names)
        table.add_row(network, _seconds(entries[first]["epoch"]["median"]), *ratios)
    console.print(table)


def _ran_on(console: Console, result: dict[str, Any]) -> None:
    machine, busy = result["machine"], result["settings"]["busy"]
    load = machine["load_average"][0]
    lines = [
        f"{machine['processor']}, {machine['cores']} cores, {result['threads']} threads each; "
        f"load {load:.2f} at the start"
    ]
    if busy:
        lines.append("Another process spun on one core during the rounds (--busy).")
    for name, value in machine["removed_from_environment"].items():
        lines.append(f"{name}={value} was kept from all contestants.")
    for line in lines:
        console.print(line, soft_wrap=True)

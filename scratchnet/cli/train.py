"""train, evaluate, predict: a network and a .keras file."""

import time
from contextlib import nullcontext
from pathlib import Path
from statistics import median
from typing import Any

import click
import numpy as np
from numpy.typing import NDArray

import scratchnet
from scratchnet import config, datasets, networks, utils
from scratchnet.callbacks import BackupAndRestore, Callback
from scratchnet.cli import options
from scratchnet.cli.progress import EpochBars, announce_compiling
from scratchnet.errors import expected

__all__ = ["evaluate", "predict", "train"]

HOW = "Make one: scratchnet train cnn --data digits --epochs 5"
BEST_FIRST = ("cnn", "mlp2_dropout", "mlp_dropout", "mlp_adam", "mlp_rmsprop", "softmax")


class Clock(Callback):
    """Seconds of each epoch."""

    def __init__(self) -> None:
        super().__init__()
        self.seconds: list[float] = []

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """Start."""
        self.start = time.perf_counter()

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Stop."""
        self.seconds.append(time.perf_counter() - self.start)


@click.command()
@click.argument("network", type=options.NETWORK)
@options.data
@options.engine
@click.option("--epochs", type=click.IntRange(1), help="Default: the tutorial's.")
@click.option("--batch-size", type=click.IntRange(1), help="Default: the tutorial's, 128.")
@options.dtype
@options.seed
@click.option(
    "--out", type=click.Path(dir_okay=False, path_type=Path), help="Default: NETWORK.keras."
)
@click.option(
    "--backup", type=click.Path(file_okay=False), help="A folder: go on from there after a kill."
)
@click.option(
    "--distributed", is_flag=True, help="On all ranks of mpiexec: mpiexec -n 4 scratchnet train ..."
)
def train(
    network: str,
    data: str,
    engine: str | None,
    epochs: int | None,
    batch_size: int | None,
    dtype: str,
    seed: int | None,
    out: Path | None,
    backup: str | None,
    distributed: bool,
) -> None:
    """Train NETWORK, keep it in a .keras file."""
    out = out or Path(f"{network}.keras")
    _check_place(out)
    (chosen,) = networks.get(network)
    if distributed:
        scratchnet.distributed.start()
    first = scratchnet.distributed.rank() == 0
    console = options.console()
    console.quiet = not first
    config.set_floatx(dtype)
    if seed is not None:
        utils.set_random_seed(seed)
    with _engine(engine):
        (x, y), test = (chosen.prepare(*part) for part in datasets.load(data))
        name = scratchnet.get_engine()
        console.print(
            f"[bold]{network}[/bold] on {len(x):,} digits of {data}, engine {name}, {dtype}"
        )
        kept = [] if backup is None else [BackupAndRestore(backup)]
        if (n := scratchnet.distributed.size()) > 1:
            console.print(f"on {n} ranks, threads of each: {scratchnet.get_num_threads()}")
        epochs, batch_size = epochs or chosen.epochs, batch_size or chosen.batch_size
        ahead = (network, dtype, str(batch_size)) if first else ()
        with announce_compiling(console, *ahead), EpochBars(console, epochs) as bars:
            model, clock = chosen.compiled(scratchnet), Clock()
            model.fit(
                x,
                y,
                batch_size=batch_size,
                epochs=epochs,
                validation_split=chosen.validation_split,
                verbose=0,
                callbacks=[bars, clock, *kept],
            )
        if not first:
            return
        loss, accuracy = model.evaluate(*test, verbose=0)
    model.save(out)
    console.print(f"test loss {loss:.4f}, accuracy {accuracy:.4f} ({len(test[0]):,} digits)")
    console.print(_seconds(clock.seconds))
    console.print(f"saved as {out}", soft_wrap=True, markup=False)


def _seconds(seconds: list[float]) -> str:
    if not seconds:
        return "no epoch was left to train"
    later = seconds[1:]
    if not later:
        return f"{seconds[0]:.2f} seconds for the epoch, compiling included"
    return f"{median(later):.2f} seconds an epoch (median; the first, {seconds[0]:.2f}, compiles)"


def _check_place(out: Path) -> None:
    """Refuse before the training what cannot be written after it."""
    if out.suffix != ".keras":
        wanted = "a file name that ends in .keras"
        raise click.UsageError(expected("--out", wanted, f"'{out}'"))
    if not out.absolute().parent.is_dir():
        raise click.UsageError(expected("--out", "a folder that exists", f"'{out.parent}'"))


def _engine(name: str | None) -> Any:
    return nullcontext() if name is None else scratchnet.engine(name)


@click.command()
@click.argument("model", required=False, metavar="[FILE|NETWORK]")
@options.data
@options.engine
def evaluate(model: str | None, data: str, engine: str | None) -> None:
    """Test the model in a .keras file, by default the best network in this folder."""
    path = find_model(model)
    loaded = scratchnet.models.load_model(path)
    with _engine(engine):
        _, (images, labels) = datasets.load(data)
        x, y = prepare(loaded, path, images), labels.astype(int)
        if type(loaded.loss).__name__ != "SparseCategoricalCrossentropy":
            y = np.eye(10)[y]
        results = loaded.evaluate(x, y, verbose=0, return_dict=True)
    console = options.console()
    values = ", ".join(f"{name} {value:.4f}" for name, value in sorted(results.items(), key=_loss))
    console.print(f"{path}: {values} ({len(x):,} test digits of {data})", soft_wrap=True)


def _loss(item: tuple[str, float]) -> tuple[bool, str]:
    return item[0] != "loss", item[0]


def find_model(name: str | None) -> Path:
    """The file of this name, or NETWORK.keras; without a name the best network there is here."""
    if name is not None:
        for path in (Path(name), Path(f"{name}.keras")):
            if path.is_file():
                return path
        raise FileNotFoundError(expected("Model", "a .keras file", f"no file '{name}'", HOW))
    for network in BEST_FIRST:
        if Path(f"{network}.keras").is_file():
            return Path(f"{network}.keras")
    raise FileNotFoundError(expected("Model", "a .keras file in this folder", "none", HOW))


def prepare(model: Any, path: Path, images: NDArray[Any]) -> NDArray[Any]:
    """Images (N, 28, 28) of bytes in the shape that the model takes, from 0 to 1."""
    shape = tuple(model.input_shape[1:])
    if int(np.prod([size or 0 for size in shape])) != 28 * 28:
        wanted = "a model that takes images of 28x28"
        raise ValueError(expected(f"Model file '{path}'", wanted, f"one for {shape}"))
    x = images.reshape(len(images), *shape).astype(np.float32) / np.float32(255)
    return x.astype(model.dtype)


@click.command()
@click.argument("images", nargs=-1, required=True, metavar="IMAGE...")
@click.option("--model", metavar="FILE|NETWORK", help="Default: NETWORK.keras in this folder.")
@options.engine
def predict(images: tuple[str, ...], model: str | None, engine: str | None) -> None:
    """Say which digits pictures show.

    A picture may be of any common format and size, dark on bright or bright on dark.
    """
    from scratchnet.cli.show import digit_with_bars
    from scratchnet.utils.images import load_digit

    path = find_model(model)
    digits = np.stack([load_digit(image) for image in images])
    loaded = scratchnet.models.load_model(path, compile=False)
    if loaded.output_shape[-1] != 10 or len(loaded.output_shape) != 2:
        wanted = "a model with ten outputs"
        raise ValueError(expected(f"Model file '{path}'", wanted, f"{loaded.output_shape}"))
    with _engine(engine):
        probabilities = loaded.predict(prepare(loaded, path, digits), verbose=0)
    console = options.console()
    for image, digit, row in zip(images, digits, probabilities, strict=True):
        best = int(np.argmax(row))
        console.print()
        console.print(f"[bold]{best}[/bold]  {row[best]:.1%}", end="  ")
        console.print(f"{image}, by {path}", style="dim", markup=False, soft_wrap=True)
        console.print(digit_with_bars(digit, row), soft_wrap=True)

"""convert: a model's file in another format."""

import warnings

import click

from scratchnet import config
from scratchnet.cli import options
from scratchnet.convert import LEFT_BEHIND, WRITTEN, kind_of
from scratchnet.convert import convert as convert_file

__all__ = ["convert"]


@click.command()
@click.argument("source", metavar="A")
@click.argument("target", metavar="B")
@click.option(
    "--model",
    metavar="FILE|NETWORK",
    help="What A's weights belong to, where A holds weights only: a whole model, or a network.",
)
@click.option("--force", is_flag=True, help="Overwrite B.")
@options.dtype
def convert(source: str, target: str, model: str | None, force: bool, dtype: str) -> None:
    """Write the model or the weights in file A to file B.

    \b
    .keras                 a whole model              read, written
    .h5, .hdf5             older Keras's models       read
    .weights.h5            weights, optimizer state   read, written
    .safetensors           weights                    read, written
    .onnx                  predictions                written

    --dtype is that of a NETWORK; a file's model keeps its own.
    """
    kind = kind_of(target, WRITTEN, "Convert, to")
    config.set_floatx(dtype)
    with warnings.catch_warnings(record=True) as noted:
        warnings.simplefilter("always")
        convert_file(source, target, model, force)
    for note in noted:
        click.echo(f"Note: {note.message}", err=True)
    without = f", without {LEFT_BEHIND[kind]}" if kind in LEFT_BEHIND else ""
    click.echo(f"saved as {target}{without}")

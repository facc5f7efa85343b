"""From one file format to another: `python -m scratchnet.convert A B`.

    .keras         a whole model, with compile settings and optimizer state      read, written
    .h5 .hdf5      a whole model or weights, as older Keras wrote them           read
    .weights.h5    weights and optimizer state                                   read, written
    .safetensors   weights                                                       read, written
    .onnx          predictions                                                   written

A file of weights does not say what they are weights of: then a model must be given.
"""

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from scratchnet import networks
from scratchnet.errors import expected

if TYPE_CHECKING:
    from scratchnet.models import Sequential

__all__ = ["LEFT_BEHIND", "READ", "WRITTEN", "convert", "kind_of"]

WEIGHTS, LEGACY = (".weights.h5", ".safetensors"), (".h5", ".hdf5")
READ = (".keras", *WEIGHTS, *LEGACY)
WRITTEN = (".keras", *WEIGHTS, ".onnx")
# what a format has no place for
LEFT_BEHIND = {
    ".weights.h5": "layers and compile settings",
    ".safetensors": "layers, compile settings and optimizer state",
    ".onnx": "compile settings and optimizer state",
}

Path_ = str | os.PathLike[str]


def convert(source: Path_, target: Path_, model: str | None = None, force: bool = False) -> None:
    """Read `source`, write what it holds to `target`.

    model   where `source` holds weights only: a file of a whole model of that form, or the name of
            one of the six networks, which is compiled as its tutorial has it
    force   overwrite `target`

    Raises ValueError, FileExistsError or FileNotFoundError before anything is read where the two
    cannot be, and what reading and writing raise; then `target` is as it was.
    """
    kind = kind_of(target, WRITTEN, "Convert, to")
    _check_target(source, target, force)
    whole = _read(source, model, kind in (".keras", ".weights.h5"))
    if kind == ".keras":
        whole.save(target)
    elif kind == ".onnx":
        whole.export(target)
    else:
        whole.save_weights(target)


def kind_of(path: Path_, kinds: tuple[str, ...], owner: str) -> str:
    """The suffix of these that the path ends in; ValueError, with all of them, for another."""
    name = os.fspath(path)
    for kind in sorted(kinds, key=len, reverse=True):  # .weights.h5 before .h5
        if name.endswith(kind) and (kind in WEIGHTS or not name.endswith(WEIGHTS)):
            return kind
    wanted = f"a file name that ends in {', '.join(kinds[:-1])} or {kinds[-1]}"
    hint = ""
    for suffixes, only in ((LEGACY, "read, not written"), ((".onnx",), "written, not read")):
        if name.endswith(suffixes):
            hint = f"{suffixes[0]} files are {only}."
    raise ValueError(expected(owner, wanted, f"'{path}'", hint))


def _check_target(source: Path_, target: Path_, force: bool) -> None:
    """Raise where the target may not be written."""
    if not os.path.exists(target):
        return
    if os.path.exists(source) and os.path.samefile(source, target):
        wanted, hint = "another file than the source", "Choose another name."
        raise ValueError(expected("Convert, to", wanted, f"'{target}'", hint))
    if not force:
        wanted, hint = "a new file", "Choose another name, or overwrite it with --force."
        raise FileExistsError(expected("Convert, to", wanted, f"'{target}', which exists", hint))


def _read(source: Path_, model: str | None, compile: bool) -> "Sequential":
    """The model in the source, or the given one with the source's weights."""
    from scratchnet.models import load_model
    from scratchnet.saving import legacy

    kind = kind_of(source, READ, "Convert, from")
    if not Path(source).is_file():
        got, hint = "no such file", "Check the path."
        raise FileNotFoundError(expected("Convert, from", "a file", f"'{source}', {got}", hint))
    if kind == ".keras" or (kind in LEGACY and legacy.holds_model(source)):
        if model is not None:
            wanted, hint = "no --model for a file of a whole model", "Leave it out."
            raise ValueError(expected("Convert", wanted, f"'{model}'", hint))
        return load_model(source, compile=compile)
    if model is None:
        wanted, got = "a model for these weights", f"only weights in '{source}'"
        known = ", ".join(networks.NETWORKS)
        hint = f"Give a file of a whole model, or one of {known}, with --model."
        raise ValueError(expected("Convert, from", wanted, got, hint))
    made = _architecture(model, compile)
    made.load_weights(source)
    if kind != ".weights.h5" and made.optimizer is not None:
        _start_anew(made)
    return made


def _start_anew(model: "Sequential") -> None:
    """Give the model an optimizer of the same settings without state: that was of other weights."""
    assert model.optimizer is not None
    plain, weighted = model.metric_specs
    optimizer = type(model.optimizer).from_config(model.optimizer.get_config())
    model.compile(optimizer, model.loss, metrics=plain, weighted_metrics=weighted)
    model.build_optimizer()


def _architecture(model: str, compile: bool) -> "Sequential":
    """The model in this file, or the network of this name."""
    import scratchnet
    from scratchnet.models import load_model

    if model in networks.NETWORKS:
        network = networks.NETWORKS[model]
        made = network.compiled(scratchnet) if compile else network.build(scratchnet)
        if compile:
            made.build_optimizer()
        return made  # type: ignore[no-any-return]
    return load_model(model, compile=compile)


if __name__ == "__main__":
    from scratchnet.cli import main

    sys.argv.insert(1, "convert")
    main()

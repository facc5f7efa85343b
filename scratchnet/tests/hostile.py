"""Files as a stranger might make them, from small good ones: for the tests and for fuzz/."""

import io
import json
import random
import warnings
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

import scratchnet as sn

REFUSALS = (ValueError, TypeError, NotImplementedError, FileNotFoundError)
# what no option of ours is, or should be
VALUES: list[Any] = [
    *(None, True, False, 0, -1, 1, 2**31, 2**40, 2**62, -(2**63), 0.5, -0.0, 1e308, -1e-308),
    *("", "a", "..", "/etc/passwd", "../../x", "\x00", "é" * 40, "Lambda", "__import__('os')"),
    *([], {}, [None], [[]], [2**40] * 4, {"class_name": "Lambda", "config": {}}, {"": None}),
    *({"class_name": "Dense"}, {"class_name": 5, "config": 5}, {"config": {}}, ["a"] * 3),
    {"class_name": "__tuple__", "items": [1, 2]},
    {"class_name": "__numpy__", "config": {"value": [1, [2]], "dtype": "object"}},
    {"class_name": "function", "config": "os.system", "registered_name": "x"},
    {"module": "builtins", "class_name": "eval", "config": {}, "registered_name": "eval"},
]


def small_model(compiled: bool = True) -> sn.Sequential:
    """A model of a few numbers with most kinds of options."""
    model = sn.Sequential(
        [
            sn.Input((4, 4, 1)),
            sn.layers.Conv2D(2, 2, kernel_regularizer="l2", kernel_initializer="he_normal"),
            sn.layers.BatchNormalization(),
            sn.layers.MaxPooling2D(2, padding="same"),
            sn.layers.Flatten(),
            sn.layers.Dropout(0.25, seed=1),
            sn.layers.Dense(2, activation="softmax", bias_initializer="zeros"),
        ],
        name="small",
    )
    if compiled:
        rate = sn.optimizers.schedules.CosineDecay(0.01, 5)
        model.compile(
            sn.optimizers.SGD(rate, momentum=0.5),
            sn.losses.CategoricalCrossentropy(label_smoothing=0.125),
            metrics=["accuracy", sn.metrics.Precision(thresholds=0.25)],
        )
        model.build_optimizer()
    return model


def tiny_model() -> sn.Sequential:
    """A model of twelve numbers, for weights files of few bytes."""
    layers = [sn.Input((3,)), sn.layers.Dense(2), sn.layers.BatchNormalization(center=False)]
    model = sn.Sequential(layers, name="tiny")
    model.compile(sn.optimizers.SGD(0.5), "mse")
    model.build_optimizer()
    return model


def archive_bytes(model: sn.Sequential, folder: Path) -> bytes:
    """What `model.save` writes."""
    model.save(folder / "good.keras")
    return (folder / "good.keras").read_bytes()


def members(archive: bytes) -> dict[str, bytes]:
    """The members of a zip file."""
    with zipfile.ZipFile(io.BytesIO(archive)) as file:
        return {name: file.read(name) for name in file.namelist()}


def zipped(parts: dict[str, bytes], packing: int = zipfile.ZIP_STORED) -> bytes:
    """A zip file of these members."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", packing) as file:
        for name, data in parts.items():
            file.writestr(zipfile.ZipInfo(name), data, packing)
    return buffer.getvalue()


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The path of keys to everything inside."""
    inside: Any = ()
    if isinstance(value, dict):
        inside = value.items()
    elif isinstance(value, list):
        inside = enumerate(value)
    for key, item in inside:
        yield (*path, key)
        yield from places(item, (*path, key))


def replaced(config: Any, path: tuple[Any, ...], value: Any) -> Any:
    """A copy with another value at this path."""
    config = json.loads(json.dumps(config))
    here = config
    for key in path[:-1]:
        here = here[key]
    here[path[-1]] = value
    return config


def with_config(archive: bytes, config: Any) -> bytes:
    """The archive with another config.json: a thing to write down, or bytes."""
    text = config if isinstance(config, bytes) else json.dumps(config).encode()
    return zipped(members(archive) | {"config.json": text})


def config_of(archive: bytes) -> Any:
    """What config.json says."""
    return json.loads(members(archive)["config.json"])


# ------------------------------------------------------------------------------ mutations


def change_bytes(data: bytes, rng: random.Random) -> bytes:
    """Some bytes flipped, set, copied from elsewhere, taken out, or the end cut off."""
    out = bytearray(data)
    for _ in range(rng.choice([1, 1, 2, 4, 8])):
        if not out:
            break
        at, what = rng.randrange(len(out)), rng.randrange(7)
        if what == 0:
            out[at] ^= 1 << rng.randrange(8)
        elif what == 1:
            out[at] = rng.choice([0, 1, 0x7F, 0x80, 0xFF, rng.randrange(256)])
        elif what == 2:  # a number of 8 bytes, as HDF5's addresses and sizes are
            number = rng.choice([0, 2**64 - 1, 2**40, 2**63, rng.randrange(len(out))])
            out[at - at % 8 : at - at % 8 + 8] = number.to_bytes(8, "little")
        elif what == 3:
            other, count = rng.randrange(len(out)), rng.choice([1, 8, 40])
            out[at : at + count] = out[other : other + count]
        elif what == 4:
            del out[at : at + rng.choice([1, 8, 100])]
        elif what == 5:
            out[at:at] = out[at : at + rng.choice([1, 8, 100])]
        elif rng.random() < 0.2:
            del out[at:]
    return bytes(out)


def change_archive(data: bytes, rng: random.Random) -> bytes:
    """Values in config.json replaced, members changed, swapped, left out or doubled."""
    try:
        parts = members(data)
        config = json.loads(parts["config.json"])
    except Exception:
        return change_bytes(data, rng)
    what = rng.randrange(8)
    if what < 5:
        for _ in range(rng.choice([1, 1, 2, 3])):
            path = rng.choice(list(places(config)) or [("x",)])
            other = rng.choice(list(places(config)) or [("x",)])
            value = rng.choice(VALUES)
            if rng.random() < 0.2:
                value = config
                for key in other:
                    value = value[key]
            try:
                config = replaced(config, path, value)
            except (KeyError, IndexError, TypeError):
                break
        parts["config.json"] = json.dumps(config).encode()
    elif what == 5:
        name = rng.choice(list(parts))
        parts[name] = change_bytes(parts[name], rng)
    elif what == 6:
        name = rng.choice(list(parts))
        parts[rng.choice(["../x", "/x", "a\\b", "C:x", "x", *parts])] = parts.pop(name)
    else:
        parts["model.weights.h5"] = change_bytes(parts.get("model.weights.h5", b""), rng)
    out = zipped(parts, rng.choice([zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED]))
    return change_bytes(out, rng) if rng.random() < 0.2 else out


# ------------------------------------------------------------------------------ what may happen


def outcome(action: Callable[[Path], Any], path: Path) -> str:
    """ "read", or the refusal's text; anything else than these comes out as it is."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # "The optimizer starts anew" is no refusal
            action(path)
        return "read"
    except REFUSALS as error:
        text = str(error)
    assert str(path) in text, f"no file name in: {text}"
    return text


def load_weights_or_leave(model: sn.Sequential, path: Path) -> None:
    """`load_weights`, which may change all weights or none."""
    arrays = [*model.weights, *(model.optimizer.variables if model.optimizer else [])]
    before = [array.tobytes() for array in arrays]
    try:
        model.load_weights(path)
    except BaseException:
        assert [array.tobytes() for array in arrays] == before, "the model has changed"
        raise
    for array, old in zip(arrays, before, strict=True):
        array[...] = np.frombuffer(old, array.dtype).reshape(array.shape)

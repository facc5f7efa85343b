"""What a config from a file may ask for, settled before anything is built."""

from collections.abc import Iterator
from contextlib import contextmanager
from math import prod
from typing import Any

from scratchnet.errors import expected
from scratchnet.layers.arguments import sizes
from scratchnet.layers.base import readable
from scratchnet.layers.input import InputLayer

__all__ = ["Needs", "check_sizes", "in_file"]

Needs = list[tuple[Any, list[tuple[int, ...]]]]  # layers, with the shapes of their weights
MAX_LAYERS = 2048
MAX_NUMBERS = 1 << 31  # of one sample, between two layers; of all weights


@contextmanager
def in_file(owner: str) -> Iterator[None]:
    """Errors from inside begin with the owner and are ValueError, TypeError or NotImplementedError.

    Every option has its own check in the constructor that takes it. What slips through all of them
    comes out as a ValueError, too: nobody should have to catch a KeyError of ours.
    """
    try:
        yield
    except Exception as error:
        for kind in (NotImplementedError, TypeError, ValueError):
            if isinstance(error, kind):
                raise kind(f"{owner}: {error}") from error
        got = f"{type(error).__name__}: {error}"
        raise ValueError(expected(owner, "options that fit each other", got)) from error


def check_sizes(layers: list[Any], shape: Any) -> Needs:
    """Each layer with the shapes of the weights it will have; nothing is allocated. None of them
    for a model without the shape of its input, which has no weights yet.

    shape    of the input, from the file, for a model whose first layer does not say it
    Raises ValueError where a layer does not fit the one before or anything is too large.
    """
    if len(layers) > MAX_LAYERS:
        raise ValueError(expected("Model", f"at most {MAX_LAYERS} layers", str(len(layers))))
    if layers and isinstance(layers[0], InputLayer):
        shape = layers[0].batch_shape
        layers = layers[1:]
    elif layers and layers[0].input_shape_argument is not None:
        shape = layers[0].input_shape_argument
    if shape is None:
        return []
    shape = sizes("Model", "build_input_shape", shape)
    needs, total = [], 0
    _check_numbers("Model", shape)
    for layer in layers:
        if isinstance(layer, InputLayer):
            raise ValueError(expected("Model", "one Input, before all other layers", layer.owner))
        after = layer.compute_output_shape(shape)
        _check_numbers(layer.owner, getattr(layer, "pool_size", ()), "window")
        needs.append((layer, list(layer.weight_shapes(shape).values())))
        total += sum(prod(s) for s in needs[-1][1])
        if total > MAX_NUMBERS:
            wanted = f"weights of at most {MAX_NUMBERS} numbers"
            raise ValueError(expected(layer.owner, wanted, f"{total} so far"))
        _check_numbers(layer.owner, after)
        shape = after
    return needs


def _check_numbers(owner: str, shape: Any, what: str = "sample") -> None:
    if prod(max(d or 1, 1) for d in shape) > MAX_NUMBERS:
        wanted = f"at most {MAX_NUMBERS} numbers a {what}"
        raise ValueError(expected(owner, wanted, f"a shape {readable(shape)}"))

"""ScratchNet: a neural-network engine written by hand, with Keras's public interface.

    import scratchnet as keras

    model = keras.Sequential([keras.Input((784,)), keras.layers.Dense(10, activation="softmax")])
    model.compile("rmsprop", "categorical_crossentropy", metrics=["accuracy"])

The letters of all docstrings:

    N  batch                 H, W, C  rows, columns, channels of an image
    R, S  kernel rows, columns        P, Q  output rows, columns       F  filters
    D  features in           U  units                K  classes
    x, y  input and output of a layer         z  what goes into its activation
    dx, dy, dz, dkernel, dbias  the gradient of the loss with respect to x, y, z, kernel, bias

Images are (N, H, W, C), the kernel of a convolution (R, S, C, F), that of a dense layer (D, U).
"""

from typing import Any

from scratchnet import (
    activations,
    callbacks,
    config,
    datasets,
    distributed,
    initializers,
    layers,
    losses,
    metrics,
    models,
    networks,
    optimizers,
    random,
    regularizers,
    utils,
)
from scratchnet.engines import engine, get_engine, set_engine
from scratchnet.engines.threads import get_num_threads, set_num_threads
from scratchnet.errors import unknown
from scratchnet.layers import Input
from scratchnet.models import Sequential
from scratchnet.study.gradcheck import gradcheck

__all__ = [
    "Input",
    "Sequential",
    "activations",
    "callbacks",
    "config",
    "datasets",
    "distributed",
    "engine",
    "get_engine",
    "get_num_threads",
    "gradcheck",
    "initializers",
    "layers",
    "losses",
    "metrics",
    "models",
    "networks",
    "optimizers",
    "random",
    "regularizers",
    "set_engine",
    "set_num_threads",
    "utils",
]

__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    raise AttributeError(unknown("scratchnet", name, __all__))

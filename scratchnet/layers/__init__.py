"""Layers, by Keras's names."""

from typing import Any

from scratchnet.errors import unknown
from scratchnet.layers.activation import Activation, LeakyReLU, ReLU, Softmax
from scratchnet.layers.base import ActivatedLayer, Layer
from scratchnet.layers.convolution import Conv2D, Convolution2D
from scratchnet.layers.dense import Dense
from scratchnet.layers.dropout import Dropout
from scratchnet.layers.input import Input, InputLayer
from scratchnet.layers.normalization import BatchNormalization
from scratchnet.layers.pooling import (
    AveragePooling2D,
    AvgPool2D,
    GlobalAveragePooling2D,
    GlobalAvgPool2D,
    GlobalMaxPool2D,
    GlobalMaxPooling2D,
    MaxPool2D,
    MaxPooling2D,
)
from scratchnet.layers.rescaling import Rescaling
from scratchnet.layers.reshaping import Flatten, Reshape, ZeroPadding2D

__all__ = [
    "ActivatedLayer",
    "Activation",
    "AveragePooling2D",
    "AvgPool2D",
    "BatchNormalization",
    "Conv2D",
    "Convolution2D",
    "Dense",
    "Dropout",
    "Flatten",
    "GlobalAveragePooling2D",
    "GlobalAvgPool2D",
    "GlobalMaxPool2D",
    "GlobalMaxPooling2D",
    "Input",
    "InputLayer",
    "Layer",
    "LeakyReLU",
    "MaxPool2D",
    "MaxPooling2D",
    "ReLU",
    "Rescaling",
    "Reshape",
    "Softmax",
    "ZeroPadding2D",
]

LAYERS: dict[str, type[Layer]] = {
    cls.__name__: cls
    for cls in (
        *(Activation, AveragePooling2D, BatchNormalization, Conv2D, Dense, Dropout, Flatten),
        *(GlobalAveragePooling2D, GlobalMaxPooling2D, InputLayer, LeakyReLU, MaxPooling2D, ReLU),
        *(Rescaling, Reshape, Softmax, ZeroPadding2D),
    )
}


def __getattr__(name: str) -> Any:
    raise AttributeError(unknown("scratchnet.layers", name, __all__))

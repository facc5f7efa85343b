"""Four networks that are in no tutorial: what the engine does with layers it did not expect.

`scratchnet race lenet` races one of them; "all" means the six of the tutorials.
"""

from typing import Any

from scratchnet import networks
from scratchnet.networks import NETWORKS, Network

__all__ = ["STRANGERS", "find", "get"]

# there is no tutorial to report it; what the race waits for is 0.01 less
LOSS, ACCURACY = 0.05, 0.985


def pairs(k: Any) -> Any:
    """Pairs of padded convolutions before a pool, as in VGG."""
    return k.Sequential(
        [
            k.Input((28, 28, 1)),
            k.layers.Conv2D(16, 3, padding="same", activation="relu"),
            k.layers.Conv2D(16, 3, padding="same", activation="relu"),
            k.layers.MaxPooling2D(2),
            k.layers.Conv2D(32, 3, padding="same", activation="relu"),
            k.layers.Conv2D(32, 3, padding="same", activation="relu"),
            k.layers.MaxPooling2D(2),
            k.layers.Flatten(),
            k.layers.Dense(64, activation="relu"),
            k.layers.Dense(10, activation="softmax"),
        ]
    )


def lenet(k: Any) -> Any:
    """LeNet-5: kernels of 5x5, tanh, average pooling."""
    return k.Sequential(
        [
            k.Input((28, 28, 1)),
            k.layers.Conv2D(6, 5, padding="same", activation="tanh"),
            k.layers.AveragePooling2D(2),
            k.layers.Conv2D(16, 5, activation="tanh"),
            k.layers.AveragePooling2D(2),
            k.layers.Flatten(),
            k.layers.Dense(120, activation="tanh"),
            k.layers.Dense(84, activation="tanh"),
            k.layers.Dense(10, activation="softmax"),
        ]
    )


def strided(k: Any) -> Any:
    """Convolutions that make their output smaller themselves."""
    return k.Sequential(
        [
            k.Input((28, 28, 1)),
            k.layers.Conv2D(32, 3, strides=2, activation="relu"),
            k.layers.Conv2D(64, 3, strides=2, activation="relu"),
            k.layers.Flatten(),
            k.layers.Dense(10, activation="softmax"),
        ]
    )


def normalized(k: Any) -> Any:
    """Batch normalisation between convolution and activation, and global pooling at the end."""
    return k.Sequential(
        [
            k.Input((28, 28, 1)),
            k.layers.Conv2D(32, 3),
            k.layers.BatchNormalization(),
            k.layers.Activation("relu"),
            k.layers.MaxPooling2D(2),
            k.layers.Conv2D(64, 3),
            k.layers.BatchNormalization(),
            k.layers.Activation("relu"),
            k.layers.GlobalAveragePooling2D(),
            k.layers.Dense(10, activation="softmax"),
        ]
    )


STRANGERS = {
    build.__name__: Network(build.__name__, build, "adam", 5, LOSS, ACCURACY)
    for build in (pairs, lenet, strided, normalized)
}


def find(name: str) -> Network:
    """The network of this name: a tutorial's, or one of these."""
    return {**NETWORKS, **STRANGERS}[name]


def get(name: str) -> list[Network]:
    """The network of this name; for "all" the six of the tutorials."""
    return [STRANGERS[name]] if name in STRANGERS else networks.get(name)

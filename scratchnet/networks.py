"""The six networks: what their tutorials build, how they train it, and what they report.

Each `build` takes the library to build with, `scratchnet` or `keras`: the same lines make a network
and its Keras twin.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scratchnet.errors import unknown

__all__ = ["NETWORKS", "Network", "get"]


def softmax(k: Any) -> Any:
    """Logistic regression: every pixel votes for every digit."""
    return k.Sequential([k.Input((784,)), k.layers.Dense(10, activation="softmax")])


def mlp(k: Any) -> Any:
    """One hidden layer."""
    return k.Sequential(
        [
            k.Input((784,)),
            k.layers.Dense(512, activation="relu"),
            k.layers.Dense(10, activation="softmax"),
        ]
    )


def mlp_dropout(k: Any) -> Any:
    """One hidden layer and dropout."""
    return k.Sequential(
        [
            k.Input((784,)),
            k.layers.Dense(512, activation="relu"),
            k.layers.Dropout(0.2),
            k.layers.Dense(10, activation="softmax"),
        ]
    )


def mlp2_dropout(k: Any) -> Any:
    """Two hidden layers, each with dropout."""
    return k.Sequential(
        [
            k.Input((784,)),
            k.layers.Dense(512, activation="relu"),
            k.layers.Dropout(0.2),
            k.layers.Dense(512, activation="relu"),
            k.layers.Dropout(0.2),
            k.layers.Dense(10, activation="softmax"),
        ]
    )


def cnn(k: Any) -> Any:
    """Three convolutions with pooling, then two dense layers."""
    return k.Sequential(
        [
            k.Input((28, 28, 1)),
            k.layers.Conv2D(32, (3, 3), activation="relu"),
            k.layers.MaxPooling2D((2, 2)),
            k.layers.Conv2D(64, (3, 3), activation="relu"),
            k.layers.MaxPooling2D((2, 2)),
            k.layers.Conv2D(128, (3, 3), activation="relu"),
            k.layers.MaxPooling2D((2, 2)),
            k.layers.Flatten(),
            k.layers.Dense(128, activation="relu"),
            k.layers.Dropout(0.5),
            k.layers.Dense(10, activation="softmax"),
        ]
    )


@dataclass(frozen=True)
class Network:
    """A network, the settings of its tutorial, and what the tutorial reports on MNIST."""

    name: str
    build: Callable[[Any], Any]
    optimizer: str
    epochs: int
    test_loss: float
    test_accuracy: float
    validation_split: float = 0.0
    batch_size: int = 128
    loss: str = "categorical_crossentropy"
    other_figures: dict[str, float] = field(default_factory=dict)

    def compiled(self, k: Any, **options: Any) -> Any:
        """The network built with library `k`, ready to train."""
        model = self.build(k)
        model.compile(self.optimizer, self.loss, metrics=["accuracy"], **options)
        return model

    def prepare(self, images: NDArray[Any], labels: NDArray[Any]) -> tuple[Any, Any]:
        """Images (N, 28, 28) of bytes as this network's input, 0 to 1, and one-hot labels."""
        shape = (28, 28, 1) if self.build is cnn else (784,)
        x = images.reshape(len(images), *shape).astype(np.float32) / np.float32(255)
        return x, np.eye(10, dtype=np.float32)[np.asarray(labels, int)]


NETWORKS = {
    network.name: network
    for network in (
        Network("softmax", softmax, "rmsprop", 5, 0.276, 0.924),
        Network("mlp_dropout", mlp_dropout, "rmsprop", 5, 0.068, 0.981),
        Network("mlp2_dropout", mlp2_dropout, "rmsprop", 5, 0.0719, 0.982),
        Network(
            "mlp_rmsprop",
            mlp,
            "rmsprop",
            10,
            0.0710,
            0.9799,
            validation_split=0.2,
            other_figures={"val_accuracy": 0.9797, "loss": 0.0101},
        ),
        Network("mlp_adam", mlp, "adam", 5, 0.0711, 0.9788, other_figures={"accuracy": 0.9908}),
        Network("cnn", cnn, "adam", 10, 0.0494, 0.9869, validation_split=0.1),
    )
}


def get(name: str) -> list[Network]:
    """The network of this name, or all of them for "all"."""
    if name == "all":
        return list(NETWORKS.values())
    if name not in NETWORKS:
        raise ValueError(unknown("Network", name, [*NETWORKS, "all"]))
    return [NETWORKS[name]]


def __getattr__(name: str) -> Any:
    raise AttributeError(unknown("scratchnet.networks", name, __all__))

"""Every type of layer, forward and backward by its own two methods, in the engines that people use.

The sizes are those that the type has in the networks, or would have there, with batches of 128.
"""

from typing import Any

import numpy as np
import pytest

import scratchnet
from benchmarks.recorder import Recorder, assert_same

N = 128
ENGINES = ["numpy", "numba", "fused"]
k = scratchnet.layers
IMAGE, VECTOR = (13, 13, 32), (512,)
# type -> (arguments, shape of one input)
CASES: dict[str, tuple[dict[str, Any], tuple[int, ...]]] = {
    "Dense": ({"units": 512, "activation": "relu"}, (784,)),
    "Conv2D": ({"filters": 64, "kernel_size": 3, "activation": "relu"}, IMAGE),
    "MaxPooling2D": ({}, (26, 26, 32)),
    "AveragePooling2D": ({"pool_size": 2}, (26, 26, 32)),
    "GlobalMaxPooling2D": ({}, IMAGE),
    "GlobalAveragePooling2D": ({}, IMAGE),
    "BatchNormalization": ({}, IMAGE),
    "Dropout": ({"rate": 0.5}, VECTOR),
    "Activation": ({"activation": "tanh"}, VECTOR),
    "ReLU": ({}, VECTOR),
    "LeakyReLU": ({}, VECTOR),
    "Softmax": ({}, (10,)),
    "Flatten": ({}, IMAGE),
    "Reshape": ({"target_shape": (13 * 13, 32)}, IMAGE),
    "ZeroPadding2D": ({}, IMAGE),
    "Rescaling": ({"scale": 1 / 255}, (28, 28, 1)),
}


class Side:
    """A layer of its own for an engine, with the same weights and masks as everybody's."""

    def __init__(self, kind: str, engine: str) -> None:
        arguments, shape = CASES[kind]  # a new type of layer needs a line above
        self.engine = engine
        scratchnet.utils.set_random_seed(0)
        self.layer = k.LAYERS[kind](**arguments)
        self.layer.build((None, *shape))
        self.x = whole(N, *shape, seed=0)
        self.dy = whole(*self.layer.compute_output_shape(self.x.shape), seed=1)

    def forward(self) -> Any:
        return self.layer.forward(self.x, training=True)

    def backward(self) -> Any:
        return self.layer.backward(self.dy)

    def both(self) -> dict[str, Any]:
        """y, dx and the gradients, after one pass each way."""
        with scratchnet.engine(self.engine):
            y = self.forward()
            dx = self.backward()
        return {"y": y, "dx": dx, **self.layer.grads}


def whole(*shape: int, seed: int) -> Any:
    """Whole numbers from -2 to 2, so that some of them tie."""
    return np.random.default_rng(seed).integers(-2, 3, shape).astype(np.float32)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("way", ["forward", "backward"])
@pytest.mark.parametrize("kind", [kind for kind in k.LAYERS if kind != "InputLayer"])
def test_layer(record: Recorder, kind: str, way: str, engine: str) -> None:
    record.group(f"layer {kind}, {way}")
    side = Side(kind, engine)
    wanted = Side(kind, "numpy").both()
    got = side.both()
    assert_same(list(got.values()), list(wanted.values()), list(wanted))
    record.extra["input"] = list(side.x.shape)
    with scratchnet.engine(engine):
        record.time(getattr(side, way), seconds=0.1)

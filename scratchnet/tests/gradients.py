"""The check that every layer goes through: its gradients against central differences."""

import numpy as np

from scratchnet import Input, Sequential, gradcheck
from scratchnet.activations import linear
from scratchnet.layers import Layer, MaxPooling2D


def assert_gradients(
    layer: Layer, shape: tuple[int, ...], rng: np.random.Generator, n: int = 3, samples: int = 25
) -> None:
    """The layer alone, in float64, under a squared error with random targets: dy is random.

    Where the layer has kinks, up to a quarter of the numbers may be skipped; else none.
    """
    if not layer.built:
        layer = type(layer).from_config({**layer.get_config(), "dtype": "float64"})
    model = Sequential([Input(shape), layer], dtype="float64")
    model.compile("sgd", "mse")
    x = rng.normal(size=(n, *shape))
    y = rng.normal(size=(n, *model.output_shape[1:]))
    result = gradcheck(model, x, y, samples=samples, tolerance=1e-7)
    assert result.ok, str(result)
    names = {f"{layer.name}/{key}" for key in layer.params if layer.trainable}
    assert set(result.errors) == names | {"input"}
    kinks = isinstance(layer, MaxPooling2D) or getattr(layer, "activation", linear).kinks
    assert len(result.skipped) <= (result.checked // 4 if kinks else 0), result.skipped

"""Models that Keras makes and ScratchNet has to refuse by name: in .keras and in .h5 files."""

from collections.abc import Callable
from typing import Any

__all__ = ["REFUSED"]


def compiled(k: Any, optimizer: Any = "sgd", loss: Any = "mse", **options: Any) -> Any:
    """A small model, compiled so."""
    model = k.Sequential([k.Input((4,)), k.layers.Dense(3, activation="softmax")])
    model.compile(optimizer, loss, **options)
    return model


def functional(k: Any) -> Any:
    x = k.Input((4,))
    return k.Model(x, k.layers.Dense(3)(x))


def nested(k: Any) -> Any:
    return k.Sequential([k.Input((4,)), k.Sequential([k.Input((4,)), k.layers.Dense(3)])])


def mixed(k: Any) -> Any:
    return k.Sequential([k.Input((4,)), k.layers.Dense(3, dtype="mixed_float16")])


def constrained(k: Any) -> Any:
    dense = k.layers.Dense(3, kernel_constraint=k.constraints.NonNeg())
    return k.Sequential([k.Input((4,)), dense])


def stack(shape: Any, make: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """A model of one layer."""
    return lambda k: k.Sequential([k.Input(shape), make(k.layers)])


# what makes the model, and what the error says of it
REFUSED: dict[str, tuple[Callable[[Any], Any], str]] = {
    "LSTM": (stack((4, 3), lambda L: L.LSTM(2)), "Layer 'LSTM': expected one of the known names"),
    "Lambda": (stack((4,), lambda L: L.Lambda(abs)), "Layer 'Lambda': expected one of the known"),
    "groups": (
        stack((6, 6, 2), lambda L: L.Conv2D(4, 3, groups=2)),
        "expected groups=1, got 2. ScratchNet has no groups",
    ),
    "constraint": (constrained, "ScratchNet has no kernel_constraint"),
    "renorm": (stack((4,), lambda L: L.BatchNormalization(renorm=True)), "has no renorm"),
    "channels_first": (
        stack((2, 6, 6), lambda L: L.Flatten(data_format="channels_first")),
        'expected data_format "channels_last"',
    ),
    "functional": (functional, "Model: expected a Sequential, got 'Functional'"),
    "nested": (nested, "Layer 'Sequential': expected one of the known names"),
    "mixed": (mixed, "dtype 'mixed_float16': expected one of the known names"),
    "bfloat16": (stack((4,), lambda L: L.Dense(3, dtype="bfloat16")), "dtype 'bfloat16'"),
    "Nadam": (lambda k: compiled(k, "nadam"), "Optimizer 'nadam': expected one of the known"),
    "ema": (
        lambda k: compiled(k, k.optimizers.SGD(use_ema=True)),
        "use_ema left off, got use_ema=True",
    ),
    "KLDivergence": (
        lambda k: compiled(k, loss=k.losses.KLDivergence()),
        "Loss 'KLDivergence': expected one of the known",
    ),
    "poisson": (lambda k: compiled(k, loss="poisson"), "Loss 'poisson': expected one of the known"),
    "AUC": (lambda k: compiled(k, metrics=[k.metrics.AUC()]), "metric 'AUC': expected one of the"),
    "loss_weights": (
        lambda k: compiled(k, loss=["mse"], loss_weights=[0.5]),
        "ScratchNet has no loss_weights",
    ),
}

"""Weights copied from one side to the other, in either direction."""

from typing import Any

import numpy as np

__all__ = ["copy_optimizer", "copy_weights"]


def copy_weights(source: Any, target: Any) -> None:
    """Give `target` the weights of `source`; either may be a ScratchNet or a Keras model.

    Both list their weights layer by layer in the same order and layout, so nothing is transposed.
    """
    target.set_weights([np.asarray(w) for w in source.get_weights()])


def copy_optimizer(source: Any, target: Any) -> None:
    """Give the optimizer of `target` the state of that of `source`: iterations, rate and slots.

    Both models must be compiled with the same optimizer.
    """
    for model in (source, target):
        if not model.optimizer.built:
            model.optimizer.build(model.trainable_variables)
    # a Keras variable turns itself into an array, ours are arrays already
    state = [v.numpy() if hasattr(v, "numpy") else v for v in source.optimizer.variables]
    target.optimizer.set_weights([np.array(v) for v in state])

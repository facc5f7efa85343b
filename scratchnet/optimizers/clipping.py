"""Clipping: gradients made smaller before they are used. Keras's three ways."""

import numpy as np
from numpy.typing import NDArray

from scratchnet.engines import ops

__all__ = ["clip_gradients"]

Array = NDArray[np.floating]


def clip_gradients(
    gradients: list[Array],
    clipnorm: float | None,
    global_clipnorm: float | None,
    clipvalue: float | None,
    clipped: list[Array] | None = None,
) -> list[Array]:
    """The clipped gradients, one 1-D array for each variable; where nothing is clipped, the very
    arrays given.

    clipnorm          g * clipnorm / max(norm of g, clipnorm), each variable on its own
    global_clipnorm   g * global_clipnorm * min(1 / norm, 1 / global_clipnorm), with the norm of all
                      together
    clipvalue         g cut off at -clipvalue and clipvalue

    The results go to `clipped`, or to new arrays; None or 0 is no clipping. Norms are summed in
    float64. An infinite gradient makes everything NaN under global_clipnorm (Keras adds norm -
    norm), its own variable under clipnorm.
    """
    if not (clipnorm or global_clipnorm or clipvalue):
        return gradients
    if clipped is None:
        clipped = [np.empty_like(g) for g in gradients]
    if clipvalue:
        for g, out in zip(gradients, clipped, strict=True):
            ops.clip_by_value(g, float(clipvalue), out)
        return clipped

    squares = np.array([ops.sum_of_squares(g) for g in gradients])
    with np.errstate(divide="ignore", invalid="ignore"):
        if clipnorm:
            factors = clipnorm / np.maximum(np.sqrt(squares), clipnorm)
        else:
            assert global_clipnorm is not None
            norm = np.sqrt(squares.sum())
            factor = global_clipnorm * np.minimum(1.0 / norm, 1.0 / global_clipnorm)
            factors = np.full(len(gradients), factor + (norm - norm))
    for g, factor, out in zip(gradients, factors.tolist(), clipped, strict=True):
        ops.scale_gradients(g, factor, out)
    return clipped

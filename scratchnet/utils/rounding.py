"""Where Keras on TensorFlow rounds a hyperparameter to float32 on the way to float64."""

import numpy as np

__all__ = ["through_float32"]


def through_float32(value: float) -> float:
    """The number that `tf.cast(value, "float64")` holds.

    TensorFlow reads a Python float as float32 before it casts, so a weight decay of 0.004 is
    0.004000000189989805 even where everything else is float64. A float64 run equals Keras's to the
    last digits only with the same number.
    """
    return float(np.float32(value))

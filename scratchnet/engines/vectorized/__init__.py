"""Engine "numpy": every operation of `loops` as whole-array NumPy.

What a loop nest does one number at a time, these do with broadcasting and matrix products; the
price is memory, most of all in the im2col matrix of a convolution, which repeats each pixel once
for every tap that reads it.
"""

from types import ModuleType

from scratchnet.engines.vectorized import (
    activations,
    convolution,
    dense,
    normalization,
    optimizers,
    pooling,
    random,
)

MODULES: tuple[ModuleType, ...] = (
    activations,
    convolution,
    dense,
    normalization,
    optimizers,
    pooling,
    random,
)
__all__ = [name for module in MODULES for name in module.__all__]
globals().update({name: getattr(module, name) for module in MODULES for name in module.__all__})

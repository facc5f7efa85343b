"""Engine "loops": the definition of every operation, as the textbook's loop nests over plain
Python.

It is slow on purpose, and exact: a sum is kept in float64 whatever the arrays hold, and rounded
once at the end. `prange` marks a loop whose iterations are independent of each other; here it is
Python's `range`, and engine "numba" (compiled.py) makes it a threaded loop. The letters are those
of the package: N batch; H, W, C input; R, S kernel rows and columns; P, Q output rows and columns;
F filters; D features in; U units; K classes.
"""

from types import ModuleType

from scratchnet.engines.loops import (
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

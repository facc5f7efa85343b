"""Engine "fused": compiled across layers. The default, and the fastest.

Read in this order: tile.py (the inner loop), threads.py (who does what), packing.py and cells.py
(what goes into a tile and comes out of it), dense.py, windows.py and convolution.py (the kernels),
steps.py (what the kernels make together) and planner.py (who decides). Operations that nothing here
makes faster are those of engine "numba".
"""

from scratchnet.engines import JIT, compiled
from scratchnet.errors import expected

if not JIT:
    hint = "Unset NUMBA_DISABLE_JIT, or take engine 'numba', which then runs as plain Python."
    raise RuntimeError(expected("Engine 'fused'", "Numba's compiler", "a disabled one", hint))

from scratchnet.engines.fused import (
    elementwise,
    normalization,
    operations,
    pooling,
    random,
    updates,
)
from scratchnet.engines.fused.planner import plan

__all__ = [*compiled.__all__, "plan"]

globals().update({name: getattr(compiled, name) for name in compiled.__all__})
for _module in (operations, elementwise, normalization, pooling, random, updates):
    globals().update({name: getattr(_module, name) for name in _module.__all__})

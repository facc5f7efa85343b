"""Engine "fused": compiled across layers. The default, and the fastest.

Read in this order: tile.py (the inner loop), threads.py and pool.py (who does what), packing.py and
cells.py (what goes into a tile and comes out of it), dense.py, windows.py, convolution.py and
loss.py (the kernels), steps.py (what the kernels make together), few.py (the same for a few rows)
and planner.py (who decides). In elementwise.py, normalization.py, pooling.py and random.py each
operation stands for itself. Those that nothing here makes faster are the loops of engine "loops",
compiled, on the same threads (shared.py).
"""

from typing import Any

from scratchnet.engines import JIT, loops
from scratchnet.engines import compiled as numba_engine
from scratchnet.errors import expected, unknown

if not JIT:
    hint = "Unset NUMBA_DISABLE_JIT, or take engine 'numba', which then runs as plain Python."
    raise RuntimeError(expected("Engine 'fused'", "Numba's compiler", "a disabled one", hint))

from scratchnet.engines.fused import (
    elementwise,
    normalization,
    operations,
    pooling,
    random,
)
from scratchnet.engines.fused.planner import plan
from scratchnet.engines.fused.shared import share_out

__all__ = [*numba_engine.__all__, "all_finite", "plan"]

globals().update(
    {
        name: getattr(numba_engine, name)
        for name in loops.__all__
        if "prange" not in getattr(loops, name).__code__.co_names
    }
)
for _module in (operations, elementwise, normalization, pooling, random):
    globals().update({name: getattr(_module, name) for name in _module.__all__})


def __getattr__(name: str) -> Any:
    """The others, when somebody first asks for one: most networks need none of them."""
    if name not in loops.__all__:
        raise AttributeError(unknown("Engine 'fused'", name, __all__))
    globals()[name] = share_out(name)
    return globals()[name]

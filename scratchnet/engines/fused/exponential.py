"""The exponential, in a form of which a compiler makes vectors.

The C library's works on one number at a time; the one here is a polynomial without branches. It
computes in float64, to three units in the last place.
"""

import math

from llvmlite import ir
from numba.core import types
from numba.extending import intrinsic

from scratchnet.engines.fused.threads import inner

__all__ = ["EXP_WORK", "SMALLEST", "powers"]

EXP_WORK = 16  # multiply-adds that one exponential is worth
SMALLEST = -708.0  # the exponential of less is no normal number
LOG2_E = 1.4426950408889634
LN2_HIGH, LN2_LOW = 6.93147180369123816490e-01, 1.90821492927058770002e-10
ROUND = 6755399441055744.0  # 1.5 * 2**52: adding it leaves the nearest whole number in the low bits
# expm1(r) = r + r**2 / 2! + ... to r**13 / 13!: below 1e-17 for |r| <= ln(2) / 2
TERMS = tuple(1.0 / math.factorial(k) for k in range(13, 1, -1))


@intrinsic
def _bits(typingctx, x):
    """The bits of a float64, as an integer."""

    def emit(context, b, signature, arguments):
        return b.bitcast(arguments[0], ir.IntType(64))

    return types.int64(types.float64), emit


@intrinsic
def _float(typingctx, bits):
    """The float64 that has these bits."""

    def emit(context, b, signature, arguments):
        return b.bitcast(arguments[0], ir.DoubleType())

    return types.float64(types.int64), emit


@inner
def powers(x):
    """2**n and expm1(r) with x = n * ln(2) + r, |r| <= ln(2) / 2, for -708 <= x <= 708

    So exp(x) is 2**n * expm1(r) + 2**n, and exp(x) - 1 is one less, added last.
    source    Muller, "Elementary Functions" (2016), section 11.1; 2**n is put together from bits
    """
    shifted = x * LOG2_E + ROUND
    n = shifted - ROUND
    r = (x - n * LN2_HIGH) - n * LN2_LOW
    p = 0.0
    for term in TERMS:
        p = p * r + term
    p = p * (r * r) + r
    return _float((_bits(shifted) + 1023) << 52), p

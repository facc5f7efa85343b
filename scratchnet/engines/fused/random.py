"""Dropout masks, whose pieces know their own random numbers, shared out to threads."""

import numpy as np

from scratchnet.engines.compiled import HELPERS
from scratchnet.engines.fused.threads import compiled, draw, share, tasks, workers_for
from scratchnet.engines.loops.random import PIECE

__all__ = ["dropout_mask"]

WORK = 16  # multiply-adds that one number is worth
stream_of, keep_piece = HELPERS["_stream"], HELPERS["_keep_piece"]


@tasks
def _mask_tasks(counter, stream, bits, threshold, mask):
    blocks = PIECE // 4 if bits == 23 else PIECE // 2
    p = draw(counter)
    while p * PIECE < mask.size:
        keep_piece(stream, bits, threshold, p * blocks, mask[p * PIECE : (p + 1) * PIECE])
        p = draw(counter)


@compiled
def _mask(seed, counter, bits, threshold, mask, workers):
    stream = stream_of(seed, counter)
    share(workers, _mask_tasks, (np.zeros(8, np.intp), stream, bits, threshold, mask))


def dropout_mask(seed, counter, bits, threshold, mask):
    """mask[i] = 1 if u[i] >= threshold / 2**bits else 0; u is the stream of (seed, counter)"""
    _mask(seed, counter, bits, threshold, mask, workers_for(mask.size * WORK))

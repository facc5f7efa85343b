"""Dropout masks as loop nests: a counter goes in, ten rounds of mixing, random bits come out.

Philox carries nothing from one number to the next: block b of a stream is a function of stream and
b. So every element knows its own random bits, in whatever order and by however many threads.

The same lines are fast when compiled, for three reasons to know before changing them:
- a word is 32 bits kept in a uint64 and masked just before each product: the compiler sees
  32 x 32 -> 64 bits and takes the instruction that makes four such products at once;
- the rounds stand inside the loop over blocks. As a function of their own they would be too long to
  inline, and the compiler could not work on several blocks side by side;
- row w of `words` holds word w of every block, so that neighbouring blocks are written to
  neighbouring places; and the words of one piece of the mask stay in the nearest cache.
"""

import numpy as np

from scratchnet.engines.loops.parallel import prange

__all__ = ["dropout_mask"]

LOW = np.uint64(0xFFFFFFFF)
HALF = np.uint64(32)
MULTIPLIER_0, MULTIPLIER_1 = np.uint64(0xD2511F53), np.uint64(0xCD9E8D57)
KEY_STEP_0, KEY_STEP_1 = np.uint64(0x9E3779B9), np.uint64(0xBB67AE85)
LOW_23 = np.uint32(0x7FFFFF)  # these bits of a word, over 2**23, are a float32 in [0, 1)
LOW_20 = np.uint64(0xFFFFF)  # these and the 32 of the next word, over 2**52, are a float64

PIECE = 2048  # elements; their words fit the nearest cache in either float type
ALONE = 16384  # up to this size one thread is done before a second one would have woken up


def _philox(stream, first, words):
    """words[w, b] = word w of the Philox 4x32-10 block at counter (first + b, stream[2], stream[3])

    shapes    stream (4,) uint64: two key words, two upper counter words
              words (4, B) uint32, overwritten
    source    Salmon, Moraes, Dror and Shaw, Parallel random numbers: as easy as 1, 2, 3 (2011)
    """
    key0, key1, high0, high1 = stream[0], stream[1], stream[2], stream[3]
    for b in range(words.shape[1]):
        c0 = np.uint64(first + b)  # only the low 32 bits of c0 ... c3 count
        c1 = c0 >> HALF
        c2, c3, k0, k1 = high0, high1, key0, key1
        for _ in range(10):
            p0 = MULTIPLIER_0 * (c0 & LOW)
            p1 = MULTIPLIER_1 * (c2 & LOW)
            c0, c1, c2, c3 = (p1 >> HALF) ^ c1 ^ k0, p1, (p0 >> HALF) ^ c3 ^ k1, p0
            k0 = (k0 + KEY_STEP_0) & LOW
            k1 = (k1 + KEY_STEP_1) & LOW
        words[0, b] = np.uint32(c0 & LOW)
        words[1, b] = np.uint32(c1 & LOW)
        words[2, b] = np.uint32(c2 & LOW)
        words[3, b] = np.uint32(c3 & LOW)


def _stream(seed, counter):
    """The stream of a seed pair, whose block 0 under a fixed key scrambles both numbers.

    shapes    result (4,) uint64
    source    TensorFlow's StatelessRandomGetKeyCounter
    """
    scramble = np.array([0x3EC8F720, 0x02461E29, counter, 0], dtype=np.uint64)
    words = np.empty((4, 1), dtype=np.uint32)
    _philox(scramble, seed, words)
    return words[:, 0].astype(np.uint64)


def _keep_piece(stream, bits, threshold, first, mask):
    """dropout_mask for one piece, whose first element is the first of block `first`."""
    n = mask.size
    words = np.empty((4, (n + 3) // 4 if bits == 23 else (n + 1) // 2), dtype=np.uint32)
    _philox(stream, first, words)
    limit = np.uint64(threshold)
    if bits == 23:
        short = np.uint32(limit)  # compares eight words at once instead of four
        for b in range(n // 4):
            mask[4 * b] = (words[0, b] & LOW_23) >= short
            mask[4 * b + 1] = (words[1, b] & LOW_23) >= short
            mask[4 * b + 2] = (words[2, b] & LOW_23) >= short
            mask[4 * b + 3] = (words[3, b] & LOW_23) >= short
        for i in range(n - n % 4, n):  # the last block may be needed in part only
            mask[i] = (words[i % 4, i // 4] & LOW_23) >= short
    else:
        for b in range(n // 2):
            mask[2 * b] = ((words[0, b] & LOW_20) << HALF | np.uint64(words[1, b])) >= limit
            mask[2 * b + 1] = ((words[2, b] & LOW_20) << HALF | np.uint64(words[3, b])) >= limit
        if n % 2:
            b = n // 2
            mask[n - 1] = ((words[0, b] & LOW_20) << HALF | np.uint64(words[1, b])) >= limit


def dropout_mask(seed, counter, bits, threshold, mask):
    """mask[i] = 1 if u[i] >= threshold / 2**bits else 0; u is the stream of (seed, counter)

    shapes    mask (n,) uint8, overwritten   seed, counter integers 0 ... 2**31 - 1
              bits 23: u is float32, four to a block   bits 52: u is float64, two to a block
    threads   one piece of the mask each: an element depends on its index alone
    source    TensorFlow's StatelessRandomUniform on the CPU. The integers behind the floats are
              compared instead of the floats, which gives the same answer
    """
    stream = _stream(seed, counter)
    blocks = PIECE // 4 if bits == 23 else PIECE // 2
    pieces = (mask.size + PIECE - 1) // PIECE
    if mask.size <= ALONE:
        for p in range(pieces):
            _keep_piece(stream, bits, threshold, p * blocks, mask[p * PIECE : (p + 1) * PIECE])
    else:
        for p in prange(pieces):
            _keep_piece(stream, bits, threshold, p * blocks, mask[p * PIECE : (p + 1) * PIECE])

"""Philox over whole arrays: ten rounds of a few array operations on all blocks at once."""

import numpy as np

__all__ = ["dropout_mask"]

LOW = 0xFFFFFFFF


def philox(stream, index):
    """words[w, b] = word w of the Philox 4x32-10 block at counter (index[b], stream[2], stream[3])

    shapes    stream: four integers below 2**32, two key words and two upper counter words
              index (B,) uint64   words (4, B) uint32
    source    Salmon, Moraes, Dror and Shaw, Parallel random numbers: as easy as 1, 2, 3 (2011)
    """
    k0, k1, c2, c3 = (int(word) for word in stream)
    c0, c1 = index & LOW, index >> 32  # words of 32 bits in uint64, so that products keep all bits
    for _ in range(10):
        p0, p1 = 0xD2511F53 * c0, 0xCD9E8D57 * c2
        c0, c1, c2, c3 = (p1 >> 32) ^ c1 ^ k0, p1 & LOW, (p0 >> 32) ^ c3 ^ k1, p0 & LOW
        k0, k1 = (k0 + 0x9E3779B9) & LOW, (k1 + 0xBB67AE85) & LOW
    return np.stack([c0, c1, c2, c3]).astype(np.uint32)


def stream_of(seed, counter):
    """The stream of a seed pair, whose block 0 under a fixed key scrambles both numbers.

    shapes    seed, counter integers 0 ... 2**31 - 1   result: four integers, as `philox` takes them
    source    TensorFlow's StatelessRandomGetKeyCounter
    """
    words = philox((0x3EC8F720, 0x02461E29, counter, 0), np.array([seed], dtype=np.uint64))
    return tuple(int(word) for word in words[:, 0])


def fractions(words, bits):
    """The numerators k of the uniform numbers k / 2**bits in these blocks, in their order.

    shapes    words (4, B)   bits 23: result (4 B,) uint32   bits 52: result (2 B,) uint64
    """
    if bits == 23:
        return words.T.ravel() & np.uint32(0x7FFFFF)
    high, low = words[0::2].astype(np.uint64), words[1::2]
    return ((high & 0xFFFFF) << 32 | low).T.ravel()


def dropout_mask(seed, counter, bits, threshold, mask):
    """mask[i] = 1 if u[i] >= threshold / 2**bits else 0; u is the stream of (seed, counter)

    shapes    mask (n,) uint8, overwritten   seed, counter integers 0 ... 2**31 - 1
              bits 23: u is float32, four to a block   bits 52: u is float64, two to a block
    source    TensorFlow's StatelessRandomUniform on the CPU
    """
    per_block = 4 if bits == 23 else 2
    index = np.arange(-(-mask.size // per_block), dtype=np.uint64)
    numerators = fractions(philox(stream_of(seed, counter), index), bits)
    np.greater_equal(numerators[: mask.size], threshold, out=mask, casting="unsafe")

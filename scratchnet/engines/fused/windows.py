"""Where the windows of a convolution lie: the lists of places that its tiles walk through.

A tile adds up x[row_at[r] + x_at[j]] * w[j * w_step + v] (tile.py). For a convolution `row_at`
holds where each window begins in the image and `x_at` how far each tap of the kernel lies from
there; strides, dilation, padding and the order of the windows are nothing but other lists.
"""

from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from scratchnet.engines.fused.tile import RUN

__all__ = ["Back", "Windows", "back", "windows"]

Places = NDArray[np.intp]
Pair = tuple[int, int]
Sides = tuple[Pair, Pair]


class Windows(NamedTuple):
    """The windows of one image, which lies with its padding in a room of its own.

    Room    H', W', C: the image with its padding, flat
    """

    H: int  # of the image without padding
    W: int
    C: int
    top: int  # rows of padding above it
    left: int
    room_row: int  # numbers in a row of the room: W' * C
    room: int  # numbers in the room
    starts: Places  # where each window begins; those of one pooling cell stand together
    taps: Places  # (R * S * C,) how far each number of a window lies from its begin
    per_cell: int  # windows that one pooling cell looks at, 1 without pooling
    R: int
    row_gap: int  # from a row of the window to the next: dilation * W' * C
    row_length: int  # S * C: numbers in a row of the window, side by side if dilation is 1
    run: int  # RUN if each RUN taps follow each other, else 1 (tile.py)


class Back(NamedTuple):
    """The way back from dz to dx, as a sum over the windows that saw a pixel.

    With strides a pixel is seen by some taps only, by which ones depends on its place modulo the
    stride: its phase. Every phase has lists of its own, one behind the other.
    Room    (P + margins) x (Q + margins) x F: dz with zeros around it, flat
    """

    top: int  # rows of zeros above dz
    left: int
    room_row: int
    room: int
    rows: Places  # where in the room the sum for a pixel begins
    pixels: Places  # where in dx that pixel lies
    x_at: Places
    run: int  # as above, for x_at
    taps: Places  # r * S + s: to which taps of the kernel each F places of x_at belong
    row_ends: Places  # of each phase in rows and pixels
    tap_ends: Places  # of each phase in x_at


@lru_cache(maxsize=256)
def windows(
    image: tuple[int, int, int], sides: Sides, kernel: Pair, strides: Pair, dilation: Pair,
    pool: Pair | None = None,
) -> Windows:  # fmt: skip
    """The windows of a convolution; with `pool` those alone that this pooling looks at."""
    H, W, C = image
    (R, S), (sh, sw), (dh, dw) = kernel, strides, dilation
    (top, bottom), (left, right) = sides
    height, row = H + top + bottom, (W + left + right) * C
    P = (height - (R - 1) * dh - 1) // sh + 1
    Q = (row // C - (S - 1) * dw - 1) // sw + 1
    a, b = pool or (1, 1)
    p, q, i, j = np.meshgrid(range(P // a), range(Q // b), range(a), range(b), indexing="ij")
    starts = (p * a + i) * sh * row + (q * b + j) * sw * C
    r, s, c = np.meshgrid(range(R), range(S), range(C), indexing="ij")
    taps = r * dh * row + s * dw * C + c
    return Windows(
        H, W, C, top, left, row, height * row, _flat(starts), _flat(taps), a * b, R, dh * row,
        S * C, _run(taps),
    )  # fmt: skip


@lru_cache(maxsize=256)
def back(
    image: tuple[int, int, int], sides: Sides, kernel: Pair, strides: Pair, dilation: Pair,
    filters: int,
) -> Back:  # fmt: skip
    """The way back of the convolution with these sizes, without pooling."""
    H, W, C = image
    (R, S), F = kernel, filters
    (top, bottom), (left, right) = sides
    rows = _axis(H, top, H + top + bottom, R, strides[0], dilation[0])
    columns = _axis(W, left, W + left + right, S, strides[1], dilation[1])
    room_row = columns.size * F
    lists: list[list[Places]] = [[], [], [], []]
    for h, i, r, p in rows.phases:
        for w, k, s, q in columns.phases:
            lists[0].append(_outer(i * room_row, k * F))
            lists[1].append(_outer(h * W * C, w * C))
            lists[2].append(_outer(_outer(p * room_row, q * F), np.arange(F)))
            lists[3].append(_outer(r * S, s))
    ends = [np.cumsum([part.size for part in lists[k]]).astype(np.intp) for k in (0, 2)]
    starts, pixels, x_at, taps = (np.concatenate(parts).astype(np.intp) for parts in lists)
    return Back(
        rows.before, columns.before, room_row, rows.size * room_row, starts, pixels, x_at,
        _run(x_at), taps, *ends,
    )  # fmt: skip


class _Axis(NamedTuple):
    before: int  # zeros before dz
    size: int  # of the room
    # of each phase: pixels, their places in the room, taps, how far each lies from that place
    phases: list[tuple[Places, Places, Places, Places]]


def _axis(n: int, before: int, padded: int, R: int, stride: int, dilation: int) -> _Axis:
    """One axis of the way back: pixel h (with padding) was seen by window p through tap r where
    h = p * stride + r * dilation."""
    margin = -(-(R - 1) * dilation // stride)
    phases = []
    for a in range(stride):
        h = np.array([h for h in range(before, before + n) if h % stride == a], np.intp)
        taps = np.array([r for r in range(R) if (a - r * dilation) % stride == 0], np.intp)
        phases.append((h - before, h // stride + margin, taps, (a - taps * dilation) // stride))
    return _Axis(margin, margin + (padded - 1) // stride + 1, phases)


def _run(places: Places) -> int:
    """RUN if these places are runs of so many that follow each other, else 1."""
    if places.size % RUN:
        return 1
    runs = places.reshape(-1, RUN)
    return RUN if (runs == runs[:, :1] + np.arange(RUN)).all() else 1


def _outer(a: Places, b: Places) -> Places:
    return np.add.outer(a, b).ravel()


def _flat(a: Places) -> Places:
    return np.ascontiguousarray(a.ravel(), np.intp)

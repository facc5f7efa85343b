"""Dense layers through the register tile: bias, activation and dropout on the way out.

Three products, one tile (tile.py). Both sides are packed first (packing.py); what is zero in all
rows of a tile is left out. A layer of few units, as at the end of a classifier, goes another way
(narrow.py); a prediction of a few rows has kernels of its own (few_rows.py).

    forward    y = x @ kernel          tiles of x's rows, panels of the kernel's columns
    dkernel    x.T @ dz                tiles of x's columns, panels of dz's columns
    dx         dz @ kernel.T           tiles of dz's rows, panels of the kernel's rows

Which kernel a product takes is decided in Python, so that nothing is compiled that is not needed.
"""

from functools import lru_cache

import numpy as np

from scratchnet.engines.fused.cells import gate_row, leave_row, leave_row_dropped, leave_some
from scratchnet.engines.fused.narrow import NARROW, narrow_forward
from scratchnet.engines.fused.packing import (
    aligned,
    aligned_rows,
    copy_row,
    every,
    pack_columns,
    pack_panel,
    pack_panel_transposed,
    pack_rows,
    places_of,
    terms_of,
    zero_row,
)
from scratchnet.engines.fused.threads import compiled, draw, inner, share, tasks
from scratchnet.engines.fused.tile import (
    PACKED_RUN,
    ROWS,
    VECTOR_BYTES,
    WIDE,
    WIDTH_BYTES,
    packed_add,
    packed_tile,
)

__all__ = ["dense_backward", "dense_dx", "dense_forward", "nothing"]

TILES_OF_A_TASK = 8  # of the rows of dkernel
TILES = 32  # of x under one panel, at most: whose sums and numbers stay in the second-level cache
FEW_PANELS = 8  # of the kernel: under fewer the rows are cut into PARTS, that no thread has to wait
PARTS = 4
PACKED_BYTES = 64 << 20  # of a kernel that is packed as a whole, at most


@lru_cache(maxsize=16)
def nothing(ndim, kind):
    """An array that says "none" to a kernel, of the type with this letter."""
    return np.empty((0,) * ndim, kind)


@tasks
def _pack_tasks(counter, x, rows, width, values, w_at, counts, kernel, panels):
    """A task is a tile of x, or a panel of the kernel."""
    tiles, D, flat, total = counts.size, x.shape[1], x.reshape(-1), panels.shape[0]
    row_at, all_panels = np.empty(ROWS, np.intp), panels.reshape(-1)
    task = draw(counter)
    while task < tiles + total:
        if task < tiles:
            places_of(rows, task * ROWS, D, row_at)
            counts[task] = pack_rows(flat, row_at, 0, D, width, values[task], w_at[task])
        else:
            p = task - tiles
            pack_panel(kernel, p * width, all_panels, p * (D + 1) * width, WIDE)
            zero_row(all_panels, (p * (D + 1) + D) * width, width)
        task = draw(counter)


@inner
def _multiply(values, w_at, size, counts, begin, end, panels, panel, out):
    """The sums of the tiles from begin to end under one panel, a part of it at a time, that all of
    them find in the first-level cache.

    values, w_at, panels    1-D; of the first two each tile has `size` places
    panel                   where in panels this one begins
    out                     1-D, overwritten: the sums, one row behind the other
    """
    width, terms = WIDTH_BYTES // panels.itemsize, terms_of(WIDE)
    for first in range(0, size, terms):
        for t in range(begin, end):
            j, last = t * size + first, t * size + min(first + terms, counts[t])
            at = (t - begin) * ROWS * width
            if first == 0:
                packed_tile(values, 0, panels, panel, w_at, j, last, out, at, width)
            elif j < last:
                packed_add(values, 0, panels, panel, w_at, j, last, out, at, width)


@tasks
def _forward_tasks(
    counter, values, w_at, counts, kernel, panels, parts, bias, relu, keep, scale, y
):  # fmt: skip
    """A task is a part of the rows under one panel of the kernel; if there is but one part, then
    `panels` is empty, and it packs the panel itself."""
    (N, U), D = y.shape, kernel.shape[0]
    tiles, width = counts.size, WIDTH_BYTES // panels.itemsize
    total, own = (U + width - 1) // width, 1 if panels.size == 0 else 0
    packed = aligned(own * (D + 1) * width, panels.dtype)
    zero_row(packed, D * width, own * width)
    out = aligned((tiles + parts - 1) // parts * ROWS * width, panels.dtype)
    flat, flat_keep = y.reshape(-1), keep.reshape(-1)
    # the tile is told where in these to begin: a slice for each would be counted by all threads
    source = packed if own else panels.reshape(-1)
    values, w_at, size = values.reshape(-1), w_at.reshape(-1), w_at.shape[1]
    task = draw(counter)
    while task < parts * total:
        part, p = task // total, task % total
        first, there = p * width, min(width, U - p * width)
        if own:
            pack_panel(kernel, first, packed, 0, WIDE)
        begin, end = part * tiles // parts, (part + 1) * tiles // parts
        panel = 0 if own else p * (D + 1) * width
        _multiply(values, w_at, size, counts, begin, end, source, panel, out)
        for n in range(begin * ROWS, min(end * ROWS, N)):
            sums, at = (n - begin * ROWS) * width, n * U + first
            if there < width:
                leave_some(out, sums, there, bias, first, relu, flat_keep, scale, flat, at)
            elif keep.size:
                leave_row_dropped(out, sums, bias, first, relu, flat_keep, scale, flat, at)
            else:
                leave_row(out, sums, bias, first, relu, flat, at)
        task = draw(counter)


@compiled
def _forward(x, rows, kernel, bias, relu, keep, scale, y, workers, sums):
    """dense_forward with sums of the type of `sums`, an empty array."""
    tiles, (D, U) = (rows.size + ROWS - 1) // ROWS, kernel.shape
    values = np.empty((tiles, ROWS * (D + PACKED_RUN)), x.dtype)
    w_at, counts = np.empty((tiles, D + PACKED_RUN), np.intp), np.empty(tiles, np.intp)
    width = WIDTH_BYTES // sums.itemsize
    total = (U + width - 1) // width
    parts = 1
    if kernel.size * sums.itemsize <= PACKED_BYTES:
        parts = max(1, (tiles + TILES - 1) // TILES)
    if total < FEW_PANELS:
        parts = max(parts, min(tiles, PARTS))
    panels = aligned_rows(total if parts > 1 else 0, (D + 1) * width, sums.dtype)
    counters = np.zeros((2, 8), np.intp)
    share(workers, _pack_tasks, (counters[0], x, rows, width, values, w_at, counts, kernel, panels))
    share(
        workers,
        _forward_tasks,
        (counters[1], values, w_at, counts, kernel, panels, parts, bias, relu, keep, scale, y),
    )


def dense_forward(x, rows, kernel, bias, relu, keep, scale, y, workers):
    """y[n] = f(x[rows[n]] @ kernel + bias) * keep[n] * scale

    x (M, D), of which rows (N,) are taken   kernel (D, U)   bias (U,)   y (N, U), overwritten
    relu    whether f is relu, else it is the identity
    keep    (N, U) the mask of a dropout behind the layer, or (0, 0) for none
    sums    in float64 for few units or few rows, where the arithmetic is little of the work (and at
            the end of a classifier the loss sees every digit); else in the type of x
    """
    if kernel.shape[1] <= NARROW:
        narrow_forward(x, rows, kernel, bias, relu, keep, scale, y, workers)
        return
    sums = nothing(2, "d" if rows.size <= ROWS else x.dtype.char)
    _forward(x, rows, kernel, bias, relu, keep, scale, y, workers, sums)


@tasks
def _dz_tasks(counter, dy, y, scale, dz, panels, dbias):
    """A task is a panel of dz: made from dy and y if there is a y, packed, summed over the rows."""
    N, U = dz.shape
    width = WIDTH_BYTES // dz.itemsize
    total = np.empty(width, np.float64)
    flat, flat_dy, flat_y = dz.reshape(-1), dy.reshape(-1), y.reshape(-1)
    zero = dz.dtype.type(0)
    p = draw(counter)
    while p < panels.shape[0]:
        first, panel = p * width, panels[p]
        there = min(width, U - first)
        total[:] = 0
        zero_row(panel, N * width, width)
        for n in range(N):
            at = n * U + first
            if there == width:
                if y.size:
                    gate_row(flat_dy, at, flat_y, at, scale, flat, at)
                copy_row(flat, at, panel, n * width, WIDE)
            else:
                for v in range(there):
                    if y.size:
                        flat[at + v] = flat_dy[at + v] * scale if flat_y[at + v] > 0 else zero
                    panel[n * width + v] = flat[at + v]
                for v in range(there, width):
                    panel[n * width + v] = zero
            for v in range(width):
                total[v] += panel[n * width + v]
        for v in range(min(there, dbias.size)):
            dbias[first + v] = total[v]
        p = draw(counter)


@tasks
def _dx_tasks(counter, values, w_at, counts, kernel, dx, sums):
    """A task is a panel of dx."""
    N, D = dx.shape
    U, tiles = kernel.shape[1], counts.size
    width = WIDTH_BYTES // sums.itemsize
    panel = aligned((U + 1) * width, sums.dtype)
    zero_row(panel, U * width, width)
    out = aligned(min(tiles, TILES) * ROWS * width, sums.dtype)
    flat, values, w_at, size = dx.reshape(-1), values.reshape(-1), w_at.reshape(-1), w_at.shape[1]
    task = draw(counter)
    while task * width < D:
        first = task * width
        pack_panel_transposed(kernel, first, width, panel)
        for begin in range(0, tiles, TILES):
            last = min(begin + TILES, tiles)
            _multiply(values, w_at, size, counts, begin, last, panel, 0, out)
            for n in range(begin * ROWS, min(last * ROWS, N)):
                at, there = (n - begin * ROWS) * width, n * D + first
                if first + width <= D:
                    copy_row(out, at, flat, there, WIDE)
                    continue
                for v in range(D - first):
                    flat[there + v] = out[at + v]
        task = draw(counter)


@compiled
def _dx(dz, kernel, dx, workers, sums):
    """dense_dx with sums of the type of `sums`, an empty array."""
    N, U = dz.shape
    tiles = (N + ROWS - 1) // ROWS
    values = np.empty((tiles, ROWS * (U + PACKED_RUN)), dz.dtype)
    w_at, counts = np.empty((tiles, U + PACKED_RUN), np.intp), np.empty(tiles, np.intp)
    counters = np.zeros((2, 8), np.intp)
    width = WIDTH_BYTES // sums.itemsize
    share(
        workers,
        _pack_tasks,
        (counters[0], dz, every(1, N), width, values, w_at, counts, kernel, sums),
    )
    share(workers, _dx_tasks, (counters[1], values, w_at, counts, kernel, dx, sums))


def dense_dx(dz, kernel, dx, workers):
    """dx = dz @ kernel.T

    dz (N, U)   kernel (D, U)   dx (N, D), overwritten   sums in float64 for few rows
    """
    _dx(dz, kernel, dx, workers, nothing(2, "d" if len(dz) <= ROWS else dz.dtype.char))


@tasks
def _dkernel_tasks(counter, x, rows, panels, dkernel):
    """A task is some tiles of dkernel's rows."""
    N, (D, U) = rows.size, dkernel.shape
    width = WIDTH_BYTES // x.itemsize
    tiles = (D + ROWS - 1) // ROWS
    out, flat = aligned(ROWS * width, x.dtype), dkernel.reshape(-1)
    lanes = VECTOR_BYTES // x.itemsize
    places = N + PACKED_RUN
    values, w_at = np.empty(ROWS * places + lanes, x.dtype), np.empty(places, np.intp)
    total, panels = panels.shape[0], panels.reshape(-1)
    task = draw(counter)
    while task * TILES_OF_A_TASK < tiles:
        for t in range(task * TILES_OF_A_TASK, min((task + 1) * TILES_OF_A_TASK, tiles)):
            count = pack_columns(x, rows, t * ROWS, width, values, w_at)
            for p in range(total):
                at, panel = t * ROWS * U + p * width, p * (N + 1) * width
                if (t + 1) * ROWS <= D and (p + 1) * width <= U:
                    packed_tile(values, 0, panels, panel, w_at, 0, count, flat, at, U)
                    continue
                packed_tile(values, 0, panels, panel, w_at, 0, count, out, 0, width)
                for r in range(min(ROWS, D - t * ROWS)):
                    for v in range(min(width, U - p * width)):
                        flat[at + r * U + v] = out[r * width + v]
        task = draw(counter)


@compiled
def _backward(x, rows, dy, y, scale, dz, dkernel, dbias, workers):
    """dense_backward without dx"""
    N, U = dz.shape
    width = WIDTH_BYTES // x.itemsize
    total = (U + width - 1) // width
    panels = aligned_rows(total, (N + 1) * width, x.dtype)
    counters = np.zeros((2, 8), np.intp)
    share(workers, _dz_tasks, (counters[0], dy, y, scale, dz, panels, dbias))
    share(workers, _dkernel_tasks, (counters[1], x, rows, panels, dkernel))


def dense_backward(x, rows, dy, y, scale, dz, kernel, dkernel, dbias, dx, workers):
    """dkernel = x[rows].T @ dz, dbias = dz summed over n, dx = dz @ kernel.T

    dz    = dy * scale where y > 0, else 0: back through a dropout and the relu before it, for y is
          above 0 only where the dropout kept it and relu let it through. With y (0, 0) dz is given.
    x (M, D)   rows (N,)   dy, y, dz (N, U)   kernel, dkernel (D, U)   dbias (U,), or (0,) for none
    dx (N, D), or (0, 0) where nobody asks for it; dz, dkernel, dbias and dx are overwritten
    """
    _backward(x, rows, dy, y, scale, dz, dkernel, dbias, workers)
    if dx.size:
        dense_dx(dz, kernel, dx, workers)

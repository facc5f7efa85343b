"""Dense layers and convolutions for a few rows, where to prepare costs as much as to multiply.

To pack a kernel costs as much as to multiply it with ROWS rows. So a Dense layer reads it where it
lies, with a tile of one row that is BROAD vectors wide: PIECE rows of the kernel at a time, in
which the columns of a tile lie side by side. A convolution packs one panel at a time, or none where
there are few windows or the kernel is a panel, and does not copy an image that has no padding.

The threads take tasks from both ends: each has its own end of the kernel in its cache, call after
call.
"""

import numpy as np

from scratchnet.engines.fused.convolution import bias_of_panels, enter, leave_windows
from scratchnet.engines.fused.packing import aligned, pack_panel, width_of
from scratchnet.engines.fused.threads import compiled, draw, inner, share, tasks
from scratchnet.engines.fused.tile import (
    BROAD,
    PIECE,
    VECTOR_BYTES,
    broad_add,
    broad_tile,
    rows_of,
    tile,
)

__all__ = ["conv_few", "dense_few"]

FEW_TILES = 2  # of windows, for which a kernel is not packed, at most
PARTS, TILES_OF_A_PART = 2, 4  # of a panel's work: at most, at least


@inner
def _draw(counters, seat, done, total):
    """The next task, or -1: from the front for the thread that came first, else from the end.

    counters (3, 8)    threads that came; tasks taken; tasks taken from the end
    seat               what this thread drew from counters[0]
    done               tasks that this thread has done
    """
    if draw(counters[1]) >= total:
        task = -1
    elif seat == 0:
        task = done
    else:
        task = total - 1 - draw(counters[2])
    return task


@tasks
def _dense_tasks(counters, values, w_at, count, kernel, parts, bias, relu, z):
    """A task is a part of the columns, at least as many as a tile has."""
    U, lanes = z.size, BROAD * VECTOR_BYTES // kernel.itemsize
    # in memory of its own: a cache line that two threads write to goes back and forth between them
    sums, out, zero = aligned(U, z.dtype), aligned(lanes, z.dtype), z.dtype.type(0)
    seat, done = draw(counters[0]), 0
    task = _draw(counters, seat, done, parts)
    while task >= 0:
        begin, end = task * U // parts, (task + 1) * U // parts
        sums[begin:end] = zero
        whole = begin + (end - begin) // lanes * lanes
        for j in range(0, count, PIECE):
            last = min(j + PIECE, count)
            for u in range(begin, whole, lanes):
                broad_add(values, 0, kernel, u, w_at, j, last, sums, u, 0)
        if whole < end:  # a last tile, which does some columns once more
            first = end - lanes
            broad_tile(values, 0, kernel, first, w_at, 0, count, out, 0, 0)
            for u in range(whole, end):
                sums[u] = out[u - first]
        for u in range(begin, end):
            v = sums[u] + bias[u]
            z[u] = zero if relu and v <= 0 else v
        done += 1
        task = _draw(counters, seat, done, parts)


@compiled
def dense_few(x, rows, kernel, bias, relu, y, workers):
    """dense_forward (dense.py) for a few rows: of the kernel those rows alone whose x is not 0."""
    D, U = kernel.shape
    lanes = BROAD * VECTOR_BYTES // kernel.itemsize
    values, w_at = np.empty(D + 1, x.dtype), np.empty(D + 1, np.intp)
    flat, zero = kernel.reshape(-1), kernel.dtype.type(0)
    total = np.empty(U if U < lanes else 0, np.float64)  # too few columns for a tile
    counters = np.zeros((rows.size, 3, 8), np.intp)
    parts = min(workers, U // lanes)
    for n in range(rows.size):
        row, z = x[rows[n]], y[n]
        count = 0
        for d in range(D):
            values[count] = row[d]
            w_at[count] = d * U
            count += row[d] != 0
        if parts:
            share(
                parts,
                _dense_tasks,
                (counters[n], values, w_at, count, flat, parts, bias, relu, z),
            )
            continue
        total[:] = 0
        for j in range(count):
            line, value = flat[w_at[j] : w_at[j] + U], np.float64(values[j])
            for u in range(U):
                total[u] += value * line[u]
        for u in range(U):
            v = kernel.dtype.type(total[u]) + bias[u]
            z[u] = zero if relu and v <= 0 else v


@tasks
def _conv_tasks(counters, x, rows, windows, kernel, bias, relu, parts, y, vectors):
    """A task is a part of the windows of all images under one panel of the kernel. `bias` has a
    number for every column of the panels."""
    K, F = kernel.shape
    width, height = width_of(vectors, x), rows_of(vectors)
    starts, per_cell, padded = windows.starts, windows.per_cell, windows.room != x.shape[1]
    cells, total = starts.size // per_cell, parts * bias.size // width
    row_at = starts
    if starts.size < height:  # the last windows of the only tile are nobody's
        row_at = np.zeros(height, np.intp)
        row_at[: starts.size] = starts
    few = rows.size * starts.size <= FEW_TILES * height
    direct = F == width or (F % width == 0 and few)
    own = aligned(0 if direct else K * width, x.dtype)
    w_step = F if direct else width
    room = np.zeros(windows.room if padded else 0, x.dtype)
    block = aligned(max((cells + parts - 1) // parts * per_cell, height) * width, x.dtype)
    row, small = np.empty(width, x.dtype), np.empty(width, np.uint8)
    no_argmax, flat, out = np.empty(0, np.uint8), x.reshape(-1), y.reshape(-1)
    packed, entered = -1, -1
    seat, done = draw(counters[0]), 0
    task = _draw(counters, seat, done, total)
    while task >= 0:
        p, part = task // parts, task % parts
        if p != packed and not direct:
            pack_panel(kernel, p * width, own, 0, vectors)
            packed = p
        panel, w_from = (kernel.reshape(-1), p * width) if direct else (own, 0)
        cell, end = part * cells // parts, (part + 1) * cells // parts
        begin, last = cell * per_cell, max(end * per_cell, height)
        for i in range(rows.size):
            image = x[rows[i]]
            if padded:
                if i != entered:
                    enter(flat, rows[i], windows, room, 0)
                    entered = i
                image = room
            for t in range(begin, last, height):
                first = min(t, last - height)  # the last tile does some windows once more
                at = (first - begin) * width
                tile(
                    image, row_at, first, windows.taps, windows.run, panel, w_from, w_step, 0, K,
                    block, at, width, vectors,
                )  # fmt: skip
            leave_windows(
                block, 0, end - cell, per_cell, bias, relu, p * width, F, out, no_argmax,
                (i * cells + cell) * F, row, small, vectors,
            )  # fmt: skip
        done += 1
        task = _draw(counters, seat, done, total)


@compiled
def conv_few(x, rows, windows, kernel, bias, relu, y, vectors, workers):
    """conv_forward (convolution.py) for a few images, where nobody asks for the argmax."""
    whole = bias_of_panels(bias, width_of(vectors, x))
    tiles = windows.starts.size // rows_of(vectors)
    parts = max(1, min(PARTS, tiles // TILES_OF_A_PART))
    counters = np.zeros((3, 8), np.intp)
    share(
        workers, _conv_tasks, (counters, x, rows, windows, kernel, whole, relu, parts, y, vectors)
    )

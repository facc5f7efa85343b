"""Dense layers through the register tile: bias, activation and dropout on the way out.

Three products, one tile (tile.py). Before a product its left side is packed: a tile's ROWS rows
lie interleaved, and a column in which all of them are zero is left out. Most pixels of a digit are
background, so the first layer of a network does a half or a third of the work; a sum without its
zero terms is the same sum.

    pack_rows    values[j * ROWS + r] = x[row r, place j]     for the places j that are not all zero
    panel        WIDTH columns of the right side, one row behind the other, filled up with zeros
"""

import numpy as np

from scratchnet.engines.fused.threads import compiled, draw, share
from scratchnet.engines.fused.tile import LONG, ROWS, VECTOR_BYTES, WIDTH_BYTES, long_tile, tile

__all__ = ["dense_backward", "dense_dx", "dense_few", "dense_forward"]

TILES_OF_A_TASK = 8  # of the rows of dkernel
NARROW = 16  # units, and fewer
PANELS_OF_A_TASK = 4  # of the kernel, at most


@compiled
def pack_rows(x, rows, first, width, values, w_at):
    """Interleave ROWS rows of x from rows[first] on, without the places where all are zero.

    x (N, D)   rows (n,) which rows of x   values (ROWS * D,), w_at (D,) overwritten
    returns how many places are left; w_at[j] is where place j's row of a panel begins
    """
    D = x.shape[1]
    there = min(ROWS, rows.size - first)
    used = np.zeros(D, np.uint8)
    for r in range(there):
        row = x[rows[first + r]]
        for d in range(D):
            used[d] |= row[d] != 0
    count = 0
    for d in range(D):
        w_at[count] = d
        count += used[d]
    for r in range(ROWS):
        if r < there:
            row = x[rows[first + r]]
            for j in range(count):
                values[j * ROWS + r] = row[w_at[j]]
        else:
            for j in range(count):
                values[j * ROWS + r] = 0
    for j in range(count):
        w_at[j] *= width
    return count


@compiled
def pack_columns(x, rows, first, width, values, w_at):
    """The same for the transpose of x: ROWS columns from `first` on, over the rows."""
    D = x.shape[1]
    count = 0
    if first + ROWS <= D:
        for n in range(rows.size):
            row = x[rows[n], first : first + ROWS]
            place = values[count * ROWS : count * ROWS + ROWS]
            some = False
            for r in range(ROWS):
                place[r] = row[r]
                some |= row[r] != 0
            w_at[count] = n * width
            count += some
        return count
    for n in range(rows.size):
        for r in range(ROWS):
            values[n * ROWS + r] = x[rows[n], first + r] if first + r < D else x.dtype.type(0)
        w_at[n] = n * width
    return rows.size


@compiled
def pack_panels(w, first, panels):
    """Columns of w (J, U) from `first` on, a row's WIDTH behind the other's, zeros after U.

    Several panels at once, because a row of w is read in longer pieces then.
    """
    J, U = w.shape
    width = panels.shape[1] // J
    if first + panels.shape[0] * width <= U:
        for j in range(J):
            for p in range(panels.shape[0]):
                row = w[j, first + p * width : first + (p + 1) * width]
                place = panels[p, j * width : (j + 1) * width]
                for v in range(width):
                    place[v] = row[v]
        return
    for j in range(J):
        for p in range(panels.shape[0]):
            for v in range(width):
                u = first + p * width + v
                panels[p, j * width + v] = w[j, u] if u < U else w.dtype.type(0)


@compiled
def pack_panel_transposed(w, first, width, panel):
    """The same for the transpose of w: its rows first ... become columns."""
    D, U = w.shape
    there = min(width, D - first)
    for v in range(there):
        for u in range(U):
            panel[u * width + v] = w[first + v, u]
    for v in range(there, width):
        for u in range(U):
            panel[u * width + v] = 0


@compiled
def _pack_tasks(counter, x, rows, width, values, w_at, counts):
    tiles = counts.size
    t = draw(counter)
    while t < tiles:
        counts[t] = pack_rows(x, rows, t * ROWS, width, values[t], w_at[t])
        t = draw(counter)


@compiled
def _every(step, n):
    """0, step, 2 * step, ...: n of them."""
    places = np.empty(n, np.intp)
    for i in range(n):
        places[i] = i * step
    return places


@compiled
def _forward_tasks(counter, values, w_at, counts, kernel, bias, relu, keep, scale, y):
    """A task is some panels of the kernel; where there are few panels, under a part of the rows."""
    D, U = kernel.shape
    tiles = counts.size
    width = WIDTH_BYTES // values.itemsize
    panels = (U + width - 1) // width
    together = max(1, min(PANELS_OF_A_TASK, panels // 8))
    parts = 1 if panels >= 8 else min(tiles, 4)
    packed = np.empty((together, D * width), values.dtype)
    x_at, row_at = _every(ROWS, D), _every(1, ROWS)
    out, zero = np.empty(ROWS * width, values.dtype), y.dtype.type(0)
    task = draw(counter)
    while task // parts * together < panels:
        begin, part = task // parts * together, task % parts
        pack_panels(kernel, begin * width, packed)
        for t in range(part * tiles // parts, (part + 1) * tiles // parts):
            for p in range(min(together, panels - begin)):
                tile(values[t], row_at, 0, x_at, packed[p], 0, w_at[t], 0, counts[t], out, 0)
                first = (begin + p) * width
                there = min(width, U - first)
                for r in range(min(ROWS, y.shape[0] - t * ROWS)):
                    n = t * ROWS + r
                    for v in range(there):
                        z = y.dtype.type(out[r * width + v] + bias[first + v])
                        y[n, first + v] = zero if relu and z <= 0 else z
                    if keep.size:
                        for v in range(there):
                            u = first + v
                            y[n, u] = y[n, u] * scale if keep[n, u] else zero
        task = draw(counter)


@compiled
def _forward(x, rows, kernel, bias, relu, keep, scale, y, workers, values):
    """dense_forward with sums of the type of `values`, which is room for the packed x."""
    tiles, D = values.shape[0], x.shape[1]
    w_at = np.empty((tiles, D + 1), np.intp)
    counts = np.empty(tiles, np.intp)
    counters = np.zeros((2, 8), np.intp)
    width = WIDTH_BYTES // values.itemsize
    share(workers, _pack_tasks, (counters[0], x, rows, width, values, w_at, counts))
    share(
        workers,
        _forward_tasks,
        (counters[1], values, w_at, counts, kernel, bias, relu, keep, scale, y),
    )


@compiled
def dense_forward(x, rows, kernel, bias, relu, keep, scale, y, workers):
    """y[n] = f(x[rows[n]] @ kernel + bias) * keep[n] * scale

    x (M, D), of which rows (N,) are taken   kernel (D, U)   bias (U,)   y (N, U), overwritten
    relu    whether f is relu, else it is the identity
    keep    (N, U) the mask of a dropout behind the layer, or (0, 0) for none
    sums    in float64 for few units or few rows, where packing is most of the work (and at the end
            of a classifier the loss sees every digit); else in the type of x
    """
    tiles = (rows.size + ROWS - 1) // ROWS
    size = ROWS * x.shape[1] + ROWS
    if kernel.shape[1] <= NARROW or rows.size <= ROWS:
        exact = np.empty((tiles, size), np.float64)
        _forward(x, rows, kernel, bias, relu, keep, scale, y, workers, exact)
    else:
        values = np.empty((tiles, size), x.dtype)
        _forward(x, rows, kernel, bias, relu, keep, scale, y, workers, values)


@compiled
def dense_few(x, kernel, bias, relu, y):
    """dense_forward for a few rows: the kernel is read where it lies, and only for x that is not 0.

    Packing a kernel costs as much as multiplying it with ROWS rows.
    """
    N, D = x.shape
    U = kernel.shape[1]
    lanes = LONG * VECTOR_BYTES // kernel.itemsize
    values, w_at, x_at = np.empty(D, x.dtype), np.empty(D, np.intp), _every(1, D)
    row_at, out = np.zeros(1, np.intp), np.empty(lanes, x.dtype)
    flat = kernel.reshape(-1)
    whole, zero = U // lanes * lanes, kernel.dtype.type(0)
    total = np.empty(U - whole, np.float64)
    for n in range(N):
        count = 0
        for d in range(D):
            values[count] = x[n, d]
            w_at[count] = d * U
            count += x[n, d] != 0
        for first in range(0, whole, lanes):
            long_tile(values, row_at, 0, x_at, flat, first, w_at, 0, count, out, 0)
            for v in range(lanes):
                y[n, first + v] = out[v]
        total[:] = 0
        for j in range(count):
            for u in range(whole, U):
                total[u - whole] += np.float64(values[j]) * flat[w_at[j] + u]
        for u in range(whole, U):
            y[n, u] = total[u - whole]
        for u in range(U):
            z = y[n, u] + bias[u]
            y[n, u] = zero if relu and z <= 0 else z


@compiled
def _dz_tasks(counter, dz, panels, dbias):
    """A task is a panel of dz: packed, and summed over the rows."""
    N = dz.shape[0]
    width = WIDTH_BYTES // dz.itemsize
    total = np.empty(width, np.float64)
    p = draw(counter)
    while p < panels.shape[0]:
        pack_panels(dz, p * width, panels[p : p + 1])
        total[:] = 0
        for n in range(N):
            for v in range(width):
                total[v] += panels[p, n * width + v]
        for v in range(min(width, dbias.size - p * width)):
            dbias[p * width + v] = total[v]
        p = draw(counter)


@compiled
def _dx_tasks(counter, values, w_at, counts, kernel, dx):
    """A task is a panel of dx."""
    N, D = dx.shape
    U = kernel.shape[1]
    width = WIDTH_BYTES // values.itemsize
    row_at, x_at = _every(1, ROWS), _every(ROWS, U)
    panel, out = np.empty(U * width, values.dtype), np.empty(ROWS * width, values.dtype)
    task = draw(counter)
    while task * width < D:
        first = task * width
        pack_panel_transposed(kernel, first, width, panel)
        for t in range(counts.size):
            tile(values[t], row_at, 0, x_at, panel, 0, w_at[t], 0, counts[t], out, 0)
            for r in range(min(ROWS, N - t * ROWS)):
                for v in range(min(width, D - first)):
                    dx[t * ROWS + r, first + v] = out[r * width + v]
        task = draw(counter)


@compiled
def _dx(dz, kernel, dx, workers, values):
    """dense_dx with sums of the type of `values`, which is room for the packed dz."""
    tiles, (N, U) = values.shape[0], dz.shape
    w_at = np.empty((tiles, U + 1), np.intp)
    counts = np.empty(tiles, np.intp)
    counters = np.zeros((2, 8), np.intp)
    width = WIDTH_BYTES // values.itemsize
    share(workers, _pack_tasks, (counters[0], dz, _every(1, N), width, values, w_at, counts))
    share(workers, _dx_tasks, (counters[1], values, w_at, counts, kernel, dx))


@compiled
def dense_dx(dz, kernel, dx, workers):
    """dx = dz @ kernel.T

    dz (N, U)   kernel (D, U)   dx (N, D), overwritten   sums in float64 for few rows
    """
    N, U = dz.shape
    size = ROWS * U + ROWS
    if N <= ROWS:
        _dx(dz, kernel, dx, workers, np.empty((1, size), np.float64))
    else:
        _dx(dz, kernel, dx, workers, np.empty(((N + ROWS - 1) // ROWS, size), dz.dtype))


@compiled
def _dkernel_tasks(counter, x, rows, panels, dkernel):
    """A task is some tiles of dkernel's rows."""
    N, (D, U) = rows.size, dkernel.shape
    width = WIDTH_BYTES // x.itemsize
    tiles = (D + ROWS - 1) // ROWS
    row_at, x_at = _every(1, ROWS), _every(ROWS, N)
    out = np.empty(ROWS * width, x.dtype)
    values, w_at = np.empty(ROWS * N + ROWS, x.dtype), np.empty(N + 1, np.intp)
    task = draw(counter)
    while task * TILES_OF_A_TASK < tiles:
        for t in range(task * TILES_OF_A_TASK, min((task + 1) * TILES_OF_A_TASK, tiles)):
            count = pack_columns(x, rows, t * ROWS, width, values, w_at)
            for p in range(panels.shape[0]):
                tile(values, row_at, 0, x_at, panels[p], 0, w_at, 0, count, out, 0)
                for r in range(min(ROWS, D - t * ROWS)):
                    for v in range(min(width, U - p * width)):
                        dkernel[t * ROWS + r, p * width + v] = out[r * width + v]
        task = draw(counter)


@compiled
def dense_backward(x, rows, dz, kernel, dkernel, dbias, dx, workers):
    """dkernel = x[rows].T @ dz, dbias = dz summed over n, dx = dz @ kernel.T

    x (M, D)   rows (N,)   dz (N, U)   kernel, dkernel (D, U)   dbias (U,), or (0,) for none
    dx (N, D), or (0, 0) where nobody asks for it; dkernel, dbias and dx are overwritten
    """
    N, U = dz.shape
    width = WIDTH_BYTES // x.itemsize
    panels = np.empty(((U + width - 1) // width, N * width), x.dtype)
    counters = np.zeros((2, 8), np.intp)
    share(workers, _dz_tasks, (counters[0], dz, panels, dbias))
    share(workers, _dkernel_tasks, (counters[1], x, rows, panels, dkernel))
    if dx.size:
        dense_dx(dz, kernel, dx, workers)

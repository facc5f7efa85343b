"""Convolutions through the register tile, with bias, relu and max-pooling on the way out.

Forward: the windows that the pooling looks at are computed, a few filters of one image at a time,
into a block that stays in the nearest cache; the largest of each cell goes out, and which one it
was. The full output of the convolution never exists.

Backward: pooling lets one gradient of a cell through, and relu only where the output is above 0.
What is left, one number in eight or so, is listed; the tiles walk through the lists.

A task copies its images into a room of its own first: with the padding around, from whatever rows
of the data the batch takes, and with some numbers behind the end that a vector may read too many.
Only where forward needs none of this, it reads an image where it lies.
"""

import numpy as np

from scratchnet.engines.fused.cells import (
    ALL,
    DEAD,
    GROUP,
    equals,
    leave,
    leave_largest,
    lowest,
    spread,
)
from scratchnet.engines.fused.packing import (
    aligned,
    aligned_rows,
    copy_row,
    move,
    pack_panel,
    terms_of,
    width_of,
)
from scratchnet.engines.fused.threads import compiled, draw, inner, share, tasks
from scratchnet.engines.fused.tile import (
    LONG,
    VECTOR_BYTES,
    long_add,
    rows_of,
    short_add,
    tile,
    tile_add,
)

__all__ = [
    "bias_of_panels",
    "conv_backward",
    "conv_dx",
    "conv_forward",
    "enter",
    "leave_windows",
    "pooled_backward",
]

WINDOWS_OF_A_TASK = 64  # at least: so that few rows of the last tile stay empty
MOST_WINDOWS = 320  # of a task, for which it takes more images to that end
EMPTY = 64  # one row in so many may stay empty
TASKS = 16  # at least, so that no thread has to wait for long
BLOCKS, FEW_BLOCKS = 16, 8  # partial sums of dkernel: of a small one, of a large one
PARTIAL_BYTES = 5 << 18  # of a small one's partial sums
FILTERS_OF_A_TASK = 16
GRADIENTS_OF_A_LIST = 32
COPIED = 8  # numbers of an image that are copied while one window is listed
WINDOWS_OF_A_SUM = 128


@inner
def enter(x, image, windows, room, start):
    """Copy an image of x (1-D) into the zeros of its padding, to room[start:]."""
    H, row = windows.H, windows.W * windows.C
    begin, at = image * H * row, start + windows.top * windows.room_row + windows.left * windows.C
    if windows.room_row == row:
        move(x, begin, room, at, H * row)
        return
    for h in range(H):
        move(x, begin + h * row, room, at + h * windows.room_row, row)


@inner
def leave_room(room, windows, dx, image):
    """The way back: the image without its padding."""
    H, row = windows.H, windows.W * windows.C
    begin, at = windows.top * windows.room_row + windows.left * windows.C, image * H * row
    for h in range(H):
        move(room, begin + h * windows.room_row, dx, at + h * row, row)


@inner
def pack_kernel_transposed(kernel, taps, first, width, panel):
    """panel[(t * F + f) * width + v] = kernel[taps[t], first + v, f], zeros after C."""
    T, C, F = kernel.shape
    for t in range(T):
        for v in range(width):
            for f in range(F):
                w = kernel[taps[t], first + v, f] if first + v < C else kernel.dtype.type(0)
                panel[(t * F + f) * width + v] = w


@inner
def bias_of_panels(bias, width):
    """The bias with zeros behind it, so that every column of the panels has one."""
    whole = np.zeros((bias.size + width - 1) // width * width, bias.dtype)
    for f in range(bias.size):
        whole[f] = bias[f]
    return whole


@tasks
def _panel_tasks(counter, kernel, panels, vectors):
    width, (total, size), panels = width_of(vectors, kernel), panels.shape, panels.reshape(-1)
    p = draw(counter)
    while p < total:
        pack_panel(kernel, p * width, panels, p * size, vectors)
        p = draw(counter)


@inner
def leave_windows(
    block, begin, cells, per_cell, bias, relu, first, F, y, argmax, at, row, small, vectors
):  # fmt: skip
    """From the sums of one panel to cells of the output (cells.py).

    y, argmax     1-D; the first of the cells begins at `at`
    row, small    room for a panel's columns
    """
    width = row.size
    # what does not change from cell to cell is asked outside: it took 7 % of `cnn`'s first layer
    if first + width <= F and argmax.size:
        for cell in range(cells):
            sums, place = begin + cell * per_cell * width, at + cell * F + first
            leave(block, sums, per_cell, bias, first, relu, y, place, argmax, place, vectors)
    elif first + width <= F:
        for cell in range(cells):
            sums, place = begin + cell * per_cell * width, at + cell * F + first
            leave_largest(block, sums, per_cell, bias, first, relu, y, place, vectors)
    else:
        for cell in range(cells):
            sums, place = begin + cell * per_cell * width, at + cell * F + first
            leave(block, sums, per_cell, bias, first, relu, row, 0, small, 0, vectors)
            for v in range(F - first):
                y[place + v] = row[v]
                if argmax.size:
                    argmax[place + v] = small[v]


@inner
def _multiply(room, row_at, rows, taps, run, panel, block, vectors):
    """The sums of all windows under one panel, a part of it at a time, that all of them find in the
    first-level cache."""
    K, width, terms = taps.size, width_of(vectors, panel), terms_of(vectors)
    for t in range(0, rows, rows_of(vectors)):
        at, last = t * width, min(terms, K)
        tile(room, row_at, t, taps, run, panel, 0, width, 0, last, block, at, width, vectors)
    for j in range(terms, K, terms):
        for t in range(0, rows, rows_of(vectors)):
            at, last = t * width, min(j + terms, K)
            tile_add(
                room, row_at, t, taps, run, panel, 0, width, j, last, block, at, width, vectors
            )


@inner
def _list_windows(starts, origin, row_at, i):
    """Where the windows of the i-th image of a task begin, if the image lies at `origin`."""
    for s in range(starts.size):
        row_at[i * starts.size + s] = origin + starts[s]


@inner
def _images_of(windows, height, rows):
    """How many images a task has: enough windows for some tiles, and as few more images as leave
    almost no row of the last tile empty."""
    least = max(1, WINDOWS_OF_A_TASK // windows)
    for images in range(least, min(MOST_WINDOWS // windows, rows // TASKS) + 1):
        if -images * windows % height * EMPTY <= images * windows:
            return images
    return min(least, max(1, rows))


@tasks
def _forward_tasks(
    counter, x, rows, windows, kernel, panels, bias, relu, images, parts, y, argmax, vectors
):  # fmt: skip
    """A task is so many images under a part of the panels, which it packs if `panels` is empty."""
    N, K = rows.size, kernel.shape[0]
    width, height = width_of(vectors, x), rows_of(vectors)
    total = bias.size // width
    own = aligned(K * width if panels.size == 0 else 0, x.dtype)
    starts, taps, per_cell = windows.starts, windows.taps, windows.per_cell
    cells, size = starts.size // per_cell, windows.room
    # without padding an image is read where it lies, if listing its windows is less than a copy
    direct = size == x.shape[1] and starts.size * COPIED < size
    room = np.zeros(0 if direct else images * size, x.dtype)
    row_at = np.empty(images * starts.size + height, np.intp)
    for i in range(images):
        _list_windows(starts, 0 if direct else i * size, row_at, i)
    for r in range(height):  # rows of the last tile that belong to no window
        row_at[images * starts.size + r] = 0
    block = aligned((images * starts.size + height) * width, x.dtype)
    row, small = np.empty(width, x.dtype), np.empty(width, np.uint8)
    F = y.shape[2]
    x, y, argmax = x.reshape(-1), y.reshape(-1), argmax.reshape(-1)
    numbers = x if direct else room
    inside = -1  # the first of the images that are in the room, or listed
    task = draw(counter)
    while task // parts * images < N:
        first, part = task // parts * images, task % parts
        here = min(images, N - first)
        for i in range(here if first != inside else 0):
            if direct:
                _list_windows(starts, rows[first + i] * size, row_at, i)
            else:
                enter(x, rows[first + i], windows, room, i * size)
        inside = first
        for p in range(part * total // parts, (part + 1) * total // parts):
            if own.size:
                pack_panel(kernel, p * width, own, 0, vectors)
            panel = own if own.size else panels[p]
            _multiply(numbers, row_at, here * starts.size, taps, windows.run, panel, block, vectors)
            leave_windows(
                block, 0, here * cells, per_cell, bias, relu, p * width, F, y, argmax,
                first * cells * F, row, small, vectors,
            )  # fmt: skip
        task = draw(counter)


@compiled
def conv_forward(x, rows, windows, kernel, bias, relu, y, argmax, vectors, workers):
    """y[n] = pooled f(convolution of x[rows[n]] with kernel + bias)

    x (M, H*W*C), of which rows (N,) are taken   kernel (R*S*C, F)   bias (F,)
    relu      whether f is relu, else it is the identity
    y         (N, cells, F), overwritten; without pooling a cell is one window
    argmax    (N, cells, F) uint8: which window of a cell was its first maximum, DEAD where relu
              stopped it; or (0, 0, 0)
    vectors   of a panel of the kernel: WIDE or SLIM (tile.py)
    """
    K, F = kernel.shape
    width = width_of(vectors, x)
    images = _images_of(windows.starts.size, rows_of(vectors), rows.size)
    total = (F + width - 1) // width
    whole = bias_of_panels(bias, width)
    alone = rows.size <= images  # then the panels are the tasks
    packed = 0 if alone else total
    panels = aligned_rows(packed, K * width, x.dtype)
    counters = np.zeros((2, 8), np.intp)
    if not alone:
        share(workers, _panel_tasks, (counters[0], kernel, panels, vectors))
    share(
        workers,
        _forward_tasks,
        (
            counters[1], x, rows, windows, kernel, panels, whole, relu, images,
            total if alone else 1, y, argmax, vectors,
        ),
    )  # fmt: skip


# ------------------------------------------------------------------ backward, pooled


@inner
def _list_by_filter(dy, argmax, first, cells, windows, begin, values, at, counts):
    """Append to each filter's list the living gradients of one image, and where their windows lie.

    dy, argmax    1-D; the image's begin at `first`
    begin         of the image in the room
    values, at    1-D, of equal lengths for each filter   counts (F,) lengths of the lists, updated
    """
    F, starts = counts.size, windows.starts
    size = at.size // F
    for cell in range(cells):
        place, window = first + cell * F, cell * windows.per_cell
        for some in range(0, F, GROUP):
            bits = equals(argmax, place + some, min(GROUP, F - some), DEAD) ^ ALL
            while bits:
                f = some + lowest(bits)
                bits &= bits - 1
                k = f * size + counts[f]
                values[k] = dy[place + f]
                at[k] = begin + starts[window + argmax[place + f]]
                counts[f] += 1


@inner
def _list_by_window(dy, argmax, first, cells, F, per_cell, filter_step, values, at, ends):
    """For each window the gradients that it let through, and where their filters begin."""
    k = 0
    for cell in range(cells):
        place = first + cell * F
        for a in range(per_cell):
            for some in range(0, F, GROUP):
                bits = equals(argmax, place + some, min(GROUP, F - some), a)
                while bits:
                    f = some + lowest(bits)
                    bits &= bits - 1
                    values[k] = dy[place + f]
                    at[k] = f * filter_step
                    k += 1
            ends[cell * per_cell + a] = k


@inner
def _stripe(values, origin, w, begin, w_at, first, last, length, out, at):
    """out[at + v] += sum over j of values[origin + j] * w[begin + w_at[j] + v], v < length or more

    Up to the next whole vector: whoever calls this has room there for numbers that mean nothing, or
    zeros in w (whose product with an infinite value is not zero).
    """
    lanes = LONG * VECTOR_BYTES // values.itemsize
    half = lanes // 2
    v = 0
    while v < length:
        if length - v > half:
            long_add(values, origin, w, begin + v, w_at, first, last, out, at + v, 0)
            v += lanes
        else:
            short_add(values, origin, w, begin + v, w_at, first, last, out, at + v, 0)
            v += half


@tasks
def _pooled_tasks(
    counter, x, rows, windows, dy, argmax, filters, row_step, partial, partial_bias, dx
):  # fmt: skip
    """A task is a block of images: its partial sum of dkernel and dbias, and its images of dx."""
    N, cells, F = dy.shape
    R, length, starts = windows.R, windows.row_length, windows.starts
    blocks = partial.shape[0]
    # so many images at a time that a filter's list is worth a walk
    together = max(1, GRADIENTS_OF_A_LIST // cells)
    slack = LONG * VECTOR_BYTES // x.itemsize
    room = aligned(together * windows.room + slack, x.dtype)
    room[:] = 0
    back = aligned(windows.room + slack, x.dtype)
    list_size = together * cells + 1
    values, at = np.empty(F * list_size, x.dtype), np.empty(F * list_size, np.intp)
    counts = np.empty(F, np.intp)
    alive, alive_at = np.empty(cells * F + F, x.dtype), np.empty(cells * F + F, np.intp)
    ends = np.empty(starts.size, np.intp)
    x, dy, argmax, flat_dx = x.reshape(-1), dy.reshape(-1), argmax.reshape(-1), dx.reshape(-1)
    task = draw(counter)
    while task < blocks:
        sums, bias_sums = partial[task], partial_bias[task]
        sums[:] = 0
        bias_sums[:] = 0
        end = (task + 1) * N // blocks
        for group in range(task * N // blocks, end, together):
            counts[:] = 0
            for n in range(group, min(group + together, end)):
                begin = (n - group) * windows.room
                enter(x, rows[n], windows, room, begin)
                _list_by_filter(
                    dy, argmax, n * cells * F, cells, windows, begin, values, at, counts
                )
            for f in range(F):
                first, last = f * list_size, f * list_size + counts[f]
                if first == last:
                    continue
                for k in range(first, last):
                    bias_sums[f] += values[k]
                for r in range(R):
                    begin = r * windows.row_gap
                    _stripe(
                        values, 0, room, begin, at, first, last, length, sums,
                        (f * R + r) * row_step,
                    )  # fmt: skip
            if dx.size == 0:
                continue
            for n in range(group, min(group + together, end)):
                _list_by_window(
                    dy, argmax, n * cells * F, cells, F, windows.per_cell, row_step, alive,
                    alive_at, ends,
                )  # fmt: skip
                back[:] = 0
                for r in range(R):
                    first = 0
                    for window in range(ends.size):
                        last = ends[window]
                        if last > first:
                            _stripe(
                                alive, 0, filters, r * F * row_step, alive_at, first, last,
                                length, back, starts[window] + r * windows.row_gap,
                            )  # fmt: skip
                        first = last
                leave_room(back, windows, flat_dx, n)
        task = draw(counter)


@inner
def _blocks_of(nbytes, images):
    """How many partial sums of so many bytes are made, whatever the number of threads: each has to
    be set to zero, and fetched again."""
    return min(BLOCKS if BLOCKS * nbytes <= PARTIAL_BYTES else FEW_BLOCKS, images)


@inner
def _add_blocks(partial, begin, total):
    """total[v] = the blocks' sums partial[b, begin + v], added in order; float64, rounded later."""
    total[:] = 0
    for b in range(partial.shape[0]):
        row = partial[b, begin : begin + total.size]
        for v in range(total.size):
            total[v] += row[v]


@inner
def _add_bias_blocks(partial_bias, first, dbias):
    """The same for a bias, whose sums are float64 and are rounded once."""
    for f in range(dbias.size):
        total = 0.0
        for b in range(partial_bias.shape[0]):
            total += partial_bias[b, first + f]
        dbias[f] = total


@tasks
def _turn_tasks(counter, partial, partial_bias, row_step, length, dkernel, dbias):
    """A task is FILTERS_OF_A_TASK filters: the blocks' sums, filters last."""
    K, F = dkernel.shape
    R = K // length
    total = np.empty((FILTERS_OF_A_TASK, length), np.float64)
    task = draw(counter)
    while task * FILTERS_OF_A_TASK < F:
        first = task * FILTERS_OF_A_TASK
        there = min(FILTERS_OF_A_TASK, F - first)
        for r in range(R):
            for f in range(there):
                _add_blocks(partial, ((first + f) * R + r) * row_step, total[f])
            for v in range(length):
                row = dkernel[r * length + v, first : first + there]
                for f in range(there):
                    row[f] = total[f, v]
        if dbias.size:
            _add_bias_blocks(partial_bias, first, dbias[first : first + there])
        task = draw(counter)


@compiled
def pooled_backward(x, rows, windows, dy, argmax, kernel, dkernel, dbias, dx, workers):
    """The way back through pooling, relu and convolution, for the gradients that are alive.

    dkernel[tap, f] = sum over living (n, cell) of dy * x at that tap of the window
    dx              = sum over living (cell, f) of dy * kernel, at the window's pixels
    shapes          dy, argmax (N, cells, F)   kernel, dkernel (R*S*C, F)   dbias (F,) or (0,)
                    dx (N, H*W*C) or (0, 0); dkernel, dbias and dx are overwritten
    needs           a dilation of 1 along rows: S*C numbers of a window's row lie side by side
    """
    F = kernel.shape[1]
    half = LONG * VECTOR_BYTES // x.itemsize // 2
    length = windows.row_length
    row_step = (length + half - 1) // half * half  # a row of the window with room for whole vectors
    size = F * windows.R * row_step
    blocks = _blocks_of(size * x.itemsize, rows.size)
    partial = aligned_rows(blocks, size, x.dtype)
    partial_bias = np.empty((blocks, F), np.float64)
    # row by row of the window, and in it the weights of one filter side by side
    slack = 2 * half
    filters = aligned(size + slack if dx.size else 0, x.dtype)
    filters[:] = 0
    if dx.size:
        for f in range(F):
            for r in range(windows.R):
                for v in range(length):
                    filters[(r * F + f) * row_step + v] = kernel[r * length + v, f]
    counters = np.zeros((2, 8), np.intp)
    share(
        workers,
        _pooled_tasks,
        (counters[0], x, rows, windows, dy, argmax, filters, row_step, partial, partial_bias, dx),
    )
    share(
        workers, _turn_tasks, (counters[1], partial, partial_bias, row_step, length, dkernel, dbias)
    )


# ------------------------------------------------------------------ backward, every gradient


@inner
def _pack_gradients(dz, argmax, n, first, per_cell, panel, begin, vectors):
    """dz of one image and one panel of filters, a row for each window, from panel[begin] on."""
    _, cells, F = dz.shape
    width = width_of(vectors, dz)
    if first + width <= F and per_cell > 1:
        flat, winners = dz.reshape(-1), argmax.reshape(-1)
        for cell in range(cells):
            at = (n * cells + cell) * F + first
            place = begin + cell * per_cell * width
            spread(flat, at, winners, at, per_cell, panel, place, vectors)
        return
    for cell in range(cells):
        for a in range(per_cell):
            at = begin + (cell * per_cell + a) * width
            for v in range(width):
                f = first + v
                alive = f < F and (per_cell == 1 or argmax[n, cell, f] == a)
                panel[at + v] = dz[n, cell, f] if alive else dz.dtype.type(0)


@tasks
def _every_gradient_tasks(
    counter, x, rows, windows, dz, argmax, partial, partial_bias, vectors
):  # fmt: skip
    """A task is a block of images: its partial sum of dkernel and dbias."""
    N, F = dz.shape[0], dz.shape[2]
    taps, starts, per_cell = windows.taps, windows.starts, windows.per_cell
    K, blocks, each = taps.size, partial.shape[0], starts.size
    width, height = width_of(vectors, x), rows_of(vectors)
    # so many images at a time that a tile has a long sum to make
    together = max(1, WINDOWS_OF_A_SUM // each)
    room = np.zeros(together * windows.room, x.dtype)
    places = np.empty(together * each, np.intp)
    for i in range(together):
        for s in range(each):
            places[i * each + s] = i * windows.room + starts[s]
    tap_at = np.zeros(K + height, np.intp)
    for k in range(K):
        tap_at[k] = taps[k]
    flat = x.reshape(-1)
    panel, out = aligned(places.size * width, x.dtype), aligned(height * width, x.dtype)
    total = np.empty(width, np.float64)
    task = draw(counter)
    while task < blocks:
        sums, bias_sums = partial[task], partial_bias[task]
        sums[:] = 0
        bias_sums[:] = 0
        end = (task + 1) * N // blocks
        for group in range(task * N // blocks, end, together):
            here = min(together, end - group)
            for i in range(here):
                enter(flat, rows[group + i], windows, room, i * windows.room)
            for first in range(0, F, width):
                there = min(width, F - first)
                for i in range(here):
                    begin = i * each * width
                    _pack_gradients(dz, argmax, group + i, first, per_cell, panel, begin, vectors)
                total[:] = 0
                for i in range(here * each):
                    row = panel[i * width : (i + 1) * width]
                    for v in range(width):
                        total[v] += row[v]
                for v in range(there):
                    bias_sums[first + v] += total[v]
                for t in range(0, K, height):
                    if there == width and t + height <= K:
                        at = t * F + first
                        tile_add(
                            room, tap_at, t, places, 1, panel, 0, width, 0, here * each, sums, at,
                            F, vectors,
                        )  # fmt: skip
                        continue
                    tile(
                        room, tap_at, t, places, 1, panel, 0, width, 0, here * each, out, 0, width,
                        vectors,
                    )  # fmt: skip
                    for r in range(min(height, K - t)):
                        for v in range(there):
                            sums[(t + r) * F + first + v] += out[r * width + v]
        task = draw(counter)


@tasks
def _add_tasks(counter, partial, partial_bias, dkernel, dbias):
    """A task is a row of dkernel."""
    K, F = dkernel.shape
    total = np.empty(F, np.float64)
    k = draw(counter)
    while k < K:
        _add_blocks(partial, k * F, total)
        row = dkernel[k]
        for f in range(F):
            row[f] = total[f]
        if k == 0 and dbias.size:
            _add_bias_blocks(partial_bias, 0, dbias)
        k = draw(counter)


@compiled
def conv_backward(x, rows, windows, dz, argmax, dkernel, dbias, vectors, workers):
    """dkernel[tap, f] = sum over (n, window) of dz * x at that tap, dbias[f] = sum of dz

    x (M, H*W*C), of which rows (N,) are taken   dz (N, cells, F)   dkernel (R*S*C, F)
    argmax (N, cells, F) which window of a cell dz belongs to; (0, 0, 0) without pooling
    dbias (F,) or (0,)   vectors of a panel of dz: WIDE or SLIM (tile.py)
    """
    K, F = dkernel.shape
    blocks = _blocks_of(K * F * x.itemsize, rows.size)
    partial = aligned_rows(blocks, K * F, x.dtype)
    partial_bias = np.empty((blocks, F), np.float64)
    counters = np.zeros((2, 8), np.intp)
    share(
        workers,
        _every_gradient_tasks,
        (counters[0], x, rows, windows, dz, argmax, partial, partial_bias, vectors),
    )
    share(workers, _add_tasks, (counters[1], partial, partial_bias, dkernel, dbias))


@tasks
def _turned_panel_tasks(counter, kernel, taps, panels, width):
    p = draw(counter)
    while p < panels.shape[0]:
        pack_kernel_transposed(kernel, taps, p * width, width, panels[p])
        p = draw(counter)


@tasks
def _dx_tasks(counter, dz, P, Q, back, panels, dx, C, vectors):
    """A task is an image."""
    N, F = dz.shape[0], dz.shape[1] // (P * Q)
    width, height = width_of(vectors, dz), rows_of(vectors)
    room = np.zeros(back.room, dz.dtype)
    row_at = np.empty(height, np.intp)
    out, flat, flat_dz = aligned(height * width, dz.dtype), dx.reshape(-1), dz.reshape(-1)
    weights, size = panels.reshape(-1), panels.shape[1]
    n = draw(counter)
    while n < N:
        for p in range(P):
            begin = (back.top + p) * back.room_row + back.left * F
            move(flat_dz, (n * P + p) * Q * F, room, begin, Q * F)
        first_row, first_tap = 0, 0
        for phase in range(back.row_ends.size):
            last_row, last_tap = back.row_ends[phase], back.tap_ends[phase]
            for panel in range(panels.shape[0]):
                there = min(width, C - panel * width)
                for t in range(first_row, last_row, height):
                    here = min(height, last_row - t)
                    for r in range(height):  # those behind the end must stay inside the room
                        row_at[r] = back.rows[t + min(r, here - 1)]
                    tile(
                        room, row_at, 0, back.x_at, back.run, weights, panel * size, width,
                        first_tap, last_tap, out, 0, width, vectors,
                    )  # fmt: skip
                    for r in range(here):
                        pixel = n * dx.shape[1] + back.pixels[t + r] + panel * width
                        if there == width:
                            copy_row(out, r * width, flat, pixel, vectors)
                            continue
                        for v in range(there):
                            flat[pixel + v] = out[r * width + v]
            first_row, first_tap = last_row, last_tap
        n = draw(counter)


@compiled
def conv_dx(dz, P, Q, back, kernel, dx, vectors, workers):
    """dx[n, h, w, c] = sum over the windows (p, q) and taps (r, s) that saw the pixel, and f, of
    dz[n, p, q, f] * kernel[r, s, c, f]

    dz (N, P*Q*F)   kernel (R*S, C, F)   dx (N, H*W*C) without padding, overwritten
    vectors    of a panel of the turned kernel: WIDE or SLIM (tile.py)
    """
    T, C, F = kernel.shape
    width = width_of(vectors, dz)
    total = (C + width - 1) // width
    panels = aligned_rows(total, T * F * width, dz.dtype)
    counters = np.zeros((2, 8), np.intp)
    share(workers, _turned_panel_tasks, (counters[0], kernel, back.taps, panels, width))
    share(workers, _dx_tasks, (counters[1], dz, P, Q, back, panels, dx, C, vectors))

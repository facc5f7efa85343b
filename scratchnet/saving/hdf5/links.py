"""The names in a group and the addresses of what they stand for.

Older groups keep names in a heap and sort them by a B-tree over tables of symbols. Newer ones have
a message for each name, or, from nine names on, the messages in a heap of growing blocks and a
B-tree of another kind. Either way a name that leads to another file, or to another name, is
refused.
"""

from collections.abc import Iterator

from scratchnet.saving.hdf5.headers import Message
from scratchnet.saving.hdf5.source import UNDEFINED, Cursor, Source

__all__ = ["read_links"]

SYMBOL_TABLE, LINK_INFO, LINK = 0x11, 0x02, 0x06
HARD, SOFT = 0, 1
MAX_LEVELS = 8


def read_links(source: Source, messages: list[Message]) -> dict[str, int] | None:
    """name -> address; None for what is no group."""
    links: dict[str, int] = {}
    group = False
    for message in messages:
        block = Cursor(source, message.data)
        if message.kind == SYMBOL_TABLE:
            found: Iterator[tuple[bytes, int]] = _older(source, *block.unpack("QQ"))
        elif message.kind == LINK:
            found = iter([_link(block)])
        elif message.kind == LINK_INFO:
            found = _dense(source, block)
        else:
            continue
        group = True
        for raw, address in found:
            name = raw.decode("utf-8", "replace")
            if not name or name == "." or "/" in name or "\0" in name or name in links:
                wanted = "names in a group that are parts of a path, each once"
                raise source.error(wanted, repr(name[:80]))
            links[name] = address
    return links if group else None


# ------------------------------------------------------------------------------ older groups


def _older(source: Source, tree: int, heap: int) -> Iterator[tuple[bytes, int]]:
    head = source.cursor(heap, 32, b"HEAP")
    head.version("a local heap", 0)
    head.bytes(3)
    size, _, start = head.unpack("QQQ")
    names = source.take(start, size)
    for node in _symbol_nodes(source, tree, None):
        table = source.cursor(node, 8, b"SNOD")
        table.version("a symbol table", 1)
        table.bytes(1)
        count = table.number(2)
        entries = source.cursor(node + 8, 40 * count)
        for _ in range(count):
            offset, address, kind = entries.unpack("QQI")
            entries.bytes(20)
            end = names.find(b"\0", offset) if offset < len(names) else -1
            if end < 0:
                raise source.error("a name in the heap of its group", f"one at {offset}")
            name = names[offset:end]
            source.spend(len(name))
            if kind == 2:
                raise _not_hard(source, name, "a soft link")
            yield name, address


def _symbol_nodes(source: Source, address: int, level: int | None) -> Iterator[int]:
    """The symbol tables under this node of the tree, which is of `level`."""
    node = source.cursor(address, 24, b"TREE")
    kind, at, count = node.unpack("BBH")
    if kind != 0 or at > MAX_LEVELS or level not in (None, at):
        raise source.error("a tree of names", f"a node of kind {kind}, level {at}")
    children = source.cursor(address + 24, 16 * count + 8)
    for _ in range(count):
        _, child = children.unpack("QQ")
        if at:
            yield from _symbol_nodes(source, child, at - 1)
        else:
            yield child


# ------------------------------------------------------------------------------ newer groups


def _link(block: Cursor) -> tuple[bytes, int]:
    block.version("a link", 1)
    flags = block.number(1)
    kind = block.number(1) if flags & 0x08 else HARD
    block.bytes((8 if flags & 0x04 else 0) + (1 if flags & 0x10 else 0))
    name = block.bytes(block.number(1 << (flags & 3)))
    if kind != HARD:
        what = "a soft link" if kind == SOFT else "a link to another file"
        raise _not_hard(block.source, name, what)
    return name, block.number(8)


def _dense(source: Source, block: Cursor) -> Iterator[tuple[bytes, int]]:
    """The links of a group with many names."""
    block.version("the links of a group", 0)
    block.bytes(8 if block.number(1) & 1 else 0)
    heap, tree = block.unpack("QQ")
    if heap == UNDEFINED:
        return
    blocks, width = _heap_blocks(source, heap)
    head = source.cursor(tree, 34, b"BTHD")
    head.version("a tree of links", 0)
    kind, node, record, depth, _, _, root, count = head.unpack("BIHHBBQH")
    if kind != 5 or record != 11 or depth > MAX_LEVELS or node < 64:
        raise source.error("a tree of links", f"kind {kind}, records of {record}, depth {depth}")
    if root == UNDEFINED:
        return
    for record_ in _records(source, (node, record), root, depth, count):
        place = Cursor(source, record_[4:])
        if place.number(1):
            raise source.error("links that lie in blocks of their heap", "others")
        offset, length = place.number(width), place.number(6 - width)
        for start, size, address in blocks:
            if start <= offset and offset + length <= start + size:
                yield _link(source.cursor(address + offset - start, length))
                break
        else:
            raise source.error("a link in a block of its heap", f"one at {offset}")


def _heap_blocks(source: Source, address: int) -> tuple[list[tuple[int, int, int]], int]:
    """(start in the heap, size, address in the file) of each block, and how many bytes a place
    in the heap is written with."""
    head = source.cursor(address, 142, b"FRHP")
    head.version("a heap of links", 0)
    _, filters = head.unpack("HH")
    head.bytes(1 + 4 + 12 * 8)
    table, first, largest, bits, _, root, rows = head.unpack("HQQHHQH")
    width = -(-bits // 8)
    if filters or not 1 <= width <= 5 or not 0 < first <= largest < 1 << 30 or not table:
        raise source.error("a plain heap of links", f"blocks of {first} to {largest} bytes")
    if root == UNDEFINED:
        return [], width
    if not rows:
        return [(0, first, root)], width
    direct = (largest // first).bit_length() + 1  # rows whose blocks hold links themselves
    if rows > direct:
        wanted, got = f"at most {direct} rows of blocks in a group's heap", str(rows)
        raise source.error(wanted, got, "So many names are no model's.")
    head = source.cursor(root, 13 + width + 8 * rows * table, b"FHIB")
    head.bytes(9 + width)
    blocks, start = [], 0
    for row in range(rows):
        size = first << max(row - 1, 0)
        for _ in range(table):
            place = head.number(8)
            if place != UNDEFINED:
                blocks.append((start, size, place))
            start += size
    return blocks, width


def _records(
    source: Source, sizes: tuple[int, int], address: int, depth: int, count: int
) -> Iterator[bytes]:
    """The records of a node and of those under it."""
    size, record = sizes
    node = source.cursor(address, size, b"BTIN" if depth else b"BTLF")
    node.bytes(2)
    records = [node.bytes(record) for _ in range(count)]
    yield from records
    if not depth:
        return
    # a child is its address, its number of records and, above the lowest, of all under it
    total = (size - 10) // record
    counts, totals = _bytes_for(total), 0
    for _ in range(depth - 1):
        place = 8 + counts + totals
        most = (size - 10 - place) // (record + place)
        total = (most + 1) * total + most
        totals = _bytes_for(total)
    for _ in range(count + 1):
        child, its = node.number(8), node.number(counts)
        node.bytes(totals)
        yield from _records(source, sizes, child, depth - 1, its)


def _bytes_for(number: int) -> int:
    return (max(number, 1).bit_length() - 1) // 8 + 1


def _not_hard(source: Source, name: bytes, what: str) -> ValueError:
    wanted, got = "names of what is in the file itself", f"{what}, {name[:80]!r}"
    return source.error(wanted, got, "Links are not followed.")

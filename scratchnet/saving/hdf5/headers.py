"""The header of an object: a list of messages, in the older form or the newer."""

from collections import deque
from typing import NamedTuple

from scratchnet.saving.hdf5.source import Cursor, Source

__all__ = ["Message", "read_messages"]

NIL, CONTINUATION = 0x00, 0x10
SHARED = 0x02  # a flag: the message lies somewhere else
MAX_MESSAGES = 1 << 16


class Message(NamedTuple):
    """One fact about an object."""

    kind: int
    flags: int
    data: bytes


def read_messages(source: Source, address: int) -> list[Message]:
    """All messages of the object at this address, those of continuation blocks too."""
    newer = source.take(address, 4) == b"OHDR"
    return _read_newer(source, address) if newer else _read_older(source, address)


def _read_older(source: Source, address: int) -> list[Message]:
    head = source.cursor(address, 16)
    head.version("an object header", 1)
    head.bytes(1)
    _, _, size = head.unpack("HII")
    blocks = deque([(address + 16, size)])
    messages: list[Message] = []
    while blocks:
        start, size = blocks.popleft()
        block = source.cursor(start, size)
        while block.left >= 8:
            kind, size, flags = block.unpack("HHB")
            block.bytes(3)
            _add(source, Message(kind, flags, block.bytes(size)), messages, blocks)
    return messages


def _read_newer(source: Source, address: int) -> list[Message]:
    head = source.cursor(address, min(38, source.size - address), b"OHDR")
    head.version("an object header", 2)
    flags = head.number(1)
    head.bytes((16 if flags & 0x20 else 0) + (4 if flags & 0x10 else 0))
    size = head.number(1 << (flags & 3))
    ordered = 2 if flags & 0x04 else 0  # each message has its order of creation
    blocks = deque([(address + head.at, size)])
    messages: list[Message] = []
    first = True
    while blocks:
        start, size = blocks.popleft()
        if first:
            block = source.cursor(start, size)
        else:  # with a signature in front and a checksum behind
            block = source.cursor(start, size, b"OCHK")
            block.data = block.data[:-4]
        first = False
        while block.left >= 4 + ordered:
            kind, size, flags = block.unpack("BHB")
            block.bytes(ordered)
            _add(source, Message(kind, flags, block.bytes(size)), messages, blocks)
    return messages


def _add(
    source: Source, message: Message, messages: list[Message], blocks: "deque[tuple[int, int]]"
) -> None:
    if message.kind == NIL:
        return
    if message.flags & SHARED:
        raise source.error("types and shapes that stand with their array", "shared ones")
    if message.kind == CONTINUATION:
        start, size = Cursor(source, message.data).unpack("QQ")
        blocks.append((start, size))
        return
    messages.append(message)
    if len(messages) > MAX_MESSAGES:
        raise source.error(f"at most {MAX_MESSAGES} messages of an object", "more")

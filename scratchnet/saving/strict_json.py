"""JSON from strangers: what the parser would take without a word is refused before it does harm."""

import json
from typing import Any

import numpy as np

from scratchnet.errors import expected

__all__ = ["read_json"]

MAX_DEPTH = 64  # a layer's initializer's seed is at 12
MAX_OBJECTS = 25_000  # a layer has nine
MAX_DIGITS = 19  # a whole number of 64 bits


def read_json(data: bytes, owner: str) -> Any:
    """The value that these bytes write down.

    Raises ValueError, with the owner, for what is no JSON, is nested too deep, has a key twice, a
    number that is not finite or a whole number beyond 64 bits.
    """
    # brackets in texts count too, which no name has by the dozen; so deep data is never parsed
    codes = np.frombuffer(data, np.uint8)
    opening = (codes == ord("[")) | (codes == ord("{"))
    closing = (codes == ord("]")) | (codes == ord("}"))
    steps = opening.view(np.int8) - closing.view(np.int8)
    depth = int(np.max(np.cumsum(steps, dtype=np.int32), initial=0))
    if depth > MAX_DEPTH:
        raise ValueError(expected(owner, f"at most {MAX_DEPTH} lists in each other", f"{depth}"))

    def refuse(wanted: str, got: str) -> ValueError:
        return ValueError(expected(owner, wanted, f"{got[:80]}"))

    def constant(text: str) -> Any:
        raise refuse("finite numbers", text)

    def whole(text: str) -> int:
        if len(text.lstrip("-")) > MAX_DIGITS or not -(1 << 63) <= int(text) < 1 << 63:
            raise refuse("whole numbers of at most 64 bits", text)
        return int(text)

    def real(text: str) -> float:
        number = float(text)
        if number - number != 0:
            raise refuse("finite numbers", text)
        return number

    objects = 0

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        nonlocal objects
        objects += 1
        if objects > MAX_OBJECTS:
            raise refuse(f"at most {MAX_OBJECTS} objects", "more")
        found = dict(pairs)
        if len(found) < len(pairs):
            keys = [key for key, _ in pairs]
            raise refuse("each key once", repr(next(k for k in keys if keys.count(k) > 1)))
        return found

    hooks: dict[str, Any] = {"parse_constant": constant, "parse_int": whole, "parse_float": real}
    try:
        return json.loads(data.decode("utf-8"), object_pairs_hook=once, **hooks)
    except (json.JSONDecodeError, UnicodeDecodeError, RecursionError) as error:
        hint = "The file is damaged or of another kind."
        raise ValueError(expected(owner, "JSON", f"{error}", hint)) from error

"""One shape for every message: `Class 'name': expected ..., got .... What to do.`"""

import difflib
from collections.abc import Iterable

__all__ = ["did_you_mean", "expected", "unknown"]


def expected(owner: str, wanted: str, got: str, hint: str = "") -> str:
    """`owner: expected wanted, got got. hint`, where owner reads like `Dense 'dense_1'`."""
    text = f"{_short(owner)}: expected {_short(wanted, 2000)}, got {_short(got)}."
    return text + (f" {hint}" if hint else "")


def unknown(kind: str, name: object, known: Iterable[str]) -> str:
    """The message for a name that is not in a table: the nearest one first, then all of them."""
    names = sorted(known)
    guess = did_you_mean(name, names)
    hint = f"{guess} " if guess else ""
    hint += f"Known: {', '.join(names)}."
    got = _short(repr(name))
    return f"{kind} {got}: expected one of the known names, got {got}. {hint}"


def _short(text: str, most: int = 600) -> str:
    """The text, its middle left out where it is long: a file can hold a name of a megabyte."""
    half = most // 2
    return text if len(text) <= most else f"{text[:half]} ... {text[-half:]}"


def did_you_mean(name: object, known: Iterable[str]) -> str:
    """A question with the known name that is nearest; empty if none is near."""
    names = {n.lower(): n for n in sorted(known)}  # of two names that differ in case, the lower one
    near = difflib.get_close_matches(str(name)[:100].lower(), names, n=1, cutoff=0.5)
    return f"Did you mean '{names[near[0]]}'?" if near else ""

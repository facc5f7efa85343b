"""One shape for every message: `Class 'name': expected ..., got .... What to do.`"""

import difflib
from collections.abc import Iterable

__all__ = ["expected", "unknown"]


def expected(owner: str, wanted: str, got: str, hint: str = "") -> str:
    """`owner: expected wanted, got got. hint`, where owner reads like `Dense 'dense_1'`."""
    return f"{owner}: expected {wanted}, got {got}." + (f" {hint}" if hint else "")


def unknown(kind: str, name: object, known: Iterable[str]) -> str:
    """The message for a name that is not in a table: the nearest known name first, then all of them."""
    names = sorted(known)
    near = difflib.get_close_matches(str(name).lower(), [n.lower() for n in names], n=1, cutoff=0.5)
    guess = next((n for n in names if near and n.lower() == near[0]), None)
    hint = f"Did you mean '{guess}'? " if guess else ""
    return f"{kind} {name!r}: expected one of the known names, got {name!r}. {hint}Known: {', '.join(names)}."

"""Names that nobody gave: "dense", "dense_1", "dense_2", as Keras counts them."""

import re
from collections import Counter

__all__ = ["auto_name", "clear_session", "to_snake_case", "uniquify"]

_given: Counter[str] = Counter()


def to_snake_case(name: str) -> str:
    """MaxPooling2D -> max_pooling2d, ReLU -> re_lu (Keras's rule, `utils/naming.py`)."""
    name = re.sub(r"\W+", "", name)
    name = re.sub("(.)([A-Z][a-z]+)", r"\1_\2", name)
    return re.sub("([a-z])([A-Z])", r"\1_\2", name).lower()


def uniquify(name: str) -> str:
    """The name itself the first time, then name_1, name_2 ..."""
    count = _given[name]
    _given[name] += 1
    return f"{name}_{count}" if count else name


def auto_name(class_name: str) -> str:
    """A fresh name for an object of this class."""
    return uniquify(to_snake_case(class_name))


def clear_session() -> None:
    """Start counting names from the beginning again."""
    _given.clear()

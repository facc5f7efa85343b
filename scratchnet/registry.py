"""How a string, a config or an object becomes the thing it names: one rule for every kind of thing.

Each module keeps a table `name -> class` under its classes and a `get` that calls `lookup`.
"""

import inspect
from typing import Any

import numpy as np

from scratchnet.errors import expected, unknown
from scratchnet.utils.naming import to_snake_case

__all__ = [
    "Configurable",
    "deserialize",
    "lookup",
    "names",
    "read_array",
    "serialize",
    "write_array",
]

NUMBERS = ("float32", "float64", "int32", "int64", "uint8")  # what an array in a config may be of


class Configurable:
    """Something that can be written as a config: `get_config` gives the constructor's arguments."""

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments, as plain JSON values."""
        return {}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Any:
        """The object that `get_config` described."""
        return cls(**config)


def serialize(thing: Any) -> dict[str, Any] | None:
    """`{"class_name": ..., "config": ...}` for a Configurable, None for None."""
    if thing is None:
        return None
    return {"class_name": type(thing).__name__, "config": thing.get_config()}


def deserialize(kind: str, config: dict[str, Any], table: dict[str, type]) -> Any:
    """The object that `serialize` described; only the names in `table` are ever looked at."""
    wanted, hint = 'a config {"class_name": str, "config": dict}', "Use serialize()."
    if not isinstance(config, dict):
        raise TypeError(expected(kind, wanted, repr(config), hint))
    if not isinstance(config.get("class_name"), str) or not isinstance(
        config.get("config", {}), dict
    ):
        raise ValueError(expected(kind, wanted, repr(config), hint))
    name = config["class_name"]
    if name not in table:
        raise ValueError(unknown(kind, name, table))
    cls: Any = table[name]
    options = config.get("config", {})
    try:
        inspect.signature(cls).bind(**options)
    except TypeError as error:
        raise TypeError(
            expected(f"{kind} '{name}'", "arguments that it takes", str(error))
        ) from None
    return cls.from_config(options)


def names(*classes: type, **aliases: type) -> dict[str, type]:
    """The table for these classes: by class name and by snake_case name, then the aliases."""
    table: dict[str, type] = {}
    for cls in classes:
        table[cls.__name__] = cls
        table[to_snake_case(cls.__name__)] = cls
    return table | aliases


def lookup(kind: str, identifier: Any, table: dict[str, type], base: type) -> Any:
    """None stays None, an instance of `base` itself; a class, name or config becomes one."""
    if identifier is None or isinstance(identifier, base):
        return identifier
    if isinstance(identifier, type) and issubclass(identifier, base):
        return identifier()
    if isinstance(identifier, dict):
        return deserialize(kind, identifier, table)
    if isinstance(identifier, str):
        if identifier in table:
            return table[identifier]()
        raise ValueError(unknown(kind, identifier, table))
    raise TypeError(
        expected(
            kind,
            f"a name, a config, a {base.__name__} or None",
            repr(identifier),
            f"Known: {', '.join(sorted(table))}.",
        )
    )


def write_array(value: Any) -> Any:
    """NumPy's arrays as Keras writes them into a config; everything else as it is."""
    if not isinstance(value, np.ndarray) or value.ndim == 0:
        return value
    return {
        "class_name": "__numpy__",
        "config": {"value": value.tolist(), "dtype": value.dtype.name},
    }


def read_array(value: Any) -> Any:
    """What `write_array` was given; ValueError for an array of anything but numbers."""
    if not isinstance(value, dict) or value.get("class_name") != "__numpy__":
        return value
    config = value.get("config")
    dtype = config.get("dtype") if isinstance(config, dict) else None
    if dtype not in NUMBERS:
        raise ValueError(expected("Config", f"an array of {', '.join(NUMBERS)}", repr(dtype)))
    try:
        return np.array(config["value"], dtype)  # type: ignore[index]
    except (KeyError, ValueError, TypeError, OverflowError):
        raise ValueError(expected("Config", f"an array of {dtype}", f"{config!r:.80}")) from None

"""The few global settings: the default float type, epsilon and the image layout, by Keras's names.

Nothing is read from the home directory: what a script computes does not depend on who runs it.
"""

from typing import Any

from scratchnet.errors import expected, unknown

__all__ = [
    "epsilon",
    "floatx",
    "image_data_format",
    "set_epsilon",
    "set_floatx",
    "set_image_data_format",
]

FLOAT_TYPES = ("float32", "float64")

_floatx = "float32"
_epsilon = 1e-7


def floatx() -> str:
    """The float type that is used where none is given: "float32" or "float64"."""
    return _floatx


def set_floatx(value: str) -> None:
    """Set the default float type: "float32" to train, "float64" to prove."""
    global _floatx
    _floatx = standardize_dtype(value)


def epsilon() -> float:
    """The small number that keeps logarithms and divisions finite, 1e-7."""
    return _epsilon


def set_epsilon(value: float) -> None:
    """Set the small number used by the clipped cross-entropies."""
    global _epsilon
    if not isinstance(value, int | float) or not 0 < value < 0.5:
        raise ValueError(expected("config.set_epsilon", "a number between 0 and 0.5", repr(value)))
    _epsilon = float(value)


def image_data_format() -> str:
    """Always "channels_last": images are (N, H, W, C)."""
    return "channels_last"


def set_image_data_format(data_format: str) -> None:
    """Accepts "channels_last" only."""
    check_data_format("config.set_image_data_format", data_format)


def check_data_format(owner: str, data_format: str | None) -> str:
    """Return "channels_last", refusing any other layout by name."""
    if data_format not in (None, "channels_last"):
        raise ValueError(
            expected(
                owner,
                'data_format "channels_last" (images as (N, H, W, C))',
                repr(data_format),
                "Move the channel axis last with np.moveaxis(x, 1, -1).",
            )
        )
    return "channels_last"


def standardize_dtype(dtype: object) -> str:
    """Return "float32" or "float64" for None (the default), a name or a NumPy dtype."""
    if dtype is None:
        return _floatx
    name = (
        dtype
        if isinstance(dtype, str)
        else getattr(dtype, "name", getattr(dtype, "__name__", repr(dtype)))
    )
    if name not in FLOAT_TYPES:
        raise ValueError(unknown("dtype", name, FLOAT_TYPES))
    return name


def __getattr__(name: str) -> Any:
    raise AttributeError(unknown("scratchnet.config", name, __all__))

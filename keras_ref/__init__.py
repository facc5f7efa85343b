"""The Keras side: twins of every network, weights copied both ways, and probes that read both
sides.

Everything here needs Keras on TensorFlow, except `trace`, `divergence` and `golden`, which compare
with what was read from Keras before. `require()` gives the `keras` module, or says what to install.
"""

import importlib.util
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

__all__ = ["available", "floatx", "require"]

HINT = "Keras: expected TensorFlow and Keras, got neither. Install them: pip install '.[keras]'"


def available() -> bool:
    """Whether Keras and TensorFlow can be imported (without importing them)."""
    return all(importlib.util.find_spec(name) is not None for name in ("keras", "tensorflow"))


def require() -> Any:
    """The `keras` module, on TensorFlow; ModuleNotFoundError with what to install where it is
    missing.

    The backend is pinned, because what Keras computes at saturated outputs and which random numbers
    it draws depend on it.
    """
    if not available():
        raise ModuleNotFoundError(HINT)
    os.environ["KERAS_BACKEND"] = "tensorflow"
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
    os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")
    import keras

    if keras.backend.backend() != "tensorflow":
        raise RuntimeError(
            f"Keras: expected the tensorflow backend, got {keras.backend.backend()!r}. "
            "Set KERAS_BACKEND=tensorflow before Keras is imported."
        )
    return keras


@contextmanager
def floatx(library: Any, dtype: str) -> Iterator[None]:
    """Make `dtype` the default float of a library, ScratchNet or Keras, inside the `with` block."""
    before = library.config.floatx()
    _set_floatx(library, dtype)
    try:
        yield
    finally:
        _set_floatx(library, before)


def _set_floatx(library: Any, dtype: str) -> None:
    library.config.set_floatx(dtype)
    if library.__name__ == "keras":
        library.config.set_dtype_policy(dtype)  # Keras settles it once, whatever floatx says later

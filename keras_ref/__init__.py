"""The Keras side: twins of every network, weights copied both ways, and probes that read both sides.

Everything here needs Keras on TensorFlow, except `trace`, `divergence` and `golden`, which compare with
what was read from Keras before. `require()` gives the `keras` module, or says what to install.
"""

import importlib.util
import os
from typing import Any

__all__ = ["available", "require"]

HINT = "Keras: expected TensorFlow and Keras, got neither. Install them: pip install '.[keras]'"


def available() -> bool:
    """Whether Keras and TensorFlow can be imported (without importing them)."""
    return all(importlib.util.find_spec(name) is not None for name in ("keras", "tensorflow"))


def require() -> Any:
    """The `keras` module, on TensorFlow; ModuleNotFoundError with what to install where it is missing.

    The backend is pinned, because what Keras computes at saturated outputs and which random numbers it
    draws depend on it.
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

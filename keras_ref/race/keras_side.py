"""Keras, on the CPU or a GPU, as the tutorials call it or with other settings of `compile`."""

import os
import sys
from typing import Any

import numpy as np
from numpy.typing import NDArray

from keras_ref import require
from keras_ref.race.side import ModelSide

__all__ = ["SIDE", "KerasSide"]

TRIAL_BATCHES = 128  # of a trial's fit: two calls of 64 steps
TRIAL_FITS = 3
# Keras imports these where they are installed, which nobody needs here: 2 s of its start-up and
# 100 MB. Hidden, it is what `pip install tensorflow` gives.
OPTIONAL = ("matplotlib", "pandas", "scipy", "sklearn")


class KerasSide(ModelSide):
    """`fit` and `predict` of Keras, and its fastest way to predict one image.

    options   backend: other than TensorFlow on the CPU, one that sees a GPU
              compile: more arguments of `compile`
    """

    def load(self) -> None:
        self.backend = self.options.get("backend")
        if self.backend in (None, "tensorflow"):
            sys.modules |= dict.fromkeys(OPTIONAL)  # type: ignore[arg-type]  # None: not there
        if self.backend is None:
            os.environ["CUDA_VISIBLE_DEVICES"] = "-1"
        os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
        if self.backend in (None, "tensorflow"):
            import tensorflow as tf

            tf.config.threading.set_intra_op_parallelism_threads(self.threads)
            tf.config.threading.set_inter_op_parallelism_threads(self.threads)
        if self.backend is None:
            self.library = require()
        else:
            os.environ["KERAS_BACKEND"] = self.backend
            import keras

            self.library = keras
        if self.backend == "torch":
            import torch

            torch.set_num_threads(self.threads)
        self.compile_options = self.options.get("compile", {})

    def trial(self) -> dict[str, Any]:
        """Seconds a sample of the fastest of a few fits over some of the rows."""
        rows = slice(min(TRIAL_BATCHES * self.batch_size, len(self.x)))
        self._fit(self.model, rows)
        seconds = [self._timed(lambda: self._fit(self.model, rows)) for _ in range(TRIAL_FITS)]
        return {"seconds": min(seconds) / rows.stop}

    def _calls(self) -> dict[str, Any]:
        calls = super()._calls()

        def called(image: NDArray[Any]) -> NDArray[Any]:
            return _array(self.model(image, training=False))

        calls["model(x, training=False)"] = called
        if self.backend in (None, "tensorflow"):
            import tensorflow as tf

            signature = [tf.TensorSpec((1, *self.shape), tf.float32)]
            for name, jit in (("tf.function", None), ("tf.function, jit_compile", True)):
                function = tf.function(
                    lambda x: self.model(x, training=False),
                    input_signature=signature,
                    jit_compile=jit,
                )
                calls[name] = lambda image, function=function: function(image).numpy()
        return calls

    def _versions(self) -> dict[str, str]:
        from scratchnet.study.doctor import version_of

        names = ("keras", self.backend or "tensorflow", "numpy")
        return {name: version_of(name) or "unknown" for name in names}

    def _facts(self) -> dict[str, Any]:
        facts: dict[str, Any] = {"backend": self.library.backend.backend()}
        if self.backend is not None:
            facts["device"] = f"GPU, by {self.backend}"
        if self.backend in (None, "tensorflow"):
            import tensorflow as tf

            threading = tf.config.threading
            facts["not_imported"] = list(OPTIONAL)
            facts["tensorflow_threads"] = {
                "intra_op": threading.get_intra_op_parallelism_threads(),
                "inter_op": threading.get_inter_op_parallelism_threads(),
            }
        return facts | {"compile": self.compile_options}


def _array(tensor: Any) -> NDArray[Any]:
    """A tensor of any backend as an array here."""
    if hasattr(tensor, "detach"):
        tensor = tensor.detach().cpu()
    return np.asarray(tensor)


SIDE = KerasSide

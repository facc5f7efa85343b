"""Starting TensorFlow without the lines it writes before anything has been asked of it."""

import os
import sys
import tempfile
from typing import Any

from keras_ref import require

__all__ = ["start"]


def start() -> Any:
    """The `keras` module, with TensorFlow awake; what it writes is shown only if it fails.

    Its first lines (oneDNN is on, no CUDA was found) come from C++ before any setting is read, so
    they are caught where they are written: at file descriptor 2.
    """
    sys.stderr.flush()
    before = os.dup(2)
    with tempfile.TemporaryFile() as caught:
        os.dup2(caught.fileno(), 2)
        try:
            keras = require()
            keras.ops.zeros(1)
        except BaseException:
            caught.seek(0)
            os.write(before, caught.read())
            raise
        finally:
            os.dup2(before, 2)
            os.close(before)
    return keras

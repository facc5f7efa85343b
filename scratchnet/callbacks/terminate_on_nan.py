"""Stop when the loss is no longer a number."""

import numpy as np

from scratchnet.callbacks.callback import Callback, Logs
from scratchnet.utils.console import print_msg

__all__ = ["TerminateOnNaN"]


class TerminateOnNaN(Callback):
    """Stops `fit` after the batch whose loss is NaN or infinite, or raises if `raise_error`.

    Raising leaves out the other callbacks' `on_train_end`.

    source    keras/src/callbacks/terminate_on_nan.py
    """

    def __init__(self, raise_error: bool = False) -> None:
        super().__init__()
        self.raise_error = raise_error

    def on_batch_end(self, batch: int, logs: Logs = None) -> None:
        """Look at the loss."""
        loss = (logs or {}).get("loss")
        if loss is None or np.isfinite(loss):
            return
        if self.raise_error:
            raise RuntimeError(
                f"NaN or Inf loss encountered at batch {batch}: expected a finite number, got "
                f"{loss}. Lower the learning rate, clip the gradients or look for NaN in the input."
            )
        print_msg(f"Batch {batch}: Invalid loss, terminating training")
        self.model.stop_training = True

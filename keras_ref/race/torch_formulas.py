"""PyTorch's optimizers as ScratchNet's: what the reference must compute to be PyTorch's twin.

Both add epsilon to the root, where Keras has it elsewhere. Where gradients are tiny the steps
differ, and after a few updates so do the losses, by several percent.

source    torch/optim/rmsprop.py and adam.py, the functions _single_tensor_*
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from scratchnet.optimizers import Adam, RMSprop

__all__ = ["FORMULAS"]

Array = NDArray[np.floating]


class TorchRMSprop(RMSprop):
    """v = rho * v + (1 - rho) * g**2 and w = w - rate * g / (sqrt(v) + epsilon)."""

    def _update(
        self, parameters: Array, gradients: Array, slots: Any, learning_rate: float
    ) -> None:
        v = slots["velocity"]
        v[:] = self.rho * v + (1 - self.rho) * gradients**2
        parameters -= learning_rate * gradients / (np.sqrt(v) + self.epsilon)


class TorchAdam(Adam):
    """w = w - rate * m' / (sqrt(v') + epsilon), where m' and v' are corrected first."""

    def _update(
        self, parameters: Array, gradients: Array, slots: Any, learning_rate: float
    ) -> None:
        m, v, t = slots["momentum"], slots["velocity"], self.iterations + 1
        m[:] = self.beta_1 * m + (1 - self.beta_1) * gradients
        v[:] = self.beta_2 * v + (1 - self.beta_2) * gradients**2
        corrected = m / (1 - self.beta_1**t), v / (1 - self.beta_2**t)
        parameters -= learning_rate * corrected[0] / (np.sqrt(corrected[1]) + self.epsilon)


FORMULAS = {"rmsprop": TorchRMSprop, "adam": TorchAdam}

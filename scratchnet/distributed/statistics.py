"""What BatchNormalization asks of the other ranks: mean and variance of the whole batch.

With r the share of a rank's rows in the batch, and every sum over the ranks:

    mean = sum r * mean_r            variance = sum r * (variance_r + (mean_r - mean)^2)
    dgamma = sum r * dgamma_r        dbeta = sum r * dbeta_r

A rank's loss is the mean over its own rows, so its gradients count r times in those of the batch;
with the sums above in place of its own, the layer's formula for dx holds as it stands.

source    Chan, Golub and LeVeque, "Algorithms for computing the sample variance" (1983)
"""

import numpy as np

from scratchnet.distributed.world import World
from scratchnet.layers.base import Array

__all__ = ["Statistics"]


class Statistics:
    """share    of this rank's rows in the batch at work"""

    def __init__(self, world: World) -> None:
        self.world, self.share = world, 0.0

    def statistics(self, mean: Array, variance: Array) -> None:
        """Make of a part's mean and variance (C,) those of the whole batch."""
        own = mean.astype(np.float64)
        mean[...] = whole = self._sum(own)
        variance[...] = self._sum(variance + (own - whole) ** 2)

    def sums(self, dgamma: Array, dbeta: Array) -> None:
        """Make of a part's gradients (C,) the sums over the batch."""
        dgamma[...], dbeta[...] = self._sum(np.stack([dgamma, dbeta]).astype(np.float64))

    def _sum(self, mine: Array) -> Array:
        total = np.empty_like(mine)
        self.world.add(mine * self.share, total)
        return total

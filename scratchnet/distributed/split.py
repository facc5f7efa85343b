"""One step of training on many ranks: each does its part of the batch, and the parts are put
together.

The loss of a batch is the mean of the losses of its parts, each counted by its share; so are the
gradients, and those of the penalties, which every rank has alike: the shares add up to 1. One
all-reduce adds up the gradients, one all-gather hands round the outputs, which the metrics want.
"""

from math import prod
from typing import Any

import numpy as np

from scratchnet.data import Batches
from scratchnet.distributed import world as ranks
from scratchnet.distributed.statistics import Statistics
from scratchnet.layers.base import Array
from scratchnet.layers.dropout import Dropout
from scratchnet.layers.normalization import BatchNormalization
from scratchnet.metrics.resolve import sees_logits

__all__ = ["Split", "split"]


def split(steps: Any) -> Any:
    """These steps, done by all ranks where there are several."""
    world = ranks.current()
    return steps if world is None else Split(steps, world)


class Split:
    """The steps of a model whose batches are cut into parts: of n rows the first n % size ranks
    take one more than the others, and of a small batch the last ranks take none.

    steps    who does a part on its own
    """

    def __init__(self, steps: Any, world: ranks.World) -> None:
        self.steps, self.world = steps, world
        self.model: Any = steps.model
        self.mine: Array | None = None  # this rank's part of the gradient
        self._known: dict[Any, list[tuple[int, ...]]] = {}
        self._statistics = Statistics(world)
        self._normal = [
            (index, layer)
            for index, layer in enumerate(self.model.layers)
            if isinstance(layer, BatchNormalization) and layer.trainable
        ]
        self._dropouts: list[Any] = [
            layer for layer in self.model.layers if isinstance(layer, Dropout) and layer.rate > 0
        ]

    def train(self, batch: Batches) -> tuple[float, Array]:
        """One step: loss and output of the whole batch, after the update."""
        model = self.model
        if self.mine is None:
            model.build_optimizer()
            self.mine = np.empty(model.trainable_size, model.dtype)
        part, share = self._part(batch)
        value, y_pred = self._gradients(part, batch)
        if part is None:
            self.mine[:] = 0
        else:
            np.multiply(model._gradients[: self.mine.size], share, out=self.mine)
        gradients = model._gradients[: self.mine.size]
        if gradients.size:
            self.world.add(self.mine, gradients)
            model.optimizer.apply_flat(gradients, model._parameters[: gradients.size])
        return self._whole(batch, value * share, y_pred, training=True)

    def test(self, batch: Batches) -> tuple[float, Array]:
        """Loss and output of the whole batch."""
        part, share = self._part(batch)
        value, y_pred = (0.0, None) if part is None else self.steps.test(part)
        return self._whole(batch, value * share, y_pred, training=False)

    def _gradients(self, part: Batches | None, batch: Batches) -> tuple[float, Array | None]:
        """Loss and output of the part, with masks and statistics of the whole batch."""
        n = len(batch.y)
        first, end = self._rows(n)
        self._statistics.share = (end - first) / n
        for layer in self._dropouts:
            layer.within = first, n
        for _, layer in self._normal:
            layer.among = self._statistics
        try:
            if part is None:
                return self._stand_by()
            return self.steps.gradients(part)  # type: ignore[no-any-return]
        finally:
            for layer in self._dropouts:
                layer.within = None
            for _, layer in self._normal:
                layer.among = None

    def _stand_by(self) -> tuple[float, None]:
        """What there is to do without a row: the streams and averages of all ranks stay together,
        and who asks is answered."""
        for layer in self._dropouts:
            layer.seed_generator.next()
        for _, layer in self._normal:
            layer.stand_by(backward=False)
        for index, layer in reversed(self._normal):
            if index >= self.model.lowest_trainable():
                layer.stand_by(backward=True)
        return 0.0, None

    def _rows(self, n: int) -> tuple[int, int]:
        """The first of this rank's rows among n, and the one after its last."""
        each, more = divmod(n, self.world.size)
        first = self.world.rank * each + min(self.world.rank, more)
        return first, first + each + (self.world.rank < more)

    def _part(self, batch: Batches) -> tuple[Batches | None, float]:
        """This rank's rows, None where it has none, and what their loss counts in the batch's."""
        first, end = self._rows(len(batch.y))
        if first == end:
            return None, 0.0
        part, loss = batch.part(slice(first, end)), self.model.loss
        share = (end - first) / len(batch.y)
        if loss.reduction == "sum":  # it is no mean: make the values larger by what is taken off
            ones = np.ones(end - first)
            part.sample_weight = (
                ones if part.sample_weight is None else part.sample_weight
            ) / share
            return part, share
        whole = loss.mass(batch.y, batch.sample_weight)
        if whole:
            share = loss.mass(part.y, part.sample_weight) / whole
        return part, share

    def _whole(
        self, batch: Batches, value: float, y_pred: Array | None, training: bool
    ) -> tuple[float, Array]:
        """Loss and output of the whole batch, from those of the parts.

        A metric that starts from the logits finds them, of the whole batch too, in their layer.
        """
        source, n = self._logits_wanted(training), len(batch.y)
        parts = [y_pred, None if source is None or y_pred is None else self.model.layers[source].z]
        shapes = self._shapes(batch.source.shape[1:], source)
        each, more = divmod(n, self.world.size)
        most = each + (more > 0)
        mine = np.zeros(1 + most * sum(map(prod, shapes)), self.model.dtype)
        mine[0], at = value, 1
        for part, shape in zip(parts, shapes, strict=False):
            if part is not None:
                mine[at : at + part.size] = part.reshape(-1)
            at += most * prod(shape)
        everybody, at, wholes = self.world.gather(mine), 1, []
        for shape in shapes:
            width = prod(shape)
            # the ranks with a row more, then the others
            rows = [
                everybody[:more, at : at + most * width].reshape(-1, *shape),
                everybody[more:, at : at + each * width].reshape(-1, *shape),
            ]
            wholes.append(np.concatenate(rows))
            at += most * width
        if source is not None:
            self.model.layers[source].z = wholes[1]
        return float(everybody[:, 0].sum(dtype=np.float64)), wholes[0]

    def _logits_wanted(self, training: bool) -> int | None:
        """The layer whose logits a metric starts from; before the metrics are known, any such."""
        metrics = self.model._metrics
        if metrics is not None and not any(sees_logits(metric) for metric in metrics):
            return None
        return self.model._logits_layer(training)  # type: ignore[no-any-return]

    def _shapes(self, sample: tuple[int, ...], source: int | None) -> list[tuple[int, ...]]:
        """The shapes for one sample of what is handed round: the output, and the logits."""
        known = self._known.get((sample, source))
        if known is None:
            shape, layers = (None, *sample), []
            for layer in self.model.layers:
                shape = layer.compute_output_shape(shape)
                layers.append(tuple(shape[1:]))
            known = [layers[-1]] if source is None else [layers[-1], layers[source]]
            self._known[sample, source] = known
        return known

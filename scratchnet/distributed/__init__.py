"""Training on many processes at once, each with a part of every batch.

    # train.py; mpiexec -n 4 python train.py
    import scratchnet as keras

    keras.distributed.start()
    ...  # the model and all the data, the same lines on every rank
    model.fit(x, y, batch_size=128)

A rank is one of the processes that `mpiexec` started. Every rank holds the whole model and all the
data, and `fit` must be called by all of them. Of every batch a rank computes its own rows
(`split.py`); the gradients are added up over all ranks, and each makes the same update, so that the
run is that of a single process but for the order of a sum. Losses, metrics and the history are
those of whole batches, the same on every rank.

Callbacks act on every rank, but for those that show or write something (`Callback.writes`): they
act on rank 0 alone. Where your own code prints or saves, ask `rank() == 0`. `evaluate`, `predict`
and `train_on_batch` are each rank's own affair.
"""

from typing import Any

from scratchnet.distributed.world import World, rank, size, start
from scratchnet.errors import unknown

__all__ = ["World", "rank", "size", "start"]


def __getattr__(name: str) -> Any:
    raise AttributeError(unknown("scratchnet.distributed", name, __all__))

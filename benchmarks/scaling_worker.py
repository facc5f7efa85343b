"""What scaling.py times, in one process of each rank.

    python scaling_worker.py steps|overlap|parts FILE

steps      whole steps as `fit` does them: forward, backward, all-reduce, update, all-gather, the
           metrics, and the question whether a rank wants to stop
overlap    the same with one all-reduce for each layer, started while the layers below still work,
           beside the one all-reduce that the package has; the sums must be the same
parts      what a step consists of, for the model on paper: the passes for 1 to 128 rows, the
           update, and what each rank does for the whole batch (dropout masks, metrics)
"""

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

import scratchnet
from scratchnet import distributed, networks
from scratchnet.data import Batches
from scratchnet.distributed.split import Split, split
from scratchnet.distributed.world import any_rank, of_first
from scratchnet.layers import Dropout
from scratchnet.layers.base import Array
from scratchnet.metrics.tally import Tally

BATCH, IMAGES = 128, 2048
BLOCKS, SECONDS = 3, 0.1  # timings, and how long one takes
ROWS = 1, 2, 4, 8, 16, 32, 64, 128


class Overlapped(Split):
    """Split with an all-reduce for each layer, started as soon as its gradients are there."""

    def train(self, batch: Batches) -> tuple[float, Array]:
        model = self.model
        if self.mine is None:
            model.build_optimizer()
            self.mine = np.empty(model.trainable_size, model.dtype)
            self.started: dict[int, Any] = {}
            for step in self.steps.steps:
                for name in ("backward", "backward_z"):
                    if hasattr(step, name):
                        setattr(step, name, self._then_send(step, getattr(step, name)))
        part, self.share = self._part(batch)
        assert part is not None
        value, y_pred = self._gradients(part, batch)
        for request in self.started.values():
            request.Wait()
        self.started.clear()
        gradients = model._gradients[: self.mine.size]
        model.optimizer.apply_flat(gradients, model._parameters[: gradients.size])
        return self._whole(batch, value * self.share, y_pred, training=True)

    def _then_send(self, step: Any, backward: Callable[..., Any]) -> Callable[..., Any]:
        def wrapped(*arguments: Any) -> Any:
            dx = backward(*arguments)
            grads = [array for layer in step.layers for array in layer.grads.values()]
            if grads and id(step) not in self.started:
                flat = self.model._gradients
                first, last = (
                    (array.__array_interface__["data"][0] - flat.ctypes.data) // flat.itemsize
                    for array in (grads[0], grads[-1])
                )
                mine, total = (a[first : last + grads[-1].size] for a in (self.mine, flat))
                np.multiply(total, self.share, out=mine)
                self.started[id(step)] = self.world.comm.Iallreduce(mine, total)
            return dx

        return wrapped


def steps() -> dict[str, list[float]]:
    """Seconds of a whole step of each network: the batch divided, and a batch for each rank."""
    sizes = {"strong": BATCH, "weak": BATCH * distributed.size()}
    return {
        f"{name}, {mode}": timings(*fit_step(name, rows, split))
        for name in networks.NETWORKS
        for mode, rows in sizes.items()
    }


def overlap() -> dict[str, list[float]]:
    """Seconds of a step with an all-reduce for each layer, and with one; by turns."""
    found: dict[str, list[float]] = {}
    world = distributed.start()
    for name in networks.NETWORKS:
        one, layers = split, lambda steps: Overlapped(steps, world)
        _check_alike(name, one, layers)
        found[f"{name}, one all-reduce"] = timings(*fit_step(name, BATCH, one))
        found[f"{name}, one for each layer"] = timings(*fit_step(name, BATCH, layers))
    return found


def _check_alike(name: str, *makes: Callable[[Any], Any]) -> None:
    """Raise unless a step comes out the same in these two ways."""
    outcomes = []
    for make in makes:
        model, batches = prepared(name)
        make(model._steps()).train(batches[0])
        outcomes.append(model.gradients.copy())
    np.testing.assert_allclose(*outcomes, rtol=1e-4, atol=1e-7, err_msg=name)


def parts() -> dict[str, list[float]]:
    """Seconds of each part of a step."""
    found = {}
    for name in networks.NETWORKS:
        model, batches = prepared(name)
        steps, tally = model._steps(), Tally(model, watched=False)
        _, y_pred = steps.train(batches[0])
        model._update_metrics(0.0, batches[0], y_pred, training=True)
        y_pred, n = y_pred.copy(), model.trainable_size
        still, parameters = np.zeros(n, np.float32), model._parameters[:n].copy()
        drawn = [
            (layer, (BATCH, *layer.input_shape[1:]))
            for layer in model.layers
            if isinstance(layer, Dropout)
        ]
        does: dict[str, Callable[[Batches], Any]] = {
            f"passes of {rows} rows": lambda b, rows=rows, steps=steps: steps.gradients(  # type: ignore[misc]
                b.part(slice(rows))
            )
            for rows in ROWS
        }
        does["update"] = lambda _, o=model.optimizer, g=still, p=parameters: o.apply_flat(g, p)  # type: ignore[misc]
        does["masks"] = lambda _, drawn=drawn: [layer.draw_mask(shape) for layer, shape in drawn]  # type: ignore[misc]
        does["metrics"] = lambda b, tally=tally, y=y_pred: tally.add(0.0, b, y)  # type: ignore[misc]
        for part, do in does.items():
            found[f"{name}, {part}"] = timings(do, batches)
    return found


def prepared(name: str, rows: int = BATCH) -> tuple[Any, list[Batches]]:
    """The network, ready to train, and some batches of random images."""
    (chosen,) = networks.get(name)
    scratchnet.utils.set_random_seed(1)
    model, rng = chosen.compiled(scratchnet), np.random.default_rng(1)
    images = rng.integers(0, 256, (IMAGES, 28, 28))
    every = Batches(*chosen.prepare(images, rng.integers(0, 10, IMAGES)))
    return model, [every.rows(rng.permutation(IMAGES)[:rows]) for _ in range(8)]


def fit_step(
    name: str, rows: int, make: Callable[[Any], Any]
) -> tuple[Callable[[Batches], Any], list[Batches]]:
    """A step as `fit` does it, and batches for it."""
    model, batches = prepared(name, rows)
    doer, tally = make(model._steps()), Tally(model, watched=False)

    def step(batch: Batches) -> None:
        loss, y_pred = doer.train(batch)
        tally.add(loss, batch, y_pred)
        any_rank(False)

    return step, batches


def timings(do: Callable[[Any], Any], batches: list[Batches]) -> list[float]:
    """Seconds of one call, from blocks of as many calls as take SECONDS."""
    for batch in batches[:4]:
        do(batch)
    begun = time.perf_counter()
    for batch in batches[:3]:
        do(batch)
    calls = int(SECONDS / (time.perf_counter() - begun) * 3)
    calls = int(of_first(np.array([min(max(calls, 3), 5000)]))[0])
    found = []
    for _ in range(BLOCKS):
        any_rank(False)  # all begin together
        begun = time.perf_counter()
        for i in range(calls):
            do(batches[i % len(batches)])
        found.append((time.perf_counter() - begun) / calls)
    return found


if __name__ == "__main__":
    distributed.start()
    measured = {"steps": steps, "overlap": overlap, "parts": parts}[sys.argv[1]]()
    if distributed.rank() == 0:
        Path(sys.argv[2]).write_text(json.dumps(measured))

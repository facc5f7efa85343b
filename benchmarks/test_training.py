"""Each network's training epoch and predictions: every engine, Keras, PyTorch and scikit-learn.

Every contestant has a process of its own, the ones of `scratchnet race`: free of what pins BLAS,
with as many threads as everybody. Before it is timed it shows that it computes the same losses
(keras_ref/race/agreement.py) and trains an epoch, so that all is compiled. Contestants run one
after the other here; for a ratio that a busy moment of the machine cannot touch there is
`scratchnet race`, which lets them take turns.

SCRATCHNET_BENCH_DATA=mnist trains on MNIST instead of the digits that come with ScratchNet. `loops`
trains on a few samples; its seconds are scaled up, and its case says from how many.
"""

import os
from collections.abc import Iterator
from contextlib import ExitStack
from functools import lru_cache
from tempfile import TemporaryDirectory
from typing import Any

import pytest

from benchmarks.recorder import Recorder
from keras_ref.race import agreement, contestants, referee
from keras_ref.race.contestants import Contestant, Refused
from keras_ref.race.process import Process
from scratchnet import datasets
from scratchnet.engines.threads import get_num_threads
from scratchnet.networks import NETWORKS

DATA = os.environ.get("SCRATCHNET_BENCH_DATA") or "digits"
SECONDS = 1.0  # of timed epochs, about
MOST_ROUNDS, LEAST_ROUNDS = 15, 3
PREDICTIONS = 5  # rounds, of a tenth of a second each
PATIENCE = 30.0  # seconds for one answer; what XLA compiles longer than that is left out
# label -> (contestant of the race, arguments of `compile`)
CONTESTANTS: dict[str, tuple[str, dict[str, Any]]] = {
    "loops": ("loops", {}),
    "numpy": ("numpy", {}),
    "numba": ("numba", {}),
    "fused": ("fused", {}),
    "keras as in the tutorials": ("keras", {}),
    "keras 64 steps": ("keras", {"steps_per_execution": 64, "jit_compile": False}),
    "keras 64 steps jit": ("keras", {"steps_per_execution": 64, "jit_compile": True}),
    "keras gpu": ("keras-gpu", {}),
    "torch": ("torch", {}),
    "sklearn": ("sklearn", {}),
}
KERAS_ONCE = "keras as in the tutorials"  # predicting one image has no settings


@lru_cache
def _data() -> Any:
    return datasets.load(DATA)


@lru_cache
def _contestant(name: str) -> Contestant | str:
    """The contestant, or why it cannot run here."""
    try:
        return contestants.contestant(name)
    except Refused as reason:
        return str(reason)


class Entry:
    """A contestant that is ready to be timed on a network."""

    def __init__(
        self, race: Any, label: str, process: Process, facts: dict[str, float], difference: float
    ) -> None:
        self.network, self.facts = race.network.name, facts
        self.samples, self.rows = race.samples, len(race.arrays["x_test"])
        self.label, self.process, self.difference = label, process, difference

    def describe(self, record: Recorder, what: str, samples: int) -> None:
        """The case's group, and what its seconds were measured with."""
        record.group(f"{self.network}, {what}, {DATA}")
        record.extra.update(
            samples=samples,
            agreement=f"relative difference {self.difference:.1e} from float64",
            start_up_seconds=self.facts["start_up"],
            first_batch_seconds=self.facts["first_batch"],
            compile=dict(CONTESTANTS[self.label][1]),
            ran_on=self.process.ask("facts"),
        )

    def ask(self, record: Recorder, action: str, **arguments: Any) -> float:
        """Seconds of one round."""
        answer = self.process.ask(action, **arguments)
        if "scaled_from" in answer:
            count = answer["scaled_from"]
            record.extra["scaled"] = f"timed on {count} samples, seconds scaled up to all"
        if "call" in answer:
            record.extra["call"] = answer["call"]
        return float(answer["seconds"])

    def predictions(self, record: Recorder, action: str, **arguments: Any) -> None:
        """Rounds of a prediction after one to warm up, of which `loops` has no need."""
        rounds = PREDICTIONS
        if self.label == "loops":
            rounds = 1
        else:
            self.ask(record, action, **arguments)
        record.time_told(lambda: self.ask(record, action, **arguments), rounds)


@pytest.fixture(
    scope="module",
    params=[(network, label) for network in NETWORKS for label in CONTESTANTS],
    ids=lambda pair: f"{pair[0]}-{pair[1]}",
)
def entry(request: pytest.FixtureRequest) -> Iterator[Entry]:
    """Start a contestant, check it, warm it up; stop it after its last case."""
    network, label = NETWORKS[request.param[0]], request.param[1]
    name, options = CONTESTANTS[label]
    chosen = _contestant(name)
    if isinstance(chosen, str):
        pytest.skip(chosen)
    chosen = chosen.with_options(compile=options) if options else chosen
    jit = bool(options.get("jit_compile"))
    settings = referee.Settings(
        network.name, data=DATA, threads=get_num_threads(), cold=False,
        **({"timeout": PATIENCE} if jit else {}),
    )  # fmt: skip
    with ExitStack() as stack:
        folder = stack.enter_context(TemporaryDirectory(prefix="scratchnet-bench-"))
        race = referee._Race(
            settings, network, {name: chosen}, folder, get_num_threads(),
            referee.Progress(network.name, 1, [name]), lambda progress: None,
        )  # fmt: skip
        race._prepare(_data())
        if reason := contestants.not_applicable(chosen, network, race.task["layers"]):
            pytest.skip(f"{name}, {network.name}: {reason}")
        try:
            yield _ready(race, label, stack)
        except RuntimeError as error:
            if jit and f"none in {PATIENCE:g} seconds" in str(error):
                pytest.skip(f"{label}, {network.name}: not compiled in {PATIENCE:g} seconds")
            raise


def _ready(race: Any, label: str, stack: ExitStack) -> Entry:
    """Start the contestant of this race, have it show that it agrees, and warm it up."""
    name, slow = race.first, label == "loops"  # which takes a second for each sample
    process = stack.enter_context(race._process(name))
    facts = {"start_up": process.start_up, "first_batch": process.ask("first")["seconds"]}
    rows = 1 if slow else agreement.rows_of(name, race.network.batch_size, race.samples)
    side = race.chosen[name].side
    wanted = agreement.reference(race.network, race.weights, race.arrays, rows, side)
    losses = process.ask("losses", rows=rows, steps=agreement.STEPS)
    difference = agreement.check(race.chosen[name], losses, wanted)
    if not slow:
        facts["warm_up_epoch"] = process.ask("epoch")["seconds"]
    process.ask("reset")
    return Entry(race, label, process, facts, difference)


def test_training_epoch(entry: Entry, record: Recorder) -> None:
    entry.describe(record, "training epoch", entry.samples)
    rounds = 1
    if entry.label != "loops":
        rounds = round(SECONDS / entry.facts["warm_up_epoch"])
        rounds = min(max(rounds, LEAST_ROUNDS), MOST_ROUNDS)
    record.time_told(lambda: entry.ask(record, "epoch"), rounds)
    median = record.benchmark.stats.stats.median
    record.extra["samples_per_second"] = entry.samples / median


def test_prediction(entry: Entry, record: Recorder) -> None:
    rows = min(referee.PREDICT_ROWS, entry.rows)
    entry.describe(record, f"prediction of {rows} images", rows)
    entry.predictions(record, "predict", rows=rows)
    median = record.benchmark.stats.stats.median
    record.extra["samples_per_second"] = rows / median


def test_prediction_of_one_image(entry: Entry, record: Recorder) -> None:
    if entry.label.startswith("keras 64"):
        pytest.skip(f"the same calls as those of '{KERAS_ONCE}'")
    entry.describe(record, "prediction of one image", 1)
    entry.predictions(record, "one")

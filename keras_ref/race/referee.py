"""The order of a race: agreement, cold start, start, rounds in turn, predictions in turn."""

import os
import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import scratchnet
from keras_ref.race import agreement, measure, strangers
from keras_ref.race.contestants import (
    Contestant,
    Refused,
    contestant,
    not_applicable,
    parse,
)
from keras_ref.race.process import Process, Spinner
from scratchnet import datasets
from scratchnet.datasets.folder import LoadedData
from scratchnet.networks import Network

__all__ = ["Progress", "Settings", "run"]

FORMAT = 1
PREDICT_ROWS = 10_000
# the settings of `compile` among which keras-best looks for its own
SETTINGS = [
    {"steps_per_execution": steps, "jit_compile": jit} for jit in (False, True) for steps in (1, 64)
]
SLACK = 0.01  # below the tutorial's test accuracy: the default of --accuracy


@dataclass(frozen=True)
class Settings:
    """What is asked for.

    network    a name, also one of strangers.py, or "all": the six of the tutorials
    against    names of contestants; "all" for everybody
    engine     of the first contestant; None is the one in use, ScratchNet's default
    data       "digits", "mnist" or a folder
    epochs     rounds
    threads    of every contestant; None is as many as there are cores
    accuracy   test accuracy to be reached; None is the tutorial's less 0.01
    busy       whether a process spins on one core beside the rounds
    cold       whether to time a start with nothing compiled before
    timeout    seconds that a contestant may take for one answer
    """

    network: str = "mlp_adam"
    against: tuple[str, ...] = ("keras",)
    engine: str | None = None
    data: str = "digits"
    epochs: int = 7
    threads: int | None = None
    accuracy: float | None = None
    busy: bool = False
    cold: bool = True
    timeout: float = 900.0
    seed: int = 1


@dataclass
class Progress:
    """How far one network is, for those who watch.

    doing      what happens now, in words
    seconds    the epochs of each contestant so far
    finished   the network's part of the result, once it is there
    result     the result with all networks until then
    """

    network: str
    epochs: int
    names: list[str]
    doing: str = ""
    seconds: dict[str, list[float]] = field(default_factory=dict)
    skipped: dict[str, str] = field(default_factory=dict)
    finished: dict[str, Any] | None = None
    result: dict[str, Any] | None = None


Watch = Callable[[Progress], None]


def run(settings: Settings, watch: Watch = lambda progress: None) -> dict[str, Any]:
    """Race, and give the result: everything in it can be written as JSON.

    Raises where a name is unknown, where somebody who was named cannot race here, where a
    contestant does not agree, dies or hangs. Whatever happens, no process is left.
    """
    first = settings.engine or scratchnet.get_engine()
    names, everybody = parse(settings.against, first)
    chosen, refused = {first: contestant(first)}, {}
    for name in names:
        try:
            chosen[name] = contestant(name)
        except Refused as reason:
            if not everybody:
                raise RuntimeError(str(reason)) from None
            refused[name] = str(reason)
    result: dict[str, Any] = {
        "format": FORMAT,
        "first": first,
        "settings": _recorded(settings),
        "machine": measure.machine(),
        "networks": {},
    }
    threads = settings.threads or result["machine"]["cores"]
    result["threads"] = threads
    data = datasets.load(settings.data)
    for network in strangers.get(settings.network):
        progress = Progress(network.name, settings.epochs, list(chosen), skipped=dict(refused))
        with tempfile.TemporaryDirectory(prefix="scratchnet-race-") as folder:
            race = _Race(settings, network, chosen, folder, threads, progress, watch)
            progress.finished = result["networks"][network.name] = race.run(data)
        progress.result = result
        watch(progress)
    return result


def _recorded(settings: Settings) -> dict[str, Any]:
    """The settings without what belongs to this machine alone: a folder's place."""
    data = settings.data if settings.data in ("digits", "mnist") else Path(settings.data).name
    return asdict(settings) | {"data": data, "against": list(settings.against)}


class _Race:
    """One network: everybody's processes, and what they said."""

    def __init__(
        self,
        settings: Settings,
        network: Network,
        chosen: dict[str, Contestant],
        folder: str,
        threads: int,
        progress: Progress,
        watch: Watch,
    ) -> None:
        self.settings, self.network, self.chosen = settings, network, dict(chosen)
        self.folder, self.threads = folder, threads
        self.progress, self.watch = progress, watch
        self.first = next(iter(chosen))
        self.references: dict[tuple[int, str], dict[str, Any]] = {}
        self.told: dict[str, dict[str, Any]] = {}

    def run(self, data: LoadedData) -> dict[str, Any]:
        """The network's part of the result."""
        self._doing("preparing data and weights")
        self._prepare(data)
        for name, one in list(self.chosen.items()):
            if reason := not_applicable(one, self.network, self.task["layers"]):
                self.progress.skipped[name] = reason
                self.progress.names.remove(name)
                del self.chosen[name]
        for name in self.chosen:
            self.told[name] = {}
            self._rehearse(name)
        with ExitStack() as stack:
            processes = {name: self._start(name, stack) for name in self.chosen}
            with Spinner(self.settings.busy):
                rounds = self._rounds(processes)
                for name, process in processes.items():
                    self.told[name]["memory"]["training"] = process.ask("peak")["megabytes"]
                predictions = self._predictions(processes)
            for name, process in processes.items():
                self.told[name]["memory"]["everything"] = process.ask("peak")["megabytes"]
                self.told[name]["ran_on"] = process.ask("facts")
        return self._result(rounds, predictions)

    def _doing(self, text: str) -> None:
        self.progress.doing = text
        self.watch(self.progress)

    # ------------------------------------------------------------------ before the rounds

    def _prepare(self, data: LoadedData) -> None:
        """Data and initial weights as files: every process reads the same, in the same form, and
        nobody's memory shows how they were made."""
        with scratchnet.engine("numpy"):
            scratchnet.utils.set_random_seed(self.settings.seed)
            model = self.network.compiled(scratchnet)
        shape = model.input_shape[1:]
        self.arrays: dict[str, NDArray[Any]] = {}
        for part, (images, labels) in zip(("train", "test"), data, strict=True):
            x = images.astype(np.float32).reshape(len(images), *shape)
            x /= np.float32(255)  # in place: as Network.prepare has it, in half the memory
            self.arrays[f"x_{part}"] = x
            self.arrays[f"y_{part}"] = np.eye(10, dtype=np.float32)[labels.astype(int)]
        for name, array in self.arrays.items():
            np.save(Path(self.folder) / f"{name}.npy", array)
        self.weights = model.get_weights()
        arrays = {f"{index}": weight for index, weight in enumerate(self.weights)}
        np.savez(Path(self.folder) / "weights.npz", **arrays)
        self.samples = len(self.arrays["x_train"])
        self.task: dict[str, Any] = {
            "network": self.network.name,
            "folder": self.folder,
            "batch_size": self.network.batch_size,
            "seed": self.settings.seed,
            "shape": shape,
            "layers": [(type(layer).__name__, layer.get_config()) for layer in model.layers],
            "shapes": [layer.input_shape[1:] for layer in model.layers],
        }

    def _process(self, name: str) -> Process:
        cache = None
        if self.settings.cold and self.chosen[name].side == "scratchnet":
            cache = os.path.join(self.folder, f"cache-{name}")
        return Process(
            self.chosen[name], self.task, self.threads, self.settings.timeout, cache=cache
        )

    def _reference(self, name: str) -> tuple[int, dict[str, Any]]:
        rows = agreement.rows_of(name, self.network.batch_size, self.samples)
        kind = rows, self.chosen[name].side
        if kind not in self.references:
            self.references[kind] = agreement.reference(
                self.network, self.weights, self.arrays, *kind
            )
        return rows, self.references[kind]

    def _rehearse(self, name: str) -> None:
        """The first start, with nothing compiled before, and the proof that it computes the same;
        in a process of its own, so that the raced one shows none of it."""
        told = self.told[name]
        if name == "keras-best":
            self._choose_settings(name)
        self._doing(f"{name}: start with nothing compiled, agreement")
        rows, wanted = self._reference(name)
        with self._process(name) as process:
            if self.settings.cold:
                first = process.ask("first")["seconds"]
                told["cold"] = {"start_up": process.start_up, "first_batch": first}
            losses = process.ask("losses", rows=rows, steps=agreement.STEPS)
        difference = agreement.check(self.chosen[name], losses, wanted)
        told["agreement"] = {
            "reference": "engine numpy, float64",
            "steps": agreement.STEPS,
            "rows": rows,
            "largest_relative_difference": difference,
            "tolerance": list(self.chosen[name].tolerance),
        }

    def _choose_settings(self, name: str) -> None:
        """Try each setting of `compile` in a process of its own; the fastest one races."""
        trials = []
        for options in SETTINGS:
            words = ", ".join(f"{key}={value}" for key, value in options.items())
            self._doing(f"{name}: trying {words}")
            tried = self.chosen[name].with_options(compile=options)
            with Process(tried, self.task, self.threads, self.settings.timeout) as process:
                seconds = process.ask("trial")["seconds"] * self.samples
            trials.append({"compile": options, "seconds_an_epoch": seconds})
        best = min(trials, key=lambda trial: trial["seconds_an_epoch"])
        self.chosen[name] = self.chosen[name].with_options(compile=best["compile"])
        self.told[name]["trials"] = trials

    def _start(self, name: str, stack: ExitStack) -> Process:
        """Start it, time its first batch, check where it begins, and let it train one epoch, so
        that everything is compiled; then back to the initial weights."""
        self._doing(f"{name}: start, first batch, an epoch to warm up")
        process = stack.enter_context(self._process(name))
        told = self.told[name]
        told["start_up"] = process.start_up
        told["memory"] = dict(process.ready["memory"])
        told["first_batch"] = process.ask("first")["seconds"]
        process.ask("reset")
        rows, wanted = self._reference(name)
        agreement.check_start(
            self.chosen[name], process.ask("evaluate", rows=rows)["loss"], wanted["test"]
        )
        told["warm_up_epoch"] = process.ask("epoch")["seconds"]
        process.ask("reset")
        return process

    # ------------------------------------------------------------------ the rounds

    def _rounds(self, processes: dict[str, Process]) -> dict[str, list[dict[str, Any]]]:
        """One epoch each in turn; test accuracy after each, outside the timing."""
        rounds: dict[str, list[dict[str, Any]]] = {name: [] for name in processes}
        self.progress.seconds = {name: [] for name in processes}
        for number in range(1, self.settings.epochs + 1):
            for name, process in processes.items():
                self._doing(f"round {number} of {self.settings.epochs}: {name}")
                answer = process.ask("epoch")
                answer |= {"accuracy": process.ask("evaluate")["accuracy"]}
                rounds[name].append(answer)
                self.progress.seconds[name].append(answer["seconds"])
        return rounds

    def _predictions(self, processes: dict[str, Process]) -> dict[str, Any]:
        """All test images in one call, then one image at a time; in turn, after one turn to warm
        up."""
        rows = min(PREDICT_ROWS, len(self.arrays["x_test"]))
        answers: dict[str, Any] = {name: {"many": [], "one": []} for name in processes}
        for kind, action, arguments in (
            ("many", "predict", {"rows": rows}),
            ("one", "one", {}),
        ):
            words = f"{rows} images" if kind == "many" else "one image at a time"
            for number in range(self.settings.epochs + 1):
                for name, process in processes.items():
                    self._doing(f"prediction of {words}, turn {number}: {name}")
                    answer = process.ask(action, **arguments)
                    if number:
                        answers[name][kind].append(answer)
        self.predict_rows = rows
        return answers

    # ------------------------------------------------------------------ the result

    def _result(
        self, rounds: dict[str, list[dict[str, Any]]], predictions: dict[str, Any]
    ) -> dict[str, Any]:
        target = self.settings.accuracy
        if target is None:
            target = round(self.network.test_accuracy - SLACK, 4)
        result: dict[str, Any] = {
            "samples": self.samples,
            "batch_size": self.network.batch_size,
            "accuracy_to_reach": target,
            "predict_images": self.predict_rows,
            "contestants": {},
            "skipped": self.progress.skipped,
        }
        for name, told in self.told.items():
            seconds = [answer["seconds"] for answer in rounds[name]]
            accuracies = [answer["accuracy"] for answer in rounds[name]]
            many, one = predictions[name]["many"], predictions[name]["one"]
            entry: dict[str, Any] = {
                "options": self.chosen[name].options,
                "epoch": measure.timings(seconds, self.samples),
                "accuracy": accuracies,
                "seconds_to_accuracy": measure.seconds_to(target, accuracies, seconds),
                "predict": measure.timings([a["seconds"] for a in many], self.predict_rows),
                "one_image": measure.timings([a["seconds"] for a in one], 1)
                | {"call": one[0]["call"]},
            }
            for part, answers in (("epoch", rounds[name]), ("predict", many)):
                if "scaled_from" in answers[0]:
                    entry[part]["scaled_from"] = answers[0]["scaled_from"]
            result["contestants"][name] = entry | told
        ours = result["contestants"][self.first]
        for name, entry in result["contestants"].items():
            if name != self.first:
                entry["ratio"] = {
                    part: measure.ratios(entry[part]["rounds"], ours[part]["rounds"])
                    for part in ("epoch", "predict", "one_image")
                }
        return result

"""Who can race, what each one needs, and the environment that its process is started with."""

import importlib.util
import os
import subprocess
import sys
from dataclasses import dataclass, field
from typing import Any

from keras_ref.race.measure import PINS
from scratchnet import engines
from scratchnet.errors import expected, unknown
from scratchnet.networks import Network
from scratchnet.study.doctor import LIST_GPUS, LIST_SECONDS, THREAD_LIMITS

__all__ = [
    "NAMES",
    "Contestant",
    "Refused",
    "contestant",
    "environment",
    "not_applicable",
    "parse",
]

OTHERS = ("keras", "keras-best", "keras-gpu", "torch", "sklearn")
NAMES = (*engines.ENGINES, *OTHERS)
# what to install for each side
NEEDS = {
    "keras": (("keras", "tensorflow"), "pip install '.[keras]'"),
    "keras-best": (("keras", "tensorflow"), "pip install '.[keras]'"),
    "keras-gpu": (("keras",), "pip install keras"),
    "torch": (("torch",), "pip install torch"),
    "sklearn": (("sklearn",), "pip install scikit-learn"),
}
# What the losses of the check may differ by from the float64 reference, relatively: (the first
# loss, those after updates). float32 rounds to 6e-8; a few steps carry that to 1e-6 at most.
TOLERANCE = (1e-4, 1e-4)
# a GPU may multiply in TF32, which keeps 10 bits of the mantissa
GPU_TOLERANCE = (5e-3, 2e-2)


class Refused(Exception):  # noqa: N818 (it is an answer: this one cannot race here)
    """A contestant cannot race on this machine; the text says why and what to do."""


@dataclass(frozen=True)
class Contestant:
    """A name of --against, and how its process is to be started."""

    name: str
    side: str  # the module keras_ref.race.<side>_side
    options: dict[str, Any] = field(default_factory=dict)
    tolerance: tuple[float, float] = TOLERANCE

    @property
    def owner(self) -> str:
        """How messages name it."""
        return f"Contestant '{self.name}'"

    def with_options(self, **options: Any) -> "Contestant":
        """The same one, with other settings of its library."""
        return Contestant(self.name, self.side, self.options | options, self.tolerance)


def parse(against: tuple[str, ...] | list[str], first: str) -> tuple[list[str], bool]:
    """The names in repeated or comma-separated --against, and whether "all" was among them.

    "all" is everybody; the first contestant is never named twice.
    """
    names = [name.strip() for text in against for name in text.split(",") if name.strip()]
    everybody = "all" in names
    for name in names:
        if name not in (*NAMES, "all"):
            raise ValueError(unknown("Contestant", name, [*NAMES, "all"]))
    chosen = list(NAMES) if everybody else list(dict.fromkeys(names))
    chosen = [name for name in chosen if name != first]
    if not chosen:
        wanted, hint = "somebody to race against", f"Choose of {', '.join(NAMES)}, all."
        got = f"only {first} itself" if names else "nobody"
        raise ValueError(expected("--against", wanted, got, hint))
    return chosen, everybody


def contestant(name: str) -> Contestant:
    """The contestant of this name; Refused where what it needs is not here."""
    modules, install = NEEDS.get(name, ((), ""))
    missing = [module for module in modules if importlib.util.find_spec(module) is None]
    if missing:
        wanted = " and ".join(modules)
        message = expected(f"Contestant '{name}'", wanted, "none", f"Install: {install}")
        raise Refused(message)
    if name in engines.ENGINES:
        return Contestant(name, "scratchnet", {"engine": name})
    if name == "keras-gpu":
        return Contestant(name, "keras", {"backend": gpu_backend()}, GPU_TOLERANCE)
    if name == "torch":
        return Contestant(name, "torch")
    return Contestant(name, name.partition("-")[0])


def gpu_backend() -> str:
    """The Keras backend that sees a GPU, TensorFlow if it does; Refused where none does."""
    seen = []
    for backend, code in LIST_GPUS.items():
        if importlib.util.find_spec(backend) is None:
            seen.append(f"{backend} is not installed")
            continue
        try:
            command = [sys.executable, "-c", code]
            answer = subprocess.run(command, capture_output=True, text=True, timeout=LIST_SECONDS)
            count = answer.stdout.strip().splitlines()[-1:] or ["?"]
        except (OSError, subprocess.TimeoutExpired):
            count = ["?"]
        if count[0].isdigit() and int(count[0]) > 0:
            return backend
        seen.append(f"{backend} sees none" if count == ["0"] else f"{backend} did not answer")
    hidden = os.environ.get("CUDA_VISIBLE_DEVICES")
    hint = "Install a backend of Keras built for it (tensorflow[and-cuda], jax[cuda13], torch)."
    if hidden in ("", "-1"):
        hint = f"CUDA_VISIBLE_DEVICES={hidden!r} hides them: unset it."
    got = f"none ({', '.join(seen)})"
    raise Refused(expected("Contestant 'keras-gpu'", "a GPU that Keras can use", got, hint))


def not_applicable(chosen: Contestant, network: Network, layers: list[tuple[str, Any]]) -> str:
    """Why this contestant cannot express a network; empty if it can.

    layers    the class name and the configuration of each layer
    """
    if chosen.side == "sklearn":
        kinds = [(kind, config.get("activation")) for kind, config in layers]
        if kinds != [("Dense", "relu"), ("Dense", "softmax")]:
            return "not applicable: MLPClassifier has no such layers"
        if network.optimizer != "adam":
            return f"not applicable: MLPClassifier has no {network.optimizer}"
    if chosen.side == "torch":
        from keras_ref.race.torch_side import cannot

        return cannot(layers)
    return ""


def environment(threads: int, cache: str | None = None) -> dict[str, str]:
    """The environment of a contestant's process: no pins of BLAS, this many threads, and with
    `cache` a folder of its own for what Numba compiles."""
    names = (*THREAD_LIMITS, "SCRATCHNET_NUM_THREADS")
    made = {name: value for name, value in os.environ.items() if name not in PINS}
    made |= dict.fromkeys(names, str(threads))
    if cache is not None:
        made["NUMBA_CACHE_DIR"] = cache
    return made

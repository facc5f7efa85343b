"""Golden packs: what Keras said about every case, stored, so that parity is tested without
TensorFlow.

    python -m keras_ref.golden        asks Keras anew and writes parity_tests/golden/

A pack is an .npz of plain arrays (no pickle) with the float64 trace of each case, and a JSON text
with Keras's float32 errors, the versions and the settings it was read with.
"""

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np

from keras_ref import require
from keras_ref.case import Case
from keras_ref.cases import GROUPS
from keras_ref.reference import Reference, live_reference

__all__ = ["FOLDER", "load", "write"]

FOLDER = Path(__file__).parent.parent / "parity_tests" / "golden"


def write(folder: Path = FOLDER) -> None:
    """Ask Keras about every case and store the answers, one pack for each group."""
    from scratchnet.utils.files import atomic_write

    keras = require()
    import tensorflow as tf

    folder.mkdir(parents=True, exist_ok=True)
    for group, cases in GROUPS.items():
        arrays: dict[str, Any] = {}
        errors: dict[str, dict[str, float]] = {}
        for case in cases():
            reference = live_reference(packed(case), thin=True)
            errors[case.name] = {n: float(f"{e:.3e}") for n, e in reference.keras_errors.items()}
            for name, value in reference.exact.items():
                arrays[f"{case.name}|{name}"] = np.asarray(value)
        about = {
            "keras": keras.__version__,
            "tensorflow": tf.__version__,
            "numpy": np.__version__,
            "errors": errors,
        }
        arrays["about"] = np.frombuffer(json.dumps(about).encode(), np.uint8)
        with atomic_write(folder / f"{group}.npz") as file:
            np.savez_compressed(file, **arrays)
        size = (folder / f"{group}.npz").stat().st_size
        print(f"{group}: {len(errors)} cases, {size / 1e6:.2f} MB", file=sys.stderr)


def packed(case: Case) -> Case:
    """The case as it is packed: at most 20 steps, so that the tests without TensorFlow take
    seconds.
    """
    from dataclasses import replace

    if case.steps <= 20:
        return case
    return replace(case, steps=20, whole=(*(s for s in case.whole if s < 20), 20))


def load(group: str, folder: Path = FOLDER) -> dict[str, Reference]:
    """The references of a group, by the name of the case."""
    path = folder / f"{group}.npz"
    if not path.exists():
        raise FileNotFoundError(
            f"golden pack: expected {path.name}, got no such file. "
            "Write the packs with `python -m keras_ref.golden` where TensorFlow is installed."
        )
    with np.load(path, allow_pickle=False) as pack:
        about = json.loads(bytes(pack["about"]))
        references: dict[str, Reference] = {
            name: Reference({}, errors, thin=True) for name, errors in about["errors"].items()
        }
        for key in pack.files:
            if key != "about":
                case, name = key.split("|", 1)
                references[case].exact[name] = pack[key]
    return references


if __name__ == "__main__":
    write()

"""Fuzzing of everything that reads a file: `python fuzz/fuzz_files.py TARGET [libFuzzer options]`.

Each input is written to a file and read by the public function for it. It may be read, or refused
with ValueError, TypeError, NotImplementedError or FileNotFoundError in whose text the file's name
stands; a model whose weights could not be loaded must be as it was. Everything else is a finding:
other errors, crashes, more than 5 seconds, more than 500 MB.
"""

import random
import sys
import tempfile
import warnings
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["scratchnet.saving", "scratchnet.datasets", "zipfile"]):
    from scratchnet.datasets import folder
    from scratchnet.datasets.idx import read_idx
    from scratchnet.models import load_model
    from scratchnet.saving import archive, hdf5, weights  # noqa: F401  instrumented
    from scratchnet.utils.images import load_digit

from scratchnet.tests import hostile

LIMITS = ["-timeout=5", "-rss_limit_mb=500", "-max_len=1000000"]
CORPUS = Path(__file__).parent / "corpus"
ROOM = Path(tempfile.mkdtemp(dir="/dev/shm" if Path("/dev/shm").is_dir() else None))

MODEL = hostile.tiny_model()


def read_archive(path: Path) -> None:
    load_model(path)


def read_weights(path: Path) -> None:
    hostile.load_weights_or_leave(MODEL, path)


def read_data(path: Path) -> None:
    if path.read_bytes()[:2] == b"PK":
        folder.load(path)
    else:
        read_idx(path)


TARGETS = {
    "archive": (read_archive, "m.keras", hostile.change_archive),
    "legacy": (read_archive, "m.h5", hostile.change_bytes),
    "weights": (read_weights, "m.weights.h5", hostile.change_bytes),
    "data": (read_data, "data", hostile.change_bytes),
    "picture": (load_digit, "picture", hostile.change_bytes),
}


def main() -> None:
    if len(sys.argv) < 2 or sys.argv[1] not in TARGETS:
        sys.exit(f"usage: fuzz_files.py {{{','.join(TARGETS)}}} [libFuzzer options]")
    name = sys.argv.pop(1)
    read, file_name, change = TARGETS[name]
    path = ROOM / file_name
    warnings.simplefilter("ignore")

    def one(data: bytes) -> None:
        path.write_bytes(data)
        hostile.outcome(read, path)
        left = [p.name for p in ROOM.iterdir()]
        assert left == [file_name], f"files left behind: {left}"

    def mutate(data: bytes, max_size: int, seed: int) -> bytes:
        rng = random.Random(seed)
        changed = atheris.Mutate(data, max_size) if rng.random() < 0.3 else change(data, rng)
        return changed[:max_size]

    given = [a for a in sys.argv[1:] if not a.startswith("-")]
    options = [a for a in sys.argv[1:] if a.startswith("-")]
    # what libFuzzer finds goes to the first folder: not to the good files
    folders = given or [tempfile.mkdtemp(), str(CORPUS / name)]
    arguments = [sys.argv[0], *LIMITS, *options, *folders]
    atheris.Setup(arguments, one, custom_mutator=mutate)
    atheris.Fuzz()


if __name__ == "__main__":
    main()

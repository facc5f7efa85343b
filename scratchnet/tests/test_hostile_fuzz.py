"""Good files with something changed: read, or refused with the file's name; never anything else.

Hypothesis chooses the changes. fuzz/ has the same with coverage to guide it, for hours.
"""

import atexit
import random
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from scratchnet.datasets import folder
from scratchnet.datasets.idx import read_idx
from scratchnet.models import load_model
from scratchnet.tests import hostile
from scratchnet.tests.test_hostile_data import idx, nameless, npz
from scratchnet.utils.images import load_digit

quick = settings(
    max_examples=80,
    deadline=5000,
    database=None,
    derandomize=True,  # the same changes each time; new ones are what fuzz/ is for
    suppress_health_check=list(HealthCheck),
)
ROOM = Path(tempfile.mkdtemp())
atexit.register(shutil.rmtree, ROOM, ignore_errors=True)


@pytest.fixture(scope="module", autouse=True)
def room() -> Any:
    """The folder of the files; empty at the end but for them."""
    yield
    names = {path.name for path in ROOM.iterdir()}
    assert names <= {"good.keras", "m.keras", "m.weights.h5", "data", "picture"}


MODEL = hostile.tiny_model()
ARCHIVE = hostile.archive_bytes(hostile.small_model(), ROOM)
WEIGHTS = hostile.members(hostile.archive_bytes(MODEL, ROOM))["model.weights.h5"]
CONFIG = hostile.config_of(ARCHIVE)
PLACES = list(hostile.places(CONFIG))
JSON = st.recursive(
    st.integers(-(2**63), 2**63 - 1) | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=4,
)


def check(data: bytes, name: str, read: Callable[[Path], Any]) -> None:
    path = ROOM / name
    path.write_bytes(data)
    hostile.outcome(read, path)


@quick
@given(place=st.sampled_from(PLACES), value=st.sampled_from(hostile.VALUES) | JSON)
def test_a_value_in_the_config(place: tuple[Any, ...], value: Any) -> None:
    check(
        hostile.with_config(ARCHIVE, hostile.replaced(CONFIG, place, value)), "m.keras", load_model
    )


@quick
@given(st.integers(0, 2**32))
def test_archives(seed: int) -> None:
    check(hostile.change_archive(ARCHIVE, random.Random(seed)), "m.keras", load_model)


@quick
@given(st.integers(0, 2**32))
def test_weights(seed: int) -> None:
    data = hostile.change_bytes(WEIGHTS, random.Random(seed))
    check(data, "m.weights.h5", lambda path: hostile.load_weights_or_leave(MODEL, path))


# found by fuzzing: sizes whose product is 0, but which NumPy cannot hold
@example(b"\0\0\x08\3" + bytes(4) + b"\xff" * 8)
@quick
@given(
    st.integers(0, 2**32).map(
        lambda s: hostile.change_bytes(idx(4, 3, data=bytes(12)), random.Random(s))
    )
)
def test_idx(data: bytes) -> None:
    check(data, "data", read_idx)


# found by fuzzing: a header that ends within a bracket, and a name in the zip that is no text
@example(npz().replace(b"28), }", b"28, ( "))
@example(nameless())
@quick
@given(st.integers(0, 2**32).map(lambda s: hostile.change_bytes(npz(), random.Random(s))))
def test_npz(data: bytes) -> None:
    check(data, "data", folder.load)


@quick
@given(st.sampled_from(["png", "gif", "bmp", "jpeg", "tiff", "webp", "ppm"]), st.integers(0, 2**32))
def test_pictures(kind: str, seed: int) -> None:
    check(hostile.change_bytes(PICTURES[kind], random.Random(seed)), "picture", load_digit)


def pictures() -> dict[str, bytes]:
    import io

    import numpy as np
    from PIL import Image

    found = {}
    for kind in ("png", "gif", "bmp", "jpeg", "tiff", "webp", "ppm"):
        buffer = io.BytesIO()
        Image.fromarray(np.eye(32, dtype=np.uint8) * 200).save(buffer, kind)
        found[kind] = buffer.getvalue()
    return found


PICTURES = pictures()

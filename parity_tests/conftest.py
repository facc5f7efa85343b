"""What a case is compared with: Keras itself where it is installed, else the golden packs.

pytest parity_tests             live with TensorFlow, else from the packs
pytest parity_tests --golden    from the packs, whatever is installed
"""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

import keras_ref
from keras_ref import golden
from keras_ref.case import Case
from keras_ref.reference import Reference, live_reference

LIVE = pytest.StashKey[bool]()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--golden", action="store_true", help="compare with the golden packs only")


def pytest_configure(config: pytest.Config) -> None:
    config.stash[LIVE] = keras_ref.available() and not config.getoption("--golden", default=False)


def pytest_report_header(config: pytest.Config) -> str:
    if config.stash[LIVE]:
        return "parity: live, against Keras on TensorFlow"
    return "parity: from the golden packs (what needs Keras itself is skipped)"


@pytest.fixture(scope="session")
def live(request: pytest.FixtureRequest) -> bool:
    return request.config.stash[LIVE]


@pytest.fixture
def keras(live: bool) -> Iterator[Any]:
    """The `keras` module, its names and default float as in a fresh process."""
    if not live:
        pytest.skip(keras_ref.HINT)
    module = keras_ref.require()
    with keras_ref.floatx(module, "float32"):
        module.utils.clear_session()
        module.config.set_dtype_policy("float32")
        yield module


@pytest.fixture(scope="session")
def reference(live: bool) -> Callable[[str, Case], Reference]:
    """Keras's answer to a case; asked once for all engines and dtypes."""
    kept: dict[tuple[str, str], Reference] = {}
    packs: dict[str, dict[str, Reference]] = {}

    def ask(group: str, case: Case) -> Reference:
        if not live:
            if group not in packs:
                packs[group] = golden.load(group)
            return packs[group][case.name]
        key = group, case.name
        if key not in kept:
            kept[key] = live_reference(case)
        return kept[key]

    return ask

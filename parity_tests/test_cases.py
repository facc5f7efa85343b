"""Every layer, activation, loss, optimizer and regularizer with its options, and the six networks
whole: forward, loss, every gradient, optimizer state and weights, number by number, against Keras.

float64   relative error at most 1e-12 in one pass (1e-9 after 100 steps of a network)
float32   at most twice Keras's own error against the float64 answer
"""

from collections.abc import Callable

import pytest

from keras_ref import golden
from keras_ref.case import Case
from keras_ref.cases import all_cases
from keras_ref.reference import Reference, diverges

CASES = [(group, case) for group, cases in all_cases().items() for case in cases]


def bearable(case: Case) -> bool:
    """Whether engine "loops" can be asked to do this in a few seconds."""
    return case.steps <= 20


@pytest.mark.parametrize("engine", ["loops", "numpy", "numba", "fused"])
@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize(
    ("group", "case"), CASES, ids=[f"{group}-{case.name}" for group, case in CASES]
)
def test_every_number_matches_keras(
    group: str,
    case: Case,
    dtype: str,
    engine: str,
    reference: Callable[[str, Case], Reference],
    live: bool,
) -> None:
    if engine == "loops" and not bearable(case):
        pytest.skip("a hundred steps of a whole network are too much for interpreted loops")
    answer = reference(group, case)
    divergence = diverges(case if live else golden.packed(case), answer, dtype, engine)
    assert divergence is None, str(divergence)

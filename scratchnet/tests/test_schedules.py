"""Learning-rate schedules against hand-worked rates."""

import numpy as np
import pytest

from scratchnet.optimizers import schedules
from scratchnet.optimizers.schedules import (
    CosineDecay,
    CosineDecayRestarts,
    ExponentialDecay,
    InverseTimeDecay,
    LearningRateSchedule,
    PiecewiseConstantDecay,
    PolynomialDecay,
)

# the arguments are powers of two, so that the rates are exact
RATES = [
    # 1 * 0.25**(2/4) = 0.5
    ("exponential", ExponentialDecay(1.0, 4, 0.25), {0: 1.0, 2: 0.5, 4: 0.25}),
    # floor(3/4) = 0, floor(4/4) = 1
    ("stairs", ExponentialDecay(1.0, 4, 0.25, staircase=True), {3: 1.0, 4: 0.25, 7: 0.25}),
    # a boundary belongs to the value before it
    (
        "piecewise",
        PiecewiseConstantDecay([2, 5], [1.0, 0.5, 0.25]),
        {2: 1, 3: 0.5, 5: 0.5, 6: 0.25},
    ),
    # (1 - 0.5) * (1 - 1/4)**2 + 0.5 = 0.78125
    ("polynomial", PolynomialDecay(1.0, 4, 0.5, power=2.0), {0: 1.0, 1: 0.78125, 4: 0.5, 9: 0.5}),
    # at 6 the span is 8: (1 - 6/8) = 0.25
    ("cycle", PolynomialDecay(1.0, 4, 0.0, cycle=True), {0: 1.0, 4: 0.0, 6: 0.25, 8: 0.0}),
    # 1 / (1 + 2 * 2/4) = 0.5
    ("inverse", InverseTimeDecay(1.0, 4, 2.0), {0: 1.0, 2: 0.5}),
    ("inverse stairs", InverseTimeDecay(1.0, 4, 3.0, staircase=True), {3: 1.0, 4: 0.25}),
    # cos(pi/2) = 0: (1 - 0.5) * 0.5 + 0.5 = 0.75
    ("cosine", CosineDecay(1.0, 4, alpha=0.5), {0: 1.0, 2: 0.75, 4: 0.5, 9: 0.5}),
    # up from 0 to 2 in 4 steps, then down in 4
    ("warm-up", CosineDecay(0.0, 4, warmup_target=2.0, warmup_steps=4), {1: 0.5, 4: 2, 6: 1, 8: 0}),
    # periods of 4 at heights 1, 0.5
    ("restarts", CosineDecayRestarts(1.0, 4, t_mul=1.0, m_mul=0.5), {2: 0.5, 4: 0.5, 6: 0.25}),
    # periods of 2 and 4: the second runs from 2 to 6
    ("longer", CosineDecayRestarts(1.0, 2, t_mul=2.0), {1: 0.5, 2: 1.0, 4: 0.5, 6: 1.0}),
]
SCHEDULES = [schedule for _, schedule, _ in RATES]


@pytest.mark.parametrize(("schedule", "rates"), [r[1:] for r in RATES], ids=[r[0] for r in RATES])
def test_rates_are_the_hand_worked_ones(schedule, rates):
    for step, rate in rates.items():
        assert schedule(step) == pytest.approx(rate, rel=1e-6, abs=1e-7), step


@pytest.mark.parametrize("schedule", SCHEDULES, ids=[r[0] for r in RATES])
def test_a_rate_is_a_python_float_that_float32_holds(schedule):
    for step in range(12):
        rate = schedule(step)
        assert type(rate) is float
        assert rate == float(np.float32(rate))


@pytest.mark.parametrize("schedule", SCHEDULES, ids=[r[0] for r in RATES])
def test_config_gives_the_schedule_back(schedule):
    written = schedules.serialize(schedule)
    assert written["module"] == "keras.optimizers.schedules"
    copy = schedules.deserialize(written)
    assert copy.get_config() == schedule.get_config()
    assert [copy(i) for i in range(9)] == [schedule(i) for i in range(9)]


def test_a_rounded_quotient_is_float32s():
    # 0.1 * 0.96**(1/3): each operation rounded to float32, as Keras computes it
    third = np.float32(1) / np.float32(3)
    expected = np.float32(0.1) * np.float32(0.96) ** third
    assert ExponentialDecay(0.1, 3, 0.96)(1) == float(expected)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: ExponentialDecay(1, 4, 0.5), "initial_learning_rate as a finite float, got 1"),
        (lambda: ExponentialDecay(0.1, 0, 0.5), r"decay_steps above 0, got 0\..*must be > 0"),
        (lambda: ExponentialDecay(0.1, 4, "a"), "decay_rate as a number, got 'a'"),
        (lambda: PolynomialDecay(0.1, -1), "decay_steps above 0, got -1"),
        (lambda: InverseTimeDecay(0.1, 0, 0.5), "decay_steps above 0, got 0"),
        (lambda: CosineDecay(0.1, 0), "decay_steps above 0, got 0"),
        (lambda: CosineDecay(0.1, 4, warmup_target="a"), "warmup_target as a number, got 'a'"),
        (lambda: CosineDecayRestarts(0.1, 0), "first_decay_steps above 0, got 0"),
        (lambda: PiecewiseConstantDecay([1], [0.1]), "got 1 boundaries and 1 values"),
        (lambda: PiecewiseConstantDecay([], [0.1]), "one boundary or more, got 0 boundaries"),
        (
            lambda: PiecewiseConstantDecay([5, 2], [1, 2, 3]),
            r"boundaries that increase, got \[5, 2",
        ),
    ],
)
def test_bad_arguments_are_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_an_unwritten_schedule_says_so():
    with pytest.raises(NotImplementedError, match="expected a method __call__"):
        LearningRateSchedule()(0)
    with pytest.raises(NotImplementedError, match="expected a method get_config"):
        LearningRateSchedule().get_config()


def test_an_unknown_schedule_is_refused_with_the_known_ones():
    with pytest.raises(ValueError, match=r"LearningRateSchedule 'Linear'.*Known: CosineDecay,"):
        schedules.deserialize({"class_name": "Linear", "config": {}})

"""The progress text, letter for letter as Keras 3.15.1 prints it on the same clock."""

import io
import sys

import pytest

from scratchnet.utils import progbar
from scratchnet.utils.console import print_msg
from scratchnet.utils.progbar import Progbar

B, G, W, E = "\x1b[1m", "\x1b[32m", "\x1b[37m", "\x1b[0m"


@pytest.fixture
def clock(monkeypatch):
    """A clock that stands still until the test moves it."""

    class Clock:
        now = 100.0

        def time(self):
            return self.now

    clock = Clock()
    monkeypatch.setattr(progbar, "time", clock)
    monkeypatch.setitem(sys.modules, "posix", sys)  # the bar is redrawn in place, on any system
    return clock


def steps(bar, clock, seconds, count, **values):
    for step in range(1, count + 1):
        clock.now += seconds
        bar.update(step, list(values.items()))


def test_the_bar_grows_in_place_and_ends_in_a_line(clock, capsys):
    bar = Progbar(3, stateless_metrics=())
    steps(bar, clock, 0.1, 3, acc=0.5, loss=0.0001)
    out = capsys.readouterr().out
    tail = " - acc: 0.5000 - loss: 1.0000e-04"
    first = f"{B}1/3{E} {G}{'━' * 6}{E}{W}{'━' * 14}{E} {B}0s{E} 100ms/step{tail}"
    second = f"{B}2/3{E} {G}{'━' * 13}{E}{W}{'━' * 7}{E} {B}0s{E} 100ms/step{tail}"
    third = f"{B}3/3{E} {G}{'━' * 20}{E}{W}{E} {B}0s{E} 100ms/step{tail}\n"
    back = "\b" * (len("1/3 ") + 20 + len(" 0s 100ms/step") + len(tail))
    assert out == f"\r{first}{back}\r{second}{back}\r{third}"


def test_a_shorter_line_covers_the_one_before(clock, capsys):
    bar = Progbar(10, stateless_metrics=())
    clock.now += 300
    bar.update(1, [("loss", 12345.0)])
    capsys.readouterr()
    clock.now += 1
    bar.update(10, [("loss", 1.0)])
    assert capsys.readouterr().out.endswith(" - loss: 1.0000" + " " * 4 + "\n")


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.00004, " \x1b[1m0s\x1b[0m 40us/step"),
        (0.2, " \x1b[1m1s\x1b[0m 200ms/step"),
        (3.0, " \x1b[1m27s\x1b[0m 3s/step"),
        (20.0, " \x1b[1m3:00\x1b[0m 20s/step"),
        (1000.5, " \x1b[1m2:30:04\x1b[0m 1000s/step"),
    ],
)
def test_time_left_and_time_per_step(clock, capsys, seconds, text):
    bar = Progbar(10)
    steps(bar, clock, seconds, 1)
    assert capsys.readouterr().out.endswith(text)


def test_the_first_step_is_left_out_of_the_time_per_step(clock, capsys):
    bar = Progbar(3)
    clock.now += 10  # compilation
    bar.update(1)
    clock.now += 0.2
    bar.update(3)
    assert capsys.readouterr().out.endswith(f" {B}10s{E} 100ms/step\n")


def test_steps_within_the_interval_are_not_drawn(clock, capsys):
    bar = Progbar(100)
    clock.now += 1
    bar.update(1)
    capsys.readouterr()
    clock.now += 0.01
    bar.update(2)
    assert capsys.readouterr().out == ""


def test_without_a_target_steps_are_counted(clock, capsys):
    bar = Progbar(None)
    clock.now += 2
    bar.update(5, [("loss", 1.5)])
    assert capsys.readouterr().out == f"\r      5/Unknown {B}2s{E} 400ms/step - loss: 1.5000"


def test_verbose_2_prints_one_line_at_the_end(clock, capsys):
    bar = Progbar(469, verbose=2, stateless_metrics=())
    steps(bar, clock, 0.002, 469, accuracy=0.9, loss=-0.5)
    expected = "469/469 - 1s - 2ms/step - accuracy: 0.9000 - loss: -5.0000e-01\n"
    assert capsys.readouterr().out == expected


def test_verbose_0_prints_nothing(clock, capsys):
    steps(Progbar(2, verbose=0), clock, 1, 2, loss=1)
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    ("kwargs", "shown"),
    [
        ({}, "a: 3.0000 - b: 3.0000"),
        ({"stateful_metrics": ["a"]}, "a: 4.0000 - b: 3.0000"),
        ({"stateless_metrics": ["a"]}, "a: 3.0000 - b: 4.0000"),
    ],
)
def test_stateless_metrics_are_averaged_over_steps(clock, capsys, kwargs, shown):
    bar = Progbar(10, **kwargs)
    bar.update(1, [("a", 1), ("b", 1)])
    bar.add(2, [("a", 4), ("b", 4)])
    clock.now += 1
    bar.update(3, [], finalize=False)
    assert capsys.readouterr().out.endswith(shown)


def test_the_last_update_shows_values_as_they_are(clock, capsys):
    bar = Progbar(2)
    bar.update(1, [("a", 1.0)])
    bar.update(2, [("a", -4.0)])
    assert capsys.readouterr().out.endswith("a: -4.0000\n")


def test_only_one_kind_of_metrics_can_be_named():
    with pytest.raises(
        ValueError, match=r"Progbar: expected one of .*, got both\. Only one of them"
    ):
        Progbar(1, stateful_metrics=[], stateless_metrics=[])


def test_where_the_bar_cannot_be_redrawn_each_state_is_a_line(clock, capsys, monkeypatch):
    for module in ("posix", "ipykernel"):
        monkeypatch.delitem(sys.modules, module, raising=False)
    monkeypatch.delenv("PYCHARM_HOSTED", raising=False)
    bar = Progbar(2)
    clock.now += 1
    bar.update(1)
    assert capsys.readouterr().out.startswith(f"\n{B}1/2{E} ")


def test_a_terminal_without_the_bar_character_gets_equals_signs(monkeypatch):
    raw = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(raw, encoding="latin-1"))
    print_msg("━━ ü")
    assert raw.getvalue() == "== ü\n".encode("latin-1")

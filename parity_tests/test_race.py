"""`scratchnet race`: the order of turns, what is checked before them, what is made of the times.

No time is asserted; what runs is small: a hundred and some digits, mostly without Keras.
"""

import json
import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

import keras_ref
from keras_ref.race import contestants, headline, measure, plot, process, referee, strangers
from keras_ref.race.contestants import Contestant, Refused
from keras_ref.race.referee import Progress, Settings, run
from keras_ref.race.scratchnet_side import MORE, scaled
from scratchnet import datasets
from scratchnet.cli import cli

TRAIN, TEST = 160, 40


@pytest.fixture(scope="module")
def few(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A folder with some of the digits."""
    folder = tmp_path_factory.mktemp("data") / "few"
    folder.mkdir()
    (x, y), (x_test, y_test) = datasets.digits.load_data()
    np.savez(
        folder / "mnist.npz",
        x_train=x[:TRAIN],
        y_train=y[:TRAIN],
        x_test=x_test[:TEST],
        y_test=y_test[:TEST],
    )
    return str(folder)


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[process.Process]:
    """Every process that a race starts, to see afterwards that none is left."""
    kept = []

    class Recorded(process.Process):
        def __init__(self, *arguments: Any, **options: Any) -> None:
            kept.append(self)
            super().__init__(*arguments, **options)

    monkeypatch.setattr(referee, "Process", Recorded)
    return kept


def all_ended(started: list[process.Process]) -> bool:
    return bool(started) and all(one._process.poll() is not None for one in started)


@pytest.fixture(scope="module")
def result(few: str) -> dict[str, Any]:
    """A race of two engines, as it goes into the JSON file."""
    settings = Settings("softmax", ("loops",), "numpy", few, epochs=3, accuracy=0.2, threads=1)
    return json.loads(json.dumps(run(settings)))


# ---------------------------------------------------------------------- statistics


def test_quartiles_are_numpys() -> None:
    values = [3.0, 1.0, 10.0, 2.5, 7.0, 4.0]
    for q in (0.0, 0.25, 0.5, 0.75, 1.0):
        assert measure.quantile(values, q) == pytest.approx(np.quantile(values, q))
    assert measure.quantile([2.0], 0.75) == 2.0


def test_ratios_are_taken_round_by_round() -> None:
    found = measure.ratios([4.0, 30.0, 9.0], [2.0, 10.0, 1.0])
    assert found["rounds"] == [2.0, 3.0, 9.0]
    assert (found["median"], found["min"], found["max"]) == (3.0, 2.0, 9.0)
    assert (found["quartile_1"], found["quartile_3"]) == (2.5, 6.0)


def test_timings() -> None:
    found = measure.timings([0.5, 0.2, 0.4], 100)
    assert (found["median"], found["best"], found["samples_per_second"]) == (0.4, 0.2, 250.0)


def test_seconds_to_an_accuracy() -> None:
    assert measure.seconds_to(0.9, [0.5, 0.9, 0.8], [1.0, 2.0, 4.0]) == 3.0
    assert measure.seconds_to(0.95, [0.5, 0.9, 0.8], [1.0, 2.0, 4.0]) is None
    assert measure.seconds_to(0.1, [None, None], [1.0, 2.0]) is None


def test_loops_are_scaled_by_samples_and_by_steps() -> None:
    # a sample takes 0.5 s, an update 2 s: 300 samples are 3 steps of up to 128
    few, many = 2 + 4 * 0.5, 2 + MORE * 4 * 0.5
    assert scaled(few, many, 4, 300, 128) == pytest.approx(300 * 0.5 + 3 * 2)
    # the clock may say that more samples take less time
    assert scaled(1.0, 0.9, 4, 300, 128) == 3.0


def test_the_machines_record_has_no_path_and_no_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENBLAS_CORETYPE", "Prescott")
    found = measure.machine()
    assert found["removed_from_environment"] == {"OPENBLAS_CORETYPE": "Prescott"}
    assert {"date", "processor", "cores", "simd", "load_average"} <= found.keys()
    assert os.uname().nodename not in json.dumps(found)
    assert str(Path.home()) not in json.dumps(found)


# ---------------------------------------------------------------------- who races


def test_names_are_repeated_or_in_a_comma_list() -> None:
    assert contestants.parse(("keras,torch", "numpy"), "numba") == (
        ["keras", "torch", "numpy"],
        False,
    )
    chosen, everybody = contestants.parse(("all",), "numba")
    assert everybody
    assert "numba" not in chosen
    assert {"loops", "numpy", "keras", "keras-best", "keras-gpu", "torch", "sklearn"} <= set(chosen)


def test_an_unknown_name_and_nobody_are_refused() -> None:
    with pytest.raises(ValueError, match=r"Contestant 'kears': .* Did you mean 'keras'\?"):
        contestants.parse(("kears",), "numba")
    with pytest.raises(ValueError, match=r"--against: expected somebody .*, got only numba itself"):
        contestants.parse(("numba",), "numba")


def test_what_is_not_installed_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(contestants.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(Refused, match=r"Contestant 'torch': .* pip install torch"):
        contestants.contestant("torch")
    with pytest.raises(Refused, match=r"Contestant 'keras': .* pip install '.\[keras\]'"):
        contestants.contestant("keras")
    with pytest.raises(RuntimeError, match=r"'torch': .* pip install torch"):
        run(Settings(against=("torch",)))


def test_the_backend_that_sees_a_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(contestants.importlib.util, "find_spec", lambda name: name)
    ask = {"tensorflow": "print(0)", "jax": "print('a line'); print(2)", "torch": "print(1)"}
    monkeypatch.setattr(contestants, "LIST_GPUS", ask)
    chosen = contestants.contestant("keras-gpu")
    assert chosen.options == {"backend": "jax"}
    assert chosen.tolerance == contestants.GPU_TOLERANCE


def test_without_a_gpu_keras_gpu_is_refused_with_the_reason(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(contestants.importlib.util, "find_spec", lambda name: name != "jax" or None)
    ask = {"tensorflow": "print(0)", "jax": "", "torch": "raise SystemExit(3)"}
    monkeypatch.setattr(contestants, "LIST_GPUS", ask)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "-1")
    told = (
        r"tensorflow sees none, jax is not installed, torch did not answer.*"
        r"CUDA_VISIBLE_DEVICES='-1' hides them"
    )
    with pytest.raises(Refused, match=told):
        contestants.contestant("keras-gpu")


def test_all_skips_whoever_cannot_and_says_why(few: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def only_engines(name: str) -> Contestant:
        if name in ("numpy", "loops"):
            return Contestant(name, "scratchnet", {"engine": name})
        if name == "sklearn":
            return Contestant(name, "sklearn")
        raise Refused(f"{name} is not here")

    monkeypatch.setattr(referee, "contestant", only_engines)
    settings = Settings("softmax", ("all",), "numpy", few, epochs=1, cold=False)
    part = run(settings)["networks"]["softmax"]
    assert set(part["contestants"]) == {"numpy", "loops"}
    assert part["skipped"]["torch"] == "torch is not here"
    assert "MLPClassifier has no such layers" in part["skipped"]["sklearn"]


def test_the_environment_of_a_contestant(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENBLAS_CORETYPE", "Prescott")
    monkeypatch.setenv("OPENBLAS_L2_SIZE", "1000")
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    made = contestants.environment(3, "folder")
    assert not {"OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE"} & made.keys()
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "SCRATCHNET_NUM_THREADS"):
        assert made[name] == "3"
    assert made["NUMBA_CACHE_DIR"] == "folder"


NUMPY = Contestant("numpy", "scratchnet", {"engine": "numpy"})


def a_race(network: str, chosen: Contestant, few: str, folder: Path) -> Any:
    """The referee of one network, with data and weights on the disk and nobody started."""
    race = referee._Race(
        Settings(network, data=few),
        strangers.find(network),
        {chosen.name: chosen},
        str(folder),
        1,
        Progress(network, 1, [chosen.name]),
        lambda progress: None,
    )
    race._prepare(datasets.load(few))
    return race


@pytest.fixture
def alone(few: str, tmp_path: Path) -> Iterator[Callable[..., process.Process]]:
    """A function that starts one contestant by itself; it is stopped afterwards."""
    kept = []

    def start(network: str = "softmax", chosen: Contestant = NUMPY) -> process.Process:
        race = a_race(network, chosen, few, tmp_path)
        kept.append(process.Process(chosen, race.task, 1, patience=60.0))
        return kept[-1]

    yield start
    for one in kept:
        one.stop(0)


# ---------------------------------------------------------------------- the race itself


def test_a_result_says_everything(result: dict[str, Any]) -> None:
    assert result["first"] == "numpy"
    assert result["threads"] == 1
    part = result["networks"]["softmax"]
    assert (part["samples"], part["predict_images"]) == (TRAIN, TEST)
    ours, loops = part["contestants"]["numpy"], part["contestants"]["loops"]
    for entry in (ours, loops):
        for kind, samples in (("epoch", TRAIN), ("predict", TEST), ("one_image", 1)):
            assert len(entry[kind]["rounds"]) == 3
            assert min(entry[kind]["rounds"]) > 0
            assert entry[kind]["samples"] == samples
        assert entry["agreement"]["largest_relative_difference"] < 1e-5
        assert 0 < entry["memory"]["import"] <= entry["memory"]["training"]
        assert entry["start_up"] > 0
        assert entry["cold"]["first_batch"] > 0
        (blas,) = [p for p in entry["ran_on"]["pools"] if p["user_api"] == "blas"]
        assert blas["num_threads"] == 1
        assert "filepath" not in blas
        assert {"scratchnet", "numba", "numpy"} <= entry["ran_on"]["versions"].keys()
    assert "scaled_from" in loops["epoch"]
    assert loops["accuracy"] == [None] * 3
    assert loops["seconds_to_accuracy"] is None
    assert ours["accuracy"][-1] > 0.2  # it has trained, and begun anew after its warm-up
    assert ours["seconds_to_accuracy"] <= sum(ours["epoch"]["rounds"])
    expected = [
        a / b for a, b in zip(loops["epoch"]["rounds"], ours["epoch"]["rounds"], strict=True)
    ]
    assert loops["ratio"]["epoch"]["rounds"] == expected
    assert "ratio" not in ours


def test_contestants_take_turns(few: str, started: list[process.Process]) -> None:
    seen: list[str] = []

    def watch(progress: Progress) -> None:
        seen.append(progress.doing)

    settings = Settings("softmax", ("loops",), "numpy", few, epochs=2, cold=False)
    run(settings, watch)
    assert [text for text in seen if text.startswith("round")][:4] == [
        "round 1 of 2: numpy",
        "round 1 of 2: loops",
        "round 2 of 2: numpy",
        "round 2 of 2: loops",
    ]
    assert all_ended(started)


def test_training_begins_anew_after_a_reset(alone: Callable[..., process.Process]) -> None:
    one = alone("mlp_adam")
    before = one.ask("evaluate")
    one.ask("epoch")
    trained = one.ask("evaluate")
    assert trained["loss"] < before["loss"]
    one.ask("reset")
    assert one.ask("evaluate") == before
    one.ask("epoch")  # with moments left over in Adam this would be another loss
    assert one.ask("evaluate")["loss"] == pytest.approx(trained["loss"], rel=1e-6)


def test_whoever_computes_something_else_is_named(
    few: str, started: list[process.Process], monkeypatch: pytest.MonkeyPatch
) -> None:
    real = referee.agreement.reference

    def wrong(*arguments: Any) -> dict[str, Any]:
        found = real(*arguments)
        if arguments[-2] == referee.agreement.LOOPS_ROWS:
            found["steps"][2] *= 1 + 2e-4
        return found

    monkeypatch.setattr(referee.agreement, "reference", wrong)
    settings = Settings("softmax", ("loops",), "numpy", few, epochs=1, cold=False)
    told = r"Contestant 'loops': expected loss of step 3 .* does not compute the same network"
    with pytest.raises(ValueError, match=told):
        run(settings)
    assert all_ended(started)


def test_nan_is_no_agreement() -> None:
    told = {"test": float("nan"), "steps": [1.0]}
    with pytest.raises(ValueError, match="'x': expected loss of test rows"):
        referee.agreement.check(Contestant("x", "x"), told, {"test": 1.0, "steps": [1.0]})


def test_ctrl_c_stops_everybody(few: str, started: list[process.Process]) -> None:
    def watch(progress: Progress) -> None:
        if progress.doing.startswith("round 2"):
            raise KeyboardInterrupt("pressed")

    settings = Settings("softmax", ("loops",), "numpy", few, epochs=2, cold=False, busy=True)
    with pytest.raises(KeyboardInterrupt, match="pressed"):
        run(settings, watch)
    assert all_ended(started)


def test_one_that_dies_is_named_with_its_exit_code(alone: Callable[..., process.Process]) -> None:
    one = alone()
    one._process.kill()
    with pytest.raises(
        RuntimeError, match=r"'numpy': expected an answer to 'epoch', got its end, "
    ):
        one.ask("epoch")


def test_one_that_hangs_is_stopped(alone: Callable[..., process.Process]) -> None:
    one = alone()
    one.patience = 0.3
    os.kill(one._process.pid, signal.SIGSTOP)
    with pytest.raises(RuntimeError, match=r"'numpy': .* none in 0.3 seconds. .*--timeout"):
        one.ask("epoch")
    assert one._process.poll() is not None


def test_an_error_of_a_contestant_is_told(alone: Callable[..., process.Process]) -> None:
    wrong = Contestant("odd", "scratchnet", {"engine": "nunba"})
    with pytest.raises(RuntimeError, match=r"'odd', 'start': .* Did you mean 'numba'\?"):
        alone(chosen=wrong)
    with pytest.raises(RuntimeError, match=r"'numpy', 'dance': ValueError: .* got 'dance'"):
        alone().ask("dance")
    missing = Contestant("odd", "nobody")
    with pytest.raises(RuntimeError, match="No module named"):
        alone(chosen=missing)


def test_a_contestants_memory_is_its_own(alone: Callable[..., process.Process]) -> None:
    ballast = np.ones(50_000_000)  # 400 MB, here
    assert alone().ready["memory"]["import"] < ballast.nbytes / 1e6 / 2


def test_pins_of_blas_do_not_reach_a_contestant(
    alone: Callable[..., process.Process], monkeypatch: pytest.MonkeyPatch
) -> None:
    def kernels() -> list[str]:
        pools = alone().ask("facts")["pools"]
        return [pool["architecture"] for pool in pools if pool["internal_api"] == "openblas"]

    before = kernels()
    monkeypatch.setenv("OPENBLAS_CORETYPE", "Prescott" if "Prescott" not in before else "Nehalem")
    assert kernels() == before


def test_keras_best_races_with_the_fastest_setting(
    few: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    best = {"steps_per_execution": 64, "jit_compile": True}

    class Fake:
        def __init__(self, chosen: Contestant, *_: Any) -> None:
            self.options = chosen.options["compile"]

        def __enter__(self) -> "Fake":
            return self

        def __exit__(self, *_: Any) -> None:
            pass

        def ask(self, action: str) -> dict[str, float]:
            assert action == "trial"
            return {"seconds": 1.0 if self.options == best else 2.0}

    monkeypatch.setattr(referee, "Process", Fake)
    race = a_race("softmax", Contestant("keras-best", "keras"), few, tmp_path)
    race.samples, race.told["keras-best"] = 10, {}
    race._choose_settings("keras-best")
    assert race.chosen["keras-best"].options == {"compile": best}
    trials = race.told["keras-best"]["trials"]
    assert len({tuple(t["compile"].values()) for t in trials}) == 4
    assert [t["seconds_an_epoch"] for t in trials].count(10.0) == 1


# ---------------------------------------------------------------------- the other libraries


def test_keras_agrees_and_races(few: str, live: bool, started: list[process.Process]) -> None:
    if not live:
        pytest.skip(keras_ref.HINT)
    settings = Settings("mlp_dropout", ("keras",), "numpy", few, epochs=1, cold=False, threads=2)
    part = run(settings)["networks"]["mlp_dropout"]
    keras = part["contestants"]["keras"]
    assert keras["agreement"]["largest_relative_difference"] < 1e-5
    assert keras["ran_on"]["backend"] == "tensorflow"
    assert keras["ran_on"]["tensorflow_threads"] == {"intra_op": 2, "inter_op": 2}
    assert keras["one_image"]["call"] in (
        "predict_on_batch",
        "model(x, training=False)",
        "tf.function",
        "tf.function, jit_compile",
    )
    # the same seed: the same order of samples and the same masks
    assert keras["accuracy"] == pytest.approx(part["contestants"]["numpy"]["accuracy"])
    assert all_ended(started)


def does_everything(one: process.Process, tolerance: tuple[float, float], race: Any) -> None:
    """It agrees, trains, begins anew and predicts."""
    rows, wanted = race._reference(one.chosen.name)
    losses = one.ask("losses", rows=rows, steps=referee.agreement.STEPS)
    assert referee.agreement.check(one.chosen, losses, wanted) < tolerance[1]
    assert one.ask("first")["seconds"] > 0
    one.ask("reset")
    before = one.ask("evaluate", rows=rows)["loss"]
    assert before == pytest.approx(wanted["test"], rel=tolerance[0])
    for _ in range(2):
        assert one.ask("epoch")["seconds"] > 0
    assert one.ask("evaluate", rows=rows)["loss"] < before
    assert one.ask("predict", rows=TEST)["seconds"] > 0
    assert one.ask("one")["seconds"] > 0


@pytest.mark.parametrize("network", ["mlp2_dropout", "pairs", "lenet", "normalized"])
def test_torch_agrees_trains_and_predicts(
    few: str, tmp_path: Path, alone: Callable[..., process.Process], network: str
) -> None:
    pytest.importorskip("torch")
    torch = contestants.contestant("torch")
    one = alone(network, torch)
    does_everything(one, torch.tolerance, a_race(network, torch, few, tmp_path))
    facts = one.ask("facts")
    assert facts["torch_threads"] == 1
    assert facts["versions"]["torch"].startswith("2.")


def test_torch_says_what_is_not_written_for_it() -> None:
    from keras_ref.race.torch_side import cannot

    dense = ("Dense", {"activation": "softmax"})
    assert cannot([("Flatten", {}), dense]) == ""
    assert "DepthwiseConv2D" in cannot([("DepthwiseConv2D", {}), dense])
    assert "selu" in cannot([("Dense", {"activation": "selu"}), dense])
    assert "softmax" in cannot([dense, dense])
    strided = {"padding": "same", "strides": (2, 2), "activation": "relu"}
    assert "padding" in cannot([("Conv2D", strided), dense])


def test_sklearn_agrees_trains_and_predicts(
    few: str, tmp_path: Path, alone: Callable[..., process.Process]
) -> None:
    pytest.importorskip("sklearn")
    sklearn = contestants.contestant("sklearn")
    race = a_race("mlp_adam", sklearn, few, tmp_path)
    does_everything(alone("mlp_adam", sklearn), (1e-4, 1e-4), race)


# ---------------------------------------------------------------------- what a person sees


def test_the_command_writes_json_and_plot(few: str, tmp_path: Path) -> None:
    path = tmp_path / "result.json"
    arguments = ["race", "softmax", "--engine", "numpy", "--against", "loops", "--data", few]
    arguments += ["--epochs", "2", "--json", str(path), "--busy", "--no-cold", "--threads", "1"]
    told = CliRunner().invoke(cli, arguments, catch_exceptions=False)
    assert told.exit_code == 0, told.output
    for text in (
        "softmax, round 2 of 2: numpy",
        "softmax: training on 160 samples",
        "Prediction of all 40 images, and of one image at a time",
        "loops: measured on",
        "Another process spun on one core",
        f"Result: {path}",
    ):
        assert text in told.stdout
    written = json.loads(path.read_text())
    assert written["settings"]["data"] == "few"  # not where the folder is
    assert str(tmp_path) not in path.read_text()
    assert str(Path(few).parent) not in path.read_text()
    try:
        import matplotlib  # noqa: F401
    except ModuleNotFoundError:
        assert "pip install matplotlib" in told.stdout
    else:
        assert path.with_suffix(".png").read_bytes().startswith(b"\x89PNG")


def test_wrong_uses_of_the_command(tmp_path: Path) -> None:
    def call(*arguments: str) -> Any:
        return CliRunner().invoke(cli, ["race", "softmax", *arguments])

    wrong = call("--against", "kears")
    assert wrong.exit_code == 2
    assert "Did you mean 'keras'?" in wrong.output
    wrong = CliRunner().invoke(cli, ["race", "lenets"])
    assert wrong.exit_code == 2
    assert "Did you mean 'lenet'?" in wrong.output
    wrong = call("--json", str(tmp_path / "nowhere" / "x.json"))
    assert wrong.exit_code == 2
    assert "expected a folder that exists" in wrong.output


def test_tables_fit_into_80_columns(result: dict[str, Any], capsys: Any) -> None:
    from rich.console import Console

    from scratchnet.cli import race

    module = __import__("scratchnet.cli.race", fromlist=["_report"])
    assert race is not module
    part = result["networks"]["softmax"]
    entries = part["contestants"]
    entries = {"fused": entries["numpy"], "keras-best": entries["loops"], "loops": entries["loops"]}
    module._report(Console(width=80), "softmax", part | {"contestants": entries}, "fused")
    lines = capsys.readouterr().out.splitlines()
    assert not any("…" in line for line in lines)
    table = [line for line in lines if not line.startswith(("ratio", "agreed", "*", "call"))]
    assert max(len(line.rstrip()) for line in table) <= 80


def test_the_plot_without_matplotlib(
    result: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "matplotlib.backends.backend_agg", None)
    with pytest.raises(ModuleNotFoundError, match="pip install matplotlib"):
        plot.draw(result, tmp_path / "x.png")


# ---------------------------------------------------------------------- the README's table


@pytest.fixture
def readme(tmp_path: Path, result: dict[str, Any]) -> tuple[Path, Path]:
    """A README with empty markers, and a result in a folder beside it."""
    made, source = tmp_path / "README.md", tmp_path / "results" / "race.json"
    source.parent.mkdir()
    source.write_text(json.dumps(result))
    made.write_text("# Name\n\n<!-- race:begin -->\n<!-- race:end -->\n\nThe end.\n")
    return made, source


def test_the_table_is_written_between_its_markers(readme: tuple[Path, Path]) -> None:
    made, source = readme
    for _ in range(2):  # again and again, to the same text
        assert headline.main([str(source), "--readme", str(made)]) == 0
        text = made.read_text()
        assert text.startswith("# Name\n\n<!-- race:begin results/race.json -->\n| ")
        assert text.endswith("<!-- race:end -->\n\nThe end.\n")
        assert text.count("<!-- race:begin") == 1
    assert "| ScratchNet (`numpy`) | `loops` |" in text
    assert "(scaled), **" in text
    headline.check(made)
    headline.check(made, source)
    assert headline.main(["--check", "--readme", str(made)]) == 0


def test_a_table_edited_by_hand_is_found(readme: tuple[Path, Path], capsys: Any) -> None:
    made, source = readme
    headline.write(made, source)
    made.write_text(made.read_text().replace("**", "**1", 1))
    with pytest.raises(ValueError, match=r"README 'README.md': expected '\| `softmax`, an epoch"):
        headline.check(made)
    assert headline.main(["--check", "--readme", str(made)]) == 1
    assert "Run: python -m keras_ref.race.headline" in capsys.readouterr().err


def test_a_line_more_or_less_is_found(readme: tuple[Path, Path]) -> None:
    made, source = readme
    headline.write(made, source)
    whole = made.read_text()
    made.write_text(whole.replace("<!-- race:end", "one more\n<!-- race:end"))
    with pytest.raises(ValueError, match=r"expected '\(end\)', got 'one more'"):
        headline.check(made)
    result = json.loads(source.read_text())
    result["networks"]["softmax"]["contestants"]["numpy"]["epoch"]["median"] *= 2
    source.write_text(json.dumps(result))
    made.write_text(whole)
    with pytest.raises(ValueError, match="an epoch"):
        headline.check(made)


def test_missing_markers_are_told(tmp_path: Path, readme: tuple[Path, Path]) -> None:
    bare = tmp_path / "BARE.md"
    bare.write_text("# Nothing\n")
    with pytest.raises(ValueError, match=r"README 'BARE.md': expected one pair of <!-- race:b"):
        headline.write(bare, readme[1])
    with pytest.raises(ValueError, match="the name of a JSON file in the marker, got none"):
        headline.check(readme[0])


def test_the_table_in_the_readme_is_the_one_its_result_file_gives() -> None:
    headline.check(Path(__file__).parents[1] / "README.md")  # raises where a cell differs

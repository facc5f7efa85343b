"""Training on many ranks, against the same training by one process: under a real mpiexec.

The trainings stand in ranks_at_work.py; all of them run in one start of mpiexec for each number of
ranks, on engine "numpy" and two networks on "fused".
"""

import os
import shutil
import signal
import subprocess
import sys
import time
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

import scratchnet as sn
from scratchnet import distributed, engines
from scratchnet.distributed import agreement, world
from scratchnet.tests import ranks_at_work

BESIDE = Path(sys.executable).parent / "mpiexec"
MPIEXEC = str(BESIDE) if BESIDE.exists() else shutil.which("mpiexec")
MISSING = [
    name for name, there in (("mpi4py", find_spec("mpi4py")), ("mpiexec", MPIEXEC)) if not there
]
needs_mpi = pytest.mark.skipif(bool(MISSING), reason=f"there is no {' and no '.join(MISSING)}")
# in each start of mpiexec so many ranks; three of them do the few cases in which an odd number may
# make a difference, and engine "fused", which takes long to load, is tried by two
# without a compiler all is NumPy, as it is with one: the few cases say that it works
SOME = [
    "mlp_rmsprop",
    "softmax",
    "few_rows",
    "one_row",
    "many_metrics",
    "ignored_class",
    "masks",
    "one_stops",
    "normal_of_few_rows",
]
ALL = list(ranks_at_work.CASES) if engines.JIT else SOME
CASES = {
    1: ALL,
    2: ALL,
    3: SOME,
    4: [name for name in ALL if "fused" not in name],
}
BARS = {"rtol": 0, "atol": 1e-12}
SCRIPT = """
import os, signal, sys, time
import scratchnet as sn
from scratchnet.callbacks import CSVLogger, LambdaCallback
from scratchnet.tests.ranks_at_work import fitted, rows, small

sn.distributed.start()
sn.set_engine("numpy")
sn.utils.set_random_seed(1)
rank = sn.distributed.rank()
model, data = fitted(sn.layers.Dense(8, activation="relu"), sn.layers.Dropout(0.5))
"""


def run(ranks, *command, **options):
    """The command on so many ranks; on one, without mpiexec."""
    start = [MPIEXEC, "-n", str(ranks)] if ranks > 1 else []
    env = os.environ | {"PYTHONPATH": str(Path(sn.__file__).parents[1])}
    env.pop("SCRATCHNET_NUM_THREADS", None)
    return subprocess.run(
        [*start, sys.executable, "-W", "error", *map(str, command)],
        capture_output=True,
        text=True,
        timeout=120,
        env=env,
        **options,
    )


def script(ranks, text, tmp_path):
    path = tmp_path / "script.py"
    path.write_text(SCRIPT + text)
    return run(ranks, path, cwd=tmp_path)


# ------------------------------------------------------------------ the same as one process


@pytest.fixture(scope="module")
def trainings(tmp_path_factory):
    """What all cases left: (ranks, rank) -> name of an array -> array."""
    folder = tmp_path_factory.mktemp("ranks")
    for ranks, cases in CASES.items():
        how = "alone" if ranks == 1 else "together"
        done = run(ranks, ranks_at_work.__file__, how, folder, *cases)
        assert done.returncode == 0, done.stdout + done.stderr
    places = [(ranks, rank) for ranks in CASES for rank in range(ranks)]
    return {place: dict(np.load(folder / "{}_{}.npz".format(*place))) for place in places}


@needs_mpi
@pytest.mark.parametrize("case", ALL)
def test_many_ranks_train_as_one_process(trainings, case):
    alone = {key: array for key, array in trainings[1, 0].items() if key.startswith(f"{case}/")}
    assert len(alone[f"{case}/steps"]) >= 2
    for ranks in (2, 3, 4):
        if case not in CASES[ranks]:
            continue
        for key, array in alone.items():
            first = trainings[ranks, 0][key]
            for rank in range(1, ranks):  # bit for bit
                np.testing.assert_array_equal(trainings[ranks, rank][key], first, key)
            if case == "unseeded":  # each run draws an order of its own
                assert first.shape == array.shape
            elif "accuracy" in key or key.endswith("streams"):
                np.testing.assert_array_equal(first, array, key)
            else:
                np.testing.assert_allclose(first, array, err_msg=f"{ranks} ranks: {key}", **BARS)


@needs_mpi
@pytest.mark.skipif(not engines.JIT, reason="without a compiler some of the cases are left out")
def test_the_cases_are_what_their_names_say(trainings):
    alone = trainings[1, 0]
    assert len(alone["one_stops/steps"]) == 2
    assert len(alone["callbacks/history_loss"]) == 3  # stopped early
    np.testing.assert_array_equal(alone["callbacks/parameters"], alone["callbacks/steps"][2])
    assert np.ptp(alone["nothing_counts/history_loss"]) == 0
    assert alone["fused_cnn/steps"].shape == alone["cnn/steps"].shape
    together = trainings[2, 0]
    assert not np.array_equal(alone["unseeded/steps"], together["unseeded/steps"])
    assert not np.array_equal(together["cnn/steps"], alone["cnn/steps"])  # it was added up in parts


# ------------------------------------------------------------------ who writes


@needs_mpi
def test_rank_0_alone_shows_and_writes(tmp_path):
    done = script(
        3,
        """
class Mine(sn.callbacks.Callback):
    writes = True
    def on_train_begin(self, logs=None):
        open(f"mine_{rank}", "x")

logger = CSVLogger(f"log_{rank}.csv")
stop = sn.callbacks.EarlyStopping("loss", patience=0, verbose=1, min_delta=100)
history = model.fit(**data, epochs=5, callbacks=[logger, Mine(), stop])
model.evaluate(data["x"], data["y"])
model.predict(data["x"])
open(f"epochs_{rank}", "x").write(str(len(history.epoch)))
assert sn.get_num_threads() == max(1, len(os.sched_getaffinity(0)) // 3), sn.get_num_threads()
""",
        tmp_path,
    )
    assert done.returncode == 0, done.stderr
    assert [done.stdout.count(text) for text in ("Epoch 1/5", "early stopping", "Epoch 3")] == [
        1,
        1,
        0,
    ]
    assert sorted(path.name for path in tmp_path.glob("*_*")) == [
        *(f"epochs_{rank}" for rank in range(3)),
        "log_0.csv",
        "mine_0",
    ]
    assert {path.read_text() for path in tmp_path.glob("epochs_*")} == {"2"}
    assert len((tmp_path / "log_0.csv").read_text().splitlines()) == 3


@needs_mpi
def test_the_command_trains_on_all_ranks(tmp_path):
    options = "--engine numpy --epochs 2 --seed 1 --dtype float64 --out".split()
    command = "-m", "scratchnet", "train", "softmax"
    done = run(2, *command, "--distributed", *options, tmp_path / "two.keras", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("test loss") == done.stdout.count("on 2 ranks") == 1
    alone = run(1, *command, *options, tmp_path / "one.keras", cwd=tmp_path)
    assert "ranks" not in alone.stdout
    two, one = (sn.models.load_model(tmp_path / f"{name}.keras") for name in ("two", "one"))
    np.testing.assert_allclose(two.parameters, one.parameters, **BARS)
    assert [path.name for path in tmp_path.iterdir()] in (
        ["one.keras", "two.keras"],
        ["two.keras", "one.keras"],
    )


@needs_mpi
def test_a_world_of_one_rank_needs_no_mpiexec(tmp_path):
    text = "model.fit(**data, verbose=0)\nprint(sn.distributed.size(), sn.distributed.start().rank)"
    done = script(1, text, tmp_path)
    assert (done.stdout, done.returncode) == ("1 0\n", 0), done.stderr


# ------------------------------------------------------------------ a rank that is gone


END = """
epochs = []
def begin(epoch, logs):
    epochs.append(epoch)
def end(epoch, logs):
    if rank == 0:
        model.save("new.keras")
        os.replace("new.keras", "last.keras")
def step(batch, logs):
    if rank == 1 and epochs[-1] == 3 and batch == 1:
        {deed}
acts = LambdaCallback(on_epoch_begin=begin, on_epoch_end=end, on_train_batch_end=step)
model.fit(**data, epochs=100_000, verbose=0, callbacks=[acts])
"""


@needs_mpi
@pytest.mark.parametrize(
    ("deed", "code", "message"),
    [
        ("os.kill(os.getpid(), signal.SIGKILL)", signal.SIGKILL, "Killed"),
        ("raise ValueError('no more')", 1, "no more\nRank 1 of 3: ValueError. The other ranks are"),
        (
            "sys.exit(3)",
            1,
            "Rank 1 of 3: the program ended within fit. The other ranks are stopped",
        ),
    ],
    ids=["killed", "raised", "left"],
)
def test_a_dead_rank_ends_the_job_and_the_checkpoint_is_good(tmp_path, deed, code, message):
    start = time.monotonic()
    done = script(3, END.format(deed=deed), tmp_path)
    assert time.monotonic() - start < 30
    assert done.returncode == code
    assert message in done.stdout + done.stderr
    model = sn.models.load_model(tmp_path / "last.keras")
    assert model.optimizer.iterations == 9


@needs_mpi
@pytest.mark.parametrize("save_freq", ["epoch", 2])
def test_ranks_that_were_killed_go_on_from_their_backup(tmp_path, save_freq):
    text = f"""
import hashlib
from scratchnet.callbacks import BackupAndRestore, EarlyStopping
class Die(sn.callbacks.Callback):
    def on_epoch_begin(self, epoch, logs=None):
        self.epoch = epoch
    def on_train_batch_end(self, batch, logs=None):
        if sys.argv[1] == "die" and (rank, self.epoch, batch) == (1, 2, 1):
            os.kill(os.getpid(), signal.SIGKILL)
kept = BackupAndRestore(sys.argv[2], {save_freq!r})
more = [EarlyStopping("loss", patience=9), CSVLogger(sys.argv[2] + ".csv"), Die()]
history = model.fit(**data, epochs=4, verbose=0, callbacks=[kept, *more])
whole = [model.parameters, *model.optimizer.variables]
digest = hashlib.sha256(b"".join(array.tobytes() for array in whole)).hexdigest()
streams = model.layers[1].seed_generator.state
with open(f"{{sys.argv[2]}}-{{rank}}", "w") as file:
    print(digest, history.history, history.epoch, streams, file=file)
"""
    path = tmp_path / "training.py"
    path.write_text(SCRIPT + text)
    wanted = run(2, path, "live", "whole", cwd=tmp_path)
    assert wanted.returncode == 0, wanted.stderr
    assert run(2, path, "die", "cut", cwd=tmp_path).returncode != 0
    assert (tmp_path / "cut").is_dir()
    done = run(2, path, "live", "cut", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    for ends in (("whole-0", "whole-1", "cut-0", "cut-1"), ("whole.csv", "cut.csv")):
        assert len({(tmp_path / name).read_text() for name in ends}) == 1
    assert not (tmp_path / "cut").exists()


@needs_mpi
def test_an_error_of_all_ranks_ends_each_by_itself(tmp_path):
    text = """
def step(batch, logs):
    raise ValueError("all of us")
try:
    model.fit(**data, verbose=0, callbacks=[LambdaCallback(on_train_batch_end=step)])
except ValueError as error:
    print(error, flush=True)
"""
    done = script(2, text, tmp_path)
    assert (done.stdout.count("all of us"), done.stderr, done.returncode) == (2, "", 0)


# ------------------------------------------------------------------ what is refused


@needs_mpi
def test_ranks_that_mean_different_things_are_told(tmp_path):
    text = """
x, y = rows(19)
def refused(model=model, **fit):
    try:
        model.fit(**({"x": x, "y": y, "verbose": 0} | fit))
    except ValueError as error:
        print(error) if rank == 0 else None
        return
    raise AssertionError(fit)
last = rank == 2
refused(x=x + last)
refused(x=x[: 19 - last], y=y[: 19 - last])
refused(sample_weight=y + last)
refused(batch_size=4 + last)
refused(epochs=4 + last)
refused(shuffle=not last)
refused(validation_data=(x + 1, y) if last else None)
refused(initial_epoch=int(last))
refused(fitted(sn.layers.Dense(4 + last))[0])
refused(fitted(optimizer="sgd" if last else "adam")[0])
model.fit(**data, verbose=0)
"""
    done = script(3, text, tmp_path)
    assert done.returncode == 0, done.stderr
    same = "Run the same lines on every rank."
    told = [
        *[("data", "Give every rank all of them: it takes its own part.")] * 3,
        *[("epochs, batch size and shuffle", same)] * 3,
        ("validation data", "Give every rank all of them."),
        ("first batch", "A backup must lie where every rank can read it."),
        *[("network", same)] * 2,
    ]
    assert [line.split("fit: ")[1] for line in done.stdout.splitlines()] == [
        f"expected the same {what} on every rank, got a difference between ranks 0 and 2. {hint}"
        for what, hint in told
    ]


def refusal(model, fit):
    """The message with which a training is refused that more than one rank shall do."""
    train, _ = sn.data.prepare_fit(
        model, fit["x"], fit["y"], fit.get("sample_weight"), None, 0.0, None
    )
    with pytest.raises(NotImplementedError, match=r"expected .*, got ") as error:
        agreement.check_rows_are_alone(model, train)
    return str(error.value)


def test_what_needs_the_rows_of_other_ranks_is_refused():
    sn.set_engine("numpy")

    class Largest(sn.regularizers.L2):
        pass

    class Counting(sn.layers.Dense):
        def build(self, input_shape):
            super().build(input_shape)
            self.state["count"] = np.zeros(1)

    Dense, fitted = sn.layers.Dense, ranks_at_work.fitted
    assert refusal(*fitted(Counting(3, name="own"))).endswith(
        "expected layers that look at each row alone, for training on several ranks, got Counting "
        "'own'. Set its trainable to False, or train on one rank."
    )
    assert refusal(*fitted(Dense(3, activity_regularizer=Largest()))).endswith(
        "expected an activity regularizer that is a sum over rows (L1, L2, L1L2), got Largest."
    )
    weighted = sn.losses.SparseCategoricalCrossentropy(reduction="mean_with_sample_weight")
    given = {"sample_weight": np.ones(19)}
    for layer, loss, what in (
        (Dense(3, activity_regularizer="l2"), weighted, "an activity regularizer"),
        (sn.layers.BatchNormalization(), weighted, "trainable batch statistics"),
        (
            sn.layers.BatchNormalization(),
            sn.losses.SparseCategoricalCrossentropy(ignore_class=1),
            "trainable batch statistics",
        ),
    ):
        assert refusal(*fitted(layer, loss=loss, fit=given)).endswith(
            f"expected a loss in which all rows count alike beside {what}, got "
            f"{loss.owner}. Train on one rank."
        )
    given["sample_weight"][3] = -1
    assert refusal(*fitted(loss=weighted, fit=given)).endswith(
        "expected sample weights of 0 or more, got -1.0. Train on one rank."
    )


def test_what_is_missing_is_said(monkeypatch):
    monkeypatch.setitem(sys.modules, "mpi4py", None)
    message = r"expected the package mpi4py, got none\. pip install 'scratchnet\[mpi\]'"
    with pytest.raises(ImportError, match=message):
        distributed.start()


def test_a_missing_mpi_library_is_said(monkeypatch, tmp_path):
    (tmp_path / "mpi4py").mkdir()
    (tmp_path / "mpi4py" / "__init__.py").touch()
    (tmp_path / "mpi4py" / "MPI.py").write_text("raise RuntimeError('cannot load MPI library')")
    for name in [name for name in sys.modules if name.split(".")[0] == "mpi4py"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(
        ImportError, match=r"expected an MPI library for mpi4py, got none\. Install"
    ):
        distributed.start()
    for name in ("mpi4py", "mpi4py.MPI"):
        sys.modules.pop(name, None)


@pytest.mark.parametrize("variable", ["PMI_SIZE", "OMPI_COMM_WORLD_SIZE"])
def test_an_mpiexec_of_another_mpi_is_said(monkeypatch, variable):
    class Mpi:
        class COMM_WORLD:  # noqa: N801
            size = 1

    monkeypatch.setattr(world, "_mpi", Mpi)
    monkeypatch.setenv(variable, "4")
    message = r"expected the 4 ranks that mpiexec started, got a world of one\. mpiexec and mpi4py"
    with pytest.raises(RuntimeError, match=message):
        distributed.start()
    assert (distributed.rank(), distributed.size()) == (0, 1)

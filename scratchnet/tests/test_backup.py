"""A training that is cut, at whatever moment, ends as if it had not been."""

import os
import random
import signal
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest

from scratchnet import Input, Sequential, engines, layers
from scratchnet.callbacks import BackupAndRestore, Callback, EarlyStopping
from scratchnet.tests.backups import BATCHES, EPOCHS, data, everything, model, train


class CutError(Exception):
    """What ends a training here."""


class Cut(Callback):
    """Raises, or does something else, after a batch of an epoch."""

    def __init__(self, epoch, batch, what=None):
        super().__init__()
        self.place, self.what = (epoch, batch), what

    def on_epoch_begin(self, epoch, logs=None):
        self.epoch = epoch

    def on_train_batch_end(self, batch, logs=None):
        if (self.epoch, batch) == self.place:
            self.fall()

    def fall(self):
        if self.what is None:
            raise CutError("cut")
        self.what()


class Watch(Callback):
    """Lists the batches that were trained."""

    def __init__(self):
        super().__init__()
        self.seen = []

    def on_epoch_begin(self, epoch, logs=None):
        self.epoch = epoch

    def on_train_batch_end(self, batch, logs=None):
        self.seen.append((self.epoch, batch))


@pytest.fixture(autouse=True)
def ctrl_c_is_pythons_own():
    """A process that a shell started in the background ignores it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def interrupt():
    os.kill(os.getpid(), signal.SIGINT)


@pytest.fixture
def folders(tmp_path):
    """One for the run that is never cut, one for the other."""
    for name in ("whole", "cut"):
        (tmp_path / name).mkdir()
    return tmp_path / "whole", tmp_path / "cut"


@pytest.mark.parametrize("shuffle", [True, "reshuffle", "batch", False])
@pytest.mark.parametrize(
    ("save_freq", "place", "first"),
    [
        ("epoch", (2, 3), (2, 0)),
        ("epoch", (0, 1), (0, 0)),
        (1, (1, 2), (1, 2)),
        (3, (3, 4), (3, 3)),
        (BATCHES, (1, 0), (1, 0)),
    ],
)
def test_a_training_that_was_cut_ends_with_the_same_bits(folders, save_freq, place, first, shuffle):
    whole, cut = folders
    options, watch = {"save_freq": save_freq, "shuffle": shuffle}, Watch()
    with engines.engine("numpy"):
        wanted = everything(train(whole, **options), whole)
        with pytest.raises(CutError, match="cut"):
            train(cut, Cut(*place), **options)
        assert everything(train(cut, watch, **options), cut) == wanted
    if first == place and save_freq == BATCHES:
        first = (1, 0)  # the backup is of the last batch of epoch 0
    assert watch.seen[0] == first
    assert watch.seen[-1] == (EPOCHS - 1, BATCHES - 1)
    assert sorted(p.name for p in cut.iterdir()) == ["best.weights.h5", "log.csv"]


def test_every_engine_goes_on_with_its_own_bits(folders, each_engine):
    whole, cut = folders
    wanted = everything(train(whole, save_freq=2), whole)
    with pytest.raises(CutError, match="cut"):
        train(cut, Cut(1, 3), save_freq=2)
    assert everything(train(cut, save_freq=2), cut) == wanted


def test_another_run_of_epochs_goes_on_where_this_one_ended(folders):
    whole, cut = folders
    kept = {"delete_checkpoint": False}
    wanted = everything(train(whole, **kept), whole)
    watch = Watch()
    assert everything(train(whole, watch, **kept), whole) == wanted
    assert watch.seen == []
    with pytest.raises(CutError, match="cut"):
        train(cut, Cut(EPOCHS - 1, 0), **kept)
    assert everything(train(cut, watch, **kept), cut) == wanted
    assert watch.seen == [(EPOCHS - 1, batch) for batch in range(BATCHES)]


def test_without_a_seed_the_order_and_the_masks_go_on(tmp_path, monkeypatch):
    monkeypatch.setattr("scratchnet.utils.random_seed._global_seed", None)
    x, y = np.arange(20, dtype=np.float32).reshape(20, 1), np.zeros((20, 1), np.float32)
    seen = []

    class See(layers.Dropout):
        def draw_mask(self, shape):
            mask = super().draw_mask(shape)
            seen.append((self.seed_generator.state, mask.ravel().tolist()))
            return mask

    class Rows(layers.Activation):
        def forward(self, inputs, training=False):
            if training:
                rows.extend(inputs.ravel().tolist())
            return super().forward(inputs, training)

    def fit(*more):
        made = Sequential([Input((1,)), Rows("linear"), See(0.5), layers.Dense(1)])
        made.compile("sgd", "mse")
        backup = BackupAndRestore(tmp_path / "b", 1)
        with engines.engine("numpy"):
            made.fit(x * 1e-3, y, 2, 2, verbose=0, callbacks=[*more, backup])
        return made

    rows = []
    with pytest.raises(CutError, match="cut"):
        fit(Cut(0, 4))
    before, seen[:] = list(seen), []
    fit()
    # batch 4 was trained and not kept: it comes once more, with the same rows and the same mask
    assert rows[10:12] == rows[8:10]
    assert seen[0] == before[-1]
    first_epoch = rows[:10] + rows[12:22]
    assert sorted(first_epoch) == sorted((x * 1e-3).ravel().tolist())
    assert first_epoch != sorted(first_epoch)


def test_ctrl_c_ends_after_the_batch_and_keeps_a_backup(folders):
    whole, cut = folders
    wanted, watch, made = everything(train(whole), whole), Watch(), model()
    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt, match=r"^$"):
        train(cut, watch, Cut(1, 2, interrupt), made=made)
    assert signal.getsignal(signal.SIGINT) is before
    assert watch.seen[-1] == (1, 2)
    assert made.optimizer.iterations == BATCHES + 3
    made.predict(data()[0], verbose=0)
    watch.seen.clear()
    assert everything(train(cut, watch), cut) == wanted
    assert watch.seen[0] == (1, 3)


def test_ctrl_c_between_epochs_keeps_the_epoch(folders):
    whole, cut = folders
    wanted, watch = everything(train(whole), whole), Watch()

    class AtEnd(Callback):
        def on_test_end(self, logs=None):
            interrupt()

    with pytest.raises(KeyboardInterrupt, match=r"^$"):
        train(cut, AtEnd())
    assert everything(train(cut, watch), cut) == wanted
    assert watch.seen[0] == (1, 0)


def test_a_second_ctrl_c_interrupts_at_once(tmp_path):
    after = []

    class Late(Callback):
        def on_train_batch_end(self, batch, logs=None):
            after.append(batch)

    def twice():
        interrupt()
        interrupt()

    with pytest.raises(KeyboardInterrupt, match=r"^$"):
        train(tmp_path, Cut(0, 1, twice), Late())
    assert after == [0]


def test_ctrl_c_without_a_backup_leaves_a_usable_model():
    made, (x, y) = model(), data()
    with pytest.raises(KeyboardInterrupt, match=r"^$"):
        made.fit(x, y, 8, verbose=0, callbacks=[Cut(0, 2, interrupt)])
    assert made.optimizer.iterations == 3
    made.fit(x, y, 8, verbose=0)


def test_in_another_thread_ctrl_c_stays_as_it_is(tmp_path):
    handlers = []
    look = Cut(0, 0, lambda: handlers.append(signal.getsignal(signal.SIGINT)))
    thread = threading.Thread(target=train, args=(tmp_path, look))
    thread.start()
    thread.join()
    assert handlers == [signal.default_int_handler]


def test_a_training_that_was_stopped_stays_stopped(folders):
    whole, cut = folders

    class Stop(Callback):
        def on_epoch_end(self, epoch, logs=None):
            self.model.stop_training = epoch == 1

    class Die(Callback):
        def on_train_end(self, logs=None):
            raise CutError("cut")

    wanted, watch = everything(train(whole, Stop()), whole), Watch()
    with pytest.raises(CutError, match="cut"):
        train(cut, Stop(), Die())
    assert everything(train(cut, Stop(), watch), cut) == wanted
    assert watch.seen == []


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"shuffle": False}, r"expected shuffle True of the training it is of, got False"),
        ({"made": 8}, r"expected seed 7 of the training it is of, got 8"),
    ],
)
def test_a_backup_of_another_training_is_refused(tmp_path, change, message):
    with pytest.raises(CutError, match="cut"):
        train(tmp_path, Cut(1, 0))
    if "made" in change:
        change = {"made": model(8)}
    kept = (change.get("made") or model()).get_weights()
    with pytest.raises(ValueError, match=r"Backup '.*latest.weights.h5': " + message):
        train(tmp_path, **change)
    if "made" in change:
        for old, new in zip(kept, change["made"].get_weights(), strict=True):
            np.testing.assert_array_equal(old, new)


def test_a_backup_of_other_data_callbacks_or_layers_is_refused(tmp_path):
    made, (x, y) = model(), data()
    backup = BackupAndRestore(tmp_path / "b", delete_checkpoint=False)
    made.fit(x, y, 8, 1, verbose=0, callbacks=[backup])
    for options, wanted in (
        ({"batch_size": 9}, "expected batch_size 8 "),
        ({"x": x[:9], "y": y[:9]}, "expected samples 50 "),
        ({"callbacks": [EarlyStopping("loss"), backup]}, r"expected callbacks \['History'\]"),
    ):
        given = {"x": x, "y": y, "batch_size": 8, "callbacks": [backup]} | options
        with pytest.raises(ValueError, match=wanted):
            model().fit(**given, verbose=0)
    other = Sequential([Input((6,)), layers.Dense(3, activation="softmax")])
    other.compile("adam", "sparse_categorical_crossentropy")
    with pytest.raises(ValueError, match=r"expected the backup of this model, got another"):
        other.fit(x, y, 8, verbose=0, callbacks=[backup])
    plain = model()
    plain.compile("sgd", "sparse_categorical_crossentropy", metrics=["accuracy"])
    with pytest.raises(ValueError, match=r"expected 2 arrays for sgd.*, got \d+"):
        plain.fit(x, y, 8, verbose=0, callbacks=[backup])


def test_a_damaged_backup_is_refused_or_the_one_before_taken(folders):
    whole, cut = folders
    wanted = everything(train(whole), whole)
    with pytest.raises(CutError, match="cut"):
        train(cut, Cut(2, 3), double_checkpoint=True)
    path = cut / "backup" / "latest.weights.h5"
    assert path.with_name("latest.weights.h5.bkp").is_file()
    content = path.read_bytes()
    for damaged in (content[: len(content) // 2], b"", b"x" * 999):
        path.write_bytes(damaged)
        kept = model()
        before = kept.get_weights()
        path.with_name("latest.weights.h5.bkp").rename(cut / "aside")
        with pytest.raises(ValueError, match=r"Backup '.*latest.weights.h5': expected a whole "):
            train(cut, made=kept)
        for old, new in zip(before, kept.get_weights(), strict=True):
            np.testing.assert_array_equal(old, new)
        (cut / "aside").rename(path.with_name("latest.weights.h5.bkp"))
    watch = Watch()
    with pytest.warns(UserWarning, match=r"Going on from '.*latest.weights.h5.bkp'"):
        assert everything(train(cut, watch), cut) == wanted
    assert watch.seen[0] == (1, 0)


def test_a_backup_that_cannot_be_written_leaves_the_one_before(folders, monkeypatch):
    whole, cut = folders
    wanted, real = everything(train(whole), whole), os.fsync
    calls = []

    def full(descriptor):
        calls.append(descriptor)
        if len(calls) > 4:
            raise OSError(28, "No space left on device")
        real(descriptor)

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match=r"BackupAndRestore: expected .*'No space left on device'"):
        train(cut)
    monkeypatch.undo()
    assert [p.name for p in (cut / "backup").iterdir()] == ["latest.weights.h5"]
    assert everything(train(cut), cut) == wanted


def test_a_folder_that_cannot_be_made_is_told(tmp_path):
    (tmp_path / "backup").write_text("no folder")
    with pytest.raises(FileExistsError, match=r"expected a folder that can be made, got 'File ex"):
        train(tmp_path)
    assert (tmp_path / "backup").read_text() == "no folder"


def test_what_a_callback_remembers_must_have_a_plain_form(tmp_path):
    class Odd(Callback):
        backed_up = ("memory",)
        memory = object()

    with pytest.raises(TypeError, match=r"Backup: expected plain values and arrays .* got <object"):
        train(tmp_path, Odd())
    assert not (tmp_path / "backup" / "latest.weights.h5").exists()


def test_what_a_callback_remembers_comes_back_as_it_was(tmp_path):
    class Memory(Callback):
        backed_up = ("memory",)
        memory = None

    kept = {
        "a": [1, 2.5, None, "x", float("inf")], "b": np.arange(3.0), 4: {"array": [np.int8(3)]},
        "c": 0.1 + 0.2,
    }  # fmt: skip
    first, second = Memory(), Memory()
    first.memory = kept
    with pytest.raises(CutError, match="cut"):
        train(tmp_path, first, Cut(1, 0))
    train(tmp_path, second)
    np.testing.assert_array_equal(second.memory.pop("b"), kept.pop("b"))
    assert second.memory == kept


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"backup_dir": ""}, "expected backup_dir as the path of a folder, got ''"),
        ({"backup_dir": 3}, "expected backup_dir as the path of a folder, got 3"),
        ({"backup_dir": "b", "save_freq": False}, 'expected save_freq "epoch" or an int'),
        ({"backup_dir": "b", "save_freq": 0}, 'expected save_freq "epoch" or an int: of 1 or more'),
        ({"backup_dir": "b", "save_freq": "batch"}, 'expected save_freq "epoch" or an int'),
    ],
)
def test_wrong_options_are_refused(arguments, message):
    with pytest.raises((ValueError, TypeError), match=message):
        BackupAndRestore(**arguments)


def test_two_backups_at_once_are_refused(tmp_path):
    with pytest.raises(ValueError, match="expected one BackupAndRestore at most, got several"):
        train(tmp_path, BackupAndRestore(tmp_path / "other"))


@pytest.mark.parametrize(("save_freq", "kills"), [("epoch", 5), ("2", 5)])
def test_a_process_killed_again_and_again_ends_with_the_same_bits(folders, save_freq, kills):
    whole, cut = folders
    choose = random.Random(5)

    def run(folder: Path, kill_at: int) -> tuple[int, str]:
        command = [sys.executable, "-m", "scratchnet.tests.backups", str(folder), save_freq]
        command += [engines.DEFAULT, str(kill_at)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode in (0, -signal.SIGKILL), done.stderr
        return done.returncode, done.stdout

    _, said = run(whole, 0)
    wanted, moments = said.splitlines()
    died = 0
    for _ in range(kills):
        # what is left grows less with every backup: from the near to the far end of it
        code, said = run(cut, choose.randint(1, int(moments) // 2))
        died += code != 0
        if code == 0:
            break
    if code != 0:
        code, said = run(cut, 0)
    assert code == 0
    assert died > 1
    assert said.splitlines()[0] == wanted
    assert sorted(p.name for p in cut.iterdir() if not p.name.endswith(".part")) == [
        "best.weights.h5",
        "log.csv",
    ]

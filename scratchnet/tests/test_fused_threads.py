"""Threads: the same bits with any number of them, and a pool that nobody waits for in vain."""

import hashlib
import os
import platform
import subprocess
import sys
import threading
import time
from pathlib import Path

import numba
import numpy as np
import pytest

import scratchnet as keras
from scratchnet.engines import engine, loops, set_engine
from scratchnet.engines import threads as setting
from scratchnet.engines.fused import pool
from scratchnet.engines.fused import threads as regions
from scratchnet.engines.fused.pool import LINE, SLEEPERS, TAKEN, launch
from scratchnet.engines.fused.threads import draw, share, tasks, workers_for
from scratchnet.layers import (
    Activation,
    AveragePooling2D,
    BatchNormalization,
    Conv2D,
    Dense,
    Dropout,
    Flatten,
    GlobalAveragePooling2D,
    GlobalMaxPooling2D,
    LeakyReLU,
    MaxPooling2D,
)
from scratchnet.utils import set_random_seed

COUNTS = (1, 2, 5)


@pytest.fixture(autouse=True)
def number_is_restored(monkeypatch):
    """The number of threads after a test is that before it; any work is shared meanwhile."""
    before = list(setting._chosen)
    monkeypatch.setattr(regions, "ALONE", 0)
    with engine("fused"):
        yield
    setting._chosen[:] = before
    setting.tell_numba()


NETS = {
    "mlp2_dropout": lambda: [
        keras.Input((60,)),
        Dense(90, activation="relu"),
        Dropout(0.2),
        Dense(70, activation="relu"),
        Dropout(0.2),
        Dense(10, activation="softmax"),
    ],
    "cnn": lambda: [
        keras.Input((14, 13, 1)),
        Conv2D(8, 3, activation="relu"),
        MaxPooling2D(2),
        Conv2D(40, 3, activation="relu"),
        MaxPooling2D(2),
        Flatten(),
        Dense(20, activation="relu"),
        Dropout(0.5),
        Dense(10, activation="softmax"),
    ],
    "normalized": lambda: [
        keras.Input((9, 8, 3)),
        Conv2D(12, 3, use_bias=False),
        BatchNormalization(),
        Activation("relu"),
        Conv2D(20, 3, strides=2, activation="relu", kernel_regularizer="l2"),
        BatchNormalization(),
        GlobalAveragePooling2D(),
        Dense(10, activation="softmax"),
    ],
    "same": lambda: [
        keras.Input((9, 8, 3)),
        Conv2D(12, 3, padding="same", activation="relu"),
        Conv2D(12, 3, padding="same", strides=(2, 1), activation="relu"),
        MaxPooling2D(2, padding="same"),
        Conv2D(7, 5, padding="same", activation="tanh"),
        AveragePooling2D(2),
        Flatten(),
        Dense(10),
        Activation("softmax"),
    ],
    "unmerged": lambda: [  # nothing but operations that are those of engine "loops"
        keras.Input((9, 8, 3)),
        Conv2D(12, 3, activation="elu"),
        Activation("gelu"),
        LeakyReLU(),
        GlobalMaxPooling2D(),
        Dense(30, activation="selu", kernel_regularizer="l1"),
        Dense(10, activation="log_softmax"),
        Activation("exponential"),
    ],
}
OPTIMIZERS = {
    "mlp2_dropout": "rmsprop",
    "cnn": "adam",
    "normalized": lambda: keras.optimizers.SGD(0.1, momentum=0.9),
    "same": lambda: keras.optimizers.Adam(global_clipnorm=0.01),
    "unmerged": lambda: keras.optimizers.Adagrad(0.1, clipvalue=0.01, weight_decay=0.01),
}


def model_of(name, seed=1):
    set_random_seed(seed)
    model = keras.Sequential(NETS[name]())
    optimizer = OPTIMIZERS[name]
    optimizer = optimizer() if callable(optimizer) else optimizer
    model.compile(optimizer, "categorical_crossentropy", metrics=["accuracy"])
    return model


def data_of(name, n=150):
    rng = np.random.default_rng(0)
    shape = model_of(name).input_shape[1:]
    x = rng.normal(size=(n, *shape)).astype(np.float32) * (rng.random((n, *shape)) < 0.5)
    return x, np.eye(10, dtype=np.float32)[rng.integers(0, 10, n)]


def trained(model, x, y, shuffle=True):
    """Everything that training leaves behind, to the bit."""
    history = model.fit(x, y, batch_size=32, epochs=2, verbose=0, shuffle=shuffle).history
    return [*map(np.asarray, history.values()), *model.get_weights(), model.predict(x, verbose=0)]


def fingerprint(arrays):
    return hashlib.sha256(b"".join(a.tobytes() for a in arrays)).hexdigest()


def assert_same_bits(one, two):
    for index, (a, b) in enumerate(zip(one, two, strict=True)):
        assert np.array_equal(a, b), f"array {index} differs"


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", NETS)
def test_the_bits_do_not_depend_on_the_number_of_threads(name, dtype):
    keras.config.set_floatx(dtype)
    x, y = data_of(name)
    results = []
    for count in COUNTS:
        keras.set_num_threads(count)
        results.append(trained(model_of(name), x, y))
        assert len(pool._helpers) >= count - 1
    for other in results[1:]:
        assert_same_bits(results[0], other)


def test_the_bits_are_those_of_the_first_run():
    keras.set_num_threads(3)
    x, y = data_of("cnn")
    first = trained(model_of("cnn"), x, y)
    for _ in range(4):
        assert_same_bits(first, trained(model_of("cnn"), x, y))


def test_another_seed_gives_other_bits():
    x, y = data_of("cnn")
    one, two = (trained(model_of("cnn", seed), x, y) for seed in (1, 2))
    assert fingerprint(one) != fingerprint(two)


def test_a_network_of_ordinary_size_is_shared_without_being_asked(monkeypatch):
    monkeypatch.setattr(regions, "ALONE", 500_000)
    model = keras.networks.NETWORKS["mlp_dropout"]
    rng, seen = np.random.default_rng(0), []
    x, y = rng.random((256, 784), np.float32), np.eye(10)[rng.integers(0, 10, 256)]
    monkeypatch.setattr(regions, "launch", lambda n: (seen.append(n), launch(n)))
    results = []
    for count in COUNTS:
        keras.set_num_threads(count)
        set_random_seed(1)
        results.append(trained(model.compiled(keras), x, y))
    assert set(seen) == set(COUNTS)
    for other in results[1:]:
        assert_same_bits(results[0], other)


# ------------------------------------------------------------------ in processes of their own

CHILD = """
import sys
import scratchnet as keras
from scratchnet.engines import load
load("fused")
import numba
from scratchnet.engines.fused import pool, threads
from scratchnet.tests.test_fused_threads import data_of, fingerprint, model_of, trained
threads.ALONE = 0
for name in sys.argv[1:]:
    print(fingerprint(trained(model_of(name), *data_of(name))))
print(keras.get_num_threads(), len(pool._helpers), numba.config.NUMBA_NUM_THREADS)
"""

FORK = """
import multiprocessing, os, sys, warnings
warnings.simplefilter("ignore")  # that there are threads when we fork is the point
import scratchnet as keras
from scratchnet.engines.fused import pool, threads
from scratchnet.tests.test_fused_threads import data_of, fingerprint, model_of, trained
threads.ALONE = 0
keras.set_num_threads(3)

def everything():
    return [fingerprint(trained(model_of(name), *data_of(name))) for name in sys.argv[1:]]

def child(queue):
    assert not pool._helpers
    queue.put(everything())

before = everything()
assert len(pool._helpers) == 2
context = multiprocessing.get_context("fork")
for _ in range(2):
    queue = context.Queue()
    process = context.Process(target=child, args=(queue,))
    process.start()
    process.join(60)  # what is in the queue is too little to wait for
    print(process.exitcode == 0 and queue.get(timeout=10) == before)
process = os.fork()
if process == 0:
    os._exit(7 if everything() == before else 1)
print(os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]))
print(everything() == before)  # and the parent goes on
"""


def run_child(code, *arguments, **variables):
    environment = {**os.environ, "SCRATCHNET_ENGINE": "fused", **variables}
    command = [sys.executable, "-c", code, *arguments]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


def test_the_variable_sets_the_number_and_changes_no_bit():
    names = ("mlp2_dropout", "cnn")
    here = [fingerprint(trained(model_of(name), *data_of(name))) for name in names]
    for count in COUNTS:
        *bits, threads, helpers, of_numba = run_child(
            CHILD, *names, SCRATCHNET_NUM_THREADS=str(count)
        )
        assert bits == here
        assert int(threads) == count
        assert int(helpers) == count - 1
        assert int(of_numba) >= count


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
@pytest.mark.parametrize("name", ["mlp2_dropout", "normalized", "unmerged"])
def test_a_forked_process_trains_after_its_parent_has(name):
    assert run_child(FORK, name) == ["True", "True", "7", "True"]


OWN = """
import os, sys
import scratchnet as keras
from scratchnet.engines.fused import threads
from scratchnet.tests.test_fused_threads import data_of, model_of, trained
threads.ALONE = 0
keras.set_num_threads(3)
for name in sys.argv[1:]:
    trained(model_of(name), *data_of(name))
print(len(os.listdir("/proc/self/task")))
"""


@pytest.mark.skipif(not os.path.isdir("/proc/self/task"), reason="no list of threads")
def test_there_are_no_threads_but_those_of_the_pool():
    assert run_child(OWN, *NETS, OPENBLAS_NUM_THREADS="1") == ["3"]


def one_more(x):
    return x + 1


def test_kernels_are_compiled_anew_when_any_source_has_changed(tmp_path, monkeypatch):
    (tmp_path / "a.py").write_text("1")
    (tmp_path / "b.py").write_text("2")
    before = regions.digest_of([tmp_path])
    assert before == regions.digest_of([tmp_path])
    (tmp_path / "b.py").write_text("3")
    assert before != regions.digest_of([tmp_path])
    folders = [Path(regions.__file__).parent, Path(loops.__file__).parent]
    assert regions.digest_of(folders) == regions.SOURCES
    assert len({regions.digest_of([one]) for one in (*folders, tmp_path / "none")}) == 3

    def found_on_disk():
        kernel = regions.compiled(one_more)
        assert kernel(1) == 2
        return sum(kernel.stats.cache_hits.values())

    found_on_disk()
    assert found_on_disk()
    monkeypatch.setattr(regions, "SOURCES", before)
    assert not found_on_disk()
    assert found_on_disk()


@tasks
def _hungry_tasks(counter, numbers, out):
    i = draw(counter)
    while i < numbers.size:
        for _ in range(20_000):  # long enough for helpers to come
            out[i] += i
        out[i] = np.ones(numbers[i]).size
        i = draw(counter)


@numba.njit
def hungry(numbers, out, workers):
    share(workers, _hungry_tasks, (np.zeros(8, np.intp), numbers, out))


@pytest.mark.parametrize("workers", [1, 3])
def test_a_task_that_finds_no_memory_is_no_success(workers):
    launch(workers)
    for failing in [*range(40), *[None] * 3]:
        numbers, out = np.full(40, 7), np.zeros(40)
        if failing is None:
            hungry(numbers, out, workers)
            assert (out == 7).all()
            continue
        numbers[failing] = 1 << 58  # one task's thread ends, the others go on
        with pytest.raises(MemoryError, match="a task ended early"):
            hungry(numbers, out, workers)


def test_a_region_needs_no_helper_that_cannot_be_started(monkeypatch):
    asked = []

    def refuse(self):
        asked.append(self)
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(pool, "_helpers", [])
    monkeypatch.setattr(pool, "_most", pool._most)
    monkeypatch.setattr(threading.Thread, "start", refuse)
    keras.set_num_threads(3)
    for _ in range(2):
        assert workers_for(1) == 3
    assert len(asked) == 1  # not for each region anew
    out = np.zeros(5)
    hungry(np.full(5, 7), out, 3)
    assert (out == 7).all()


# ------------------------------------------------------------------ the setting


def test_the_number_is_what_was_set_last():
    for n in (3, np.int64(2), 1):
        assert keras.set_num_threads(n) is None
        assert keras.get_num_threads() == n
        assert type(keras.get_num_threads()) is int
        assert numba.get_num_threads() == min(n, numba.config.NUMBA_NUM_THREADS)


@pytest.mark.parametrize("n", [0, -1])
def test_fewer_than_one_thread_are_refused(n):
    keras.set_num_threads(2)
    with pytest.raises(ValueError, match=f"set_num_threads: expected at least 1 thread, got {n}"):
        keras.set_num_threads(n)
    assert keras.get_num_threads() == 2


@pytest.mark.parametrize("n", [1.5, True, "two", None, np.float64(2), [2]])
def test_what_is_no_int_is_refused(n):
    keras.set_num_threads(2)
    with pytest.raises(TypeError, match="set_num_threads: expected n as an int, got "):
        keras.set_num_threads(n)
    assert keras.get_num_threads() == 2


@pytest.mark.parametrize("value", ["x", "-1", "1.5", " ", "2 threads"])
def test_a_variable_that_is_no_number_is_refused(value, monkeypatch):
    setting._chosen.clear()
    monkeypatch.setenv("SCRATCHNET_NUM_THREADS", value)
    wanted = f"SCRATCHNET_NUM_THREADS: expected a number of threads, got '{value}'"
    with pytest.raises(ValueError, match=wanted):
        keras.get_num_threads()


def test_a_variable_of_no_thread_is_refused(monkeypatch):
    setting._chosen.clear()
    monkeypatch.setenv("SCRATCHNET_NUM_THREADS", "0")
    wanted = "SCRATCHNET_NUM_THREADS: expected at least 1 thread, got 0"
    with pytest.raises(ValueError, match=wanted):
        keras.get_num_threads()


def test_variable_then_cores_then_what_is_set(monkeypatch):
    setting._chosen.clear()
    monkeypatch.setenv("SCRATCHNET_NUM_THREADS", "7")
    assert keras.get_num_threads() == 7
    setting._chosen.clear()
    for value in ("", None):
        if value is None:
            monkeypatch.delenv("SCRATCHNET_NUM_THREADS")
        else:
            monkeypatch.setenv("SCRATCHNET_NUM_THREADS", value)
        setting._chosen.clear()
        assert 1 <= keras.get_num_threads() <= os.cpu_count()
    monkeypatch.setenv("SCRATCHNET_NUM_THREADS", "7")
    keras.set_num_threads(3)
    assert keras.get_num_threads() == 3


def test_little_work_is_done_by_one_thread(monkeypatch):
    monkeypatch.setattr(regions, "ALONE", 1000)
    keras.set_num_threads(4)
    assert workers_for(999) == 1
    assert workers_for(1000) == 4
    keras.set_num_threads(1)
    assert workers_for(10**12) == 1


# ------------------------------------------------------------------ the pool


@numba.njit(nogil=True)
def note_tasks(counter, ids, done, owners, work):
    """Each task counts how often it was done, and notes which call of this function did it."""
    me = draw(ids)
    i = draw(counter)
    while i < done.size:
        total = 0.0
        for k in range(work):
            total += np.sqrt(k + total)
        done[i] += 1 + (total < 0)
        owners[i] = me
        i = draw(counter)


@numba.njit(nogil=True)
def note(counter, ids, done, owners, work, workers):
    share(workers, note_tasks, (counter, ids, done, owners, work))


def region(tasks, workers, work=0):
    """How often each task was done, how many calls there were, and which call had which task."""
    ids, done, owners = np.zeros(8, np.intp), np.zeros(tasks, np.intp), np.full(tasks, -1)
    note(np.zeros(8, np.intp), ids, done, owners, work, workers)
    return done, int(ids[0]), owners


@pytest.mark.parametrize("workers", [1, 2, 5])
def test_every_task_is_done_once_however_many_regions_there_are(workers):
    launch(workers)
    sizes = np.random.default_rng(0).integers(0, 40, 3000)
    for size in sizes.tolist():
        done, calls, owners = region(size, workers, size * 5)
        assert (done == 1).all()
        assert 1 <= calls <= workers
        assert ((owners >= 0) & (owners < calls)).all()


def test_helpers_help():
    launch(3)
    for _ in range(200):  # on a busy machine a helper may come late
        done, calls, owners = region(64, 3, 20_000)
        assert (done == 1).all()
        assert calls <= 3
        if len(set(owners.tolist())) > 1:
            return
    raise AssertionError("no helper ever did a task")


def test_one_worker_needs_no_pool():
    for _ in range(20):
        done, calls, _ = region(30, 1, 100)
        assert (done == 1).all()
        assert calls == 1


def test_more_workers_than_helpers_do_what_they_can():
    launch(2)
    for _ in range(50):
        done, calls, _ = region(30, 100, 1000)
        assert (done == 1).all()
        assert calls <= len(pool._helpers) + 1


@numba.njit(nogil=True)
def halve_tasks(counter, x, seconds):
    """Halve the numbers, one a task, and wait, so that every thread comes to some."""
    i = draw(counter)
    while i < x.size:
        x[i] *= x.dtype.type(0.5)
        for k in range(20_000):
            seconds[i] += np.sqrt(k + seconds[i])
        i = draw(counter)


@numba.njit(nogil=True)
def halve(x, seconds, workers):
    share(workers, halve_tasks, (np.zeros(8, np.intp), x, seconds))


@pytest.mark.skipif(platform.machine() not in ("x86_64", "AMD64"), reason="the others keep them")
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("workers", [1, 3])
def test_what_is_too_small_for_a_normal_number_is_zero_in_a_region_and_there_alone(workers, dtype):
    launch(workers)
    smallest = np.finfo(dtype).smallest_normal
    x = np.full(64, smallest)
    x[::2] *= 2
    halve(x, np.zeros(x.size), workers)
    np.testing.assert_array_equal(x[::2], smallest)
    np.testing.assert_array_equal(x[1::2], 0)
    assert x[0] * x.dtype.type(0.5) > 0, "the modes of this thread are not what they were"


def test_launch_starts_as_many_as_are_missing():
    launch(4)
    helpers = list(pool._helpers)
    assert len(helpers) >= 3
    for threads in (4, 2, 1, 0):
        launch(threads)
        assert pool._helpers == helpers
    assert all(helper.is_alive() and helper.daemon for helper in helpers)
    assert len({helper.name for helper in helpers}) == len(helpers)
    launch(len(helpers) + 2)
    assert len(pool._helpers) == len(helpers) + 1


def test_helpers_sleep_when_there_is_nothing_to_do():
    launch(3)
    region(10, 3)
    end = time.monotonic() + 20
    while pool._board[SLEEPERS * LINE] < len(pool._helpers):
        assert time.monotonic() < end, "a helper is still awake"
        time.sleep(0.01)
    done, _, _ = region(100, 3, 1000)  # and they can be woken
    assert (done == 1).all()


def test_a_region_runs_alone_while_the_pool_is_taken():
    launch(3)
    pool._board[TAKEN * LINE] = 1
    try:
        for _ in range(30):
            done, calls, _ = region(40, 3, 5000)
            assert (done == 1).all()
            assert calls == 1
        assert pool._board[TAKEN * LINE] == 1  # it is not theirs to give back
    finally:
        pool._board[TAKEN * LINE] = 0
    region(40, 3)
    assert pool._board[TAKEN * LINE] == 0


def test_training_while_the_pool_is_taken_gives_the_same_bits():
    keras.set_num_threads(3)
    x, y = data_of("cnn")
    wanted = trained(model_of("cnn"), x, y)
    pool._board[TAKEN * LINE] = 1
    try:
        alone = trained(model_of("cnn"), x, y)
    finally:
        pool._board[TAKEN * LINE] = 0
    assert_same_bits(wanted, alone)


# ------------------------------------------------------------------ the user's own threads


def in_threads(*functions):
    """What the functions return, each called in a thread of its own, all at once."""
    results, barrier = [None] * len(functions), threading.Barrier(len(functions))

    def work(index):
        barrier.wait()
        try:
            results[index] = functions[index]()
        except BaseException as error:
            results[index] = error

    workers = [threading.Thread(target=work, args=(index,)) for index in range(len(functions))]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    for result in results:
        if isinstance(result, BaseException):
            raise result
    return results


@pytest.fixture
def restless():
    """Python changes threads as often as it can."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


def test_models_trained_at_once_give_the_bits_they_give_alone(restless):
    set_engine("fused")  # which new threads see, unlike `with engine(...)`
    keras.set_num_threads(3)
    names = ("cnn", "mlp2_dropout", "normalized")
    data = [data_of(name) for name in names]
    wanted = [trained(model_of(n), *d, shuffle=False) for n, d in zip(names, data, strict=True)]
    models = [model_of(name) for name in names]
    results = in_threads(
        *(lambda m=m, d=d: trained(m, *d, shuffle=False) for m, d in zip(models, data, strict=True))
    )
    for mine, theirs in zip(results, wanted, strict=True):
        assert_same_bits(mine, theirs)


@pytest.mark.parametrize("name", NETS)
def test_predictions_of_several_threads_are_those_of_one(name, restless):
    set_engine("fused")
    keras.set_num_threads(3)
    model, (x, _) = model_of(name), data_of(name)
    pieces = [x[k * 7 : k * 7 + 3 * (k % 2) + 4] for k in range(4)]
    wanted = [model.predict_on_batch(piece) for piece in pieces]

    def predict(piece):
        return [model.predict_on_batch(piece) for _ in range(60)]

    results = in_threads(*(lambda piece=piece: predict(piece) for piece in pieces))
    for mine, theirs in zip(results, wanted, strict=True):
        for one in mine:
            np.testing.assert_array_equal(one, theirs)

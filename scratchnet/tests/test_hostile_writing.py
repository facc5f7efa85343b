"""Writing where it cannot work: a clean error, the old file as it was, nothing beside it."""

import errno
import os
import stat
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import scratchnet as sn
from scratchnet.datasets.idx import write_idx
from scratchnet.models import load_model
from scratchnet.tests import hostile
from scratchnet.utils.files import atomic_write, plain_file

NAMES = ["m.keras", "m.weights.h5"]
FOLDER = "Sequential 'tiny': expected a folder that can be written to, got"


@pytest.fixture(scope="module")
def model() -> sn.Sequential:
    return hostile.tiny_model()


def save(model: sn.Sequential, path: Path) -> None:
    (model.save if path.name.endswith(".keras") else model.save_weights)(path)


def failing(number: int) -> Callable[..., Any]:
    def fail(*args: Any) -> None:
        raise OSError(number, os.strerror(number))

    return fail


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    ("number", "error"),
    [
        (errno.ENOSPC, OSError),
        (errno.EACCES, PermissionError),
        (errno.EROFS, OSError),
        (errno.EIO, OSError),
    ],
)
@pytest.mark.parametrize("where", ["os.fsync", "os.replace"])
def test_a_disk_that_fails_leaves_the_old_file(
    tmp_path: Path,
    model: sn.Sequential,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    number: int,
    error: type[OSError],
    where: str,
) -> None:
    path = tmp_path / name
    save(model, path)
    before = path.read_bytes()
    monkeypatch.setattr(where, failing(number))
    with pytest.raises(
        OSError, match=rf"{FOLDER} '{os.strerror(number)}' for '.*{name}'"
    ) as caught:
        save(model, path)
    assert type(caught.value) is error
    assert caught.value.errno == number
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("name", NAMES)
def test_a_path_that_is_no_place_for_a_file(
    tmp_path: Path, model: sn.Sequential, name: str
) -> None:
    (tmp_path / name).mkdir()
    with pytest.raises(IsADirectoryError, match=r"'tiny': expected a file name, got the folder"):
        save(model, tmp_path / name)
    (tmp_path / "file").write_text("x")
    for folder in ("none", "file"):
        with pytest.raises(FileNotFoundError, match=r"'tiny': expected a folder that exists, got"):
            save(model, tmp_path / folder / name)
    os.mkfifo(tmp_path / f"pipe{name}")
    with pytest.raises(FileExistsError, match="expected a plain file to replace, got"):
        save(model, tmp_path / f"pipe{name}")
    assert sorted(p.name for p in tmp_path.iterdir()) == sorted([name, "file", f"pipe{name}"])


@pytest.mark.skipif(not Path("/proc/self").is_dir(), reason="needs /proc, where nobody may write")
@pytest.mark.parametrize("name", NAMES)
def test_a_folder_where_nobody_may_write(model: sn.Sequential, name: str) -> None:
    with pytest.raises(OSError, match=FOLDER):
        save(model, Path("/proc/self") / name)


def test_an_array_of_idx_names_its_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.fsync", failing(errno.ENOSPC))
    with pytest.raises(OSError, match=r"IDX file '.*a': expected a folder that can be written to"):
        write_idx(tmp_path / "a", np.zeros(3, np.uint8))
    assert not list(tmp_path.iterdir())


@pytest.mark.skipif(sys.platform == "win32", reason="needs limits on a process")
def test_a_full_disk(tmp_path: Path, model: sn.Sequential) -> None:
    """A child that may write no more than 4 KB to a file: as on a disk with so much left."""
    for name in NAMES:
        save(model, tmp_path / name)
    before = {p.name: p.read_bytes() for p in tmp_path.iterdir()}
    code = f"""
        import resource, signal, sys
        from pathlib import Path
        from scratchnet.tests import hostile
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
        model = hostile.tiny_model()
        for save, name in ((model.save, "m.keras"), (model.save_weights, "m.weights.h5")):
            try:
                save(Path({str(tmp_path)!r}) / name)
            except OSError as error:
                print(type(error).__name__, error.errno, error)
    """
    done = run(code)
    lines = done.splitlines()
    assert len(lines) == 2, done
    for line in lines:
        assert line.startswith(f"OSError {errno.EFBIG} {FOLDER}"), line
    assert {p.name: p.read_bytes() for p in tmp_path.iterdir()} == before


def run(code: str, *arguments: str) -> str:
    """What a child process prints."""
    command = [sys.executable, "-c", textwrap.dedent(code), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_two_processes_that_write_one_path(tmp_path: Path) -> None:
    """Whoever looks, finds a whole file of one of the two; at the end nothing else is there."""
    path = tmp_path / "m.keras"
    code = """
        import sys
        from scratchnet.tests import hostile
        model = hostile.tiny_model()
        for index in range(40):
            model.weights[0][...] = float(sys.argv[2])
            model.save(sys.argv[1])
    """
    command = [sys.executable, "-c", textwrap.dedent(code), str(path)]
    writers = [subprocess.Popen([*command, value]) for value in ("1", "2")]
    seen = set()
    while any(writer.poll() is None for writer in writers):
        if path.exists():
            values = load_model(path).weights[0]
            assert np.all(values == values[0, 0])
            seen.add(float(values[0, 0]))
    assert [writer.returncode for writer in writers] == [0, 0]
    assert seen <= {1.0, 2.0}
    assert seen
    assert list(tmp_path.iterdir()) == [path]


def test_file_and_folder_are_forced_to_the_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before the new name, the bytes; after it, the folder that holds the name."""
    done = []
    real = os.replace
    monkeypatch.setattr("os.fsync", lambda fd: done.append(stat.S_ISDIR(os.fstat(fd).st_mode)))
    monkeypatch.setattr("os.replace", lambda a, b: (done.append("renamed"), real(a, b)))
    with atomic_write(tmp_path / "a") as file:
        file.write(b"x")
    assert done == [False, "renamed", True]


def test_a_long_name_fits_where_it_fits(tmp_path: Path) -> None:
    path = tmp_path / ("a" * 250)
    with atomic_write(path) as file:
        file.write(b"x")
    assert path.read_bytes() == b"x"


def test_what_is_no_plain_file_is_not_read(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for name, got in (("pipe", "something that is no"), (".", "a folder"), ("x", "no such file")):
        with pytest.raises(FileNotFoundError, match=f"Who: expected a thing, got {got}"):
            plain_file(tmp_path / name, "Who", "a thing")
    assert plain_file(__file__, "Who") == Path(__file__)


def test_a_pipe_is_not_waited_for(tmp_path: Path, model: sn.Sequential) -> None:
    for name in NAMES:
        os.mkfifo(tmp_path / name)
        with pytest.raises(FileNotFoundError, match="got something that is not a plain file"):
            model.load_weights(tmp_path / name)

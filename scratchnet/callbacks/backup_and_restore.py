"""A training that goes on after it was killed."""

import os
import warnings
from pathlib import Path
from typing import Any

from scratchnet.callbacks.callback import Callback, Logs
from scratchnet.callbacks.model_checkpoint import batches_between
from scratchnet.data import Batches
from scratchnet.distributed.world import leads
from scratchnet.errors import expected
from scratchnet.saving.backup import Backup, Progress
from scratchnet.utils.files import atomic_write

__all__ = ["BackupAndRestore"]


class BackupAndRestore(Callback):
    """Keeps the state of `fit` in a folder; the next `fit` goes on from there.

    Run the same script again after a crash: it ends with exactly the bits of a run that was never
    interrupted, history included. The state is written after every epoch, or with an int
    `save_freq` after so many batches, and after the batch in which Ctrl-C was pressed. A backup
    takes the place of the one before when it is whole; `double_checkpoint` keeps that one, too, and
    falls back on it. With `delete_checkpoint` a `fit` that comes to its end takes the backup away.

    What a callback remembers is kept if it names it: see `Callback.backed_up`. Of many ranks that
    train together the first one writes, and all read: the folder must be one for all of them.

    source    keras/src/callbacks/backup_and_restore.py, which keeps weights and the epoch's number,
              and begins an epoch anew
    """

    def __init__(
        self,
        backup_dir: str | os.PathLike[str],
        save_freq: Any = "epoch",
        double_checkpoint: bool = False,
        delete_checkpoint: bool = True,
    ) -> None:
        super().__init__()
        if not isinstance(backup_dir, str | os.PathLike) or not os.fspath(backup_dir):
            hint = "Empty `backup_dir` argument passed." if backup_dir == "" else ""
            wanted = "backup_dir as the path of a folder"
            raise ValueError(expected("BackupAndRestore", wanted, repr(backup_dir), hint))
        if save_freq is False:
            wanted, hint = 'save_freq "epoch" or an int', "There is no preemption to wait for."
            raise ValueError(expected("BackupAndRestore", wanted, "False", hint))
        if batches_between("BackupAndRestore", save_freq):
            # else `fit` would keep all running values ready, for nothing
            self.on_train_batch_end = self._count_batch  # type: ignore[method-assign]
        self.backup_dir, self.save_freq = Path(backup_dir), save_freq
        self.double_checkpoint, self.delete_checkpoint = double_checkpoint, delete_checkpoint
        self.path = self.backup_dir / "latest.weights.h5"
        self.previous = self.backup_dir / "latest.weights.h5.bkp"
        self._epoch = self._unsaved = 0
        self._training: Backup | None = None

    def follow(self, batches: Batches, callbacks: list[Callback]) -> None:
        """Called by `fit` before anything else: what there is to keep."""
        self._training = Backup(self.model, batches, callbacks)

    def restore(self) -> Progress | None:
        """Put everything back as the backup has it; None where there is none."""
        if not self.path.is_file() and not self.previous.is_file():
            return None
        try:
            return self._read(self.path)
        except (ValueError, OSError) as error:
            if not self.previous.is_file():
                raise
            hint = f"Going on from '{self.previous}'."
            message = expected("BackupAndRestore", "a whole backup", f"{error}", hint)
            warnings.warn(message, stacklevel=2)
            return self._read(self.previous)

    def _read(self, path: Path) -> Progress:
        assert self._training is not None, "fit calls follow first"
        return self._training.read(path.read_bytes(), f"Backup '{path}'")

    def back_up(self, progress: Progress) -> None:
        """Write the state; the backup before stays until the new one is whole."""
        assert self._training is not None, "fit calls follow first"
        if not leads():
            return
        content = self._training.write(progress)
        try:
            self.backup_dir.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            wanted, got = "a folder that can be made", f"'{error.strerror}' for '{self.backup_dir}'"
            hint = "Choose another backup_dir."
            raise type(error)(expected("BackupAndRestore", wanted, got, hint)) from error
        if self.double_checkpoint and self.path.is_file():
            with atomic_write(self.previous, "BackupAndRestore") as file:
                file.write(self.path.read_bytes())
        with atomic_write(self.path, "BackupAndRestore") as file:
            file.write(content)

    def on_epoch_begin(self, epoch: int, logs: Logs = None) -> None:
        """Know which epoch it is."""
        self._epoch = epoch

    def _count_batch(self, batch: int, logs: Logs = None) -> None:
        self._unsaved += 1
        if self._unsaved >= self.save_freq:
            self._unsaved = 0
            self.back_up(Progress(self._epoch, batch + 1))

    def on_epoch_end(self, epoch: int, logs: Logs = None) -> None:
        """All other callbacks have acted: `fit` calls this one last."""
        if self.save_freq == "epoch":
            self.back_up(Progress(epoch + 1, 0, dict(logs or {})))

    def on_train_end(self, logs: Logs = None) -> None:
        """Take away the backup of a training that is done."""
        if self.delete_checkpoint and leads() and self.backup_dir.is_dir():
            self.path.unlink(missing_ok=True)
            self.previous.unlink(missing_ok=True)
            for torn in self.backup_dir.glob(f".{self.path.name}*.part"):  # by a kill in a write
                torn.unlink(missing_ok=True)
            if not any(self.backup_dir.iterdir()):
                self.backup_dir.rmdir()

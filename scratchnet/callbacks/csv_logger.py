"""The record of a training as a table in a file."""

import csv
import io
import os
from collections.abc import Iterable
from typing import Any

import numpy as np

from scratchnet.callbacks.callback import Callback, Logs
from scratchnet.errors import expected

__all__ = ["CSVLogger"]


class CSVLogger(Callback):
    """Writes one row for each epoch: its number, then the logs in the order of their names.

    The columns are those of the first epoch; where that had no validation, a column val_... stands
    ready for each, holding NA until there is one. `append` goes on with an existing file.

    Each row is made whole and written in one go, so that a crash leaves no half-written row.

    source    keras/src/callbacks/csv_logger.py
    """

    writes = True

    def __init__(
        self, filename: str | os.PathLike[str], separator: str = ",", append: bool = False
    ) -> None:
        super().__init__()
        if not isinstance(separator, str) or len(separator) != 1:
            raise ValueError(expected("CSVLogger", "a separator of one character", repr(separator)))
        self.sep = separator
        self.filename = os.path.abspath(filename)
        self.append = append
        self.append_header = True
        self.keys: list[str] | None = None

    def on_train_begin(self, logs: Logs = None) -> None:
        """Open the file; a header is due unless rows are appended to a file that has one."""
        if self.append and os.path.exists(self.filename):
            self.append_header = os.path.getsize(self.filename) == 0
        # What is in the file goes when the first row comes: a training that goes on from a backup
        # keeps its rows. But a file that cannot be written is found now.
        self.keys = None
        self._append(b"")

    def on_epoch_end(self, epoch: int, logs: Logs = None) -> None:
        """Write the row, under the header if it is the first."""
        logs = logs or {}
        rows: list[list[Any]] = []
        first = self.keys is None
        if self.keys is None:
            self.keys = sorted(logs)
            if not any(key.startswith("val_") for key in self.keys):
                self.keys += [f"val_{key}" for key in self.keys]
            if self.append_header:
                rows.append(["epoch", *self.keys])
        rows.append([epoch, *(_cell(logs.get(key, "NA")) for key in self.keys)])
        text = io.StringIO()
        csv.writer(text, delimiter=self.sep).writerows(rows)
        self._append(text.getvalue().encode(), anew=first and not self.append)

    def on_train_end(self, logs: Logs = None) -> None:
        """No epoch, no row."""
        if self.keys is None:
            self._append(b"", anew=not self.append)

    def get_state(self) -> dict[str, Any]:
        """The columns, and how long the file is."""
        size = None if self.keys is None else os.path.getsize(self.filename)
        return {"keys": self.keys, "append_header": self.append_header, "size": size}

    def set_state(self, state: dict[str, Any]) -> None:
        """Take back the rows that were written after the backup."""
        self.keys, self.append_header = state["keys"], state["append_header"]
        if self.keys is not None and os.path.getsize(self.filename) > state["size"]:
            os.truncate(self.filename, state["size"])

    def _append(self, content: bytes, anew: bool = False) -> None:
        """Add to the file, in one write; `anew` empties it first."""
        with open(self.filename, "wb" if anew else "ab", buffering=0) as file:
            file.write(content)


def _cell(value: Any) -> Any:
    """A number or a string as it is; the items of anything else between quotes and brackets."""
    scalar_array = isinstance(value, np.ndarray) and value.ndim == 0
    if isinstance(value, str) or scalar_array or not isinstance(value, Iterable):
        return value
    return f'"[{", ".join(map(str, value))}]"'

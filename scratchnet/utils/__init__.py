"""Small helpers under Keras's names.

Low-level modules import `scratchnet.utils.naming`, which runs this file first. So what is imported
here imports nothing of the package but `errors`, `config` and other modules of `utils`.
"""

from typing import Any

from scratchnet.errors import unknown
from scratchnet.utils.naming import clear_session
from scratchnet.utils.numerical import normalize, to_categorical
from scratchnet.utils.progbar import Progbar
from scratchnet.utils.random_seed import set_random_seed

__all__ = ["Progbar", "clear_session", "normalize", "set_random_seed", "to_categorical"]


def __getattr__(name: str) -> Any:
    raise AttributeError(unknown("scratchnet.utils", name, __all__))

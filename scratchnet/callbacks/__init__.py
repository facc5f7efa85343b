"""Things that act while a model is trained, evaluated or asked to predict."""

from typing import Any

from scratchnet.callbacks.backup_and_restore import BackupAndRestore
from scratchnet.callbacks.callback import Callback
from scratchnet.callbacks.callback_list import CallbackList
from scratchnet.callbacks.csv_logger import CSVLogger
from scratchnet.callbacks.early_stopping import EarlyStopping
from scratchnet.callbacks.history import History
from scratchnet.callbacks.lambda_callback import LambdaCallback
from scratchnet.callbacks.learning_rate import LearningRateScheduler, ReduceLROnPlateau
from scratchnet.callbacks.model_checkpoint import ModelCheckpoint
from scratchnet.callbacks.monitor import MonitorCallback
from scratchnet.callbacks.progbar_logger import ProgbarLogger
from scratchnet.callbacks.terminate_on_nan import TerminateOnNaN
from scratchnet.errors import unknown

__all__ = [
    "BackupAndRestore",
    "CSVLogger",
    "Callback",
    "CallbackList",
    "EarlyStopping",
    "History",
    "LambdaCallback",
    "LearningRateScheduler",
    "ModelCheckpoint",
    "MonitorCallback",
    "ProgbarLogger",
    "ReduceLROnPlateau",
    "TerminateOnNaN",
]


def __getattr__(name: str) -> Any:
    raise AttributeError(unknown("scratchnet.callbacks", name, __all__))

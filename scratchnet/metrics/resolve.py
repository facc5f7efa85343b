"""What `compile(metrics=...)` means: which metrics, under which names in the history.

source    keras/src/trainers/compile_utils.py (a single output)
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from scratchnet import metrics as metrics_module
from scratchnet.errors import expected
from scratchnet.metrics.metric import Metric
from scratchnet.metrics.reductions import MeanMetricWrapper
from scratchnet.utils.naming import to_snake_case

__all__ = ["flatten", "log_names", "resolve", "sees_logits"]

AUTOMATIC = ("accuracy", "acc")


def flatten(metrics: Any, argument: str = "metrics") -> list[Any]:
    """What was given, as one list: lists and tuples in order, dicts by their sorted keys.

    Raises ValueError for what is no list, tuple or dict, and for an unknown name.
    """
    if metrics is None:
        return []
    if metrics and not isinstance(metrics, list | tuple | dict):
        raise ValueError(
            expected(
                "compile",
                f"{argument} as a list, tuple or dict",
                repr(metrics),
                f"Write {argument}=[{metrics!r}].",
            )
        )
    flat = list(_leaves(metrics)) if metrics else []
    for identifier in flat:
        if identifier is None:
            raise ValueError(expected("compile", f"a metric in {argument}", "None"))
        known = callable(identifier) or _is_automatic(identifier)
        if not known and identifier not in list(metrics_module.METRICS):
            metrics_module.get(identifier)  # raises; what is known is made in `resolve`
    return flat


def resolve(
    metrics: Any, y_true: np.ndarray, y_pred: np.ndarray, argument: str = "metrics"
) -> list[Metric]:
    """The metrics that `compile(metrics=...)` asked for, for labels and outputs of these shapes.

    A metric keeps the name it was asked by: "acc" stays "acc", "MSE" stays "MSE".
    """
    return [_one(identifier, y_true, y_pred) for identifier in flatten(metrics, argument)]


def log_names(metrics: Sequence[Metric], weighted_metrics: Sequence[Metric] = ()) -> list[str]:
    """The names in the logs, one for each metric, first those of `metrics`.

    The second "acc" is "acc_1"; a weighted metric whose name is taken is "weighted_acc", then
    "weighted_acc_1".
    """
    names: list[str] = []
    seen: dict[str, int] = {}
    for metric in metrics:
        count = seen.get(metric.name, 0)
        seen[metric.name] = count + 1
        names.append(f"{metric.name}_{count}" if count else metric.name)
    for metric in weighted_metrics:
        name = metric.name
        if name in seen:
            name = f"weighted_{name}"
        count = seen.get(name, 0)
        seen[name] = count + 1
        names.append(f"{name}_{count}" if count else name)
    return names


def sees_logits(metric: Metric) -> bool:
    """True where Keras on TensorFlow computes this metric from the logits behind the output.

    It does for all three cross-entropies after either softmax or sigmoid: sigmoid cross-entropy of
    softmax's logits, too. The trainer then calls `update_state_from_logits`.
    """
    return isinstance(metric, MeanMetricWrapper) and metric.takes_logits


def _leaves(metrics: Any) -> Iterable[Any]:
    """What is inside nested lists, tuples and dicts. A config dict is opened too, as in Keras."""
    if isinstance(metrics, list | tuple):
        for item in metrics:
            yield from _leaves(item)
    elif isinstance(metrics, dict):
        for key in sorted(metrics):
            yield from _leaves(metrics[key])
    else:
        yield metrics


def _is_automatic(identifier: Any) -> bool:
    return isinstance(identifier, str) and identifier.lower() in AUTOMATIC


def _one(identifier: Any, y_true: np.ndarray, y_pred: np.ndarray) -> Metric:
    if _is_automatic(identifier):
        return _accuracy_for(y_true, y_pred)(name=identifier)
    metric = metrics_module.get(identifier)
    name = identifier if isinstance(identifier, str) else _name_of(metric)
    if not isinstance(metric, Metric):
        metric = MeanMetricWrapper(metric)
    metric.name = name
    return metric


def _accuracy_for(y_true: np.ndarray, y_pred: np.ndarray) -> Callable[..., Metric]:
    """The accuracy that fits: one output is binary, labels without a class axis are numbers."""
    if y_pred.shape[-1] == 1:
        return metrics_module.BinaryAccuracy
    if y_true.ndim < y_pred.ndim or y_true.shape[-1] == 1:
        return metrics_module.SparseCategoricalAccuracy
    return metrics_module.CategoricalAccuracy


def _name_of(metric: Any) -> str:
    """A Keras object's own name, a function's name, or the class's, in snake_case."""
    if hasattr(metric, "name"):
        return metric.name
    return to_snake_case(getattr(metric, "__name__", type(metric).__name__))

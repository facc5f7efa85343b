"""Each activation as nodes of ONNX.

ONNX's attributes are float32. Where one would have to hold a number that float32 does not, the
formula is written out with constants of the model's dtype, so that float64 stays float64.

source    the formulas of engines/loops/activations.py
"""

from collections.abc import Callable

from scratchnet import activations
from scratchnet.activations import Activation
from scratchnet.engines.loops.activations import (
    SELU_ALPHA,
    SELU_SCALE,
    SQRT_HALF,
    TANH_CUBE,
    TANH_SCALE,
)
from scratchnet.errors import expected
from scratchnet.saving.onnx_graph import Graph, Value
from scratchnet.utils.options import is_int

__all__ = ["activate"]


def activate(graph: Graph, owner: str, activation: Activation, value: Value) -> Value:
    """The nodes of this activation; NotImplementedError, with the owner's name, for an own one."""
    kind = type(activation)
    if kind is activations.Linear:
        return value
    if kind in (activations.Relu, activations.Relu6):
        y = _relu(graph, activation, value.name)
    elif kind is activations.Rowwise:
        y = _rowwise(graph, owner, activation, value)
    elif kind is activations.Elu:
        y = _elu(graph, activation, value.name)
    elif kind is activations.Gelu:
        y = _gelu(graph, bool(activation.options["approximate"]), value.name)
    elif activation.name in SIMPLE and kind in (activations.Elementwise, activations.HardSigmoid):
        y = SIMPLE[activation.name](graph, value.name)
    else:
        wanted, hint = "an activation of scratchnet.activations", "Only these have an ONNX form."
        raise NotImplementedError(expected(f"{owner}.export", wanted, repr(activation), hint))
    return value._replace(name=y)


def _relu(graph: Graph, activation: Activation, x: str) -> str:
    """min(x, cap) where x > threshold, else slope * (x - threshold)"""
    _, (slope, cap, threshold) = activation.forward_kernel()  # type: ignore[attr-defined]
    if (slope, threshold) == (0, 0):
        if cap == float("inf"):
            return graph.node("Relu", x)
        return graph.node("Clip", x, graph.number(0), graph.number(cap))
    if threshold == 0 and cap == float("inf"):
        return graph.node("LeakyRelu", x, alpha=slope)  # the slope is a float32 number in Keras too
    above = x if cap == float("inf") else graph.node("Min", x, graph.number(cap))
    below = graph.node("Sub", x, graph.number(threshold))
    below = graph.node("Mul", below, graph.number(slope))
    return graph.node("Where", graph.node("Greater", x, graph.number(threshold)), above, below)


def _elu(graph: Graph, activation: Activation, x: str) -> str:
    """x where x > 0, else alpha * (exp(x) - 1), all times a scale

    ONNX's Elu with its alpha of 1 gives both halves.
    """
    selu = activation.name == "selu"
    alpha, scale = (SELU_ALPHA, SELU_SCALE) if selu else (activation.options["alpha"], 1.0)
    y = graph.node("Elu", x)
    if alpha != 1:
        below = graph.node("Mul", y, graph.number(alpha))
        y = graph.node("Where", graph.node("Greater", x, graph.number(0)), y, below)
    return graph.node("Mul", y, graph.number(scale)) if scale != 1 else y


def _gelu(graph: Graph, approximate: bool, x: str) -> str:
    """x / 2 * (1 + erf(x / sqrt(2)))

    approximate    x / 2 * (1 + tanh(sqrt(2 / pi) * x * (1 + 0.044715 * x**2)))
    """
    half = graph.node("Mul", x, graph.number(0.5))
    if approximate:
        square = graph.node("Mul", x, x)
        factor = graph.node("Mul", square, graph.number(TANH_CUBE))
        factor = graph.node("Add", factor, graph.number(1))
        inside = graph.node("Mul", graph.node("Mul", x, factor), graph.number(TANH_SCALE))
        bent = graph.node("Tanh", inside)
    else:
        bent = graph.node("Erf", graph.node("Mul", x, graph.number(SQRT_HALF)))
    return graph.node("Mul", half, graph.node("Add", bent, graph.number(1)))


def _rowwise(graph: Graph, owner: str, activation: Activation, value: Value) -> str:
    """softmax or log_softmax along one axis"""
    axis = activation.options["axis"]
    axis = axis[0] if isinstance(axis, tuple | list) and len(axis) == 1 else axis
    if not is_int(axis):
        wanted = f"{activation.name} along one axis"
        raise NotImplementedError(expected(f"{owner}.export", wanted, f"{axis!r}"))
    operation = {"softmax": "Softmax", "log_softmax": "LogSoftmax"}[activation.name]
    return graph.node(operation, value.name, axis=value.axis(axis))


def _hard_sigmoid(graph: Graph, x: str) -> str:
    """min(max(x + 3, 0), 6) / 6"""
    raised = graph.node("Add", x, graph.number(3))
    clipped = graph.node("Clip", raised, graph.number(0), graph.number(6))
    return graph.node("Div", clipped, graph.number(6))


def _silu(graph: Graph, x: str) -> str:
    """x * sigmoid(x)"""
    return graph.node("Mul", x, graph.node("Sigmoid", x))


def _softplus(graph: Graph, x: str) -> str:
    """max(x, 0) + log(1 + exp(-|x|)): log(1 + exp(x)) as it cannot overflow"""
    small = graph.node("Exp", graph.node("Neg", graph.node("Abs", x)))
    small = graph.node("Log", graph.node("Add", small, graph.number(1)))
    return graph.node("Add", graph.node("Relu", x), small)


SIMPLE: dict[str, Callable[[Graph, str], str]] = {
    "sigmoid": lambda graph, x: graph.node("Sigmoid", x),
    "hard_sigmoid": _hard_sigmoid,
    "tanh": lambda graph, x: graph.node("Tanh", x),
    "softplus": _softplus,
    "softsign": lambda graph, x: graph.node("Softsign", x),
    "silu": _silu,
    "exponential": lambda graph, x: graph.node("Exp", x),
}

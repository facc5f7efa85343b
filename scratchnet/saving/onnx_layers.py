"""Each layer as nodes of ONNX, as it predicts.

A function takes the graph, the layer and the value that comes in, and returns the one that goes
out. Padding "same" is written out, since onnxruntime has no `auto_pad` with dilation; only where
the images' size is not known does `auto_pad` have to say it.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from scratchnet.layers import LAYERS
from scratchnet.layers.base import Layer, Shape
from scratchnet.layers.windows import padding_amounts
from scratchnet.saving.onnx_activations import activate
from scratchnet.saving.onnx_graph import Graph, Value

__all__ = ["EMIT"]


def _conv2d(graph: Graph, layer: Any, value: Value) -> Value:
    kernel = layer.params["kernel"].transpose(3, 2, 0, 1)  # (R, S, C, F) to (F, C, R, S)
    weights = [graph.constant("kernel", kernel)]
    if layer.use_bias:
        weights.append(graph.constant("bias", layer.params["bias"]))
    value = graph.nchw(value)
    z = graph.node(
        "Conv",
        value.name,
        *weights,
        kernel_shape=layer.kernel_size,
        strides=layer.strides,
        dilations=layer.dilation_rate,
        **_pads(value.shape, layer.window, layer.strides, layer.padding),
    )
    after = Value(z, layer.compute_output_shape(value.shape), True)
    return activate(graph, layer.owner, layer.activation, after)


def _pads(
    shape: Shape, window: tuple[int, int], strides: tuple[int, int], padding: str
) -> dict[str, Any]:
    """The attribute that says how images (N, H, W, C) are padded."""
    if padding == "valid":
        return {"pads": (0, 0, 0, 0)}
    H, W = shape[1:3]
    if strides == (1, 1):  # then the amounts depend on the window alone
        H, W = (n or k for n, k in zip((H, W), window, strict=True))
    if H is None or W is None:
        return {"auto_pad": "SAME_UPPER"}
    (top, bottom), (left, right) = padding_amounts((H, W), window, strides, padding)
    return {"pads": (top, left, bottom, right)}


def _pooling(operation: str, **attributes: Any) -> Callable[..., Value]:
    def emit(graph: Graph, layer: Any, value: Value) -> Value:
        value = graph.nchw(value)
        pads = _pads(value.shape, layer.pool_size, layer.strides, layer.padding)
        size = {"kernel_shape": layer.pool_size, "strides": layer.strides}
        y = graph.node(operation, value.name, **size, **pads, **attributes)
        return Value(y, layer.compute_output_shape(value.shape), True)

    return emit


def _global_pooling(operation: str) -> Callable[..., Value]:
    def emit(graph: Graph, layer: Any, value: Value) -> Value:
        axes = graph.constant("axes", [value.axis(1), value.axis(2)], np.int64)
        y = graph.node(operation, value.name, axes, keepdims=int(layer.keepdims))
        shape = layer.compute_output_shape(value.shape)
        return Value(y, shape, value.channels_first and layer.keepdims)

    return emit


def _dense(graph: Graph, layer: Any, value: Value) -> Value:
    value = graph.nhwc(value)
    kernel = graph.constant("kernel", layer.params["kernel"])
    bias = graph.constant("bias", layer.params["bias"]) if layer.use_bias else None
    if len(value.shape) == 2:
        z = graph.node("Gemm", value.name, kernel, *([bias] if bias else []))
    else:
        z = graph.node("MatMul", value.name, kernel)
        z = graph.node("Add", z, bias) if bias else z
    after = Value(z, layer.compute_output_shape(value.shape))
    return activate(graph, layer.owner, layer.activation, after)


def _batch_normalization(graph: Graph, layer: Any, value: Value) -> Value:
    """ONNX's own node where the channels lie where it looks for them, else its formula.

    Its epsilon is a float32 number: what is missing is added to the variance.
    """
    C = value.shape[layer.axis]
    gamma = layer.params.get("gamma", np.ones(C, graph.dtype))
    beta = layer.params.get("beta", np.zeros(C, graph.dtype))
    mean, variance = layer.state["moving_mean"], layer.state["moving_variance"]
    if value.axis(layer.axis) == 1:
        epsilon = float(np.float32(layer.epsilon))
        variance = variance + (graph.dtype.type(layer.epsilon) - graph.dtype.type(epsilon))
        arrays = {"gamma": gamma, "beta": beta, "moving_mean": mean, "moving_variance": variance}
        names = [graph.constant(name, array) for name, array in arrays.items()]
        y = graph.node("BatchNormalization", value.name, *names, epsilon=epsilon)
        return value._replace(name=y)
    scale = gamma / np.sqrt(variance + graph.dtype.type(layer.epsilon))
    along = [1] * len(value.shape)
    along[layer.axis] = C
    y = value.name
    for operation, name, array in (("Sub", "mean", mean), ("Mul", "scale", scale)):
        y = graph.node(operation, y, graph.beside(name, array.reshape(along), value))
    y = graph.node("Add", y, graph.beside("beta", beta.reshape(along), value))
    return value._replace(name=y)


def _rescaling(graph: Graph, layer: Any, value: Value) -> Value:
    y = graph.node("Mul", value.name, graph.beside("scale", layer._scale, value))
    if layer._offset.any():
        y = graph.node("Add", y, graph.beside("offset", layer._offset, value))
    return Value(y, layer.compute_output_shape(value.shape), value.channels_first)


def _zero_padding2d(graph: Graph, layer: Any, value: Value) -> Value:
    pads = np.zeros((2, 4), np.int64)
    for axis, sides in zip((1, 2), layer.padding, strict=True):
        pads[:, value.axis(axis)] = sides
    y = graph.node("Pad", value.name, graph.constant("pads", pads.ravel(), np.int64))
    return Value(y, layer.compute_output_shape(value.shape), value.channels_first)


def _flatten(graph: Graph, layer: Any, value: Value) -> Value:
    value = graph.nhwc(value)
    shape = layer.compute_output_shape(value.shape)
    return Value(graph.node("Flatten", value.name, axis=1), shape)


def _reshape(graph: Graph, layer: Any, value: Value) -> Value:
    value = graph.nhwc(value)
    shape = graph.constant("shape", (0, *layer.target_shape), np.int64)  # 0: as many as come in
    after = layer.compute_output_shape(value.shape)
    return Value(graph.node("Reshape", value.name, shape), after)


def _activation(graph: Graph, layer: Any, value: Value) -> Value:
    return activate(graph, layer.owner, layer.activation, value)


def _nothing(graph: Graph, layer: Layer, value: Value) -> Value:
    return value


_BY_NAME: dict[str, Callable[..., Value]] = {
    "Activation": _activation,
    "AveragePooling2D": _pooling("AveragePool", count_include_pad=0),
    "BatchNormalization": _batch_normalization,
    "Conv2D": _conv2d,
    "Dense": _dense,
    "Dropout": _nothing,
    "Flatten": _flatten,
    "GlobalAveragePooling2D": _global_pooling("ReduceMean"),
    "GlobalMaxPooling2D": _global_pooling("ReduceMax"),
    "LeakyReLU": _activation,
    "MaxPooling2D": _pooling("MaxPool"),
    "ReLU": _activation,
    "Rescaling": _rescaling,
    "Reshape": _reshape,
    "Softmax": _activation,
    "ZeroPadding2D": _zero_padding2d,
}
# by class, so that a class of somebody's own, of the same name, is none of these
EMIT: dict[type[Layer], Callable[..., Value]] = {LAYERS[n]: f for n, f in _BY_NAME.items()}

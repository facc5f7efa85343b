"""model.onnx: a model's predictions for other runtimes.

The graph takes `input` of the model's own shape and dtype, images as (N, H, W, C), the batch of any
size, and gives `output`. Training, compile settings and optimizer state stay behind.
"""

import os
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any

from scratchnet.errors import expected
from scratchnet.layers.base import Shape
from scratchnet.saving.matching import check_built
from scratchnet.saving.onnx_graph import Graph, Value
from scratchnet.utils.files import atomic_write

if TYPE_CHECKING:
    from scratchnet.models import Sequential

__all__ = ["OPSET", "export", "to_onnx"]

OPSET = 18  # the first in which all the nodes take their axes as constants; of December 2022
IR_VERSION = 8  # the one that goes with it
BATCH = "batch"


def export(model: "Sequential", path: str | os.PathLike[str]) -> None:
    """Write the model to a new file, which takes the old one's place when whole.

    Raises ValueError for another suffix than .onnx or a model that is not built,
    NotImplementedError for layers and activations of somebody's own, ImportError without `onnx`.
    """
    if not os.fspath(path).endswith(".onnx"):
        wanted, hint = "a file name that ends in .onnx", "ScratchNet writes no other format."
        raise ValueError(expected(f"{model.owner}.export", wanted, f"'{path}'", hint))
    content = to_onnx(model).SerializeToString()
    with atomic_write(path, model.owner) as file:
        file.write(content)


def to_onnx(model: "Sequential") -> Any:
    """The model as an `onnx.ModelProto`."""
    try:
        from onnx import helper, numpy_helper
    except ImportError:
        wanted, hint = "the onnx package", "Install it: pip install 'scratchnet[onnx]'"
        raise ImportError(expected(f"{model.owner}.export", wanted, "none", hint)) from None
    check_built(model)
    graph = Graph(model.dtype)
    value = _walk(graph, model)
    element = helper.np_dtype_to_tensor_dtype(graph.dtype)
    made = helper.make_graph(
        graph.nodes,
        model.name,
        [helper.make_tensor_value_info("input", element, _sizes("input", model.input_shape))],
        [helper.make_tensor_value_info("output", element, _sizes("output", value.shape))],
        [numpy_helper.from_array(array, name) for name, array in graph.constants.items()],
    )
    return helper.make_model(
        made,
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=IR_VERSION,
        producer_name="scratchnet",
        producer_version=_version(),
    )


def _walk(graph: Graph, model: "Sequential") -> Value:
    """The nodes of all layers; what comes out is named `output`."""
    from scratchnet.saving.onnx_layers import EMIT

    value = Value("input", model.input_shape)
    for layer in model.layers:
        if type(layer) not in EMIT:
            wanted, hint = "layers of scratchnet.layers", "Only these have an ONNX form."
            raise NotImplementedError(expected(f"{model.owner}.export", wanted, layer.owner, hint))
        graph.layer = layer.name
        value = EMIT[type(layer)](graph, layer, value)
    value = graph.nhwc(value)
    if not graph.nodes:  # a graph cannot give its input back as it is
        value = value._replace(name=graph.node("Identity", value.name))
    graph.nodes[-1].output[0] = "output"
    return value._replace(name="output")


def _sizes(name: str, shape: Shape) -> list[int | str]:
    """The shape with names for what is not known: the batch, and axes of any size."""
    return [BATCH, *(f"{name}_{i}" if n is None else n for i, n in enumerate(shape[1:], 1))]


def _version() -> str:
    try:
        return version("scratchnet")
    except PackageNotFoundError:
        return "unknown"

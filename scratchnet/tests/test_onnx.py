"""model.onnx: the same predictions from another runtime, layer by layer.

float64 is compared in onnxruntime but for three nodes that it has no float64 kernel for (Conv,
AveragePool, Erf): there ONNX's own reference evaluator takes its place.
"""

import math
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import scratchnet as sn
from scratchnet import activations, layers, networks
from scratchnet.saving.onnx_export import to_onnx

onnx = pytest.importorskip("onnx")
runtime = pytest.importorskip("onnxruntime")

ONLY_FLOAT32 = {"Conv", "AveragePool", "Erf"}
# of the largest output. float32: sums of up to 60 numbers in another order (784 in the networks,
# measured: up to 13 units), and exponentials of float32 where ours are of float64
BARS = {"float32": 16 * 2.0**-24, "float64": 1e-12}
NETWORK_BARS = {"float32": 32 * 2.0**-24, "float64": 1e-12}
IMAGE = (9, 7, 3)


def compare(
    made: Any, shape: tuple[int | None, ...], dtype: str, size: tuple[int, ...] = ()
) -> Any:
    """Assert that onnxruntime predicts what these layers do; the checked ONNX model."""
    sn.config.set_floatx(dtype)
    model = sn.Sequential([sn.Input(shape), *made()])
    random = np.random.RandomState(5)
    for layer in model.layers:
        for array in layer.weights:
            array[...] = random.random_sample(array.shape) - 0.25
        if isinstance(layer, layers.BatchNormalization):
            layer.state["moving_variance"][...] += 0.5
    return compare_model(model, size or shape, BARS[dtype])


def compare_model(model: Any, size: Any, bar: float) -> Any:
    """The same for a model, with two batch sizes."""
    proto = to_onnx(model)
    onnx.checker.check_model(proto, full_check=True)
    random = np.random.RandomState(6)
    for rows in (4, 1):
        x = (random.standard_normal((rows, *size)) * 2).astype(model.dtype)
        with sn.engine("numpy"):
            ours, theirs = model.predict(x, verbose=0), run(proto, x)
        assert (theirs.dtype, theirs.shape) == (ours.dtype, ours.shape)
        assert np.abs(theirs - ours).max() <= bar * max(np.abs(ours).max(), 1e-3)
    return proto


def run(proto: Any, x: Any) -> Any:
    if x.dtype == np.float64 and ONLY_FLOAT32 & {node.op_type for node in proto.graph.node}:
        from onnx.reference import ReferenceEvaluator
        from onnx.reference.op_run import OpRun

        class Erf(OpRun):  # the evaluator's own rounds to float32
            op_domain = ""

            def _run(self, x: Any) -> tuple[Any]:
                return (np.vectorize(math.erf)(x),)

        return ReferenceEvaluator(proto, new_ops=[Erf]).run(None, {"input": x})[0]
    session = runtime.InferenceSession(proto.SerializeToString())
    return session.run(None, {"input": x})[0]


def operations(proto: Any) -> list[str]:
    return [node.op_type for node in proto.graph.node]


L = layers
IMAGES = {
    "Conv2D": lambda: [L.Conv2D(4, (3, 2), activation="relu")],
    "Conv2D-strides-same": lambda: [L.Conv2D(4, (3, 2), strides=(2, 3), padding="same")],
    "Conv2D-same-even": lambda: [L.Conv2D(4, (4, 2), padding="same", use_bias=False)],
    "Conv2D-dilation-same": lambda: [L.Conv2D(4, 3, dilation_rate=(2, 1), padding="same")],
    "Conv2D-dilation": lambda: [L.Conv2D(2, 2, dilation_rate=(3, 2), activation="softmax")],
    "MaxPooling2D": lambda: [L.MaxPooling2D((2, 3))],
    "MaxPooling2D-same": lambda: [L.MaxPooling2D((3, 4), strides=(2, 3), padding="same")],
    "MaxPooling2D-gaps": lambda: [L.MaxPooling2D(1, strides=3, padding="same")],
    "AveragePooling2D": lambda: [L.AveragePooling2D((2, 3), strides=1)],
    "AveragePooling2D-same": lambda: [L.AveragePooling2D((3, 4), strides=(2, 3), padding="same")],
    "GlobalMaxPooling2D": lambda: [L.GlobalMaxPooling2D()],
    "GlobalAveragePooling2D": lambda: [L.GlobalAveragePooling2D(keepdims=True)],
    "Global-after-Max": lambda: [L.MaxPooling2D(), L.GlobalMaxPooling2D(keepdims=True)],
    "Flatten": lambda: [L.MaxPooling2D(), L.Flatten()],
    "Reshape": lambda: [L.MaxPooling2D(), L.Reshape((2, -1))],
    "Reshape-known": lambda: [L.Reshape((7, 27))],
    "ZeroPadding2D": lambda: [L.ZeroPadding2D(((1, 0), (2, 3)))],
    "ZeroPadding2D-after-Max": lambda: [L.MaxPooling2D(), L.ZeroPadding2D(((1, 0), (2, 3)))],
    "Rescaling": lambda: [L.Rescaling(0.25, offset=-1.5)],
    "Rescaling-channels": lambda: [L.MaxPooling2D(), L.Rescaling([0.5, 0.1, 2.0], [1.0, 0, 3])],
    "BatchNormalization": lambda: [L.BatchNormalization()],
    "BatchNormalization-after-Max": lambda: [L.MaxPooling2D(), L.BatchNormalization()],
    "BatchNormalization-plain": lambda: [L.BatchNormalization(center=False, scale=False)],
    "BatchNormalization-axis": lambda: [L.MaxPooling2D(), L.BatchNormalization(axis=2)],
    "Softmax-axis": lambda: [L.MaxPooling2D(), L.Softmax(axis=1)],
    "Softmax-channels": lambda: [L.MaxPooling2D(), L.Softmax()],
    "Dense-images": lambda: [L.MaxPooling2D(), L.Dense(4, activation="tanh")],
    "Dropout": lambda: [L.Dropout(0.5)],
    "Reshape-between": lambda: [L.MaxPooling2D(), L.Reshape((4, 3, 3)), L.Conv2D(2, 2)],
}
ROWS = {
    "Dense": lambda: [L.Dense(4)],
    "Dense-no-bias": lambda: [L.Dense(4, use_bias=False, activation="log_softmax")],
    "BatchNormalization-rows": lambda: [L.BatchNormalization()],
    "ReLU": lambda: [L.ReLU()],
    "ReLU-max_value": lambda: [L.ReLU(max_value=1.3)],
    "ReLU-threshold": lambda: [L.ReLU(threshold=0.7)],
    "ReLU-slope-max": lambda: [L.ReLU(max_value=1.3, negative_slope=0.1)],
    "ReLU-all": lambda: [L.ReLU(max_value=1.3, negative_slope=0.1, threshold=0.7)],
    "LeakyReLU": lambda: [L.LeakyReLU(0.3)],
    "Softmax": lambda: [L.Softmax()],
    "elu-alpha": lambda: [L.Activation(activations.Elu("elu", alpha=0.3))],
    "softmax-list": lambda: [L.Activation(activations.Rowwise("softmax", axis=[1]))],
    "gelu-tanh": lambda: [L.Activation(activations.Gelu("gelu", approximate=True))],
    **{name: lambda name=name: [L.Activation(name)] for name in activations.ACTIVATIONS},
}


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", IMAGES)
def test_layers_of_images_predict_the_same(name: str, dtype: str) -> None:
    compare(IMAGES[name], IMAGE, dtype)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", ROWS)
def test_layers_of_rows_predict_the_same(name: str, dtype: str) -> None:
    compare(ROWS[name], (11,), dtype)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_images_of_any_size_keep_their_size_open(dtype: str) -> None:
    def made() -> list[Any]:
        return [
            L.Conv2D(4, (3, 2), padding="same"),
            L.Conv2D(4, (4, 3), strides=2, padding="same", activation="relu"),
            L.Conv2D(3, 2, dilation_rate=2, padding="same"),
            L.MaxPooling2D(2, padding="same"),
            L.Rescaling([1.0, 2.0, 3.0]),
        ]

    for size in ((9, 7, 3), (12, 11, 3)):
        proto = compare(made, (None, None, 3), dtype, size)
    assert [d.dim_param for d in proto.graph.input[0].type.tensor_type.shape.dim] == [
        *("batch", "input_1", "input_2", "")
    ]
    compare(lambda: [L.ZeroPadding2D(), L.GlobalMaxPooling2D()], (None, None, 3), dtype, IMAGE)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", networks.NETWORKS)
def test_the_six_networks_predict_the_same(name: str, dtype: str) -> None:
    sn.random.set_random_seed(3)
    sn.config.set_floatx(dtype)
    model = networks.NETWORKS[name].build(sn)
    compare_model(model, model.input_shape[1:], NETWORK_BARS[dtype])


def test_neighbours_that_lie_alike_have_no_transpose_between_them() -> None:
    def made() -> list[Any]:
        return [
            *(
                L.Conv2D(4, 2, activation="relu"),
                L.BatchNormalization(),
                L.ReLU(6.0),
                L.Dropout(0.5),
            ),
            *(L.ZeroPadding2D(), L.MaxPooling2D(), L.Softmax(), L.AveragePooling2D(1)),
            *(L.Conv2D(2, 2), L.Flatten(), L.Dense(3), L.Activation("softmax")),
        ]

    kinds = operations(compare(made, IMAGE, "float32"))
    assert kinds == [
        *("Transpose", "Conv", "Relu", "BatchNormalization", "Clip", "Pad", "MaxPool", "Softmax"),
        *("AveragePool", "Conv", "Transpose", "Flatten", "Gemm", "Softmax"),
    ]


def test_the_graph_says_where_everything_comes_from(tmp_path: Path, capsys: Any) -> None:
    model = sn.Sequential(
        [sn.Input((5,)), L.Dense(3, activation="gelu", name="a"), L.Dense(2, name="b")], name="both"
    )
    model.export(tmp_path / "m.onnx", verbose=True)
    assert capsys.readouterr().out == f"Saved artifact at '{tmp_path / 'm.onnx'}'.\n"
    proto = onnx.load(tmp_path / "m.onnx")
    assert (proto.producer_name, proto.opset_import[0].version) == ("scratchnet", 18)
    assert proto.graph.name == "both"
    (x,), (y,) = proto.graph.input, proto.graph.output
    assert (x.name, y.name) == ("input", "output")
    assert [(d.dim_param, d.dim_value) for d in y.type.tensor_type.shape.dim] == [
        *(("batch", 0), ("", 2))
    ]
    names = [constant.name for constant in proto.graph.initializer]
    assert names[:3] == ["a/kernel", "a/bias", "a/number"]
    assert names[-2:] == ["b/kernel", "b/bias"]
    assert len(set(names)) == len(names)
    assert [path.name for path in tmp_path.iterdir()] == ["m.onnx"]


def small() -> Any:
    return sn.Sequential([sn.Input((5,)), L.Dense(3)])


def test_other_formats_and_options_are_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(NotImplementedError, match="format='onnx', got 'tf_saved_model'"):
        small().export(tmp_path / "m", format="tf_saved_model")
    with pytest.raises(ValueError, match=r"export: expected a file name that ends in \.onnx, got"):
        small().export(tmp_path / "m.tflite")
    with pytest.raises(NotImplementedError, match="ScratchNet has no input_signature"):
        small().export(tmp_path / "m.onnx", input_signature=[1])
    with pytest.raises(NotImplementedError, match="ScratchNet has no opset_version"):
        small().export(tmp_path / "m.onnx", opset_version=12)
    with pytest.raises(ValueError, match="expected a built model, got one without weights"):
        sn.Sequential([L.Dense(3)]).export(tmp_path / "m.onnx")
    assert list(tmp_path.iterdir()) == []


def test_layers_and_activations_of_ones_own_are_refused_by_name(tmp_path: Path) -> None:
    class Dense(L.Dense):
        pass

    class Cube(activations.Elementwise):
        pass

    model = sn.Sequential([sn.Input((5,)), Dense(3, name="mine")])
    with pytest.raises(NotImplementedError, match=r"layers of scratchnet.layers, got Dense 'mine'"):
        model.export(tmp_path / "m.onnx")
    model = sn.Sequential([sn.Input((5,)), L.Dense(3, name="d", activation=Cube("tanh"))])
    with pytest.raises(NotImplementedError, match=r"Dense 'd'.export: expected an activation of"):
        model.export(tmp_path / "m.onnx")
    both = activations.Rowwise("softmax", axis=(1, 2))
    model = sn.Sequential([sn.Input((5, 2)), L.Dense(3, name="d", activation=both)])
    with pytest.raises(NotImplementedError, match=r"expected softmax along one axis, got \(1, 2\)"):
        model.export(tmp_path / "m.onnx")


def test_without_onnx_the_error_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(ImportError, match=r"pip install 'scratchnet\[onnx\]'"):
        small().export(tmp_path / "m.onnx")
    assert list(tmp_path.iterdir()) == []

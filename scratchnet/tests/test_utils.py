"""The helpers under Keras's names."""

import subprocess
import sys

import numpy as np
import pytest

from scratchnet import config, utils
from scratchnet.utils.files import atomic_write
from scratchnet.utils.naming import auto_name
from scratchnet.utils.numerical import normalize, to_categorical

# to_categorical


@pytest.mark.parametrize(
    ("shape", "expected"),
    [
        ((), (5,)),
        ((1,), (1, 5)),
        ((3,), (3, 5)),
        ((4, 3), (4, 3, 5)),
        ((5, 4, 3), (5, 4, 3, 5)),
        ((3, 1), (3, 5)),
        ((3, 2, 1), (3, 2, 5)),
        ((0,), (0, 5)),
        ((0, 1), (0, 5)),
    ],
)
def test_one_hot_rows_have_keras_shapes_and_a_single_one(shape, expected):
    labels = np.random.default_rng(0).integers(0, 5, shape)
    y = to_categorical(labels, 5)
    assert y.shape == expected
    assert y.dtype == np.float64
    np.testing.assert_array_equal(y.sum(axis=-1), 1)
    np.testing.assert_array_equal(y.argmax(axis=-1).reshape(shape), labels)


def test_the_number_of_classes_is_the_largest_label_and_one():
    assert to_categorical([0, 2, 5]).shape == (3, 6)
    assert to_categorical([0, 2, 5], 0).shape == (3, 6)  # as in Keras
    assert to_categorical([0, 2, 5], num_classes=np.int64(9)).shape == (3, 9)


@pytest.mark.parametrize("dtype", ["uint8", "int8", "int64", "float32", "bool"])
def test_whole_labels_of_any_type_are_taken(dtype):
    labels = np.array([1, 0, 1], dtype=dtype)
    np.testing.assert_array_equal(to_categorical(labels), [[0, 1], [1, 0], [0, 1]])


@pytest.mark.parametrize(
    ("x", "num_classes", "kind", "message"),
    [
        ([0, -1], None, ValueError, "expected labels of 0 or more, got -1. Number the classes"),
        ([0, -1], 5, ValueError, "expected labels of 0 or more, got -1. Number the classes"),
        ([0, 5], 5, ValueError, "expected labels below num_classes=5, got 5. Pass a larger"),
        (np.array([2**63], np.uint64), 5, ValueError, "num_classes=5, got 9223372036854775808"),
        ([0, 1.5], None, ValueError, "expected labels that are whole numbers, got 1.5. Round"),
        ([0, np.nan], None, ValueError, "expected labels that are whole numbers, got nan"),
        ([0, np.inf], None, ValueError, "expected labels that are whole numbers, got infinity"),
        (["1", "2"], None, TypeError, "expected labels that are whole numbers, got dtype <U1"),
        ([1, None], None, TypeError, "expected labels that are whole numbers, got dtype object"),
        (
            [[1], [1, 2]],
            None,
            ValueError,
            "expected an array of labels, got rows of unequal length",
        ),
        ([], None, ValueError, "expected at least one label, got none. Pass num_classes"),
        ([1], -1, ValueError, "expected num_classes of 1 or more, or None, got -1"),
        ([1], 10.0, TypeError, "expected num_classes to be a whole number or None, got 10.0"),
        ([1], True, TypeError, "expected num_classes to be a whole number or None, got True"),
    ],
)
def test_labels_that_are_no_classes_are_refused(x, num_classes, kind, message):
    with pytest.raises(kind, match="^to_categorical: .*" + message.replace(".", r"\.")):
        to_categorical(x, num_classes)


# normalize


@pytest.mark.parametrize("order", [1, 2, 3])
@pytest.mark.parametrize("axis", [0, 1, -1])
def test_rows_have_norm_one(order, axis):
    x = np.random.default_rng(0).normal(size=(4, 3))
    y = normalize(x, axis=axis, order=order)
    np.testing.assert_allclose(np.linalg.norm(y, order, axis), 1, rtol=1e-12)
    np.testing.assert_allclose(y * np.linalg.norm(x, order, axis, keepdims=True), x, rtol=1e-12)


def test_a_row_of_zeros_stays():
    np.testing.assert_array_equal(
        normalize(np.array([[0.0, 0.0], [3.0, 4.0]])), [[0, 0], [0.6, 0.8]]
    )
    np.testing.assert_array_equal(normalize([[0.0, 0.0], [0.0, 4.0]]), [[0, 0], [0, 1]])


def test_the_float_type_is_kept_and_shapes_are_those_of_keras():
    assert normalize(np.ones((2, 3), np.float32)).dtype == np.float32
    assert normalize(np.ones((2, 3), np.int32)).dtype == np.float64
    assert normalize([[1.0, 2.0]]).dtype == config.floatx()
    assert normalize(np.ones(3)).shape == (1, 3)
    assert normalize([1.0, 2.0, 2.0]).shape == (3,)
    assert normalize(np.ones((2, 3)), axis=None).shape == (2, 3)


# the module


def test_every_promised_name_is_there():
    for name in utils.__all__:
        assert callable(getattr(utils, name))


def test_an_unknown_name_is_refused_with_the_known_ones():
    with pytest.raises(AttributeError, match=r"'to_categoric': .* Did you mean 'to_categorical'\?"):
        utils.to_categoric  # noqa: B018


def test_clear_session_counts_names_from_the_beginning():
    utils.clear_session()
    assert [auto_name("Dense"), auto_name("Dense")] == ["dense", "dense_1"]
    utils.clear_session()
    assert auto_name("Dense") == "dense"


@pytest.mark.parametrize(
    "module", ["utils", "utils.naming", "registry", "datasets", "utils.images", "config"]
)
def test_imports_in_any_order_and_lightly(module):
    code = (
        f"import sys, scratchnet.{module}; "
        "heavy = ('PIL', 'numba', 'h5py', 'urllib.request', 'sklearn', 'rich'); "
        "print([m for m in heavy if m in sys.modules])"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert run.stderr == ""
    assert run.stdout.strip() == "[]"


# atomic_write


def test_a_file_is_whole_or_not_there(tmp_path):
    path = tmp_path / "file"
    with atomic_write(path) as file:
        file.write(b"old")
        assert not path.exists()

    def interrupted():
        with atomic_write(path) as file:
            file.write(b"new, but only half")
            raise KeyboardInterrupt("stopped")

    with pytest.raises(KeyboardInterrupt, match="stopped"):
        interrupted()
    assert path.read_bytes() == b"old"
    assert [p.name for p in tmp_path.iterdir()] == ["file"]

"""The planner: what is merged and what is not, and that a plan trains as the plain layers do."""

import threading

import numpy as np
import pytest

import scratchnet as keras
from scratchnet import data, losses
from scratchnet.data import Batches
from scratchnet.engines import engine
from scratchnet.engines.fused import few, planner
from scratchnet.engines.fused.planner import Plan, merge, plan
from scratchnet.engines.fused.steps import ConvStep, DenseStep, PlainStep
from scratchnet.layers import (
    Activation,
    AveragePooling2D,
    BatchNormalization,
    Conv2D,
    Dense,
    Dropout,
    Flatten,
    GlobalAveragePooling2D,
    GlobalMaxPooling2D,
    MaxPooling2D,
    Reshape,
)
from scratchnet.steps import StepByStep
from scratchnet.utils import set_random_seed

C, D, P = ConvStep, DenseStep, PlainStep
IMAGE = (12, 13, 2)


class MyDense(Dense):
    """A layer that may do anything."""


class MyConv(Conv2D):
    """A layer that may do anything."""


class MyDropout(Dropout):
    """A layer that may do anything."""


def image_model(*layers):
    return keras.Sequential([keras.Input(IMAGE), *layers])


def flat_model(*layers, loss=None):
    model = keras.Sequential([keras.Input((8,)), *layers])
    if loss is not None:
        model.compile("sgd", loss)
    return model


def steps_of(model):
    return [(type(step), [layer.name for layer in step.layers]) for step in plan(model).steps]


def conv(**options):
    return Conv2D(3, 3, name="conv", **options)


def pool(size=2, **options):
    return MaxPooling2D(size, name="pool", **options)


IMAGES = {
    "relu-pool": ([conv(activation="relu"), pool()], [(C, ["conv", "pool"])]),
    "linear-pool": ([conv(), pool((2, 3))], [(C, ["conv", "pool"])]),
    "same-strides-pool": (
        [conv(padding="same", strides=2), pool((3, 2))],
        [(C, ["conv", "pool"])],
    ),
    "overlapping-pool": ([conv(), pool(3, strides=2)], [(C, ["conv"]), (P, ["pool"])]),
    "pool-with-gaps": ([conv(), pool(2, strides=3)], [(C, ["conv"]), (P, ["pool"])]),
    # 10 x 11 outputs: the pooling fills up with padding, unless its windows fit
    "padded-pool": ([conv(), pool(2, padding="same")], [(C, ["conv"]), (P, ["pool"])]),
    "same-pool-that-fits": (
        [conv(), pool((2, 11), padding="same")],
        [(C, ["conv", "pool"])],
    ),
    "pool-of-too-many": (
        [Conv2D(1, 1, padding="same", name="conv"), pool((12, 13))],
        [(C, ["conv", "pool"])],
    ),
    "tanh-pool": ([conv(activation="tanh"), pool()], [(P, ["conv"]), (P, ["pool"])]),
    "sigmoid": ([conv(activation="sigmoid")], [(P, ["conv"])]),
    "leaky-relu": ([conv(activation="leaky_relu")], [(P, ["conv"])]),
    "relu6": ([conv(activation="relu6"), pool()], [(P, ["conv"]), (P, ["pool"])]),
    "average-pool": (
        [conv(activation="relu"), AveragePooling2D(2, name="mean")],
        [(C, ["conv"]), (P, ["mean"])],
    ),
    "global-pools": (
        [conv(activation="relu"), GlobalMaxPooling2D(name="most")],
        [(C, ["conv"]), (P, ["most"])],
    ),
    "activation-between": (
        [conv(), Activation("relu", name="relu"), pool()],
        [(C, ["conv"]), (P, ["relu"]), (P, ["pool"])],
    ),
    "normalization-between": (
        [conv(), BatchNormalization(name="norm"), pool()],
        [(C, ["conv"]), (P, ["norm"]), (P, ["pool"])],
    ),
    "two-convolutions-two-pools": (
        [conv(activation="relu"), Conv2D(4, 1, name="next"), pool(), MaxPooling2D(2, name="last")],
        [(C, ["conv"]), (C, ["next", "pool"]), (P, ["last"])],
    ),
    "subclass": ([MyConv(3, 3, name="mine"), pool()], [(P, ["mine"]), (P, ["pool"])]),
    "dropout-on-images": (
        [conv(activation="relu"), Dropout(0.5, name="drop"), pool()],
        [(C, ["conv"]), (P, ["drop"]), (P, ["pool"])],
    ),
    "pool-first": ([pool(), conv()], [(P, ["pool"]), (C, ["conv"])]),
}
FLAT = {
    "relu": ([Dense(4, activation="relu", name="a")], None, [(D, ["a"])]),
    "linear": ([Dense(4, name="a")], None, [(D, ["a"])]),
    "relu-dropout": (
        [Dense(4, activation="relu", name="a"), Dropout(0.5, name="d"), Dense(3, name="b")],
        None,
        [(D, ["a", "d"]), (D, ["b"])],
    ),
    "two-dropouts": (
        [Dense(4, activation="relu", name="a"), Dropout(0.5, name="d"), Dropout(0.5, name="e")],
        None,
        [(D, ["a", "d"]), (P, ["e"])],
    ),
    "linear-dropout": (
        [Dense(4, name="a"), Dropout(0.5, name="d")],
        None,
        [(D, ["a"]), (P, ["d"])],
    ),
    "tanh": ([Dense(4, activation="tanh", name="a")], None, [(P, ["a"])]),
    "gelu-dropout": (
        [Dense(4, activation="gelu", name="a"), Dropout(0.5, name="d")],
        None,
        [(P, ["a"]), (P, ["d"])],
    ),
    "subclass": ([MyDense(4, activation="relu", name="mine")], None, [(P, ["mine"])]),
    "linear-subclass": ([MyDense(4, name="mine")], None, [(P, ["mine"])]),
    "softmax-subclass": (
        [MyDense(4, activation="softmax", name="mine")],
        "categorical_crossentropy",
        [(P, ["mine"])],
    ),
    "subclass-of-dropout": (
        [Dense(4, activation="relu", name="a"), MyDropout(0.5, name="mine")],
        None,
        [(D, ["a"]), (P, ["mine"])],
    ),
    "softmax-without-a-loss": ([Dense(4, activation="softmax", name="a")], None, [(P, ["a"])]),
    "softmax-crossentropy": (
        [Dense(4, activation="softmax", name="a")],
        "categorical_crossentropy",
        [(D, ["a"])],
    ),
    "softmax-sparse": (
        [Dense(4, activation="softmax", name="a")],
        "sparse_categorical_crossentropy",
        [(D, ["a"])],
    ),
    "softmax-mse": ([Dense(4, activation="softmax", name="a")], "mse", [(P, ["a"])]),
    "softmax-below": (
        [Dense(4, activation="softmax", name="a"), Dense(3, activation="softmax", name="b")],
        "categorical_crossentropy",
        [(P, ["a"]), (D, ["b"])],
    ),
    "softmax-under-dropout": (
        [Dense(4, activation="softmax", name="a"), Dropout(0.5, name="d")],
        "categorical_crossentropy",
        [(P, ["a"]), (P, ["d"])],
    ),
    "sigmoid": (
        [Dense(1, activation="sigmoid", name="a")],
        "binary_crossentropy",
        [(P, ["a"])],
    ),
    "softmax-layer": (
        [Dense(4, name="a"), Activation("softmax", name="s")],
        "categorical_crossentropy",
        [(D, ["a"]), (P, ["s"])],
    ),
}


@pytest.mark.parametrize(("layers", "steps"), IMAGES.values(), ids=IMAGES)
def test_steps_for_images(layers, steps):
    assert steps_of(image_model(*layers)) == steps


@pytest.mark.parametrize(("layers", "loss", "steps"), FLAT.values(), ids=FLAT)
def test_steps_for_rows(layers, loss, steps):
    assert steps_of(flat_model(*layers, loss=loss)) == steps


def test_a_cell_of_more_windows_than_a_byte_can_name_is_not_merged():
    layers = [Conv2D(1, 1, name="conv"), MaxPooling2D((16, 16), name="pool")]
    model = keras.Sequential([keras.Input((16, 16, 1)), *layers])
    assert steps_of(model) == [(C, ["conv"]), (P, ["pool"])]


def test_pool_is_merged_for_images_of_unknown_size():
    layers = [Conv2D(2, 3, name="conv"), MaxPooling2D(2, name="pool")]
    model = keras.Sequential([keras.Input((None, None, 1)), *layers])
    assert steps_of(model) == [(C, ["conv", "pool"])]
    layers = [Conv2D(2, 3, name="conv"), MaxPooling2D(2, padding="same", name="pool")]
    model = keras.Sequential([keras.Input((None, None, 1)), *layers])
    assert steps_of(model) == [(C, ["conv"]), (P, ["pool"])]


@pytest.mark.parametrize("kind", [Dense, Conv2D])
def test_relu_with_options_is_not_the_relu_of_a_merged_step(kind):
    relu = type(keras.activations.relu)("relu", negative_slope=0.5, max_value=None, threshold=0.0)
    options = {} if kind is Dense else {"kernel_size": 1}
    layer = kind(3, activation=relu, name="a", **options)
    model = keras.Sequential([keras.Input((6, 6, 2)), layer])
    assert steps_of(model) == [(P, ["a"])]


def test_activity_regularizer_needs_every_output():
    model = flat_model(Dense(4, activation="relu"), Dense(3, activity_regularizer="l2"))
    assert type(plan(model)) is StepByStep
    assert type(plan(flat_model(Dense(4, activation="relu")))) is Plan


@pytest.mark.parametrize("name", keras.networks.NETWORKS)
def test_the_layers_of_the_steps_are_the_layers_of_the_model(name):
    model = keras.networks.NETWORKS[name].compiled(keras)
    assert [layer for step in plan(model).steps for layer in step.layers] == model.layers


def test_the_networks_are_merged_as_far_as_it_goes():
    model = keras.networks.NETWORKS["cnn"].compiled(keras)
    assert [kind for kind, _ in steps_of(model)] == [C, C, C, P, D, D]
    model = keras.networks.NETWORKS["mlp2_dropout"].compiled(keras)
    assert [(kind, len(names)) for kind, names in steps_of(model)] == [(D, 2), (D, 2), (D, 1)]


def test_merge_of_nothing_is_nothing():
    assert merge([]) == []


# ------------------------------------------------------------------ training as the plain layers do


def rows_of(classes=3, n=23):
    rng = np.random.default_rng(5)
    return rng.normal(size=(n, 8)), np.eye(classes)[rng.integers(0, classes, n)]


def images_of(classes=3, n=23):
    rng = np.random.default_rng(6)
    return rng.normal(size=(n, *IMAGE)), np.eye(classes)[rng.integers(0, classes, n)]


def mlp(units=3, activation="softmax"):
    return [
        keras.Input((8,)),
        Dense(20, activation="relu"),
        Dropout(0.3, seed=7),
        Dense(7, activation="relu"),
        Dense(units, activation=activation),
    ]


def cnn():
    return [
        keras.Input(IMAGE),
        Conv2D(5, 3, activation="relu"),
        MaxPooling2D(2),
        Conv2D(18, 2, activation="relu", padding="same"),
        Flatten(),
        Dense(9, activation="relu"),
        Dropout(0.5, seed=3),
        Dense(3, activation="softmax"),
    ]


def train(
    layers, x, y, name, loss="categorical_crossentropy", optimizer="adam", frozen=(), fit=None,
    **options,
):  # fmt: skip
    """Losses and metrics of one epoch of 3 batches, an evaluation, the output and the weights."""
    keras.config.set_floatx("float64")
    with engine(name):
        set_random_seed(2)
        model = keras.Sequential(layers())
        for index in frozen:
            model.layers[index].trainable = False
        options = {"metrics": ["accuracy", "mse"], **options}
        model.compile(optimizer() if callable(optimizer) else optimizer, loss, **options)
        history = model.fit(x, y, batch_size=10, epochs=2, verbose=0, **(fit or {})).history
        evaluation = model.evaluate(x, y, verbose=0, return_dict=True)
        assert type(model._steps()) is (Plan if name == "fused" else StepByStep)
        numbers = {f"evaluated {key}": value for key, value in evaluation.items()}
        output = model.predict(x, verbose=0)
        return {**history, **numbers, "output": output}, model.get_weights()


def assert_trains_alike(layers, x, y, **options):
    mine, weights = train(layers, x, y, "fused", **options)
    wanted, wanted_weights = train(layers, x, y, "numba", **options)
    assert mine.keys() == wanted.keys()
    for key in wanted:
        np.testing.assert_allclose(mine[key], wanted[key], rtol=1e-12, atol=1e-12, err_msg=key)
    for index, (one, two) in enumerate(zip(weights, wanted_weights, strict=True)):
        np.testing.assert_allclose(one, two, rtol=1e-12, atol=1e-12, err_msg=str(index))


CLASS_WEIGHT = {0: 0.5, 2: 3.0}
ROW_CASES = {
    "plain": {},
    "sgd": {"optimizer": "sgd"},
    "momentum": {"optimizer": lambda: keras.optimizers.SGD(0.1, momentum=0.9, nesterov=True)},
    "rmsprop": {"optimizer": "rmsprop"},
    "sample-weight": {"fit": {"sample_weight": np.linspace(0, 2, 23)}},
    "class-weight": {"fit": {"class_weight": CLASS_WEIGHT}},
    "label-smoothing": {"loss": losses.CategoricalCrossentropy(label_smoothing=0.1)},
    "sum": {"loss": losses.CategoricalCrossentropy(reduction="sum")},
    "mean-with-sample-weight": {
        "loss": losses.CategoricalCrossentropy(reduction="mean_with_sample_weight"),
        "fit": {"sample_weight": np.linspace(0.5, 2, 23)},
    },
    "softmax-and-from-logits": {"loss": losses.CategoricalCrossentropy(from_logits=True)},
    "mse": {"loss": "mse"},
    "validation": {"fit": {"validation_split": 0.3}},
    "unshuffled": {"fit": {"shuffle": False}},
    "shuffled-in-batches": {"fit": {"shuffle": "batch"}},
    "frozen-below": {"frozen": [0]},
    "frozen-between": {"frozen": [2]},
    "frozen-above": {"frozen": [3]},
    "all-frozen": {"frozen": [0, 2, 3]},
    "clipnorm": {"optimizer": lambda: keras.optimizers.Adam(global_clipnorm=0.1)},
    "decay": {"optimizer": lambda: keras.optimizers.RMSprop(weight_decay=0.1, clipvalue=0.01)},
}


@pytest.mark.parametrize("options", ROW_CASES.values(), ids=ROW_CASES)
def test_training_on_rows_is_that_of_the_plain_layers(options):
    assert_trains_alike(mlp, *rows_of(), **options)


@pytest.mark.parametrize("sparse", [False, True])
def test_soft_labels_and_class_numbers(sparse):
    x, y = rows_of()
    if sparse:
        for labels in (y.argmax(1), y.argmax(1)[:, None].astype(np.float32)):
            assert_trains_alike(
                mlp, x, labels, loss="sparse_categorical_crossentropy", metrics=["accuracy"]
            )
        return
    assert_trains_alike(mlp, x, (y + 0.25) / 1.75)


def test_an_ignored_class():
    x, y = rows_of()
    loss = losses.SparseCategoricalCrossentropy(ignore_class=1)
    assert_trains_alike(mlp, x, y.argmax(1), loss=loss, metrics=["accuracy"])


@pytest.mark.parametrize("sparse", [False, True])
def test_logits_of_a_linear_layer(sparse):
    x, y = rows_of()
    kind = losses.SparseCategoricalCrossentropy if sparse else losses.CategoricalCrossentropy
    assert_trains_alike(
        lambda: mlp(activation=None), x, y.argmax(1) if sparse else y,
        loss=kind(from_logits=True), metrics=["accuracy"],
    )  # fmt: skip


@pytest.mark.parametrize(
    ("units", "activation", "loss"),
    [
        (1, "sigmoid", "binary_crossentropy"),
        (4, "sigmoid", "binary_crossentropy"),
        (1, None, losses.BinaryCrossentropy(from_logits=True)),
        (1, None, "mse"),
        (2, "tanh", "mae"),
        (2, "relu", "huber"),
    ],
)
def test_other_outputs(units, activation, loss):
    x, y = rows_of()
    y = np.repeat(y[:, :1], units, axis=1)
    assert_trains_alike(lambda: mlp(units, activation), x, y, loss=loss, metrics=["mse"])


IMAGE_CASES = {
    "plain": {},
    "frozen-below": {"frozen": [0]},
    "frozen-between": {"frozen": [2]},
    "sample-weight": {"fit": {"sample_weight": np.linspace(0, 2, 23)}},
    "sgd": {"optimizer": "sgd"},
}


@pytest.mark.parametrize("options", IMAGE_CASES.values(), ids=IMAGE_CASES)
def test_training_on_images_is_that_of_the_plain_layers(options):
    assert_trains_alike(cnn, *images_of(), **options)


NETS = {
    "same-pairs": lambda: [
        keras.Input(IMAGE),
        Conv2D(4, 3, padding="same", activation="relu"),
        Conv2D(4, 3, padding="same", activation="relu"),
        MaxPooling2D(2),
        GlobalAveragePooling2D(),
        Dense(3, activation="softmax"),
    ],
    "tanh-average": lambda: [
        keras.Input(IMAGE),
        Conv2D(6, 5, activation="tanh"),
        AveragePooling2D(2),
        Conv2D(5, 2, strides=2),
        MaxPooling2D(2, strides=1),
        Flatten(),
        Dense(3, activation="softmax"),
    ],
    "normalized": lambda: [
        keras.Input(IMAGE),
        Conv2D(6, 3, strides=2, use_bias=False),
        BatchNormalization(),
        Activation("relu"),
        GlobalMaxPooling2D(),
        # no bias, which has no gradient under a normalization but roundings, that Adam blows up
        Dense(5, kernel_regularizer="l2", use_bias=False),
        BatchNormalization(),
        Dense(3, activation="softmax"),
    ],
    "one-conv": lambda: [
        keras.Input(IMAGE),
        Conv2D(3, (12, 13), activation="relu", kernel_regularizer="l2"),
        Reshape((3,)),
        Activation("softmax"),
    ],
    "relu-through-a-pool-of-one": lambda: [
        keras.Input(IMAGE),
        Conv2D(3, 2, activation="relu"),
        MaxPooling2D(1),
        Flatten(),
        Dense(3, activation="softmax"),
    ],
    "penalized-outputs": lambda: [
        keras.Input(IMAGE),
        Flatten(),
        Dense(6, activation="relu", kernel_regularizer="l1_l2", bias_regularizer="l2"),
        Dropout(0.5, seed=4),
        Dense(3, activation="softmax"),
        Dropout(0),
    ],
    "dropout-above-the-softmax": lambda: [
        keras.Input(IMAGE),
        Flatten(),
        Dense(3, activation="softmax"),
        Dropout(0.25, mask=lambda call: np.ones(3)),
    ],
}


@pytest.mark.parametrize("layers", NETS.values(), ids=NETS)
def test_training_of_other_networks_is_that_of_the_plain_layers(layers):
    assert_trains_alike(layers, *images_of())


@pytest.mark.parametrize("sparse", [False, True])
def test_a_softmax_for_every_position(sparse):
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(23, 4, 5)), rng.integers(0, 3, (23, 4))
    layers = lambda: [keras.Input((4, 5)), Dense(3, activation="softmax")]  # noqa: E731
    kind = "sparse_categorical_crossentropy" if sparse else "categorical_crossentropy"
    assert_trains_alike(layers, x, y if sparse else np.eye(3)[y], loss=kind, metrics=["accuracy"])


def test_logits_for_every_position():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(23, 4, 5)), rng.integers(0, 3, (23, 4))
    layers = lambda: [keras.Input((4, 5)), Dense(3)]  # noqa: E731
    loss = losses.SparseCategoricalCrossentropy(from_logits=True)
    assert_trains_alike(layers, x, y, loss=loss, metrics=["accuracy"])


# ------------------------------------------------------------------ what changes under a plan


def small(loss="categorical_crossentropy"):
    set_random_seed(1)
    model = flat_model(Dense(5, activation="relu", name="a"), Dense(3, activation="softmax"))
    model.compile("sgd", loss)
    return model


@pytest.fixture
def fused():
    with engine("fused"):
        yield


def test_a_plan_is_kept_while_nothing_changes(fused):
    model, (x, y) = small(), rows_of()
    model.fit(x, y, verbose=0)
    kept = model._steps()
    model.fit(x, y, verbose=0)
    model.predict(x, verbose=0)
    assert model._steps() is kept


def test_a_changed_activation_is_planned_anew():
    x, y = rows_of()
    results = []
    for name in ("fused", "numba"):
        with engine(name):
            model = small()
            model.fit(x, y, verbose=0)
            for activation in ("tanh", None, "relu"):
                model.layers[0].activation = activation
                model.fit(x, y, verbose=0)
            model.layers[1].activation = None
            results.append((model.predict(x, verbose=0), *model.get_weights()))
    for one, two in zip(*results, strict=True):
        np.testing.assert_allclose(one, two, rtol=1e-5, atol=1e-6)


def test_the_steps_follow_a_changed_activation(fused):
    model, (x, y) = small(), rows_of()
    model.fit(x, y, verbose=0)
    assert type(model._steps().steps[0]) is D
    model.layers[0].activation = "tanh"
    model.fit(x, y, verbose=0)
    assert type(model._steps().steps[0]) is P


def test_another_loss_layer_or_freezing_is_planned_anew(fused):
    model, (x, y) = small(), rows_of()
    model.fit(x, y, verbose=0)
    assert [kind for kind, _ in steps_of(model)] == [D, D]
    model.compile("sgd", "mse")
    model.fit(x, y, verbose=0)
    assert [type(step) for step in model._steps().steps] == [D, P]
    model.layers[0].trainable = False
    model.compile("sgd", "mse")
    before = model.get_weights()
    model.fit(x, y, verbose=0)
    after = model.get_weights()
    np.testing.assert_array_equal(before[0], after[0])
    assert (before[2] != after[2]).any()
    model.pop()
    model.add(Dense(3))
    model.compile("sgd", "mse")
    model.fit(x, y, verbose=0)
    assert [type(step) for step in model._steps().steps] == [D, D]


def test_the_engine_can_be_changed_between_fits():
    model, (x, y) = small(), rows_of()
    for name in ("fused", "numba", "fused", "numpy"):
        with engine(name):
            model.fit(x, y, verbose=0)
            assert isinstance(model._steps(), Plan) == (name == "fused")
            model.loss_and_gradients(x, y)  # which goes layer by layer in every engine
            assert model.layers[0].dx.shape == x.shape


def test_no_stale_arrays_stay_in_merged_layers(fused):
    model, (x, y) = small(), rows_of()
    model.loss_and_gradients(x, y)
    model.fit(x, y, verbose=0)
    layer = model.layers[0]
    for name in ("x", "y", "dx", "dy", "saved", "z", "dz"):
        assert getattr(layer, name) is None, name
    with pytest.raises(RuntimeError, match="a forward pass with training=True before backward"):
        model.backward(np.ones((5, 3)))


@pytest.mark.parametrize("method", ["predict_on_batch", "train_on_batch", "test_on_batch"])
def test_one_batch_builds_a_model_that_is_not_built(method, each_engine):
    x, y = rows_of()
    set_random_seed(1)
    model = keras.Sequential([Dense(5, activation="relu"), Dense(3, activation="softmax")])
    model.compile("sgd", "categorical_crossentropy")
    arguments = (x,) if method == "predict_on_batch" else (x, y)
    assert np.isfinite(getattr(model, method)(*arguments)).all()
    assert model.built


def test_an_image_smaller_than_the_pool_is_refused(each_engine):
    model = keras.Sequential(
        [keras.Input((None, None, 1)), Conv2D(2, 3), MaxPooling2D(2, name="pool")]
    )
    assert model.predict(np.ones((2, 8, 7, 1)), verbose=0).shape == (2, 3, 2, 2)
    with pytest.raises(ValueError, match="'pool': expected images of at least 2x2 pixels, got 1x1"):
        model.predict(np.ones((2, 3, 3, 1)), verbose=0)


def test_on_batch_methods_agree_with_engine_numba():
    x, y = rows_of()
    results = []
    for name in ("fused", "numba"):
        with engine(name):
            set_random_seed(3)
            model = keras.Sequential(mlp())
            model.compile("adam", "categorical_crossentropy", metrics=["accuracy"])
            values = [model.train_on_batch(x, y), model.train_on_batch(x, y, np.arange(23.0))]
            values += [model.test_on_batch(x, y)]
            for n in (1, 2, 4, 5, 23):  # few rows go another way
                values += [model.predict_on_batch(x[:n].astype(np.float32)).sum(0)]
            results.append(np.concatenate([np.ravel(v) for v in values]))
    np.testing.assert_allclose(*results, rtol=2e-5, atol=2e-6)


def test_float16_is_no_dtype_of_ours_but_its_data_are_taken(fused):
    model, (x, _) = small(), rows_of()
    np.testing.assert_allclose(
        model.predict(x.astype(np.float16), verbose=0),
        model.predict(x.astype(np.float16).astype(np.float32), verbose=0),
        rtol=1e-6,
    )


def waiting(name):
    """An attribute which, once set, waits until another thread has set it too."""
    meeting = threading.Barrier(2, timeout=20)

    def write(self, value):
        self.__dict__["_" + name] = value
        if threading.current_thread() is not threading.main_thread():
            meeting.wait()

    return property(lambda self: self.__dict__.get("_" + name), write)


class Slow(Dense):
    """A layer in which two threads always meet."""

    x, y, z = waiting("x"), waiting("y"), waiting("z")


def test_two_threads_that_predict_at_once_get_their_own_answers(fused):
    """Whatever a step writes down of a prediction, it goes on with its own numbers."""
    set_random_seed(1)
    model = flat_model(Slow(4, activation="tanh"), Dense(3), Slow(2, activation="tanh"))
    data_of = [np.full((2, 8), value, np.float32) for value in (-1.0, 1.0)]
    with engine("numpy"):
        weights = model.get_weights()
        wanted = []
        for x in data_of:
            y = np.tanh(x @ weights[0] + weights[1]) @ weights[2] + weights[3]
            wanted.append(np.tanh(y @ weights[4] + weights[5]))
    model._steps()
    results = {}

    def predict(index):
        with engine("fused"):
            results[index] = model.predict_on_batch(data_of[index])

    workers = [threading.Thread(target=predict, args=(index,)) for index in range(2)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    for index in range(2):
        np.testing.assert_allclose(results[index], wanted[index], rtol=1e-5, atol=1e-6)


# ------------------------------------------------------------------ the data on their way in


def test_a_batch_copies_its_rows_only_when_asked():
    x, y = rows_of()
    batches = Batches(x, y)
    batches.batch_size = 10
    batches.shuffle(True)
    set_random_seed(1)
    seen = []
    for batch in batches.batches(0):
        assert batch.source is x
        assert batch._x is None
        seen.append(batch.taken)
        np.testing.assert_array_equal(batch.x, x[batch.taken])
        assert batch.x is batch.x
        np.testing.assert_array_equal(batch.y, y[batch.taken])
    assert sorted(np.concatenate(seen).tolist()) == list(range(23))
    whole = Batches(x)
    assert whole.x is x
    assert np.shares_memory(batches.rows(slice(3, 5)).x, x)


def test_a_plan_reads_the_rows_where_they_lie(fused, monkeypatch):
    model, (x, y) = small(), rows_of()
    x = x.astype(np.float32)
    copied = []
    monkeypatch.setattr(
        data.Batches,
        "x",
        property(lambda self: self.source if self.taken is None else copied.append(1)),
    )
    model.fit(x, y, verbose=0, batch_size=10)
    assert not copied


KINDS = {
    "float32": lambda x: x.astype(np.float32),
    "float64": lambda x: x.astype(np.float64),
    "uint8": lambda x: x.astype(np.uint8),
    "bool": lambda x: x > 3,
    "fortran": lambda x: np.asfortranarray(x.astype(np.float32)),
    "strided": lambda x: np.repeat(x.astype(np.float32), 2, axis=0)[::2],
    "reversed": lambda x: np.ascontiguousarray(x[::-1, ::-1].astype(np.float32))[::-1, ::-1],
    "read-only": lambda x: np.broadcast_to(x.astype(np.float32)[None], (1, *x.shape))[0],
    "list": lambda x: x.tolist(),
}


@pytest.mark.parametrize("shuffle", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_data_of_every_kind_give_the_same_training(kind, shuffle):
    rng = np.random.default_rng(3)
    x, y = rng.integers(0, 9, (23, 8)), rows_of()[1]
    x = KINDS[kind](x)
    results = []
    for name in ("fused", "numba"):
        with engine(name):
            model = small()
            losses_ = model.fit(x, y, batch_size=10, verbose=0, shuffle=shuffle, epochs=2).history
            outputs = model.predict(x, verbose=0), model.predict_on_batch(np.asarray(x)[:7])
            results.append((losses_["loss"], *outputs, *model.get_weights()))
    for one, two in zip(*results, strict=True):
        np.testing.assert_allclose(one, two, rtol=2e-5, atol=2e-6)


def test_the_most_windows_of_a_cell_leave_room_for_dead():
    from scratchnet.engines.fused.cells import DEAD

    assert planner.MOST_WINDOWS <= DEAD == np.iinfo(np.uint8).max


ENDS = {
    "softmax": lambda: [Dense(10, activation="softmax")],
    "linear": lambda: [Dense(3)],
    "few units": lambda: [Flatten(), Dropout(0.5), Dense(16)],
    "many units": lambda: [Flatten(), Dropout(0.5), Dense(17)],
    "many classes": lambda: [Dense(40, activation="softmax")],
    "relu": lambda: [Dense(10, activation="relu")],
    "relu below": lambda: [Dense(20, activation="relu"), Dense(10, activation="softmax")],
}


@pytest.mark.parametrize("weights", [-1.0, 0.0, "mixed"])
@pytest.mark.parametrize("bad", [np.inf, -np.inf, np.nan])
@pytest.mark.parametrize("end", ENDS)
def test_predict_refuses_what_is_not_finite_wherever_it_stands(end, bad, weights):
    model = flat_model(*ENDS[end](), loss="categorical_crossentropy")
    if weights != "mixed":
        model.set_weights([np.full(w.shape, weights) for w in model.get_weights()])
    x = np.random.default_rng(0).normal(size=(50, 8)).astype(np.float32)
    model.predict(x, verbose=0)
    for row in (0, 17, 49):
        broken = x.copy()
        broken[row, 5] = bad
        with pytest.raises(ValueError, match=rf"finite numbers in x, got .* at \({row}, 5\)"):
            model.predict(broken, verbose=0)


def test_weights_that_are_not_finite_are_no_error():
    model = flat_model(Dense(3), loss="mse")
    x = np.ones((50, 8), np.float32)
    model.predict(x, verbose=0)
    kernel, bias = model.get_weights()
    kernel[0, 1] = np.inf
    model.set_weights([kernel, bias])
    assert np.isinf(model.predict(x, verbose=0)).all(axis=0).tolist() == [False, True, False]


@pytest.mark.parametrize("n", [1, 5, 64, 65, 200, 700])
@pytest.mark.parametrize("end", ENDS)
def test_predict_looks_at_the_input_or_at_the_output_alike(end, n, monkeypatch):
    model = flat_model(*ENDS[end](), loss="categorical_crossentropy")
    x = np.random.default_rng(0).normal(size=(n, 8)).astype(np.float32)
    wanted = model.predict(x, verbose=0)  # there is no plan yet
    got = model.predict(x, verbose=0)
    assert np.array_equal(got, wanted)
    assert not np.shares_memory(got, model.predict(x, verbose=0))
    checked = []
    monkeypatch.setattr(data, "check", lambda *a: checked.append(a))
    if n > few.FEW and end in ("softmax", "linear", "few units"):
        assert np.array_equal(model.predict(x, verbose=0), wanted)
        assert not checked
    elif len(x) * 8 > planner.SMALL:
        with pytest.raises(AttributeError, match="NoneType"):
            model.predict(x, verbose=0)
        assert checked

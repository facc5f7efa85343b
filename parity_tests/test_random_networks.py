"""Random small networks: any layers in any order, ties and zeros in the data, three steps, float64.

Hypothesis chooses; when a network fails, it looks for the smallest one that still does, and the
report names the first quantity that parted.
"""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from keras_ref.case import Case, keras_trace, scratchnet_trace
from keras_ref.divergence import first_divergence

ACTIVATIONS = (
    *("linear", "relu", "leaky_relu", "elu", "selu", "sigmoid", "hard_sigmoid", "tanh"),
    *("softplus", "softsign", "silu", "gelu", "softmax", "log_softmax"),
)
PADDING = st.sampled_from(["valid", "same"])
SIZE = st.tuples(st.integers(1, 4), st.integers(1, 4))


REGULARIZER = st.sampled_from([None, "l2"])


def layer(name, **options):
    """One entry of a network: (layer's name, its options)."""
    return st.fixed_dictionaries({"name": st.just(name), "options": st.fixed_dictionaries(options)})


IMAGE_LAYERS = st.one_of(
    layer(
        "Conv2D",
        filters=st.integers(1, 5),
        kernel_size=SIZE,
        padding=PADDING,
        strides=st.integers(1, 3),
        activation=st.sampled_from(ACTIVATIONS),
        use_bias=st.booleans(),
        kernel_regularizer=REGULARIZER,
    ),
    layer(
        "Conv2D",
        filters=st.integers(1, 3),
        kernel_size=SIZE,
        padding=PADDING,
        dilation_rate=st.tuples(st.integers(1, 2), st.integers(1, 3)),
    ),
    layer("MaxPooling2D", pool_size=SIZE, strides=st.integers(1, 3), padding=PADDING),
    layer("AveragePooling2D", pool_size=SIZE, strides=st.integers(1, 3), padding=PADDING),
    layer("ZeroPadding2D", padding=st.integers(0, 2)),
    layer("BatchNormalization", momentum=st.sampled_from([0.5, 0.99]), scale=st.booleans()),
    layer("Activation", activation=st.sampled_from(ACTIVATIONS)),
    layer("Dropout", rate=st.sampled_from([0.0, 0.25, 0.5])),
    layer("Softmax", axis=st.sampled_from([-1, 1])),
    layer("Rescaling", scale=st.sampled_from([0.5, 1 / 255]), offset=st.sampled_from([0.0, 0.1])),
)
BRIDGES = st.sampled_from(
    [
        {"name": "Flatten", "options": {}},
        {"name": "Reshape", "options": {"target_shape": (-1,)}},
        {"name": "GlobalMaxPooling2D", "options": {}},
        {"name": "GlobalAveragePooling2D", "options": {}},
    ]
)
VECTOR_LAYERS = st.one_of(
    layer(
        "Dense",
        units=st.integers(1, 9),
        activation=st.sampled_from(ACTIVATIONS),
        kernel_regularizer=REGULARIZER,
    ),
    layer("Softmax"),
    layer("Rescaling", scale=st.just(1 / 255), offset=st.sampled_from([0.0, 0.1])),
    layer("BatchNormalization", center=st.booleans()),
    layer("Dropout", rate=st.sampled_from([0.25, 0.5])),
    layer("LeakyReLU", negative_slope=st.sampled_from([0.0, 0.25, 0.3])),
)
ENDS = st.sampled_from(
    [
        ("softmax", "categorical_crossentropy", "one-hot"),
        ("softmax", "sparse_categorical_crossentropy", "classes"),
        ("sigmoid", "binary_crossentropy", "binary"),
        (None, "mse", "numbers"),
        (None, "huber", "numbers"),
        (None, "mae", "numbers"),
    ]
)
OPTIMIZERS = st.sampled_from(
    [
        *((name, {}) for name in ("SGD", "RMSprop", "Adam", "Adagrad", "AdamW")),
        ("SGD", {"learning_rate": 0.125, "clipnorm": 0.05}),
        ("SGD", {"learning_rate": 0.125, "clipvalue": 0.01}),
        ("Adam", {"global_clipnorm": 0.05}),
    ]
)


@st.composite
def networks(draw):
    """A case: a small image of any size, layers that fit it, an end with its loss, an optimizer."""
    size, channels = draw(SIZE), draw(st.integers(1, 3))
    shape = (size[0] * 2, size[1] * 3, channels)
    layers = [
        *draw(st.lists(IMAGE_LAYERS, max_size=4)),
        draw(BRIDGES),
        *draw(st.lists(VECTOR_LAYERS, max_size=2)),
    ]
    end, loss, labels = draw(ENDS)
    units = draw(st.integers(2, 5))

    def build(k):
        model = k.Sequential([k.Input(shape)])
        for entry in layers:
            new = getattr(k.layers, entry["name"])(**entry["options"])
            try:
                model.add(new)
            except ValueError:  # a window larger than its image: both libraries refuse it
                if new in model.layers:
                    model.pop(rebuild=False)
        model.add(k.layers.Dense(units, activation=end))
        return model

    optimizer, options = draw(OPTIMIZERS)
    return Case(
        repr((shape, layers, end, loss, optimizer, options)),
        build,
        lambda k: loss,
        lambda k: getattr(k.optimizers, optimizer)(**options),
        labels=labels,
        data=draw(st.sampled_from(["normal", "ties"])),
        rows=draw(st.integers(1, 6)),
        steps=3,
        whole=(1, 3),
        weighted=draw(st.booleans()),
        # any layers: a bias below a batch normalization, a softmax over a single number
        cancels=True,
    )


@pytest.mark.parametrize(
    ("engine", "examples"), [("numpy", 15), ("numba", 15), ("fused", 40), ("loops", 4)]
)
def test_random_networks_match_keras(engine, examples, keras):
    @settings(
        max_examples=examples,
        deadline=None,
        derandomize=True,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
    )
    @given(networks())
    def compare(case):
        theirs = keras_trace(case, "float64")
        ours = scratchnet_trace(case, "float64", engine)
        assert theirs
        assert set(theirs) == set(ours)
        assert all(np.isfinite(value).all() for value in theirs.values())
        divergence = first_divergence(ours, theirs, bar=1e-12, later_bar=1e-11, floor=case.floor)
        assert divergence is None, f"{case.name}\n{divergence}"

    compare()

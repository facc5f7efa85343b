"""Every comparison of single parts: layers, activations, losses, optimizers, regularizers; then the
six networks whole. Sizes are small, odd and unequal, so that swapped axes cannot agree by chance.

Hyperparameters are numbers that float32 holds exactly (0.875, 2^-8) or Keras's defaults; where
Keras on TensorFlow casts one of the latter through float32, the engine does the same.
"""

from collections.abc import Callable
from typing import Any

from keras_ref.case import Case
from scratchnet.networks import NETWORKS

__all__ = ["GROUPS", "all_cases"]

Layers = Callable[[Any], list[Any]]
IMAGE, VECTOR = (7, 6, 3), (6,)


def stack(shape: tuple[int, ...], layers: Layers) -> Callable[[Any], Any]:
    """A model of these layers on inputs of this shape."""
    return lambda k: k.Sequential([k.Input(shape), *layers(k)])


def on_image(layer: str, *args: Any, shape: Any = IMAGE, **options: Any) -> Callable[[Any], Any]:
    """A model of this one layer on images."""
    return stack(shape, lambda k: [getattr(k.layers, layer)(*args, **options)])


def on_vector(layer: str, *args: Any, **options: Any) -> Callable[[Any], Any]:
    """A model of this one layer on vectors, between two dense ones, so that dx goes on."""
    return stack(
        VECTOR,
        lambda k: [
            k.layers.Dense(5),
            getattr(k.layers, layer)(*args, **options),
            k.layers.Dense(4),
        ],
    )


def layer_cases() -> list[Case]:
    """Every layer with its options, alone or between dense layers."""
    cases = [
        Case("Dense", on_vector("Dense", 7)),
        Case("Dense-nobias", on_vector("Dense", 7, use_bias=False)),
        Case("Dense-relu", on_vector("Dense", 7, activation="relu")),
        Case("Dense-on-images", on_image("Dense", 4, activation="tanh")),
        Case("Flatten", stack(IMAGE, lambda k: [k.layers.Flatten(), k.layers.Dense(3)])),
        Case("Reshape", stack(VECTOR, lambda k: [k.layers.Reshape((-1, 2)), k.layers.Dense(3)])),
        Case("ZeroPadding2D", on_image("ZeroPadding2D", ((1, 2), (0, 3)))),
        Case("ZeroPadding2D-int", on_image("ZeroPadding2D", 2)),
        Case("Rescaling", on_vector("Rescaling", 1 / 255, offset=0.1)),
        Case("Rescaling-list", on_vector("Rescaling", [0.1, 0.2, 0.3, 0.4, 0.5])),
        Case("Activation", on_vector("Activation", "elu")),
        Case("ReLU", on_vector("ReLU")),
        Case("ReLU-options", on_vector("ReLU", max_value=0.7, negative_slope=0.1, threshold=0.2)),
        Case("ReLU-6", on_vector("ReLU", max_value=6), weight_scale=2.0),
        Case("LeakyReLU", on_vector("LeakyReLU")),
        Case("Softmax", on_vector("Softmax")),
        Case("Softmax-axis1", on_image("Softmax", axis=1)),
        Case("Dropout", on_vector("Dropout", 0.25)),
        Case("Dropout-images", on_image("Dropout", 0.5)),
        Case("Dropout-rate0", on_vector("Dropout", 0.0)),
        Case(
            "BatchNormalization",
            on_vector("BatchNormalization"),
            steps=3,
            whole=(1, 3),
            cancels=True,  # the bias of the Dense layer before it
        ),
        Case("BatchNormalization-images", on_image("BatchNormalization"), steps=2, whole=(1, 2)),
        Case("BatchNormalization-axis1", on_image("BatchNormalization", axis=1)),
        Case(
            "BatchNormalization-options",
            on_image(
                "BatchNormalization", momentum=0.75, epsilon=0.0625, center=False, scale=False
            ),
            steps=2,
            whole=(1, 2),
        ),
        Case("BatchNormalization-frozen", on_vector("BatchNormalization", trainable=False)),
        Case("Dense-frozen", on_vector("Dense", 7, trainable=False)),
        Case("GlobalMaxPooling2D", on_image("GlobalMaxPooling2D")),
        Case("GlobalMaxPooling2D-ties", on_image("GlobalMaxPooling2D"), data="ties"),
        Case("GlobalAveragePooling2D", on_image("GlobalAveragePooling2D", keepdims=True)),
    ]
    conv: list[dict[str, Any]] = [
        {},
        {"padding": "same"},
        {"strides": 2},
        {"strides": (1, 3)},
        {"strides": 2, "padding": "same"},
        {"strides": (3, 2), "padding": "same"},
        {"dilation_rate": 2},
        {"dilation_rate": (2, 1), "padding": "same"},
        {"use_bias": False, "activation": "relu"},
        {"activation": "softmax"},
    ]
    for size in (3, (2, 3), 1, (4, 2), 5):
        for options in conv if size == 3 else conv[1:2] + conv[4:5] + conv[8:9]:
            label = "-".join(f"{key}={value}" for key, value in options.items())
            cases.append(Case(f"Conv2D-{size}-{label}", on_image("Conv2D", 4, size, **options)))
    even = (8, 6, 2)
    for name in ("MaxPooling2D", "AveragePooling2D"):
        for data in ("normal", "ties"):
            cases += [
                Case(f"{name}-{data}", on_image(name, 2), data=data),
                Case(f"{name}-even-{data}", on_image(name, 2, shape=even), data=data),
                Case(f"{name}-same-{data}", on_image(name, 2, padding="same"), data=data),
                Case(f"{name}-3-same-{data}", on_image(name, 3, padding="same"), data=data),
                Case(f"{name}-overlap-{data}", on_image(name, 3, strides=1), data=data),
                Case(
                    f"{name}-overlap-same-{data}",
                    on_image(name, (3, 2), strides=(2, 1), padding="same"),
                    data=data,
                ),
                Case(f"{name}-gaps-{data}", on_image(name, 2, strides=3), data=data),
            ]
    return cases


ACTIVATIONS = (
    *("linear", "relu", "relu6", "leaky_relu", "elu", "selu", "sigmoid", "hard_sigmoid", "tanh"),
    *("softplus", "softsign", "silu", "gelu", "exponential", "softmax", "log_softmax"),
)


def activation_cases() -> list[Case]:
    """Every activation, around zero and far away from it; at ties, where z is exactly a kink."""
    return [
        Case(f"{name}-{scale}", on_vector("Activation", name), weight_scale=scale)
        for name in ACTIVATIONS
        for scale in ((0.5, 3.0) if name != "exponential" else (0.5, 1.0))
    ] + [
        Case(
            f"{name}-kinks", stack(VECTOR, lambda k, n=name: [k.layers.Activation(n)]), data="ties"
        )
        for name in ("relu", "leaky_relu", "elu", "selu", "softsign", "hard_sigmoid", "relu6")
    ]


def loss_cases() -> list[Case]:
    """Every loss, with its options, in both paths of the cross-entropies, with sample weights."""

    def head(units: int, activation: str | None) -> Callable[[Any], Any]:
        return stack(VECTOR, lambda k: [k.layers.Dense(units, activation=activation)])

    def of(name: str, **options: Any) -> Callable[[Any], Any]:
        return lambda k: getattr(k.losses, name)(**options)

    numbers = head(4, None)
    behind = stack(
        VECTOR,
        lambda k: [k.layers.Dense(4, activation="softmax"), k.layers.Reshape((4,))],
    )
    kinds = (("Categorical", "one-hot"), ("SparseCategorical", "classes"), ("Binary", "binary"))
    cases = [
        Case("mse", numbers, of("MeanSquaredError")),
        Case("mae", numbers, of("MeanAbsoluteError")),
        Case("mae-ties", stack(VECTOR, lambda k: [k.layers.Flatten()]), of("MeanAbsoluteError")),
        Case("huber", numbers, of("Huber")),
        Case("huber-delta", numbers, of("Huber", delta=0.25)),
        Case("mse-images", on_image("Conv2D", 2, 3), of("MeanSquaredError")),
        Case(
            "CategoricalCrossentropy-axis1-smoothing",
            stack((3, 4), lambda k: [k.layers.Dense(5)]),
            of("CategoricalCrossentropy", from_logits=True, label_smoothing=0.25, axis=1),
            labels="one-hot",
        ),
        Case("mse-sum", numbers, of("MeanSquaredError", reduction="sum")),
        Case("mse-weighted", numbers, of("MeanSquaredError"), weighted=True),
        Case(
            "mse-mean-with-sample-weight",
            numbers,
            of("MeanSquaredError", reduction="mean_with_sample_weight"),
            weighted=True,
        ),
        Case(
            "sparse-ignore-class",
            head(4, "softmax"),
            of("SparseCategoricalCrossentropy", ignore_class=2),
            labels="classes",
        ),
        Case(
            "sparse-images",
            on_image("Conv2D", 4, 3, activation="softmax"),
            of("SparseCategoricalCrossentropy"),
            labels="classes",
        ),
    ]
    for kind, labels in kinds:
        name = f"{kind}Crossentropy"
        for end in ("softmax", "sigmoid"):
            cases += [
                Case(f"{name}-{end}", head(4, end), of(name), labels=labels),
                Case(f"{name}-{end}-large", head(4, end), of(name), labels=labels, data="large"),
                Case(
                    f"{name}-{end}-weighted", head(4, end), of(name), labels=labels, weighted=True
                ),
            ]
        cases += [
            Case(f"{name}-logits", head(4, None), of(name, from_logits=True), labels=labels),
            Case(f"{name}-clipped", behind, of(name), labels=labels),
            # 1 - p cancels where p is near 1: the last digit of p counts up to 1e7 times in 1 / (1
            # - p)
            Case(f"{name}-clipped-large", behind, of(name), labels=labels, data="large", bar=1e-9),
        ]
        if kind != "SparseCategorical":
            smooth = of(name, label_smoothing=0.25)
            cases += [
                Case(f"{name}-smoothing", head(4, "softmax"), smooth, labels=labels),
                Case(f"{name}-smoothing-clipped", behind, smooth, labels=labels),
            ]
    one = head(1, "sigmoid")
    cases.append(Case("binary-one-output", one, of("BinaryCrossentropy"), labels="binary"))
    cases.append(Case("huber-one-output", head(1, None), of("Huber")))
    return cases


def optimizer_cases() -> list[Case]:
    """Every optimizer with its options, twelve steps, state and weights compared along the way."""

    def mlp(k: Any) -> Any:
        layers = [k.layers.Dense(7, activation="tanh"), k.layers.Dense(3, activation="softmax")]
        return k.Sequential([k.Input(VECTOR), *layers])

    def schedule(name: str, *args: Any, **options: Any) -> Callable[[Any], Any]:
        return lambda k: k.optimizers.SGD(
            getattr(k.optimizers.schedules, name)(*args, **options), momentum=0.5
        )

    def of(name: str, **options: Any) -> Callable[[Any], Any]:
        return lambda k: getattr(k.optimizers, name)(**options)

    made: dict[str, Callable[[Any], Any]] = {
        "SGD": of("SGD", learning_rate=0.125),
        "SGD-default": of("SGD"),
        "SGD-momentum": of("SGD", learning_rate=0.125, momentum=0.9),
        "SGD-nesterov": of("SGD", learning_rate=0.125, momentum=0.9, nesterov=True),
        "SGD-decay": of("SGD", learning_rate=0.125, weight_decay=0.004),
        "RMSprop": of("RMSprop"),
        "RMSprop-exact": of("RMSprop", learning_rate=2**-6, rho=0.875, epsilon=2**-10),
        "RMSprop-momentum": of("RMSprop", learning_rate=0.01, momentum=0.9),
        "RMSprop-centered": of("RMSprop", learning_rate=0.01, centered=True),
        "RMSprop-centered-momentum": of("RMSprop", momentum=0.5, centered=True),
        "Adagrad": of("Adagrad"),
        "Adagrad-options": of("Adagrad", learning_rate=0.1, initial_accumulator_value=0.25),
        "Adam": of("Adam"),
        "Adam-exact": of("Adam", learning_rate=2**-6, beta_1=0.875, beta_2=0.984375),
        "Adam-amsgrad": of("Adam", learning_rate=0.01, amsgrad=True),
        "Adam-decay": of("Adam", learning_rate=0.01, weight_decay=0.004),
        "AdamW": of("AdamW"),
        "AdamW-amsgrad": of("AdamW", learning_rate=0.01, weight_decay=0.1, amsgrad=True),
        "Adam-clipnorm": of("Adam", learning_rate=0.01, clipnorm=0.05),
        "SGD-clipnorm": of("SGD", learning_rate=0.5, clipnorm=0.05),
        "SGD-clipvalue": of("SGD", learning_rate=0.5, clipvalue=0.01),
        "SGD-global-clipnorm": of("SGD", learning_rate=0.5, global_clipnorm=0.05),
        "RMSprop-clipvalue-decay": of("RMSprop", clipvalue=0.01, weight_decay=0.01),
        "ExponentialDecay": schedule("ExponentialDecay", 0.25, 5, 0.5),
        "ExponentialDecay-stairs": schedule("ExponentialDecay", 0.25, 5, 0.5, staircase=True),
        "InverseTimeDecay": schedule("InverseTimeDecay", 0.25, 4, 0.5),
        "PiecewiseConstantDecay": schedule("PiecewiseConstantDecay", [3, 7], [0.5, 0.1, 0.02]),
        "PolynomialDecay": schedule("PolynomialDecay", 0.25, 8, 0.01, power=2.0),
        "CosineDecay": schedule("CosineDecay", 0.1, 10, warmup_target=0.5, warmup_steps=4),
        "CosineDecayRestarts": schedule("CosineDecayRestarts", 0.25, 4),
    }
    return [
        Case(
            name,
            mlp,
            lambda k: "categorical_crossentropy",
            optimizer,
            labels="one-hot",
            steps=12,
            whole=(1, 2, 12),
        )
        for name, optimizer in made.items()
    ]


def regularizer_cases() -> list[Case]:
    """Penalties on kernel, bias and activity; weights that are exactly 0 have no L1 gradient."""

    def with_(**options: Any) -> Callable[[Any], Any]:
        def build(k: Any) -> Any:
            made = {key: make(k) for key, make in options.items()}
            return k.Sequential([k.Input(VECTOR), k.layers.Dense(4, **made), k.layers.Dense(3)])

        return build

    def gamma(k: Any) -> Any:
        layer = k.layers.BatchNormalization(
            gamma_regularizer=k.regularizers.L2(0.25), beta_regularizer="l1"
        )
        return k.Sequential([k.Input(VECTOR), layer, k.layers.Dense(3)])

    def conv(k: Any) -> Any:
        layer = k.layers.Conv2D(3, 2, kernel_regularizer="l2", activity_regularizer="l1")
        return k.Sequential([k.Input(IMAGE), layer])

    return [
        Case("L1", with_(kernel_regularizer=lambda k: k.regularizers.L1(0.125)), steps=2),
        Case("L2", with_(kernel_regularizer=lambda k: k.regularizers.L2(0.125)), steps=2),
        Case("L1L2", with_(bias_regularizer=lambda k: k.regularizers.L1L2(0.125, 0.25)), steps=2),
        Case("frozen", with_(kernel_regularizer=lambda k: "l2", trainable=lambda k: False)),
        Case("names", with_(kernel_regularizer=lambda k: "l2", bias_regularizer=lambda k: "l1")),
        Case("activity", with_(activity_regularizer=lambda k: k.regularizers.L2(0.25))),
        Case("batch-norm", gamma),
        Case("conv", conv),
    ]


def network_cases() -> list[Case]:
    """The six networks whole: a hundred steps, and one step of one sample for the slow loops."""
    made = []
    for network in NETWORKS.values():
        for rows, steps, whole, label in (
            (16, 100, (1, 10, 100), "100 steps"),
            (1, 1, (1,), "one step"),
        ):
            made.append(
                Case(
                    f"{network.name} {label}",
                    network.build,
                    lambda k, n=network: n.loss,
                    lambda k, n=network: n.optimizer,
                    labels="one-hot",
                    data="probability",
                    rows=rows,
                    steps=steps,
                    whole=whole,
                    later_bar=1e-9,
                )
            )
    return made


GROUPS: dict[str, Callable[[], list[Case]]] = {
    "layers": layer_cases,
    "activations": activation_cases,
    "losses": loss_cases,
    "optimizers": optimizer_cases,
    "regularizers": regularizer_cases,
    "networks": network_cases,
}


def all_cases() -> dict[str, list[Case]]:
    """All cases by group; names are unique within a group."""
    return {group: make() for group, make in GROUPS.items()}

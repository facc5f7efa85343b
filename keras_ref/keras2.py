"""Files as Keras 2 writes them, for parity_tests/test_keras2.py.

pip install tf_keras; python -m keras_ref.keras2      writes parity_tests/golden/keras2-*
"""

from pathlib import Path
from typing import Any

import numpy as np

from keras_ref.golden import FOLDER

__all__ = ["write"]


def write(folder: Path = FOLDER) -> None:
    """Train two small models, save them, and write down what they say and do next."""
    import tf_keras as keras  # Keras 2, which goes on under this name

    L, random = keras.layers, np.random.RandomState(1)
    x, y = random.random_sample((5, 6, 5, 1)), np.eye(3)[[0, 1, 2, 0, 1]]
    decay = keras.optimizers.schedules.ExponentialDecay(0.125, 3, 0.5)
    # the optimizers of 2.0 to 2.10, and those of 2.11 to 2.15
    made: dict[str, Any] = {
        "old": keras.optimizers.legacy.RMSprop(decay),
        "new": keras.optimizers.Adam(2**-7),
    }
    for name, optimizer in made.items():
        keras.utils.set_random_seed(1)
        model = keras.Sequential(
            [
                L.Conv2D(2, 3, activation="relu", kernel_regularizer="l2", input_shape=(6, 5, 1)),
                L.BatchNormalization(),
                L.LeakyReLU(0.25),
                L.MaxPooling2D(2),
                L.Flatten(),
                L.Dropout(0.0),
                L.Dense(3, activation="softmax"),
            ]
        )
        loss = keras.losses.CategoricalCrossentropy(label_smoothing=0.25)
        model.compile(optimizer, loss, metrics=["accuracy", "mse"])
        model.fit(x, y, epochs=3, verbose=0)
        model.save(folder / f"keras2-{name}.h5")
        predicted = model.predict(x, verbose=0)
        model.reset_metrics()
        losses = [model.train_on_batch(x, y)[0] for _ in range(3)]
        np.savez(folder / f"keras2-{name}.npz", x=x, y=y, predicted=predicted, losses=losses)


if __name__ == "__main__":
    write()

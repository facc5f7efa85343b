"""A convolutional network: three times convolution and pooling, then two dense layers.

Change `scratchnet` to `keras` in the import lines, and the same script trains the same network
there.
"""

import numpy as np

from scratchnet.datasets import mnist
from scratchnet.layers import Conv2D, Dense, Dropout, Flatten, MaxPooling2D
from scratchnet.models import Sequential
from scratchnet.utils import set_random_seed, to_categorical

set_random_seed(0)

(train_images, train_labels), (test_images, test_labels) = mnist.load_data()
train_images = np.expand_dims(train_images / 255, axis=3)
test_images = np.expand_dims(test_images / 255, axis=3)

model = Sequential(
    [
        Conv2D(32, (3, 3), activation="relu", input_shape=(28, 28, 1)),
        MaxPooling2D(pool_size=(2, 2)),
        Conv2D(64, (3, 3), activation="relu"),
        MaxPooling2D(pool_size=(2, 2)),
        Conv2D(128, (3, 3), activation="relu"),
        MaxPooling2D(pool_size=(2, 2)),
        Flatten(),
        Dense(128, activation="relu"),
        Dropout(0.5),
        Dense(10, activation="softmax"),
    ]
)
model.compile("adam", loss="categorical_crossentropy", metrics=["accuracy"])
history = model.fit(
    train_images,
    to_categorical(train_labels),
    epochs=10,
    batch_size=128,
    validation_split=0.1,
    verbose=2,
)
scores = model.evaluate(test_images, to_categorical(test_labels), verbose=0)
print(f"test loss {scores[0]:.4f}, accuracy {scores[1]:.4f}")

predictions = model.predict(test_images[:3], verbose=0)
print("the first three test digits:", np.argmax(predictions, axis=1), "are", test_labels[:3])

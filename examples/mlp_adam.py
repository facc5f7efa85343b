"""A network with one hidden layer, trained with Adam.

Change `scratchnet` to `keras` in the import line, and the same script trains the same network
there.
"""

import scratchnet as keras

keras.utils.set_random_seed(0)

(x_train, y_train), (x_test, y_test) = keras.datasets.mnist.load_data()
x_train, x_test = x_train.reshape(-1, 784) / 255.0, x_test.reshape(-1, 784) / 255.0
y_train, y_test = keras.utils.to_categorical(y_train), keras.utils.to_categorical(y_test)

model = keras.Sequential(
    [
        keras.Input(shape=(784,)),
        keras.layers.Dense(512, activation="relu"),
        keras.layers.Dense(10, activation="softmax"),
    ]
)
model.compile(
    optimizer=keras.optimizers.Adam(), loss="categorical_crossentropy", metrics=["accuracy"]
)
history = model.fit(x_train, y_train, epochs=5, batch_size=128, verbose=2)
scores = model.evaluate(x_test, y_test, verbose=0)
print(f"training accuracy {history.history['accuracy'][-1]:.4f}")
print(f"test loss {scores[0]:.4f}, accuracy {scores[1]:.4f}")

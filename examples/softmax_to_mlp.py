"""From logistic regression to a network with two hidden layers and dropout, on handwritten digits.

Change `scratchnet` to `keras` in the import lines, and the same script trains the same networks
there.
"""

from scratchnet.datasets import mnist
from scratchnet.layers import Activation, Dense, Dropout
from scratchnet.models import Sequential
from scratchnet.utils import set_random_seed, to_categorical

set_random_seed(1671)

# 60,000 images of 28 x 28 pixels become rows of 784 numbers from 0 to 1, labels become one-hot rows
(X_train, y_train), (X_test, y_test) = mnist.load_data()
X_train = X_train.reshape(-1, 784).astype("float32") / 255
X_test = X_test.reshape(-1, 784).astype("float32") / 255
Y_train, Y_test = to_categorical(y_train, 10), to_categorical(y_test, 10)

scores = {}
for hidden_layers in (0, 1, 2):
    model = Sequential()
    for i in range(hidden_layers):
        model.add(Dense(512, input_shape=(784,)) if i == 0 else Dense(512))
        model.add(Activation("relu"))
        model.add(Dropout(0.2))
    model.add(Dense(10) if hidden_layers else Dense(10, input_shape=(784,)))
    model.add(Activation("softmax"))
    model.summary()
    model.compile(loss="categorical_crossentropy", optimizer="rmsprop", metrics=["accuracy"])
    model.fit(X_train, Y_train, batch_size=128, epochs=5, verbose=2)
    scores[hidden_layers] = model.evaluate(X_test, Y_test, verbose=0)

for hidden_layers, (loss, accuracy) in scores.items():
    print(f"{hidden_layers} hidden layers: test loss {loss:.4f}, accuracy {accuracy:.4f}")

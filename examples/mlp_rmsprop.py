"""A network with one hidden layer, and how its accuracy on unseen digits develops while it trains.

Change `scratchnet` to `keras` in the import lines, and the same script trains the same network
there.
"""

from scratchnet import layers, models
from scratchnet.datasets import mnist
from scratchnet.utils import set_random_seed, to_categorical

set_random_seed(0)

(train_images, train_labels), (test_images, test_labels) = mnist.load_data()
train_images = train_images.reshape((-1, 28 * 28)).astype("float32") / 255
test_images = test_images.reshape((-1, 28 * 28)).astype("float32") / 255
train_labels, test_labels = to_categorical(train_labels), to_categorical(test_labels)

network = models.Sequential()
network.add(layers.Dense(512, activation="relu", input_shape=(28 * 28,)))
network.add(layers.Dense(10, activation="softmax"))
network.compile("rmsprop", "categorical_crossentropy", metrics=["acc"])

# the last fifth of the images is kept out of training and shows how well the rest generalises
history = network.fit(
    train_images, train_labels, epochs=10, batch_size=128, validation_split=0.2, verbose=2
)
for epoch, (acc, val_acc) in enumerate(
    zip(history.history["acc"], history.history["val_acc"], strict=True), start=1
):
    print(f"epoch {epoch}: training accuracy {acc:.4f}, validation accuracy {val_acc:.4f}")

test_loss, test_acc = network.evaluate(test_images, test_labels, verbose=0)
scores = [test_loss, test_acc]
print(f"test loss {test_loss:.4f}, accuracy {test_acc:.4f}")

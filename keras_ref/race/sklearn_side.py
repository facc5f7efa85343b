"""scikit-learn's MLPClassifier, where it can express the network: one hidden layer and Adam."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from keras_ref.race.side import Side

__all__ = ["SIDE", "SklearnSide"]


class SklearnSide(Side):
    """`partial_fit` over all rows is one epoch in batches."""

    def load(self) -> None:
        import sklearn
        from sklearn.neural_network import MLPClassifier

        self.library, self.classifier = sklearn, MLPClassifier

    def read(self) -> None:
        super().read()
        self.y, self.y_test = self.y.argmax(axis=1), self.y_test.argmax(axis=1)

    def build(self) -> None:
        self.model = self._make()

    def _make(self, shuffle: bool = True) -> Any:
        kernels, biases = self.weights[0::2], self.weights[1::2]
        model = self.classifier(
            hidden_layer_sizes=[len(bias) for bias in biases[:-1]],
            alpha=0.0,
            batch_size=self.batch_size,
            learning_rate_init=1e-3,
            epsilon=1e-7,
            shuffle=shuffle,
            random_state=self.task["seed"],
        )
        # there is no other way to give it weights: it makes its own in its first fit
        classes = np.arange(len(biases[-1]))
        model.partial_fit(self.x[: self.batch_size], self.y[: self.batch_size], classes=classes)
        for mine, given in zip(model.coefs_ + model.intercepts_, kernels + biases, strict=True):
            mine[...] = given
        del model._optimizer  # the next fit makes a fresh one
        return model

    def _first(self) -> None:
        self.model.partial_fit(self.x[: self.batch_size], self.y[: self.batch_size])

    def _epoch(self) -> None:
        self.model.partial_fit(self.x, self.y)

    def losses(self, rows: int, steps: int) -> dict[str, Any]:
        model, losses = self._make(shuffle=False), []
        tested = self._loss(model, rows)[0]
        for i in range(steps):
            cut = slice(i * rows, (i + 1) * rows)
            losses.append(float(model.partial_fit(self.x[cut], self.y[cut]).loss_))
        return {"test": tested, "steps": losses}

    def evaluate(self, rows: int | None = None) -> dict[str, Any]:
        loss, accuracy = self._loss(self.model, rows)
        return {"loss": loss, "accuracy": accuracy}

    def _loss(self, model: Any, rows: int | None) -> tuple[float, float]:
        y = self.y_test[:rows]
        p = np.asarray(model.predict_proba(self.x_test[:rows]), dtype=np.float64)
        loss = -np.log(np.maximum(p[np.arange(len(y)), y], 1e-7)).mean()
        return float(loss), float((p.argmax(axis=1) == y).mean())

    def reset(self) -> dict[str, Any]:
        self.build()
        return {}

    def _predict(self, x: NDArray[Any]) -> NDArray[Any]:
        probabilities: NDArray[Any] = self.model.predict_proba(x)
        return probabilities

    def _calls(self) -> dict[str, Any]:
        return {"predict_proba": self._predict}

    def _versions(self) -> dict[str, str]:
        return {"scikit-learn": self.library.__version__, "numpy": np.__version__}


SIDE = SklearnSide

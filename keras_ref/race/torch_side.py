"""PyTorch on the CPU: a plain training loop, as one would write it who knows the library.

The data are tensors that a permutation indexes, labels are class numbers, the last softmax is
inside the loss, and loss and accuracy are added up as tensors, so that no step waits for a number.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from keras_ref.race.side import Side

__all__ = ["SIDE", "TorchSide", "cannot"]

PREDICT_ROWS = 1024  # rows a forward pass of `predict`
ACTIVATIONS = ("linear", "relu", "tanh", "sigmoid", "softmax")


def cannot(layers: list[tuple[str, Any]]) -> str:
    """Why a list of layers is not written here; empty if it is."""
    for index, (kind, config) in enumerate(layers):
        top = index == len(layers) - 1
        activation = config.get("activation", "linear")
        if kind not in MAKERS:
            return f"not applicable: {kind} is not written for PyTorch here"
        if activation not in ACTIVATIONS or (activation == "softmax") != top:
            return f"not applicable: activation {activation} is not written for PyTorch here"
        if kind == "Conv2D" and not _paddable(config):
            return "not applicable: this padding is not written for PyTorch here"
        if kind.endswith("Pooling2D") and config.get("padding", "valid") != "valid":
            return "not applicable: padded pooling is not written for PyTorch here"
    return ""


def _paddable(config: dict[str, Any]) -> bool:
    """Whether PyTorch pads as Keras does: `same` with one stride is the same number of rows."""
    return config["padding"] == "valid" or tuple(config["strides"]) == (1, 1)


def _dense(nn: Any, config: dict[str, Any], weights: list[Any], channels: Any) -> Any:
    kernel, bias = weights.pop(0), weights.pop(0)
    if channels is not None:  # rows in the order of NHWC, its input is flattened NCHW
        h, w, c = channels
        kernel = kernel.reshape(h, w, c, -1).transpose(2, 0, 1, 3).reshape(h * w * c, -1)
    layer = nn.Linear(*kernel.shape)
    return _filled(layer, weight=kernel.T, bias=bias)


def _convolution(nn: Any, config: dict[str, Any], weights: list[Any], channels: Any) -> Any:
    kernel, bias = weights.pop(0), weights.pop(0)
    r, s, c, f = kernel.shape
    layer = nn.Conv2d(c, f, (r, s), stride=tuple(config["strides"]), padding=config["padding"])
    return _filled(layer, weight=kernel.transpose(3, 2, 0, 1), bias=bias)


def _normalization(nn: Any, config: dict[str, Any], weights: list[Any], channels: Any) -> Any:
    gamma, beta, mean, variance = (weights.pop(0) for _ in range(4))
    momentum = 1 - config["momentum"]
    layer = nn.BatchNorm2d(len(gamma), eps=config["epsilon"], momentum=momentum)
    return _filled(layer, weight=gamma, bias=beta, running_mean=mean, running_var=variance)


def _pool(kind: str) -> Any:
    def make(nn: Any, config: dict[str, Any], weights: list[Any], channels: Any) -> Any:
        strides = tuple(config["strides"] or config["pool_size"])
        return getattr(nn, kind)(tuple(config["pool_size"]), stride=strides)

    return make


def _globally(nn: Any, config: dict[str, Any], weights: list[Any], channels: Any) -> Any:
    return nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten())


MAKERS = {
    "Dense": _dense,
    "Conv2D": _convolution,
    "BatchNormalization": _normalization,
    "MaxPooling2D": _pool("MaxPool2d"),
    "AveragePooling2D": _pool("AvgPool2d"),
    "GlobalAveragePooling2D": _globally,
    "Flatten": lambda nn, config, weights, channels: nn.Flatten(),
    "Dropout": lambda nn, config, weights, channels: nn.Dropout(config["rate"]),
    "Activation": lambda nn, config, weights, channels: nn.Identity(),  # it follows
}


def _filled(layer: Any, **values: NDArray[Any]) -> Any:
    import torch

    with torch.no_grad():
        for name, value in values.items():
            getattr(layer, name).copy_(torch.from_numpy(np.ascontiguousarray(value)))
    return layer


class TorchSide(Side):
    """Sequential, cross_entropy and torch.optim."""

    torch: Any
    y: Any
    y_test: Any

    def load(self) -> None:
        import torch

        torch.set_num_threads(self.threads)
        torch.manual_seed(self.task["seed"])
        self.torch = torch

    def read(self) -> None:
        super().read()
        self.x, self.y = self._tensors(self.x, self.y)
        self.x_test, self.y_test = self._tensors(self.x_test, self.y_test)

    def _tensors(self, x: NDArray[Any], y: NDArray[Any]) -> tuple[Any, Any]:
        if x.ndim == 4:
            x = np.ascontiguousarray(x.transpose(0, 3, 1, 2))
        return self.torch.from_numpy(x), self.torch.from_numpy(y.argmax(axis=1))

    def build(self) -> None:
        self.model, self.optimizer = self._make()

    def _make(self, dropout: bool = True) -> tuple[Any, Any]:
        nn, optim = self.torch.nn, self.torch.optim
        weights, made, channels = list(self.weights), [], None
        activations = {"relu": nn.ReLU, "tanh": nn.Tanh, "sigmoid": nn.Sigmoid}
        for (kind, config), shape in zip(self.task["layers"], self.task["shapes"], strict=True):
            made.append(MAKERS[kind](nn, config, weights, channels))
            if kind == "Dropout" and not dropout:
                made[-1].p = 0.0
            if kind == "Flatten":
                channels = shape if len(shape) == 3 else None
            elif kind == "Dense":
                channels = None
            # the softmax is in the loss
            if config.get("activation", "linear") in activations:
                made.append(activations[config["activation"]]())
        model = nn.Sequential(*made)
        if self.network.optimizer == "adam":
            return model, optim.Adam(model.parameters(), lr=1e-3, eps=1e-7)
        return model, optim.RMSprop(model.parameters(), lr=1e-3, alpha=0.9, eps=1e-7)

    def _train(self, model: Any, optimizer: Any, order: Any) -> float:
        """One pass over the rows in this order; the mean loss."""
        cross_entropy = self.torch.nn.functional.cross_entropy
        model.train()
        loss_sum, correct = self.torch.zeros(()), self.torch.zeros((), dtype=self.torch.int64)
        for rows in order.split(self.batch_size):
            x, y = self.x[rows], self.y[rows]
            optimizer.zero_grad(set_to_none=True)
            logits = model(x)
            loss = cross_entropy(logits, y)
            loss.backward()
            optimizer.step()
            loss_sum += loss.detach() * len(rows)
            correct += (logits.detach().argmax(1) == y).sum()
        self.accuracy = correct.item() / len(order)
        return float(loss_sum.item() / len(order))

    def _first(self) -> None:
        self._train(self.model, self.optimizer, self.torch.arange(self.batch_size))

    def _epoch(self) -> None:
        self._train(self.model, self.optimizer, self.torch.randperm(len(self.x)))

    def losses(self, rows: int, steps: int) -> dict[str, Any]:
        model, optimizer = self._make(dropout=False)
        tested = self._evaluate(model, rows)["loss"]
        orders = [self.torch.arange(i * rows, (i + 1) * rows) for i in range(steps)]
        return {"test": tested, "steps": [self._train(model, optimizer, o) for o in orders]}

    def evaluate(self, rows: int | None = None) -> dict[str, Any]:
        return self._evaluate(self.model, rows)

    def _evaluate(self, model: Any, rows: int | None) -> dict[str, Any]:
        logits, y = self._logits(model, self.x_test[:rows]), self.y_test[:rows]
        loss = self.torch.nn.functional.cross_entropy(logits, y).item()
        return {"loss": loss, "accuracy": (logits.argmax(1) == y).float().mean().item()}

    def reset(self) -> dict[str, Any]:
        self.build()
        return {}

    def _logits(self, model: Any, x: Any) -> Any:
        model.eval()
        with self.torch.inference_mode():
            return self.torch.cat([model(part) for part in x.split(PREDICT_ROWS)])

    def _predict(self, x: Any) -> NDArray[Any]:
        probabilities: NDArray[Any] = self._logits(self.model, x).softmax(1).numpy()
        return probabilities

    def _calls(self) -> dict[str, Any]:
        def called(image: Any) -> NDArray[Any]:
            with self.torch.inference_mode():
                probabilities: NDArray[Any] = self.model(image).softmax(1).numpy()
            return probabilities

        return {"model(x) in inference_mode": called}

    def _versions(self) -> dict[str, str]:
        return {"torch": self.torch.__version__, "numpy": np.__version__}

    def _facts(self) -> dict[str, Any]:
        return {
            "torch_threads": self.torch.get_num_threads(),
            "simd": self.torch.backends.cpu.get_cpu_capability(),
            "mkldnn": self.torch.backends.mkldnn.is_available(),
            "predict": f"{PREDICT_ROWS} rows a pass",
        }


SIDE = TorchSide

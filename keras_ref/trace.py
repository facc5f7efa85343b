"""A trace: every number of a few training steps, by name, in the order in which they are computed.

    step 1/given/batch/x          what both sides start from: the batch
    step 1/given/0 Dense/kernel   and the weights
    step 1/forward/0 Dense/y      what each layer puts out
    step 1/loss
    step 1/gradient/0 Dense/kernel     from the top layer down, each followed by its
    step 1/backward/0 Dense/dx         gradient with respect to the input
    step 1/update/optimizer/3     the optimizer's state and
    step 1/update/0 Dense/kernel  the weights after the update
    step 2/loss                   ...

The first name at which two traces differ is where the two programs part.
"""

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = ["Batch", "Trace", "of_keras", "of_scratchnet"]

Trace = dict[str, NDArray[Any]]


class Batch(NamedTuple):
    """What one step is given. `masks` are those of the Dropout layers, by the layer's index."""

    x: NDArray[Any]
    y: NDArray[Any]
    sample_weight: NDArray[Any] | None = None
    masks: dict[int, NDArray[Any]] | None = None


def of_scratchnet(model: Any, batches: Sequence[Batch], whole: Iterable[int] = (1,)) -> Trace:
    """The trace of a compiled ScratchNet model; weights and state are kept after the steps in
    `whole`, outputs and gradients of the first step only."""
    trace: Trace = {}
    for step, batch in enumerate(batches, start=1):
        at = f"step {step}"
        for index, mask in (batch.masks or {}).items():
            model.layers[index].mask = mask
        if step == 1:
            _note_batch(trace, batch)
            for label, layer in _labelled(model):
                for key, weight in {**layer.params, **layer.state}.items():
                    trace[f"{at}/given/{label}/{key}"] = weight.copy()
        loss = model.loss_and_gradients(batch.x, batch.y, batch.sample_weight)
        if step == 1:
            for label, layer in _labelled(model):
                trace[f"{at}/forward/{label}/y"] = layer.y.copy()
        trace[f"{at}/loss"] = np.array(loss)
        if step == 1:
            for label, layer in reversed(_labelled(model)):
                if layer.trainable:
                    for key, gradient in layer.grads.items():
                        trace[f"{at}/gradient/{label}/{key}"] = gradient.copy()
                if layer.dx is not None:
                    trace[f"{at}/backward/{label}/dx"] = _input_gradient(model, layer).copy()
        model.update()
        if step in whole:
            for index, slot in enumerate(model.optimizer.variables):
                trace[f"{at}/update/optimizer/{index}"] = np.array(slot)
            for label, layer in _labelled(model):
                for key, weight in {**layer.params, **layer.state}.items():
                    trace[f"{at}/update/{label}/{key}"] = weight.copy()
    return trace


def _input_gradient(model: Any, layer: Any) -> NDArray[Any]:
    """The whole gradient of the loss with respect to the layer's input: also what a penalty on the
    output of the layer below adds to it."""
    index = model.layers.index(layer)
    return layer.dx if index == 0 else model.layers[index - 1].dy


def of_keras(model: Any, batches: Sequence[Batch], whole: Iterable[int] = (1,)) -> Trace:
    """The same trace of a compiled Keras model."""
    import tensorflow as tf

    trace: Trace = {}
    for step, batch in enumerate(batches, start=1):
        at = f"step {step}"
        if batch.masks:
            _give_masks(model, batch.masks)
        if step == 1:
            _note_batch(trace, batch)
            for label, layer in _labelled(model):
                for weight in layer.weights:
                    trace[f"{at}/given/{label}/{weight.name}"] = weight.numpy()
        dtype = model.layers[0].compute_dtype
        with tf.GradientTape(persistent=True) as tape:
            value = tf.convert_to_tensor(batch.x, dtype=dtype)
            tape.watch(value)
            values = [value]
            for layer in model.layers:
                training = {"training": True} if layer._call_has_training_arg else {}
                value = layer(value, **training)
                values.append(value)
            loss = model._compute_loss(
                y=tf.convert_to_tensor(batch.y),
                y_pred=value,
                sample_weight=batch.sample_weight,
                training=True,
            )
            without_penalties = model._compile_loss(
                tf.convert_to_tensor(batch.y), value, sample_weight=batch.sample_weight
            )
        if step == 1:
            for (label, _), value in zip(_labelled(model), values[1:], strict=True):
                trace[f"{at}/forward/{label}/y"] = value.numpy()
        trace[f"{at}/loss"] = loss.numpy()
        gradients = tape.gradient(loss, model.trainable_variables)
        if step == 1:
            by_id = {id(v): g for v, g in zip(model.trainable_variables, gradients, strict=True)}
            inputs = tape.gradient(loss, values[:-1])
            reached = tape.gradient(without_penalties, values[:-1])
            labelled = list(zip(_labelled(model), inputs, reached, strict=True))
            for (label, layer), dx, way in reversed(labelled):
                for variable in layer.trainable_variables:
                    gradient = tf.convert_to_tensor(by_id[id(variable)])
                    trace[f"{at}/gradient/{label}/{variable.name}"] = gradient.numpy()
                # above a softmax that the loss looked behind there is at most what a penalty adds
                if way is not None:
                    trace[f"{at}/backward/{label}/dx"] = dx.numpy()
        del tape
        model.optimizer.apply(gradients, model.trainable_variables)
        if step in whole:
            for index, variable in enumerate(model.optimizer.variables):
                trace[f"{at}/update/optimizer/{index}"] = variable.numpy()
            for label, layer in _labelled(model):
                for weight in layer.weights:
                    trace[f"{at}/update/{label}/{weight.name}"] = weight.numpy()
    return trace


def _note_batch(trace: Trace, batch: Batch) -> None:
    """What the first step is given."""
    trace["step 1/given/batch/x"] = np.array(batch.x)
    trace["step 1/given/batch/y"] = np.array(batch.y)


def _labelled(model: Any) -> list[tuple[str, Any]]:
    """The layers with names that both sides share: "2 Conv2D"."""
    return [(f"{index} {type(layer).__name__}", layer) for index, layer in enumerate(model.layers)]


def _give_masks(model: Any, masks: dict[int, NDArray[Any]]) -> None:
    """Let the Dropout layers of a Keras model use these masks instead of drawing their own."""
    import tensorflow as tf

    for index, mask in masks.items():
        layer = model.layers[index]
        scale = 1 / (1 - layer.rate) if layer.rate < 1 else 0.0

        def call(
            inputs: Any, training: bool = False, mask: Any = mask, scale: float = scale
        ) -> Any:
            kept = tf.constant(np.broadcast_to(mask != 0, inputs.shape))
            return tf.where(kept, inputs * scale, tf.zeros_like(inputs)) if training else inputs

        layer.call = call

"""One training step, inference, and the state of both as plain arrays."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from cnnlab.backend import gradient_registry, keras, tf
from cnnlab.spec import Recipe
from cnnlab.training.batches import dropout_seed

Arrays = list[np.ndarray]


def inference_batch(side: int) -> int:
    """Images of `side` pixels that are looked at together: 256, of more than 84 pixels as many as fill the same memory."""
    return min(256, 256 * 84**2 // side**2)


class Predictor:
    """A model's probabilities in inference mode, traced once for every batch size."""

    def __init__(self, model: keras.Model) -> None:
        self.model = model
        self.classes = int(model.output_shape[-1])
        signature = [tf.TensorSpec((None, *model.input_shape[1:]), tf.uint8)]

        @tf.function(input_signature=signature, jit_compile=False)
        def infer(images: Any) -> Any:
            return tf.cast(model(tf.cast(images, tf.float32), training=False), tf.float32)

        self._infer = infer

    def __call__(self, images: np.ndarray, ids: np.ndarray) -> np.ndarray:
        """Probabilities float32 (len(ids), K) of rows `ids` of `images`, uint8 (N, S, S, 3)."""
        batch_size = inference_batch(images.shape[1])
        parts = [
            self._infer(tf.constant(images[ids[start : start + batch_size]])).numpy()
            for start in range(0, len(ids), batch_size)
        ]
        return np.concatenate(parts) if parts else np.empty((0, self.classes), np.float32)


class Trainer:
    """A model with its optimiser: steps, and the state that a checkpoint keeps."""

    def __init__(
        self,
        model: keras.Model,
        optimizer: Any,
        recipe: Recipe,
        *,
        predict: Predictor | None = None,
        xla: bool = False,
    ) -> None:
        self.model, self.optimizer = model, optimizer
        self.predict = predict or Predictor(model)
        self._seeds = [variable for variable in model.variables if "seed_generator_state" in variable.path]
        self._step = self._traced_step(recipe.label_smoothing, xla)

    def step(
        self,
        images: np.ndarray,
        labels: np.ndarray,
        partners: np.ndarray | None = None,
        share: np.ndarray | None = None,
    ) -> float:
        """Train on one batch, a `batches.Batch`; its mean loss before the step."""
        whole = tf.constant(images), tf.constant(labels, tf.int32)
        if partners is None:
            return float(self._step(*whole))
        return float(self._step(*whole, tf.constant(partners, tf.int32), tf.constant(share, tf.float32)))

    def seed_epoch(self, seed: int, epoch: int) -> None:
        """Start dropout's random streams of an epoch (0-based) at values that depend on nothing before it."""
        for index, variable in enumerate(self._seeds):
            variable.assign(np.array([dropout_seed(seed, epoch, index), 0], dtype=str(variable.dtype)))

    def state(self) -> tuple[Arrays, Arrays]:
        """All variables of the model (seed generators included) and of the optimiser, as they are until the next step:
        TensorFlow's own memory, no copies."""
        return _viewed(self.model.variables), _viewed(self.optimizer.variables)

    def restore(self, state: tuple[Arrays, Arrays]) -> None:
        """Put back what `state` returned, from a checkpoint.

        Raises:
            ValueError: the arrays are those of another model or optimiser.
        """
        _assign(self.model.variables, state[0])
        _assign(self.optimizer.variables, state[1])

    def weights(self) -> Arrays:
        """Copies of the model's weights, batch-norm statistics included."""
        return _copied(self.model.weights)

    def set_weights(self, weights: Arrays) -> None:
        """Put back what `weights` returned."""
        _assign(self.model.weights, weights)

    def release(self) -> None:
        """Free the memory of model and optimiser, which are of no use afterwards."""
        self.release_optimizer()
        _emptied(self.model.variables)

    def release_optimizer(self) -> None:
        """Free the memory of the optimiser, and what TensorFlow would keep of the traced step.

        Its registry of gradients holds a function of every `tf.custom_gradient` for ever, with the graph that it was
        traced in: the third ResNet-50 in a row took 0.3 GiB more than the first.
        """
        _emptied(self.optimizer.variables)
        gradients = gradient_registry._registry
        for name in [name for name in gradients if name.startswith("CustomGradient-")]:
            del gradients[name]

    @contextmanager
    def averaged(self) -> Iterator[None]:
        """Work with the moving averages of the weights, where the optimiser keeps them, in place of the weights."""
        optimizer = getattr(self.optimizer, "inner_optimizer", self.optimizer)
        if not optimizer.use_ema:
            yield
            return
        trained = _copied(self.model.trainable_variables)
        optimizer.finalize_variable_values(self.model.trainable_variables)
        try:
            yield
        finally:
            _assign(self.model.trainable_variables, trained)

    def _traced_step(self, smoothing: float, xla: bool) -> Any:
        model, optimizer = self.model, self.optimizer
        classes = self.predict.classes
        variables = model.trainable_variables

        @tf.function(reduce_retracing=True, jit_compile=xla)
        def step(images: Any, labels: Any, partners: Any = None, share: Any = None) -> Any:
            targets = tf.one_hot(labels, classes)
            if partners is not None:
                targets = share[:, None] * targets + (1 - share[:, None]) * tf.one_hot(partners, classes)
            targets = targets * (1 - smoothing) + smoothing / classes
            with tf.GradientTape() as tape:
                probabilities = model(tf.cast(images, tf.float32), training=True)
                # Keras finds the softmax's logits from here, so that a vanishing probability still has a gradient.
                loss = tf.reduce_mean(keras.ops.categorical_crossentropy(targets, probabilities))
                scaled = optimizer.scale_loss(loss)
            # Zero is the gradient of a bias that nothing uses.
            gradients = tape.gradient(scaled, [v.value for v in variables], unconnected_gradients="zero")
            optimizer.apply(gradients, variables)
            return loss

        return step


def _viewed(variables: list[Any]) -> Arrays:
    return [np.asarray(variable.value.read_value()) for variable in variables]


def _copied(variables: list[Any]) -> Arrays:
    return [variable.value.numpy() for variable in variables]


def _assign(variables: list[Any], arrays: Arrays) -> None:
    shapes = [(tuple(variable.shape), str(variable.dtype)) for variable in variables]
    if shapes != [(array.shape, str(array.dtype)) for array in arrays]:
        raise ValueError("the saved state belongs to another model or optimiser")
    for variable, array in zip(variables, arrays, strict=True):
        variable.assign(array)


def _emptied(variables: list[Any]) -> None:
    for variable in variables:
        nothing = tf.zeros((0,), variable.dtype)
        tf.raw_ops.AssignVariableOp(resource=variable.value.handle, value=nothing, validate_shape=False)

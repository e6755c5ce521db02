"""How a network learns: as it starts, its optimiser and learning rate, one step, inference, and their state as arrays."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from cnnlab.backend import gradient_registry, keras, tf
from cnnlab.networks import find_network
from cnnlab.spec import Recipe, RunSpec
from cnnlab.training.batches import dropout_seed
from cnnlab.training.machine import Precision

log = logging.getLogger("cnnlab.training")

Arrays = list[np.ndarray]
Build = Callable[..., Any]
"""Called as `cnnlab.layers.factory.build_network`."""


def build_model(
    spec: RunSpec, classes: int, precision: Precision, *, momentum: float, build: Build | None = None
) -> keras.Model:
    """The spec's network with its seed's initial weights, under the precision's policy.

    Raises:
        LabError: there is no such network, or not at this size.
    """
    if build is None:
        from cnnlab.layers.factory import build_network

        build = build_network
    former = keras.config.dtype_policy()
    keras.config.set_dtype_policy(precision.policy)
    try:
        return build(
            spec.network, image_size=spec.data.image_size, classes=classes, options=spec.options, seed=spec.seed,
            fused_batch_norm=precision.batch_norm_fused, batch_norm_momentum=momentum,
        )  # fmt: skip
    finally:
        keras.config.set_dtype_policy(former)


def open_model(
    spec: RunSpec, classes: int, precision: Precision, *, steps: int, build: Build | None = None
) -> keras.Model:
    """The spec's model as a training of `steps` steps starts it: with the weights of a file, the base frozen.

    Frozen is every layer but the last one with weights; frozen batch norm normalises by its stored statistics, in
    training as well. Every operation is deterministic from here on: on a CPU that cost nothing that could be measured.

    Raises:
        LabError: the network or its weights cannot be had.
    """
    tf.config.experimental.enable_op_determinism()
    keras.utils.set_random_seed(spec.seed)
    model = build_model(spec, classes, precision, momentum=batch_norm_momentum(steps), build=build)
    if spec.recipe.weights is not None:
        from cnnlab.layers.weights import load_weights

        found = load_weights(model, spec.network, spec.recipe.weights)
        log.info("weights of %d layers loaded from %s", len(found.layers), found.path.name)
    if spec.recipe.frozen or spec.recipe.frozen_epochs:
        for layer in [layer for layer in model.layers if layer.weights][:-1]:
            layer.trainable = False
    return model


def batch_norm_momentum(steps: int) -> float:
    """The momentum of batch norm's moving averages in a training of `steps` steps.

    The largest of some usual values, 0.99 at most and 0.5 at least, whose averaging horizon 1 / (1 - momentum) is at
    most a tenth of the training: with Keras's 0.99 and 230 steps the averages still lag behind the weights at the end.
    """
    usual = (0.99, 0.95, 0.9, 0.8, 0.7, 0.6)
    return next((momentum for momentum in usual if 10 / (1 - momentum) <= steps * (1 + 1e-9)), 0.5)


def inference_batch(side: int) -> int:
    """Images of `side` pixels that are looked at together: 256, of more than 84 pixels as many as fill the same memory."""
    return min(256, 256 * 84**2 // side**2)


class Predictor:
    """A model's probabilities in inference mode, traced once for every batch size."""

    def __init__(self, model: keras.Model) -> None:
        self.model, self.classes = model, int(model.output_shape[-1])
        signature = [tf.TensorSpec((None, *model.input_shape[1:]), tf.uint8)]

        @tf.function(input_signature=signature, jit_compile=False)
        def infer(images: Any) -> Any:
            return tf.cast(model(tf.cast(images, tf.float32), training=False), tf.float32)

        self._infer = infer

    def __call__(self, images: np.ndarray, ids: np.ndarray) -> np.ndarray:
        """Probabilities float32 (len(ids), K) of rows `ids` of `images`, uint8 (N, S, S, 3)."""
        size = inference_batch(images.shape[1])
        batches = (images[ids[start : start + size]] for start in range(0, len(ids), size))
        parts = [self._infer(tf.constant(batch)).numpy() for batch in batches]
        return np.concatenate(parts) if parts else np.empty((0, self.classes), np.float32)


class Trainer:
    """A model with its optimiser: steps, and the state that a checkpoint keeps."""

    def __init__(
        self, model: keras.Model, optimizer: Any, recipe: Recipe, *, predict: Predictor | None = None, xla: bool = False
    ) -> None:
        self.model, self.optimizer = model, optimizer
        self.predict = predict or Predictor(model)
        self._seeds = [variable for variable in model.variables if "seed_generator_state" in variable.path]
        self._step = self._traced_step(recipe.label_smoothing, xla)

    def step(self, images: np.ndarray, labels: np.ndarray) -> float:
        """Train on one batch, a `batches.Batch`; its mean loss before the step."""
        return float(self._step(tf.constant(images), tf.constant(labels)))

    def seed_epoch(self, seed: int, epoch: int) -> None:
        """Start dropout's random streams of an epoch (0-based) at values that depend on nothing before it."""
        for index, variable in enumerate(self._seeds):
            variable.assign(np.array([dropout_seed(seed, epoch, index), 0], dtype=str(variable.dtype)))

    def state(self) -> tuple[Arrays, Arrays]:
        """All variables of the model (seed generators included) and of the optimiser, as they are until the next step:
        TensorFlow's own memory, no copies."""
        both = self.model.variables, self.optimizer.variables
        model, optimizer = ([np.asarray(one.value.read_value()) for one in variables] for variables in both)
        return model, optimizer

    def restore(self, state: tuple[Arrays, Arrays]) -> None:
        """Put back what `state` returned, from a checkpoint.

        Raises:
            ValueError: the arrays are those of another model or optimiser.
        """
        _assign(self.model.variables, state[0])
        _assign(self.optimizer.variables, state[1])

    def weights(self) -> Arrays:
        """Copies of the model's weights, batch-norm statistics included."""
        return [variable.value.numpy() for variable in self.model.weights]

    def set_weights(self, weights: Arrays) -> None:
        """Put back what `weights` returned."""
        _assign(self.model.weights, weights)

    def release(self) -> None:
        """Free the memory of model and optimiser, which are of no use afterwards."""
        self.release_optimizer()
        _empty(self.model.variables)

    def release_optimizer(self) -> None:
        """Free the memory of the optimiser, and what TensorFlow would keep of the traced step.

        Its registry of gradients holds a function of every `tf.custom_gradient` for ever, with the graph that it was
        traced in: the third ResNet-50 in a row took 0.3 GiB more than the first.
        """
        _empty(self.optimizer.variables)
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
        variables = self.model.trainable_variables
        trained = [variable.value.numpy() for variable in variables]
        optimizer.finalize_variable_values(variables)
        try:
            yield
        finally:
            _assign(variables, trained)

    def _traced_step(self, smoothing: float, xla: bool) -> Any:
        model, optimizer, classes = self.model, self.optimizer, self.predict.classes
        variables = model.trainable_variables

        @tf.function(reduce_retracing=True, jit_compile=xla)
        def step(images: Any, labels: Any) -> Any:
            targets = tf.one_hot(labels, classes) if labels.dtype.is_integer else labels
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


def _assign(variables: list[Any], arrays: Arrays) -> None:
    shapes = [(tuple(variable.shape), str(variable.dtype)) for variable in variables]
    if shapes != [(array.shape, str(array.dtype)) for array in arrays]:
        raise ValueError("the saved state belongs to another model or optimiser")
    for variable, array in zip(variables, arrays, strict=True):
        variable.assign(array)


def _empty(variables: list[Any]) -> None:
    for variable in variables:
        nothing = tf.zeros((0,), variable.dtype)
        tf.raw_ops.AssignVariableOp(resource=variable.value.handle, value=nothing, validate_shape=False)


def open_trainer(
    model: keras.Model,
    spec: RunSpec,
    precision: Precision,
    *,
    steps: int,
    done: int = 0,
    predict: Predictor | None = None,
) -> Trainer:
    """A trainer of what is trainable in `model`, with the recipe's rates from step `done` of `steps` on."""
    factors = rate_factors(spec.network, model, spec.recipe.rate_decay)
    optimizer = make_optimizer(spec.recipe, model, steps, policy=precision.policy, done=done, factors=factors)
    return Trainer(model, optimizer, spec.recipe, predict=predict, xla=precision.xla)


def rate_factors(network: str, model: keras.Model, decay: float) -> tuple[float, ...]:
    """Factors of the learning rate, one for each of the model's trainable variables: `decay` ** blocks before the head.

    The network's dense head has 1, its last block `decay`, the block before that `decay`², and so on (discriminative
    fine-tuning, Howard & Ruder 2018, section 3.2). Layers that belong to no block count as the head.
    """
    prefixes = find_network(network).BLOCKS
    blocks = list(dict.fromkeys(block for _, block in prefixes))
    distance = {block: len(blocks) - index for index, block in enumerate(blocks)}
    factors = []
    for layer in model.layers:
        block = next((block for prefix, block in prefixes if layer.name.startswith(prefix)), None)
        factors += [decay ** distance.get(block or "", 0)] * len(layer.trainable_variables)
    return tuple(factors)


def make_optimizer(
    recipe: Recipe, model: keras.Model, steps: int, *, policy: str, done: int = 0, factors: Sequence[float] = ()
) -> Any:
    """An optimiser built for `model`, with the schedule laid over `steps` steps.

    SGD has classical momentum, not Nesterov's. Weight decay is decoupled (Loshchilov & Hutter 2019): before each step
    every kernel shrinks by rate · decay · itself; biases and batch-norm parameters do not. "adam" with a decay is
    therefore AdamW. Gradients are clipped by their global norm. float16 gradients are kept from vanishing by a dynamic
    loss scale. With `recipe.ema` it keeps an exponential moving average of each trainable weight (Polyak & Juditsky
    1992).

    Args:
        done: steps of the schedule that lie behind already.
        factors: of the learning rate, one for each of `model.trainable_variables`; none means 1 for all.
    """
    common: dict[str, Any] = {
        "learning_rate": Schedule(lambda step: learning_rate(step + done, recipe, steps, keras.ops)),
        "weight_decay": recipe.weight_decay or None,
        "global_clipnorm": recipe.gradient_clip,
        "use_ema": recipe.ema > 0,
        "ema_momentum": recipe.ema,
    }
    variables = model.trainable_variables
    optimizer = FusedSGD(momentum=recipe.momentum, **common) if recipe.optimizer == "sgd" else FusedAdam(**common)
    optimizer.factors = tuple(factors) or (1.0,) * len(variables)
    optimizer.exclude_from_weight_decay(var_list=[v for v in variables if not v.path.endswith("kernel")])
    if policy == "mixed_float16":
        optimizer = keras.optimizers.LossScaleOptimizer(optimizer)
    optimizer.build(variables)
    return optimizer


class FusedSGD(keras.optimizers.SGD):
    """`keras.optimizers.SGD` with classical momentum, updating each variable in one kernel, at its own rate.

    Keras composes an update from elementwise operations, each of which reads and writes all parameters: for AlexNet
    that took longer than its convolutions. `factors` are of the learning rate, by variable.
    """

    factors: tuple[float, ...]

    def _backend_update_step(self, grads: Any, trainable_variables: Any, learning_rate: Any) -> None:
        rates = _rates(learning_rate, self.factors)
        for index, (gradient, variable) in enumerate(zip(grads, trainable_variables, strict=True)):
            handle, rate = variable.value.handle, rates[self.factors[index]]
            if not self.momentum:
                tf.raw_ops.ResourceApplyGradientDescent(var=handle, alpha=rate, delta=gradient)
                continue
            tf.raw_ops.ResourceApplyKerasMomentum(
                var=handle, accum=self.momentums[index].value.handle, lr=rate, grad=gradient, momentum=self.momentum
            )


class FusedAdam(keras.optimizers.Adam):
    """`keras.optimizers.Adam`, updating each variable in one kernel, at its own rate (see `FusedSGD`).

    What all variables share is computed once: it was a third of the operations of ResNet-50's step, all to be traced.
    """

    factors: tuple[float, ...]

    def _backend_update_step(self, grads: Any, trainable_variables: Any, learning_rate: Any) -> None:
        rates, step = _rates(learning_rate, self.factors), tf.cast(self.iterations + 1, tf.float32)
        beta_1, beta_2, epsilon = (tf.constant(value) for value in (self.beta_1, self.beta_2, self.epsilon))
        shared = {"beta1": beta_1, "beta2": beta_2, "epsilon": epsilon}
        shared |= {"beta1_power": tf.pow(beta_1, step), "beta2_power": tf.pow(beta_2, step)}
        for index, (gradient, variable) in enumerate(zip(grads, trainable_variables, strict=True)):
            tf.raw_ops.ResourceApplyAdam(
                var=variable.value.handle, m=self._momentums[index].value.handle,
                v=self._velocities[index].value.handle, lr=rates[self.factors[index]], grad=gradient, **shared,
            )  # fmt: skip


def _rates(learning_rate: Any, factors: tuple[float, ...]) -> dict[float, Any]:
    """The learning rate of each factor that occurs."""
    return {factor: tf.cast(learning_rate, tf.float32) * factor for factor in dict.fromkeys(factors)}


def learning_rate(step: Any, recipe: Recipe, steps: int, ops: Any = np) -> Any:
    """The rate of `step` (0-based) in a training of `steps` steps: a linear warm-up, then a cosine decay to 0
    (Loshchilov & Hutter 2017) or constant; by NumPy in float64, or by `keras.ops` in the step's own precision.

    With w warm-up steps the rate is peak · (step + 1) / (w + 1) before step w and the peak at step w, so that no step
    is wasted at rate 0; the cosine then reaches 0 at `steps`, one past the last step.
    """
    warm = int(recipe.warmup * steps)
    rising = (step + 1.0) / (warm + 1.0)
    if recipe.schedule == "constant":
        return recipe.learning_rate * ops.minimum(rising, 1.0)
    progress = ops.clip((step - warm) / (steps - warm), 0.0, 1.0)
    return recipe.learning_rate * ops.where(step < warm, rising, 0.5 * (1.0 + ops.cos(np.pi * progress)))


class Schedule(keras.optimizers.schedules.LearningRateSchedule):
    """A learning rate inside the graph: a scalar float32 tensor made of the step, one of them too."""

    def __init__(self, rate: Callable[[Any], Any]) -> None:
        super().__init__()
        self.rate = rate

    def __call__(self, step: Any) -> Any:
        return self.rate(keras.ops.cast(step, "float32"))

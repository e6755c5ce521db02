"""The same three networks trained by what one would use instead: Keras's stock recipe, and PyTorch at its best.

Each function trains whole epochs on the folder that `benchmarks/training.py` makes (augmenting by flips, measuring the
validation images, writing a checkpoint) and returns the seconds of each epoch. Each runs in a process of its own.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np

RATE, MOMENTUM = 0.01, 0.9


def keras_stock(network: str, folder: Path, *, size: int, batch: int, epochs: int, precision: str) -> list[float]:
    """`image_dataset_from_directory`, `keras.applications`, `fit`. AlexNet, which is not there, as tutorials write it."""
    from cnnlab.backend import keras

    keras.config.set_dtype_policy(precision)
    options: dict[str, Any] = {"image_size": (size, size), "batch_size": batch, "verbose": False}
    train, validation = (
        keras.utils.image_dataset_from_directory(folder / split, **options).cache().prefetch(2)
        for split in ("train", "validation")
    )
    classes = len(list((folder / "train").iterdir()))
    model = _keras_network(network, size, classes)
    model.compile(
        keras.optimizers.SGD(RATE, momentum=MOMENTUM), "sparse_categorical_crossentropy", metrics=["accuracy"]
    )
    clock = _KerasClock()
    saver = keras.callbacks.ModelCheckpoint(str(folder / "stock.keras"))
    model.fit(
        train,
        validation_data=validation,
        epochs=epochs,
        shuffle=False,
        verbose=0,
        callbacks=[saver, clock.callback(keras)],
    )
    return clock.seconds


def keras_timed(
    network: str, images: np.ndarray, labels: np.ndarray, *, size: int, classes: int, seconds: float
) -> tuple[float, float, Any]:
    """`fit` on arrays with Adam in float32 until `seconds` are over: seconds taken, epochs begun, the model."""
    from cnnlab.backend import keras, tf

    started = time.perf_counter()
    keras.utils.set_random_seed(0)
    model = _keras_network(network, size, classes)
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    steps = 0

    def stop(batch: int, logs: Any) -> None:
        nonlocal steps
        steps += 1
        model.stop_training = time.perf_counter() - started > seconds

    data = tf.data.Dataset.from_tensor_slices((images, labels)).shuffle(len(images), seed=0).batch(64).prefetch(2)
    model.fit(
        data, epochs=1000, shuffle=False, verbose=0, callbacks=[keras.callbacks.LambdaCallback(on_train_batch_end=stop)]
    )
    return time.perf_counter() - started, round(64 * steps / len(images), 1), model


def _keras_network(network: str, size: int, classes: int) -> Any:
    from cnnlab.backend import keras

    inputs = keras.Input((size, size, 3))
    x = keras.layers.RandomFlip("horizontal")(inputs)
    if network == "alexnet":
        return keras.Model(inputs, _keras_alexnet(x, classes))
    applications = {"vgg19": keras.applications.VGG19, "resnet50": keras.applications.ResNet50}
    x = keras.layers.Rescaling(1 / 127.5, offset=-1)(x)
    return keras.Model(inputs, applications[network](weights=None, input_shape=(size, size, 3), classes=classes)(x))


def _keras_alexnet(x: Any, classes: int) -> Any:
    """One tower and no response normalisation; the stem as cnnlab's below 112 pixels."""
    from cnnlab.backend import keras

    layers = keras.layers
    x = layers.Rescaling(1 / 127.5, offset=-1)(x)
    for filters, kernel, stride, pool in (
        (96, 7, 2, 1),
        (256, 5, 1, 1),
        (384, 3, 1, 0),
        (384, 3, 1, 0),
        (256, 3, 1, 1),
    ):
        x = layers.Conv2D(filters, kernel, strides=stride, padding="same", activation="relu")(x)
        x = layers.MaxPooling2D(3, strides=2)(x) if pool else x
    x = layers.Flatten()(x)
    for _ in range(2):
        x = layers.Dropout(0.5)(layers.Dense(4096, activation="relu")(x))
    return layers.Dense(classes, activation="softmax")(x)


class _KerasClock:
    """Seconds from the end of one epoch to the end of the next, validation and checkpoint included."""

    def __init__(self) -> None:
        self.seconds: list[float] = []
        self._last = time.perf_counter()

    def tick(self) -> None:
        now = time.perf_counter()
        self.seconds.append(now - self._last)
        self._last = now

    def callback(self, keras: Any) -> Any:
        return keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: self.tick())


def pytorch(network: str, folder: Path, *, size: int, batch: int, epochs: int, precision: str) -> list[float]:
    """Everything decoded once into memory as uint8, channels last, autocast to bfloat16, a fused optimiser."""
    import torch
    from torch.nn import functional

    train, validation = (_decoded(folder / split) for split in ("train", "validation"))
    images, labels = torch.from_numpy(train[0]).permute(0, 3, 1, 2), torch.from_numpy(train[1])
    held, held_labels = torch.from_numpy(validation[0]).permute(0, 3, 1, 2), torch.from_numpy(validation[1])
    model = _torch_network(network, size, int(train[1].max()) + 1).to(memory_format=torch.channels_last)
    optimizer = torch.optim.SGD(model.parameters(), RATE, momentum=MOMENTUM, fused=True)

    def forward(part: Any) -> Any:
        with torch.autocast("cpu", torch.bfloat16, enabled=precision == "mixed_bfloat16"):
            return model((part.to(torch.float32) / 127.5 - 1).contiguous(memory_format=torch.channels_last))

    clock = _KerasClock()
    for _ in range(epochs):
        model.train()
        order = torch.randperm(len(images))
        for start in range(0, len(images) - batch + 1, batch):
            rows = order[start : start + batch]
            part = images[rows]
            flipped = torch.rand(batch) < 0.5
            part[flipped] = part[flipped].flip(3)
            loss = functional.cross_entropy(forward(part).float(), labels[rows])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            loss.item()
        model.eval()
        with torch.no_grad():
            for start in range(0, len(held), 256):
                logits = forward(held[start : start + 256])
                (logits.argmax(1) == held_labels[start : start + 256]).float().mean().item()
        torch.save({"model": model.state_dict(), "optimizer": optimizer.state_dict()}, folder / "torch.pt")
        clock.tick()
    return clock.seconds


def _decoded(folder: Path) -> tuple[np.ndarray, np.ndarray]:
    from PIL import Image

    paths = [(path, label) for label, sub in enumerate(sorted(folder.iterdir())) for path in sorted(sub.iterdir())]
    images = np.stack([np.asarray(Image.open(path).convert("RGB")) for path, _ in paths])
    return images, np.array([label for _, label in paths])


def _torch_network(network: str, size: int, classes: int) -> Any:
    import torch
    from torch import nn

    class Response(nn.Module):
        """Local response normalisation, its sum over neighbours as a 1x1 convolution with a band of ones."""

        def __init__(self, maps: int) -> None:
            super().__init__()
            near = (torch.arange(maps)[:, None] - torch.arange(maps)).abs() <= 2
            self.register_buffer("near", near.float()[:, :, None, None])

        def forward(self, x: Any) -> Any:
            root = torch.rsqrt(2 + 1e-4 * nn.functional.conv2d(x * x, self.near.to(x.dtype)))
            return x * (root * root.sqrt())

    class Bottleneck(nn.Module):
        def __init__(self, channels: int, filters: int, stride: int) -> None:
            super().__init__()
            self.body = nn.Sequential(
                nn.Conv2d(channels, filters, 1, stride, bias=False), nn.BatchNorm2d(filters), nn.ReLU(True),
                nn.Conv2d(filters, filters, 3, 1, 1, bias=False), nn.BatchNorm2d(filters), nn.ReLU(True),
                nn.Conv2d(filters, 4 * filters, 1, bias=False), nn.BatchNorm2d(4 * filters),
            )  # fmt: skip
            self.shortcut: nn.Module = nn.Identity()
            if channels != 4 * filters:
                projection = nn.Conv2d(channels, 4 * filters, 1, stride, bias=False)
                self.shortcut = nn.Sequential(projection, nn.BatchNorm2d(4 * filters))

        def forward(self, x: Any) -> Any:
            return torch.relu_(self.body(x) + self.shortcut(x))

    found: list[Any] = []
    if network == "resnet50":
        found += [nn.Conv2d(3, 64, 7, 2, 3, bias=False), nn.BatchNorm2d(64), nn.ReLU(True), nn.MaxPool2d(3, 2, 1)]
        channels = 64
        for blocks, filters, stride in ((3, 64, 1), (4, 128, 2), (6, 256, 2), (3, 512, 2)):
            for number in range(blocks):
                found.append(Bottleneck(channels, filters, stride if number == 0 else 1))
                channels = 4 * filters
        return nn.Sequential(*found, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(2048, classes))
    if network == "vgg19":
        channels = 3
        for convolutions, filters in ((2, 64), (2, 128), (4, 256), (4, 512), (4, 512)):
            for _ in range(convolutions):
                found += [nn.Conv2d(channels, filters, 3, 1, 1), nn.ReLU(True)]
                channels = filters
            found.append(nn.MaxPool2d(2))
        flat = 512 * (size // 32) ** 2
    else:
        found += [nn.Conv2d(3, 96, 7, 2, 3), nn.ReLU(True), Response(96), nn.MaxPool2d(3, 2)]
        found += [nn.Conv2d(96, 256, 5, 1, 2, groups=2), nn.ReLU(True), Response(256), nn.MaxPool2d(3, 2)]
        found += [nn.Conv2d(256, 384, 3, 1, 1), nn.ReLU(True), nn.Conv2d(384, 384, 3, 1, 1, groups=2), nn.ReLU(True)]
        found += [nn.Conv2d(384, 256, 3, 1, 1, groups=2), nn.ReLU(True), nn.MaxPool2d(3, 2)]
        side = (size + 1) // 2
        for _ in range(3):
            side = (side - 3) // 2 + 1
        flat = 256 * side**2
    head = [
        nn.Linear(flat, 4096),
        nn.ReLU(True),
        nn.Dropout(0.5),
        nn.Linear(4096, 4096),
        nn.ReLU(True),
        nn.Dropout(0.5),
    ]
    return nn.Sequential(*found, nn.Flatten(), *head, nn.Linear(4096, classes))

"""DenseNet-121: Huang, Liu, van der Maaten & Weinberger, "Densely Connected Convolutional Networks", CVPR 2017, table 1 and
§3. Each layer of a block sees the maps of all layers before it.

Layer names and order are those of `keras.applications.DenseNet121`, whose weight files fit. Below 112 px the first
convolution is 3x3 of stride 1.
"""

from __future__ import annotations

from typing import Any

from cnnlab.networks import Adaptation, Preprocessing, Published, WeightFile, common_adaptations, refuse
from cnnlab.spec import NetworkOptions

TITLE, VERSION, YEAR = "DenseNet-121", 1, 2017
PUBLISHED = (
    Published(23.61, 6.66, "one network, 10 crops", "huang2017"),  # table 3
    Published(25.0, 7.7, "weights of keras.applications, single crop", "chollet2015"),
)
REFERENCES = {
    "huang2017": {
        "authors": "G. Huang, Z. Liu, L. van der Maaten, K. Q. Weinberger",
        "title": "Densely Connected Convolutional Networks",
        "venue": "CVPR",
        "year": 2017,
        "url": "https://arxiv.org/abs/1608.06993",
    }
}
PUBLISHED_SIZES = (224,)
HEAD = ("predictions",)
FIRST = "conv1_conv"
BLOCKS = (
    ("conv1", "stem"), ("pool1", "stem"), ("conv2", "block1"), ("pool2", "block1"), ("conv3", "block2"),
    ("pool3", "block2"), ("conv4", "block3"), ("pool4", "block3"), ("conv5", "block4"), ("bn", "block4"),
    ("relu", "block4"),
)  # fmt: skip
_FILES = "https://storage.googleapis.com/tensorflow/keras-applications/densenet/densenet121_weights_tf_dim_ordering_tf_kernels"
WEIGHTS = {
    "top": WeightFile(f"{_FILES}.h5", "9d60b8095a5708f2dcce2bca79d332c7"),
    "base": WeightFile(f"{_FILES}_notop.h5", "30ee3e1110167f948a6b9946edeeb738"),
}
PREPROCESSING = Preprocessing(mean=(123.675, 116.28, 103.53), scale=(58.395, 57.12, 57.375))

# (block, layers)                                         output at 224 px, without the transition behind it
STAGES = (
    ("conv2", 6),  #                                       56 x  56 x  256
    ("conv3", 12),  #                                      28 x  28 x  512
    ("conv4", 24),  #                                      14 x  14 x 1024
    ("conv5", 16),  #                                       7 x   7 x 1024
)
GROWTH = 32


def build(image_size: int, classes: int, options: NetworkOptions, make: Any) -> Any:
    """The network on (B, S, S, 3) raw pixels, giving (B, classes) probabilities."""
    _check(options)

    def convolved(x: Any, name: str, after: str, filters: int, size: int) -> Any:
        """Normalised, rectified, convolved without biases."""
        x = make.relu(name=f"{name}_relu")(make.batch_norm(name=f"{name}_bn")(x))
        return make.conv(filters, size, padding="same", use_bias=False, name=f"{after}_conv")(x)

    inputs = make.image(image_size)
    x = make.centre(PREPROCESSING)(inputs)
    if _is_small(image_size, options):
        x = make.conv(64, 3, padding="same", use_bias=False, name=FIRST)(x)
    else:
        x = make.conv(64, 7, strides=2, use_bias=False, name=FIRST)(make.pad(3, name="conv1_pad")(x))
    x = make.relu(name="conv1_relu")(make.batch_norm(name="conv1_bn")(x))
    x = make.max_pool(3, 2, name="pool1")(make.pad(1, name="pool1_pad")(x))  # 56 x 56 x 64
    for stage, layers in STAGES:
        for number in range(1, layers + 1):
            name = f"{stage}_block{number}"
            new = convolved(x, f"{name}_0", f"{name}_1", 4 * GROWTH, 1)
            new = convolved(new, f"{name}_1", f"{name}_2", GROWTH, 3)
            x = make.concatenate(name=f"{name}_concat")([x, new])
        if stage != "conv5":
            name = f"pool{stage[-1]}"
            x = convolved(x, name, name, x.shape[-1] // 2, 1)
            x = make.average_pool(2, 2, name=f"{name}_pool")(x)
    x = make.relu(name="relu")(make.batch_norm(name="bn")(x))
    x = make.average(name="avg_pool")(x)  #              1024
    if options.dropout:
        x = make.dropout(options.dropout, name="dropout")(x)
    return make.model(inputs, make.classifier(classes, name=HEAD[0])(x), name="densenet121")


def adaptations(image_size: int, classes: int, options: NetworkOptions) -> list[Adaptation]:
    """What differs from the network as published."""
    _check(options)
    found = common_adaptations(
        image_size=image_size, classes=classes, published_sizes=PUBLISHED_SIZES, dense_units=None, options=options
    )
    return found + [Adaptation("stem", "7x7/2", "3x3/1")] * _is_small(image_size, options)


def _is_small(image_size: int, options: NetworkOptions) -> bool:
    return options.stem == "small" or (options.stem == "auto" and image_size < 112)


def _check(options: NetworkOptions) -> None:
    if options.batch_norm:
        raise refuse("densenet121", "batch_norm", True, "false: it has batch normalisation as published")
    if options.dense_units is not None:
        raise refuse("densenet121", "dense_units", options.dense_units, "no such key: it has no hidden dense layer")

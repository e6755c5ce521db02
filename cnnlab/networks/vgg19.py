"""VGG-19: Simonyan & Zisserman, "Very Deep Convolutional Networks for Large-Scale Image Recognition", ICLR 2015, §2.1-2.3,
configuration E.

Layer names and order are those of `keras.applications.VGG19`, whose weight files fit. Raw pixels are centred and reversed
to blue, green, red by the first layer, and divided by a constant besides (`CAFFE`), without which the
logits of a network trained from scratch would start some 60 times too large. The dropout of §3.1 (0.5 after each of the
hidden dense layers) is there although `keras.applications` leaves it out: it has no parameters.
"""

from __future__ import annotations

from typing import Any

from cnnlab.networks import CAFFE, Adaptation, Published, WeightFile, common_adaptations, refuse, square
from cnnlab.spec import NetworkOptions

TITLE, VERSION, YEAR = "VGG-19", 2, 2014
PUBLISHED = (
    Published(25.5, 8.0, "one network, one scale", "simonyan2015"),  # tables 3 to 5
    Published(24.8, 7.5, "one network, several scales", "simonyan2015"),
    Published(24.4, 7.1, "one network, several crops and dense evaluation", "simonyan2015"),
    Published(28.7, 10.0, "weights of keras.applications, single crop", "chollet2015"),
)
PREPROCESSING = CAFFE
PUBLISHED_SIZES = (224,)
HEAD = ("fc1", "fc2", "predictions")
FIRST = "block1_conv1"
BLOCKS = tuple((f"block{n}", f"block{n}") for n in range(1, 6))
_FILES = "https://storage.googleapis.com/tensorflow/keras-applications/vgg19/vgg19_weights_tf_dim_ordering_tf_kernels"
WEIGHTS: dict[str, WeightFile] = {
    "top": WeightFile(f"{_FILES}.h5", "cbe5617147190e668d6c5d5026f83318"),
    "base": WeightFile(f"{_FILES}_notop.h5", "253f8cb515780f3b799900260a226db6"),
}

# (block, convolutions, filters)                          output at 224 px
STAGES = (
    ("block1", 2, 64),  #                                 112 x 112 x  64
    ("block2", 2, 128),  #                                 56 x  56 x 128
    ("block3", 4, 256),  #                                 28 x  28 x 256
    ("block4", 4, 512),  #                                 14 x  14 x 512
    ("block5", 4, 512),  #                                  7 x   7 x 512
)
DENSE_UNITS, DROPOUT = 4096, 0.5


def build(image_size: int, classes: int, options: NetworkOptions, make: Any) -> Any:
    """The network on (B, S, S, 3) raw pixels, giving (B, classes) probabilities."""
    _check(options)
    inputs = make.image(image_size)
    x = make.centre(PREPROCESSING)(inputs)
    for block, convolutions, filters in STAGES:
        for number in range(1, convolutions + 1):
            activation, name = None if options.batch_norm else "relu", f"{block}_conv{number}"
            x = make.conv(filters, 3, padding="same", activation=activation, name=name)(x)
            if options.batch_norm:
                x = make.batch_norm(name=f"{block}_bn{number}")(x)
                x = make.relu(name=f"{block}_relu{number}")(x)
        if x.shape[1] > 1:  # below 32 px the last map is a single pixel already
            x = make.max_pool(2, 2, name=f"{block}_pool")(x)
    x = make.flatten()(x)  #              25088 = 7 * 7 * 512
    rate = DROPOUT if options.dropout is None else options.dropout
    for name in HEAD[:2]:
        x = make.dense(options.dense_units or DENSE_UNITS, name=name)(x)
        x = make.dropout(rate, name=f"{name}_dropout")(x)
    return make.model(inputs, make.classifier(classes, name=HEAD[2])(x), name="vgg19")


def adaptations(image_size: int, classes: int, options: NetworkOptions) -> list[Adaptation]:
    """What differs from the network as published."""
    _check(options)
    found = common_adaptations(image_size, classes, options, published_sizes=PUBLISHED_SIZES, dense_units=DENSE_UNITS)
    side = max(image_size // 32, 1)
    if image_size < 32:
        found.append(Adaptation("last_pool", "2x2/2", "none"))
    if side != 7:
        found.append(Adaptation("flatten", square(7, 512), square(side, 512)))
    if options.batch_norm:
        found.append(Adaptation("batch_norm", "none", "after each convolution"))
    return found


def _check(options: NetworkOptions) -> None:
    if options.stem == "small":
        raise refuse("vgg19", "stem", options.stem, '"auto" or "published": its first convolution has no stride')

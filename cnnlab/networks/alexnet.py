"""AlexNet: Krizhevsky, Sutskever & Hinton, "ImageNet Classification with Deep Convolutional Neural Networks", NIPS 2012,
§3.2-3.5 and 4.2 (dropout).

The two towers of figure 2 are the two groups of conv2, conv4 and conv5. The paper's 224 px do not give its 55x55 first map;
227 px do, and so do 224 px padded by 3 in all, which is what any input but 227 px gets here. Raw pixels are centred by
ImageNet's mean colour and divided by a constant (`CENTRED`); the paper centres by the mean image and does not
divide. Weights start from He's distribution and biases from 0, not from N(0, 0.01²) and 1 as in §5.

Below 64 px the stem is a 5x5 convolution of stride 1; from 64 to 111 px it is 7x7 of stride 2, both padded to keep the map.
"""

from __future__ import annotations

from typing import Any

from cnnlab.networks import CENTRED, Adaptation, Published, WeightFile, common_adaptations, refuse, square, stem_kind
from cnnlab.spec import NetworkOptions

TITLE, VERSION, YEAR = "AlexNet", 2, 2012
PUBLISHED = (
    Published(40.7, 18.2, "one network, 10 crops", "krizhevsky2012"),  # table 2
    Published(38.1, 16.4, "five networks, 10 crops", "krizhevsky2012"),
)
PREPROCESSING = CENTRED
PUBLISHED_SIZES = (227, 224)
HEAD = ("fc6", "fc7", "fc8")
FIRST = "conv1"
BLOCKS = tuple((f"{part}{n}", f"block{n}") for n in range(1, 6) for part in ("pad", "conv", "norm", "pool"))
WEIGHTS: dict[str, WeightFile] = {}  # keras.applications has no AlexNet

# (block, filters, kernel, groups, normalise, pool)       output at 227 px (before that, conv1: 55 x 55 x 96)
STAGES = (
    (1, 96, 11, 1, True, True),  #                         27 x  27 x  96
    (2, 256, 5, 2, True, True),  #                         13 x  13 x 256
    (3, 384, 3, 1, False, False),  #                       13 x  13 x 384
    (4, 384, 3, 2, False, False),  #                       13 x  13 x 384
    (5, 256, 3, 2, False, True),  #                         6 x   6 x 256
)
STEMS = {"published": (11, 4), "medium": (7, 2), "small": (5, 1)}
DENSE_UNITS, DROPOUT = 4096, 0.5


def build(image_size: int, classes: int, options: NetworkOptions, make: Any) -> Any:
    """The network on (B, S, S, 3) raw pixels, giving (B, classes) probabilities."""
    kind = _check(image_size, options)
    inputs = make.image(image_size)
    x = make.centre(PREPROCESSING)(inputs)
    if kind == "published" and image_size != 227:
        x = make.pad(((1, 2), (1, 2)), name="pad1")(x)
    size, stride = STEMS[kind]
    padding = "valid" if kind == "published" else "same"
    x = make.conv(STAGES[0][1], size, strides=stride, padding=padding, activation="relu", name=FIRST)(x)
    for number, filters, kernel, groups, normalise, pool in STAGES:
        if number > 1:
            x = make.conv(filters, kernel, groups=groups, padding="same", activation="relu", name=f"conv{number}")(x)
        if normalise:
            x = make.response_norm(name=f"norm{number}")(x)
        if pool:
            x = make.max_pool(3, 2, name=f"pool{number}")(x)
    x = make.flatten()(x)  #               9216 = 6 * 6 * 256
    rate = DROPOUT if options.dropout is None else options.dropout
    for name in HEAD[:2]:
        x = make.dense(options.dense_units or DENSE_UNITS, name=name)(x)
        x = make.dropout(rate, name=f"{name}_dropout")(x)
    return make.model(inputs, make.classifier(classes, name=HEAD[2])(x), name="alexnet")


def adaptations(image_size: int, classes: int, options: NetworkOptions) -> list[Adaptation]:
    """What differs from the network as published."""
    kind = _check(image_size, options)
    found = common_adaptations(image_size, classes, options, published_sizes=PUBLISHED_SIZES, dense_units=DENSE_UNITS)
    if kind != "published":
        found.append(Adaptation("stem", "11x11/4", "{0}x{0}/{1}".format(*STEMS[kind])))
    if (side := _last_side(image_size, kind)) != 6:
        found.append(Adaptation("flatten", square(6, 256), square(side, 256)))
    return found


def _last_side(image_size: int, kind: str) -> int:
    """Side of the map after conv1 and the three overlapping poolings."""
    side = (image_size + 3 - 11) // 4 + 1 if kind == "published" else -(-image_size // STEMS[kind][1])
    for _ in range(3):
        side = (side - 3) // 2 + 1
    return side


def _check(image_size: int, options: NetworkOptions) -> str:
    if options.batch_norm:
        raise refuse("alexnet", "batch_norm", True, "false: it normalises local responses instead")
    kind = stem_kind(image_size, options)
    if _last_side(image_size, kind) < 1:
        raise refuse("alexnet", "stem", options.stem, f'"auto": at {image_size} px the published stem leaves no map')
    return kind

"""ResNet-50: He, Zhang, Ren & Sun, "Deep Residual Learning for Image Recognition", CVPR 2016, table 1 and §3.3-3.4, 4.1.

Layer names and order are those of `keras.applications.ResNet50`, whose weight files fit. Like it, the convolutions have
biases (which the batch normalisation behind them makes idle; 25,557,032 parameters without them) and a stage's stride sits in its
first 1x1 convolution. Raw pixels are centred and reversed to blue, green, red by the first layer, and divided by a constant
besides (`CAFFE`).

Below 64 px the stem is a 3x3 convolution of stride 1 before the published pooling; from 64 to 111 px it is the published
convolution without the pooling. Either way the maps are twice as wide as published, 4x4 instead of 2x2 for the last one at
64 px. Leaving out the pooling too below 64 px would cost more than twice the time (53 against 129 images/s at 32 px on 2 cores, bfloat16).
"""

from __future__ import annotations

from typing import Any

from cnnlab.networks import CAFFE, Adaptation, Published, WeightFile, common_adaptations, refuse, stem_kind
from cnnlab.spec import NetworkOptions

TITLE, VERSION, YEAR = "ResNet-50", 2, 2015
PUBLISHED = (
    Published(22.85, 6.71, "one network, 10 crops", "he2016"),  # table 3
    Published(25.1, 7.9, "weights of keras.applications, single crop", "chollet2015"),
)
PREPROCESSING = CAFFE
PUBLISHED_SIZES = (224,)
HEAD = ("predictions",)
FIRST = "conv1_conv"
BLOCKS = (("conv1", "stem"), ("pool1", "stem"), *((f"conv{n}", f"stage{n}") for n in range(2, 6)))
_FILES = (
    "https://storage.googleapis.com/tensorflow/keras-applications/resnet/resnet50_weights_tf_dim_ordering_tf_kernels"
)
WEIGHTS: dict[str, WeightFile] = {
    "top": WeightFile(f"{_FILES}.h5", "2cb95161c43110f7111970584f804107"),
    "base": WeightFile(f"{_FILES}_notop.h5", "4d473c1dd8becc155b73f8504c6f6626"),
}

# (stage, blocks, filters, stride of the first block)     output at 224 px
STAGES = (
    ("conv2", 3, 64, 1),  #                                56 x  56 x  256
    ("conv3", 4, 128, 2),  #                               28 x  28 x  512
    ("conv4", 6, 256, 2),  #                               14 x  14 x 1024
    ("conv5", 3, 512, 2),  #                                7 x   7 x 2048
)


def build(image_size: int, classes: int, options: NetworkOptions, make: Any) -> Any:
    """The network on (B, S, S, 3) raw pixels, giving (B, classes) probabilities."""
    _check(options)
    inputs = make.image(image_size)
    x = make.centre(PREPROCESSING)(inputs)
    if (stem := stem_kind(image_size, options)) == "small":
        x = make.conv(64, 3, padding="same", name=FIRST)(x)
    else:
        x = make.pad(3, name="conv1_pad")(x)
        x = make.conv(64, 7, strides=2, name=FIRST)(x)  #  112 x 112 x   64
    x = make.batch_norm(name="conv1_bn")(x)
    x = make.relu(name="conv1_relu")(x)
    if stem != "medium":
        x = make.pad(1, name="pool1_pad")(x)
        x = make.max_pool(3, 2, name="pool1_pool")(x)  #    56 x  56 x   64
    for stage, blocks, filters, stride in STAGES:
        for number in range(1, blocks + 1):
            x = _bottleneck(x, f"{stage}_block{number}", filters, stride if number == 1 else 1, number == 1, make)
    x = make.average(name="avg_pool")(x)  #              2048
    if options.dropout:
        x = make.dropout(options.dropout, name="dropout")(x)
    return make.model(inputs, make.classifier(classes, name=HEAD[0])(x), name="resnet50")


def _bottleneck(x: Any, name: str, filters: int, stride: int, project: bool, make: Any) -> Any:
    """1x1, 3x3 and 1x1 to four times the filters, added to the input or to its projection (figure 5, right)."""
    shortcut = x
    if project:
        shortcut = make.conv(4 * filters, 1, strides=stride, name=f"{name}_0_conv")(x)
        shortcut = make.batch_norm(name=f"{name}_0_bn")(shortcut)
    x = make.conv(filters, 1, strides=stride, name=f"{name}_1_conv")(x)
    x = make.batch_norm(name=f"{name}_1_bn")(x)
    x = make.relu(name=f"{name}_1_relu")(x)
    x = make.conv(filters, 3, padding="same", name=f"{name}_2_conv")(x)
    x = make.batch_norm(name=f"{name}_2_bn")(x)
    x = make.relu(name=f"{name}_2_relu")(x)
    x = make.conv(4 * filters, 1, name=f"{name}_3_conv")(x)
    x = make.batch_norm(name=f"{name}_3_bn", scale=0.0)(x)  # the block starts as its shortcut (Goyal 2017, section 5.1)
    x = make.add(name=f"{name}_add")([shortcut, x])
    return make.relu(name=f"{name}_out")(x)


def adaptations(image_size: int, classes: int, options: NetworkOptions) -> list[Adaptation]:
    """What differs from the network as published."""
    _check(options)
    found = common_adaptations(image_size, classes, options, published_sizes=PUBLISHED_SIZES)
    stems = {"small": Adaptation("stem", "7x7/2", "3x3/1"), "medium": Adaptation("stem_pool", "3x3/2", "none")}
    return [*found, *(stem for kind, stem in stems.items() if kind == stem_kind(image_size, options))]


def _check(options: NetworkOptions) -> None:
    if options.batch_norm:
        raise refuse("resnet50", "batch_norm", True, "false: it has batch normalisation as published")
    if options.dense_units is not None:
        raise refuse("resnet50", "dense_units", options.dense_units, "no such key: it has no hidden dense layer")

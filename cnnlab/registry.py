"""Which networks and data-set readers exist, and their hand-bumped versions.

Kept apart from their modules so that a lab file can be checked, and run ids computed, without importing a framework.
A new network or reader is one module plus one line here.
"""

from __future__ import annotations

from dataclasses import dataclass

ENGINE_VERSION = 2
"""Version of the training engine; bumped by hand when the same spec would train to other numbers."""

EVALUATION_VERSION = 4
"""Version of the evaluation; bumped by hand when it would store other predictions or exhibits for the same run."""


@dataclass(frozen=True)
class NetworkEntry:
    """A network: `module` builds it, `title` names it in prose, `version` enters every run id."""

    module: str
    title: str
    version: int


NETWORKS = {
    "alexnet": NetworkEntry("cnnlab.networks.alexnet", "AlexNet", 2),
    "vgg19": NetworkEntry("cnnlab.networks.vgg19", "VGG-19", 2),
    "resnet50": NetworkEntry("cnnlab.networks.resnet50", "ResNet-50", 2),
}

READERS = {
    "fashion-mnist": "cnnlab.readers.fashion_mnist",
    "mnist-5k": "cnnlab.readers.mnist_5k",
    "digits-8x8": "cnnlab.readers.digits_8x8",
    "folder": "cnnlab.readers.folder",
    "mini-imagenet": "cnnlab.readers.mini_imagenet",
    "places": "cnnlab.readers.places",
    "keras": "cnnlab.readers.keras",
}

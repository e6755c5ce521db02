"""Reader `keras`: the image data sets that `keras.datasets` fetches, by name."""

from __future__ import annotations

import contextlib
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from cnnlab.datasets.cache import Stamp, cached_table
from cnnlab.datasets.table import TEST, TRAIN, DatasetAbout, ImageTable, Pictures, Report, pictures_in_array
from cnnlab.errors import DataError, did_you_mean
from cnnlab.readers import fashion_mnist
from cnnlab.spec import DatasetSpec

_CIFAR10 = "airplane automobile bird cat deer dog frog horse ship truck"
_CIFAR100 = """
apple aquarium_fish baby bear beaver bed bee beetle bicycle bottle bowl boy bridge bus butterfly camel can castle
caterpillar cattle chair chimpanzee clock cloud cockroach couch crab crocodile cup dinosaur dolphin elephant flatfish
forest fox girl hamster house kangaroo keyboard lamp lawn_mower leopard lion lizard lobster man maple_tree motorcycle
mountain mouse mushroom oak_tree orange orchid otter palm_tree pear pickup_truck pine_tree plain plate poppy porcupine
possum rabbit raccoon ray road rocket rose sea seal shark shrew skunk skyscraper snail snake spider squirrel streetcar
sunflower sweet_pepper table tank telephone television tiger tractor train trout tulip turtle wardrobe whale
willow_tree wolf woman worm
"""


@dataclass(frozen=True)
class Source:
    """One module of `keras.datasets`."""

    title: str
    credit: str
    classes: tuple[str, ...]


def _words(text: str) -> tuple[str, ...]:
    return tuple(word.replace("_", " ") for word in text.split())


SOURCES = {
    "mnist": Source("MNIST", "Y. LeCun, C. Cortes, The MNIST database of handwritten digits", tuple("0123456789")),
    "cifar10": Source("CIFAR-10", "A. Krizhevsky, Learning Multiple Layers of Features, 2009", _words(_CIFAR10)),
    "cifar100": Source("CIFAR-100", "A. Krizhevsky, Learning Multiple Layers of Features, 2009", _words(_CIFAR100)),
}
"""By name; `fashion_mnist` is there as well, by this project's own reader, which checks the files."""


def open_table(spec: DatasetSpec, *, data_dir: Path, report_progress: Report) -> ImageTable:
    """The images of `keras.datasets.<spec.name>` with their official division.

    Keras keeps what it fetches in its own folder (`KERAS_HOME`) and checks its sha256; the decoded images are ours.

    Raises:
        DataError: there is no such data set, or Keras can neither find nor fetch it.
    """
    if spec.name == "fashion_mnist":
        return fashion_mnist.open_table(spec, data_dir=data_dir, report_progress=report_progress)
    if spec.name not in SOURCES:
        known = [*SOURCES, "fashion_mnist"]
        raise DataError(
            "the reader `keras` needs the name of one of Keras's image data sets",
            received="no key `name`" if spec.name is None else spec.name,
            expected=", ".join(sorted(known)),
            hint=did_you_mean(spec.name or "", known) or 'as in: name = "cifar10"',
        )
    name = spec.name
    return cached_table(
        spec,
        [Stamp(f"keras.datasets.{name}", 0, 0)],
        lambda: _read(name, report_progress),
        data_dir=data_dir,
        report_progress=report_progress,
    )


def _read(name: str, report: Report) -> Pictures:
    from cnnlab.backend import keras

    report(f"asking keras.datasets.{name}")
    try:
        with contextlib.redirect_stdout(sys.stderr):  # Keras prints a bar; standard output is for data
            (train, train_labels), (test, test_labels) = getattr(keras.datasets, name).load_data()
    except Exception as problem:  # get_file raises bare Exception for whatever the network does
        raise DataError(
            f"keras.datasets.{name} can neither be found on this machine nor fetched",
            received=" ".join(str(problem).split()),
            hint="run it again with a network",
        ) from problem
    source = SOURCES[name]
    return pictures_in_array(
        np.concatenate([train, test]),
        np.concatenate([train_labels, test_labels]).reshape(-1),
        classes=source.classes,
        sources=[f"train:{index}" for index in range(len(train))] + [f"test:{index}" for index in range(len(test))],
        about=DatasetAbout(title=source.title, credit=source.credit, homepage=None, source=f"keras.datasets.{name}"),
        where=Path(f"keras.datasets.{name}"),
        official=[TRAIN] * len(train) + [TEST] * len(test),
    )

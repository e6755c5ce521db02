"""Reader `keras`: the image data sets that `keras.datasets` fetches, by name."""

from __future__ import annotations

import contextlib
import sys
from pathlib import Path

from cnnlab.datasets.cache import Stamp, cached_table
from cnnlab.datasets.table import TEST, TRAIN, DatasetAbout, ImageTable, Pictures, Report, pictures_in_arrays
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


SOURCES = {
    "mnist": ("MNIST", "Y. LeCun, C. Cortes, The MNIST database of handwritten digits", " ".join("0123456789")),
    "cifar10": ("CIFAR-10", "A. Krizhevsky, Learning Multiple Layers of Features, 2009", _CIFAR10),
    "cifar100": ("CIFAR-100", "A. Krizhevsky, Learning Multiple Layers of Features, 2009", _CIFAR100),
}
"""Title, credit and classes by name; `fashion_mnist` is there as well, by this project's own reader, which checks the
files."""


def open_table(spec: DatasetSpec, *, data_dir: Path, report_progress: Report) -> ImageTable:
    """The images of `keras.datasets.<spec.name>` with their official division.

    Keras keeps what it fetches in its own folder (`KERAS_HOME`) and checks its sha256; the decoded images are ours.
    Raises DataError: there is no such data set, or Keras can neither find nor fetch it.
    """
    if spec.name == "fashion_mnist":
        return fashion_mnist.open_table(spec, data_dir=data_dir, report_progress=report_progress)
    if spec.name not in SOURCES:
        known = sorted([*SOURCES, "fashion_mnist"])
        what = "the reader `keras` needs the name of one of Keras's data sets"
        hint = did_you_mean(spec.name or "", known) or 'as in: name = "cifar10"'
        raise DataError(what, received=spec.name or "no key `name`", expected=", ".join(known), hint=hint)
    where = f"keras.datasets.{spec.name}"

    def read() -> Pictures:
        from cnnlab.backend import keras

        report_progress(f"asking {where}")
        try:
            with contextlib.redirect_stdout(sys.stderr):  # Keras prints a bar; standard output is for data
                train, test = getattr(keras.datasets, str(spec.name)).load_data()
        except Exception as problem:  # get_file raises bare Exception for whatever the network does
            what = f"{where} can neither be found on this machine nor fetched"
            received = " ".join(str(problem).split())
            raise DataError(what, received=received, hint="run it again with a network") from problem
        title, credit, words = SOURCES[str(spec.name)]
        about = DatasetAbout(title=title, credit=credit, homepage=None, source=where)
        classes = tuple(word.replace("_", " ") for word in words.split())
        parts = ("train", *train, TRAIN), ("test", *test, TEST)
        return pictures_in_arrays(*parts, classes=classes, about=about, where=Path(where))

    return cached_table(spec, [Stamp(where, 0, 0)], read, data_dir=data_dir, report_progress=report_progress)

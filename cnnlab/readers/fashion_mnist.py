"""Reader `fashion-mnist`: 60,000 training and 10,000 test images of clothing, found on this machine or fetched."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

from cnnlab.datasets.cache import CacheProblem, cached_table, stamp
from cnnlab.datasets.fetch import download, from_debian, gunzip_checked, parse_idx, store
from cnnlab.datasets.table import TEST, TRAIN, DatasetAbout, ImageTable, Pictures, Report, pictures_in_arrays
from cnnlab.errors import DataError
from cnnlab.spec import DatasetSpec

BASE_URL = "https://storage.googleapis.com/tensorflow/tf-keras-datasets/"
"""Where `keras.datasets.fashion_mnist` downloads from."""

DEBIAN_PACKAGE = "dataset-fashion-mnist"
DEBIAN_FOLDER = Path("/usr/share/datasets/fashion-mnist")

SHA256 = {
    "train-images-idx3-ubyte": "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
    "train-labels-idx1-ubyte": "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
    "t10k-images-idx3-ubyte": "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
    "t10k-labels-idx1-ubyte": "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
}
"""Of the uncompressed files: Debian's are compressed anew, so that the archives themselves differ."""

CLASSES = ("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot")


def open_table(spec: DatasetSpec, *, data_dir: Path, report_progress: Report) -> ImageTable:
    """The 70,000 images with their official division, from the first source that has them.

    The sources, in order: `spec.path` when given (then no other is tried), `<data_dir>/fashion-mnist/`, Debian's
    folder, the download that Keras uses, Debian's package without installing it. What is fetched is kept in the data
    folder. Raises DataError: no source has them (the message says what each one answered), or they cannot be decoded.
    """
    own, names = data_dir / "fashion-mnist", [f"{name}.gz" for name in SHA256]

    def in_folder(folder: Path, source: str) -> ImageTable:
        paths = _find_files(folder)
        stamps = [stamp(path) for path in paths.values()]
        read = partial(_read, paths, folder, source)
        return cached_table(spec, stamps, read, data_dir=data_dir, report_progress=report_progress)

    def fetched(fetch: Callable[[Path], None], source: str) -> ImageTable:
        def check(folder: Path) -> None:
            for name, path in _find_files(folder).items():
                gunzip_checked(path, SHA256[name])

        store(own, fetch, check=check)
        return in_folder(own, source)

    if spec.path is not None:
        return in_folder(spec.path, "files given by the lab")
    debian = f"Debian's package {DEBIAN_PACKAGE}"
    from_web = partial(download, BASE_URL, names, report=report_progress)
    from_package = partial(from_debian, DEBIAN_PACKAGE, DEBIAN_FOLDER, names, report=report_progress)
    attempts = {
        f"the data folder {own}": partial(in_folder, own, "the data folder"),
        f"Debian's folder {DEBIAN_FOLDER}": partial(in_folder, DEBIAN_FOLDER, debian),
        f"the download from {BASE_URL}": partial(fetched, from_web, f"downloaded from {BASE_URL}"),
        debian: partial(fetched, from_package, debian),
    }
    answers = []
    for place, attempt in attempts.items():
        try:
            return attempt()
        except CacheProblem:
            raise
        except DataError as problem:
            said = filter(None, (problem.what, problem.where, problem.received))
            answer = ", ".join(" ".join(str(part).split()) for part in said)
            answers.append(f"\n    - {place}: {answer}")
            if not isinstance(problem, _Absent):
                report_progress(f"{place} did not serve: {answer}")
    what = "Fashion-MNIST could neither be found on this machine nor fetched"
    expected = "four IDX files in one of these"
    hint = "run it again with a network, put the four files into that folder, or use data that needs nothing but pip "
    hint += "packages: make report LAB=offline (or: cnnlab run offline)"
    raise DataError(what, where=own, received="".join(answers), expected=expected, hint=hint)


class _Absent(DataError):
    """A place simply does not have the files: worth a line in the final error, not one on the screen."""


def _find_files(folder: Path) -> dict[str, Path]:
    """The four files by name; `.gz` wins, because that is what fetching replaces."""
    paths = {}
    for name in SHA256:
        dotted = name.replace("-idx", ".idx")
        candidates = [folder / spelling for spelling in (f"{name}.gz", name, f"{dotted}.gz", dotted)]
        if not (found := [path for path in candidates if path.is_file()]):
            received, expected = f"no {name}.gz", ", ".join(SHA256)
            hint = "leave `path` out of the lab file to have them looked for elsewhere and fetched"
            what = "a file of Fashion-MNIST is not there"
            raise _Absent(what, where=folder, received=received, expected=expected, hint=hint)
        paths[name] = found[0]
    return paths


def _read(paths: dict[str, Path], folder: Path, source: str) -> Pictures:
    train_images, train_labels, test_images, test_labels = (
        parse_idx(gunzip_checked(path, SHA256[name]), path, dimensions=3 if "images" in name else 1)
        for name, path in paths.items()
    )
    return pictures_in_arrays(
        ("train-images", train_images, train_labels, TRAIN),
        ("t10k-images", test_images, test_labels, TEST),
        classes=CLASSES,
        about=DatasetAbout(
            title="Fashion-MNIST",
            credit="H. Xiao, K. Rasul, R. Vollgraf (Zalando SE), Fashion-MNIST, 2017, MIT licence",
            homepage="https://github.com/zalandoresearch/fashion-mnist",
            source=source,
        ),
        where=folder,
    )

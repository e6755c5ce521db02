"""What a linear classifier of tiny thumbnails gets right: the least that a network has to beat, beside chance.

    python benchmarks/baseline.py tarea1 --profile cpu

Each data set of the lab is divided as the lab divides it. Multinomial logistic regression sees each image as 8x8 mean
colours (192 numbers, standardised), its strength of regularisation chosen on the validation images; then the test images
are looked at once.
"""

from __future__ import annotations

import argparse

import numpy as np
from PIL import Image
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from cnnlab.datasets.split import split_images
from cnnlab.lab import load_lab
from cnnlab.paths import data_dir
from cnnlab.readers import open_dataset

SIDE = 8
STRENGTHS = (1e-3, 1e-2, 1e-1)


def thumbnails(images: np.ndarray) -> np.ndarray:
    """float32 (N, 192): mean colours of an 8x8 grid."""
    small = [np.asarray(Image.fromarray(one).resize((SIDE, SIDE), Image.Resampling.BOX)) for one in images]
    return np.stack(small).reshape(len(images), -1).astype(np.float32)


def main() -> None:
    """Print chance and the linear baseline's test accuracy for every data set of a lab."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("lab")
    parser.add_argument("--profile")
    arguments = parser.parse_args()
    lab = load_lab(arguments.lab, profile=arguments.profile)
    for name, spec in lab.file.datasets.items():
        table = open_dataset(name, spec, data_dir=data_dir(), report_progress=print)
        splits = split_images(table, spec.split)
        seen = thumbnails(table.images)
        fitted = []
        for strength in STRENGTHS:
            model = make_pipeline(StandardScaler(), LogisticRegression(C=strength, max_iter=300))
            model.fit(seen[splits.train], table.labels[splits.train])
            fitted.append((model.score(seen[splits.validation], table.labels[splits.validation]), model))
        validation, best = max(fitted, key=lambda item: item[0])
        test = best.score(seen[splits.test], table.labels[splits.test])
        print(
            f"{name}: chance {1 / len(table.classes):.1%}, linear {test:.1%} of {len(splits.test):,} test images",
            end="",
        )
        print(f" ({validation:.1%} of validation)")


if __name__ == "__main__":
    main()

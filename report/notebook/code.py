"""The code of the notebook's cells: what opens the lab, builds and trains networks, and what it needs to be elsewhere."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from cnnlab.errors import StoreError
from cnnlab.spec import NetworkOptions
from report.data.records import Part
from report.data.trainings import RunData

LAB_VARIABLE = "CNNLAB_LAB"
"""Where the lab file is, in the environment of a kernel whose notebook does not say so."""

SUMMARY = "modelVGG19.summary()"
SETUP = """\
# Where cnnlab and its runs are here, this cell only prints its version. Elsewhere, as in Colab,
# both come out of the bundle, which has to lie beside this notebook.
import os
import runpy
from importlib.util import find_spec
from pathlib import Path
from zipfile import ZipFile

bundle, lock = Path({bundle}), {lock}
places = [{runs}, os.environ.get("CNNLAB_RUNS", "runs")]
here = find_spec("cnnlab") and any(Path(place, lock).exists() for place in places)
if bundle.exists() and not here:
    with ZipFile(bundle) as archive:  # it writes below this folder only, and over nothing
        archive.extractall(members=[n for n in archive.namelist() if not Path(n).exists()])
if find_spec("cnnlab") is None:
    runpy.run_path("install.py", run_name="__main__")

from cnnlab import __version__

print("cnnlab", __version__)"""
OPEN = """\
import inspect

from cnnlab.notebook import build_network, open_lab, without_weights
from cnnlab.backend import keras  # TensorFlow, without its start-up messages

os.environ["COLUMNS"] = "110"  # of printed summaries, however wide the window is
lab = open_lab({arguments})
lab"""
TRAINING = """\
from cnnlab.evaluation.predict import evaluate
from cnnlab.progress import Progress
from cnnlab.training.fit import train_model
from cnnlab.training.loop import Trainer
from cnnlab.training.optimizer import make_optimizer
from cnnlab.training.preparation import prepare_run

print(inspect.getsource(make_optimizer))
print(inspect.getsource(Trainer._traced_step))"""
RUN = """\
run = lab.cached({names})
if run is None:  # there is no such run in the cache: train and evaluate it now
    spec = lab.spec({names})
    images, splits = lab.images({dataset})
    prepared = prepare_run(spec, images, splits, overfit_batch=True)
    trained = train_model(
        spec, images, splits, store=lab.store, prepared=prepared,
        budget_seconds={budget}, progress=Progress(),
    )
    evaluate(
        trained.record, images, splits, store=lab.store, predict=trained.predict{flip}
    )
    run = lab.cached({names})
print(run)
run.history"""
PRINTED_FILES = ("training/loop.py", "training/optimizer.py")
"""Files of `cnnlab`, besides those of its networks, whose code the cells print."""

BUILT = """\
for name, image_size in {sizes}:
    model = without_weights(lambda: build_network(name, image_size=image_size, classes=1000))
    print(f"{{name}}: {{model.count_params():,}}")
print(f"vgg19: {{modelVGG19.count_params():,}}")
del model, modelVGG19"""


def counted_cell(sizes: Sequence[tuple[str, int]]) -> str:
    """The parameters of networks as published, by name and image size, beside VGG-19's."""
    return BUILT.format(sizes=", ".join(f"({quoted(name)}, {size})" for name, size in sizes))


def built_cell(part: Part, run: RunData) -> str:
    options = run.spec["options"]
    default = NetworkOptions().model_dump(mode="json")
    changed = {key: options[key] for key, usual in default.items() if options.get(key, usual) != usual}
    size, classes = whole(run.spec["data"]["image_size"]), len(part.dataset.classes)
    arguments = f"{quoted(run.network)}, image_size={size}, classes={classes}"
    if not changed:
        return f"model = build_network({arguments})\nmodel.summary()"
    words = ", ".join(f"{key}={quoted(value)}" for key, value in changed.items())
    return (
        "from cnnlab.spec import NetworkOptions\n\n"
        f"model = build_network({arguments}, options=NetworkOptions({words}))\nmodel.summary()"
    )


def run_cell(part: Part, run: RunData, names: str) -> str:
    """A training, in the time that it had where that made it shorter."""
    budget = run.resolved["budget_seconds"] if run.resolved["shortened"] else None
    return RUN.format(
        names=names if len(part.of(run.network)) == 1 and not run.seed else f"{names}, seed={whole(run.seed)}",
        dataset=quoted(part.dataset.name),
        budget=None if budget is None else round(budget, 1),
        flip=", flip=True" if run.flip else "",
    )


def quoted(value: Any) -> str:
    """A value as Python source, strings in double quotes."""
    return json.dumps(value, ensure_ascii=False) if isinstance(value, str) else repr(value)


def whole(value: Any) -> int:
    """A whole number of a record, which is written into code.

    Raises:
        StoreError: it is anything else.
    """
    if not isinstance(value, int):
        raise StoreError("a record holds something else in place of a whole number", received=repr(value)[:200])
    return int(value)


def steps_shown(steps: Mapping[str, str], listing: str) -> list[str]:
    """The steps that a listing shows, however it wraps them. Blocks 4 and 5 are the same code: each is found once."""
    found, left = [], "".join(listing.split())
    for name, code in steps.items():
        before, shown, after = left.partition("".join(code.split()))
        if shown:
            found.append(name)
            left = before + after
    return found


def relative_path(path: Path, folder: Path) -> str:
    return Path(os.path.relpath(path.resolve(), folder.resolve())).as_posix()


def in_one_project(path: Path, folder: Path) -> bool:
    """Whether both are in one project: what they have in common is more than the system's or a user's own folder."""
    common = Path(os.path.commonpath([path.resolve(), folder.resolve()]))
    home = Path.home().resolve()
    return common == home or not home.is_relative_to(common)

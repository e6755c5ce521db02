"""The code of the notebook's cells: what opens the lab, builds and trains networks, and what it needs to be elsewhere."""

from __future__ import annotations

import json
from collections.abc import Mapping
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
import re
import subprocess
import sys
import tomllib
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path
from zipfile import ZipFile

bundle, lock = Path({bundle}), {lock}
places = [{runs}, os.environ.get("CNNLAB_RUNS", "runs")]
here = find_spec("cnnlab") and any(Path(place, lock).exists() for place in places)
if bundle.exists() and not here:
    with ZipFile(bundle) as archive:  # it writes below this folder only, and over nothing
        archive.extractall(members=[n for n in archive.namelist() if not Path(n).exists()])
if Path("cnnlab").is_dir() and Path("pyproject.toml").exists():  # unpacked: libraries that are missing
    sys.path.insert(0, os.getcwd())
    wanted = tomllib.loads(Path("pyproject.toml").read_text())["project"]["dependencies"]
    known = {{re.sub("[-_.]+", "-", one.name or "").lower() for one in metadata.distributions()}}
    missing = [line for line in wanted if re.match("[A-Za-z0-9_.-]+", line)[0] not in known]
    if missing:
        print(f"installing {{len(missing)}} libraries, which can take some minutes")
        subprocess.run([sys.executable, "-m", "pip", "install", "-q", *missing], check=True)

from cnnlab import __version__

print("cnnlab", __version__)"""
OPEN = """\
import inspect

from cnnlab.notebook import build_network, open_lab, without_weights
from cnnlab.backend import keras  # TensorFlow, without its start-up messages

os.environ["COLUMNS"] = "110"  # of printed summaries, however wide the window is
lab = open_lab({arguments})
lab"""
SHAPES_ONLY = """\
from contextlib import ExitStack

# The shapes of VGG-19's 144 million weights are enough here: giving them values takes 1.3 GB of memory.
shapes_only = ExitStack()
scope = shapes_only.enter_context(keras.StatelessScope(initialize_variables=False))
print(type(scope).__name__)"""
VALUES_AGAIN = """\
shapes_only.close()  # what is built from here on has values
print(len(modelVGG19.layers), "layers")"""
TRAINING = """\
from cnnlab.evaluation.predict import evaluate
from cnnlab.progress import Progress
from cnnlab.training.engine import Trainer, make_optimizer
from cnnlab.training.preparation import prepare_run
from cnnlab.training.run import train_model

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
COUNTED = """\
for name, image_size in {sizes}:
    model = without_weights(lambda: build_network(name, image_size=image_size, classes=1000))
    print(f"{{name}}: {{model.count_params():,}}")
print(f"vgg19: {{modelVGG19.count_params():,}}")
del model, modelVGG19"""


def built_cell(part: Part, run: RunData) -> str:
    """The network at the size of the part's images, with the options that its run changed."""
    usual, options = NetworkOptions().model_dump(mode="json"), run.spec["options"]
    changed = [f"{key}={quoted(options[key])}" for key in usual if options.get(key, usual[key]) != usual[key]]
    size, classes = whole(run.spec["data"]["image_size"]), len(part.dataset.classes)
    first = "from cnnlab.spec import NetworkOptions\n\n" if changed else ""
    more = f", options=NetworkOptions({', '.join(changed)})" if changed else ""
    call = f"build_network({quoted(run.network)}, image_size={size}, classes={classes}{more})"
    return f"{first}model = {call}\nmodel.summary()"


def run_cell(part: Part, run: RunData, names: str) -> str:
    """A training, in the time that it had where that made it shorter."""
    alone = len(part.of(run.network)) == 1 and not run.seed
    return RUN.format(
        names=names if alone else f"{names}, seed={whole(run.seed)}",
        dataset=quoted(part.dataset.name),
        budget=round(run.resolved["budget_seconds"], 1) if run.resolved["shortened"] else None,
        flip=", flip=True" if run.flip else "",
    )


def quoted(value: Any) -> str:
    """A value as Python source, strings in double quotes."""
    return json.dumps(value, ensure_ascii=False) if isinstance(value, str) else repr(value)


def whole(value: Any) -> int:
    """A whole number of a record, which is written into code; StoreError where it is anything else."""
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

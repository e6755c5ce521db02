"""What a training takes of the machine's memory, told from its network's layers before anything is built."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import psutil

from cnnlab.errors import LabError
from cnnlab.spec import RunSpec
from cnnlab.store.record import Record
from cnnlab.training.engine import inference_batch
from cnnlab.training.machine import resolve
from cnnlab.training.preparation import weight_copies

CONTAINER_LIMIT = Path("/sys/fs/cgroup/memory.max")

DEMO_GIB = 1.9
"""What `make report` took at most, in any process: two cores, bfloat16, `/usr/bin/time -v`."""

_PROGRAM_GIB = 1.5
"""TensorFlow and the other libraries, mapped images, and what a pool of several networks' sizes leaves between them."""

_LEARNING, _INFERRING = 0.6, 2.0
"""Of what all layers put out for a batch, at most this share is alive at a time; in inference this multiple of the largest
layer's."""


def machine_gib() -> tuple[float, float]:
    """Of this machine, or of the container where that has less: all memory, swap included, and what is available now."""
    memory = psutil.virtual_memory()
    total, available = memory.total + psutil.swap_memory().total, memory.available
    if CONTAINER_LIMIT.is_file() and (most := CONTAINER_LIMIT.read_text(encoding="ascii").strip()) != "max":
        total, available = min(total, int(most)), min(available, int(most))
    return total / 2**30, available / 2**30


def predicted_gib(spec: RunSpec, architecture: Record) -> float:
    """The peak of a process that trains `spec`, whose network `architecture` describes; on a CPU."""
    recipe, parameters = spec.recipe, architecture.manifest["parameters"]
    value = 4 if resolve(recipe.precision).policy == "float32" else 2
    copies = weight_copies(recipe) + (recipe.early_stopping is None) + 1 + (value == 2) / 2
    largest = max(row["activations"] for row in architecture.json("layers.json"))
    learning = _LEARNING * architecture.manifest["activations"] * recipe.batch_size
    inferring = _INFERRING * largest * inference_batch(spec.data.image_size)
    return _PROGRAM_GIB + (4 * parameters * copies + value * max(learning, inferring)) / 2**30


def check_memory(needed: Mapping[str, float], tell: Callable[[str], None]) -> None:
    """Say before training what will not fit; `needed` are the GiB of each, by its name.

    Raises:
        LabError: one takes more than there is at all.
    """
    if not needed:
        return
    (label, most), (total, available) = max(needed.items(), key=lambda one: one[1]), machine_gib()
    advice = "a smaller batch_size or image_size, fewer dense_units, or another network"
    if most > total:
        what, received = "there is not enough memory for a training", f"{total:.1f} GiB of memory and swap"
        raise LabError(what, where=label, received=received, expected=f"about {most:.1f} GiB", hint=advice)
    if most > available:
        tell(f"warning: {label} takes about {most:.1f} GiB of memory, {available:.1f} GiB are available: {advice}")

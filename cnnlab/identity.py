"""What a record is called: the sha256 of canonical JSON over all that changes its numbers, and nothing else.

Keys are sorted and no defaults left out, so that a name depends on nothing that only changes how numbers are presented.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from typing import Any

from cnnlab.networks import find_network
from cnnlab.spec import NetworkOptions, RunSpec, SearchSpec

ENGINE_VERSION = 2
"""Version of the training engine; bumped by hand when the same spec would train to other numbers."""

AUGMENTING_ENGINE_VERSION = 3
"""The same of recipes that augment images by more than flips and crops."""

EVALUATION_VERSION = 4
"""Version of the evaluation; bumped by hand when it would store other predictions or exhibits for the same run."""


def run_identity(spec: RunSpec, fingerprint: str) -> dict[str, Any]:
    """The requested spec with the data fingerprint and code versions, as hashed into the run id."""
    return {
        "data": spec.data.identity(),
        "fingerprint": fingerprint,
        "network": spec.network,
        "options": spec.options.model_dump(mode="json"),
        "recipe": spec.recipe.model_dump(mode="json"),
        "seed": spec.seed,
        "fold": spec.fold.model_dump(mode="json") if spec.fold else None,
        "versions": {"network": find_network(spec.network).VERSION, "engine": _engine(spec.recipe.augmentation)},
    }


def _engine(augmentation: Iterable[str]) -> int:
    return ENGINE_VERSION if set(augmentation) <= {"crop", "flip"} else AUGMENTING_ENGINE_VERSION


def make_run_id(spec: RunSpec, fingerprint: str) -> str:
    """`<dataset>-<network>-s<seed>[-f<fold>]-<hash8>`, for the data with this fingerprint."""
    fold = f"-f{spec.fold.index}" if spec.fold else ""
    return f"{spec.dataset}-{spec.network}-s{spec.seed}{fold}-{hash8(run_identity(spec, fingerprint))}"


def make_search_id(spec: RunSpec, search: SearchSpec, fingerprint: str) -> str:
    """`<dataset>-<network>-<hash8>`: the record of a search, of which the spec gives all that is not varied."""
    base = run_identity(spec, fingerprint)
    if search.augmentation is not None:
        base["versions"]["engine"] = _engine(name for names in search.augmentation for name in names)
    base["recipe"] = {key: value for key, value in base["recipe"].items() if key not in search.varied}
    return f"{spec.dataset}-{spec.network}-{hash8({'base': base, 'search': search.model_dump(mode='json')})}"


def architecture_id(name: str, *, image_size: int, classes: int, options: NetworkOptions) -> str:
    """`<name>-<size>-<hash8>`: the record of one network built for one input size and number of classes."""
    identity = {
        "network": name,
        "version": find_network(name).VERSION,
        "image_size": image_size,
        "classes": classes,
        "options": options.model_dump(mode="json"),
    }
    return f"{name}-{image_size}-{hash8(identity)}"


def evaluation_id(run_id: str, *, flip: bool = False) -> str:
    """`<run id>-<hash8>`: the record of a run's predictions by the current version of the evaluation.

    Args:
        flip: whether each image's probabilities are the mean of its own and its mirror image's.
    """
    return f"{run_id}-{hash8({'run': run_id, 'version': EVALUATION_VERSION, 'flip': flip})}"


def canonical_json(value: Any) -> str:
    """JSON with sorted keys and no white space; equal values give equal text. NaN and infinities are refused."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def hash8(value: Any) -> str:
    """The first 8 hexadecimal digits of the sha256 of `value` in canonical JSON."""
    return hashlib.sha256(canonical_json(value).encode()).hexdigest()[:8]

"""`lab.toml` with a profile and `--set` overrides, read into a checked, frozen `Lab` and its list of run specs."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field

from cnnlab.errors import LabError, did_you_mean
from cnnlab.networks import network_names
from cnnlab.paths import labs_dir, modules
from cnnlab.spec import DatasetSpec, Fold, Frozen, Name, NetworkOptions, Recipe, RunSpec, SearchSpec
from cnnlab.style import HouseStyle
from cnnlab.toml_file import FileKind

LAB = FileKind("lab", LabError)

DEFAULT_RUBRIC = "tarea1"
"""The assignment of a lab file that names none."""


DEEPEST_KEY = 10


class LabInfo(Frozen):
    """The `[lab]` table. Only `seeds` changes what is trained."""

    title: str
    authors: tuple[str, ...] = ()
    course: str | None = None
    language: Literal["es", "en"] = "es"
    seeds: tuple[Annotated[int, Field(ge=0, lt=2**32)], ...] = Field((0,), min_length=1)
    budget_minutes: float | None = Field(None, gt=0, description="wall time that all training should stay near")


class RunGroup(Frozen):
    """One `[[runs]]` table: networks trained on one data set by one recipe, or by what a search makes of it."""

    dataset: str
    networks: tuple[str, ...] = Field(min_length=1)
    recipe: str
    search: str | None = Field(None, description="the search that chooses what it varies, before these runs")
    folds: int | None = Field(None, ge=2, le=20, description="parts of a cross-validation that is run besides")
    test_flip: bool = Field(False, description="evaluate on each image and its mirror image, averaged")


class ReportSpec(Frozen):
    """Which assignment is answered, which data set answers which part of it, and which network each part is about
    (default: best on validation)."""

    rubric: Name = DEFAULT_RUBRIC
    part_2_1: str
    part_2_2: str | None = None
    primary_2_1: str | None = None
    primary_2_2: str | None = None


class LabFile(Frozen):
    """The whole lab file."""

    lab: LabInfo
    datasets: dict[Name, DatasetSpec] = Field(min_length=1)
    networks: dict[str, NetworkOptions] = {}
    recipes: dict[Name, Recipe] = Field(min_length=1)
    searches: dict[Name, SearchSpec] = {}
    runs: tuple[RunGroup, ...] = Field(min_length=1)
    report: ReportSpec
    style: HouseStyle = HouseStyle()


class Request(Frozen):
    """A training that a lab asks for.

    With a search, the recipe that is trained by is that of `spec` with what the search of `base` selects.
    """

    spec: RunSpec
    base: RunSpec
    search: SearchSpec | None = None
    flip: bool = False


class Lab(Frozen):
    """A checked lab. `stem` names its outputs, `path` is the file it was read from."""

    stem: str
    path: Path
    file: LabFile

    @property
    def templates(self) -> Path:
        """The lab's own templates, which win file by file over the project's."""
        return self.path.parent / self.path.stem / "templates"

    @property
    def reviews(self) -> Path:
        """The file of what its author has accepted, one a profile; it need not be there."""
        return self.path.parent / self.path.stem / "reviews" / f"{self.stem}.json"

    def requests(self) -> list[Request]:
        """Every training that the lab asks for, in file order, seeds innermost; folds follow, from the first seed."""
        file, seeds, found = self.file, self.file.lab.seeds, list[Request]()
        for group in file.runs:
            folds = [Fold(index=index, of=group.folds) for index in range(group.folds)] if group.folds else []
            for network in group.networks:
                base = RunSpec(
                    dataset=group.dataset,
                    data=file.datasets[group.dataset],
                    network=network,
                    options=file.networks.get(network, NetworkOptions()),
                    recipe=file.recipes[group.recipe],
                    seed=seeds[0],
                )
                search = file.searches[group.search] if group.search else None
                for seed, fold in [*((seed, None) for seed in seeds), *((seeds[0], fold) for fold in folds)]:
                    spec = base.model_copy(update={"seed": seed, "fold": fold})
                    flip = group.test_flip and fold is None
                    found.append(Request(spec=spec, base=base, search=search, flip=flip))
        return found

    def run_specs(self) -> list[RunSpec]:
        """The runs on each split's own validation images, by the recipes of the lab file, before any search."""
        return [request.spec for request in self.requests() if request.spec.fold is None]


def load_lab(name: str, *, profile: str | None = None, overrides: Sequence[str] = ()) -> Lab:
    """Read a lab by the name of a shipped one or by path.

    Args:
        name: `demo`, or a path to a TOML file.
        profile: a table under `[profiles]` whose keys replace the lab's.
        overrides: `dotted.key=value` pairs, the value in TOML (or a bare word), applied last.

    Raises:
        LabError: the file, the profile, an override, a key, a type or a reference is wrong.
    """
    path = _find(name)
    table = LAB.parse(path)
    profiles = table.pop("profiles", {})
    stem = path.stem
    if profile:
        if profile not in profiles:
            raise LabError(
                "the lab has no such profile",
                where=path,
                received=profile,
                expected=", ".join(sorted(profiles)) or "no profile at all",
                hint=did_you_mean(profile, profiles),
            )
        table = _merged(table, profiles[profile])
        stem = f"{stem}-{profile}"
    for override in overrides:
        table = _merged(table, _override(override))
    file = LAB.validate(LabFile, table, path)
    _check_references(file, path)
    return Lab(stem=stem, path=path, file=_located(file, path.parent))


def shipped_labs() -> list[str]:
    """Names under which the project's own labs can be run."""
    return sorted(path.stem for path in labs_dir().glob("*.toml"))


def _find(name: str) -> Path:
    shipped = labs_dir() / f"{name}.toml"
    if "/" not in name and not name.endswith(".toml") and shipped.is_file():
        return shipped
    path = _expanded(Path(name))
    if path.is_file():
        return path.resolve()
    raise LabError(
        "there is no such lab",
        received=name,
        expected=f"the path of a TOML file, or one of: {', '.join(shipped_labs())}",
        hint=did_you_mean(name, shipped_labs()),
    )


def _override(text: str) -> dict[str, Any]:
    key, equals, value = text.partition("=")
    if not equals or not key.strip():
        raise LabError("an override needs a key and a value", received=text, expected="--set recipes.NAME.epochs=5")
    try:
        parsed: Any = tomllib.loads(f"value = {value}")["value"]
    except (ValueError, RecursionError):
        parsed = value.strip()
    parts = key.strip().split(".")
    if len(parts) > DEEPEST_KEY:
        raise LabError("an override's key is too deep", received=f"{key[:60]}…", expected="--set recipes.NAME.epochs=5")
    for part in reversed(parts):
        parsed = {part: parsed}
    return dict(parsed)


def _merged(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    def both(key: str, value: Any) -> Any:
        nested = isinstance(base.get(key), Mapping) and isinstance(value, Mapping)
        return _merged(base[key], value) if nested else value

    return {**base, **{key: both(key, value) for key, value in over.items()}}


def _check_references(file: LabFile, path: Path) -> None:
    """Names used in one table must be defined in another."""
    for name, spec in file.datasets.items():
        LAB.require(spec.reader, modules("cnnlab/readers"), f"{path}, datasets.{name}.reader", "reader")
    for name in file.networks:
        LAB.require(name, network_names(), f"{path}, networks", "network")
    for index, group in enumerate(file.runs):
        where = f"{path}, runs.{index}"
        LAB.require(group.dataset, file.datasets, f"{where}.dataset", "data set")
        LAB.require(group.recipe, file.recipes, f"{where}.recipe", "recipe")
        if group.search is not None:
            LAB.require(group.search, file.searches, f"{where}.search", "search")
        for network in group.networks:
            LAB.require(network, network_names(), f"{where}.networks", "network")
    trained = {(group.dataset, network) for group in file.runs for network in group.networks}
    for part in ("2_1", "2_2"):
        dataset, primary = getattr(file.report, f"part_{part}"), getattr(file.report, f"primary_{part}")
        if dataset is not None:
            LAB.require(dataset, {d for d, _ in trained}, f"{path}, report.part_{part}", "data set with runs")
        if primary is not None:
            choices = {network for d, network in trained if d == dataset}
            LAB.require(primary, choices, f"{path}, report.primary_{part}", "network trained on that data set")


def _located(file: LabFile, folder: Path) -> LabFile:
    """The same file with `~`, `$VARS` and paths relative to the lab made absolute."""

    def absolute(path: Path | None) -> Path | None:
        if path is None:
            return None
        expanded = _expanded(path)
        return expanded if expanded.is_absolute() else (folder / expanded).resolve()

    datasets = {
        name: spec.model_copy(update={"path": absolute(spec.path), "labels": absolute(spec.labels)})
        for name, spec in file.datasets.items()
    }
    style = file.style.model_copy(update={"logo": absolute(file.style.logo)})
    return file.model_copy(update={"datasets": datasets, "style": style})


def _expanded(path: Path) -> Path:
    """The path with `~` and `$VARS` expanded.

    Raises:
        LabError: no path can be so: it holds a NUL, is too long, or names the home of nobody.
    """
    try:
        expanded = Path(os.path.expandvars(path)).expanduser()
        with suppress(FileNotFoundError, NotADirectoryError, PermissionError):  # it need not be there
            expanded.stat()
        return expanded
    except (OSError, ValueError, RuntimeError) as problem:
        raise LabError("there can be no such path", received=repr(str(path))[:300], hint=str(problem)) from None

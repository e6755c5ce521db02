"""`lab.toml` with a profile and `--set` overrides, read into a checked, frozen `Lab` and its list of run specs."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Collection, Mapping, Sequence
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

    title: str = Field(description="of the report")
    authors: tuple[str, ...] = Field((), description="under the title")
    course: str | None = Field(None, description="above the title")
    language: Literal["es", "en"] = Field("es", description="of prose, captions and numbers")
    seeds: tuple[Annotated[int, Field(ge=0, lt=2**32)], ...] = Field(
        (0,), min_length=1, description="each run is trained once from each; several give means and intervals"
    )
    budget_minutes: float | None = Field(None, gt=0, description="wall time to keep by leaving out epochs")


class RunGroup(Frozen):
    """One `[[runs]]` table: networks trained on one data set by one recipe, or by what a search makes of it."""

    dataset: str = Field(description="one of `[datasets]`")
    networks: tuple[str, ...] = Field(min_length=1, description="trained on it, each by itself")
    recipe: str = Field(description="one of `[recipes]`")
    search: str | None = Field(None, description="one of `[searches]`, which first chooses what it varies")
    folds: int | None = Field(None, ge=2, le=20, description="parts of a cross-validation that is run besides")
    test_flip: bool = Field(False, description="average the answers on each image and its mirror image")


class ReportSpec(Frozen):
    """Which assignment is answered, which data set answers which part of it, and which network each part is about
    (default: best on validation)."""

    rubric: Name = Field(DEFAULT_RUBRIC, description="the assignment that is answered")
    part_2_1: str = Field(description="the data set of this part")
    part_2_2: str | None = Field(None, description="as above")
    primary_2_1: str | None = Field(None, description="the network that the part is about; default: best on validation")
    primary_2_2: str | None = Field(None, description="as above")


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

    Raises LabError: the file, the profile, an override, a key, a type or a reference is wrong.
    """
    path = labs_dir() / f"{name}.toml"
    if "/" in name or name.endswith(".toml") or not path.is_file():
        path = _expanded(Path(name)).resolve()
    if not path.is_file():
        expected = f"the path of a TOML file, or one of: {', '.join(shipped_labs())}"
        hint = did_you_mean(name, shipped_labs())
        raise LabError("there is no such lab", received=name, expected=expected, hint=hint)
    table = LAB.parse(path)
    profiles, stem = table.pop("profiles", {}), path.stem
    if profile:
        if profile not in profiles:
            raise LabError.unknown("the lab has no such profile", profile, sorted(profiles), where=path)
        table, stem = _merged(table, profiles[profile]), f"{stem}-{profile}"
    for text in overrides:
        key, given, value = text.partition("=")
        parts = key.strip().split(".")
        if not given or not key.strip() or len(parts) > DEEPEST_KEY:
            what, expected = "an override needs a key and a value", "--set recipes.NAME.epochs=5"
            raise LabError(what, received=text[:60], expected=expected)
        try:
            override: Any = tomllib.loads(f"value = {value}")["value"]
        except (ValueError, RecursionError):
            override = value.strip()
        for part in reversed(parts):
            override = {part: override}
        table = _merged(table, override)
    file = LAB.validate(LabFile, table, path)
    _check_references(file, path)

    def located(model: Any, *names: str) -> Any:
        """The same with `~`, `$VARS` and paths relative to the lab made absolute."""
        paths = {name: _expanded(own) for name in names if (own := getattr(model, name)) is not None}
        absolute = {name: own if own.is_absolute() else (path.parent / own).resolve() for name, own in paths.items()}
        return model.model_copy(update=absolute)

    datasets = {key: located(spec, "path", "labels") for key, spec in file.datasets.items()}
    file = file.model_copy(update={"datasets": datasets, "style": located(file.style, "logo")})
    return Lab(stem=stem, path=path, file=file)


def shipped_labs() -> list[str]:
    """Names under which the project's own labs can be run."""
    return sorted(path.stem for path in labs_dir().glob("*.toml"))


def _merged(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(base)
    for key, value in over.items():
        nested = isinstance(base.get(key), Mapping) and isinstance(value, Mapping)
        merged[key] = _merged(base[key], value) if nested else value
    return merged


def _check_references(file: LabFile, path: Path) -> None:
    """Names used in one table must be defined in another."""
    readers, report = modules("cnnlab/readers"), file.report
    trained = {(group.dataset, network) for group in file.runs for network in group.networks}
    named: list[tuple[str | None, Collection[str], str, str]] = []
    named += [(spec.reader, readers, f"datasets.{name}.reader", "reader") for name, spec in file.datasets.items()]
    named += [(name, network_names(), "networks", "network") for name in file.networks]
    for index, group in enumerate(file.runs):
        named.append((group.dataset, file.datasets, f"runs.{index}.dataset", "data set"))
        named.append((group.recipe, file.recipes, f"runs.{index}.recipe", "recipe"))
        named.append((group.search, file.searches, f"runs.{index}.search", "search"))
        named += [(name, network_names(), f"runs.{index}.networks", "network") for name in group.networks]
    for part in ("2_1", "2_2"):
        dataset, primary = getattr(report, f"part_{part}"), getattr(report, f"primary_{part}")
        named.append((dataset, {one for one, _ in trained}, f"report.part_{part}", "data set with runs"))
        on_it = {network for one, network in trained if one == dataset}
        named.append((primary, on_it, f"report.primary_{part}", "network trained on that data set"))
    for name, known, where, what in named:
        if name is not None:
            LAB.require(name, known, f"{path}, {where}", what)


def _expanded(path: Path) -> Path:
    """With `~` and `$VARS` expanded. Raises LabError: it holds a NUL, is too long, or names the home of nobody."""
    try:
        expanded = Path(os.path.expandvars(path)).expanduser()
        with suppress(FileNotFoundError, NotADirectoryError, PermissionError):  # it need not be there
            expanded.stat()
        return expanded
    except (OSError, ValueError, RuntimeError) as problem:
        raise LabError("there can be no such path", received=repr(str(path))[:300], hint=str(problem)) from None

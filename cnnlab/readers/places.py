"""Reader `places`: photographs of scenes (Places205, Places365, MiniPlaces, Places-25), by list files or by folders.

Lists name a scene by number (`train/a/abbey/1.jpg 0`), a file `categories*.txt` names the numbers (`/a/abbey 0`). Without
lists, every folder that holds images is a scene, at whatever depth (`d/desert/sand`).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from cnnlab.datasets.cache import Stamp, cached_table, stamp
from cnnlab.datasets.csv_list import Finder
from cnnlab.datasets.labelled import DIVISION_NAMES, Labelled, check_missing, labelled_pictures
from cnnlab.datasets.listing import DIVISIONS, Listing, display, list_images
from cnnlab.datasets.pictures import Report
from cnnlab.datasets.table import MOST_SOURCES, NO_DIVISION, DatasetAbout, Finding, ImageTable
from cnnlab.errors import DataError
from cnnlab.spec import DatasetSpec

CREDIT = "B. Zhou et al., Learning Deep Features for Scene Recognition using Places Database, 2014; for research only"

_NUMBERED = re.compile(r"(.*[^\s,])[\s,]+([0-9]{1,9})")
_WORD = re.compile(r"[a-z]+", re.IGNORECASE)
_DEPTH = 2
"""Folders below the root in which list files are looked for (`trainvalsplit_places205/train_places205.csv`)."""


@dataclass(frozen=True)
class SceneList:
    """A list file: its division, and (path as written, number of the scene) of every line."""

    path: Path
    division: int
    lines: Sequence[tuple[str, int]]


def open_table(spec: DatasetSpec, *, data_dir: Path, report_progress: Report) -> ImageTable:
    """The images below `spec.path`, else below the folder `places` in the data folder.

    A scene's id is its path without the letter (`desert/sand`), its name the same with spaces. Lines whose file is not
    there are left out; scenes of which nothing is there are left out with a finding.

    Raises:
        DataError: there is no copy, its lists contradict each other, or too much of it is missing.
    """
    root = spec.path or data_dir / "places"
    listing = list_images(root)
    files = _list_files(listing)
    return cached_table(
        spec,
        [Stamp(str(listing.root), 0, 0), *(stamp(path) for path in files), *listing.images.values()],
        lambda: labelled_pictures(
            _read(files, listing, spec.max_bad),
            name_of=lambda identifier: identifier.replace("_", " "),
            about=DatasetAbout(title="Places", credit=CREDIT, homepage=None, source=f"folder {display(root.name)}"),
            where=listing.root,
        ),
        data_dir=data_dir,
        report_progress=report_progress,
    )


def _list_files(listing: Listing) -> list[Path]:
    """The files that may be lists: not deep in the folder, and named after what they list."""
    paths = [
        listing.path(relative)
        for relative in listing.others
        if relative.endswith((".txt", ".csv")) and relative.count("/") <= _DEPTH
    ]
    return [path for path in paths if path.is_file() and (_names_scenes(path) or _division(path) != NO_DIVISION)]


def _names_scenes(path: Path) -> bool:
    return path.stem.lower().startswith("categories")


def _division(path: Path) -> int:
    """By the words of the name: `places365_train_standard.txt`, `val_places205.csv`."""
    found = [DIVISIONS[word] for word in _WORD.findall(path.stem.lower()) if word in DIVISIONS]
    return found[0] if len(found) == 1 else NO_DIVISION


def _read(files: Sequence[Path], listing: Listing, max_bad: float) -> Labelled:
    """By the lists where there are any with numbers (those of unlabelled test images have none)."""
    names = _scene_names([path for path in files if _names_scenes(path)], listing.root)
    lists = [
        SceneList(path, _division(path), lines)
        for path in files
        if not _names_scenes(path) and (lines := _numbered_lines(path))
    ]
    return _by_lists(lists, names, listing, max_bad) if lists else _by_folders(listing)


def _by_lists(lists: Sequence[SceneList], names: dict[int, str], listing: Listing, max_bad: float) -> Labelled:
    finder = Finder(listing)
    chosen = _chosen(lists, finder)
    rows: list[tuple[str, int, str]] = []
    missing: dict[str, list[str]] = {}
    for scenes in chosen:
        for written, number in scenes.lines:
            scene = names.get(number) if names else _scene(PurePosixPath(written).parent.parts)
            if scene is None:
                raise _unnamed(scenes, written, number)
            if (path := finder.find(written, prefer=_prefer(scenes))) is None:
                missing.setdefault(scene, []).append(written)
            else:
                rows.append((scene, scenes.division, path))
    present = {scene for scene, _, _ in rows}
    gone = [written for scene in missing if scene in present for written in missing[scene]]
    absent = sorted(set(names.values()) - present) if names else sorted(set(missing) - present)
    findings = check_missing(gone, len(rows) + len(gone), max_bad=max_bad, where=listing.root)
    if absent:
        shown = tuple(display(scene) for scene in absent[:MOST_SOURCES])
        findings = (*findings, Finding("empty-class", "warning", len(absent), {}, shown))
    return _labelled(rows, listing, (*listing.findings(_read_files(chosen, listing)), *findings))


def _read_files(chosen: Sequence[SceneList], listing: Listing) -> list[Path]:
    """The chosen lists and the categories: other lists are files that were ignored."""
    return [*(scenes.path for scenes in chosen), *(path for path in _list_files(listing) if _names_scenes(path))]


def _prefer(scenes: SceneList) -> Iterable[str]:
    word = DIVISION_NAMES[scenes.division]
    return (word, "val") if word == "validation" else (word,)


def _labelled(rows: Sequence[tuple[str, int, str]], listing: Listing, findings: tuple[Finding, ...]) -> Labelled:
    """Rows of (scene, division, path)."""
    return Labelled(
        [scene for scene, _, _ in rows],
        [division for _, division, _ in rows],
        [path for _, _, path in rows],
        lambda index: listing.path(rows[index][2]),
        findings,
    )


def _scene_names(paths: Sequence[Path], root: Path) -> dict[int, str]:
    """Scene by number; {} when no file says it."""
    names: dict[int, str] = {}
    for path in paths:
        for written, number in _numbered_lines(path):
            scene = _scene(PurePosixPath(written).parts)
            if names.setdefault(number, scene) != scene:
                raise DataError(
                    "the files that name the scenes contradict each other",
                    where=root,
                    received=f"number {number} is “{display(names[number])}” and “{display(scene)}”",
                    hint="keep one categories file beside the lists",
                )
    return names


def _scene(parts: Sequence[str]) -> str:
    """`desert/sand` for /d/desert/sand: what follows the last shelf; all of it when there is none."""
    named = [part for part in parts if part != "/"]
    return "/".join(named[_shelved(named) :])


def _shelved(parts: Sequence[str]) -> int:
    """Position after the last part that is just the first letter of the one after it (`a/abbey`); 0 when none is."""
    for position in range(len(parts) - 1, 0, -1):
        if len(parts[position - 1]) == 1 and parts[position].lower().startswith(parts[position - 1].lower()):
            return position
    return 0


def _numbered_lines(path: Path) -> list[tuple[str, int]]:
    """(text, number) of each line `text number`; [] when the first line has no number.

    Raises:
        DataError: unreadable, or a line is of another kind.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as problem:
        reason = problem.strerror if isinstance(problem, OSError) else problem
        raise DataError("a list of the data set cannot be read", where=path, received=reason) from None
    found: list[tuple[str, int]] = []
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip():
            continue
        if match := _NUMBERED.fullmatch(line.strip()):
            found.append((match[1], int(match[2])))
        elif found:
            raise DataError(
                "a line of a list is not a path and a number",
                where=f"{path}, line {number}",
                received=display(line[:100]),
                expected="as in: train/a/abbey/00000001.jpg 0",
            )
        else:
            return []
    return found


def _chosen(lists: Sequence[SceneList], finder: Finder) -> list[SceneList]:
    """One list for each division: kits hold several (standard, challenge), and lists of images that people left out.

    Raises:
        DataError: nothing that the lists name is there.
    """
    shares = {scenes.path: _share_found(scenes, finder) for scenes in lists}
    best = {}
    for scenes in sorted(lists, key=lambda one: shares[one.path]):
        if shares[scenes.path]:
            best[scenes.division] = scenes
    if not best:
        raise DataError(
            "none of the images that the data set's lists name is there",
            where=lists[0].path.parent,
            received=", ".join(scenes.path.name for scenes in lists),
            hint="let `path` point to the folder that holds the lists and the images",
        )
    return [best[division] for division in sorted(best)]


def _share_found(scenes: SceneList, finder: Finder) -> float:
    found = sum(finder.find(written, prefer=_prefer(scenes)) is not None for written, _ in scenes.lines)
    return found / len(scenes.lines)


def _unnamed(scenes: SceneList, written: str, number: int) -> DataError:
    return DataError(
        "a list names a scene by a number that no categories file explains",
        where=scenes.path,
        received=f"{display(written)} {number}",
        hint="put the categories file of the same release beside the lists",
    )


def _by_folders(listing: Listing) -> Labelled:
    """Every folder that holds images is a scene, below an optional level of train/val/test."""
    folders = {path: PurePosixPath(path).parent.parts for path in listing.images}
    common = _common(list(folders.values()))
    rows, outside = [], []
    for path, parts in folders.items():
        divided = len(parts) > common and parts[common].lower() in DIVISIONS
        own = parts[common + 1 :] if divided else parts[common:]
        if own:
            scene = _scene((*parts[:common], *own))
            division = DIVISIONS[parts[common].lower()] if divided else NO_DIVISION
            rows.append((scene if _shelved(parts) else "/".join(own), division, path))
        else:
            outside.append(display(path))
    findings = listing.findings()
    if outside:
        findings = (*findings, Finding("outside-class", "warning", len(outside), {}, tuple(outside[:MOST_SOURCES])))
    return _labelled(rows, listing, findings)


def _common(folders: Sequence[Sequence[str]]) -> int:
    """Number of leading parts that all folders share (those of an archive)."""
    shared = 0
    while folders and shared < min(map(len, folders)) - 1 and len({folder[shared] for folder in folders}) == 1:
        shared += 1
    return shared

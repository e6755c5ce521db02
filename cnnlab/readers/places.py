"""Reader `places`: photographs of scenes (Places205, Places365, MiniPlaces, Places-25), by list files or by folders.

Lists name a scene by number (`train/a/abbey/1.jpg 0`), a file `categories*.txt` names the numbers (`/a/abbey 0`). Without
lists, every folder that holds images is a scene, at whatever depth (`d/desert/sand`).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from cnnlab.datasets import folders
from cnnlab.datasets.cache import cached_table, stamp
from cnnlab.datasets.table import DIVISIONS, NO_DIVISION, DatasetAbout, ImageTable, Pictures, Report, finding
from cnnlab.errors import DataError
from cnnlab.spec import DatasetSpec

CREDIT = "B. Zhou et al., Learning Deep Features for Scene Recognition using Places Database, 2014; for research only"


def open_table(spec: DatasetSpec, *, data_dir: Path, report_progress: Report) -> ImageTable:
    """The images below `spec.path`, else below the folder `places` in the data folder.

    A scene's id is its path without the letter (`desert/sand`), its name the same with spaces. Lines whose file is not
    there are left out; scenes of which nothing is there are left out with a finding.

    Raises DataError: there is no copy, its lists contradict each other, or too much of it is missing.
    """
    root = spec.path or data_dir / "places"
    listing = folders.list_images(root)
    lists = [
        listing.root / path
        for path in listing.others
        # Not deep in the folder (`trainvalsplit_places205/train_places205.csv`), and named after what they list.
        if path.endswith((".txt", ".csv")) and path.count("/") <= 2 and (listing.root / path).is_file()
        if _names_scenes(path) or folders.division(PurePosixPath(path).name) != NO_DIVISION
    ]

    def pictures() -> Pictures:
        about = DatasetAbout(
            title="Places", credit=CREDIT, homepage=None, source=f"folder {folders.display(root.name)}"
        )
        images = _by_lists(lists, listing, spec.max_bad) or _by_folders(listing)
        return folders.labelled_pictures(images, name_of=lambda i: i.replace("_", " "), about=about, where=listing.root)

    stamps = [*listing.stamps[:1], *map(stamp, lists), *listing.stamps[1:]]
    return cached_table(spec, stamps, pictures, data_dir=data_dir, report_progress=report_progress)


def _by_folders(listing: folders.Listing) -> folders.Labelled:
    """Every folder that holds images is a scene, below an optional level of train/val/test."""
    parents = {path: PurePosixPath(path).parent.parts for path in listing.images}
    shared, least = 0, min(map(len, parents.values()), default=0) - 1
    while shared < least and len({one[shared] for one in parents.values()}) == 1:
        shared += 1  # leading parts that all folders share (those of an archive)
    rows, outside = list[folders.Row](), list[str]()
    for path, parts in parents.items():
        divided = len(parts) > shared and parts[shared].lower() in folders.LEVELS
        if own := parts[shared + divided :]:
            part = DIVISIONS[parts[shared].lower()] if divided else NO_DIVISION
            rows.append((_scene((*parts[:shared], *own)) if _shelved(parts) else "/".join(own), part, path))
        else:
            outside.append(folders.display(path))
    return folders.in_listing(rows, listing, listing.passed_over() + finding("outside-class", outside, severe=True))


def _by_lists(paths: Sequence[Path], listing: folders.Listing, max_bad: float) -> folders.Labelled | None:
    """By one list for each division, the one of which most is there: kits hold several (standard, challenge), and lists
    of images that people left out. None where no list has numbers (those of unlabelled test images have none)."""
    lines = {path: _numbered_lines(path) for path in paths}
    categories = [path for path in paths if _names_scenes(path)]
    lists = [path for path in paths if path not in categories and lines[path]]
    names: dict[int, str] = {}
    for written, number in (line for path in categories for line in lines[path]):
        scene = _scene(PurePosixPath(written).parts)
        if names.setdefault(number, scene) != scene:
            what = "the files that name the scenes contradict each other"
            hint = "keep one categories file beside the lists"
            received = f"number {number} is “{folders.display(names[number])}” and “{folders.display(scene)}”"
            raise DataError(what, where=listing.root, received=received, hint=hint)
    if not lists:
        return None
    best = dict[int, tuple[float, Path, list[str | None]]]()
    for path in lists:
        part = folders.division(path.name)
        prefer = [name for name, one in DIVISIONS.items() if one == part]
        found = [listing.find(written, prefer=prefer) for written, _ in lines[path]]
        share = sum(one is not None for one in found) / len(found)
        if share and share >= best.get(part, (0.0,))[0]:
            best[part] = share, path, found
    if not best:
        what = "none of the images that the data set's lists name is there"
        received = ", ".join(one.name for one in lists)
        hint = "let `path` point to the folder that holds the lists and the images"
        raise DataError(what, where=lists[0].parent, received=received, hint=hint)
    rows, missing = list[folders.Row](), list[tuple[str, str]]()
    for part, (_, path, found) in sorted(best.items()):
        for (written, number), image in zip(lines[path], found, strict=True):
            scene = names.get(number, "") if names else _scene(PurePosixPath(written).parent.parts)
            if not scene:
                what = "a list has a number that no categories file explains"
                received = f"{folders.display(written)} {number}"
                hint = "put the categories file of the same release beside the lists"
                raise DataError(what, where=path, received=received, hint=hint)
            rows.append((scene, part, image)) if image else missing.append((scene, written))
    present = {scene for scene, _, _ in rows}
    gone = [written for scene, written in missing if scene in present]
    absent = sorted((set(names.values()) or {scene for scene, _ in missing}) - present)
    passed = listing.passed_over(lists=[*(path for _, path, _ in best.values()), *categories])
    lost = folders.check_missing(gone, len(rows) + len(gone), max_bad=max_bad, where=listing.root)
    return folders.in_listing(
        rows, listing, passed + lost + finding("empty-class", [*map(folders.display, absent)], severe=True)
    )


def _names_scenes(path: str | Path) -> bool:
    return PurePosixPath(path).stem.lower().startswith("categories")


def _scene(parts: Sequence[str]) -> str:
    """`desert/sand` for /d/desert/sand: what follows the last shelf; all of it when there is none."""
    named = [part for part in parts if part != "/"]
    return "/".join(named[_shelved(named) :])


def _shelved(parts: Sequence[str]) -> int:
    """Position after the last part that is just the first letter of the one after it (`a/abbey`); 0 when none is."""
    shelves = (at for at in range(len(parts) - 1, 0, -1) if parts[at - 1].lower() == parts[at][:1].lower())
    return next(shelves, 0)


def _numbered_lines(path: Path) -> list[tuple[str, int]]:
    """(text, number) of each line `text number`; [] when the first has no number. Raises DataError: others have none."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as problem:
        reason = problem.strerror if isinstance(problem, OSError) else problem
        raise DataError("a list of the data set cannot be read", where=path, received=reason) from None
    found: list[tuple[str, int]] = []
    for number, line in enumerate(text.splitlines(), 1):
        if match := re.fullmatch(r"(.*[^\s,])[\s,]+([0-9]{1,9})", line.strip()):
            found.append((match[1], int(match[2])))
        elif line.strip() and not found:
            return []
        elif line.strip():
            what, expected = "a line of a list is not a path and a number", "as in: train/a/abbey/00000001.jpg 0"
            where, received = f"{path}, line {number}", folders.display(line[:100])
            raise DataError(what, where=where, received=received, expected=expected)
    return found

"""A lab's notebook in one zip with all that running it elsewhere needs: its runs, its lab file, and this program."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cnnlab.app import bundle_install
from cnnlab.app.archive import write_zip
from cnnlab.app.wheel import make_wheel
from cnnlab.errors import LabError, StoreError
from cnnlab.lab import LAB, Lab
from cnnlab.paths import labs_dir
from cnnlab.store.record import Kind
from cnnlab.store.store import RunStore

WEIGHTS = "weights.weights.h5"

README = {
    "en": """\
{title}
1. Colab: upload {bundle} to the session's files, open report.ipynb, choose “Restart session and run all”.
2. JupyterLab: unpack {bundle} into an empty folder, open report.ipynb there, choose “Restart kernel and run all cells”.
3. The notebook's first cell installs cnnlab from this bundle where it is missing, and the libraries that are missing.
4. The numbers come from the cached runs in runs/; a run that is missing there is trained, which needs its images.
""",
    "es": """\
{title}
1. Colab: suba {bundle} a los archivos de la sesión, abra report.ipynb y elija «Reiniciar sesión y ejecutar todo».
2. JupyterLab: desempaque {bundle} en una carpeta vacía, abra allí report.ipynb y elija «Reiniciar y ejecutar todo».
3. La primera celda instala cnnlab desde este paquete donde falte, y las bibliotecas que falten.
4. Los números vienen de las ejecuciones guardadas en runs/; la que falte allí se entrena, para lo que hacen falta sus imágenes.
""",
}


@dataclass(frozen=True)
class Bundle:
    """A bundle that was written: where, its bytes, and those of the runs' weights, in it or left out."""

    path: Path
    size: int
    weights: int


def bundle_name(lab: Lab) -> str:
    """The file name of a lab's bundle; its notebook looks for this name."""
    return f"{lab.stem}-bundle.zip"


def write_bundle(store: RunStore, lab: Lab, folder: Path, *, weights: bool = False) -> Bundle:
    """Write `<stem>-bundle.zip` into `folder`, whose `report.ipynb` it holds; from the same files the same bytes.

    Args:
        weights: whether the trained weights are in it; only a new evaluation needs them.

    Raises:
        StoreError: a record is absent or damaged, `folder` cannot be written, or cnnlab is not installed.
        LabError: the lab file names an absolute path, which the bundle would publish.
    """
    _check_paths(lab)
    records = list(_records(store, store.read_lab(lab.stem)))
    kept = [entry for entry in records if weights or not entry[0].endswith(WEIGHTS)]
    wheel, program = make_wheel(lab)
    path = folder / bundle_name(lab)
    files: list[tuple[str, bytes | Path]] = [
        ("README.txt", README[lab.file.lab.language].format(title=lab.file.lab.title, bundle=path.name).encode()),
        ("install.py", Path(bundle_install.__file__)),
        (wheel, program),
        ("report.ipynb", folder / "report.ipynb"),
        *_lab_files(lab),
        *kept,
        # Last, so that what was unpacked in part does not look complete.
        (f"runs/labs/{lab.stem}.json", store.root / "labs" / f"{lab.stem}.json"),
    ]
    _write(path, files)
    heavy = sum(file.stat().st_size for name, file in records if name.endswith(WEIGHTS))
    return Bundle(path, path.stat().st_size, heavy)


def _records(store: RunStore, lock: Mapping[str, Any]) -> Iterator[tuple[str, Path]]:
    """Every file of the records that the lab lock names, each once, verified."""
    for kind, record_id in sorted(set(_named(lock))):
        record = store.read(kind, record_id)
        yield from ((_in_bundle(store, path), path) for path in [record.folder / "manifest.json"])
        for name in sorted(record.manifest["files"]):
            record.bytes(name)
            yield _in_bundle(store, record.folder / name), record.folder / name


def _in_bundle(store: RunStore, path: Path) -> str:
    return f"runs/{path.relative_to(store.root).as_posix()}"


def _named(lock: Mapping[str, Any]) -> Iterator[tuple[Kind, str]]:
    for dataset in lock["datasets"].values():
        yield "dataset", dataset["record"]
    for name in (lock.get("baselines") or {}).values():
        yield "baseline", name
    for name in lock["architectures"].values():
        yield "architecture", name
    kinds: tuple[Kind, ...] = ("run", "evaluation", "architecture", "search")
    for entry in lock["runs"]:
        yield from ((kind, entry[kind]) for kind in kinds if entry.get(kind))


def _lab_files(lab: Lab) -> Iterator[tuple[str, Path]]:
    """The lab's file and its own templates; those of a shipped lab are in the wheel."""
    if lab.path.parent == labs_dir():
        return
    for path in [lab.path, *sorted(path for path in lab.templates.rglob("*") if path.is_file())]:
        yield path.relative_to(lab.path.parent).as_posix(), path


def _check_paths(lab: Lab) -> None:
    """Refuse a lab file that would tell others where its author keeps things."""
    for key, value in _texts(LAB.parse(lab.path)):
        if value.startswith("/") and not key.startswith("lab."):
            raise LabError(
                "the lab file names an absolute path, which the bundle would publish",
                where=f"{lab.path}, {key}",
                received=value,
                hint="write it from the lab file's folder, or with ~ or a $VARIABLE",
            )


def _texts(value: Any, key: str = "") -> Iterator[tuple[str, str]]:
    """Every text in a TOML table, by its dotted key."""
    if isinstance(value, Mapping):
        for name, inner in value.items():
            yield from _texts(inner, f"{key}.{name}" if key else name)
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from _texts(inner, f"{key}.{index}")
    elif isinstance(value, str):
        yield key, value


def _write(path: Path, files: list[tuple[str, bytes | Path]]) -> None:
    """Write the archive beside its place, then put it there."""
    temporary = path.with_name(f".{path.name}-{uuid.uuid4().hex[:8]}")
    try:
        with temporary.open("wb") as handle:
            write_zip(handle, files)
        temporary.replace(path)
    except OSError as problem:
        raise StoreError(
            "the bundle cannot be written", where=path, received=problem.strerror, hint="free some space"
        ) from None
    finally:
        temporary.unlink(missing_ok=True)

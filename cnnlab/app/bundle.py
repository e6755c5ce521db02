"""A lab's notebook in one zip with all that running it elsewhere needs: its runs, its lab file, and this program's sources."""

from __future__ import annotations

import uuid
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cnnlab.errors import LabError, StoreError
from cnnlab.lab import LAB, Lab
from cnnlab.paths import in_checkout, labs_dir, templates_dir
from cnnlab.store.files import writing
from cnnlab.store.store import RunStore
from report.data.records import locked_records

WEIGHTS = "weights.weights.h5"

README = {
    "en": """\
{title}
1. Colab: upload {bundle} to the session's files, open report.ipynb, choose “Restart session and run all”.
2. JupyterLab: unpack {bundle} into an empty folder, open report.ipynb there, choose “Restart kernel and run all cells”.
3. The notebook's first cell unpacks cnnlab from this bundle where it is missing, and installs the libraries that are missing.
4. The numbers come from the cached runs in runs/; a run that is missing there is trained, which needs its images.
""",
    "es": """\
{title}
1. Colab: suba {bundle} a los archivos de la sesión, abra report.ipynb y elija «Reiniciar sesión y ejecutar todo».
2. JupyterLab: desempaque {bundle} en una carpeta vacía, abra allí report.ipynb y elija «Reiniciar y ejecutar todo».
3. La primera celda desempaca cnnlab de este paquete donde falte, e instala las bibliotecas que falten.
4. Los números vienen de las ejecuciones guardadas en runs/; la que falte allí se entrena, para lo que hacen falta sus imágenes.
""",
}


@dataclass(frozen=True)
class Bundle:
    """A bundle that was written: where, its bytes, and those of the runs' weights, in it or left out."""

    path: Path
    size: int
    weights: int


def write_bundle(store: RunStore, lab: Lab, folder: Path, *, weights: bool = False) -> Bundle:
    """Write `<stem>-bundle.zip` into `folder`, whose `report.ipynb` it holds; from the same files the same bytes.

    Args:
        weights: whether the trained weights are in it; only a new evaluation needs them.

    Raises:
        StoreError: a record is absent or damaged, `folder` cannot be written, or cnnlab does not run from its sources.
        LabError: the lab file names an absolute path, which the bundle would publish.
    """
    for key, value in _texts(LAB.parse(lab.path)):
        if value.startswith("/") and not key.startswith("lab."):
            what = "the lab file names an absolute path, which the bundle would publish"
            hint = "write it from the lab file's folder, or with ~ or a $VARIABLE"
            raise LabError(what, where=f"{lab.path}, {key}", received=value, hint=hint)
    path, temporary = folder / f"{lab.stem}-bundle.zip", folder / f".bundle-{uuid.uuid4().hex[:8]}"
    readme = README[lab.file.lab.language].format(title=lab.file.lab.title, bundle=path.name)
    records = {f"runs/{place.relative_to(store.root).as_posix()}": place for place in _records(store, lab)}
    heavy = {name: place.stat().st_size for name, place in records.items() if name.endswith(WEIGHTS)}
    files: dict[str, bytes | Path] = {
        "README.txt": readme.encode(),
        "report.ipynb": folder / "report.ipynb",
        **_program(lab),
        **records,
    }
    # The lock comes last, so that what was unpacked in part does not look complete.
    files[f"runs/labs/{lab.stem}.json"] = store.root / "labs" / f"{lab.stem}.json"
    with writing(path):
        try:
            with zipfile.ZipFile(temporary, "w") as archive:
                for name, content in files.items():
                    if weights or name not in heavy:
                        entry = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
                        entry.external_attr, entry.create_system = 0o100644 << 16, 3  # as made on Unix
                        packed = name.endswith((".h5", ".npz"))
                        entry.compress_type = zipfile.ZIP_STORED if packed else zipfile.ZIP_DEFLATED
                        archive.writestr(entry, content if isinstance(content, bytes) else content.read_bytes())
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)
    return Bundle(path, path.stat().st_size, sum(heavy.values()))


def _program(lab: Lab) -> dict[str, Path]:
    """The lab, and the sources by which the bundle is a checkout of its own; of the shipped labs it has this one alone."""
    root = templates_dir().parent
    if not in_checkout():
        hint = "make the bundle in a checkout, as its README says"
        raise StoreError("cnnlab does not run from its sources, which a bundle holds", where=root, hint=hint)
    home = root if lab.path.parent == labs_dir() else lab.path.parent
    found = {lab.path.relative_to(home).as_posix(): lab.path}
    for base, folder in ((home, lab.templates), *((root, root / name) for name in ("cnnlab", "report", "templates"))):
        for path in sorted(folder.rglob("*")):
            hidden = any(part.startswith((".", "__pycache__")) for part in path.relative_to(folder).parts)
            if path.is_file() and not hidden:
                found[path.relative_to(base).as_posix()] = path
    return found | {"pyproject.toml": root / "pyproject.toml"}


def _records(store: RunStore, lab: Lab) -> Iterator[Path]:
    """Every file of the records that the lab lock names, verified."""
    for kind, record_id in sorted(locked_records(store, lab.stem)):
        record = store.read(kind, record_id)
        yield record.folder / "manifest.json"
        for name in sorted(record.manifest["files"]):
            record.check(name)
            yield record.folder / name


def _texts(value: Any, key: str = "") -> Iterator[tuple[str, str]]:
    """Every text in a TOML table, by its dotted key."""
    if isinstance(value, str):
        yield key.lstrip("."), value
    elif isinstance(value, dict | list):
        for name, inner in value.items() if isinstance(value, dict) else enumerate(value):
            yield from _texts(inner, f"{key}.{name}")

"""Where the project's own files and the user's folders are, in a checkout and in an installed wheel alike."""

from __future__ import annotations

import atexit
import hashlib
import os
import pkgutil
import shutil
import stat
import tempfile
from functools import cache
from pathlib import Path

from platformdirs import user_cache_path, user_data_path

_PACKAGE = Path(__file__).resolve().parent
_CHECKOUT = _PACKAGE.parent


def in_checkout() -> bool:
    """Whether the packages run from a checkout of the project, whose files are the ones its user edits."""
    return (_CHECKOUT / "pyproject.toml").is_file() and (_CHECKOUT / "templates").is_dir()


def templates_dir() -> Path:
    """The project's templates; a wheel carries them inside `cnnlab`, as it does the labs."""
    return (_CHECKOUT if in_checkout() else _PACKAGE) / "templates"


def labs_dir() -> Path:
    """The shipped labs."""
    return (_CHECKOUT if in_checkout() else _PACKAGE) / "labs"


def data_dir() -> Path:
    """Where fetched data and decoded caches live: `CNNLAB_DATA`, else beside the checkout, else the user's data folder."""
    if chosen := os.environ.get("CNNLAB_DATA"):
        return Path(chosen).expanduser()
    return _CHECKOUT / "data" if in_checkout() else user_data_path("cnnlab")


def runs_dir(chosen: Path | None = None) -> Path:
    """The run store: the argument, else `CNNLAB_RUNS`, else `runs` in the current folder."""
    return chosen or Path(os.environ.get("CNNLAB_RUNS") or "runs")


def out_dir(chosen: Path | None = None) -> Path:
    """Where reports go: the argument, else `CNNLAB_OUT`, else `out` in the current folder."""
    return chosen or Path(os.environ.get("CNNLAB_OUT") or "out")


@cache
def cache_dir() -> Path:
    """This user's own folder of what can be made again, or, where there can be none, one that ends with the process.

    Compiled templates from it are run, so nobody else may be able to write to it.
    """
    path = user_cache_path("cnnlab") / "made"
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        found = path.lstat()
        own = stat.S_ISDIR(found.st_mode) and found.st_uid == os.geteuid() and not found.st_mode & 0o077
        if own and os.access(path, os.W_OK):
            return path
    except OSError:
        pass  # no home, or one that cannot be written
    folder = tempfile.mkdtemp(prefix="cnnlab-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return Path(folder)


@cache
def modules(folder: str) -> tuple[str, ...]:
    """The names of the modules of a folder of `cnnlab` or `report`, such as `cnnlab/readers`, in alphabetical order.

    None of them is imported. An underscore is read as a hyphen, as lab files write names.
    """
    names = (one.name for one in pkgutil.iter_modules([str(_CHECKOUT / folder)]))
    return tuple(sorted(name.replace("_", "-") for name in names if not name.startswith("_")))


@cache
def code_hash() -> str:
    """The sha256 over every Python file of the packages `cnnlab` and `report`, in hexadecimal."""
    found = hashlib.sha256()
    for package in (_PACKAGE, _CHECKOUT / "report"):
        for path in sorted(package.rglob("*.py")):
            content = path.read_bytes()
            found.update(f"{package.name}/{path.relative_to(package).as_posix()} {len(content)} ".encode() + content)
    return found.hexdigest()

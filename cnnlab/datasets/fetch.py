"""Fetch data files over HTTP or out of a Debian package, and store them so that they are there whole or not at all."""

from __future__ import annotations

import http.client
import shutil
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Sequence
from pathlib import Path

from cnnlab.datasets.pictures import Report
from cnnlab.errors import DataError

TIMEOUT = 20.0
"""Seconds without an answer after which a server is given up."""

DOWNLOAD_TIMEOUT = 600.0
"""Seconds that one file may take, however steadily it trickles."""

COMMAND_TIMEOUT = 300.0
"""Seconds that one `apt-get` or `dpkg-deb` may take."""

MOST_BYTES = 1 << 26
"""A download longer than this is none of ours."""


def store(folder: Path, fetch: Callable[[Path], None], *, check: Callable[[Path], None]) -> None:
    """Let `fetch` fill a temporary folder, `check` it, then move its files into `folder`.

    Raises:
        DataError: from `fetch` or `check`, or the folder cannot be written; `folder` is then as it was.
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
        raise DataError(
            "the fetched data cannot be stored",
            where=folder,
            received=problem.strerror or str(problem),
            hint="free some space, or choose another data folder with the environment variable CNNLAB_DATA",
        ) from None


def download(base: str, names: Sequence[str], to: Path, report: Report) -> None:
    """Download `base` + each name into the folder `to`.

    Raises:
        DataError: the server cannot be reached, or does not have a file.
    """
    report(f"downloading {len(names)} files from {base}")
    for name in names:
        url = base + name
        request = urllib.request.Request(url, headers={"User-Agent": "cnnlab"})
        try:
            with urllib.request.urlopen(request, timeout=TIMEOUT) as answer:
                content = _content(answer)
        except urllib.error.HTTPError as problem:
            problem.close()
            raise DataError(
                "the download failed", where=url, received=f"HTTP {problem.code} {problem.reason}"
            ) from None
        except (urllib.error.URLError, http.client.HTTPException, OSError, ValueError) as problem:
            reason = problem.reason if isinstance(problem, urllib.error.URLError) else problem
            raise DataError("the download failed", where=url, received=reason, hint="check the network") from None
        if len(content) > MOST_BYTES:
            raise DataError("the download is too long", where=url, expected=f"at most {MOST_BYTES:,} bytes")
        (to / name).write_bytes(content)


def _content(answer: http.client.HTTPResponse) -> bytes:
    """The body, up to one byte more than `MOST_BYTES`. Raises TimeoutError when it takes too long."""
    content, until = bytearray(), time.monotonic() + DOWNLOAD_TIMEOUT
    while len(content) <= MOST_BYTES and (block := answer.read1(1 << 16)):
        content += block
        if time.monotonic() > until:
            raise TimeoutError(f"not finished after {DOWNLOAD_TIMEOUT:.0f} s")
    return bytes(content)


def from_debian(package: str, folder: Path, names: Sequence[str], to: Path, report: Report) -> None:
    """Copy files out of a Debian package into the folder `to`, without installing it and without root.

    Args:
        folder: absolute path at which the package would install the files.

    Raises:
        DataError: this is no Debian, the package cannot be downloaded, or it lacks a file.
    """
    missing = [tool for tool in ("apt-get", "dpkg-deb") if shutil.which(tool) is None]
    if missing:
        raise DataError("this system has no Debian packages", received=f"no {' and no '.join(missing)}")
    report(f"downloading the Debian package {package} (it is not installed)")
    with tempfile.TemporaryDirectory(prefix="cnnlab-apt-") as temporary:
        work = Path(temporary)
        archive = _downloaded_package(package, work, report)
        _run(["dpkg-deb", "-x", archive.name, "content"], work)
        for name in names:
            path = work / "content" / folder.relative_to("/") / name
            if not path.is_file():
                raise DataError(f"the Debian package {package} lacks a file", received=name, where=archive.name)
            shutil.copyfile(path, to / name)


_OLD_LISTS = ("Unable to locate package", "has no candidate", "404 ")
"""What apt-get says when its lists are empty, or name a version that the mirror has since replaced."""

_IMPATIENT = tuple(f"-oAcquire::{scheme}::Timeout={TIMEOUT:.0f}" for scheme in ("http", "https"))


def _downloaded_package(package: str, work: Path, report: Report) -> Path:
    try:
        _run(["apt-get", *_IMPATIENT, "download", package], work)
    except DataError as problem:
        if not any(words in str(problem) for words in _OLD_LISTS):
            raise
        # The lists of a fresh container are empty, and only root may fill them: a private copy needs no one's leave.
        report("apt's package lists are empty or old; fetching private ones")
        private = [*_IMPATIENT, "-o", f"Dir::State::Lists={work / 'lists'}", "-o", f"Dir::Cache={work / 'cache'}"]
        (work / "lists" / "partial").mkdir(parents=True)
        (work / "cache" / "archives" / "partial").mkdir(parents=True)
        _run(["apt-get", *private, "update"], work)
        _run(["apt-get", *private, "download", package], work)
    archives = sorted(work.glob(f"{package}_*.deb"))
    if not archives:
        raise DataError("apt-get downloaded nothing", received=package)
    return archives[-1]


def _run(command: Sequence[str], work: Path) -> None:
    """Run a command of apt's family quietly. Raises DataError with its last words when it fails."""
    try:
        done = subprocess.run(
            ["env", "LC_ALL=C", *command],
            cwd=work,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=COMMAND_TIMEOUT,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise DataError(f"{command[0]} took longer than {COMMAND_TIMEOUT:.0f} s", received=" ".join(command)) from None
    if done.returncode != 0:
        words = [line for line in (done.stderr or done.stdout).splitlines() if line.strip()]
        raise DataError(f"{command[0]} failed", received=" / ".join(words[-3:]) or f"exit status {done.returncode}")

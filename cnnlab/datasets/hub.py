"""Fetch the files of a Hugging Face data set at one commit, each verified and stored whole or not at all."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from cnnlab.datasets.listing import display
from cnnlab.datasets.pictures import Report
from cnnlab.errors import DataError, StoreError, did_you_mean
from cnnlab.spec import SHA256, HubSource
from cnnlab.store.files import replace_file

TIMEOUT = 20.0
"""Seconds without an answer after which the hub is given up when asked what it has."""

LISTING = ".hub.json"
"""File of the folder that remembers what the hub has at the commit, so that later calls need no network."""

_HEADERS = {"user-agent": "cnnlab"}
"""Sent instead of the library's own text, which tells the hub what else is installed."""

_MOST_SHOWN = 20


@dataclass(frozen=True)
class _HubFile:
    """A file of the repository: its size in bytes, and its sha256 as far as it is known."""

    name: str
    size: int
    sha256: str | None


def fetch_repository(source: HubSource, folder: Path, report: Report, *, endpoint: str | None = None) -> list[Path]:
    """Download the wanted files into `folder`, under their names in the repository. What is there is kept.

    Once all are there, the folder can be used without network, also as a copy on another computer.

    Args:
        endpoint: address of the hub; None for the one that `huggingface_hub` uses (environment variable HF_ENDPOINT).

    Returns:
        The paths of all wanted files, sorted by name.

    Raises:
        DataError: huggingface_hub is not installed; the hub cannot be reached, does not have the commit or any wanted
            file, or answers with nonsense; a file's name is unsafe; its sha256 is unknown, or not that of its content;
            the disk is full.
    """
    hub = _Hub(source, folder, endpoint)
    stored = _stored_listing(source, folder)
    listing = stored or hub.listing()
    files = _expected(source, listing)
    with _storing(folder):
        missing = [file for file in files if not _is_whole(folder / file.name, file, report)]
        if missing:
            folder.mkdir(parents=True, exist_ok=True)
            _check_space(folder, missing)
            _download(hub, missing, folder, report)
        if stored is None:
            _store_listing(source, folder, listing)
    return [folder / file.name for file in files]


class _Hub:
    """The hub, asked about one repository."""

    def __init__(self, source: HubSource, folder: Path, endpoint: str | None) -> None:
        try:
            import huggingface_hub
        except ImportError:
            hint = "pip install huggingface_hub"
            raise DataError("data sets of Hugging Face need huggingface_hub", hint=hint) from None
        self.source, self.folder = source, folder
        self.api = huggingface_hub.HfApi(endpoint=endpoint, headers=dict(_HEADERS))
        self.where = f"{self.api.endpoint}/datasets/{source.repo} at {source.revision}"

    def listing(self) -> list[_HubFile]:
        """Every file that matches a pattern, with what the hub says about it."""
        from huggingface_hub.utils import filter_repo_objects

        source = self.source
        with self._asking():
            try:
                info = self.api.dataset_info(
                    source.repo, revision=source.revision, files_metadata=True, timeout=TIMEOUT
                )
            except (TypeError, KeyError, AttributeError, RecursionError) as problem:
                # What huggingface_hub raises when the answer is JSON of another form.
                raise ValueError(f"{type(problem).__name__}: {problem}") from None
            if info.sha != source.revision:
                raise ValueError(f"the commit {info.sha}")
            every = [_hub_file(sibling.rfilename, sibling.size, sibling.lfs) for sibling in info.siblings or ()]
            found = list(filter_repo_objects(every, allow_patterns=list(source.files), key=lambda file: file.name))
        if not found:
            raise DataError(
                "the data set on the hub has none of the wanted files",
                where=self.where,
                received=_shown([file.name for file in every]) or "no file at all",
                expected="files that match " + " or ".join(source.files),
            )
        return found

    def download(self, file: _HubFile, to: Path) -> Path:
        """Download one file below the folder `to`, unverified."""
        with self._asking(file.name):
            return Path(
                self.api.hf_hub_download(
                    self.source.repo,
                    file.name,
                    repo_type="dataset",
                    revision=self.source.revision,
                    local_dir=to,
                )
            )

    @contextmanager
    def _asking(self, name: str | None = None) -> Iterator[None]:
        """Whatever goes wrong between here and the hub, as a DataError; the disk's errors in a download stay OSError."""
        import httpx2

        try:
            yield
        except (OSError, httpx2.HTTPError, httpx2.InvalidURL, ValueError, RuntimeError) as problem:
            if name and type(problem).__module__ == "builtins" and getattr(problem, "errno", None) is not None:
                raise
            raise self._problem(problem, name) from None

    def _problem(self, problem: BaseException, name: str | None) -> DataError:
        from huggingface_hub import errors

        if isinstance(problem, errors.LocalEntryNotFoundError) and problem.__cause__ is not None:
            problem = problem.__cause__
        where = self.where if name is None else f"{name} of {self.where}"
        said = getattr(problem, "server_message", None) or str(problem) or type(problem).__name__
        said = " ".join(display(said).split())[:500]
        if isinstance(problem, errors.HfHubHTTPError):
            status = problem.response.status_code
            return DataError(
                "the hub refused", where=where, received=f"HTTP {status}: {said}", hint=_hint(status, self.folder)
            )
        if isinstance(problem, OSError) or type(problem).__module__.startswith("httpx"):
            return DataError(
                "the connection to the hub failed", where=where, received=said, hint=_hint(None, self.folder)
            )
        return DataError("the hub's answer cannot be used", where=where, received=said)


def _hint(status: int | None, folder: Path) -> str:
    """What to do about an answer with this HTTP status, or about no answer."""
    if status in (401, 403):
        return (
            "check `repo`; if the data set is private or has terms to accept, accept them on its page "
            "and log in with `hf auth login`, or set the environment variable HF_TOKEN"
        )
    if status == 404:
        return (
            "check `repo` and `revision`: the commit is on the data set's page, under “Files and versions”, “History”"
        )
    if status is not None:
        return "try again later"
    return (
        "check the network, its proxy and the environment variables HF_ENDPOINT and HF_HUB_OFFLINE; without network, "
        f"fetch on another computer and copy its whole data folder, with hidden files, to {folder}"
    )


def _hub_file(name: Any, size: Any, lfs: Any) -> _HubFile:
    """A checked entry of a listing. Raises ValueError when it is none."""
    digest = lfs["sha256"] if isinstance(lfs, Mapping) else lfs
    size = lfs["size"] if isinstance(lfs, Mapping) else size
    if not isinstance(name, str) or type(size) is not int or size < 0:
        raise ValueError(f"a file {str(name)[:200]} of {str(size)[:20]} bytes")
    if digest is not None and not (isinstance(digest, str) and re.fullmatch(SHA256, digest)):
        raise ValueError(f"the sha256 {str(digest)[:70]} of {name[:200]}")
    return _HubFile(name, size, digest)


def _expected(source: HubSource, files: Sequence[_HubFile]) -> list[_HubFile]:
    """The files sorted by name, with the lab's pins; refused when a name is unsafe or pins and hub disagree."""
    by_name = {file.name: file for file in files}
    for name, pin in source.sha256.items():
        if name not in by_name:
            hint = did_you_mean(name, by_name)
            raise DataError(
                "the lab pins a file that is not wanted, or not there", where=source.repo, received=name, hint=hint
            )
        known = by_name[name].sha256
        if known not in (None, pin):
            raise DataError(
                "the hub has another file than the lab pins",
                where=f"{name} of {source.repo} at {source.revision}",
                received=f"sha256 {known}",
                expected=f"sha256 {pin}",
            )
        by_name[name] = replace(by_name[name], sha256=pin)
    for name in by_name:
        _check_name(name, source)
    return [by_name[name] for name in sorted(by_name)]


def _check_name(name: str, source: HubSource) -> None:
    if "\\" in name or not name.isprintable() or any(not part or part.startswith(".") for part in name.split("/")):
        raise DataError(
            "the data set on the hub has a file with an unsafe name",
            where=f"{source.repo} at {source.revision}",
            received=display(name)[:200],
            expected="a path inside the repository, without hidden parts, backslashes or control characters",
        )


def _is_whole(path: Path, file: _HubFile, report: Report) -> bool:
    """Whether a file is there with the right content."""
    if file.sha256 is None or not path.is_file():
        return False
    whole = path.stat().st_size == file.size and _digest(path) == file.sha256
    if not whole:
        report(f"{path} is not what it should be; fetching it again")
    return whole


def _digest(path: Path) -> str:
    with path.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


def _check_space(folder: Path, missing: Sequence[_HubFile]) -> None:
    needed, free = sum(file.size for file in missing), shutil.disk_usage(folder).free
    if needed > free:
        raise DataError(
            "the disk has too little space for the data set",
            where=folder,
            received=f"{free / 1e6:,.1f} MB free",
            expected=f"at least {needed / 1e6:,.1f} MB",
            hint="free some space, or choose another data folder with the environment variable CNNLAB_DATA",
        )


def _download(hub: _Hub, missing: Sequence[_HubFile], folder: Path, report: Report) -> None:
    """Download files through a temporary folder beside them, on the same disk."""
    with tempfile.TemporaryDirectory(prefix=".fetching-", dir=folder) as temporary:
        _refuse_unknown(hub, [file for file in missing if file.sha256 is None], Path(temporary))
        for number, file in enumerate(missing, 1):
            report(f"downloading {file.name} ({number} of {len(missing)}, {file.size / 1e6:,.1f} MB)")
            path = hub.download(file, Path(temporary))
            if (digest := _digest(path)) != file.sha256:
                raise DataError(
                    "the downloaded file is damaged or not the right one",
                    where=f"{file.name} of {hub.where}",
                    received=f"sha256 {digest}",
                    expected=f"sha256 {file.sha256}",
                    hint="try again; if it stays so, empty the cache of huggingface_hub, or correct the lab's pin",
                )
            (folder / file.name).parent.mkdir(parents=True, exist_ok=True)
            path.replace(folder / file.name)


def _refuse_unknown(hub: _Hub, unknown: Sequence[_HubFile], temporary: Path) -> None:
    """Files of which nobody says what they should be are only fetched to tell which digests the lab may pin."""
    if unknown:
        pins = [f'"{file.name}" = "{_digest(hub.download(file, temporary))}"' for file in unknown[:_MOST_SHOWN]]
        raise DataError(
            "the hub does not know the sha256 of some wanted files",
            where=hub.where,
            received=_shown([file.name for file in unknown]),
            hint=f"if these are the right files, pin what they are now: sha256 = {{ {', '.join(pins)} }}",
        )


@contextmanager
def _storing(folder: Path) -> Iterator[None]:
    try:
        yield
    except (OSError, StoreError) as problem:
        raise DataError(
            "the fetched data cannot be stored",
            where=folder,
            received=problem.received if isinstance(problem, StoreError) else problem.strerror or str(problem),
            hint="free some space, or choose another data folder with the environment variable CNNLAB_DATA",
        ) from None


def _identity(source: HubSource) -> dict[str, Any]:
    """What the listing depends on: at one commit it can never change."""
    return source.model_dump(mode="json", include={"repo", "revision", "files"})


def _store_listing(source: HubSource, folder: Path, files: Sequence[_HubFile]) -> None:
    listing = {**_identity(source), "listing": [asdict(file) for file in files]}
    replace_file(folder / LISTING, json.dumps(listing, indent=1).encode("ascii"))


def _stored_listing(source: HubSource, folder: Path) -> list[_HubFile] | None:
    """What an earlier call learnt about this commit and these patterns; None when there is none, or it is damaged."""
    try:
        stored = json.loads((folder / LISTING).read_bytes())
        if {key: stored[key] for key in _identity(source)} != _identity(source):
            return None
        return [_hub_file(file["name"], file["size"], file["sha256"]) for file in stored["listing"]] or None
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None


def _shown(names: Sequence[str]) -> str:
    more = f" and {len(names) - _MOST_SHOWN} more" if len(names) > _MOST_SHOWN else ""
    return ", ".join(display(name)[:200] for name in names[:_MOST_SHOWN]) + more

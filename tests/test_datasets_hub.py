"""Fetching from a hub: a local server with the hub's endpoints, good, wrong, hostile, or not there at all."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest
from huggingface_hub import close_session, constants
from huggingface_hub.utils import disable_progress_bars
from pydantic import ValidationError

from cnnlab.datasets.hub import LISTING, fetch_repository
from cnnlab.datasets.pictures import silent
from cnnlab.errors import DataError
from cnnlab.spec import HubSource

COMMIT = "0123456789abcdef0123456789abcdef01234567"
REPO = "lab/insects"


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


class Hub(ThreadingHTTPServer):
    """A hub with one data set. `lfs` are files with a sha256, `plain` those without; `answers` override paths."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.lfs: dict[str, bytes] = {"data/train-0.parquet": b"T" * 5000, "data/test-0.parquet": b"E" * 300}
        self.plain: dict[str, bytes] = {"README.md": b"# Insects"}
        self.answers: dict[str, tuple[int, dict[str, str], bytes]] = {}
        self.served: dict[str, bytes] = {}
        self.asked: list[str] = []
        self.agents: set[str] = set()

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def siblings(self) -> list[dict[str, Any]]:
        def lfs(content: bytes) -> dict[str, Any]:
            return {"sha256": sha256(content), "size": len(content), "pointerSize": 130}

        large = [{"rfilename": name, "size": len(c), "blobId": "0" * 40, "lfs": lfs(c)} for name, c in self.lfs.items()]
        return large + [{"rfilename": name, "size": len(c), "blobId": "1" * 40} for name, c in self.plain.items()]

    def downloads(self) -> list[str]:
        return sorted(path.split(COMMIT + "/")[1] for path in self.asked if path.startswith("GET /datasets/"))


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Hub

    def log_message(self, format: str, *args: object) -> None:
        """Quiet."""

    def do_HEAD(self) -> None:
        self._answer(body=False)

    def do_GET(self) -> None:
        self._answer(body=True)

    def _answer(self, *, body: bool) -> None:
        path = unquote(urlsplit(self.path).path)
        self.server.asked.append(f"{self.command} {path}")
        self.server.agents.add(self.headers["User-Agent"])
        status, headers, content = self.server.answers.get(path) or self._found(path)
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if body:
            self.wfile.write(content)

    def _found(self, path: str) -> tuple[int, dict[str, str], bytes]:
        hub = self.server
        if path == f"/api/datasets/{REPO}/revision/{COMMIT}":
            return 200, {}, json.dumps({"id": REPO, "sha": COMMIT, "siblings": hub.siblings()}).encode()
        if path.startswith("/api/"):
            return 404, {"X-Error-Code": "RevisionNotFound", "X-Error-Message": "Invalid rev id: \x1b[31m"}, b"{}"
        name = path.removeprefix(f"/datasets/{REPO}/resolve/{COMMIT}/")
        listed = hub.lfs.get(name) or hub.plain[name]
        headers = {"X-Repo-Commit": COMMIT, "ETag": f'"{"a" * 40}"'}
        if name in hub.lfs:
            headers |= {"X-Linked-Etag": f'"{sha256(listed)}"', "X-Linked-Size": str(len(listed))}
        return 200, headers, hub.served.get(name, listed)


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    """A hub that runs; nothing of the user's own account, cache or proxy takes part."""
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hf"))
    monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(tmp_path / "token"))
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_IMPLICIT_TOKEN", True)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    disable_progress_bars()
    close_session()
    with Hub() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        close_session()
        server.shutdown()
        thread.join()


def source(**changes: object) -> HubSource:
    return HubSource.model_validate({"repo": REPO, "revision": COMMIT, **changes})


def fetch(hub: Hub, folder: Path, **changes: object) -> list[Path]:
    return fetch_repository(source(**changes), folder, silent, endpoint=hub.endpoint)


def refused(hub: Hub, folder: Path, **changes: object) -> DataError:
    with pytest.raises(DataError) as raised:
        fetch(hub, folder, **changes)
    return raised.value


def files_in(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def test_the_wanted_files_are_fetched_and_nothing_else(hub: Hub, tmp_path: Path) -> None:
    folder, told = tmp_path / "data" / "insects", list[str]()
    paths = fetch_repository(source(), folder, told.append, endpoint=hub.endpoint)
    assert paths == [folder / "data/test-0.parquet", folder / "data/train-0.parquet"]
    assert [path.read_bytes() for path in paths] == [b"E" * 300, b"T" * 5000]
    assert files_in(folder) == [LISTING, "data/test-0.parquet", "data/train-0.parquet"]
    assert told == [
        "downloading data/test-0.parquet (1 of 2, 0.0 MB)",
        "downloading data/train-0.parquet (2 of 2, 0.0 MB)",
    ]
    assert hub.agents == {"cnnlab"}


def test_the_environment_says_where_the_hub_is(hub: Hub, tmp_path: Path) -> None:
    # In a process of its own: HF_ENDPOINT is read when huggingface_hub is imported, which has long happened here.
    program = f"""
from pathlib import Path
from cnnlab.datasets.hub import fetch_repository
from cnnlab.spec import HubSource
source = HubSource(repo={REPO!r}, revision={COMMIT!r}, files=("data/test*",))
print(fetch_repository(source, Path("a"), print))
"""
    environment = {**os.environ, "HF_ENDPOINT": hub.endpoint, "HF_HOME": str(tmp_path / "hf"), "HF_HUB_OFFLINE": "0"}
    environment["PYTHONPATH"] = str(Path(__file__).parents[1])
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, env=environment, capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines()[-1] == "[PosixPath('a/data/test-0.parquet')]"
    assert (tmp_path / "a/data/test-0.parquet").read_bytes() == b"E" * 300
    assert done.stderr == ""


def test_a_second_fetch_needs_no_network(hub: Hub, tmp_path: Path) -> None:
    paths = fetch(hub, tmp_path / "a")
    hub.asked.clear()
    assert fetch(hub, tmp_path / "a") == paths
    shutil.copytree(tmp_path / "a", tmp_path / "copy")
    assert [path.read_bytes() for path in fetch(hub, tmp_path / "copy")] == [b"E" * 300, b"T" * 5000]
    assert hub.asked == []


def test_a_damaged_or_missing_file_is_fetched_again_alone(hub: Hub, tmp_path: Path) -> None:
    test, train = fetch(hub, tmp_path / "a")
    train.write_bytes(b"X" * 5000)
    hub.asked.clear()
    told: list[str] = []
    fetch_repository(source(), tmp_path / "a", told.append, endpoint=hub.endpoint)
    assert hub.downloads() == ["data/train-0.parquet"] and train.read_bytes() == b"T" * 5000
    assert told[0] == f"{train} is not what it should be; fetching it again"
    test.unlink()
    (tmp_path / "a" / LISTING).write_text("{")
    hub.asked.clear()
    fetch(hub, tmp_path / "a")
    assert hub.downloads() == ["data/test-0.parquet"] and test.read_bytes() == b"E" * 300


def test_an_interrupted_fetch_goes_on_where_it_was(hub: Hub, tmp_path: Path) -> None:
    path = f"/datasets/{REPO}/resolve/{COMMIT}/data/train-0.parquet"
    hub.answers[path] = (404, {"X-Error-Code": "EntryNotFound"}, b"")
    problem = refused(hub, tmp_path / "a")
    assert problem.what == "the hub refused" and str(problem.received).startswith("HTTP 404: ")
    assert files_in(tmp_path / "a") == ["data/test-0.parquet"]
    hub.answers.clear()
    hub.asked.clear()
    fetch(hub, tmp_path / "a")
    assert hub.downloads() == ["data/train-0.parquet"]


def test_another_revision_or_other_patterns_ask_the_hub_again(hub: Hub, tmp_path: Path) -> None:
    fetch(hub, tmp_path / "a", files=["data/test*"])
    assert fetch(hub, tmp_path / "a") == [tmp_path / "a/data/test-0.parquet", tmp_path / "a/data/train-0.parquet"]
    assert hub.downloads() == ["data/test-0.parquet", "data/train-0.parquet"]
    assert refused(hub, tmp_path / "a", revision="f" * 40).what == "the hub refused"


def test_bytes_that_are_not_those_of_the_checksum(hub: Hub, tmp_path: Path) -> None:
    hub.served["data/train-0.parquet"] = b"F" * 5000
    problem = refused(hub, tmp_path / "a", files=["*train*"])
    assert problem.what == "the downloaded file is damaged or not the right one"
    assert problem.received == f"sha256 {sha256(b'F' * 5000)}" and problem.expected == f"sha256 {sha256(b'T' * 5000)}"
    assert files_in(tmp_path / "a") == [] and list((tmp_path / "a").iterdir()) == []


def test_a_file_cut_short(hub: Hub, tmp_path: Path) -> None:
    hub.served["data/train-0.parquet"] = b"T" * 4000
    problem = refused(hub, tmp_path / "a", files=["*train*"])
    assert problem.what == "the connection to the hub failed" and "has size 4000" in str(problem.received)
    assert list((tmp_path / "a").iterdir()) == []


def test_a_commit_that_is_not_there(hub: Hub, tmp_path: Path) -> None:
    problem = refused(hub, tmp_path / "a", revision="f" * 40)
    assert problem.what == "the hub refused"
    assert problem.where == f"{hub.endpoint}/datasets/{REPO} at {'f' * 40}"
    assert problem.received == "HTTP 404: Invalid rev id: \N{REPLACEMENT CHARACTER}[31m"
    assert problem.hint is not None and problem.hint.startswith("check `repo` and `revision`")
    assert not (tmp_path / "a").exists()


@pytest.mark.parametrize(
    ("status", "code", "hint"),
    [(401, "RepoNotFound", "check `repo`; if"), (403, "GatedRepo", "check `repo`; if"), (503, "", "try again later")],
)
def test_what_the_hub_refuses(hub: Hub, tmp_path: Path, status: int, code: str, hint: str) -> None:
    said = {"X-Error-Code": code, "X-Error-Message": "not for you"}
    hub.answers[f"/api/datasets/{REPO}/revision/{COMMIT}"] = (status, said, b"")
    problem = refused(hub, tmp_path / "a")
    assert (problem.what, problem.received) == ("the hub refused", f"HTTP {status}: not for you")
    assert problem.hint is not None and problem.hint.startswith(hint)


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("revision", "main", "a branch or tag can be moved to other data"),
        ("revision", COMMIT[:12], "40 hexadecimal digits"),
        ("revision", COMMIT + "\n", "40 hexadecimal digits"),
        ("repo", "insects", "expected “owner/name”"),
        ("repo", "../insects", "expected “owner/name”"),
        ("repo", "lab/a..b", "expected “owner/name”"),
        ("repo", "lab/a.git", "expected “owner/name”"),
        ("files", [], "at least 1 item"),
        ("sha256", {"a": "0" * 63}, "should match pattern"),
    ],
)
def test_sources_that_name_no_fixed_data(field: str, value: object, message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        source(**{field: value})


def test_a_server_that_is_not_there(hub: Hub, tmp_path: Path) -> None:
    with Hub() as other:
        nowhere = other.endpoint
    with pytest.raises(DataError) as raised:
        fetch_repository(source(), tmp_path / "a", silent, endpoint=nowhere)
    assert raised.value.what == "the connection to the hub failed"
    assert raised.value.where == f"{nowhere}/datasets/{REPO} at {COMMIT}"
    assert raised.value.hint is not None and raised.value.hint.endswith(f"to {tmp_path / 'a'}")


def test_offline_mode_is_named(hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    assert "HF_HUB_OFFLINE" in str(refused(hub, tmp_path / "a").received)
    assert hub.asked == []


@pytest.mark.parametrize(
    "name",
    [
        "../evil.parquet",
        "data/../../evil.parquet",
        "/tmp/evil.parquet",
        "data//evil.parquet",
        "..\\evil.parquet",
        ".cache/evil.parquet",
        "data/ev\x1b[2Jil.parquet",
    ],
)
def test_hostile_file_names(hub: Hub, tmp_path: Path, name: str) -> None:
    hub.lfs[name] = b"evil"
    problem = refused(hub, tmp_path / "deep" / "a")
    assert problem.what == "the data set on the hub has a file with an unsafe name"
    assert "\x1b" not in str(problem)
    assert hub.downloads() == [] and files_in(tmp_path) == []


def test_a_hostile_listing_beside_the_files(hub: Hub, tmp_path: Path) -> None:
    fetch(hub, tmp_path / "a")
    listing = json.loads((tmp_path / "a" / LISTING).read_text())
    listing["listing"][0]["name"] = "../a.parquet"
    (tmp_path / "a" / LISTING).write_text(json.dumps(listing))
    assert refused(hub, tmp_path / "a").what == "the data set on the hub has a file with an unsafe name"


@pytest.mark.parametrize(
    "answer",
    [
        b"<html>",
        b"[]",
        b'{"id": "lab/insects"}',
        b'{"id": "lab/insects", "sha": "main", "siblings": []}',
        b'{"id": "x", "sha": "%s", "siblings": [{"name": "a.parquet"}]}' % COMMIT.encode(),
        b'{"id": "x", "sha": "%s", "siblings": [{"rfilename": ["a"], "size": 1}]}' % COMMIT.encode(),
        b'{"id": "x", "sha": "%s", "siblings": [{"rfilename": "a.parquet", "size": "1"}]}' % COMMIT.encode(),
        b'{"id": "x", "sha": "%s", "siblings": [{"rfilename": "a.parquet", "size": -1}]}' % COMMIT.encode(),
        b'{"id": "x", "sha": "%s", "siblings": [{"rfilename": "a.parquet", "lfs": "x"}]}' % COMMIT.encode(),
        b'{"id": "x", "sha": "%s", "siblings": [{"rfilename": "a", "lfs": '
        b'{"sha256": "../x", "size": 1, "pointerSize": 1}}]}' % COMMIT.encode(),
    ],
)
def test_answers_that_make_no_sense(hub: Hub, tmp_path: Path, answer: bytes) -> None:
    hub.answers[f"/api/datasets/{REPO}/revision/{COMMIT}"] = (200, {}, answer)
    assert refused(hub, tmp_path / "a").what == "the hub's answer cannot be used"
    assert not (tmp_path / "a").exists()


def test_no_wanted_file(hub: Hub, tmp_path: Path) -> None:
    problem = refused(hub, tmp_path / "a", files=["*.csv"])
    assert problem.what == "the data set on the hub has none of the wanted files"
    assert problem.received == "data/train-0.parquet, data/test-0.parquet, README.md"


def test_a_file_without_checksum_must_be_pinned_by_the_lab(hub: Hub, tmp_path: Path) -> None:
    hub.plain["small.parquet"] = b"S" * 40
    problem = refused(hub, tmp_path / "a")
    digest = sha256(b"S" * 40)
    assert problem.what == "the hub does not know the sha256 of some wanted files"
    assert problem.received == "small.parquet"
    assert problem.hint is not None and problem.hint.endswith(f'sha256 = {{ "small.parquet" = "{digest}" }}')
    assert list((tmp_path / "a").iterdir()) == []
    assert fetch(hub, tmp_path / "a", sha256={"small.parquet": digest})[-1].read_bytes() == b"S" * 40
    assert refused(hub, tmp_path / "a").what == problem.what


def test_pins_by_the_lab_hold_against_the_hub(hub: Hub, tmp_path: Path) -> None:
    pins = {"data/test-0.parquet": sha256(b"E" * 300)}
    assert len(fetch(hub, tmp_path / "a", sha256=pins)) == 2
    for folder in (tmp_path / "a", tmp_path / "b"):
        problem = refused(hub, folder, sha256={"data/test-0.parquet": "0" * 64})
        assert problem.what == "the hub has another file than the lab pins"
        assert problem.received == f"sha256 {sha256(b'E' * 300)}"
    hub.plain["small.parquet"] = b"S" * 40
    problem = refused(hub, tmp_path / "b", files=["small*"], sha256={"small.parquet": "0" * 64})
    assert problem.what == "the downloaded file is damaged or not the right one"
    assert list((tmp_path / "b").iterdir()) == []


def test_a_pin_of_a_file_that_is_not_wanted(hub: Hub, tmp_path: Path) -> None:
    problem = refused(hub, tmp_path / "a", sha256={"data/tset-0.parquet": "0" * 64})
    assert problem.what == "the lab pins a file that is not wanted, or not there"
    assert problem.hint == "did you mean “data/test-0.parquet”?"


def test_a_disk_that_is_too_small(hub: Hub, tmp_path: Path) -> None:
    size = 1 << 60
    large = {"rfilename": "a.parquet", "size": 1, "lfs": {"sha256": "0" * 64, "size": size, "pointerSize": 1}}
    answer = json.dumps({"id": REPO, "sha": COMMIT, "siblings": [large]}).encode()
    hub.answers[f"/api/datasets/{REPO}/revision/{COMMIT}"] = (200, {}, answer)
    problem = refused(hub, tmp_path / "a")
    assert problem.what == "the disk has too little space for the data set"
    assert problem.expected == f"at least {size / 1e6:,.1f} MB" and hub.downloads() == []


def test_a_folder_that_cannot_be_written(hub: Hub, tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "data").write_text("in the way")
    problem = refused(hub, tmp_path / "a")
    assert (problem.what, problem.received) == ("the fetched data cannot be stored", "File exists")
    assert files_in(tmp_path / "a") == ["data"]


def test_without_huggingface_hub_the_extra_is_named(hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    assert refused(hub, tmp_path / "a").hint == "pip install huggingface_hub"

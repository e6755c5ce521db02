"""What is asked of a hub and what its answers mean, against a local server with the hub's endpoints."""

from __future__ import annotations

import hashlib
import json
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
from huggingface_hub import close_session, constants
from huggingface_hub.utils import disable_progress_bars
from pydantic import ValidationError

from cnnlab.datasets.fetch import fetch_repository
from cnnlab.errors import DataError
from cnnlab.spec import HubSource

COMMIT = "0123456789abcdef0123456789abcdef01234567"
REPO = "lab/insects"


class Hub(ThreadingHTTPServer):
    """A hub with one data set of these files."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.files = {"data/train-0.parquet": b"T" * 5000, "data/test-0.parquet": b"E" * 300, "README.md": b"# Insects"}
        self.agents: set[str] = set()
        self.endpoint = f"http://127.0.0.1:{self.server_port}"


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Hub

    def log_message(self, format: str, *args: object) -> None:
        """Quiet."""

    def do_GET(self) -> None:
        path, files = unquote(urlsplit(self.path).path), self.server.files
        self.server.agents.add(self.headers["User-Agent"])
        digests = {name: hashlib.sha1(one).hexdigest() for name, one in files.items()}
        name = path.removeprefix(f"/datasets/{REPO}/resolve/{COMMIT}/")
        status, content, headers = 404, b"{}", {"X-Error-Code": "RevisionNotFound", "X-Error-Message": "no \x1b[31m"}
        if path == f"/api/datasets/{REPO}/tree/{COMMIT}":
            tree = [{"type": "file", "path": one, "size": len(files[one]), "oid": digests[one]} for one in files]
            status, content, headers = 200, json.dumps(tree).encode(), {}
        elif name in files:
            status, content, headers = 200, files[name], {"X-Repo-Commit": COMMIT, "ETag": f'"{digests[name]}"'}
        self.send_response(status)
        for key, value in {**headers, "Content-Length": str(len(content))}.items():
            self.send_header(key, value)
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(content)

    do_HEAD = do_GET  # noqa: N815


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


def fetch(hub: Hub, folder: Path, **changes: object) -> list[Path]:
    source = HubSource.model_validate({"repo": REPO, "revision": COMMIT, **changes})
    return fetch_repository(source, folder, endpoint=hub.endpoint)


def test_the_wanted_files_are_fetched_once_and_nothing_else(hub: Hub, tmp_path: Path) -> None:
    folder = tmp_path / "data" / "insects"
    digest = hashlib.sha256(b"E" * 300).hexdigest()
    paths = fetch(hub, folder, sha256={"data/test-0.parquet": digest})
    assert paths == [folder / "data/test-0.parquet", folder / "data/train-0.parquet"]
    assert [path.read_bytes() for path in paths] == [b"E" * 300, b"T" * 5000]
    assert not (folder / "README.md").exists() and hub.agents == {"cnnlab"}
    before = [path.stat().st_mtime_ns for path in paths]
    assert fetch(hub, folder) == paths and [path.stat().st_mtime_ns for path in paths] == before


@pytest.mark.parametrize(
    ("changes", "what", "received"),
    [
        ({"revision": "f" * 40}, "cannot be fetched from the hub", "404"),
        ({"files": ["*.zip"]}, "none of the wanted files", ""),
        ({"sha256": {"data/test-0.parquet": "0" * 64}}, "not the one that the lab pins", "sha256"),
        ({"sha256": {"data/nothing.parquet": "0" * 64}}, "not the one that the lab pins", "no such file"),
    ],
)
def test_what_cannot_be_had_is_one_message(
    hub: Hub, tmp_path: Path, changes: dict[str, object], what: str, received: str
) -> None:
    with pytest.raises(DataError, match=what) as caught:
        fetch(hub, tmp_path / "insects", **changes)
    assert "\x1b" not in str(caught.value) and (received in str(caught.value) or received == "sha256")


def test_no_hub_and_no_library_are_one_message(hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hub.endpoint = "http://127.0.0.1:9"
    with pytest.raises(DataError, match="cannot be fetched") as caught:
        fetch(hub, tmp_path / "insects")
    assert "network" in str(caught.value.hint)
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(DataError) as caught:
        fetch(hub, tmp_path / "insects")
    assert caught.value.hint == "pip install huggingface_hub"


@pytest.mark.parametrize(
    "wrong",
    [{"repo": "insects"}, {"repo": "../lab/insects"}, {"revision": "main"}, {"files": []}, {"sha256": {"a": "b"}}],
)
def test_a_source_is_a_repository_at_a_commit(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        HubSource.model_validate({"repo": REPO, "revision": COMMIT, **wrong})

"""`cnnlab preview`: the page that `cnnlab report` writes, for this machine alone, anew with each change."""

from __future__ import annotations

import html
import http.client
import re
import signal
import socket
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest

from cnnlab.errors import CnnlabError, LabError, printable
from cnnlab.lab import load_lab
from cnnlab.store.store import RunStore
from report.build import page
from report.data.records import open_lab
from report.document.assembly import assemble
from report.evidence.language import Language
from report.preview import Preview, serve
from tests.command import served
from tests.fabricate import write_store

TEXT = "{# reviewed #}\n\nThe accuracy is {{ test|interval }}. "


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Reports of all tests, so that each figure is drawn once."""
    return tmp_path_factory.mktemp("out")


@pytest.fixture
def lab(tmp_path: Path, write_lab: Callable[..., Path]) -> Path:
    write_store(tmp_path / "runs", stem="mine")
    return write_lab({'title = "A test"': 'title = "A test"\nlanguage = "en"'})


@pytest.fixture
def preview(lab: Path, out: Path) -> Preview:
    return Preview(partial(load_lab, str(lab)), RunStore(lab.parent / "runs"), out)


def write(lab: Path, text: str, name: str = "commentary/en/activity-09.md.j2") -> Path:
    path = lab.with_suffix("") / "templates" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def shown(preview: Preview) -> str:
    preview.refresh()
    return preview.live()


def is_the_reports(text: str, lab: Path, out: Path) -> bool:
    """Whether the previewed page, without what the preview adds to it, is as `cnnlab report` writes it from nothing."""
    loaded = load_lab(str(lab))
    document = assemble(open_lab(RunStore(lab.parent / "runs"), "mine"), loaded, Language("en"))
    text = re.sub(r'<link rel="icon" href="data:,"><script data-version=.*?</script>(?=</head>)', "", text, flags=re.S)
    text = re.sub(r"(script-src) 'sha256-[^']*'( 'sha256-[^']*'.*?); connect-src 'self'", r"\1\2", text, count=1)
    return text == printable(page(document, loaded, out / "mine", "screen"))


def problem_of(text: str) -> str:
    found = re.search('<pre id="cnnlab-problem"[^>]*>(.*?)</pre>', text, re.S)
    return html.unescape(found[1]) if found else ""


def test_the_page_is_the_reports_but_for_the_script_and_follows_edits(lab: Path, out: Path, preview: Preview) -> None:
    first, version = shown(preview), preview.version
    assert "setInterval" in first and is_the_reports(first, lab, out) and shown(preview) == first
    write(lab, TEXT + "Twice {{ best.name }}.")
    assert "The accuracy is <data" in shown(preview) and preview.version != version
    lab.write_text(lab.read_text().replace("A test", "Another title"))
    assert "Another title" in shown(preview) and is_the_reports(preview.live(), lab, out)


MISTAKES = [
    ("commentary/en/activity-09.md.j2", "{# reviewed #}\n\nIt is {{ tets }}.\n", ", line 3\n  received: tets"),
    ("commentary/en/activity-09.md.j2", '{{ cite("<img onerror=x>") }}', "received: <img onerror=x>"),
    ("section.html.j2", "\n{% block %}\n", "section.html.j2, line 2"),
    ("section.html.j2", "\n{{ 1 + 'a' }}\n", "line 2, in"),
    ("../../mine.toml", "[lab]\n", "mine.toml"),
]


@pytest.mark.parametrize(("name", "text", "said"), MISTAKES)
def test_a_mistake_is_shown_over_the_page_until_it_is_mended(
    lab: Path, preview: Preview, name: str, text: str, said: str
) -> None:
    good, before = shown(preview), lab.read_text()
    path = write(lab, text, name)
    assert said in problem_of(shown(preview)) and path.name in problem_of(preview.live())
    assert "AlexNet" in preview.live() and "<img onerror" not in preview.live()
    path.write_text(before) if path.suffix == ".toml" else path.unlink()
    assert shown(preview) == good


def test_a_lab_that_was_never_run_waits_for_its_runs(write_lab: Callable[..., Path], out: Path, tmp_path: Path) -> None:
    preview = Preview(partial(load_lab, str(write_lab())), RunStore(tmp_path / "runs"), out)
    assert "cnnlab run" in problem_of(shown(preview)) and "No page could be built yet" in preview.live()
    write_store(tmp_path / "runs", stem="mine")
    assert problem_of(shown(preview)) == "" and "AlexNet" in preview.live()
    with pytest.raises(LabError, match="there is no such lab"):
        Preview(partial(load_lab, str(tmp_path / "none.toml")), RunStore(tmp_path), tmp_path)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(CnnlabError, match=f"cannot have this port\n  where: 127.0.0.1:{port}"):
            serve(preview, port, print)


@pytest.fixture(scope="module")
def port(tmp_path_factory: pytest.TempPathFactory, out: Path) -> Iterator[int]:
    """Of the command that serves the demo, with TensorFlow and Keras blocked."""
    folder = tmp_path_factory.mktemp("served")
    write_store(folder / "runs")
    with served("demo", out, cwd=folder, block=True) as (_, address):
        yield int(address.rstrip("/").rpartition(":")[2])


def ask(port: int, path: str = "/", method: str = "GET", **headers: str) -> tuple[int, str, str]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    connection.request(method, path, headers={key: value.format(port=port) for key, value in headers.items()})
    answer = connection.getresponse()
    return answer.status, answer.read().decode(), answer.headers["Content-Security-Policy"] or ""


REQUESTS: list[tuple[int, dict[str, str]]] = [
    (200, {}),
    (200, {"Host": "LOCALHOST:{port}"}),
    (200, {"Origin": "http://127.0.0.1:{port}"}),
    *((404, {"path": path}) for path in ("/report.html", "/..%2f..%2fetc/passwd", "/.figures/", "/favicon.ico")),
    *((403, {"Host": h}) for h in ("evil.example:{port}", "127.0.0.1", "127.0.0.1:1", "127.0.0.1:{port}.evil.example", "")),
    *((403, {"Origin": o}) for o in ("http://evil.example", "https://127.0.0.1:{port}", "null", "")),
    (403, {"path": "/version", "Host": "evil.example:{port}"}),
    (501, {"method": "POST"}),
]  # fmt: skip


def test_only_this_machine_gets_the_page_and_nothing_else(port: int) -> None:
    for status, request in REQUESTS:
        found, text, policy = ask(port, **request)
        assert found == status and ("AlexNet" in text) == (status == 200), request
        assert policy == ("frame-ancestors 'none'" if status == 200 else "")


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_the_command_tells_an_edit_and_ends_with_a_signal(lab: Path, out: Path, number: int, code: int) -> None:
    with served("mine.toml", out, cwd=lab.parent, block=True) as (process, address):
        port = int(address.rstrip("/").rpartition(":")[2])
        before = ask(port, "/version")[1]
        write(lab, TEXT + "Just edited.")
        while (version := ask(port, "/version")[1]) == before:
            time.sleep(0.1)
        text = ask(port)[1]
        assert "Just edited." in text and f'data-version="{version}"' in text
        process.send_signal(number)
        stdout, stderr = process.communicate(timeout=20)
    assert (process.returncode, stdout) == (code, "")
    assert "Traceback" not in stderr and "stopped" in stderr

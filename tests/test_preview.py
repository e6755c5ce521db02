"""`cnnlab preview`: the page that `cnnlab report` writes, for this machine alone, anew with each change."""

from __future__ import annotations

import asyncio
import html
import http.client
import json
import re
import shutil
import signal
import socket
import subprocess
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from cnnlab.errors import CnnlabError, LabError, printable
from cnnlab.lab import load_lab
from cnnlab.paths import templates_dir
from cnnlab.store.store import RunStore
from report.build import page
from report.data.records import open_lab
from report.document.assembly import assemble
from report.evidence.language import Language
from report.preview import Preview, Shown, changed_sections, live
from report.preview_server import Live, check_installed, preview_app, serve
from report.render.html import script_hash
from tests.command import served
from tests.fabricate import write_store

PORT = 8123
TEXT = "{# reviewed #}\n\nThe accuracy is {{ test|interval }}. "
SCRIPT = (templates_dir() / "preview" / "reload.js").read_text(encoding="utf-8")


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


def client(preview: Preview, host: str = f"127.0.0.1:{PORT}") -> TestClient:
    return TestClient(preview_app(Live(preview), PORT), base_url=f"http://{host}")


def commentary(lab: Path, text: str, key: str = "activity-09") -> Path:
    return write(lab, f"commentary/en/{key}.md.j2", text)


def write(lab: Path, name: str, text: str) -> Path:
    path = lab.with_suffix("") / "templates" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def reported(lab: Path, out: Path) -> str:
    """The page as `cnnlab report` writes it, from nothing."""
    loaded = load_lab(str(lab))
    document = assemble(open_lab(RunStore(lab.parent / "runs"), "mine"), loaded, Language("en"))
    return printable(page(document, loaded, out / "mine", "screen"))


def without_reloading(text: str) -> str:
    """The previewed page without what the preview adds to it."""
    text = re.sub(
        r'<link rel="icon" href="data:,"><script data-page="\w{16}">.*?</script>(?=</head>)', "", text, flags=re.S
    )
    return text.replace(f" 'sha256-{script_hash(SCRIPT)}'", "", 1).replace("; connect-src 'self'", "", 1)


def problem_of(text: str) -> dict[str, str]:
    """What the panel over the page says."""
    panel = text.partition('<div id="cnnlab-problem"')[2]
    found = {"what": re.findall("<h2>(.*?)</h2>", panel, re.S)[0]} if panel else {}
    return {
        key: html.unescape(value)
        for key, value in [*found.items(), *re.findall("<dt>(.*?)</dt><dd>(.*?)</dd>", panel, re.S)]
    }


def test_the_page_is_the_reports_but_for_the_script(lab: Path, out: Path, preview: Preview) -> None:
    assert preview.refresh()
    served, built = client(preview).get("/"), reported(lab, out)
    assert served.text != built and without_reloading(served.text) == built
    policy = re.findall(r'Content-Security-Policy" content="([^"]*)"', served.text)[0]
    scripts = re.findall(r"<script[^>]*>(.*?)</script>", served.text, re.S)
    assert [f"'sha256-{script_hash(one)}'" in policy for one in scripts] == [True, True]
    assert policy.endswith("form-action 'none'; connect-src 'self'") and "connect-src" not in built
    assert served.headers["cache-control"] == "no-store"
    assert served.headers["content-security-policy"] == "frame-ancestors 'none'"


@pytest.mark.parametrize(
    "path", ["/report.html", "/..%2f..%2fetc/passwd", "/.figures/", "/%2e/", "/events/", "/mine.toml", "/favicon.ico"]
)
def test_nothing_else_is_served(preview: Preview, path: str) -> None:
    assert client(preview).get(path).status_code == 404


@pytest.mark.parametrize("host", [f"127.0.0.1:{PORT}", f"localhost:{PORT}", f"[::1]:{PORT}", f"LOCALHOST:{PORT}"])
def test_its_own_names_are_answered(preview: Preview, host: str) -> None:
    assert client(preview).get("/", headers={"host": host}).status_code == 200
    assert client(preview).get("/", headers={"origin": f"http://{host}"}).status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"host": f"evil.example:{PORT}"},
        {"host": "127.0.0.1"},
        {"host": f"127.0.0.1:{PORT + 1}"},
        {"host": f"127.0.0.1:{PORT}.evil.example"},
        {"host": f"localhost.evil.example:{PORT}"},
        {"host": ""},
        {"origin": "http://evil.example"},
        {"origin": f"https://127.0.0.1:{PORT}"},
        {"origin": f"http://127.0.0.1:{PORT + 1}"},
        {"origin": "null"},
        {"origin": ""},
    ],
)
@pytest.mark.parametrize("path", ["/", "/events", "/else"])
def test_other_names_and_other_sites_are_refused(preview: Preview, path: str, headers: dict[str, str]) -> None:
    answer = client(preview).get(path, headers=headers)
    assert answer.status_code == 403 and "<html" not in answer.text


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS"])
def test_nothing_can_be_sent(preview: Preview, method: str) -> None:
    assert client(preview).request(method, "/").status_code == 405


def test_an_edit_changes_the_page_to_what_a_report_from_nothing_is(lab: Path, out: Path, preview: Preview) -> None:
    preview.refresh()
    before = preview.shown
    assert not preview.refresh(), "nothing changed"
    commentary(lab, TEXT + "Twice {{ best.name }}.")
    assert preview.refresh() and preview.shown.version != before.version
    assert "The accuracy is <data" in client(preview).get("/").text
    assert without_reloading(client(preview).get("/").text) == reported(lab, out)


def test_an_edit_is_told_by_the_sections_that_it_changed(lab: Path, preview: Preview) -> None:
    preview.refresh()
    before = preview.shown
    commentary(lab, TEXT)
    preview.refresh()
    assert preview.shown.before == before.version and preview.shown.sections
    assert "activity-09" in preview.shown.sections and "activity-01" not in preview.shown.sections
    patched = before.page
    for key, text in preview.shown.sections.items():
        (old,) = re.findall(rf'<section [^>]*id="{key}">.*?</section>', patched, re.S)
        patched = patched.replace(old, text)
    hashes = [re.findall(r'"evidence" content="(\w+)"', one)[0] for one in (patched, preview.shown.page)]
    assert patched.replace(*hashes) == preview.shown.page


def test_anything_else_that_changed_asks_for_the_whole_page() -> None:
    page = '<title>a</title><section class="x" id="one">1</section><section class="x" id="two">2</section>'
    assert changed_sections(page, page.replace(">2<", ">3<")) == {"two": '<section class="x" id="two">3</section>'}
    assert changed_sections(page, page.replace("<title>a", "<title>b")) is None
    assert changed_sections(page, page.replace('id="two"', 'id="three"')) is None
    assert changed_sections("", page) is None


def test_evidence_is_computed_again_only_for_new_evidence(
    lab: Path, preview: Preview, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[str] = []
    monkeypatch.setattr("report.preview.open_lab", lambda store, stem: opened.append(stem) or open_lab(store, stem))
    preview.refresh()
    kept = dict(preview._opened.evidence) if preview._opened else {}
    commentary(lab, TEXT)
    preview.refresh()
    assert opened == ["mine"] and len(kept) > 10
    assert preview._opened and all(preview._opened.evidence[key] is one for key, one in kept.items())
    lab.write_text(lab.read_text().replace("A test", "Another"))
    preview.refresh()
    assert opened == ["mine", "mine"] and "<title>Another</title>" in preview.page()


def test_other_runs_change_the_page(lab: Path, out: Path, preview: Preview) -> None:
    preview.refresh()
    shutil.rmtree(lab.parent / "runs")
    write_store(lab.parent / "runs", stem="mine", per_class=30)
    assert preview.refresh()
    assert without_reloading(preview.page()) == reported(lab, out)


def test_style_and_rubric_are_followed(lab: Path, out: Path, preview: Preview) -> None:
    preview.refresh()
    write(lab, "style/screen.css", "main { color: rebeccapurple }")
    assert preview.refresh() and "rebeccapurple" in preview.page()
    rubric = (templates_dir() / "rubrics" / "tarea1.toml").read_text(encoding="utf-8")
    write(lab, "rubrics/tarea1.toml", rubric.replace('label = { en = "Activity', 'label = { en = "Task'))
    assert preview.refresh() and '<span class="number">Task 7</span>' in preview.page()
    assert without_reloading(preview.page()) == reported(lab, out)


@pytest.mark.parametrize(
    ("name", "text", "line", "said"),
    [
        ("commentary/en/activity-09.md.j2", "{# reviewed #}\n\nIt is {{ tets }}.\n", 3, {"received": "tets"}),
        ("commentary/en/activity-09.md.j2", "It is\n{% if test %}\nhere.\n", 2, {}),
        ("section.html.j2", "\n{% block %}\n", 2, {}),
        ("activities/results.html.j2", "\n\n\n{{ section.nonsense }}\n", 4, {}),
        ("activities/results.html.j2", "\n{{ 1 + 'a' }}\n", 2, {"try": "the terminal has the whole traceback"}),
    ],
)
def test_a_mistake_is_shown_over_the_page_until_it_is_mended(
    lab: Path, preview: Preview, name: str, text: str, line: int, said: dict[str, str]
) -> None:
    preview.refresh()
    good = preview.shown
    path = write(lab, name, text)
    assert preview.refresh()
    shown = problem_of(client(preview).get("/").text)
    assert shown["where"] == f"{path}, line {line}" and shown["what"]
    assert said.items() <= shown.items()
    assert preview.shown.page == good.page and json.loads(preview.shown.news)["problem"] in preview.page()
    path.unlink()
    assert preview.refresh() and preview.shown == good and problem_of(preview.page()) == {}


def test_a_broken_lab_file_is_told_and_text_can_be_edited_meanwhile(lab: Path, out: Path, preview: Preview) -> None:
    preview.refresh()
    good = lab.read_text()
    lab.write_text(good.replace("epochs = 2", 'epochs = "two"'))
    assert preview.refresh()
    shown = problem_of(preview.page())
    assert str(lab) in shown["where"] and "epochs" in shown["where"] and shown["received"] == "'two'"
    commentary(lab, TEXT)
    assert not preview.refresh()
    lab.write_text(good)
    assert preview.refresh() and problem_of(preview.page()) == {}
    assert without_reloading(preview.page()) == reported(lab, out)


def test_what_a_mistake_prints_is_no_markup(lab: Path, preview: Preview) -> None:
    commentary(lab, '{{ "<script>alert(1)</script>"|nonsense }}{{ cite("<img onerror=x>") }}')
    commentary(lab, '{{ cite("<img onerror=x>") }}')
    preview.refresh()
    assert "<img onerror" not in preview.page() and problem_of(preview.page())["received"] == "<img onerror=x>"


def test_a_lab_that_was_never_run_waits_for_its_runs(write_lab: Callable[..., Path], out: Path, tmp_path: Path) -> None:
    lab = write_lab({'title = "A test"': 'title = "A test"\nlanguage = "en"'})
    preview = Preview(partial(load_lab, str(lab)), RunStore(tmp_path / "runs"), out)
    assert preview.refresh()
    text = client(preview).get("/").text
    assert problem_of(text)["what"] and preview.shown.page == "" and SCRIPT in text
    policy = re.findall(r'Content-Security-Policy" content="([^"]*)"', text)[0]
    assert f"script-src 'sha256-{script_hash(SCRIPT)}'; " in policy and "connect-src 'self'" in policy
    write_store(tmp_path / "runs", stem="mine")
    assert preview.refresh() and problem_of(preview.page()) == {}


def test_a_lab_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(LabError, match="there is no such lab"):
        Preview(partial(load_lab, str(tmp_path / "none.toml")), RunStore(tmp_path), tmp_path)


def test_a_page_of_another_policy_keeps_it() -> None:
    meta = '<head><meta http-equiv="Content-Security-Policy" content="{}"></head><body></body>'
    text = live(Shown(meta.format("default-src 'none'; script-src &#39;none&#39;")), "s", "")
    assert f"content=\"default-src 'none'; script-src 'sha256-{script_hash('s')}'; connect-src 'self'\"" in text
    assert live(Shown("<head></head><body></body>"), "s", "").count("<script") == 1


def test_the_stream_tells_the_state_and_each_change_and_ends(lab: Path, preview: Preview) -> None:
    async def followed() -> list[dict[str, str]]:
        served = Live(preview)
        async with served.watched():
            stream = served.stream()
            told = [await anext(stream)]
            commentary(lab, TEXT)  # in folders that were not there before
            told.append(await asyncio.wait_for(anext(stream), 20))
            commentary(lab, "{{ nonsense }}")
            told.append(await asyncio.wait_for(anext(stream), 20))
        assert [one async for one in stream] == []
        return [json.loads(one.removeprefix("data: ")) for one in told]

    first, second, third = asyncio.run(followed())
    assert first["page"] != second["page"] == third["page"]
    assert (first["problem"], second["problem"]) == ("", "") and "nonsense" in third["problem"]


def test_a_port_in_use_is_an_error(preview: Preview) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(CnnlabError, match="cannot have this port") as caught:
            serve(preview, port, print)
    assert caught.value.where == f"127.0.0.1:{port}" and caught.value.exit_code == 2


def test_without_the_extra_it_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("report.preview_server.find_spec", lambda name: None if name == "uvicorn" else object())
    with pytest.raises(CnnlabError, match=r"no uvicorn\n.*pip install 'cnnlab\[preview\]'"):
        check_installed()


@pytest.fixture
def running(lab: Path, out: Path) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """The command, with TensorFlow and Keras blocked, and its port."""
    with served("mine.toml", out, cwd=lab.parent, block=True) as (process, address):
        yield process, int(address.rstrip("/").rpartition(":")[2])


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_the_command_serves_tells_an_edit_and_ends_with_a_signal(
    lab: Path, running: tuple[subprocess.Popen[str], int], number: signal.Signals, code: int
) -> None:
    process, port = running
    with ask(port, "/events") as stream:
        assert next_news(stream)["problem"] == ""
        commentary(lab, TEXT + "Just edited.")
        news = next_news(stream)
        assert news["problem"] == "" and "Just edited." in news["sections"]["activity-09"]
        with ask(port, "/") as answer:
            text = answer.read().decode()
        assert "Just edited." in text and f'data-page="{news["page"]}"' in text
        process.send_signal(number)
        assert stream.read().strip() == b"", "the open stream ends"
    stdout, stderr = process.communicate(timeout=20)
    assert (process.returncode, stdout) == (code, "")
    assert "Traceback" not in stderr and "stopped" in stderr


@contextmanager
def ask(port: int, path: str) -> Iterator[http.client.HTTPResponse]:
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=30)) as connection:
        connection.request("GET", path)
        with connection.getresponse() as answer:
            assert answer.status == 200
            yield answer


def next_news(stream: http.client.HTTPResponse) -> dict[str, Any]:
    line = stream.readline().decode()
    while not line.startswith("data: "):
        line = stream.readline().decode()
    return dict(json.loads(line.removeprefix("data: ")))

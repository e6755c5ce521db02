"""`cnnlab preview`: the page as `cnnlab report` would write it now, served to this machine alone and reloaded with each change."""

from __future__ import annotations

import hashlib
import html
import re
import time
import traceback
from collections.abc import Callable
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

from cnnlab.errors import CnnlabError, printable
from cnnlab.lab import Lab
from cnnlab.paths import templates_dir
from cnnlab.store.store import RunStore
from report.build import page
from report.data.records import open_lab
from report.document.assembly import assemble
from report.evidence.language import Language, catalogue
from report.evidence.quantity import Evidence
from report.render.html import script_hash

HOST = "127.0.0.1"
_HEADERS = {
    "Cache-Control": "no-store", "Content-Security-Policy": "frame-ancestors 'none'",
    "Cross-Origin-Resource-Policy": "same-origin", "Referrer-Policy": "no-referrer", "X-Content-Type-Options": "nosniff",
}  # fmt: skip
_POLICY = re.compile(r'<meta http-equiv="Content-Security-Policy" content="[^"]*')
_EMPTY = """<!doctype html><html lang="en"><head><meta charset="utf-8"><title>cnnlab preview</title></head>
<body><main><h1>cnnlab preview</h1><p>No page could be built yet.</p></main></body></html>"""
_PROBLEM = """<pre id="cnnlab-problem" role="alert" lang="en" tabindex="0" style="position:fixed;inset:0 0 auto;z-index:2147483647;
max-height:80vh;overflow:auto;box-sizing:border-box;margin:0;padding:1.2rem 1.5rem;background:#5c1706;color:#fff;
font:16px/1.5 ui-monospace,monospace;white-space:pre-wrap;overflow-wrap:anywhere;text-align:left">%s</pre>"""
_SCRIPT = """{ const seen = document.currentScript.dataset.version;
setInterval(async () => {
  const now = await fetch("/version").then((answer) => answer.text(), () => seen);
  if (now !== seen) location.reload();
}, 300); }"""


class Preview:
    """The report of a lab as it is now: the newest page that could be built, and over it what is wrong since.

    Args:
        load: reads the lab, with its profile and overrides; its LabError the first time is everyone's, since it is not
            known then what to watch.
        out: the folder of rendered reports, for the drawn figures; no report is written.
    """

    def __init__(self, load: Callable[[], Lab], store: RunStore, out: Path) -> None:
        self._load, self._store, self._lab, self._out = load, store, load(), out
        self._page, self._problem = _EMPTY, ""
        self._seen: dict[Path, tuple[int, int]] = {}
        self._evidence: dict[str, Evidence] = {}

    def refresh(self) -> None:
        """Build again if a file changed since the last time."""
        before, self._seen = self._seen, self._states()  # what changes from here on is seen next time
        changed = {path for path, _ in before.items() ^ self._seen.items()}
        if not changed:
            return
        if any(path.suffix in (".toml", ".json", ".po") for path in changed):  # more than text
            self._evidence.clear()
            catalogue.cache_clear()
        try:
            self._lab = lab = self._load()
            data, language = open_lab(self._store, lab.stem), Language(lab.file.lab.language)
            document = assemble(data, lab, language, known=self._evidence)
            self._page, self._problem = printable(page(document, lab, self._out / lab.stem, "screen")), ""
        except Exception as problem:
            said = str(problem) if isinstance(problem, CnnlabError) else traceback.format_exc(limit=-3)
            self._problem = _PROBLEM % html.escape(printable(said))

    def _states(self) -> dict[Path, tuple[int, int]]:
        """Time of the last change in ns, and bytes, of each file that the page is made of; editors' own do not count."""
        lab, states = self._lab, dict[Path, tuple[int, int]]()
        single = [
            lab.path,
            lab.reviews,
            self._store.root / "labs" / f"{lab.stem}.json",
            lab.file.style.logo or lab.path,
        ]
        for path in [*single, *lab.templates.rglob("*"), *templates_dir().rglob("*")]:
            with suppress(OSError):  # it is not there, or no longer
                if not path.name.startswith(".") and not path.name.endswith("~") and not path.is_dir():
                    states[path] = (path.stat().st_mtime_ns, path.stat().st_size)
        return states

    @property
    def version(self) -> str:
        """Changes with what is shown."""
        return hashlib.sha256(f"{self._page}{self._problem}".encode()).hexdigest()[:16]

    def live(self) -> str:
        """The page with what is wrong, and the script that reloads it, which its policy has to allow."""
        allowed = f"script-src 'sha256-{script_hash(_SCRIPT)}'"
        head, end, body = self._page.partition("</head>")
        head = _POLICY.sub(lambda found: found[0].replace("script-src", allowed) + "; connect-src 'self'", head)
        script = f'<link rel="icon" href="data:,"><script data-version="{self.version}">{_SCRIPT}</script>'
        body, end_of_body, rest = body.rpartition("</body>")
        return f"{head}{script}{end}{body}{self._problem}{end_of_body}{rest}"


def serve(preview: Preview, port: int, announce: Callable[[str], None]) -> None:
    """Serve until a signal ends it, on a free port where that is 0; `announce` is told the address once there is something
    to see. CnnlabError where the port cannot be had."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            """The page, or its version; nothing to another site's page, nor under another name of this machine."""
            own = {f"{name}:{server.server_port}" for name in (HOST, "localhost", "[::1]")}
            hosts = {host.lower() for host in self.headers.get_all("Host", [""])}
            origins = {origin.removeprefix("http://") for origin in self.headers.get_all("Origin", [])}
            if not hosts | origins <= own:
                return self.send_error(403)
            if self.path not in ("/", "/version"):
                return self.send_error(404)
            content = (preview.version if self.path == "/version" else preview.live()).encode()
            kind = {"Content-Type": f"text/{'html' if self.path == '/' else 'plain'}; charset=utf-8"}
            self.send_response(200)
            for name, value in (_HEADERS | kind | {"Content-Length": str(len(content))}).items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            """Nothing: the terminal is its author's."""

    try:
        server = ThreadingHTTPServer((HOST, port), Handler)
    except OSError as problem:
        hint, where = "leave --port out for a free one, or name another", f"{HOST}:{port}"
        raise CnnlabError(
            "the preview cannot have this port", where=where, received=problem.strerror, hint=hint
        ) from None
    preview.refresh()
    Thread(target=server.serve_forever, daemon=True).start()
    announce(f"http://{HOST}:{server.server_port}/")
    while True:
        time.sleep(0.3)
        preview.refresh()

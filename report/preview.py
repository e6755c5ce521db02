"""A report that is built again when something that it is made of changes, as a page that reloads itself."""

from __future__ import annotations

import hashlib
import html
import json
import re
import traceback
from collections.abc import Callable, Mapping, MutableMapping
from dataclasses import dataclass, field
from pathlib import Path

from jinja2 import Environment

from cnnlab.errors import CnnlabError, TemplateProblem, printable
from cnnlab.lab import Lab
from cnnlab.paths import templates_dir
from cnnlab.store.store import RunStore
from report.build import page
from report.data.records import LabData, open_lab
from report.document.assembly import assemble
from report.document.problems import line_reached
from report.evidence.language import Language, forget_catalogues
from report.evidence.quantity import Evidence
from report.render.html import script_hash
from report.watch import Snapshot, snapshot

_POLICY = re.compile(r'(<meta http-equiv="Content-Security-Policy" content=")([^"]*)(">)')

_SECTION = re.compile(r'(<section [^>]*\bid="([^"]+)">.*?</section>)', re.S)
_EVIDENCE = re.compile(r'<meta name="evidence" content="([0-9a-f]{12})">')


@dataclass(frozen=True)
class Shown:
    """What a reader sees: the newest page that could be built, and as HTML what is wrong now; empty where nothing is.

    Attributes:
        before: version of the page before.
        sections: if the page differs from that one in sections alone, those, by their ids.
    """

    page: str = ""
    problem: str = ""
    before: str = field(default="", compare=False)
    sections: Mapping[str, str] | None = field(default=None, compare=False)

    @property
    def version(self) -> str:
        """Changes when the page does."""
        return hashlib.sha256(self.page.encode()).hexdigest()[:16]

    @property
    def news(self) -> str:
        """As the event stream tells it."""
        told = {"page": self.version, "problem": self.problem, "before": self.before, "sections": self.sections}
        return json.dumps(told)


@dataclass
class _Opened:
    """A lab with its records, and the evidence of its sections, which stay in memory from one build to the next."""

    lab: Lab
    data: LabData
    language: Language
    evidence: MutableMapping[str, Evidence] = field(default_factory=dict)


class Preview:
    """The report of a lab as it is now. `shown` changes when `refresh` finds that something else did.

    Args:
        load: reads the lab, with its profile and overrides.
        out: the folder of rendered reports, for the drawn figures; no report is written.

    Raises:
        LabError: the lab cannot be read even once, so that it is not known what to watch.
    """

    def __init__(self, load: Callable[[], Lab], store: RunStore, out: Path) -> None:
        self.lab, self.store, self.shown = load(), store, Shown()
        self._load, self._out = load, out / self.lab.stem
        self._seen: Snapshot | None = None
        self._opened: _Opened | None = None
        folder = templates_dir() / "preview"
        self._script = (folder / "reload.js").read_text(encoding="utf-8")
        self._empty = (folder / "empty.html").read_text(encoding="utf-8")
        environment = Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True)
        self._problem = environment.from_string((folder / "problem.html.j2").read_text(encoding="utf-8"))

    def refresh(self) -> bool:
        """Build again if a file changed since the last time, and say whether that changed what is shown.

        Whatever goes wrong is shown, over the last page that could be built.
        """
        now = snapshot(self.lab, self.store)  # before anything is read: what changes from here on is seen next time
        if now == self._seen:
            return False
        if self._seen is None or now.evidence != self._seen.evidence:
            self._opened = None
        self._seen, before = now, self.shown
        try:
            self.shown = _following(before, self._built())
        except CnnlabError as problem:
            self.shown = Shown(before.page, self._told(problem))
        except Exception as problem:
            traceback.print_exc()
            self.shown = Shown(before.page, self._told(_unexpected(problem)))
        return self.shown != before

    def page(self) -> str:
        """The page with what reloads it, and what is wrong over it."""
        return live(self.shown, self._script, self._empty)

    def _built(self) -> str:
        """The page as `cnnlab report` writes it."""
        if self._opened is None:
            forget_catalogues()
            self.lab = self._load()
            language = Language(self.lab.file.lab.language)
            self._opened = _Opened(self.lab, open_lab(self.store, self.lab.stem), language)
        opened = self._opened
        document = assemble(opened.data, opened.lab, opened.language, known=opened.evidence)
        return printable(page(document, opened.lab, self._out, "screen"))

    def _told(self, problem: CnnlabError) -> str:
        return printable(self._problem.render(problem=problem))


def live(shown: Shown, script: str, empty: str) -> str:
    """The page with the script that reloads it, allowed by its policy; `empty` where no page was built yet."""
    head, end_of_head, rest = (shown.page or empty).partition("</head>")
    head = _POLICY.sub(lambda found: found[1] + _allowing(found[2], script) + found[3], head, count=1)
    added = f'<link rel="icon" href="data:,"><script data-page="{shown.version}">{script}</script>'
    body, end_of_body, after = rest.rpartition("</body>")
    return f"{head}{added}{end_of_head}{body}{shown.problem}{end_of_body}{after}"


def _following(before: Shown, page: str) -> Shown:
    """The next page after another."""
    if page == before.page:
        return Shown(page)
    return Shown(page, before=before.version, sections=changed_sections(before.page, page))


def changed_sections(before: str, after: str) -> dict[str, str] | None:
    """The sections that differ, by id; None where something else does, but for the evidence hash in the head."""
    old, new = _SECTION.findall(before), _SECTION.findall(after)
    ids = [key for _, key in new]
    if ids != [key for _, key in old] or len(set(ids)) < len(ids) or _around(before) != _around(after):
        return None
    return {key: text for (text, key), (past, _) in zip(new, old, strict=True) if text != past}


def _around(page: str) -> str:
    """A page without its sections and its evidence hash."""
    found = _EVIDENCE.search(page)
    around = _SECTION.sub("", page)
    return around.replace(found[1], "") if found else around


def _allowing(policy: str, script: str) -> str:
    """The policy, with the event stream and this script allowed too."""
    directives = [directive for one in html.unescape(policy).split(";") if (directive := one.split())]
    sources = {name: values for name, *values in directives}
    sources["script-src"] = [one for one in sources.get("script-src", []) if one != "'none'"]
    sources["script-src"].append(f"'sha256-{script_hash(script)}'")
    sources["connect-src"] = ["'self'"]
    allowed = "; ".join(" ".join((name, *values)) for name, values in sources.items())
    return allowed.replace("&", "&amp;").replace('"', "&quot;")


def _unexpected(problem: Exception) -> TemplateProblem:
    """A mistake that has no words of its own: where it came up, in the last template or else in the code."""
    place = traceback.extract_tb(problem.__traceback__)[-1]
    code = Path(place.filename)
    where = line_reached(problem, code)
    return TemplateProblem(
        "the report cannot be built",
        where=f"{code}, line {place.lineno}" if where == str(code) else where,
        received=repr(problem),
        hint="the terminal has the whole traceback",
    )

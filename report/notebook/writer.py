"""The cells of the report's notebook: prose as Markdown, items and networks as code that shows them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

from cnnlab.errors import printable
from cnnlab.lab import DEFAULT_RUBRIC, Lab
from cnnlab.paths import labs_dir
from cnnlab.store.store import RunStore
from report.data.records import LabData, Part
from report.document.appendix import Entry
from report.document.ledger import AskedSection, asked
from report.document.markdown import under_heading
from report.document.model import Document, Placed, Prose, SectionText
from report.evidence.quantity import Figure, Gallery, Listing, Table
from report.notebook.code import (
    LAB_VARIABLE,
    OPEN,
    SETUP,
    SUMMARY,
    TRAINING,
    built_cell,
    counted_cell,
    in_one_project,
    quoted,
    relative_path,
    run_cell,
    steps_shown,
)
from report.render.html import colophon

Cell = tuple[str, str]
"""("markdown" or "code", source)."""


class CellWriter:
    """Writes the cells of a document, in order."""

    def __init__(self, store: RunStore, lab: Lab, document: Document, out: Path) -> None:
        self.store, self.lab, self.document, self.out = store, lab, document, out
        self.text = document.language.text
        self.printed_sources: set[str] = set()
        self.step_shown = False

    def cells(self) -> list[Cell]:
        """Every cell; prose made fit for a file."""
        return [(kind, printable(source).strip("\n")) for kind, source in self._all() if source.strip()]

    def _all(self) -> Iterator[Cell]:
        yield "markdown", self._title()
        yield "markdown", self._how_to_run()
        yield "code", self._setup()
        yield "code", OPEN.format(arguments=self._arguments())
        part: str | None = None
        for section in self.document.sections:
            if section.part != part and (title := self.document.part_titles.get(section.part or "")):
                yield "markdown", f"## {self._data(title)}"
            part = section.part
            if section.module == "training" and section.part in self.document.lab.parts:
                yield from self._training(self.document.lab.parts[str(section.part)], section.level)
            yield from self._section(section)
        yield "markdown", self._bibliography()
        yield "markdown", self._appendix()
        yield "markdown", self._asked()

    def _how_to_run(self) -> str:
        """That every cell was run, and what running them elsewhere takes."""
        return " ".join(
            [
                self.text(
                    "Every cell of this notebook was run. It reads cached runs: “Restart and run all” shows the same."
                ),
                self.text(
                    "In Colab, or on another machine, put the file {bundle} beside it first, which the command "
                    "{command} makes: the first cell installs what is missing.",
                    bundle=f"`{self._bundle()}`",
                    command="`cnnlab bundle`",
                ),
            ]
        )

    def _bundle(self) -> str:
        return f"{self.lab.stem}-bundle.zip"

    def _setup(self) -> str:
        runs, lock = self._beside(self.store.root) or "runs", f"labs/{self.lab.stem}.json"
        return SETUP.format(bundle=quoted(self._bundle()), runs=quoted(runs), lock=quoted(lock))

    def _title(self) -> str:
        document = self.document
        number = document.style.student_id
        student = self.text("Student ID: {id}", id=number) if number else ""
        date = document.language.date(_date(document.lab))
        lines = [document.course or "", ", ".join(document.authors), student, date]
        return "\n\n".join([f"# {self._data(document.title)}", *(self._data(line) for line in lines if line)])

    def _arguments(self) -> str:
        """The arguments of `open_lab` in a notebook that lies in the output folder."""
        lab = self.lab
        shipped = lab.path.parent == labs_dir()
        arguments = {
            "": lab.path.stem if shipped else self._beside(lab.path) or lab.path.name,
            "runs": self._beside(self.store.root),
            "profile": lab.stem.removeprefix(lab.path.stem)[1:],
            "language": self.document.language.code,
            "rubric": self._other_rubric(),
            "without": self._left_out(),
        }
        return ", ".join(f"{key}{'=' if key else ''}{quoted(value)}" for key, value in arguments.items() if value)

    def _beside(self, path: Path) -> str:
        """The path from the notebook's folder; empty where it would give away folders above the project."""
        return relative_path(path, self.out) if in_one_project(path, self.out) else ""

    def variables(self) -> dict[str, str]:
        """What the kernel has to be told, since the cells do not say it."""
        told = {"CNNLAB_RUNS": self.store.root, LAB_VARIABLE: self.lab.path}
        return {name: str(path.resolve()) for name, path in told.items() if not self._beside(path)}

    def _left_out(self) -> list[str]:
        """Runs that the document is made without, though the lab has had them."""
        entries = zip(self.store.read_lab(self.lab.stem)["runs"], self.document.lab.lock["runs"], strict=True)
        return [entry["run"] for entry, used in entries if entry["run"] and not used["run"]]

    def _other_rubric(self) -> str:
        rubric = self.lab.file.report.rubric
        return rubric if rubric != DEFAULT_RUBRIC else ""

    def _section(self, section: SectionText) -> Iterator[Cell]:
        yield "markdown", "\n\n".join(self._head(section))
        yield from self._architecture(section) if self._blocks(section) else self._plain(section)
        if section.module == "comparison":
            yield from self._comparison()

    def _head(self, section: SectionText) -> Iterator[str]:
        yield f"{'#' * section.level} {self._data(section.heading)}"
        if section.notice:
            yield f"*{self.text(section.notice)}*"
        for problem in section.problems:
            yield f"> {self._data(problem)}"

    def _plain(self, section: SectionText) -> Iterator[Cell]:
        for piece in section.pieces:
            if isinstance(piece, Prose):
                yield "markdown", under_heading(piece.markdown, section.level)
            elif isinstance(piece.item, Listing):
                yield "markdown", f"{self._caption(piece)}\n\n{_fenced(piece.item)}"
            else:
                yield from self._item(section, piece)

    def _item(self, section: SectionText, placed: Placed) -> Iterator[Cell]:
        """A cell that shows the item, and its caption: above a table, below a picture."""
        call = {Table: "table", Figure: "figure", Gallery: "gallery"}[type(placed.item)]
        code = f"lab.{call}({quoted(section.number or section.key)}, {quoted(placed.name)})"
        shown = [("code", code), ("markdown", self._caption(placed))]
        yield from reversed(shown) if isinstance(placed.item, Table) else shown

    def _caption(self, placed: Placed) -> str:
        note = placed.item.note if not isinstance(placed.item, Listing) else ""
        below = f"  \n{self._data(note)}" if note else ""  # two spaces: a line of its own
        return f"**{placed.label}.** {self._data(placed.item.caption)}{below}"

    def _architecture(self, section: SectionText) -> Iterator[Cell]:
        """Prose and items of a section about VGG-19, its listings as cells that build the network."""
        steps = {step: self._step(step) for step in self._blocks(section)}
        cells: list[Cell] = []
        for piece in section.pieces:
            if isinstance(piece, Prose):
                cells.append(("markdown", under_heading(piece.markdown, section.level)))
            elif isinstance(piece.item, Listing):
                cells.append(("markdown", self._caption(piece)))
                cells += [("code", steps.pop(name)) for name in steps_shown(steps, piece.item.code)]
                if SUMMARY in piece.item.code:
                    cells.append(("code", SUMMARY))
            else:
                cells += self._item(section, piece)
        # Whatever the prose shows, the network is built and summarised here; a step runs before what comes after it.
        rest: list[Cell] = [("code", code) for code in steps.values()]
        first = next((index for index, cell in enumerate(cells) if cell[0] == "code"), len(cells))
        if len(rest) == len(self._blocks(section)):
            cells[first:first] = rest
        else:
            cells += rest
        if ("code", SUMMARY) not in cells:
            last = max(index for index, cell in enumerate(cells) if cell in self._step_cells(section))
            cells.insert(last + 1, ("code", SUMMARY))
        yield from cells

    def _blocks(self, section: SectionText) -> list[str]:
        """The steps of VGG-19's construction that the section is about, in the order in which they build on each other."""
        if section.module != "architecture" or section.evidence is None:
            return []
        construction = self.document.lab.architectures["vgg19"].construction
        return [step["block"] for step in construction if step["block"] in section.evidence.items]

    def _step(self, block: str) -> str:
        construction = self.document.lab.architectures["vgg19"].construction
        return str(next(step["code"] for step in construction if step["block"] == block))

    def _step_cells(self, section: SectionText) -> list[Cell]:
        return [("code", self._step(step)) for step in self._blocks(section)]

    def _comparison(self) -> Iterator[Cell]:
        others = {name: a.manifest for name, a in self.document.lab.architectures.items() if name != "vgg19"}
        if others and any(map(self._blocks, self.document.sections)):
            sizes = [(name, int(manifest["image_size"])) for name, manifest in others.items()]
            yield "markdown", self.text("The parameters of the three networks, counted by Keras:")
            yield "code", counted_cell(sizes)

    def _training(self, part: Part, level: int) -> Iterator[Cell]:
        """Under a heading of its own: each network's code, the network at this size, its recipe and its training."""
        if part.networks:
            yield "markdown", f"{'#' * level} {self.text('The networks and their training')}"
        for network in part.networks:
            runs = part.of(network)
            yield "markdown", f"**{runs[0].title}**"
            if network not in self.printed_sources:
                self.printed_sources.add(network)
                module = network.replace("-", "_")
                yield "code", f"from cnnlab.networks import {module}\n\nprint(inspect.getsource({module}))"
            yield "code", built_cell(part, runs[0])
            names = f"{quoted(part.dataset.name)}, {quoted(network)}"
            yield "code", f"lab.recipe({names})"
            if not self.step_shown:
                self.step_shown = True
                yield (
                    "markdown",
                    self.text(
                        "The optimiser, and a step of training: cross entropy of the softmax output, its gradient, and "
                        "the step that the optimiser takes. They are the same for all networks."
                    ),
                )
                yield "code", TRAINING
            yield from (("code", run_cell(part, run, names)) for run in runs)

    def _bibliography(self) -> str:
        lines = [f"## {self.text('Bibliography')}"]
        for cited in self.document.bibliography:
            r = cited.reference
            url = f" <{r.url}>" if r.url else ""
            lines.append(f"\\[{cited.number}\\] {self._data(f'{r.authors}. {r.title}. {r.venue}, {r.year}.')}{url}")
        return "\n\n".join(lines) if len(lines) > 1 else ""

    def _appendix(self) -> str:
        document = self.document
        lines = [f"## {self.text('Appendix: runs and data')}"]
        for heading, entries in document.appendix.groups():
            lines += [f"### {self.text(heading)}", *map(self._entry, entries)]
        lines.append(self._data(colophon(document)))
        return "\n\n".join(lines)

    def _entry(self, entry: Entry) -> str:
        facts = "\n".join(f"- {self._data(term)}: {self._data(text)}" for term, text in entry.facts)
        return f"#### {self._data(entry.title)}\n\n{facts}"

    def _asked(self) -> str:
        """The ledger as a table; the links are those that Jupyter gives headings."""
        found = asked(self.document)
        if found is None:
            return ""
        lines = [f"## {self._data(found.title)}", f"**{self._data(found.summary)}.** {self._data(found.note)}"]
        heads = (self.text("Section"), self.text("What is asked"), self.text("State"))
        rows = [
            (_link(self._data(section.heading), section), self._data(row.text), f"{row.sign} {row.words}")
            for section in found.sections
            for row in section.rows
        ]
        table = [heads, ("---",) * 3, *rows]
        return "\n\n".join([*lines, "\n".join(f"| {' | '.join(row)} |" for row in table)])

    def _data(self, text: str) -> str:
        """Text that must print literally, whatever Markdown or mathematics it looks like."""
        tokens = self.document.tokens
        return tokens.resolve(tokens.text(text), "markdown")


def _link(words: str, section: AskedSection) -> str:
    return f"[{words}](#{quote(section.heading.replace(' ', '-'), safe=':')})" if section.key else words


def _fenced(listing: Listing) -> str:
    fence = "`" * 4
    while fence in listing.code or fence in listing.output:
        fence += "`"
    output = f"\n\n{fence}text\n{listing.output.rstrip()}\n{fence}" if listing.output else ""
    return f"{fence}{listing.language}\n{listing.code.rstrip()}\n{fence}{output}"


def _date(data: LabData) -> datetime:
    """When the newest of the records was made, so that a rebuild from the same runs says the same."""
    return max(datetime.fromisoformat(record["created"]) for record in manifests(data))


def manifests(data: LabData) -> Iterator[Mapping[str, Any]]:
    """The manifests of every record that the report is computed from."""
    for part in data.parts.values():
        yield part.dataset.manifest
        for run in part.runs:
            yield from (run.run.manifest, run.evaluation.manifest, run.architecture.manifest)
        yield from (fold.run.manifest for folds in part.folds.values() for fold in folds)
        yield from (training.run.manifest for training in part.diverged)
        yield from (search.manifest for search in part.searches.values())
        if part.baseline:
            yield part.baseline.manifest
    yield from (architecture.manifest for architecture in data.architectures.values())

"""The cells of the report's notebook: prose as Markdown, items and networks as code that shows them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from urllib.parse import quote

from cnnlab.errors import printable
from cnnlab.lab import DEFAULT_RUBRIC, Lab
from cnnlab.paths import labs_dir
from cnnlab.store.store import RunStore
from report.data.records import Part
from report.document.ledger import asked
from report.document.markdown import under_heading
from report.document.model import Document, Placed, Prose, SectionText
from report.document.provenance import used_records
from report.evidence.quantity import Listing, Table
from report.notebook import code
from report.notebook.code import OPEN, quoted
from report.render.html import colophon

Cell = tuple[str, str]
"""("markdown" or "code", source)."""


class CellWriter:
    """Writes the cells of a document, in order."""

    def __init__(self, store: RunStore, lab: Lab, document: Document, out: Path) -> None:
        self.store, self.lab, self.document, self.out = store, lab, document, out
        self.text = document.language.text
        self.printed_sources: set[str] = set()

    def cells(self) -> list[Cell]:
        """Every cell; prose made fit for a file."""
        return [(kind, printable(source).strip("\n")) for kind, source in self._all() if source.strip()]

    def variables(self) -> dict[str, str]:
        """What the kernel has to be told, since the cells do not say it."""
        told = {"CNNLAB_RUNS": self.store.root, code.LAB_VARIABLE: self.lab.path}
        return {name: str(path.resolve()) for name, path in told.items() if not self._beside(path)}

    def _all(self) -> Iterator[Cell]:
        document, networks = self.document, self.document.lab.architectures
        part: str | None = None
        yield from self._opening()
        for section in document.sections:
            if section.part != part and (title := document.part_titles.get(section.part or "")):
                yield "markdown", f"## {self._data(title)}"
            part = section.part
            if section.module == "training" and part in document.lab.parts:
                yield from self._training(document.lab.parts[str(part)], section.level)
            head = [f"{'#' * section.level} {self._data(section.heading)}"]
            head += [f"*{self.text(section.notice)}*"] if section.notice else []
            yield "markdown", "\n\n".join([*head, *(f"> {self._data(problem)}" for problem in section.problems)])
            yield from self._construction(section)
            sizes = [(name, int(one.manifest["image_size"])) for name, one in networks.items() if name != "vgg19"]
            if section.module == "comparison" and sizes and any(map(self._steps, document.sections)):
                yield "markdown", self.text("The parameters of the three networks, counted by Keras:")
                yield "code", code.COUNTED.format(sizes=", ".join(f"({quoted(name)}, {size})" for name, size in sizes))
        if document.bibliography:
            lines = [f"## {self.text('Bibliography')}"]
            for cited in document.bibliography:
                r = cited.reference
                words = self._data(f"{r.authors}. {r.title}. {r.venue}, {r.year}.")
                lines.append(f"\\[{cited.number}\\] {words}" + (f" <{r.url}>" if r.url else ""))
            yield "markdown", "\n\n".join(lines)
        lines = [f"## {self.text('Appendix: runs and data')}"]
        for heading, entries in document.appendix.items():
            lines.append(f"### {self.text(heading)}")
            for entry in entries:
                facts = "\n".join(f"- {self._data(term)}: {self._data(text)}" for term, text in entry.facts)
                lines.append(f"#### {self._data(entry.title)}\n\n{facts}")
        yield "markdown", "\n\n".join([*lines, self._data(colophon(document))])
        yield "markdown", self._asked()

    def _opening(self) -> Iterator[Cell]:
        """Title, how to run it, and the two cells that open the lab."""
        document, lab = self.document, self.lab
        number, bundle = document.style.student_id, f"{lab.stem}-bundle.zip"
        # Of the newest record, so that a rebuild from the same runs says the same.
        date = max(datetime.fromisoformat(record.manifest["created"]) for record in used_records(document.lab))
        student = self.text("Student ID: {id}", id=number) if number else ""
        lines = [document.course or "", ", ".join(document.authors), student, document.language.date(date)]
        lines = [self._data(line) for line in lines if line]
        yield "markdown", "\n\n".join([f"# {self._data(document.title)}", *lines])
        ran = self.text(
            "Every cell of this notebook was run. It reads cached runs: “Restart and run all” shows the same."
        )
        elsewhere = self.text(
            "In Colab, or on another machine, put the file {bundle} beside it first, which the command "
            "{command} makes: the first cell installs what is missing.",
            bundle=f"`{bundle}`", command="`cnnlab bundle`",
        )  # fmt: skip
        yield "markdown", f"{ran} {elsewhere}"
        runs, lock = self._beside(self.store.root), f"labs/{lab.stem}.json"
        yield "code", code.SETUP.format(bundle=quoted(bundle), runs=quoted(runs or "runs"), lock=quoted(lock))
        entries = zip(self.store.read_lab(lab.stem)["runs"], document.lab.lock["runs"], strict=True)
        rubric = lab.file.report.rubric
        arguments = {
            "": lab.path.stem if lab.path.parent == labs_dir() else self._beside(lab.path) or lab.path.name,
            "runs": runs,
            "profile": lab.stem.removeprefix(lab.path.stem)[1:],
            "language": document.language.code,
            "rubric": rubric if rubric != DEFAULT_RUBRIC else "",
            "without": [entry["run"] for entry, used in entries if entry["run"] and not used["run"]],
        }
        words = ", ".join(f"{key}{'=' if key else ''}{quoted(value)}" for key, value in arguments.items() if value)
        yield "code", OPEN.format(arguments=words)

    def _beside(self, path: Path) -> str:
        """The path from the notebook's folder; empty where it would give away folders above the project.

        Both are in one project where what they have in common is more than the system's or a user's own folder.
        """
        there, here = path.resolve(), self.out.resolve()
        common = Path(os.path.commonpath([there, here]))
        return "" if common in Path.home().resolve().parents else Path(os.path.relpath(there, here)).as_posix()

    def _construction(self, section: SectionText) -> Iterator[Cell]:
        """Prose and items; in a section about VGG-19, its listings are cells that build the network."""
        if not (steps := self._steps(section)):
            for piece in section.pieces:
                yield from self._piece(section, piece)
            return
        built = [one for one in self.document.sections if self._steps(one)]
        if section is built[0]:
            yield "code", code.SHAPES_ONLY
        left, cells = dict(steps), list[Cell]()
        for piece in section.pieces:
            if isinstance(piece, Placed) and isinstance(piece.item, Listing):
                cells.append(("markdown", self._caption(piece)))
                cells += [("code", left.pop(name)) for name in code.steps_shown(left, piece.item.code)]
                cells += [("code", code.SUMMARY)] if code.SUMMARY in piece.item.code else []
            else:
                cells += self._piece(section, piece)
        # Whatever the prose shows, the network is built and summarised here; a step runs before what comes after it.
        codes = [index for index, (kind, _) in enumerate(cells) if kind == "code"]
        place = codes[0] if codes and len(left) == len(steps) else len(cells)
        cells[place:place] = [("code", step) for step in left.values()]
        if ("code", code.SUMMARY) not in cells:
            last = max(index for index, (_, source) in enumerate(cells) if source in steps.values())
            cells.insert(last + 1, ("code", code.SUMMARY))
        yield from cells
        if section is built[-1]:
            yield "code", code.VALUES_AGAIN

    def _steps(self, section: SectionText) -> dict[str, str]:
        """The steps of VGG-19's construction that the section is about, in the order in which they build on each other."""
        if section.module != "architecture" or section.evidence is None:
            return {}
        construction, items = self.document.lab.architectures["vgg19"].construction, section.evidence.items
        return {step["block"]: str(step["code"]) for step in construction if step["block"] in items}

    def _piece(self, section: SectionText, piece: Prose | Placed) -> Iterator[Cell]:
        if isinstance(piece, Prose):
            yield "markdown", under_heading(piece.markdown, section.level)
        elif isinstance(piece.item, Listing):
            listing, fence = piece.item, "`" * 4
            while fence in listing.code or fence in listing.output:
                fence += "`"
            shown = [(listing.language, listing.code), *([("text", listing.output)] if listing.output else [])]
            blocks = (f"{fence}{language}\n{text.rstrip()}\n{fence}" for language, text in shown)
            yield "markdown", "\n\n".join([self._caption(piece), *blocks])
        else:
            caption, activity = ("markdown", self._caption(piece)), section.number or section.key
            call = f"lab.{type(piece.item).__name__.lower()}({quoted(activity)}, {quoted(piece.name)})"
            yield from [caption, ("code", call)] if isinstance(piece.item, Table) else [("code", call), caption]

    def _caption(self, placed: Placed) -> str:
        note = placed.item.note if not isinstance(placed.item, Listing) else ""
        below = f"  \n{self._data(note)}" if note else ""  # two spaces: a line of its own
        return f"**{placed.label}.** {self._data(placed.item.caption)}{below}"

    def _training(self, part: Part, level: int) -> Iterator[Cell]:
        """Under a heading of its own: each network's code, the network at this size, its recipe and its training."""
        if part.networks:
            yield "markdown", f"{'#' * level} {self.text('The networks and their training')}"
        for network in part.networks:
            runs, first = part.of(network), not self.printed_sources
            yield "markdown", f"**{runs[0].title}**"
            if network not in self.printed_sources:
                self.printed_sources.add(network)
                module = network.replace("-", "_")
                yield "code", f"from cnnlab.networks import {module}\n\nprint(inspect.getsource({module}))"
            yield "code", code.built_cell(part, runs[0])
            names = f"{quoted(part.dataset.name)}, {quoted(network)}"
            yield "code", f"lab.recipe({names})"
            if first:
                words = self.text(
                    "The optimiser, and a step of training: cross entropy of the softmax output, its gradient, and "
                    "the step that the optimiser takes. They are the same for all networks."
                )
                yield "markdown", words
                yield "code", code.TRAINING
            yield from (("code", code.run_cell(part, run, names)) for run in runs)

    def _asked(self) -> str:
        """The ledger as a table; the links are those that Jupyter gives headings."""
        found = asked(self.document)
        if found is None:
            return ""
        table = [(self.text("Section"), self.text("What is asked"), self.text("State")), ("---",) * 3]
        for key, heading, rows in found.sections:
            words = self._data(heading)
            link = f"[{words}](#{quote(heading.replace(' ', '-'), safe=':')})" if key else words
            table += [(link, self._data(text), f"{sign} {state}") for text, _, sign, state in rows]
        head = f"## {self._data(found.title)}\n\n**{self._data(found.summary)}.** {self._data(found.note)}"
        return "\n\n".join([head, "\n".join(f"| {' | '.join(row)} |" for row in table)])

    def _data(self, text: str) -> str:
        """Text that must print literally, whatever Markdown or mathematics it looks like."""
        tokens = self.document.tokens
        return tokens.resolve(tokens.text(text), "markdown")

"""Puts a report together: asks every section for its evidence, renders its prose, places and numbers its items."""

from __future__ import annotations

import html
import re
from collections.abc import Mapping, MutableMapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from cnnlab.errors import TemplateProblem, did_you_mean
from cnnlab.lab import Lab
from cnnlab.networks import find_network
from report.activities.common import count
from report.data.records import REMOVED, LabData, LostSeed, Part
from report.data.trainings import FoldProblem
from report.document.appendix import CHECKLIST, PUBLISHED, appendix
from report.document.claims import Claim, Request, examine, judge, wording
from report.document.commentary import Commentary, Draft, Where, template_folders
from report.document.inventory import of_appendix, of_item, of_words
from report.document.markdown import markdown_html
from report.document.model import (
    Cited,
    Document,
    ItemKind,
    Paragraph,
    Placed,
    Prose,
    Section,
    SectionText,
    kind_of,
)
from report.document.problems import line_of
from report.document.provenance import entries, evidence_hash, record_hashes
from report.document.reviews import read_reviews, review_states
from report.document.rubric import DATA_PARTS, Rubric, load_rubric
from report.document.tokens import PERCENT_ENCODED, Medium, Tokens
from report.evidence.language import NBSP, Language
from report.evidence.quantity import Evidence, Item, Quantity


def assemble(
    data: LabData,
    lab: Lab,
    language: Language,
    *,
    sections: Sequence[Section] | None = None,
    references: Mapping[str, Any] | None = None,
    known: MutableMapping[str, Evidence] | None = None,
) -> Document:
    """Ask every section for its evidence, render its prose, place, number and cross-reference its items.

    Args:
        sections: in place of those of the lab's rubric, whose questions are then left out.
        references: what can be cited; default `report.data.literature.REFERENCES`.
        known: evidence by section from an earlier call with the same data, rubric and language; what is not there is
            added.

    Raises:
        TemplateProblem: the rubric or a commentary file is wrong, or refers to something that is not there.
        StoreError: a record that a section reads is damaged, or the file of accepted sections.
    """
    rubric = load_rubric(lab)
    if sections is None:
        sections = rubric.report_sections()
    else:
        rubric = rubric.model_copy(update={"sections": ()})
    if references is None:
        from report.data.literature import REFERENCES

        references = REFERENCES
    assembly = _Assembly(data, lab, language, references, rubric, {} if known is None else known)
    return _reviewed(assembly.document(sections), lab)


def answered(data: LabData, lab: Lab, language: Language, key: str) -> tuple[Evidence | None, tuple[str, ...]]:
    """The evidence of the section `key`, None where it has no results, and what is missing, in the reader's language."""
    rubric = load_rubric(lab)
    section = next(section for section in rubric.report_sections() if section.key == key)
    problems, answerable = _Assembly(data, lab, language, {}, rubric, {}).problems(section)
    return section.answer(data, language) if answerable else None, problems


def _reviewed(document: Document, lab: Lab) -> Document:
    """The same document, each section with what its author has done with its text."""
    states = review_states(document, read_reviews(lab))
    return replace(document, sections=tuple(replace(one, review=states[one.key]) for one in document.sections))


_BLANK_LINES = re.compile(r"\n\s*\n")


@dataclass(frozen=True)
class _Drafted:
    """A section whose cross references are not resolved yet."""

    section: Section
    problems: tuple[str, ...]
    evidence: Evidence | None = None
    draft: Draft | None = None
    pieces: Sequence[str | Placed] = ()


class _Assembly:
    def __init__(
        self,
        data: LabData,
        lab: Lab,
        language: Language,
        references: Mapping[str, Any],
        rubric: Rubric,
        known: MutableMapping[str, Evidence],
    ) -> None:
        self.data, self.lab, self.language, self.rubric, self.known = data, lab, language, rubric, known
        self.part_titles = rubric.part_titles(data, language)
        self.tokens = Tokens(language)
        self.placed: dict[tuple[str, str], Placed] = {}
        self.cited: list[str] = []
        self.counts: dict[ItemKind, int] = {"figure": 0, "table": 0, "listing": 0}
        self.missing: list[str] = []
        self.pending: list[tuple[str, str, str]] = []
        self.claims: list[Claim] = []
        self.claim_words: list[str] = []
        self.parts: dict[str, str | None] = {}
        info = lab.file.lab
        self.references = references
        self.commentary = Commentary(
            template_folders(lab),
            self.tokens,
            lab={"title": info.title, "authors": list(info.authors), "course": info.course or ""},
            on_ref=self._ref,
            on_cite=self._cite,
            on_claim=self._claim,
            citable=list(self.references),
        )

    def document(self, sections: Sequence[Section]) -> Document:
        self.parts = {section.key: section.part for section in sections}
        drafts = [self._draft(section) for section in sections]
        self._check_refs()
        self.claims = judge(self.claims)
        self.claim_words = [self._worded(number, claim) for number, claim in enumerate(self.claims, 1)]
        info = self.lab.file.lab
        texts = tuple(self._finish(draft) for draft in drafts)
        published = any(section.module in PUBLISHED for section in sections)
        records = appendix(self.data, self.language, published=published)
        if CHECKLIST in self.references:
            self._cite(CHECKLIST)
        order = {section.key: place for place, section in enumerate(sections)}
        in_order = sorted(self.tokens.printed, key=lambda one: order[one.section])
        printed = (*in_order, *of_appendix(records))
        return Document(
            title=info.title,
            authors=info.authors,
            course=info.course,
            language=self.language,
            lab=self.data,
            sections=texts,
            bibliography=tuple(Cited(i, key, self.references[key]) for i, key in enumerate(self.cited, 1)),
            appendix=records,
            printed=printed,
            missing=tuple(dict.fromkeys(self.missing)),
            evidence_hash=evidence_hash(entries(printed), record_hashes(self.data)),
            rubric=self.rubric,
            part_titles=self.part_titles,
            claims=tuple(self.claims),
            tokens=self.tokens,
            style=self.lab.file.style,
        )

    def _draft(self, section: Section) -> _Drafted:
        problems, answerable = self.problems(section)
        for index, problem in enumerate(problems):
            self.tokens.printed += of_words(section.key, f"problem.{index + 1}", problem, "problem")
        if not answerable:
            return _Drafted(section, problems)
        if section.key not in self.known:
            self.known[section.key] = section.answer(self.data, self.language)
        evidence = self.known[section.key]
        draft = self.commentary.render(section.key, evidence)
        named = [content for kind, content in draft.parts if kind == "item"]
        parts = [*draft.parts, *(("item", name) for name in evidence.items if name not in named)]
        pieces: list[str | Placed] = [
            content if kind == "prose" else self._place(section.key, content, evidence.items[content])
            for kind, content in parts
        ]
        return _Drafted(section, problems, evidence, draft, pieces)

    def problems(self, section: Section) -> tuple[tuple[str, ...], bool]:
        """What keeps this section from being complete, and whether it can be answered at all."""
        if section.part not in DATA_PARTS:
            return (), True
        part: Part | None = self.data.parts.get(section.part)
        if part is None:
            return (
                self.language.text("The lab names no data set for this part, so there is nothing to report."),
            ), False
        problems = (
            *(self._run_problem(section, part, *entry) for entry in part.problems.items()),
            *(self._lost_seed(part, lost) for lost in part.lost_seeds),
            *(self._fold_problem(part, problem) for problem in part.fold_problems if section.module == "training"),
        )
        if part.runs or not section.needs_runs:
            return problems, True
        none = self.language.text("No network was trained on this data set, so this activity has no results yet.")
        self.missing.append(f"{section.key}: {none}")
        return (none, *problems), False

    def _run_problem(self, section: Section, part: Part, network: str, reason: str) -> str:
        text = self.language.text
        diverged = next((one for one in part.diverged if one.network == network), None)
        because = str(diverged.resolved.get("diverged_because") or reason) if diverged else reason
        self.missing.append(f"{part.dataset.name}, {network}: {because or 'no finished run'}")
        if diverged:
            return text("{network}'s training diverged: {reason}", network=diverged.title, reason=_first_line(because))
        return text(
            "{network} has no finished run here: {reason}",
            network=find_network(network).TITLE,
            reason=_first_line(self._reason(reason)) or text("it was not trained"),
        )

    def _lost_seed(self, part: Part, lost: LostSeed) -> str:
        self.missing.append(
            f"{part.dataset.name}, {lost.network}, seed {lost.seed}: {lost.reason or 'no finished run'}"
        )
        text, runs = self.language.text, [run.run.id for run in part.of(lost.network)]
        return text(
            "Seed {seed} of {network} has no finished run here, so that what is said over its seeds is said over {n} of "
            "{of}: {reason}",
            seed=count(lost.seed, runs=runs),
            network=find_network(lost.network).TITLE,
            n=count(len(runs), runs=runs),
            of=count(part.asked_seeds(lost.network), runs=runs),
            reason=_first_line(self._reason(lost.reason)) or text("it was not trained"),
        )

    def _reason(self, reason: str) -> str:
        return self.language.text(REMOVED) if reason == REMOVED else reason

    def _fold_problem(self, part: Part, problem: FoldProblem) -> str:
        number, of = problem.index + 1, problem.of
        self.missing.append(
            f"{part.dataset.name}, {problem.network}, fold {number} of {of}: {problem.reason or 'not trained'}"
        )
        return self.language.text(
            "Fold {number} of {of} of {network} was not trained to its end: {reason}",
            number=number,
            of=of,
            network=find_network(problem.network).TITLE,
            reason=_first_line(problem.reason) or self.language.text("it was not trained"),
        )

    def _place(self, section: str, name: str, item: Item) -> Placed:
        kind = kind_of(item)
        self.counts[kind] += 1
        number = self.counts[kind]
        placed = Placed(name, item, kind, number, self._label(kind, number), f"{section}-{name}".replace("_", "-"))
        self.placed[section, name] = placed
        self.tokens.printed += of_item(section, name, item, self.language)
        return placed

    def _label(self, kind: ItemKind, number: int) -> str:
        words = {
            "figure": self.language.text("Figure"),
            "table": self.language.text("Table"),
            "listing": self.language.text("Listing"),
        }
        return f"{words[kind]}{NBSP}{number}"

    def _ref(self, section: str, name: str, capital: bool, line: str) -> str:
        self.pending.append((section, name, line))

        def link(medium: Medium) -> str:
            placed = self._target(section, name, line)
            words = placed.label if capital else placed.label[0].lower() + placed.label[1:]
            if medium == "markdown":
                return words
            return f'<a class="xref" href="#{placed.anchor}">{html.escape(words)}</a>'

        return self.tokens.add(link)

    def _target(self, section: str, name: str, line: str) -> Placed:
        where, _, item = name.rpartition("/")
        if where:
            found = [self.placed[where, item]] if (where, item) in self.placed else []
        else:
            own = self.placed.get((section, item))
            found = [own] if own else [placed for key, placed in self.placed.items() if key[1] == item]
        if len(found) == 1:
            return found[0]
        known = [item for key, item in self.placed if key == section] + [f"{key}/{item}" for key, item in self.placed]
        raise TemplateProblem(
            "a cross reference is ambiguous" if found else "a cross reference leads nowhere",
            where=line,
            received=f'ref("{name}")',
            expected="the name of an item of this section, or section/name",
            hint=did_you_mean(name, known),
        )

    def _check_refs(self) -> None:
        for section, name, line in self.pending:
            self._target(section, name, line)

    def _cite(self, key: str) -> str:
        if key not in self.cited:
            self.cited.append(key)
        number = self.cited.index(key) + 1

        def link(medium: Medium) -> str:
            return f"[{number}]" if medium == "markdown" else f'<a class="cite" href="#ref-{key}">[{number}]</a>'

        return self.tokens.add(link)

    def _claim(self, section: str, text: str, on: str, dataset: str, where: Where) -> str:
        """A token: what the runs say of a claim is known when all prose is rendered, since all are corrected together."""
        request = Request(
            section=section, part=self.parts[section], text=text, on=on, dataset=dataset, path=where[0], line=where[1]
        )
        self.claims.append(examine(self.data, request))
        index = len(self.claims) - 1
        return self.tokens.phrase(lambda: self.claim_words[index])

    def _worded(self, number: int, claim: Claim) -> str:
        """The claim in words, of tokens; HTML says its verdict as a class too."""

        def quantity(value: Quantity, text: str, name: str) -> str:
            return self.tokens.quantity(value, text, section=claim.section, name=f"claim.{number}.{name}")

        def markup(text: str) -> str:
            return self.tokens.add(lambda medium: "" if medium == "markdown" else text)

        words, verdict, contrary = wording(claim, self.language, self.tokens.text, quantity)
        kind, inner, end = f"claim {claim.verdict.replace(' ', '-')}", "verdict", markup("</span>")
        opened, marked = markup(f'<span class="{kind}">'), markup(f'<span class="{inner}">')
        return f"{opened}{words}: {marked}{verdict}{end}{contrary}{end}"

    def _finish(self, drafted: _Drafted) -> SectionText:
        section, draft = drafted.section, drafted.draft
        return SectionText(
            key=section.key,
            number=section.number,
            part=section.part,
            module=section.module,
            label=section.label_in(self.language),
            title=section.title_in(self.language),
            pieces=tuple(
                piece if isinstance(piece, Placed) else self._prose(piece, drafted) for piece in drafted.pieces
            ),
            marked=bool(draft and draft.generated),
            problems=drafted.problems,
            path=draft.path if draft else None,
            evidence=drafted.evidence,
            uses=draft.uses if draft else frozenset(),
            files=draft.files if draft else {},
            review="generated" if draft and draft.generated else "written",
            level=self._level(section),
        )

    def _level(self, section: Section) -> int:
        return 3 if section.part in self.part_titles else 2

    def _prose(self, source: str, drafted: _Drafted) -> Prose:
        level = self._level(drafted.section) + 1
        path = drafted.draft.path if drafted.draft else None
        page = markdown_html(source, path, level=level)
        if path and PERCENT_ENCODED in page:
            raise TemplateProblem(
                "what a template prints cannot be part of a link's address",
                where=line_of(path, r"\]\([^)\n]*\{\{"),
                expected="an address that is written out",
            )
        blocks = (block.strip() for block in _BLANK_LINES.split(source))
        return Prose(
            screen=self.tokens.resolve(page, "screen"),
            print=self.tokens.resolve(page, "print"),
            markdown=self.tokens.resolve(source, "markdown").strip(),
            paragraphs=tuple(self._paragraph(block) for block in blocks if block),
        )

    def _paragraph(self, source: str) -> Paragraph:
        return Paragraph(
            text=self.tokens.resolve(source, "markdown"),
            printed=tuple(self.tokens.printed_in(source)),
        )


def _first_line(text: str) -> str:
    return text.splitlines()[0] if text else ""

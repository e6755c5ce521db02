"""Puts a report together: asks every section for its evidence, renders its prose, places and numbers its items."""

from __future__ import annotations

import html
import re
from collections import Counter
from collections.abc import Mapping, MutableMapping, Sequence
from dataclasses import replace
from typing import Any

from cnnlab.errors import TemplateProblem, did_you_mean
from cnnlab.lab import Lab
from cnnlab.networks import find_network
from report.data.literature import REFERENCES
from report.data.records import REMOVED, LabData
from report.document.appendix import PUBLISHED, appendix
from report.document.claims import Claim, examine, judge, wording
from report.document.commentary import Commentary
from report.document.markdown import markdown_html
from report.document.model import Cited, Document, ItemKind, Paragraph, Placed, Prose, SectionText
from report.document.problems import CallError, calling_place, line_of
from report.document.provenance import entries, evidence_hash, of_item, of_words, record_hashes
from report.document.reviews import review_states
from report.document.rubric import DATA_PARTS, Rubric, Section, load_rubric, template_folders
from report.document.tokens import PERCENT_ENCODED, Medium, Tokens
from report.evidence.language import NBSP, Language
from report.evidence.quantity import Evidence, Item, Listing, Table, numbers_of

LABELS: Mapping[ItemKind, str] = {"figure": "Figure", "table": "Table", "listing": "Listing"}
"""Message ids of the three series in which items are numbered; galleries are figures."""


def assemble(
    data: LabData,
    lab: Lab,
    language: Language,
    *,
    sections: Sequence[Section] | None = None,
    references: Mapping[str, Any] = REFERENCES,
    known: MutableMapping[str, Evidence] | None = None,
) -> Document:
    """Ask every section for its evidence, render its prose, place, number and cross-reference its items.

    Args:
        sections: in place of those of the lab's rubric.
        references: what can be cited.
        known: evidence by section from an earlier call with the same data, rubric and language; what is not there is
            added.

    Raises:
        TemplateProblem: the rubric or a commentary file is wrong, or refers to something that is not there.
        StoreError: a record that a section reads is damaged, or the file of accepted sections.
    """
    rubric = load_rubric(lab)
    if sections is not None:
        rubric = rubric.model_copy(update={"sections": tuple(sections)})
    document = _Assembly(data, lab, language, rubric, references, {} if known is None else known).document()
    states = review_states(document, lab)
    return replace(document, sections=tuple(replace(one, review=states[one.key]) for one in document.sections))


def answered(data: LabData, lab: Lab, language: Language, key: str) -> tuple[Evidence | None, list[str]]:
    """The evidence of the section `key`, None where it has no results, and what is missing, in the reader's language."""
    section = load_rubric(lab).section(key)
    problems, _, answerable = _problems(data, section, language)
    return section.answer(data, language) if answerable else None, problems


def _problems(data: LabData, section: Section, language: Language) -> tuple[list[str], list[str], bool]:
    """What keeps a section from being complete, for its reader and for the user, and whether it can be answered at all."""
    t, problems, missing = language.text, list[str](), list[str]()
    if section.part not in DATA_PARTS:
        return [], [], True
    if (part := data.parts.get(section.part)) is None:
        return [t("The lab names no data set for this part, so there is nothing to report.")], [], False

    def lacking(network: str, place: str, reason: str, words: str, **fields: Any) -> None:
        otherwise = "not trained" if "fold" in place else "no finished run"
        missing.append(f"{part.dataset.name}, {network}{place}: {reason or otherwise}")
        shown = t(REMOVED) if reason == REMOVED else next(iter(reason.splitlines()), "") or t("it was not trained")
        problems.append(t(words, network=find_network(network).TITLE, reason=shown, **fields))

    diverged = {one.network: one.reason for one in part.diverged}
    for network, reason in part.problems.items():
        if network in diverged:
            lacking(network, "", diverged[network] or reason, "{network}'s training diverged: {reason}")
        else:
            lacking(network, "", reason, "{network} has no finished run here: {reason}")
    for lost in part.lost_seeds:
        q = numbers_of(*(run.run for run in part.of(lost.network)))
        words = (
            "Seed {seed} of {network} has no finished run here, so that what is said over its seeds is said over {n} of "
            "{of}: {reason}"
        )
        counts = {"seed": lost.seed, "n": len(part.of(lost.network)), "of": part.asked_seeds(lost.network)}
        fields = {name: q.count(number) for name, number in counts.items()}
        lacking(lost.network, f", seed {lost.seed}", lost.reason, words, **fields)
    for fold in part.fold_problems if section.module == "training" else ():
        words, number = "Fold {number} of {of} of {network} was not trained to its end: {reason}", fold.index + 1
        lacking(fold.network, f", fold {number} of {fold.of}", fold.reason, words, number=number, of=fold.of)
    if part.runs or not section.needs_runs:
        return problems, missing, True
    none = t("No network was trained on this data set, so this activity has no results yet.")
    return [none, *problems], [*missing, f"{section.key}: {none}"], False


class _Assembly:
    def __init__(
        self, data: LabData, lab: Lab, language: Language, rubric: Rubric, references: Mapping[str, Any],
        known: MutableMapping[str, Evidence],
    ) -> None:  # fmt: skip
        self.data, self.lab, self.language, self.rubric = data, lab, language, rubric
        self.references, self.known, self.tokens = references, known, Tokens(language)
        self.part_titles = rubric.part_titles(data, language)
        self.placed, self.counts = dict[tuple[str, str], Placed](), Counter[ItemKind]()
        self.missing, self.cited, self.pending = list[str](), list[str](), list[tuple[str, str, str]]()
        self.claims, self.claim_words, info = list[Claim](), list[str](), lab.file.lab
        self.commentary = Commentary(
            template_folders(lab),
            self.tokens,
            lab={"title": info.title, "authors": list(info.authors), "course": info.course or ""},
            functions={"ref": self._ref, "cite": self._cite, "claim": self._claim},
        )

    def document(self) -> Document:
        sections, info = self.rubric.sections, self.lab.file.lab
        drafts = [self._draft(section) for section in sections]
        for reference in self.pending:
            self._target(*reference)
        self.claims = judge(self.claims)
        self.claim_words = [wording(claim, number, self.tokens) for number, claim in enumerate(self.claims, 1)]
        texts = []
        for text, drafted in drafts:
            pieces = (self._prose(piece, text) if isinstance(piece, str) else piece for piece in drafted)
            texts.append(replace(text, pieces=tuple(pieces)))
        records = appendix(self.data, self.language, published=any(one.module in PUBLISHED for one in sections))
        order = [section.key for section in sections]
        printed = sorted(self.tokens.printed, key=lambda one: order.index(one.section))
        for entry in (entry for group in records.values() for entry in group):
            for term, words in entry.facts:
                printed += of_words("appendix", f"{(*entry.ids, entry.title)[0]}.{term}", words, "appendix")
        return Document(
            title=info.title,
            authors=info.authors,
            course=info.course,
            language=self.language,
            lab=self.data,
            sections=tuple(texts),
            bibliography=tuple(Cited(i, key, self.references[key]) for i, key in enumerate(self.cited, 1)),
            appendix=records,
            printed=tuple(printed),
            missing=tuple(dict.fromkeys(self.missing)),
            evidence_hash=evidence_hash(entries(printed), record_hashes(self.data)),
            rubric=self.rubric,
            part_titles=self.part_titles,
            claims=tuple(self.claims),
            tokens=self.tokens,
            style=self.lab.file.style,
        )

    def _draft(self, section: Section) -> tuple[SectionText, list[str | Placed]]:
        """The section without its pieces, and these with prose as its source: what it refers to is not all known yet."""
        problems, missing, answerable = _problems(self.data, section, self.language)
        self.missing += missing
        for place, problem in enumerate(problems, 1):
            self.tokens.printed += of_words(section.key, f"problem.{place}", problem, "problem")
        text = SectionText(
            key=section.key,
            number=section.number,
            part=section.part,
            module=section.module,
            label=self.rubric.label.of(self.language, number=section.number) if section.number else "",
            title=section.title.of(self.language),
            level=3 if section.part in self.part_titles else 2,
            problems=tuple(problems),
        )
        if not answerable:
            return text, []
        if section.key not in self.known:
            self.known[section.key] = section.answer(self.data, self.language)
        evidence = self.known[section.key]
        drafted, facts = self.commentary.render(section.key, evidence, section.module)
        named = [content for kind, content in drafted if kind == "item"]
        pieces = [
            content if kind == "prose" else self._placed(section.key, content, evidence.items[content])
            for kind, content in (*drafted, *(("item", name) for name in evidence.items if name not in named))
        ]
        return replace(text, evidence=evidence, **facts), pieces

    def _placed(self, section: str, name: str, item: Item) -> Placed:
        kind: ItemKind = "table" if isinstance(item, Table) else "listing" if isinstance(item, Listing) else "figure"
        self.counts[kind] += 1
        label = f"{self.language.text(LABELS[kind])}{NBSP}{self.counts[kind]}"
        placed = Placed(name, item, kind, label, f"{section}-{name}".replace("_", "-"))
        self.placed[section, name] = placed
        self.tokens.printed += of_item(section, name, item, self.language)
        return placed

    def _ref(self, name: str, capital: bool = False) -> str:
        reference = self.commentary.section, name, "{}, line {}".format(*calling_place())
        self.pending.append(reference)

        def link(medium: Medium) -> str:
            placed = self._target(*reference)
            words = placed.label if capital else placed.label[0].lower() + placed.label[1:]
            page = f'<a class="xref" href="#{placed.anchor}">{html.escape(words)}</a>'
            return words if medium == "markdown" else page

        return self.tokens.add(link)

    def _target(self, section: str, name: str, place: str) -> Placed:
        where, _, item = name.rpartition("/")
        found = [self.placed[where or section, item]] if (where or section, item) in self.placed else []
        if not found and not where:
            found = [placed for key, placed in self.placed.items() if key[1] == item]
        if len(found) == 1:
            return found[0]
        known = [item for key, item in self.placed if key == section] + [f"{key}/{item}" for key, item in self.placed]
        raise TemplateProblem(
            "a cross reference is ambiguous" if found else "a cross reference leads nowhere",
            where=place,
            received=f'ref("{name}")',
            expected="the name of an item of this section, or section/name",
            hint=did_you_mean(name, known),
        )

    def _cite(self, *keys: str) -> str:
        def token(key: str) -> str:
            if key not in self.references:
                raise CallError("the bibliography has no such reference", key, list(self.references))
            if key not in self.cited:
                self.cited.append(key)
            number = f"[{self.cited.index(key) + 1}]"
            page = f'<a class="cite" href="#ref-{key}">{number}</a>'
            return self.tokens.add(lambda medium: number if medium == "markdown" else page)

        return " ".join(map(token, keys))

    def _claim(self, text: str, on: str = "test accuracy", dataset: str = "") -> str:
        """A token: what the runs say of a claim is known when all prose is rendered, since all are corrected together."""
        section, (path, line), index = self.commentary.section, calling_place(), len(self.claims)
        part = self.rubric.section(section).part
        claim = examine(self.data, part, str(text), str(on), str(dataset), section=section, path=path, line=line)
        self.claims.append(claim)
        return self.tokens.add(lambda medium: self.claim_words[index])

    def _prose(self, source: str, section: SectionText) -> Prose:
        page = markdown_html(source, section.path, level=section.level + 1)
        if section.path and PERCENT_ENCODED in page:
            raise TemplateProblem(
                "what a template prints cannot be part of a link's address",
                where=line_of(section.path, r"\]\([^)\n]*\{\{"),
                expected="an address that is written out",
            )
        blocks = (block.strip() for block in re.split(r"\n\s*\n", source))
        return Prose(
            screen=self.tokens.resolve(page, "screen"),
            print=self.tokens.resolve(page, "print"),
            markdown=self.tokens.resolve(source, "markdown").strip(),
            paragraphs=tuple(Paragraph(*self.tokens.read(block)) for block in blocks if block),
        )

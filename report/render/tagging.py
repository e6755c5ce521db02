"""The structure tree of the PDF as PDF/UA-1 (ISO 14289-1, 7.2 and 7.5) asks for it, where WeasyPrint makes another."""

from __future__ import annotations

from typing import Any

_REPEATED = frozenset(f"/H{level}" for level in range(1, 7))
"""What a box around a part of itself repeats."""


class Tagging:
    """The structure elements of a `pydyf.PDF`; `mend` changes them in place."""

    def __init__(self, pdf: Any) -> None:
        self.pdf = pdf

    def mend(self) -> None:
        """Lists hold items, items a label and a body, no heading holds itself, and heads of tables have a scope."""
        for element in [one for one in self.pdf.objects if _is_element(one)]:
            match element["S"]:
                case "/L":
                    self._list(element)
                case "/LI":
                    self._item(element)
                case "/TH":
                    within = self._parent(self._parent(element))["S"]
                    element["A"]["Scope"] = "/Column" if within == "/THead" else "/Row"
                case kind if kind in _REPEATED and self._parent(element)["S"] == kind:
                    element["S"] = "/Span"

    def _list(self, element: Any) -> None:
        """A group of a term and its description is an item: the term its label, the description its body."""
        for group in self._kids(element):
            if group["S"] != "/Div":
                continue
            group["S"] = "/LI"
            terms = [one for item in self._kids(group) for one in self._kids(item) if item["S"] == "/LI"]
            for place, one in enumerate(terms):
                one["S"], one["P"] = "/LBody" if place else "/Lbl", group.reference
            group["K"][:] = [one.reference for one in terms]

    def _item(self, element: Any) -> None:
        """Paragraphs of an item are its body."""
        loose = [one for one in self._kids(element) if one["S"] not in ("/Lbl", "/LBody")]
        if not loose:
            return
        import pydyf

        body = pydyf.Dictionary({
            "Type": "/StructElem", "S": "/LBody", "P": element.reference, "Pg": element["Pg"],
            "K": pydyf.Array([one.reference for one in loose]),
        })  # fmt: skip
        self.pdf.add_object(body)
        for one in loose:
            one["P"] = body.reference
        kept = [kid for kid in element["K"] if kid not in body["K"]]
        element["K"][:] = [*kept, body.reference]

    def _kids(self, element: Any) -> list[Any]:
        """The elements in an element, without the pieces of pages and the annotations."""
        found = [self.pdf.objects[int(kid.split()[0])] for kid in element["K"] if isinstance(kid, bytes)]
        return [one for one in found if _is_element(one)]

    def _parent(self, element: Any) -> Any:
        return self.pdf.objects[int(element["P"].split()[0])]


def _is_element(one: Any) -> bool:
    return isinstance(one, dict) and one.get("Type") == "/StructElem"

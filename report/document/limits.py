"""What a commentary file may cost: it comes with a lab that somebody else may have written, and must not hang a report.

Loops, macros and everything that multiplies texts or numbers are counted or measured before they are done, so that the
same file ends in the same error on every machine.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from jinja2 import nodes, pass_eval_context
from jinja2.filters import FILTERS, sync_do_join
from jinja2.nodes import EvalContext
from jinja2.runtime import Undefined, markup_join
from jinja2.sandbox import ImmutableSandboxedEnvironment
from markupsafe import Markup

MOST_STEPS = 100_000
"""Passes of loops and calls of macros in one rendering."""

MOST_RANGE = 1000
LONGEST_TEXT = 100_000
LONGEST_LIST = 10_000
MOST_BITS = 4096
"""Of a whole number."""

UNLIMITED_FILTERS = frozenset({"batch", "center", "format", "indent", "safe", "slice", "wordwrap"})
"""Left out: they make a text or a list as long as a number says, or let one through unescaped."""

UNLIMITED_METHODS = frozenset({
    "center", "expandtabs", "format", "format_map", "join", "ljust", "replace", "rjust", "translate", "zfill",
})  # fmt: skip
"""Of texts, left out for the same reason."""

_WIDTH = re.compile(r"%[^a-zA-Z%]*(?:\d{4}|\*)")


class TooMuch(Exception):
    """A commentary file asks for more than prose needs; the text says of what."""


class LimitedEnvironment(ImmutableSandboxedEnvironment):
    """A sandbox whose templates end: `begin` before each rendering."""

    intercepted_binops = frozenset({"+", "*", "**", "%"})

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._steps = 0
        self.globals = {"dict": dict, "namespace": self.globals["namespace"], "range": _range}
        for name in UNLIMITED_FILTERS:
            self.filters.pop(name)
        self.filters |= {"replace": _replaced, "join": _joined}

    def begin(self) -> None:
        """Forget what was counted."""
        self._steps = 0

    def step(self) -> Markup:
        """Called at the beginning of each pass of a loop and of each call of a macro."""
        self._steps += 1
        if self._steps > MOST_STEPS:
            raise TooMuch(f"more than {MOST_STEPS:,} passes of loops and calls of macros")
        return Markup()

    def concatenated(self, *parts: Any) -> Any:
        """What `~` makes of its operands."""
        return _measured(markup_join(parts))

    def is_safe_attribute(self, obj: Any, attr: str, value: Any) -> bool:
        """Whether a template may read it."""
        if isinstance(obj, str) and attr in UNLIMITED_METHODS:
            return False
        return super().is_safe_attribute(obj, attr, value)

    def wrap_str_format(self, value: Any) -> Any:
        """What stands for `"…".format`, which could ask for any width."""
        return None if super().wrap_str_format(value) is None else _no_format

    def call_binop(self, context: Any, operator: str, left: Any, right: Any) -> Any:
        """The operation, refused before it is done where its result would be too large."""
        if isinstance(left, Undefined) or isinstance(right, Undefined):
            return super().call_binop(context, operator, left, right)
        if operator == "*":
            _check_product(left, right)
        elif operator == "**":
            _check_power(left, right)
        elif operator == "%" and isinstance(left, str) and _WIDTH.search(left):
            raise TooMuch("a text as wide as a number says")
        return _measured(super().call_binop(context, operator, left, right))

    def _parse(self, source: str, name: str | None, filename: str | None) -> nodes.Template:
        template = _with_steps(super()._parse(source, name, filename))
        template.set_environment(self)
        return template


def _with_steps(template: nodes.Template) -> nodes.Template:
    """The template with a step at the beginning of each loop and macro, and `~` done by the environment."""
    kinds: tuple[type[Any], ...] = (nodes.For, nodes.Macro, nodes.CallBlock)
    for node in template.find_all(kinds):
        node.body.insert(0, nodes.Output([_call("step", [], node.lineno)], lineno=node.lineno))
    _replace_concatenations(template)
    return template


def _replace_concatenations(node: nodes.Node) -> None:
    for field, value in node.iter_fields():
        if isinstance(value, list):
            setattr(node, field, [_without_concatenation(one) for one in value])
        else:
            setattr(node, field, _without_concatenation(value))


def _without_concatenation(value: Any) -> Any:
    if not isinstance(value, nodes.Node):
        return value
    _replace_concatenations(value)
    return _call("concatenated", value.nodes, value.lineno) if isinstance(value, nodes.Concat) else value


def _call(method: str, arguments: list[nodes.Expr], line: int) -> nodes.Call:
    return nodes.Call(nodes.EnvironmentAttribute(method, lineno=line), arguments, [], None, None, lineno=line)


def _no_format(*args: Any, **kwargs: Any) -> Any:
    raise TooMuch("the method format of a text, which can make it as wide as a number says")


def _range(*args: int) -> range:
    """`range`, of at most `MOST_RANGE` numbers."""
    found = range(*args)
    if len(found) > MOST_RANGE:
        raise TooMuch(f"a range of {len(found):,} numbers, where {MOST_RANGE:,} are the most")
    return found


@pass_eval_context
def _replaced(context: EvalContext, text: Any, old: Any, new: Any, count: int | None = None) -> Any:
    """The filter `replace`, whose result is measured beforehand."""
    _check_length(len(str(text)) + str(text).count(str(old)) * len(str(new)))
    return FILTERS["replace"](context, text, old, new, count)


@pass_eval_context
def _joined(context: EvalContext, values: Iterable[Any], between: Any = "", attribute: Any = None) -> Any:
    """The filter `join`, likewise."""
    found = list(values)
    _check_length(len(found), LONGEST_LIST)
    _check_length(len(found) * len(str(between)))
    return _measured(sync_do_join(context, found, between, attribute))


def _check_product(left: Any, right: Any) -> None:
    for one, other in ((left, right), (right, left)):
        if isinstance(one, str | list | tuple) and isinstance(other, int):
            _check_length(len(one) * other, LONGEST_TEXT if isinstance(one, str) else LONGEST_LIST)
    if isinstance(left, int) and isinstance(right, int):
        _check_bits(left.bit_length() + right.bit_length())


def _check_power(left: Any, right: Any) -> None:
    if isinstance(left, int) and isinstance(right, int):
        _check_bits(left.bit_length() * abs(right))


def _check_bits(bits: int) -> None:
    if bits > MOST_BITS:
        raise TooMuch(f"a number of {bits:,} bits, where {MOST_BITS:,} are the most")


def _check_length(length: int, most: int = LONGEST_TEXT) -> None:
    if length > most:
        raise TooMuch(f"a text or list of {length:,}, where {most:,} are the most")


def _measured(value: Any) -> Any:
    if isinstance(value, str):
        _check_length(len(value))
    elif isinstance(value, list | tuple):
        _check_length(len(value), LONGEST_LIST)
    return value

"""Commentary that tries to leave its sandbox, or calls itself without end, is one clear message and runs nothing."""

from __future__ import annotations

import pytest

from tests.pages import Desk

REFUSED = {
    "uses a name that does not exist": [
        "{{ ''.__class__.__mro__ }}", "{{ accuracy.__class__.__init__.__globals__ }}", "{{ accuracy|attr('__class__') }}",
        "{{ accuracy['__class__'] }}", "{{ lipsum.__globals__ }}", "{{ cycler.__init__.__globals__.os.popen('id').read() }}",
        "{{ joiner.__init__ }}", "{{ namespace.__init__.__globals__ }}", "{{ range.__self__ }}",
        "{{ self.__init__.__globals__ }}", "{{ self._TemplateReference__context }}", "{{ figure.__globals__ }}",
        "{{ figure.__wrapped__.func }}", "{{ ref.__self__ }}", "{{ (classes|map('upper')).gi_frame.f_globals }}",
        "{{ '{0.__class__}'.format(accuracy) }}", "{{ '{a.__class__}'.format_map({'a': accuracy}) }}",
        "{{ open('/etc/passwd') }}", "{{ classes.append(1) }}",
    ],
    "cannot be printed as it is": ["{{ [accuracy]|map(attribute='__class__')|list }}"],
    "cannot be read": ["{{ ''|safe }}", "{% do classes.append(1) %}"],
    "includes a file that does not exist": [
        "{% import 'os' as os %}", "{% include '../../../../../../etc/passwd' %}", "{% include '/etc/passwd' %}",
    ],
    "cannot be rendered": ["{% set accuracy.value = 1 %}"],
    "asks for more than a report's prose needs": [
        "{{ range(10**9)|list }}", "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}",
        "{% for i in [[]] recursive %}{{ loop([i]) }}{% endfor %}", "{{ " + "(" * 3000 + "1" + ")" * 3000 + " }}",
    ],
}  # fmt: skip
HARMLESS = {
    "{{ given('a' ~ 'b' ~ 1) }}": "ab1",
    "{{ given(classes|map('length')|map('string')|join(', ')) }}": "25, 6, 24",
    "{% for i in range(3) %}{{ given('n' ~ i) }}{% endfor %}": "n0n1n2",
    "{{ given('one'|replace('n', 'th')) }}": "othe",
    "{% macro m(n) %}{{ given('m' * n) }}{% endmacro %}{{ m(3) }}": "mmm",
    "{{ 2 ** 10 % 1000 + 1 }}": "25",
    "<script>alert(1)</script>": "&lt;script&gt;alert(1)&lt;/script&gt;",
    "{% autoescape false %}{{ '<script>' }}{% endautoescape %}": "&lt;script&gt;",
    "![a](http://127.0.0.1:9/x.png)": '!<a href="http://127.0.0.1:9/x.png">a</a>',
    "[a](javascript:alert(1))": "[a](javascript:alert(1))",
    "[a](file:///etc/passwd)": "[a](file:///etc/passwd)",
    "<!-- comment -->": "&lt;!-- comment --&gt;",
}


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Desk:
    return Desk(tmp_path_factory.mktemp("commentary"))


@pytest.mark.parametrize(("what", "text"), [(what, text) for what, texts in REFUSED.items() for text in texts])
def test_what_leaves_the_sandbox_or_never_ends_is_one_message(desk: Desk, what: str, text: str) -> None:
    problem = desk.problem(text)
    assert what in str(problem) and "activity-07.md.j2" in str(problem.where)
    assert "root:" not in str(problem.received)


@pytest.mark.parametrize("text", HARMLESS)
def test_what_ends_and_stays_inside_is_printed(desk: Desk, text: str) -> None:
    assert HARMLESS[text] in desk.prose(text).screen


@pytest.mark.parametrize("content", [b"\xff\xfe\x00", b"caf\xe9 {{ accuracy }}", b"{{", b"{% for %}", b"{% if %}" * 99])
def test_garbage_is_one_message(desk: Desk, content: bytes) -> None:
    """Bytes that are no UTF-8, and tags that are never closed."""
    problem = desk.problem(content)
    assert "activity-07.md.j2" in str(problem.where)

"""Commentary that tries to leave its sandbox, or calls itself without end, is one clear message and runs nothing."""

from __future__ import annotations

import pytest

from tests.pages import Desk

NO_SUCH_NAME = "uses a name that does not exist"
TOO_MUCH = "asks for more than a report's prose needs"
NOT_PRINTED = "cannot be printed as it is"
NO_FILTER = "cannot be read"
ESCAPES = {
    "{{ ''.__class__.__mro__ }}": NO_SUCH_NAME,
    "{{ accuracy.__class__.__init__.__globals__ }}": NO_SUCH_NAME,
    "{{ accuracy|attr('__class__') }}": NO_SUCH_NAME,
    "{{ accuracy['__class__'] }}": NO_SUCH_NAME,
    "{{ [accuracy]|map(attribute='__class__')|list }}": NOT_PRINTED,
    "{{ lipsum.__globals__ }}": NO_SUCH_NAME,
    "{{ cycler.__init__.__globals__.os.popen('id').read() }}": NO_SUCH_NAME,
    "{{ joiner.__init__ }}": NO_SUCH_NAME,
    "{{ namespace.__init__.__globals__ }}": NO_SUCH_NAME,
    "{{ range.__self__ }}": NO_SUCH_NAME,
    "{{ self.__init__.__globals__ }}": NO_SUCH_NAME,
    "{{ self._TemplateReference__context }}": NO_SUCH_NAME,
    "{{ figure.__globals__ }}": NO_SUCH_NAME,
    "{{ figure.__wrapped__.func }}": NO_SUCH_NAME,
    "{{ ref.__self__ }}": NO_SUCH_NAME,
    "{{ (classes|map('upper')).gi_frame.f_globals }}": NO_SUCH_NAME,
    "{{ '{0.__class__}'.format(accuracy) }}": NO_SUCH_NAME,
    "{{ '{a.__class__}'.format_map({'a': accuracy}) }}": NO_SUCH_NAME,
    "{{ open('/etc/passwd') }}": NO_SUCH_NAME,
    "{{ ''|safe }}": NO_FILTER,
    "{% import 'os' as os %}": "includes a file that does not exist",
    "{% include '../../../../../../etc/passwd' %}": "includes a file that does not exist",
    "{% include '/etc/passwd' %}": "includes a file that does not exist",
    "{% do classes.append(1) %}": NO_FILTER,
    "{{ classes.append(1) }}": NO_SUCH_NAME,
    "{% set accuracy.value = 1 %}": "cannot be rendered",
}
BOMBS = {
    "{{ range(10**9)|list }}": TOO_MUCH,
    "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}": TOO_MUCH,
    "{% for i in [[]] recursive %}{{ loop([i]) }}{% endfor %}": TOO_MUCH,
    "{{ " + "(" * 3000 + "1" + ")" * 3000 + " }}": TOO_MUCH,
}
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


@pytest.mark.parametrize("text", [*ESCAPES, *BOMBS], ids=lambda text: text[:60])
def test_what_leaves_the_sandbox_or_never_ends_is_one_message(desk: Desk, text: str) -> None:
    problem = desk.problem(text)
    assert {**ESCAPES, **BOMBS}[text] in str(problem) and "activity-07.md.j2" in str(problem.where)
    assert "root:" not in str(problem.received)


@pytest.mark.parametrize("text", HARMLESS)
def test_what_ends_and_stays_inside_is_printed(desk: Desk, text: str) -> None:
    assert HARMLESS[text] in desk.prose(text).screen


@pytest.mark.parametrize("content", [b"\xff\xfe\x00", b"caf\xe9 {{ accuracy }}", b"{{", b"{% for %}", b"{% if %}" * 99])
def test_garbage_is_one_message(desk: Desk, content: bytes) -> None:
    """Bytes that are no UTF-8, and tags that are never closed."""
    problem = desk.problem(content)
    assert "activity-07.md.j2" in str(problem.where)

"""-k: words, and, or, not, parentheses; held against pytest's own reading of them."""

import pytest
from _pytest.mark.expression import Expression
from hypothesis import given
from hypothesis import strategies as st

from hopscope.errors import UsageError
from hopscope.lab.keywords import keywords

TEXT = "labs/Bridge.yaml bridge"


@pytest.mark.parametrize(
    ("expression", "selected"),
    [
        ("bridge", True),
        ("BRIDGE", True),
        ("idge.y", True),
        ("router", False),
        ("not router", True),
        ("not not router", False),
        ("router or bridge", True),
        ("router and bridge", False),
        ("bridge or router and ipv6", True),  # and binds closer
        ("(bridge or router) and ipv6", False),
        ("not router and bridge", True),  # not binds closest
        ("not (router or bridge)", False),
        ("Not router AND bridge", True),
    ],
)
def test_what_is_selected(expression: str, *, selected: bool) -> None:
    assert keywords(expression)(TEXT) is selected


@pytest.mark.parametrize(
    ("expression", "said"),
    [
        ("", "-k '': column 1 should have a word, not, or an opening parenthesis"),
        ("a b", "column 3 should have and, or, or the end"),
        ("a and", "column 6 should have a word"),
        ("or a", "column 1 should have a word"),
        ("(a", "column 3 should have and, or, or a closing parenthesis"),
        ("a)", "column 2 should have and, or, or the end"),
        ("not", "column 4 should have a word"),
    ],
)
def test_what_is_no_expression(expression: str, said: str) -> None:
    """And where it goes wrong."""
    with pytest.raises(UsageError) as raised:
        keywords(expression)
    assert said in str(raised.value)


WORDS = st.sampled_from(["bridge", "router", "labs", "x"])
EXPRESSIONS = st.recursive(
    WORDS,
    lambda inner: st.one_of(
        inner.map("not {}".format),
        inner.map("({})".format),
        st.tuples(inner, st.sampled_from(["and", "or"]), inner).map(" ".join),
    ),
    max_leaves=8,
)


@given(EXPRESSIONS)
def test_the_same_as_pytest_s(expression: str) -> None:
    """Whatever is nested in whatever."""
    theirs = Expression.compile(expression).evaluate(lambda word, /, **_: word in TEXT.lower())
    assert keywords(expression)(TEXT) is theirs

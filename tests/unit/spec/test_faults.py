"""Hints: what was probably meant, else what there is; never long, never slow."""

import pytest

from hopscope.spec.faults import near, nearest, shortened
from hopscope.spec.names import name_fault


@pytest.mark.parametrize(
    ("word", "known", "meant"),
    [
        ("brigdes", ["bridges", "addresses"], "bridges"),
        ("VETH1A", ["veth1a", "veth2b"], "veth1a"),
        ("dance", ["show", "ping"], None),
        ("x", [], None),
        ("v" * 64, ["v" * 63], "v" * 63),
        ("v" * 65, ["v" * 64], None),
    ],
)
def test_what_was_probably_meant(word: str, known: list[str], meant: str | None) -> None:
    assert nearest(word, known) == meant


def test_a_hint_names_what_there_is_and_not_too_much_of_it() -> None:
    assert near("veth1", ["veth1a"]) == "did you mean 'veth1a'?"
    assert near("x", ["a", "b"]) == "known: a, b"
    assert near("x", []) == ""
    many = [f"node{n:02}" for n in range(99)]
    assert near("x", many) == f"known: {', '.join(many[:10])}, …"


def test_only_so_many_names_are_compared() -> None:
    many = [f"{n:06}" for n in range(1000)]
    assert nearest("000150", many) == "000150"
    assert nearest("zzz999", [*many, "zzz998"]) is None


def test_a_text_in_a_message_is_quoted_on_one_line_and_short() -> None:
    assert shortened("a\nb") == r"'a\nb'"
    assert shortened("x" * 60) == f"'{'x' * 60}'"
    assert shortened("x" * 61) == f"'{'x' * 59}…'"


def test_a_very_long_name_is_told_by_its_length() -> None:
    fault = name_fault("x" * 10_000, "a node")
    assert fault is not None
    assert fault.message == "the name of a node has 10000 characters, and 63 are allowed"

"""Many names, or a long text, in one sentence."""

import pytest

from hopscope.model.naming import cut, some_of


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (0, ""),
        (1, "p0"),
        (8, "p0, p1, p2, p3, p4, p5, p6, p7"),
        (9, "p0, p1, p2, p3 and 5 more"),
        (1000, "p0, p1, p2, p3 and 996 more"),
    ],
)
def test_of_many_names_the_first_are_told(number: int, words: str) -> None:
    assert some_of([f"p{one}" for one in range(number)]) == words


@pytest.mark.parametrize("length", [0, 60, 61, 9000])
def test_of_a_long_text_the_beginning_is_told(length: int) -> None:
    told = cut("1" * length)
    assert len(told) == min(length, 60)
    assert told.endswith("…") is (length > 60)

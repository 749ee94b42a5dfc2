"""How processes end, in words."""

import pytest

from hopscope.model.process import ending


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (0, "exit status 0"),
        (3, "exit status 3"),
        (-9, "killed by signal 9"),
        (None, "it has not ended"),
    ],
)
def test_an_end_is_told(code: int | None, words: str) -> None:
    assert ending(code) == words

"""What one look may miss, two that agree have not."""

from collections.abc import Sequence

import pytest

from hopscope.kernel.neighbours import agreed


@pytest.mark.parametrize(
    ("looks", "seen"),
    [
        (["abc", "abc"], "abc"),
        (["ac", "abc", "abc"], "abc"),
        (["c", "ac", "abc", "abc"], "abc"),
        (["abc", "ac", "ac"], "ac"),  # it has gone meanwhile
        (list("abcdef"), "f"),  # it never comes to rest
    ],
)
def test_two_looks_in_a_row_agree(looks: Sequence[str], seen: str) -> None:
    left = iter(looks)
    assert agreed(lambda: next(left), len if len(set(map(len, looks))) > 1 else str) == seen
    assert next(left, None) is None

"""Refusals to send, in words."""

import errno

import pytest

from hopscope.probe.words import FULL, QUEUE, refusal


@pytest.mark.parametrize(
    ("overflows", "told"),
    [((3, 4), FULL), ((3, 3), QUEUE), ((None, None), f"{QUEUE}, or {FULL}")],
)
def test_no_room_means_what_the_kernel_counted(
    overflows: tuple[int | None, int | None], told: str
) -> None:
    """The neighbour table was full if that count rose; where nobody counts, either."""
    error = OSError(errno.ENOBUFS, "")
    assert refusal(error, overflows=overflows) == f"{told} (ENOBUFS)"

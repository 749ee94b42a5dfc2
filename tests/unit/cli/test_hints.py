"""What is said to try instead."""

import pytest

from hopscope.cli.hints import stands_again


@pytest.mark.parametrize(
    ("mend", "file", "said"),
    [
        ("hopscope exec x a -- ip link", "labs/x.yaml", "labs/x.yaml"),
        ("look: hopscope show x routes", "labs/x.yaml --name y", "labs/x.yaml --name y"),
        ("hopscope exec bridge a -- ip link", "bridge.yaml", "bridge"),
        ("hopscope exec bridge a -- ip link", "bridge", "bridge"),
        ("hopscope exec x a -- ip link", "<stdin>", "-"),
    ],
)
def test_a_lab_that_has_ended_stands_again(mend: str, file: str, said: str) -> None:
    """A built-in one by its name."""
    assert stands_again(mend, file).endswith(f", first: hopscope up {said}")


def test_what_is_no_command_about_a_lab_needs_none() -> None:
    assert stands_again("wait longer", "x.yaml") == ""

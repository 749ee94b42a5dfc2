"""What is said to try instead."""

import pytest

from hopscope.cli.hints import stands_again


@pytest.mark.parametrize(
    ("mend", "file", "name", "said"),
    [
        ("hopscope exec x a -- ip link", "labs/x.yaml", None, "labs/x.yaml"),
        ("hopscope exec x a -- ip link", "my labs/x.yaml", None, "'my labs/x.yaml'"),
        ("look: hopscope show x routes", "labs/x.yaml", "y", "labs/x.yaml --name y"),
        ("hopscope exec bridge a -- ip link", "bridge.yaml", None, "bridge"),
        ("hopscope exec bridge a -- ip link", "bridge", None, "bridge"),
        ("hopscope exec x a -- ip link", "<stdin>", None, "-"),
    ],
)
def test_a_lab_that_has_ended_stands_again(
    mend: str, file: str, name: str | None, said: str
) -> None:
    """A built-in one by its name."""
    assert stands_again(mend, file, name).endswith(f", first: hopscope up {said}")


def test_what_is_no_command_about_a_lab_needs_none() -> None:
    assert stands_again("wait longer", "x.yaml") == ""

"""A counted node's name means all that it stands for."""

import pytest

from hopscope.lab.choosing import replicas
from hopscope.model.lab import NodeSpec
from hopscope.model.vocab import NodeName
from hopscope.spec import parse

LAB = """
name: x
nodes:
  pod: {count: 3}
  one: {count: 1}
  ns1: {}
  ns2: {}
"""


@pytest.mark.parametrize(
    ("name", "found"),
    [("pod", ["pod1", "pod2", "pod3"]), ("one", []), ("ns", []), ("pod1", []), ("", [])],
)
def test_what_was_counted_under_a_name(name: str, found: list[str]) -> None:
    """Names that were written one by one stand for no others, though they are numbered."""
    assert replicas(name, parse(LAB, "x").nodes) == found


def test_nodes_of_no_place_are_none() -> None:
    """As those that another program made."""
    assert replicas("a", [NodeSpec(name=NodeName(f"a{number}")) for number in (1, 2)]) == []

"""Firewall rules of a story: each line that is refused is told, as those of a lab file are."""

import pytest

from hopscope import Lab, SpecError
from hopscope.model.record import FirewallResult
from hopscope.model.vocab import NodeName

pytestmark = [pytest.mark.kernel, pytest.mark.usefixtures("records")]

HEAD = """\
name: steps
nodes: {a: {iptables: [-t nat -N OWN, -A INPUT -p tcp -j ACCEPT]}, b: {}, c: {}, pod: {count: 3}}
story:
"""


def refused(story: str) -> list[tuple[int, str]]:
    """Line and first words of each that is refused."""
    with pytest.raises(SpecError) as raised:
        Lab.from_text(HEAD + story).run()
    return [
        (problem.place.line, problem.message.partition(": ")[2])
        for problem in raised.value.problems
        if problem.rule == "refused-rule"
    ]


def test_each_refused_line_of_a_step_is_told() -> None:
    """Whichever table and node it is for; by the tool, or by the kernel. What is right is not."""
    step = """\
  - iptables:
      a:
        - -t nat -N MINE
        - -t nat -A MINE -j OWN
        - -A FORWARD -p nonsense -j ACCEPT
        - -A FORWARD -p icmp -j ACCEPT
        - -A FORWARD -p icmp -j ACEPT
        - -t mangle -A FORWARD -j MARK --set-mark zz
        - -A FORWARD -m set --match-set friends src -j ACCEPT
      b: [-A INPUT -j ACCEPT, -A INPUT -j OWN]
"""
    lines = refused(step)
    assert [line for line, _ in lines] == [8, 10, 11, 13]
    assert "nonsense" in lines[0][1]
    assert "ACEPT" in lines[1][1]


def test_a_line_for_replicas_is_told_once() -> None:
    assert [line for line, _ in refused("  - iptables: {pod: [-A INPUT -j ACEPT]}\n")] == [4]


def test_so_is_one_that_replicas_have_from_the_start() -> None:
    with pytest.raises(SpecError) as raised:
        Lab.from_text("name: x\nnodes: {pod: {count: 3, iptables: [-A INPUT -j ACEPT]}}\n").run()
    assert len(raised.value.problems) == 1


def test_nothing_is_added_behind_what_is_refused() -> None:
    """Nor is anything of the trial left in the node."""
    lab = Lab.from_text(
        HEAD + "  - iptables: {b: [-A INPUT -j ACEPT, -A INPUT -j DROP], c: [-A INPUT -j DROP]}\n"
    )
    with lab.up() as running:
        with pytest.raises(SpecError):
            running.perform()
        assert running.nodes == tuple(map(NodeName, ("a", "b", "c", "pod1", "pod2", "pod3")))
        for node in "bc":
            assert b"DROP" not in running.run(node, ["iptables-save"]).stdout


def test_what_is_right_is_told_node_by_node() -> None:
    lab = Lab.from_text(HEAD + "  - iptables: {b: [-A INPUT -j DROP], c: [-A INPUT -j DROP]}\n")
    steps = [step for step in lab.run().steps if isinstance(step, FirewallResult)]
    assert [(step.node, step.lines) for step in steps] == [
        ("b", ("-A INPUT -j DROP",)),
        ("c", ("-A INPUT -j DROP",)),
    ]

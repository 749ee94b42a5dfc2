"""Rules that were listed before are not listed again, and are told as they are now all the same."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from hopscope.kernel.apply.firewall import add_nft
from hopscope.kernel.protocol import Kernel
from hopscope.kernel.read.rules import read_chains
from hopscope.kernel.read.snapshot import read
from hopscope.kernel.sandbox import Sandbox
from hopscope.lab import running
from hopscope.lab.declare import parse
from hopscope.lab.running import RunningLab
from hopscope.lab.story import perform
from hopscope.model.snapshot import Chain, Snapshot
from hopscope.model.vocab import Family, NodeName

pytestmark = pytest.mark.kernel

LAB = """
name: lab
nodes:
  ns1:
    addresses: {a: 10.9.0.1/24}
    iptables: [-A OUTPUT -p icmp -j ACCEPT, -t nat -A POSTROUTING -p icmp -j RETURN]
    ip6tables: [-A OUTPUT -p tcp -j ACCEPT]
    nft: |
      table inet own { chain c {
        type filter hook output priority 5
        icmp type echo-request counter
      }; }
  ns2: {addresses: {b: 10.9.0.2/24}}
links: [[ns1:a, ns2:b]]
"""


def chains(lab: RunningLab) -> tuple[Chain, ...]:
    """Of ns1, without ours."""
    return tuple(chain for chain in lab.snapshot("ns1").nodes[0].chains if not chain.ours)


def anew(lab: RunningLab) -> tuple[Chain, ...]:
    """The same, asked of the tools."""
    lab._listed.clear()
    return chains(lab)


def test_counters_are_read_anew(records: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a program being run."""
    with RunningLab.start(parse(LAB, "lab.yaml"), LAB) as lab:
        before = chains(lab)
        assert lab.run("ns1", ["ping", "-c2", "-i0.01", "10.9.0.2"]).code == 0
        with monkeypatch.context() as patch:
            patch.setattr(Sandbox, "running", None)
            after = chains(lab)
        assert before != after
        assert after == anew(lab)
        counts = {(c.family, c.table): [r.packets for r in c.rules] for c in after if c.rules}
        assert counts[Family.IP, "filter"] == [2]
        assert counts[Family.INET, "own"] == [2]
        lab.zero("ns1")
        zeroed = chains(lab)
        assert {r.packets for c in zeroed if c.table != "own" for r in c.rules} == {0}
        assert zeroed == anew(lab)


@pytest.mark.parametrize(
    "command",
    [
        "iptables -A OUTPUT -j LOG --log-prefix x",
        "iptables -t nat -F",
        "iptables -P FORWARD DROP",
        "nft delete table inet own",
        "nft insert rule inet own c icmp type echo-reply counter",
        "ip6tables -t raw -A PREROUTING -p tcp -j ACCEPT",
    ],
)
def test_a_change_is_noticed(records: Path, command: str) -> None:
    """Whoever made it."""
    with RunningLab.start(parse(LAB, "lab.yaml"), LAB) as lab:
        before = chains(lab)
        done = lab.run("ns1", command.split())
        assert done.code == 0, done.stderr
        assert chains(lab) != before
        assert chains(lab) == anew(lab)


STORY = """
story:
  - set: {ns1: {net.ipv4.ip_forward: 1}}
  - expect: {addresses: {ns1/a: 10.9.0.1}, neighbours: {ns1: {10.9.0.2: none}}}
  - set: {ns1: {net.ipv4.ip_forward: 0}}
  - expect: {hits: {ns1/filter/OUTPUT: 0}}
"""


def test_an_expectation_reads_what_it_is_about(
    records: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not the rules, which programs list, and not other nodes; for a rule's hits all of them."""
    asked: list[tuple[list[str], bool]] = []

    def noted(kernel: Kernel, nodes: Sequence[NodeName], **how: Any) -> Snapshot:
        asked.append((list(nodes), how.get("rules", True)))
        return read(kernel, nodes, **how)

    text = LAB + STORY
    with RunningLab.start(parse(text, "lab.yaml"), text) as lab:
        monkeypatch.setattr(running, "read", noted)
        record = perform(lab)
    assert record.held
    assert asked[1:] == [(["ns1"], False), (["ns1", "ns2"], True)]


def test_of_many_tables_a_few_are_listed_at_a_time(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process each, and all at once they would be too many for a machine."""
    node, count = NodeName("ns1"), 60
    names = [f"t{number}" for number in range(count)]
    add_nft(sandbox, node, "".join(f"table inet {name} {{ chain c {{ }}\n}}\n" for name in names))
    real = sandbox.running
    at_once: list[int] = [0]
    most: list[int] = []

    def counted(*what: Any) -> Callable[[], object]:
        wait = real(*what)
        at_once[0] += 1
        most.append(at_once[0])

        def ended() -> object:
            at_once[0] -= 1
            return wait()

        return ended

    monkeypatch.setattr(sandbox, "running", counted)
    found, unread = read_chains(sandbox, node)
    assert unread == ()
    assert [chain.table for chain in found] == names
    assert 1 < max(most) <= 8

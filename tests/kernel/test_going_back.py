"""After a change that failed, what was made by hand is what it was, in all the kernel tells."""

import errno
import os
import re
from pathlib import Path
from typing import Final, NoReturn

import pytest

from changing import become, standing, struck
from hopscope.errors import KernelError, SpecError
from hopscope.kernel import state
from hopscope.lab import again, reconcile
from hopscope.lab.running import RunningLab
from hoststate import differences

pytestmark = pytest.mark.kernel

LAB: Final = """
name: lab
nodes:
  a:
    addresses: {e: 10.0.0.1/24, f: [10.0.1.1/24, "fd00::1/64"]}
    iptables: [-P FORWARD DROP, -A INPUT -p icmp -j ACCEPT]
    nft: "table inet t { chain c { type filter hook input priority 0; policy accept; counter; }; }"
  b: {addresses: {e: 10.0.0.2/24, f: 10.0.1.2/24}}
links:
  - [a:e, b:e]
  - [a:f, b:f]
"""
BY_HAND: Final = """
ip address add 10.5.0.1 peer 10.5.0.2/32 dev e
ip address add 10.6.0.1/24 dev e label e:x scope host
ip address add 10.62.0.2/24 dev e label e:y
ip address add 10.62.0.3/24 dev e
ip address add 10.66.0.2/24 dev e noprefixroute metric 33
ip address add 10.67.0.2/24 dev f valid_lft 1000 preferred_lft 500
ip address add fd01::1/64 dev f nodad valid_lft 1000 preferred_lft 500
ip address add fd02::1 peer fd02::2/128 dev e nodad
ip address add fd03::1/64 dev e nodad noprefixroute
ip address add fe80::77/64 dev e nodad
ip route add 10.9.0.0/24 nexthop via 10.0.0.2 weight 3 nexthop via 10.0.1.2
ip route add 10.8.0.0/24 via 10.0.0.2 mtu 1400 window 9000
ip route add 10.7.0.0/24 via 10.77.0.2 dev e onlink
ip route add blackhole 10.6.0.0/24 metric 7
ip route add 10.5.0.0/24 dev e table 1234 proto 99 src 10.0.0.1 tos 0x10
ip route add unreachable 10.5.0.0/24 table 1234 metric 9
ip route add 10.4.0.0/24 dev e proto kernel
ip route del 10.62.0.0/24 dev e
ip -6 route add fd09::/64 nexthop via fd01::2 nexthop via fd00::2 weight 2
ip -6 route add fd08::/64 via fd01::2 mtu 1300 pref high expires 900
ip -6 route add blackhole fd07::/64 metric 77
ip -6 route add fd06::/64 dev e src fd02::1 table 77
ip -6 route add fd05::/64 via fe80::5 dev e onlink
ping -c 2 -q 127.0.0.1
"""
LOOK: Final = """
echo == addresses; ip -o address
echo == routes; ip route show table all; ip -6 route show table all
echo == rules; ip rule; iptables-save -c; nft list table inet t
"""
CHANGES: Final = {
    "all that is not declared goes": LAB.replace("10.0.0.2/24", "10.0.0.3/24"),
    "other rules": LAB.replace("-p icmp", "-p udp"),
    "other devices": LAB.replace("- [a:e, b:e]", "- {ends: [a:e, b:e], queues: 2}"),
    "another device with its name": LAB.replace("[a:e, b:e]", "[a:e, b:g]").replace(
        "e: 10.0.0.2", "g: 10.0.0.2"
    ),
    "no such node": "name: lab\nnodes:\n  b: {addresses: {lo: 10.0.0.2/32}}\n",
}
_OF_TIME: Final = r"(valid|preferred)_lft \d+sec|expires \d+sec| *#.*|\\"


def tells(lab: RunningLab, command: str) -> str:
    """What a script in node a prints; each of its commands must work."""
    done = lab.run("a", ["sh", "-ec", command])
    assert done.code == 0, done.stderr
    return done.stdout.decode()


def seen(lab: RunningLab) -> dict[str, list[str]]:
    """Of node a, to the letter; of two routes of the kernel's own none is the first."""
    found: dict[str, list[str]] = {}
    for line in tells(lab, LOOK).splitlines():
        if line.startswith("== "):
            current = found[line[3:]] = []
        else:
            current.append(re.sub(_OF_TIME, "", line))
    return found


def nowhere_to_write(*_any: object) -> NoReturn:
    """The record has no room."""
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def fails(lab: RunningLab, monkeypatch: pytest.MonkeyPatch, text: str) -> list[str]:
    """A change whose record cannot be written; the notes of its error."""
    with monkeypatch.context() as patch:
        patch.setattr(state, "rewrite", nowhere_to_write)
        with pytest.raises(OSError, match="No space left") as caught:
            become(lab, text)
    return list(getattr(caught.value, "__notes__", []))


@pytest.mark.parametrize("change", CHANGES)
def test_what_was_made_by_hand_is_again_what_it_was(
    records: Path, monkeypatch: pytest.MonkeyPatch, change: str
) -> None:
    """Peer, label, scope, lifetimes, next hops, metrics, protocol, table, source, counters."""
    with standing(LAB) as lab:
        tells(lab, BY_HAND)
        before = seen(lab)
        assert fails(lab, monkeypatch, CHANGES[change]) == []
        assert differences(before, seen(lab)) == []


FILTER: Final = """
name: lab
nodes:
  a:
    nft: |
      table ip filter {
        set bad { type ipv4_addr; elements = { 192.0.2.1, 192.0.2.2 } }
        chain input { type filter hook input priority 0; policy accept; ip saddr @bad drop; }
      }
"""


def test_a_table_that_nft_made_may_be_called_as_one_of_iptables(
    records: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """iptables-save does not tell of it: nft does, before a change and for its way back."""
    with standing(FILTER) as lab:
        before = tells(lab, "nft -s list ruleset")
        assert "192.0.2.2" in before
        assert fails(lab, monkeypatch, FILTER.replace("drop;", "counter drop;")) == []
        assert tells(lab, "nft -s list ruleset") == before
        tells(lab, "nft delete element ip filter bad { 192.0.2.2 }")
        (change,) = lab.differences().changes
        assert [line[:1] for line in change.lines] == ["-", "+"]
        assert "192.0.2.2" in change.lines[1]
        become(lab, FILTER)
        assert tells(lab, "nft -s list ruleset") == before


def test_what_the_last_round_restores_is_restored(
    records: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is looked at once more, as on the way there."""
    with standing(LAB) as lab:
        monkeypatch.setattr(reconcile, "_ROUNDS", 1)
        before = seen(lab)
        assert fails(lab, monkeypatch, CHANGES["other rules"]) == []
        assert differences(before, seen(lab)) == []


def test_so_it_is_whatever_step_fails(records: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with standing(LAB) as lab:
        tells(lab, BY_HAND)
        before = seen(lab)
        for budget in range(1000):
            told: list[str] = []
            with monkeypatch.context() as patch:
                fault = struck(lab, patch, budget)
                try:
                    become(lab, CHANGES["other devices"])
                except (KernelError, SpecError) as error:
                    told = list(getattr(error, "__notes__", []))
            if not fault.struck:
                break
            assert [one for one in told if "restored" in one] == []
            assert differences(before, seen(lab)) == [], f"after {budget} steps"
        assert budget > 10


def test_what_cannot_be_restored_is_told(records: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of parts that no lab file can declare, and that are neither address nor route."""
    with standing(LAB) as lab:
        tells(lab, "ip link add strange type ifb; ip rule add ipproto tcp lookup 77 priority 50")
        tells(lab, "tc qdisc add dev f root handle 7: pfifo limit 9")
        note = "what no lab file can declare was not restored: "
        lost = "a: the device strange (ifb); a: the policy rule 50; a: the queueing discipline"
        assert fails(lab, monkeypatch, LAB) == [f"{note}{lost} pfifo of f"]


def test_a_change_that_takes_nothing_away_keeps_nothing(
    records: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Addresses and routes are read once more only where some may be lost."""
    with standing(LAB) as lab:
        monkeypatch.setattr(again, "told", nowhere_to_write)
        more = LAB.replace("e: 10.0.0.1/24", "e: [10.0.0.1/24, 10.0.0.9/24]")
        assert len(become(lab, more)) == 1
        with pytest.raises(OSError, match="No space left"):
            become(lab, LAB)

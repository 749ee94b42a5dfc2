"""What others make on the host while a lab stands there is not the lab's to remove or to set.

A namespace of each case's own plays the host's part.
"""

import os
import signal
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import pytest

import ownhost
from changing import declared
from hopscope.errors import UsageError
from hopscope.kernel import state
from hopscope.kernel.sandbox import Sandbox
from hopscope.lab import ending
from hopscope.lab.running import RunningLab
from hoststate import look, processes, settled
from labtexts import ON_HOST
from ownhost import do

pytestmark = [pytest.mark.kernel, pytest.mark.root]

BARE: Final = """
name: lab
nodes:
  host: {bridges: {hs0br: {}}}
  hs1: {addresses: {hs1a: 10.244.73.2/24}}
links: [[hs1:hs1a, host:hs1b@hs0br]]
"""
EMPTY: Final = """
nft add table ip mine
nft add chain ip mine plain
nft 'add chain ip mine in { type filter hook input priority 0; policy accept; }'
nft add table ip6 mine
iptables -N MYCHAIN
iptables -t mangle -N MYM
iptables -t nat -N MYN
ip6tables -N MYCHAIN
nft add table ip security
nft 'add chain ip security INPUT { type filter hook input priority 7; policy accept; }'
nft 'add chain ip security late { type filter hook input priority 150; policy accept; }'
nft add table ip raw
nft 'add set ip raw seen { type ipv4_addr; }'
"""
TWO: Final = (
    "-A FORWARD -m comment --comment 'a\n-F INPUT\n#' -j ACCEPT",
    ":INPUT DROP -A",
)
"""A rule, and something else."""


def ruleset() -> list[str]:
    """All tables and what is in them, without an order."""
    return sorted(do("nft list ruleset").splitlines())


def empty_ones_stay(folder: Path) -> None:
    """Tables and chains without a rule, also in iptables' own tables, that ours brought."""
    for line in EMPTY.strip().splitlines():
        do(line)
    theirs = ruleset()
    do("nft flush ruleset")
    with RunningLab.start(declared(ON_HOST), ON_HOST, name="lab", on_host=True) as lab:
        for line in EMPTY.strip().splitlines():
            do(line)
        lab.change(declared(BARE), BARE)
    assert ruleset() == theirs


def a_rule_is_one(folder: Path) -> None:
    """Words that iptables-restore would take for commands: none is done, or on record."""
    do("iptables -A INPUT -p tcp --dport 22 -j ACCEPT")
    before = do("iptables -S")
    with RunningLab.start(declared(BARE), BARE, name="lab", on_host=True) as lab:
        undo = state.find("lab").undo
        for line in TWO:
            with pytest.raises(UsageError):
                lab.add_rules("iptables", "host", line)
        assert do("iptables -S") == before
        assert state.find("lab").undo == undo


def undone_once(folder: Path) -> None:
    """A lab that stands there as soon as one has ended keeps what it set."""
    others: list[RunningLab] = []
    stop = Sandbox.stop

    def stop_and_start(sandbox: Sandbox) -> None:
        stop(sandbox)
        others.append(RunningLab.start(declared(ON_HOST), ON_HOST, name="next", on_host=True))

    before = look()
    RunningLab.start(declared(ON_HOST), ON_HOST, name="lab", on_host=True).detach()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Sandbox, "stop", stop_and_start)
        ending.end("lab")
    assert do("sysctl -n net.ipv4.ip_forward") == "1\n"
    assert others[0].differences().changes == ()
    others[0].down()
    assert settled(before, look) == []


def undone_without_guardian(folder: Path) -> None:
    """By `down` itself, from what is on record by then."""
    before = look()
    RunningLab.start(declared(ON_HOST), ON_HOST, name="lab", on_host=True).detach()
    for pid in set(processes(state.state_home())) - {str(state.find("lab").pid)}:
        os.kill(int(pid), signal.SIGKILL)
    ending.end("lab")
    assert settled(before, look) == []


CASES: Final[Mapping[str, ownhost.Case]] = {
    case.__name__: case
    for case in (empty_ones_stay, a_rule_is_one, undone_once, undone_without_guardian)
}


@pytest.mark.parametrize("case", CASES)
def test_on_a_host_of_its_own(case: str, tmp_path: Path) -> None:
    ownhost.passes(__file__, case, tmp_path)


if __name__ == "__main__":
    ownhost.main(CASES)

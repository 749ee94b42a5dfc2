"""What others make on the host while a lab stands there is not the lab's to remove or to set.

A namespace of each case's own plays the host's part.
"""

import json
import os
import re
import select
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import pytest

import ownhost
from changing import declared
from hopscope.errors import CannotError, NoSuchLabError, UnreadableRecordError, UsageError
from hopscope.kernel import state
from hopscope.kernel.holding import Hold, held
from hopscope.kernel.sandbox import Sandbox
from hopscope.kernel.waiting import wait_until
from hopscope.lab import ending
from hopscope.lab.running import RunningLab
from hoststate import HostState, look, processes, settled
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


def the_next_waits(folder: Path) -> None:
    """For the end of one that has its name, killed or taken down, which leaves the host to it."""
    before = look()
    for way in ("kill", "down") * 5:
        lab = RunningLab.start(declared(BARE), BARE, name="lab", on_host=True)
        if way == "kill":
            holder = os.pidfd_open(lab.file.pid)
            os.kill(lab.file.pid, signal.SIGKILL)
            select.select([holder], [], [])
        else:
            lab.begin_down()
            wait_until(lambda: held(folder / "state/lab/lock") is not Hold.STANDS, way, within=5)
        RunningLab.start(declared(BARE), BARE, name="lab", on_host=True).down()
    assert settled(before, look) == []


def undone_without_guardian(folder: Path) -> None:
    """By `down` itself, from what is on record by then."""
    before = look()
    RunningLab.start(declared(ON_HOST), ON_HOST, name="lab", on_host=True).detach()
    for pid in set(processes(state.state_home())) - {str(state.find("lab").pid)}:
        os.kill(int(pid), signal.SIGKILL)
    ending.end("lab")
    assert settled(before, look) == []


def restored_without_record(folder: Path) -> None:
    """Someone removes it by hand, while the lab stands and has been changed: the guardian knows."""
    before = look()
    lab = RunningLab.start(declared(BARE), BARE, name="lab", on_host=True)
    lab.detach()
    lab.change(declared(ON_HOST), ON_HOST)
    shutil.rmtree(folder / "state/lab")
    wait_until(lambda: not processes(state.state_home()), "their end", within=20)
    assert settled(before, look) == []


def kept_when_unknown(folder: Path) -> None:
    """What to undo is told in another version's words: the lab ends, and they are kept and told."""
    before = look()
    RunningLab.start(declared(ON_HOST), ON_HOST, name="lab", on_host=True).detach()
    lab = state.find("lab")
    later = json.dumps({**json.loads(lab.undo), "later": {}})
    state.rewrite(lab._replace(undo=later))
    for attempt in (lambda: ending.end("lab"), lambda: ending.end("lab"), ending.sweep):
        with pytest.raises(UnreadableRecordError, match=r"state/lab/lab\.json: .*`later`") as told:
            attempt()
        assert "of the version that made it" in told.value.mend
        assert processes(state.state_home()) == []
    with pytest.raises(UnreadableRecordError):
        RunningLab.start(declared(BARE), BARE, name="next", on_host=True)
    file = folder / "state/lab/lab.json"
    assert json.loads(file.read_text())["undo"] == later
    file.write_text(json.dumps(lab._asdict()))
    assert ending.end("lab") is ending.Ending.BEFORE
    assert settled(before, look) == []


def elsewhere(case: str, folder: Path) -> None:
    """A case of this module in another network namespace, which is like the host, and stays so."""
    argv = ["unshare", "--net", sys.executable, __file__, case, str(folder)]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@contextmanager
def untouched() -> Iterator[None]:
    """Forwarding, and a table, of someone who lives here."""
    do("sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.default.disable_ipv6=1")
    do("ip link set lo up")
    do("nft add table ip filter")
    before = look()
    yield
    assert settled(before, look) == []


def set_here() -> HostState:
    """What an undoing would change; without what the kernel itself still does to devices."""
    now = look()
    return {part: now[part] for part in ("addresses", "iptables", "sysctls")}


def down_there(folder: Path) -> None:
    """What another process does, which is elsewhere: it is told where the lab stands."""
    lab = state.find("lab")
    number = Path(f"/proc/{lab.pid}/ns/net").readlink()
    mend = f"nsenter --target={lab.pid} --net hopscope down lab"
    with untouched():
        for down in (lambda: ending.end("lab"), RunningLab.attach("lab").down):
            with pytest.raises(
                CannotError, match=re.escape(f"network namespace {number};")
            ) as told:
                down()
            assert told.value.mend == mend


def down_from_elsewhere(folder: Path) -> None:
    """Is refused; the lab stands as before, and can be taken down where it was made."""
    before = look()
    lab = RunningLab.start(declared(ON_HOST), ON_HOST, name="lab", on_host=True)
    lab.detach()
    stood = set_here()
    elsewhere("down_there", folder)
    assert settled(stood, set_here) == []
    assert lab.differences().changes == ()
    ending.end("lab")
    assert settled(before, look) == []


def sweep_there(folder: Path) -> None:
    """What another process does, which is elsewhere: the dead lab is not its, nor in its way."""
    with untouched():
        ending.sweep()
        for on_host in (False, True):
            RunningLab.start(declared(BARE), BARE, name="lab", on_host=on_host).down()
        with pytest.raises(CannotError, match=r"rm -r .*/lab@"):
            ending.end("lab")
        with pytest.raises(NoSuchLabError):
            ending.end("lab@")


def swept_from_elsewhere(folder: Path) -> None:
    """A lab that died with its guardian is restored where it was, once someone comes there."""
    before = look()
    for end in (ending.sweep, lambda: ending.end("lab")):
        RunningLab.start(declared(ON_HOST), ON_HOST, name="lab", on_host=True).detach()
        holder = state.find("lab").pid
        for pid in sorted(map(int, processes(state.state_home())), key=lambda pid: pid == holder):
            os.kill(pid, signal.SIGKILL)
        wait_until(lambda: not re.search("hs[12]b", do("ip -br link")), "their end", within=5)
        stood = set_here()
        elsewhere("sweep_there", folder)
        assert settled(stood, set_here) == []
        end()
        assert settled(before, look) == []
        assert list(state.state_home().iterdir()) == []


CASES: Final[Mapping[str, ownhost.Case]] = {
    case.__name__: case
    for case in (
        *(empty_ones_stay, a_rule_is_one, undone_once, undone_without_guardian),
        *(down_from_elsewhere, swept_from_elsewhere, the_next_waits),
        *(restored_without_record, kept_when_unknown),
    )
}


@pytest.mark.parametrize("case", CASES)
def test_on_a_host_of_its_own(case: str, tmp_path: Path) -> None:
    ownhost.passes(__file__, case, tmp_path)


if __name__ == "__main__":
    ownhost.main({**CASES, "down_there": down_there, "sweep_there": sweep_there})

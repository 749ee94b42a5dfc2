"""A lab on the real host becomes what is declared now; what others have there stays as it is.

The host's part is played by a namespace of each case's own, with a bridge made by hand, devices
and rules of others before and behind the lab's.
"""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

import pytest

import ownhost
from changing import Fault, become, declared, struck, writes_of
from essence import essence, unlike
from hopscope.errors import HopscopeError, KernelError, NotReadyError, SpecError
from hopscope.kernel import state
from hopscope.kernel.waiting import wait_until
from hopscope.lab import ending
from hopscope.lab.running import RunningLab
from hopscope.model.change import Subject
from hopscope.model.vocab import NodeName
from hopscope.observe.loglines import LogReader
from hoststate import HostState, differences, look, processes, settled
from labtexts import ON_HOST
from ownhost import do
from proofsizes import size

pytestmark = [pytest.mark.kernel, pytest.mark.root]

OLD: Final = ON_HOST
NEW: Final = """
name: lab
nodes:
  host:
    bridges: {hs0br: {stp: true}, hs9br: {}}
    addresses: {hs0br: [10.244.73.1/24, 10.244.79.1/24], hs3b: 10.244.76.2/30}
    routes: [10.244.77.0/24 via 10.244.76.1]
    sysctls:
      net.ipv4.conf.all.rp_filter: 2
      net.ipv6.conf.all.ignore_routes_with_linkdown: 1
      net.ipv4.conf.hs1b.rp_filter: 1
    iptables: [-I FORWARD -p tcp -j ACCEPT, -A FORWARD -p icmp -j ACCEPT]
  hs1: {addresses: {hs1a: 10.244.73.3/24}}
  hs3: {addresses: {hs3a: 10.244.76.1/30}}
links:
  - [hs1:hs1a, host:hs1b@hs9br]
  - [host:hs3b, hs3:hs3a]
"""
BARE: Final = """
name: lab
nodes:
  host: {bridges: {hs0br: {}}}
  hs1: {addresses: {hs1a: 10.244.73.2/24}}
links: [[hs1:hs1a, host:hs1b@hs0br]]
"""
LABS: Final = {"old": OLD, "new": NEW, "bare": BARE}
THEIRS: Final = """
ip link add hand0 type bridge
ip address add 10.99.0.1/24 dev hand0
ip link set hand0 up
ip link add fx0 type veth peer name fx1
ip link set fx1 master hand0 up
ip link set fx0 up
sysctl -qw net.ipv4.conf.fx0.forwarding=1 net.ipv4.conf.all.accept_redirects=0
sysctl -qw net.ipv6.conf.fx0.ignore_routes_with_linkdown=1
ip route add 10.98.0.0/16 via 10.99.0.2 metric 7
ip rule add from 10.99.0.0/24 lookup 77
iptables -A FORWARD -i hand0 -j DROP
"""


def others_come() -> HostState:
    """A bridge, devices, routes and a rule that are not the lab's; how the host is then."""
    for line in THEIRS.strip().splitlines():
        do(line)
    return steady()


def steady() -> HostState:
    """How the host is, once the kernel has told every device's carrier."""
    unknown = " UNKNOWN "
    wait_until(lambda: do("ip -br link").count(unknown) == 1, "carriers but lo's", within=10)
    return look()


@contextmanager
def standing(text: str) -> Iterator[RunningLab]:
    """A lab on this host, for a while."""
    with RunningLab.start(declared(text), text, name="lab", on_host=True) as lab:
        yield lab


def plainly() -> HostState:
    """The host, without counters, and what a bridge of ours makes of having ports, or had some."""
    found = steady()
    pattern = r"(bridge_id|designated_root|tso_max_size|link/ether) \S+"
    links = [re.sub(pattern, "", one) if "hopscope" in one else one for one in found["links"]]
    nft = [re.sub(r"packets \d+ bytes \d+", "", line) for line in found["nft"]]
    return {**found, "links": links, "nft": nft}


def same(before: HostState, where: str = "", *, now: Callable[[], HostState] = look) -> None:
    """The host is as it was."""
    left = settled(before, now)
    assert left == [], "\n".join([where, *left])


def no_write(folder: Path) -> None:
    """A lab that is as declared is not touched, and its record stays the same."""
    before = others_come()
    for text in LABS.values():
        with standing(text) as lab:
            recorded = state.find("lab").undo
            assert lab.differences().changes == ()
            assert writes_of(lab, text) == []
            assert state.find("lab").undo == recorded
        same(before)


def as_if_made_so(folder: Path) -> None:
    """What a lab becomes is what it would be, with no trace of the one before; so is the host."""
    before = others_come()
    goals = {}
    for name, text in LABS.items():
        with standing(text) as lab:
            goals[name] = (essence(lab.snapshot()), steady())
    for first in LABS:
        for then in LABS.keys() - {first}:
            with standing(LABS[first]) as lab:
                assert lab.change(declared(LABS[then]), LABS[then])
                nodes, host = goals[then]
                left = unlike(essence(lab.snapshot()), nodes)
                assert left == [], f"{first} → {then}: {left}"
                for part in ("sysctls", "rules", "neighbours"):
                    assert differences({part: host[part]}, {part: look()[part]}) == []
                assert lab.differences().changes == ()
                assert writes_of(lab, LABS[then]) == []
            same(before, f"{first} → {then}")


def each_failure_leads_back(folder: Path) -> None:
    """Single steps fail once: host, nodes and record are as before, to the place of a rule."""
    before = others_come()
    for first, then in (("old", "new"), ("new", "old"), ("bare", "new")):
        with standing(LABS[first]) as lab:
            do("iptables -A FORWARD -s 192.0.2.1 -j DROP")  # behind ours
            stood, nodes = plainly(), essence(lab.snapshot())
            undo = state.find("lab").undo
            for budget in range(0, 1000, size(3, 1)):
                with pytest.MonkeyPatch.context() as patch:
                    fault = struck(lab, patch, budget)
                    told = ""
                    try:
                        lab.change(declared(LABS[then]), LABS[then])
                    except (KernelError, SpecError) as error:
                        notes = getattr(error, "__notes__", [])
                        told = "".join([str(error), str(error.__cause__), *notes])
                if not fault.struck:
                    break
                where = f"{first} → {then} after {budget} steps"
                assert "injected" in told, where
                assert "could not be restored" not in told, f"{where}: {told}"
                same(stood, where, now=plainly)
                assert unlike(essence(lab.snapshot()), nodes) == [], where
                assert state.find("lab").undo == undo, where
            assert budget > 5
            assert lab.differences(declared(LABS[then])).changes == ()
            do("iptables -D FORWARD -s 192.0.2.1 -j DROP")
        same(before)


DRIFT: Final = {
    "ip link set hs0br down": (Subject.DEVICE, "hs0br"),
    "ip address del 10.244.73.1/24 dev hs0br": (Subject.ADDRESS, "10.244.73.1/24 on hs0br"),
    "ip address add 10.9.9.9/24 dev hs2b": (Subject.ADDRESS, "10.9.9.9/24 on hs2b"),
    "ip route add 10.77.0.0/16 dev hs0br": (Subject.ROUTE, "10.77.0.0/16 dev hs0br"),
    "ip link set hs1b nomaster": (Subject.DEVICE, "hs1b"),
    "ip link del hs2b": (Subject.LINK, "hs2a – host/hs2b"),
    "ip link del hs0br": (Subject.DEVICE, "hs0br"),
    "ip neighbour del 10.244.73.9 dev hs0br": (Subject.NEIGHBOUR, "10.244.73.9 on hs0br"),
    "sysctl -qw net.ipv4.ip_forward=0": (Subject.SYSCTL, "net.ipv4.ip_forward"),
    "iptables -D FORWARD -p icmp -m comment --comment hopscope:lab -j ACCEPT": (
        Subject.RULES,
        "iptables rules",
    ),
}


def drift_is_mended(folder: Path) -> None:
    """What was changed by hand of what is ours."""
    before = others_come()
    with standing(OLD) as lab:
        stood = plainly()
        for command, (subject, name) in DRIFT.items():
            do(command)
            seen = lab.differences().changes
            assert (subject, name) in {(one.subject, one.name) for one in seen}, command
            assert lab.change(declared(OLD), OLD) == seen, command
            assert lab.differences().changes == (), command
            same(stood, command, now=unnumbered)
    same(before)


def what_was_set_is_mended(folder: Path) -> None:
    """Of the host itself, and of a device of ours there; the lab then ends as it would have."""
    before = others_come()
    with standing(OLD) as lab:
        stood = plainly()
        keys = ("net.ipv4.conf.all.log_martians", "net.ipv4.conf.hs2b.rp_filter")
        was = {key: lab.set_sysctl("host", key, 1)[0] for key in keys}
        assert {one.name: one.after for one in lab.differences().changes} == was
        lab.change(declared(OLD), OLD)
        same(stood, now=plainly)
        assert lab.differences().changes == ()
        lab.set_sysctl("host", keys[0], 1)
    same(before)


def unnumbered() -> HostState:
    """The host, without the order in which it tells devices, and the rules of a chain."""
    return {part: sorted(lines) for part, lines in plainly().items()}


def others_are_not_seen(folder: Path) -> None:
    """Whatever they do on the host is no difference, and no change touches it."""
    before = others_come()
    with standing(OLD) as lab:
        hands = (
            *("ip link add br7 type bridge", "ip address add 10.7.7.1/24 dev br7"),
            *("ip route add 10.78.0.0/16 via 10.99.0.3", "ip link set fx0 mtu 1300"),
            *("iptables -I FORWARD -j ACCEPT", "sysctl -qw net.ipv4.conf.hand0.rp_filter=2"),
            *(
                "ip neighbour add 10.99.0.8 dev hand0 lladdr 02:00:00:00:00:08",
                "ip link set lo mtu 9000",
            ),
        )
        for command in hands:
            do(command)
        assert lab.differences().changes == ()
        stood = look()
        become(lab, BARE)
        after = look()
    ours = re.compile(r"hs0br|hs[12][ab]|hopscope|ip_forward|/forwarding|bridge-nf-call|10\.244")
    parts = ("links", "addresses", "routes", "rules", "neighbours", "sysctls")
    changes = [
        one for part in parts for one in differences({part: stood[part]}, {part: after[part]})
    ]
    assert changes
    others = [one for one in changes if not ours.search(one)]
    assert others == [], "\n".join(others)
    assert [one for one in after["iptables"] if one.startswith("-A")] == [
        "-A FORWARD -j ACCEPT",
        "-A FORWARD -i hand0 -j DROP",
    ]
    do("ip link del br7")
    do("ip route del 10.78.0.0/16")
    do("ip neighbour del 10.99.0.8 dev hand0")
    do("iptables -D FORWARD -j ACCEPT")
    do("sysctl -qw net.ipv4.conf.hand0.rp_filter=0")
    do("ip link set lo mtu 65536")
    do("ip link set fx0 mtu 1500")
    same(before)


def refused_untouched(folder: Path) -> None:
    """With the object named; neither the host nor the record is changed."""
    before = others_come()
    with standing(OLD) as lab:
        _refused(lab, OLD.replace("{hs0br: {}}", "{hs0br: {}, hand0: {}}"), "device hand0")
        _refused(lab, OLD.replace("10.244.73.1/24}", "[10.244.73.1/24, 10.99.0.7/24]}"), "overlaps")
        _refused(lab, OLD.replace("[-A FORWARD -j", "[-P FORWARD DROP, -A FORWARD -j"), "only -A")
        policy = OLD.replace("    neigh", "    policy: [from 10.9.0.0/16 prohibit]\n    neigh")
        _refused(lab, policy, "no policy rules")
        lost = OLD.replace("routes: [", "routes: [blackhole 10.97.0.0/16, ")
        _refused(lab, lost, "no blackhole route to 10.97.0.0/16")
        nosuch = OLD.replace("-p icmp -j ACCEPT", "-p icmp -j NOSUCH")
        _refused(lab, nosuch, "refuses this rule")
        do("ip link set fx0 master hs0br")
        _refused(lab, NEW.replace("hs0br", "hs8br"), "fx0, which is not the lab's, hangs on it")
        do("ip link set fx0 nomaster")
        do("ip link set hs2b master hand0")
        _refused(lab, NEW, "hs2b is in the bridge hand0, which is not the lab's")
        do("ip link set hs2b nomaster")
    same(before)


def _refused(lab: RunningLab, text: str, said: str) -> None:
    stood, undo = plainly(), state.find("lab").undo
    with pytest.raises(HopscopeError, match=re.escape(said)):
        lab.change(declared(text), text)
    same(stood, said, now=plainly)
    assert state.find("lab").undo == undo


def what_came_is_watched(folder: Path) -> None:
    """At a device that a change brought LOG rules are recorded; nothing looks for what has gone."""
    before = others_come()
    log = "    iptables: [-A INPUT -i hs3b -p icmp -j LOG --log-prefix 'Came-']\n"
    text = re.sub("    iptables: .*\n", lambda _: log, NEW)
    with standing(OLD) as lab:
        lab.change(declared(text), text)
        assert lab.run("hs3", ["ping", "-c1", "-W5", "10.244.76.2"]).code == 0
        lab.sandbox.flush()
        nodes = tuple(map(NodeName, state.find("lab").recorded))
        reader = LogReader(state.state_home() / "lab" / "nflog", nodes, lambda _node, _index: None)
        assert [(one.node, one.prefix) for one in reader.read()] == [("host", "Came-")]
        rules = "\n".join(look()["nft"])
        assert 'iif "hs3b"' in rules
        assert not re.search("[io]if [0-9]", rules), rules
    same(before)


def set_while_it_is_made(folder: Path) -> None:
    """What another process recorded meanwhile is undone as well, once the lab is let stand."""
    before = others_come()
    made = RunningLab.start(declared(OLD), OLD, name="lab", on_host=True)
    with RunningLab.attach("lab").sandbox:
        RunningLab.attach("lab").set_sysctl("host", "net.ipv4.conf.all.log_martians", 1)
    made.detach()
    ending.end("lab")
    same(before)


def another_hosts_lab(folder: Path) -> None:
    """From another network namespace it is not changed: what is there would be taken for here."""
    before = others_come()
    RunningLab.start(declared(OLD), OLD, name="lab", on_host=True).detach()
    done = subprocess.run(
        ["unshare", "--net", sys.executable, __file__, "changed", str(folder)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert "the lab stands on another host than this" in done.stderr, done.stderr
    ending.end("lab")
    same(before)


def changed(folder: Path) -> None:
    """What another process does: the lab that stands becomes the new one."""
    with RunningLab.attach("lab").sandbox:
        RunningLab.attach("lab").change(declared(NEW), NEW)


class Deadly(Fault):
    """Kills this process at a step, as kill -9 does."""

    def _error(self, node: str, index: int) -> KernelError:
        os.kill(os.getpid(), signal.SIGKILL)
        return super()._error(node, index)


def dies(folder: Path) -> None:
    """What another process does: it changes the lab until it is killed at a step."""
    _change_with(Deadly, folder)


def _change_with(kind: type[Fault], folder: Path) -> None:
    lab = RunningLab.attach("lab")
    fault = kind(lab.sandbox, int((folder / "budget").read_text()))
    for name in ("send", "write_all_sysctls", "make_tap", "make_nodes", "remove_nodes", "run"):
        setattr(lab.sandbox, name, getattr(fault, name))
    lab.change(declared(NEW), NEW)


class Stopping(Fault):
    """Stops this process at a step, until it is told to go on, which it then does."""

    def _take(self, wanted: int) -> int:
        allowed = super()._take(wanted)
        if allowed < wanted:
            os.kill(os.getpid(), signal.SIGSTOP)
            return wanted
        return allowed


def stops(folder: Path) -> None:
    """What another process does: it changes the lab, and sleeps at a step."""
    _change_with(Stopping, folder)


def holder_killed_meanwhile(folder: Path) -> None:
    """The guardian lets whoever changes the lab come to an end first, who would go on behind it."""
    before = others_come()
    for budget in range(4, 40, 5):
        RunningLab.start(declared(OLD), OLD, name="lab", on_host=True).detach()
        (folder / "budget").write_text(str(budget))
        with subprocess.Popen(
            [sys.executable, __file__, "stops", str(folder)], stderr=subprocess.PIPE
        ) as other:
            os.waitid(os.P_PID, other.pid, os.WSTOPPED | os.WEXITED | os.WNOWAIT)
            _kill_holder()
            with suppress(NotReadyError):  # one that did not wait would have ended by then
                wait_until(lambda: not list(state.state_home().iterdir()), "it", within=0.5)
            other.send_signal(signal.SIGCONT)
            other.communicate()
        same(before, f"at step {budget}")
        wait_until(lambda: not list(state.state_home().iterdir()), "no record", within=5)


def _down() -> None:
    ending.end("lab")


def _kill_holder() -> None:
    """The guardian restores the host."""
    os.kill(state.find("lab").pid, signal.SIGKILL)


def _kill_all() -> None:
    """Then the next command restores it."""
    holder = state.find("lab").pid
    for pid in sorted(map(int, processes(state.state_home())), key=lambda pid: pid == holder):
        os.kill(pid, signal.SIGKILL)
    wait_until(lambda: "lab" in state.left_behind(), "their end", within=5)
    ending.sweep()


def _again() -> None:
    """The next `up` goes on from wherever that was."""
    lab = RunningLab.attach("lab")
    lab.change(declared(NEW), NEW)
    assert lab.differences().changes == ()
    ending.end("lab")


def killed_at_each_step(folder: Path) -> None:
    """In full at each; however the lab then ends, the host is as before."""
    ends = (_down, _kill_holder, _again, _kill_all)
    before = others_come()
    for budget in range(0, 1000, size(3, 1)):
        RunningLab.start(declared(OLD), OLD, name="lab", on_host=True).detach()
        (folder / "budget").write_text(str(budget))
        done = subprocess.run(
            [sys.executable, __file__, "dies", str(folder)], capture_output=True, check=False
        )
        assert done.returncode in (0, -signal.SIGKILL), done.stderr
        end = ends[budget % len(ends)]
        end()
        same(before, f"killed at step {budget}, then {end.__name__}")
        wait_until(lambda: not list(state.state_home().iterdir()), "no record", within=5)
        if done.returncode == 0:
            assert budget > 10
            return


CASES: Final[Mapping[str, ownhost.Case]] = {
    case.__name__: case
    for case in (
        *(no_write, as_if_made_so, each_failure_leads_back, drift_is_mended, others_are_not_seen),
        *(refused_untouched, what_came_is_watched, another_hosts_lab, killed_at_each_step),
        *(holder_killed_meanwhile, set_while_it_is_made, what_was_set_is_mended),
    )
}


@pytest.mark.timeout(size(180, 900))
@pytest.mark.parametrize("case", CASES)
def test_on_a_host_of_its_own(case: str, tmp_path: Path) -> None:
    ownhost.passes(__file__, case, tmp_path)


if __name__ == "__main__":
    ownhost.main({**CASES, "changed": changed, "dies": dies, "stops": stops})

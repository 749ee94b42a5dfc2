"""A lab that stands becomes what is declared now, by what differs alone, or stays as it was."""

import os
import signal
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

import pytest
from hypothesis import HealthCheck, Phase, given, settings

from changing import become, declared, standing, struck, writes_of
from changinglabs import changing_labs
from essence import essence, unlike
from hopscope.errors import KernelError, LabExistsError, SpecError, UsageError
from hopscope.kernel import state
from hopscope.kernel.apply import firewall
from hopscope.kernel.sandbox import Sandbox
from hopscope.kernel.state import LabFile
from hopscope.lab.declare import built_in
from hopscope.lab.running import RunningLab
from hopscope.model.change import Action, Subject
from hopscope.model.snapshot import Snapshot
from hopscope.model.vocab import NodeName
from hopscope.wire import rtnl
from hopscope.wire.netlink import Message

pytestmark = pytest.mark.kernel

OLD = """
name: lab
nodes:
  host:
    bridges: {br0: {}}
    sysctls: {net.bridge.bridge-nf-call-iptables: 0}
    iptables: [-A FORWARD -p icmp -j ACCEPT]
  ns1:
    addresses: {veth1a: 10.244.1.2/24, lo: 10.7.7.7/32}
    sysctls: {net.ipv4.conf.veth1a.arp_ignore: 1}
  ns2:
    addresses: {veth2a: 10.244.1.4/24}
    neighbours: {veth2a: {10.244.1.9: "02:00:00:00:00:09"}}
links:
  - [ns1:veth1a, host:veth1b@br0]
  - [ns2:veth2a, host:veth2b@br0]
"""
NEW = """
name: lab
nodes:
  host:
    bridges: {br0: {stp: true}, br1: {nf_call_iptables: true}}
    addresses: {br0: 10.244.1.1/24}
    iptables: [-A FORWARD -p icmp -j ACCEPT, -A FORWARD -j DROP]
    nft: "table inet t { chain c { type filter hook input priority 0; policy accept; }; }"
  ns1:
    addresses: {veth1a: [10.244.1.3/24, fd00::1/64]}
    routes: [default via 10.244.1.1]
    ip6tables: [-A INPUT -p ipv6-icmp -j ACCEPT]
  ns3: {addresses: {eth0: 10.244.1.5/24}, down: [eth0]}
links:
  - {ends: [ns1:veth1a, host:veth1b@br1], mtu: 1400}
  - [ns3:eth0, host:veth2b@br0]
"""
LABS = {**built_in(), "old": OLD, "new": NEW}


def indexes(snapshot: Snapshot) -> list[int]:
    """Of all devices: one that was made anew has another."""
    return [link.index for node in snapshot.nodes for link in node.links]


@pytest.mark.parametrize("name", LABS)
def test_a_lab_that_is_as_declared_is_not_touched(records: Path, name: str) -> None:
    """Not one message, file or tool changes anything in its nodes."""
    with standing(LABS[name]) as lab:
        assert writes_of(lab, LABS[name]) == []


HOST, NS1 = NodeName("host"), NodeName("ns1")
WRITES: Final[dict[str, Callable[[Sandbox], object]]] = {
    "rules": lambda sandbox: firewall.add_iptables(sandbox, HOST, "iptables", ["-A INPUT"]),
    "a script": lambda sandbox: firewall.add_nft(sandbox, HOST, "add table ip t"),
    "a message": lambda sandbox: sandbox.send(NS1, [rtnl.set_link(1, up=True)]),
    "a sysctl": lambda sandbox: sandbox.write_sysctls(NS1, {"net/ipv4/ip_forward": "1"}),
    "a node": lambda sandbox: sandbox.make_nodes([NodeName("ns9")], home=None),
    "processes": lambda sandbox: sandbox.keep([], [], Path("/")),
    "a log's owner": lambda sandbox: sandbox.own(HOST),
}


@pytest.mark.parametrize("write", WRITES)
def test_whatever_changes_a_lab_is_counted(
    records: Path, monkeypatch: pytest.MonkeyPatch, write: str
) -> None:
    """Of the count on which the test above relies."""

    def change(lab: RunningLab, *_rest: object) -> tuple[()]:
        WRITES[write](lab.sandbox)
        return ()

    with standing(OLD) as lab:
        monkeypatch.setattr(RunningLab, "change", change)
        assert len(writes_of(lab, OLD)) == 1


def _hosted(name: str) -> bool:
    return any(node.name == "host" for node in declared(LABS[name]).nodes)


PAIRS = [
    (first, then)
    for first in LABS
    for then in LABS
    if first != then and (_hosted(then) or not _hosted(first))  # a lab keeps its host
]


@pytest.mark.parametrize(("first", "then"), PAIRS)
def test_what_a_lab_becomes_is_what_it_would_be(records: Path, first: str, then: str) -> None:
    """No trace of the one before."""
    with standing(LABS[then]) as lab:
        wanted = essence(lab.snapshot())
    with standing(LABS[first]) as lab:
        lab.change(declared(LABS[then]), LABS[then])
        assert unlike(essence(lab.snapshot()), wanted) == []
        assert lab.differences().changes == ()
        assert state.find("lab").nodes == tuple(wanted)


SET: Final = {
    "net.ipv4.icmp_echo_ignore_all": (1, "0"),
    "net.ipv4.conf.veth1a.rp_filter": (1, "0"),
    "net.ipv4.conf.veth1a.forwarding": (0, "1"),
}
"""Sysctls that no line declares, a value for each, and before: the last by ip_forward."""
ROUTER: Final = OLD.replace(
    "sysctls: {net.ipv4.conf", "sysctls: {net.ipv4.ip_forward: 1, net.ipv4.conf"
)


def sets(lab: RunningLab) -> None:
    """By another process, and more than once."""
    for number in (7, 5):
        lab.set_sysctl("ns1", "net.ipv4.igmp_max_memberships", number)
    for key, (value, was) in SET.items():
        assert RunningLab.attach("lab").set_sysctl("ns1", key, value) == (was, str(value))


def test_what_was_set_is_seen_and_mended(records: Path) -> None:
    """It is what it was before the first time, and then nothing is left of the record."""
    with standing(ROUTER) as lab:
        before = lab.set_sysctl("ns1", "net.ipv4.igmp_max_memberships", 20)[0]
        sets(lab)
        found = {one.name: one.after for one in RunningLab.attach("lab").differences().changes}
        mended = {key: was for key, (_value, was) in SET.items()}
        assert found == {**mended, "net.ipv4.igmp_max_memberships": before}
        lab.change(declared(ROUTER), ROUTER)
        assert lab.differences().changes == ()
        assert state.find("lab").was == ()


def test_what_was_set_after_a_change_by_hand_is_as_it_was_built(records: Path) -> None:
    """Else `up` would bring back what somebody broke, and `set` mended. By ip_forward it is 0."""
    with standing(ROUTER) as lab:
        for key in ("net.ipv4.icmp_echo_ignore_all", "net.ipv4.conf.all.accept_redirects"):
            assert lab.run("ns1", ["sysctl", "-qw", f"{key}=1"]).code == 0
            lab.set_sysctl("ns1", key, 0)
        assert lab.differences().changes == ()
        lab.change(declared(ROUTER), ROUTER)
        assert lab.set_sysctl("ns1", "net.ipv4.icmp_echo_ignore_all", 0) == ("0", "0")


def test_a_change_of_the_file_takes_what_was_set_along(records: Path) -> None:
    """The lab is what that file would have made of nothing."""
    with standing(OLD) as lab:
        wanted = essence(lab.snapshot())
    with standing(ROUTER) as lab:
        sets(lab)
        lab.change(declared(OLD), OLD)
        assert unlike(essence(lab.snapshot()), wanted) == []
        assert lab.set_sysctl("ns1", "net.ipv4.conf.veth1a.forwarding", 0) == ("0", "0")
        assert lab.set_sysctl("ns1", "net.ipv4.conf.veth1a.rp_filter", 0) == ("0", "0")


def test_what_was_set_is_again_so_after_a_failure(
    records: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And can still be put back."""
    with standing(ROUTER) as lab:
        sets(lab)
        with monkeypatch.context() as patch:
            patch.setattr(state, "rewrite", lambda _file: 1 / 0)
            with pytest.raises(ZeroDivisionError):
                lab.change(declared(OLD), OLD)
        for key, (value, _was) in SET.items():
            path = f"/proc/sys/{key.replace('.', '/')}"
            assert (lab.sandbox.read_files(NS1, [path])[path] or "").strip() == str(value)
        assert len(lab.differences().changes) == len(SET) + 1


DRIFT = {
    "a device taken down": ("ns1", "ip link set veth1a down"),
    "an address taken away": ("ns1", "ip address del 10.244.1.2/24 dev veth1a"),
    "an address added": ("ns2", "ip address add 10.9.9.9/24 dev veth2a"),
    "a port taken out of its bridge": ("host", "ip link set veth1b nomaster"),
    "a bridge removed": ("host", "ip link del br0"),
    "a link removed": ("ns2", "ip link del veth2a"),
    "a device added": ("ns2", "ip link add extra type bridge"),
    "a neighbour removed": ("ns2", "ip neighbour del 10.244.1.9 dev veth2a"),
    "a neighbour made another": (
        "ns2",
        "ip neighbour replace 10.244.1.9 lladdr 02:00:00:00:00:77 dev veth2a",
    ),
    "a neighbour added": ("ns1", "ip neighbour add 10.244.1.8 lladdr 02:00:00:00:00:08 dev veth1a"),
    "a route added": ("ns1", "ip route add 10.77.0.0/16 dev veth1a"),
    "another MTU": ("host", "ip link set veth2b mtu 1300"),
    "another MAC": ("ns1", "ip link set veth1a address 02:00:00:00:00:55"),
    "loopback taken down": ("ns1", "ip link set lo down"),
    "rules flushed": ("host", "iptables -F"),
    "a rule added": ("host", "iptables -t nat -A POSTROUTING -j MASQUERADE"),
    "a sysctl set": ("ns1", "sysctl -q -w net.ipv4.conf.veth1a.arp_ignore=0"),
}


@pytest.mark.parametrize("drift", DRIFT)
def test_what_was_changed_inside_is_seen_and_mended(records: Path, drift: str) -> None:
    """By diff, and by up; all else stays."""
    node, command = DRIFT[drift]
    with standing(OLD) as lab:
        before = essence(lab.snapshot())
        done = lab.run(node, command.split())
        assert done.code == 0, done.stderr
        seen = lab.differences().changes
        assert seen
        assert {change.node for change in seen} <= {node, "host", "ns1", "ns2"}
        assert lab.change(declared(OLD), OLD) == seen
        assert unlike(essence(lab.snapshot()), before) == []


def test_the_rules_that_differ_are_named(records: Path) -> None:
    """By what their own tools say of them: one in another chain, a policy, another table."""
    with standing(OLD) as lab:
        drift = "iptables -I FORWARD -p udp -j DROP; iptables -P INPUT DROP"
        drift += "; nft 'add table ip own; add chain ip own c; add rule ip own c counter accept'"
        assert lab.run("host", ["sh", "-c", drift]).code == 0
        (change,) = lab.differences().changes
        assert change.lines == (
            "- iptables -A FORWARD -p udp -j DROP",
            "- ip filter INPUT hook input priority 0 policy drop",
            "- ip own c",
            "- ip own c counter accept",
        )


def test_processes_of_nodes_that_stay_go_on(records: Path) -> None:
    """And those of a node that is removed are ended."""
    with standing(OLD) as lab:
        pids = {
            node: lab.run(node, ["sh", "-c", "sleep 1000 >/dev/null & echo $!"]).stdout.decode()
            for node in ("ns1", "ns2")
        }
        become(lab, NEW)
        alive = lab.run("host", ["kill", "-0", pids["ns1"].strip()])
        ended = lab.run("host", ["kill", "-0", pids["ns2"].strip()])
        assert (alive.code, ended.code) == (0, 1)


def test_few_things_are_done(records: Path) -> None:
    """One address more is one operation."""
    more = OLD.replace("veth2a: 10.244.1.4/24", "veth2a: [10.244.1.4/24, 10.244.1.5/24]")
    with standing(OLD) as lab:
        planned = lab.differences(declared(more))
        plans = (planned.removal, planned.making, planned.letting_go)
        assert sum(len(plan.ops) for plan in plans) == 1
        assert become(lab, more) == [(Action.CREATE, Subject.ADDRESS, "10.244.1.5/24 on veth2a")]


@pytest.mark.parametrize(
    ("first", "then"),
    [("old", "new"), ("new", "old"), ("bridge", "ipv6"), ("vxlan", "isolated-ports")],
)
def test_a_failure_at_any_step_leads_back(records: Path, first: str, then: str) -> None:
    """Each single step fails once; the lab is as before, and the next change works."""
    with standing(LABS[first]) as lab:
        before = essence(lab.snapshot())
        told: list[str] = []
        for budget in range(1000):
            with pytest.MonkeyPatch.context() as patch:
                fault = struck(lab, patch, budget)
                try:
                    lab.change(declared(LABS[then]), LABS[then])
                except (KernelError, SpecError) as error:
                    told = [str(error), str(error.__cause__), *getattr(error, "__notes__", [])]
            if not fault.struck:
                break
            assert "injected" in "".join(told), told
            assert "could not be restored" not in "".join(told), told
            assert unlike(essence(lab.snapshot()), before) == [], f"after {budget} steps"
        assert budget > 10
        assert lab.differences(declared(LABS[then])).changes == ()


def test_an_interruption_leads_back(records: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C too."""
    with standing(OLD) as lab:
        before = essence(lab.snapshot())
        real = lab.sandbox.send

        def interrupted(node: NodeName, messages: Sequence[Message]) -> None:
            monkeypatch.setattr(lab.sandbox, "send", real)
            raise KeyboardInterrupt

        monkeypatch.setattr(lab.sandbox, "send", interrupted)
        with pytest.raises(KeyboardInterrupt):
            lab.change(declared(NEW), NEW)
        assert unlike(essence(lab.snapshot()), before) == []


def test_once_on_record_an_interruption_leads_nowhere(
    records: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is acted on; the lab, its processes and its record are those that are declared now."""
    new = NEW.replace("down: [eth0]}", "down: [eth0], run: [{name: s, command: sleep 1000}]}")
    told: list[str] = []
    with standing(OLD) as lab:
        real = state.rewrite

        def interrupted(file: LabFile) -> None:
            real(file)
            os.kill(os.getpid(), signal.SIGINT)

        monkeypatch.setattr(state, "rewrite", interrupted)
        with pytest.raises(KeyboardInterrupt):
            lab.change(declared(new), new, on_record=lambda: told.append("on record"))
        assert told == ["on record"]
        assert [one.name for one in lab.sandbox.processes() if one.pid] == ["s"]
        assert lab.spec == declared(new)
        with RunningLab.attach("lab").sandbox:
            assert RunningLab.attach("lab").differences().changes == ()


def test_an_interruption_while_a_node_goes_leads_back(
    records: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The holder has let it go, and its answer was never read."""
    with standing(OLD) as lab:
        before = essence(lab.snapshot())
        real = lab.sandbox._request

        def interrupted(do: str, *rest: Any, **fields: Any) -> Any:
            answer = real(do, *rest, **fields)
            if do == "forget" and fields["names"] == ["ns2"]:
                monkeypatch.setattr(lab.sandbox, "_request", real)
                raise KeyboardInterrupt
            return answer

        monkeypatch.setattr(lab.sandbox, "_request", interrupted)
        with pytest.raises(KeyboardInterrupt) as caught:
            lab.change(declared(NEW), NEW)
        assert getattr(caught.value, "__notes__", []) == []
        assert unlike(essence(lab.snapshot()), before) == []


def test_a_rule_that_is_refused_touches_nothing(records: Path) -> None:
    """It is tried elsewhere first."""
    wrong = NEW.replace("-A FORWARD -j DROP", "-A FORWARD -j NOSUCH")
    with standing(OLD) as lab:
        before = lab.snapshot()
        with pytest.raises(SpecError, match="refuses this rule"):
            lab.change(declared(wrong), wrong)
        after = lab.snapshot()
        assert essence(after) == essence(before)
        assert indexes(after) == indexes(before)


def test_the_refused_rules_of_all_nodes_are_told_at_once(records: Path) -> None:
    """By a change, and where nothing stands yet."""
    wrong = NEW.replace("-A FORWARD -j DROP", "-A FORWARD -j NOSUCH").replace(
        "-p ipv6-icmp", "-p no"
    )
    wrong = wrong.replace("type filter hook", "type filter hok")
    told = r"(?s)NOSUCH.*nft refuses this.*protocol \"no\""
    with standing(OLD) as lab, pytest.raises(SpecError, match=told):
        lab.change(declared(wrong), wrong)
    with pytest.raises(SpecError, match=told):
        RunningLab.start(declared(wrong), wrong)


def test_the_labs_own_namespace_stays(records: Path) -> None:
    with standing(OLD) as lab:
        alone = "name: lab\nnodes:\n  ns1: {}\n"
        with pytest.raises(UsageError, match=r"'host' cannot be removed while .* down lab, and up"):
            lab.change(declared(alone), alone)


def test_a_node_host_that_was_added_is_a_node_as_any(records: Path) -> None:
    """It is not the sandbox's own namespace, and may go as it came, and come again."""
    alone = "name: lab\nnodes:\n  ns1: {addresses: {lo: 10.7.7.7/32}}\n"
    with standing(alone) as lab:
        before = lab.snapshot()
        for _ in range(2):
            assert ("create", "node", "host") in become(lab, OLD)
            assert ("remove", "node", "host") in become(lab, alone)
        assert essence(lab.snapshot()) == essence(before)
        assert lab.differences().changes == ()


def test_a_lab_of_another_process_that_ends_with_it_is_left_alone(records: Path) -> None:
    with standing(OLD), pytest.raises(LabExistsError), RunningLab.attach("lab").sandbox:
        RunningLab.attach("lab").change(declared(NEW), NEW)


@given(first=changing_labs(), then=changing_labs())
@settings(
    max_examples=20,
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
def test_any_lab_becomes_any_other(records: Path, first: str, then: str) -> None:
    """As if there had never been another."""
    with standing(then) as lab:
        wanted = essence(lab.snapshot())
    with standing(first) as lab:
        lab.change(declared(then), then)
        assert unlike(essence(lab.snapshot()), wanted) == []

"""One suite for the real kernel and for a recording of it: code may trust either alike."""

import json
import platform
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import pytest

from fakes import Recording, RecordingKernel, ReplayingKernel
from hopscope import CannotError, KernelError, Lab
from hopscope.kernel.protocol import Kernel
from hopscope.kernel.read.snapshot import read
from hopscope.lab.running import RunningLab
from hopscope.model.lab import FirewallStep
from hopscope.model.lookup import fdb_entry, owner_of_mac, ports, uses_conntrack
from hopscope.model.snapshot import NodeState, Snapshot
from hopscope.model.vocab import DevName, NodeName
from hopscope.wire import rtnl
from hopscope.wire.netlink import NETLINK_NETFILTER, Message
from hopscope.wire.ruleset import dump_tables, table

FOLDER = Path(__file__).parents[1] / "golden" / "recordings"
RECORDINGS = sorted(FOLDER.glob("kernel-bridge-*.json"))
HOST, NS1, NS2 = (NodeName(name) for name in ("host", "ns1", "ns2"))
SWITCH = "net/bridge/bridge-nf-call-iptables"


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningLab]:
    """The built-in bridge lab after a ping, with its rules."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HOPSCOPE_STATE", str(tmp_path_factory.mktemp("labs")))
        try:
            made = Lab.load("bridge").up()
        except CannotError as error:
            pytest.skip(f"needs namespaces: {error}")
        with made:
            assert made.ping("ns1", "ns2").replied
            for step in made.spec.story:
                if isinstance(step, FirewallStep):
                    made.add_rules(step.tool, HOST, [rule.text for _node, rule in step.lines])
            yield made


@pytest.fixture(
    params=[pytest.param(None, id="real", marks=pytest.mark.kernel), *RECORDINGS],
    ids=lambda path: path.stem if path else "real",
)
def kernel(request: pytest.FixtureRequest) -> Kernel:
    """The real one, and each that was recorded."""
    if request.param is None:
        real: RunningLab = request.getfixturevalue("lab")
        return real.sandbox
    return ReplayingKernel.of(request.param.read_text())


@pytest.fixture
def snapshot(kernel: Kernel) -> Snapshot:
    """All nodes."""
    return read(kernel, kernel.nodes)


def test_there_is_a_recording() -> None:
    assert RECORDINGS


def test_nodes_are_in_the_order_of_their_making(kernel: Kernel) -> None:
    assert kernel.nodes == (HOST, NS1, NS2)


def test_a_snapshot_shows_the_lab(snapshot: Snapshot) -> None:
    """Links, peers, ports; and the addresses that there are, and are not."""
    host, ns1, ns2 = snapshot.nodes
    assert [link.name for link in host.links] == ["lo", "br0", "veth1b", "veth2b"]
    assert [port.name for port in ports(host, DevName("br0"))] == ["veth1b", "veth2b"]
    assert {str(link.peer) for link in host.links} == {"None", "ns1/veth1a", "ns2/veth2a"}
    assert _addresses(host) == {"127.0.0.1/8"}
    assert _addresses(ns1) == {"127.0.0.1/8", "10.244.1.2/24"}
    assert _addresses(ns2) == {"127.0.0.1/8", "10.244.1.4/24"}


def _addresses(node: NodeState) -> set[str]:
    return {str(address) for link in node.links for address in link.addresses}


def test_after_a_ping_all_have_learnt(snapshot: Snapshot) -> None:
    """Each side the other's MAC, the bridge a port for each; and it was one request."""
    host, ns1, ns2 = snapshot.nodes
    for node, peer in ((ns1, "ns2/veth2a"), (ns2, "ns1/veth1a")):
        (entry,) = node.neighbours
        assert entry.mac is not None
        assert str(owner_of_mac(snapshot, entry.mac)) == peer
        learnt = fdb_entry(host, DevName("br0"), entry.mac)
        assert learnt is not None
        assert (learnt.port, learnt.local) == ("veth2b" if node is ns1 else "veth1b", False)
    assert ns2.counters["Icmp.InEchos"] == 1


def test_rules_are_read(snapshot: Snapshot) -> None:
    """In iptables' words, in order; with them connections are tracked."""
    host = snapshot.node(HOST)
    prefixes = [rule.log_prefix for chain in host.chains for rule in chain.rules]
    assert sorted(filter(None, prefixes)) == [
        *("Filter-FORWARD-1-", "Nat-POSTROUTING-1-", "Nat-PREROUTING-1-"),
    ]
    forward = next(chain for chain in host.chains if chain.name == "FORWARD")
    assert [rule.text.split()[:2] for rule in forward.rules] == [["-A", "FORWARD"]] * 2
    assert uses_conntrack(host)
    assert not any(node.chains or node.unread for node in snapshot.nodes[1:])


def test_tables_are_asked_for_on_their_own_bus(kernel: Kernel) -> None:
    answers = kernel.ask(HOST, dump_tables(), bus=NETLINK_NETFILTER)
    told = [found for answer in answers if (found := table(answer)) is not None]
    assert [name for _family, name in told if not name.startswith("hopscope")] == ["nat", "filter"]


def test_files_are_the_nodes_own(kernel: Kernel) -> None:
    """None for one that is not there."""
    absent = "/proc/sys/net/hopscope-no-such-file"
    texts = kernel.read_files(HOST, [f"/proc/sys/{SWITCH}", absent])
    assert texts == {f"/proc/sys/{SWITCH}": "0\n", absent: None}


def test_a_sysctl_is_written_or_refused(kernel: Kernel) -> None:
    """And read again."""
    path = f"/proc/sys/{SWITCH}"
    kernel.write_sysctls(HOST, {SWITCH: "1"})
    assert kernel.read_files(HOST, [path])[path] == "1\n"
    kernel.write_sysctls(HOST, {SWITCH: "0"})
    with pytest.raises(KernelError, match=r"host: setting net\.hopscope\.nonsense = 1"):
        kernel.write_sysctls(HOST, {"net/hopscope/nonsense": "1"})


def test_what_no_kernel_understands_is_refused(kernel: Kernel) -> None:
    with pytest.raises(KernelError):
        kernel.ask(NS1, Message(0x7FF0, 0, b""))


def test_a_program_that_is_not_there_ends_with_127(kernel: Kernel) -> None:
    assert kernel.run(NS1, ["hopscope-no-such-program"]).code == 127


def test_namespaces_are_told_apart(kernel: Kernel) -> None:
    """Each by a descriptor that stays the same."""
    assert len({kernel.ns_fd(node) for node in kernel.nodes}) == 3
    assert kernel.ns_fd(NS2) == kernel.ns_fd(NS2)


@pytest.mark.kernel
def test_a_recording_replays_to_the_same_snapshot(lab: RunningLab) -> None:
    """All of it, byte by byte through JSON: what the fake says is what the kernel said."""
    recording = Recording(kernel=platform.release(), nodes=list(lab.sandbox.nodes))
    seen = read(RecordingKernel(lab.sandbox, recording), lab.sandbox.nodes)
    replayed = ReplayingKernel.of(json.dumps(asdict(recording)))
    assert read(replayed, replayed.nodes) == seen


def test_the_fake_keeps_what_is_sent() -> None:
    """For tests of what applies a plan."""
    fake = ReplayingKernel.of(RECORDINGS[0].read_text())
    fake.send(NS1, [rtnl.delete_link(2)])
    fake.write_sysctls(HOST, {SWITCH: "1"})
    assert fake.sent == [(NS1, rtnl.delete_link(2))]
    assert fake.written == {SWITCH: "1"}

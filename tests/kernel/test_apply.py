"""Plans performed: what stands is what was planned, and a refusal leaves nothing."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from hopscope.errors import HopscopeError, KernelError, SpecError
from hopscope.kernel import state
from hopscope.kernel.interrupts import ENDING, too_late, undisturbed
from hopscope.kernel.sandbox import Sandbox
from hopscope.kernel.waiting import wait_until
from hopscope.lab.declare import parse
from hopscope.lab.running import RunningLab
from hopscope.model.lab import LabSpec
from hopscope.model.vocab import NodeName
from hopscope.plan import ops
from hopscope.plan.compile import compile_lab
from permitted import TAPS

pytestmark = pytest.mark.kernel

HOST, NS1 = NodeName("host"), NodeName("ns1")
LAB = """
name: whole
nodes:
  host:
    bridges: {br0: {stp: true, mtu: 1400, fdb: {"02:00:00:00:00:77": p1}}}
    devices:
      t0: {kind: tap, bridge: br0, rate: 1mbit}
      vx0: {kind: vxlan, id: 7, fdb: {"02:00:00:00:00:78": 10.9.0.1}}
    addresses: {br0: [10.9.0.254/24, fd00:9::fe/64]}
    routes: [10.77.0.0/16 via 10.9.0.1]
    sysctls: {net.ipv4.ip_forward: 1}
    iptables: [-A FORWARD -p icmp -j ACCEPT]
  ns1:
    addresses: {a: [10.9.0.1/24, fd00:9::1/64]}
    devices: {mv0: {kind: macvlan, over: "ns2:low"}}
    routes: [default via 10.9.0.254]
    policy: [from 10.8.0.0/16 prohibit]
    neighbours: {a: {10.9.0.254: "02:00:00:00:00:fe"}}
    nft: "table inet t { chain c { type filter hook input priority 0; }; }"
  ns2: {addresses: {b: 10.9.0.2/24}}
links:
  - {ends: [ns1:a, {end: host:p1@br0, isolated: true}], mtu: 1400}
  - {ends: [ns2:b, host:p2@br0], mtu: 1400}
  - [ns2:low, ns2:end]
"""


@pytest.fixture
def spec() -> LabSpec:
    """Each kind of operation at least once."""
    return parse(LAB, "whole.yaml")


def gone() -> bool:
    """No lab, no record, no namespace."""
    return list(state.running()) == [] and list(state.state_home().iterdir()) == []


def test_all_that_was_planned_stands(records: Path, spec: LabSpec) -> None:
    with RunningLab.start(spec, LAB) as lab:
        now = lab.snapshot()
        host, ns1 = now.node(HOST), now.node(NS1)
        links = {str(link.name): link for link in host.links}
        assert links["br0"].mtu == 1400
        assert links["p1"].master == links["p2"].master == "br0"
        assert str(links["p1"].peer) == "ns1/a"
        assert {str(a) for a in links["br0"].addresses} >= {"10.9.0.254/24", "fd00:9::fe/64"}
        assert host.sysctls["net.ipv4.ip_forward"] == "1"
        assert any(route.destination == "10.77.0.0/16" for route in host.routes)
        assert any(route.via == "10.9.0.254" for route in ns1.routes)
        assert [(n.ip, n.mac) for n in ns1.neighbours] == [("10.9.0.254", "02:00:00:00:00:fe")]
        assert any(chain.table == "t" for chain in ns1.chains)
        assert any(chain.name == "FORWARD" for chain in host.chains)
    assert gone()


def refused(op: ops.Op) -> tuple[ops.Op, ...] | None:
    """What to do instead, such that the kernel, or the tool, refuses it; None: it cannot be."""
    match op:
        case ops.MakeNodes():
            return (replace(op, names=(*op.names, op.names[0])),)
        case ops.SetSysctl():
            return (replace(op, path="net/ipv4/absent"),)
        case ops.AddRules(tool="nft"):
            return (replace(op, lines=("nonsense",)),)
        case ops.AddRules():
            return (replace(op, lines=("-A NOSUCH -p icmp -j ACCEPT",)),)
        case ops.SetUp() | ops.SetPort() | ops.Mark() | ops.AddNeighbour():
            return None
        case _:
            return op, op  # it exists already


def _operations() -> list[int]:
    """Those that can be refused: all but the bringing up of what was just made."""
    made = compile_lab(parse(LAB, "whole.yaml")).ops
    return [number for number, op in enumerate(made) if refused(op) is not None]


@TAPS
@pytest.mark.parametrize("number", _operations())
def test_a_refusal_at_each_operation_leaves_nothing(
    records: Path, spec: LabSpec, number: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The error says which, with the lab's line when it has one."""
    whole = compile_lab(spec)
    bad = refused(whole.ops[number])
    assert bad is not None
    changed = replace(whole, ops=(*whole.ops[:number], *bad, *whole.ops[number + 1 :]))
    with monkeypatch.context() as patch:
        patch.setattr("hopscope.lab.running.compile_lab", lambda *_, **__: changed)
        with pytest.raises(HopscopeError) as raised:
            RunningLab.start(spec, LAB)
    error = raised.value
    assert isinstance(error, SpecError | KernelError)
    if isinstance(error, SpecError):
        assert error.problems[0].place == whole.ops[number].place
    assert gone()
    with RunningLab.start(spec, LAB.replace("whole", "again"), name="again"):
        pass


@pytest.mark.parametrize("kind", [SpecError, KernelError], ids=["in a file", "in Python"])
@pytest.mark.parametrize("key", ["all/accept_dad", "br0/disable_ipv6"])
def test_a_refused_sysctl_that_nobody_wrote_is_told_as_such(
    records: Path, spec: LabSpec, monkeypatch: pytest.MonkeyPatch, key: str, kind: type[Exception]
) -> None:
    """As where /proc/sys is read only: no line is at fault, and it is for something."""
    path = f"net/ipv6/conf/{key}"
    place = spec.nodes[0].place if kind is SpecError else None
    implied = ops.SetSysctl(node=HOST, path=path, value="x", implied=True, place=place)
    whole = compile_lab(spec)
    made = next(n for n, op in enumerate(whole.ops) if isinstance(op, ops.SetUp))
    at = 1 if key.startswith("all") else made
    plan = replace(whole, ops=(*whole.ops[:at], implied, *whole.ops[at:]))
    monkeypatch.setattr("hopscope.lab.running.compile_lab", lambda *_, **__: plan)
    with pytest.raises(kind) as raised:
        RunningLab.start(spec, LAB)
    told = str(raised.value)
    assert "Invalid argument" in told
    assert "; no line asks for this: hopscope sets it so that " in told
    assert gone()


def test_one_that_is_lost_is_ended(records: Path, spec: LabSpec) -> None:
    """As when an interruption comes between its making and its being assigned."""
    pid = RunningLab.start(spec, LAB).sandbox.pid
    wait_until(gone, "its end", within=5)
    assert not Path(f"/proc/{pid}").exists() or "Z" in Path(f"/proc/{pid}/stat").read_text()


def test_a_detached_one_that_is_lost_stands(records: Path, spec: LabSpec) -> None:
    RunningLab.start(spec, LAB).detach()
    assert [lab.name for lab in state.running()] == ["whole"]
    attached = RunningLab.attach("whole")
    assert attached.run("ns1", ["true"]).code == 0
    attached.down()
    assert gone()


def test_signals_wait_while_something_is_made() -> None:
    """The first of them is acted on at the end, and only then."""
    done: list[str] = []

    def make() -> None:
        with undisturbed():
            with undisturbed():
                os.kill(os.getpid(), signal.SIGINT)
                done.append("inner")
            os.kill(os.getpid(), signal.SIGINT)
            done.append("outer")
        done.append("never")

    with pytest.raises(KeyboardInterrupt):
        make()
    assert done == ["inner", "outer"]


@pytest.fixture
def acted() -> Iterator[list[int]]:
    """SIGTERM and SIGHUP, as they are acted on; Ctrl-C raises."""
    done: list[int] = []
    before = {number: signal.getsignal(number) for number in ENDING}
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda number, _frame: done.append(number))
    yield done
    for one, handler in before.items():
        signal.signal(one, handler)


def test_a_signal_that_comes_when_they_need_not_wait_any_more_keeps_none_back(
    acted: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not the one that came before, and none that comes later."""
    real = signal.signal

    def then_interrupted(number: int, handler: Any) -> Any:
        before = real(number, handler)
        if handler is signal.default_int_handler:
            os.kill(os.getpid(), signal.SIGINT)
        return before

    def make() -> None:
        with undisturbed():
            os.kill(os.getpid(), signal.SIGTERM)
            monkeypatch.setattr(signal, "signal", then_interrupted)

    with pytest.raises(KeyboardInterrupt):
        make()
    assert acted == [signal.SIGTERM]
    os.kill(os.getpid(), signal.SIGTERM)
    os.kill(os.getpid(), signal.SIGHUP)
    assert acted == [signal.SIGTERM, signal.SIGTERM, signal.SIGHUP]


def test_a_signal_that_waits_until_it_is_too_late_is_never_acted_on(acted: list[int]) -> None:
    with undisturbed():
        with undisturbed():
            os.kill(os.getpid(), signal.SIGTERM)
            too_late()
        os.kill(os.getpid(), signal.SIGHUP)
    assert acted == []
    assert {signal.getsignal(number) for number in ENDING} == {signal.SIG_IGN}


def test_a_failing_start_of_the_holder_is_told(
    records: Path, spec: LabSpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As where namespaces are forbidden: what it said, how to mend it, and no record."""
    monkeypatch.setattr("hopscope.kernel.starting._HOLDER", "raise SystemExit(1)")
    with pytest.raises(HopscopeError, match="ended while it was being set up"):
        RunningLab.start(spec, LAB)
    assert gone()


def test_attaching_to_what_just_ended(records: Path, spec: LabSpec) -> None:
    with RunningLab.start(spec, LAB) as lab:
        file = lab.file
    with pytest.raises(HopscopeError, match="is not up"):
        Sandbox.attach(file)

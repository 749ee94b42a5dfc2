"""Hand-made records and snapshots for the report's tests: the bridge lab, and worse."""

from collections.abc import Sequence

from msgspec.structs import replace

from hopscope.model.events import Observation
from hopscope.model.flow import Arp, Headers, Icmp, Ip
from hopscope.model.journey import (
    BridgeStep,
    ChainVisit,
    DeliverStep,
    DropStep,
    HookStep,
    Hop,
    Journey,
    NeighbourStep,
    PassUpStep,
    Reason,
    ReceiveStep,
    RouteStep,
    RuleCheck,
    Step,
    TransmitStep,
)
from hopscope.model.record import (
    Check,
    Finding,
    LogLine,
    PingResult,
    Record,
    Reply,
    RuleDelta,
    SetResult,
    ShowResult,
    StepResult,
)
from hopscope.model.snapshot import FdbEntry, Neighbour, Snapshot
from hopscope.model.vocab import (
    Action,
    DevName,
    DevRef,
    Family,
    Fate,
    Hook,
    Mac,
    Nanos,
    NeighbourState,
    NodeName,
    PktType,
    Verdict,
    computed,
    seen,
)
from smalllabs import lab, mac_of

__all__ = [
    "BRIDGE",
    "bridge_record",
    "echo",
    "flood",
    "hostile_record",
    "long_record",
    "ping",
    "record",
    "unanswered_record",
]

START = Nanos(1_764_000_000_000_000_000)


BRIDGE = lab(
    ["ns1/veth1a = host/veth1b@br0", "ns2/veth2a = host/veth2b@br0"],
    addresses={"ns1/veth1a": "10.244.1.2/24", "ns2/veth2a": "10.244.1.4/24"},
)
"""The reference lab; its nodes in the order ns1, host, ns2."""

A, B = "10.244.1.2", "10.244.1.4"
MAC_A = mac_of(DevRef(NodeName("ns1"), DevName("veth1a")))
MAC_B = mac_of(DevRef(NodeName("ns2"), DevName("veth2a")))


def _at(microseconds: float) -> Nanos:
    return Nanos(START + int(microseconds * 1000))


def _sent(dev: str, microseconds: float | None) -> TransmitStep:
    at = None if microseconds is None else _at(microseconds)
    return TransmitStep(
        dev=DevName(dev), at=at, dst_mac=MAC_B, basis=seen(f"packet socket on {dev}")
    )


def _received(dev: str, microseconds: float | None, kind: PktType = PktType.HOST) -> ReceiveStep:
    at = None if microseconds is None else _at(microseconds)
    return ReceiveStep(dev=DevName(dev), at=at, pkttype=kind, basis=seen(f"packet socket on {dev}"))


def _hook(hook: Hook, table: str, prefix: str) -> HookStep:
    """An IP hook at which one LOG rule matched and one other rule did not."""
    rules = (
        RuleCheck(
            handle=4,
            text=f'-A {hook.upper()} -p icmp -j LOG --log-prefix "{prefix}"',
            matched=True,
            verdict=Verdict.CONTINUE,
            log_prefix=prefix,
        ),
        RuleCheck(handle=5, text=f"-A {hook.upper()} -p tcp -j DROP", matched=False, verdict=None),
    )
    visit = ChainVisit(
        family=Family.IP,
        table=table,
        chain=hook.upper(),
        priority=0,
        rules=rules,
        policy=Verdict.ACCEPT,
        verdict=Verdict.ACCEPT,
    )
    return HookStep(
        family=Family.IP,
        hook=hook,
        chains=(visit,),
        verdict=Verdict.ACCEPT,
        basis=seen("nf_tables trace in host"),
        iif=DevName("br0"),
        oif=DevName("br0"),
    )


def echo(
    *, switch: int = 0, reply: bool = False, copy: bool = True, timeless: bool = False
) -> Journey:
    """The echo request from ns1 to ns2, or its reply, with the switch at 0 or 1."""
    near, far = ("2", "1") if reply else ("1", "2")
    src, dst = (B, A) if reply else (A, B)
    times: list[float | None] = [0, 0.6, 35.0, 35.4]
    if timeless:
        times = [None] * 4
    hooks = (
        [
            _hook(Hook.PREROUTING, "nat", "Nat-PREROUTING-1-"),
            _hook(Hook.FORWARD, "filter", "Filter-FORWARD-1-"),
            _hook(Hook.POSTROUTING, "nat", "Nat-POSTROUTING-1-"),
        ]
        if switch
        else []
    )
    last = Hop(
        node=NodeName(f"ns{far}"),
        came_in=DevName(f"veth{far}a"),
        came_from=DevName(f"veth{far}b"),
        steps=(
            _received(f"veth{far}a", times[3]),
            DeliverStep(to=f"the ICMP code of ns{far}", basis=seen("the reply was sent")),
        ),
    )
    bridge: Step = BridgeStep(
        bridge=DevName("br0"),
        action=Action.FORWARD,
        came_in=DevName(f"veth{near}b"),
        out=(DevName(f"veth{far}b"),),
        entry=FdbEntry(bridge=DevName("br0"), mac=MAC_B, port=DevName(f"veth{far}b")),
        learnt=None,
        basis=seen("frames on the ports of host/br0"),
    )
    up: list[Step] = [
        PassUpStep(
            bridge=DevName("br0"),
            at=None if timeless else _at(0.6),
            because="promiscuous",
            pkttype=PktType.OTHERHOST,
            basis=seen("packet socket on host/br0"),
        ),
        DropStep(
            reason="made for the capture only",
            where="host/br0",
            basis=seen("the kernel classed this copy as for another host"),
            expected=True,
        ),
    ]
    middle = Hop(
        node=NodeName("host"),
        came_in=DevName(f"veth{near}b"),
        came_from=DevName(f"veth{near}a"),
        steps=(
            _received(f"veth{near}b", times[1], PktType.OTHERHOST),
            *hooks[:1],
            bridge,
            *hooks[1:],
            _sent(f"veth{far}b", times[2]),
            *(up if copy else ()),
        ),
        onward=(last,),
    )
    first = Hop(
        node=NodeName(f"ns{near}"),
        came_in=None,
        came_from=None,
        steps=(
            RouteStep(
                destination=dst,
                route=f"10.244.1.0/24 dev veth{near}a",
                dev=DevName(f"veth{near}a"),
                via=None,
                basis=computed(f"routes of ns{near} as read"),
            ),
            NeighbourStep(
                dev=DevName(f"veth{near}a"),
                ip=dst,
                mac=MAC_B,
                state=NeighbourState.REACHABLE,
                basis=seen("destination of the frame"),
            ),
            _sent(f"veth{near}a", times[0]),
        ),
        onward=(middle,),
    )
    return Journey(
        title="echo reply" if reply else "echo request",
        headers=Headers(
            ip=Ip(version=4, src=src, dst=dst, proto=1, ttl=64, length=84),
            icmp=Icmp(type=0 if reply else 8, code=0, ident=7, seq=1),
        ),
        started=START,
        first=first,
        fate=Fate.DELIVERED,
    )


def _learnt(snapshot: Snapshot) -> Snapshot:
    """The bridge lab after a ping: each side knows the other, the bridge knows both."""
    told = {
        "ns1": {"neighbours": (_neighbour("veth1a", B, MAC_B),)},
        "ns2": {"neighbours": (_neighbour("veth2a", A, MAC_A),)},
        "host": {
            "fdb": (
                FdbEntry(bridge=DevName("br0"), mac=MAC_A, port=DevName("veth1b")),
                FdbEntry(bridge=DevName("br0"), mac=MAC_B, port=DevName("veth2b")),
            )
        },
    }
    return Snapshot(
        nodes=tuple(replace(node, **told[node.name]) for node in snapshot.nodes)  # type: ignore[arg-type]
    )


def _neighbour(dev: str, ip: str, mac: Mac) -> Neighbour:
    return Neighbour(dev=DevName(dev), ip=ip, mac=mac, state=NeighbourState.REACHABLE)


def ping(
    number: int,
    journeys: Sequence[Journey],
    *,
    switch: int = 0,
    rtt: int | None = 240_000,
    reason: Reason | None = None,
    checks: Sequence[Check] = (),
    log: Sequence[str] = (),
) -> PingResult:
    """A ping of the bridge lab with these journeys."""
    return PingResult(
        number=number,
        source=NodeName("ns1"),
        source_address=A,
        target="ns2",
        address=B,
        replies=(Reply(seq=1, rtt=rtt),),
        journeys=tuple(journeys),
        before=BRIDGE if number == 1 else _learnt(BRIDGE),
        after=_learnt(BRIDGE),
        deltas=(
            RuleDelta(
                node=NodeName("host"),
                family=Family.IP,
                table="filter",
                chain="FORWARD",
                handle=4,
                text="-A FORWARD -p icmp -j LOG",
                before=0,
                after=switch,
            ),
        ),
        log=tuple(
            LogLine(at=START, node=NodeName("host"), prefix=prefix, text=f"{prefix}IN=br0 OUT=br0 ")
            for prefix in log
        ),
        checks=tuple(checks),
        observation=Observation(events=()),
        switches={"host/br0": str(switch)},
        reason=reason,
    )


def record(
    steps: Sequence[StepResult],
    *,
    initial: Snapshot = BRIDGE,
    conclusion: Sequence[Finding] = (),
    name: str = "bridge",
) -> Record:
    """A record of these steps."""
    return Record(
        lab=name,
        description="Two namespaces, joined by a bridge.",
        mode="sandbox",
        kernel="6.18.0",
        hopscope="0.1.0",
        started=START,
        finished=Nanos(START + 1_300_000_000),
        initial=initial,
        steps=tuple(steps),
        conclusion=tuple(conclusion),
    )


def arp_request() -> Journey:
    """The ARP request of ns1, flooded by br0 and copied up its stack."""
    journey = echo(copy=False)
    headers = Headers(
        arp=Arp(
            op=1, sender_mac=MAC_A, sender_ip=A, target_mac=Mac("00:00:00:00:00:00"), target_ip=B
        )
    )
    return replace(journey, title="ARP request", headers=headers)


def bridge_record() -> Record:
    """The reference exercise, short: a ping at switch 0, the switch, a ping at switch 1."""
    held = Check(expected="a reply", seen="1 of 1 requests answered", held=True)
    prefixes = ("Nat-PREROUTING-1-", "Filter-FORWARD-1-", "Nat-POSTROUTING-1-")
    return record(
        [
            ShowResult(
                what=("neighbours", "fdb"),
                nodes=tuple(node.name for node in BRIDGE.nodes),
                tables=BRIDGE,
            ),
            ping(1, [arp_request(), echo(), echo(reply=True)], checks=[held]),
            SetResult(
                node=NodeName("host"),
                key="net.bridge.bridge-nf-call-iptables",
                before="0",
                after="1",
            ),
            ping(2, [echo(switch=1), echo(switch=1, reply=True)], switch=1, log=prefixes),
        ],
        conclusion=[Finding(sentence="Layer 2 carried it.", evidence="ping 1: 1 of 1 answered")],
    )


def unanswered_record() -> Record:
    """A ping whose request a rule dropped at the host, against an expectation."""
    reason = Reason(
        code="rule-drop",
        sentence="the rule `-j DROP` in host dropped it",
        at=DevRef(NodeName("host"), DevName("veth1b")),
        basis=seen("nf_tables trace in host"),
        mend="hopscope exec LAB host -- iptables -F",
    )
    journey = echo(switch=1, copy=False)
    host = journey.first.onward[0]
    dropped = replace(host, steps=host.steps[:1], onward=())
    lost = replace(
        journey,
        first=replace(journey.first, onward=(dropped,)),
        fate=Fate.DROPPED,
        reason=reason,
    )
    failed = Check(expected="a reply", seen="0 of 1 requests answered", held=False)
    return record([ping(1, [lost], rtt=None, reason=reason, checks=[failed])])


def flood(branches: int) -> Hop:
    """A frame that a bridge copied to many ports, none of which wanted it."""
    names = [DevName(f"v{i}") for i in range(branches)]
    decision = BridgeStep(
        bridge=DevName("br0"),
        action=Action.FLOOD,
        came_in=DevName("in"),
        out=tuple(names),
        entry=None,
        learnt=None,
        basis=seen("frames"),
    )
    return Hop(
        node=NodeName("host"),
        came_in=DevName("in"),
        came_from=None,
        steps=(
            ReceiveStep(
                dev=DevName("in"), at=Nanos(10), pkttype=PktType.BROADCAST, basis=seen("socket")
            ),
            decision,
            *(
                TransmitStep(dev=name, at=Nanos(20 + i), basis=seen("socket"))
                for i, name in enumerate(names)
            ),
        ),
        onward=tuple(
            Hop(
                node=NodeName(f"n{i}"),
                came_in=DevName("e"),
                came_from=name,
                steps=(
                    ReceiveStep(
                        dev=DevName("e"),
                        at=Nanos(40 + i),
                        pkttype=PktType.BROADCAST,
                        basis=seen("socket"),
                    ),
                ),
            )
            for i, name in enumerate(names)
        ),
    )


HOSTILE = "</script></style><b onclick=x>\"'<img src=x onerror=window.broken=1>"


def hostile_record() -> Record:
    """Every text that a user or a kernel gave is an attack on the page."""
    done = bridge_record()
    last = done.steps[-1]
    assert isinstance(last, PingResult)
    request = last.journeys[0]
    first = replace(request.first, node=NodeName(HOSTILE))
    bad = replace(
        last,
        target=HOSTILE,
        journeys=(replace(request, title=HOSTILE, first=first, notes=(HOSTILE,)),),
        log=(LogLine(at=START, node=NodeName("host"), prefix=HOSTILE, text=HOSTILE + "IN=br0"),),
        deltas=tuple(replace(delta, text=HOSTILE) for delta in last.deltas),
        switches={HOSTILE: HOSTILE},
        notes=(HOSTILE,),
        checks=(Check(expected=HOSTILE, seen=HOSTILE, held=False, why=HOSTILE),),
    )
    flat = HOSTILE.replace("/", "").replace("=", "").replace("@", "")
    evil = lab([f"{flat}/{flat[:12]} = host/b@<i>"])
    bad = replace(bad, before=evil)
    return replace(
        done,
        lab=HOSTILE,
        description=HOSTILE,
        kernel=HOSTILE,
        hopscope=HOSTILE,
        initial=evil,
        steps=(bad,),
        conclusion=(Finding(sentence=HOSTILE, evidence=HOSTILE),),
        notes=(HOSTILE,),
    )


def long_record(pings: int) -> Record:
    """A story of many pings, all of which go the same way but each its own number."""
    return record([ping(n, [echo(), echo(reply=True)]) for n in range(1, pings + 1)])

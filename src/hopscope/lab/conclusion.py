"""The conclusion of a run: sentences, each with the measurement that backs it.

Nothing here is written for one lab: a sentence appears when its measurement was made,
and says the opposite when the measurement does.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from itertools import pairwise, takewhile

from msgspec.structs import replace

from hopscope.lab.checks import chains_met
from hopscope.model.journey import BridgeStep, HookStep, Hop, PassUpStep, Step, hops
from hopscope.model.lookup import in_subnet, neighbour, owner_of
from hopscope.model.record import Finding, PingResult, Record
from hopscope.model.snapshot import LinkState
from hopscope.model.vocab import DevRef, Family, Hook, NeighbourState, NodeName

__all__ = ["conclude", "ip_hooks"]

IP = (Family.IP, Family.IP6)


def conclude(record: Record) -> Record:
    """The record with its conclusion."""
    sentences = tuple(finding for tell in _TELL for finding in tell(record))
    return replace(record, conclusion=sentences)


def ip_hooks(ping: PingResult, *, nodes: set[NodeName]) -> list[tuple[NodeName, HookStep]]:
    """The IP hooks that bridged packets of a ping passed in these nodes, in order.

    Those are called between a bridge's ports, by br_netfilter; what a copy meets that went
    up into the node's own stack is none of the switch's doing.
    """
    return [
        (hop.node, step)
        for journey in ping.journeys
        for hop in hops(journey)
        if hop.node in nodes
        for step in takewhile(lambda step: not _goes_up(step), _bridged(hop))
        if isinstance(step, HookStep) and step.family in IP
    ]


def _bridged(hop: Hop) -> tuple[Step, ...]:
    """The steps of a hop that began at a bridge's port; nothing of any other."""
    entered = any(isinstance(s, BridgeStep) and s.came_in is not None for s in hop.steps)
    return hop.steps if entered else ()


def _goes_up(step: Step) -> bool:
    return isinstance(step, PassUpStep) and step.taken


def _bridging(ping: PingResult) -> set[NodeName]:
    """The nodes in which a bridge decided about an IP packet of this ping."""
    return {
        hop.node
        for journey in ping.journeys
        if journey.headers.ip is not None
        for hop in hops(journey)
        if any(isinstance(step, BridgeStep) for step in hop.steps)
    }


def _failures(record: Record) -> Iterator[Finding]:
    for ping in record.pings:
        if ping.reason is None:
            continue
        lost = sum(reply.rtt is None for reply in ping.replies)
        said = "got no reply" if lost == len(ping.replies) else f"got no reply to {lost} requests"
        wanted = any(
            check.held and check.expected.startswith(("no reply", "loss:", "drop:"))
            for check in ping.checks
        )
        yield Finding(
            sentence=f"Ping {ping.number}, {ping.source} to {ping.target}, {said}: "
            f"{ping.reason.sentence}.",
            evidence=str(ping.reason.basis),
            held=wanted,
        )


def _layer_two(record: Record) -> Iterator[Finding]:
    """One subnet, one bridge, no address on the way: layer-2 forwarding carried it."""
    ping = next((p for p in record.pings if p.replied and _bridging(p)), None)
    if ping is None or ping.source_address is None:
        return
    snapshot = ping.before
    target = owner_of(snapshot, ping.address)
    source = owner_of(snapshot, ping.source_address)
    if target is None or source is None or target.node == source.node:
        return
    link = snapshot.link(source)
    same = link is not None and any(
        in_subnet(str(address), ping.address)
        for address in link.addresses
        if address.ip == ping.source_address
    )
    passed = list(_way(ping))
    bare = [ref for ref in passed if not _addresses(snapshot.link(ref))]
    tunnelled = any(link is not None and link.vxlan for link in map(snapshot.link, passed))
    if not same or bare != passed or tunnelled:  # a tunnel's own packets are routed
        return
    names = ", ".join(str(ref) for ref in bare)
    yield Finding(
        sentence=f"{ping.source} and {target.node} are in one subnet, and layer-2 forwarding alone "
        f"carried the packets: nothing on the way between them ({names}) has an address.",
        evidence=f"ping {ping.number}: {len(ping.replies)} of {len(ping.replies)} answered; "
        "addresses read from the kernel just before it",
    )


def _way(ping: PingResult) -> Iterator[DevRef]:
    """The bridges and ports that the echo request passed."""
    request = next((j for j in ping.journeys if j.title == "echo request"), None)
    for hop in hops(request) if request else ():
        for step in hop.steps:
            if isinstance(step, BridgeStep):
                if step.came_in is not None:
                    yield DevRef(hop.node, step.came_in)
                yield DevRef(hop.node, step.bridge)
                yield from (DevRef(hop.node, port) for port in step.out)


def _addresses(link: LinkState | None) -> tuple[object, ...]:
    return link.addresses if link is not None else ()


def _learnt_macs(record: Record) -> Iterator[Finding]:
    """Each end's neighbour entry is the MAC of the other end's device."""
    ping = next((p for p in record.pings if p.replied), None)
    if ping is None or ping.source_address is None:
        return
    ends = (owner_of(ping.after, ping.source_address), owner_of(ping.after, ping.address))
    if ends[0] is None or ends[1] is None or ends[0].node == ends[1].node:
        return
    told: list[str] = []
    pairs = ((ends[0], ends[1], ping.address), (ends[1], ends[0], ping.source_address))
    for here, there, ip in pairs:
        entry = neighbour(ping.after.node(here.node), here.dev, ip)
        link = ping.after.link(there)
        if entry is None or link is None or entry.mac is None or entry.mac != link.mac:
            return
        if entry.state is NeighbourState.PERMANENT:
            return
        was = neighbour(ping.before.node(here.node), here.dev, ip)
        new = "learnt" if was is None else "has"
        told.append(f"{here.node} {new} {ip} at {entry.mac}, the address of {there}")
    instead = ", not the bridge's" if _bridging(ping) else ""
    yield Finding(
        sentence=f"Each side knows the MAC address of the other's device{instead}: "
        f"{'; '.join(told)}.",
        evidence=f"neighbour tables read before and after ping {ping.number}",
    )


def _bridge_ports(record: Record) -> Iterator[Finding]:
    """The bridge has learnt a port for each address that it saw."""
    ping = next((p for p in record.pings if _bridging(p)), None)
    if ping is None:
        return
    for node in ping.after.nodes:
        for bridge in (link.name for link in node.links if link.kind == "bridge"):
            learnt = [e for e in node.fdb if e.bridge == bridge and not e.local and not e.static]
            if learnt:
                pairs = ", ".join(f"{e.mac} behind {e.port}" for e in learnt)
                yield Finding(
                    sentence=f"{node.name}/{bridge} has learnt which port leads where: {pairs}.",
                    evidence=f"forwarding table read after ping {ping.number}",
                )


def _switch(record: Record) -> Iterator[Finding]:
    """Whether bridged packets met the IP firewall, by the state of the switch."""
    told: dict[str, list[PingResult]] = {}
    for ping in record.pings:
        sentence = _switch_sentence(ping)
        if sentence:
            told.setdefault(sentence, []).append(ping)
    for sentence, pings in told.items():
        numbers = ", ".join(str(ping.number) for ping in pings)
        hits = {
            (d.node, d.family, d.table, d.chain, d.handle)
            for ping in pings
            for d in ping.deltas
            if d.after > d.before and d.node in _bridging(ping)
        }
        logged = (e.prefix for ping in pings for e in ping.log if e.node in _bridging(ping))
        lines = ", ".join(logged) or "none"
        yield Finding(
            sentence=sentence,
            evidence=f"{'ping' if len(pings) == 1 else 'pings'} {numbers}: nf_tables trace; "
            f"rules hit: {len(hits)}; log lines: {lines}",
        )


def _switch_sentence(ping: PingResult) -> str:
    nodes = _bridging(ping)
    switches = {k: v for k, v in ping.switches.items() if k.split("/")[0] in nodes}
    if not switches or any(ping.gap(node) for node in nodes):
        return ""  # hooks may have been met that nobody saw
    state = ", ".join(f"{bridge}: {value}" for bridge, value in switches.items())
    met = ip_hooks(ping, nodes=nodes)
    where = ", ".join(sorted(nodes))
    if not met:
        return f"With {ping.switch} at {state}, no bridged packet met an IP hook of {where}."
    order = " → ".join(dict.fromkeys(step.hook.upper() for _node, step in met))
    return f"With {ping.switch} at {state}, bridged packets met the IP hooks {order} of {where}."


def _only_difference(record: Record) -> Iterator[Finding]:
    """Whether two pings between which the switch changed differ in anything else."""
    pings = [p for p in record.pings if _bridging(p)]
    for one, other in pairwise(pings):
        same = (one.source, one.address) == (other.source, other.address)
        if not same or one.switches == other.switches or not (one.replied and other.replied):
            continue
        more = (_hooks(one) - _hooks(other)) + (_hooks(other) - _hooks(one))
        if more and _echo_path(one) == _echo_path(other):
            yield Finding(
                sentence="The switch changed nothing but that: the echo request and the reply "
                "crossed the same devices in the same order both times.",
                evidence=f"frames of pings {one.number} and {other.number}; the difference is "
                f"{_count(more.total(), 'netfilter step')}",
            )


def _hooks(ping: PingResult) -> Counter[tuple[str, ...]]:
    """The hooks that the echo packets passed, and how often each."""
    return Counter(
        (journey.title, hop.node, step.family, step.hook, str(step.iif), str(step.oif))
        for journey in ping.journeys
        if journey.title.startswith("echo")
        for hop in hops(journey)
        for step in hop.steps
        if isinstance(step, HookStep)
    )


def _count(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def _echo_path(ping: PingResult) -> list[tuple[str, str, str]]:
    return [
        (journey.title, str(hop.node), f"{step.kind} {getattr(step, 'dev', '')}")
        for journey in ping.journeys
        if journey.title.startswith("echo")
        for hop in hops(journey)
        for step in hop.steps
        if step.kind in ("transmit", "receive")
    ]


def _nat_first_only(record: Record) -> Iterator[Finding]:
    """A reply never passes the nat chains: only a connection's first packet does."""
    for ping in record.pings:
        request = chains_met([j for j in ping.journeys if j.title == "echo request"][:1])
        reply = chains_met([j for j in ping.journeys if j.title == "echo reply"][:1])
        nat = {chain for chain in request if "/nat/" in chain}
        if nat and reply and not any("/nat/" in chain for chain in reply):
            yield Finding(
                sentence="Only the request, the first packet of its connection, met the nat "
                f"chains ({', '.join(sorted(nat))}); the reply did not.",
                evidence=f"nf_tables trace of ping {ping.number}",
            )
            return


def _untaken(record: Record) -> Iterator[Finding]:
    """The way from a bridge into its own host's stack, which a bridged packet does not take."""
    for ping in record.pings:
        echoes = [j for j in ping.journeys if j.title.startswith("echo")]
        nodes = _bridging(ping)
        steps = [
            (hop.node, step)
            for j in echoes
            for hop in hops(j)
            if hop.node in nodes
            for step in hop.steps
        ]
        ups = [step for _node, step in steps if isinstance(step, PassUpStep)]
        inputs = [
            s
            for _n, s in steps
            if isinstance(s, HookStep) and s.hook is Hook.INPUT and s.family in IP
        ]
        if not echoes or not nodes or inputs or not ping.replied:
            continue
        if any(ping.gap(node) for node in nodes):
            continue
        if any(step.taken for step in ups):
            continue
        note = ""
        if ups:
            note = (
                f"; {_count(len(ups), 'echo packet')} also seen on the bridge device: copies made "
                "for the capture, which the kernel classed as for another host"
            )
        yield Finding(
            sentence=f"The echo packets did not go up into the protocol stack of "
            f"{', '.join(sorted(nodes))}: the bridge handed them from port to port.",
            evidence=f"ping {ping.number}: no IP input hook in the trace{note}",
        )
        return


def _pairs(record: Record) -> Iterator[Finding]:
    """Which part of the pairs was reached, each time."""
    for number, found in enumerate(record.reachability, 1):
        how = str(found.protocol) if found.port is None else f"{found.protocol} port {found.port}"
        reached = len(found.pairs) - len(found.failures)
        yield Finding(
            sentence=f"{reached} of {_count(len(found.pairs), 'pair')} reached by {how}.",
            evidence=f"reachability {number}: every pair probed",
            held=found.held,
        )


_TELL: tuple[Callable[[Record], Iterator[Finding]], ...] = (
    _failures,
    _layer_two,
    _learnt_macs,
    _bridge_ports,
    _switch,
    _only_difference,
    _nat_first_only,
    _untaken,
    _pairs,
)

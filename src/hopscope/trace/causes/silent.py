"""Layer 3 dropped the packet and told nobody: switched off, a source of its own, an MTU untold."""

from hopscope.model.journey import (
    ChainVisit,
    HookStep,
    Hop,
    NatStep,
    PassUpStep,
    Reason,
    ReceiveStep,
    RouteStep,
    RuleCheck,
)
from hopscope.model.lookup import is_group, local_device, owner_of, sysctl_int
from hopscope.model.vocab import (
    DevName,
    DevRef,
    Direction,
    Family,
    Hook,
    NodeName,
    PktType,
    Verdict,
    computed,
)
from hopscope.trace.causes.evidence import all_hops, command, leaves, sends, sysctl_command
from hopscope.trace.causes.firewall import deletion
from hopscope.trace.causes.lost import declared_owner
from hopscope.trace.hooks import hook_step, traversals
from hopscope.trace.scene import Packet, Scene
from hopscope.trace.ways import asked

__all__ = ["martian", "switched_off", "untold"]

_TOO_BIG = {Family.IP: (3, 4), Family.IP6: (2, 0)}
"""The ICMP message of a router, type and code."""


def switched_off(packet: Packet, first: Hop, scene: Scene) -> Reason | None:
    """It came to a device that takes no IPv6; mirrors ip6_rcv_core(), net/ipv6/ip6_input.c."""
    last = leaves(first)
    if packet.headers.ip is None or packet.headers.ip.version != 6 or len(last) != 1:
        return None
    hop = last[0]
    dev = _taker(hop, scene)
    key = f"net.ipv6.conf.{dev}.disable_ipv6"
    if dev is None or not sysctl_int(scene.node(hop.node), key):
        return None
    if not _meant(packet, DevRef(hop.node, dev), scene, bridged=dev != hop.came_in):
        return None
    return Reason(
        code="ipv6-off",
        sentence=f"{hop.node}/{dev} received it, and takes no IPv6: {key} = 1",
        at=DevRef(hop.node, dev),
        basis=computed(f"sysctls of {hop.node} as read; no hook there saw it"),
        mend=f"{sysctl_command(hop.node, key, 0)}, and give {dev} its IPv6 addresses again, which "
        "were lost with it: hopscope up, with the lab file",
    )


def _taker(hop: Hop, scene: Scene) -> DevName | None:
    """The device whose stack was given the packet, and passed it to nothing."""
    other = any(isinstance(s, ReceiveStep) and s.pkttype is PktType.OTHERHOST for s in hop.steps)
    if hop.came_in is None or other or any(isinstance(s, HookStep) for s in hop.steps):
        return None
    link = scene.before.link(DevRef(hop.node, hop.came_in))
    ups = [step.bridge for step in hop.steps if isinstance(step, PassUpStep)]
    return hop.came_in if link is None or link.master is None else next(iter(ups), None)


def _meant(packet: Packet, ref: DevRef, scene: Scene, *, bridged: bool) -> bool:
    """Whether it is for this device, or may be: a bridge's stack has a copy of what it floods."""
    if not is_group(packet.headers.dst_mac):
        return True
    target = asked(packet.headers) or ""
    owner = owner_of(scene.before, target) or declared_owner(scene, target)
    return owner == ref if owner is not None else not bridged


def martian(packet: Packet, first: Hop, scene: Scene) -> Reason | None:
    """It came from outside with the receiver's own address as its source.

    Mirrors __fib_validate_source(), net/ipv4/fib_frontend.c; IPv6 asks nothing of the kind.
    """
    for hop in leaves(first):
        source = _source(packet, hop)
        if source is None or not _ends_at_routing(hop):
            continue
        if local_device(scene.node(hop.node), source) is None:
            continue
        return Reason(
            code="martian-source",
            sentence=f"{hop.node} dropped it because it came from outside and its source {source} "
            f"is an address of {hop.node} itself",
            at=DevRef(hop.node, hop.came_in) if hop.came_in is not None else None,
            basis=computed(f"addresses of {hop.node} as read; no hook behind prerouting saw it"),
            mend=_other_source(first, source),
        )
    return None


def _source(packet: Packet, hop: Hop) -> str | None:
    """Its IPv4 source as it came into a hop from outside."""
    for sighting in packet.sightings:
        event, ip = sighting.event, sighting.headers.ip
        here = event.dev == DevRef(hop.node, hop.came_in) if hop.came_in else False
        if here and event.direction is Direction.RECEIVE and ip is not None and ip.version == 4:
            return ip.src
    return None


def _ends_at_routing(hop: Hop) -> bool:
    """Whether the IP hook before the route decision was the last that saw it."""
    steps = [step for step in hop.steps if isinstance(step, HookStep)]
    hooks = [step.hook for step in steps if step.family in _TOO_BIG]
    return hooks[-1:] == [Hook.PREROUTING] and not sends(hop)


def _other_source(first: Hop, source: str) -> str:
    """What gives it another source, where the address of one of its ends was rewritten."""
    found = [
        (step.field, hop.node, step.after)
        for hop in all_hops(first)
        for step in hop.steps
        if isinstance(step, NatStep)
    ]
    for field, node, after in sorted(found, reverse=True):
        if field == "source":
            return f"let {node} translate to an address of its own"
        words = f"iptables -t nat -A POSTROUTING -s {source} -d {after} -j MASQUERADE"
        return f"let {node}, which rewrote its destination, rewrite its source, too: " + (
            command(node, words)
        )
    return f"give {source} to one node only"


def untold(packet: Packet, first: Hop, scene: Scene) -> Reason | None:
    """A router may not cut it for the next link, and the message to its sender got lost."""
    ip = packet.headers.ip
    if ip is None or (ip.version == 4 and not ip.dont_fragment):
        return None
    for hop in leaves(first):
        step = next((s for s in hop.steps if isinstance(s, RouteStep)), None)
        link = scene.node(hop.node).link(step.dev) if step is not None and step.dev else None
        if hop.came_in is None or link is None or not _ends_at_routing(hop):
            continue
        if ip.length <= link.mtu:
            continue
        family = Family.IP6 if ip.version == 6 else Family.IP
        rule = _kept_in(hop.node, family, scene)
        then, mend = "no message of it told its sender", "send smaller packets, or raise that MTU"
        if rule is not None:
            visit, text = rule[0], rule[1].text
            chain = f"{visit.family} {visit.table} {visit.chain}"
            then = f"the rule `{text}` of {chain} dropped the message that tells its sender"
            mend = "let that message out, or delete the rule: " + (
                command(hop.node, deletion(*rule))
            )
        return Reason(
            code="too-big",
            sentence=f"{hop.node} cannot send it through {link.name}, whose MTU is {link.mtu}: it "
            f"is {ip.length} bytes long and must not be fragmented; {then}",
            at=DevRef(hop.node, link.name),
            basis=computed(f"routes and MTU of {hop.node} as read; nothing left it"),
            mend=mend,
        )
    return None


def _kept_in(node: NodeName, family: Family, scene: Scene) -> tuple[ChainVisit, RuleCheck] | None:
    """The rule that dropped a message about the MTU on its way out."""
    dropped = (
        way
        for way in traversals(scene.observation.events)
        if (way.node, way.iif, way.dropped) == (node, None, True)
        and (icmp := way.headers.icmp) is not None
        and (icmp.type, icmp.code) == _TOO_BIG[family]
    )
    rules = (
        (visit, rule)
        for way in dropped
        for visit in hook_step(way, scene.node(node)).chains
        for rule in visit.rules
        if rule.verdict is Verdict.DROP
    )
    return next(rules, None)

"""Layer 3 dropped the packet and told nobody: switched off, an address that may not be, a limit."""

from collections.abc import Iterator

from msgspec.structs import replace

from hopscope.model.flow import Ip
from hopscope.model.journey import (
    HookStep,
    Hop,
    NatStep,
    PassUpStep,
    Reason,
    ReceiveStep,
)
from hopscope.model.lookup import in_subnet, is_group, local_device, owner_of, sysctl_int
from hopscope.model.vocab import (
    DevName,
    DevRef,
    Direction,
    Family,
    Hook,
    PktType,
    computed,
    seen,
)
from hopscope.trace.causes.declared import giving_back
from hopscope.trace.causes.evidence import all_hops, command, leaves, sends, sysctl_command
from hopscope.trace.causes.lost import declared_owner
from hopscope.trace.causes.routing import lowering, time_exceeded
from hopscope.trace.causes.tables import layer_three, limit_of
from hopscope.trace.scene import Packet, Scene
from hopscope.trace.ways import asked

__all__ = ["expired", "localnet", "martian", "switched_off", "untold"]


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
    at = DevRef(hop.node, dev)
    if not _meant(packet, at, scene, bridged=dev != hop.came_in):
        return None
    back = giving_back(scene, at)
    also = ", and its IPv6 addresses are gone with that" if back else ""
    return Reason(
        code="ipv6-off",
        sentence=f"{at} received it, and takes no IPv6: {key} = 1{also}",
        at=at,
        basis=computed(f"sysctls of {hop.node} as read; no hook there saw it"),
        mend="; ".join((sysctl_command(hop.node, key, 0), *back)),
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
    for hop, ref, came in _stopped(packet, first, scene):
        source = came.src
        local = local_device(scene.node(hop.node), source) is not None
        if not local or _either(scene, ref, "accept_local"):
            continue
        mend = _other_source(first, source)
        if packet.made_in == hop.node and not mend:
            mend = f"let {ref.dev} take what the node itself sent: " + (
                sysctl_command(hop.node, f"net.ipv4.conf.{ref.dev}.accept_local", 1)
            )
        return Reason(
            code="martian-source",
            sentence=f"{hop.node} dropped it because it came from outside and its source {source} "
            f"is an address of {hop.node} itself",
            at=ref,
            basis=computed(
                f"addresses and sysctls of {hop.node} as read; no hook behind prerouting saw it"
            ),
            mend=mend or f"give {source} to one node only",
        )
    return None


def localnet(packet: Packet, first: Hop, scene: Scene) -> Reason | None:
    """It came from outside for a loopback address, as a rule had made it.

    Mirrors ip_route_input_slow(), net/ipv4/route.c.
    """
    for hop, ref, _came_as in _stopped(packet, first, scene):
        given = [step.after for step in hop.steps if isinstance(step, NatStep)]
        if not given or not in_subnet("127.0.0.1/8", given[-1]):
            continue
        if _either(scene, ref, "route_localnet"):
            continue
        key = f"net.ipv4.conf.{ref.dev}.route_localnet"
        return Reason(
            code="martian-destination",
            sentence=f"{hop.node} dropped it because it came from outside and a rule there gave it "
            f"the loopback address {given[-1]}: {key} = 0",
            at=ref,
            basis=computed(f"sysctls of {hop.node} as read; no hook behind prerouting saw it"),
            mend=sysctl_command(hop.node, key, 1),
        )
    return None


def expired(packet: Packet, first: Hop, scene: Scene) -> Reason | None:
    """A router found its time to live run out, and the message to its sender left no device."""
    for hop, ref, came in _stopped(packet, first, scene, six=True):
        if came.ttl > 1 and not any(lowering(first)):
            continue
        counter = "Ip6.InHdrErrors" if came.version == 6 else "Ip.InHdrErrors"
        before, after = (one.node(hop.node).counters for one in (scene.before, scene.after))
        rose = after.get(counter, 0) - before.get(counter, 0)
        if rose > 0:
            basis = seen(f"{counter} rose by {rose} in {hop.node}")
            return time_exceeded(packet, first, replace(hop, came_in=ref.dev), scene, basis)
    return None


def _stopped(
    packet: Packet, first: Hop, scene: Scene, *, six: bool = False
) -> Iterator[tuple[Hop, DevRef, Ip]]:
    """The hops where it ended at the route decision: with layer 3's device, and how it came."""
    for hop in leaves(first):
        came, dev = _came(packet, hop), layer_three(hop, scene)
        if came is None or dev is None or (came.version == 6 and not six):
            continue
        if _ends_at_routing(hop):
            yield hop, DevRef(hop.node, dev), came


def _either(scene: Scene, ref: DevRef, switch: str) -> bool:
    """Whether it is on for the device, or for all (IN_DEV_ORCONF)."""
    keys = (f"net.ipv4.conf.{scope}.{switch}" for scope in (ref.dev, "all"))
    return any(sysctl_int(scene.node(ref.node), key) for key in keys)


def _came(packet: Packet, hop: Hop) -> Ip | None:
    """Its header as it came into a hop from outside."""
    for sighting in packet.sightings:
        event, ip = sighting.event, sighting.headers.ip
        here = event.dev == DevRef(hop.node, hop.came_in) if hop.came_in else False
        if here and event.direction is Direction.RECEIVE:
            return ip
    return None


def _ends_at_routing(hop: Hop) -> bool:
    """Whether the IP hook before the route decision was the last that saw it."""
    steps = [step for step in hop.steps if isinstance(step, HookStep)]
    hooks = [step.hook for step in steps if step.family in (Family.IP, Family.IP6)]
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
    return ""


def untold(packet: Packet, first: Hop, scene: Scene) -> Reason | None:
    """A router may not cut it for the next link, and no message reached its sender."""
    ip = packet.headers.ip
    if ip is None or (ip.version == 4 and not ip.dont_fragment):
        return None
    for hop in leaves(first):
        limit = limit_of(packet, hop, scene)
        if hop.came_in is None or limit is None or not _ends_at_routing(hop):
            continue
        if ip.length <= limit.mtu:
            continue
        return Reason(
            code="too-big",
            sentence=f"{hop.node} cannot send it {limit.sentence}: it is {ip.length} bytes long "
            "and must not be fragmented",
            at=limit.at,
            basis=computed(f"routes and MTU of {hop.node} as read; nothing left it"),
            mend=f"send smaller packets, or {limit.mend}",
        )
    return None

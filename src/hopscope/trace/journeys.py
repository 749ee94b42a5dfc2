"""All journeys of one ping: which packets belong to it, what became of each, and why."""

from hopscope.model.flow import Headers
from hopscope.model.journey import Hop, Journey, Reason, RouteStep
from hopscope.model.lookup import next_hop, owner_of, route_to, sysctl_int
from hopscope.model.vocab import DevRef, Fate, Nanos, NodeName, computed, inferred, seen
from hopscope.trace.arrival import ECHO
from hopscope.trace.explain import all_hops, explain
from hopscope.trace.scene import Packet, Scene
from hopscope.trace.stitch import weave
from hopscope.wire.packet import title

__all__ = ["journeys", "unsent", "why_no_reply"]


def journeys(scene: Scene, *, ident: int) -> tuple[Journey, ...]:
    """The journeys of the probes numbered *ident*, and of the ARP and ND they needed."""
    found: list[Journey] = []
    for packet in scene.packets:
        if not _belongs(packet, scene, ident):
            continue
        first = weave(packet, scene)
        fate, reason = explain(packet, first, scene)
        notes = (
            [f"{scene.observation.lost} observations were lost meanwhile: there may be gaps"]
            if scene.observation.lost
            else []
        )
        found.append(
            Journey(
                title=title(packet.headers),
                headers=packet.headers,
                started=packet.started,
                first=first,
                fate=fate,
                reason=reason,
                lost=scene.observation.lost,
                notes=tuple(notes),
            )
        )
    return tuple(found)


def _belongs(packet: Packet, scene: Scene, ident: int) -> bool:
    headers = packet.headers
    if headers.arp is not None:
        return True
    if headers.icmp is not None and headers.icmp.target is not None and headers.ip is not None:
        unspecified = headers.ip.src == "::"  # duplicate address detection, not ours
        return not unspecified and owner_of(scene.before, headers.ip.src) is not None
    stamps = (headers.stamp, headers.inner.stamp if headers.inner else None)
    return any(stamp is not None and stamp >> 32 == ident for stamp in stamps)


def unsent(
    scene: Scene, node: NodeName, headers: Headers, error: str, *, at: Nanos
) -> Journey | None:
    """The journey of a request that its own kernel refused to send; None if it was seen."""
    ip = headers.ip
    if ip is None:
        return None
    state = scene.node(node)
    route = route_to(state, ip.dst)
    step = RouteStep(
        destination=ip.dst,
        route=None,
        dev=None,
        via=None,
        basis=seen(f"sendto() in {node}: {error}"),
    )
    first = Hop(node=node, came_in=None, came_from=None, steps=(step,))
    packet = Packet(key=("unsent",), headers=headers, sightings=(), traversals=())
    fate, reason = explain(packet, first, scene)
    if route is not None and route.type == "unicast":
        reason = Reason(
            code="refused",
            sentence=f"{node} refused to send it: {error}",
            at=None,
            basis=seen("sendto()"),
        )
        fate = Fate.DROPPED
    return Journey(
        title=title(headers), headers=headers, started=at, first=first, fate=fate, reason=reason
    )


def why_no_reply(scene: Scene, found: tuple[Journey, ...], source: NodeName) -> Reason | None:
    """Why a request got no reply: the furthest journey that failed tells."""
    echoes = [j for j in found if j.headers.icmp is not None and j.headers.stamp is not None]
    replies = [j for j in echoes if j.headers.icmp and j.headers.icmp.type in ECHO.values()]
    requests = [j for j in echoes if j.headers.icmp and j.headers.icmp.type in ECHO]
    for journey in (*replies, *requests):
        if journey.fate is not Fate.DELIVERED and journey.reason is not None:
            return journey.reason
    if requests and not replies:
        return _no_answer(scene, requests[-1])
    failed = next((j for j in found if j.reason is not None), None)
    if failed is not None and failed.reason is not None:
        return failed.reason
    return Reason(
        code="unseen",
        sentence=f"{source} sent no packet that an observer saw",
        at=None,
        basis=inferred("packet sockets and nf_tables trace"),
    )


def _no_answer(scene: Scene, request: Journey) -> Reason | None:
    """The request was delivered, and no reply was ever seen."""
    ip = request.headers.ip
    *_, last = all_hops(request.first)
    if ip is None:
        return None
    state = scene.node(last.node)
    source = ip.src
    ignoring = "net.ipv4.icmp_echo_ignore_all"
    if sysctl_int(state, ignoring):
        return Reason(
            code="echo-ignored",
            sentence=f"the request reached {last.node}, which does not answer because "
            f"{ignoring} = 1 there",
            at=None,
            basis=computed(f"sysctls of {last.node} as read"),
            mend=f"hopscope set LAB {last.node} {ignoring}=0",
        )
    if next_hop(state, source) is None:
        return Reason(
            code="no-route-back",
            sentence=f"the request reached {last.node}, which has no route back to {source}",
            at=None,
            basis=computed(f"routes of {last.node} as read"),
            mend=f"add a route to {source} in {last.node}",
        )
    where = DevRef(last.node, last.came_in) if last.came_in else None
    return Reason(
        code="no-answer",
        sentence=f"the request reached {last.node}, and no reply left it",
        at=where,
        basis=inferred("packet sockets and nf_tables trace"),
    )

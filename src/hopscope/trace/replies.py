"""Why a ping got no reply: its journeys tell, or what kept a delivered request unanswered."""

from collections.abc import Callable, Sequence
from ipaddress import ip_address

from hopscope.model.journey import DeliverStep, Hop, Journey, Reason
from hopscope.model.lookup import is_local, next_hop, route_to, sysctl_int
from hopscope.model.snapshot import NodeState
from hopscope.model.vocab import DevRef, Fate, NodeName, computed, inferred
from hopscope.trace.arrival import ECHO
from hopscope.trace.causes.evidence import all_hops, sysctl_command
from hopscope.trace.scene import Scene

__all__ = ["why_no_reply"]


def why_no_reply(scene: Scene, found: Sequence[Journey], source: NodeName) -> Reason | None:
    """Why a request got no reply: the furthest journey that failed tells."""
    echoes = [j for j in found if j.headers.icmp is not None and j.headers.stamp is not None]
    requests = [j for j in echoes if j.headers.icmp and j.headers.icmp.type in ECHO]
    replies = [j for j in echoes if j.headers.icmp and j.headers.icmp.type in ECHO.values()]
    for journey in (*replies, *requests):
        if journey.fate is not Fate.DELIVERED and journey.reason is not None:
            return journey.reason
    answered = {journey.headers.stamp for journey in replies}
    silent = next((j for j in requests if j.headers.stamp not in answered), None)
    if silent is not None:
        return _no_answer(scene, silent)
    if replies:
        return _too_late(replies[-1])
    failed = next((j for j in found if j.reason is not None), None)
    if failed is not None:
        return failed.reason
    return Reason(
        code="unseen",
        sentence=f"{source} sent no packet that an observer saw",
        at=None,
        basis=inferred("packet sockets and nf_tables trace"),
    )


def _too_late(reply: Journey) -> Reason:
    return Reason(
        code="too-late",
        sentence="the reply came back, but after the time that was waited for it",
        at=None,
        basis=inferred(f"the {reply.title} was delivered, and no reply counted in time"),
        mend="wait longer: timeout",
    )


def _no_answer(scene: Scene, request: Journey) -> Reason | None:
    """The request was delivered, and no reply was ever seen."""
    ip = request.headers.ip
    hop = next((h for h in all_hops(request.first) if _delivered(h)), None)
    if ip is None or hop is None:
        return None
    state = scene.node(hop.node)
    for cause in _KEEPS_SILENT:
        reason = cause(state, hop, ip.src, ip.dst)
        if reason is not None:
            return reason
    return Reason(
        code="no-answer",
        sentence=f"the request reached {hop.node}, and no reply left it",
        at=DevRef(hop.node, hop.came_in) if hop.came_in else None,
        basis=inferred("packet sockets and nf_tables trace"),
    )


def _delivered(hop: Hop) -> bool:
    return any(isinstance(step, DeliverStep) for step in hop.steps)


def _ignored(state: NodeState, hop: Hop, source: str, goal: str) -> Reason | None:
    del hop, source
    six = ":" in goal
    key = "net.ipv6.icmp.echo_ignore_all" if six else "net.ipv4.icmp_echo_ignore_all"
    if not sysctl_int(state, key):
        return None
    return _silent(state, key, 0)


def _ignored_broadcast(state: NodeState, hop: Hop, source: str, goal: str) -> Reason | None:
    del hop, source
    route = route_to(state, goal)
    to_all = (route is not None and route.type == "broadcast") or ip_address(goal).is_multicast
    key = "net.ipv4.icmp_echo_ignore_broadcasts"
    if ":" in goal or not to_all or sysctl_int(state, key) == 0:
        return None
    return _silent(state, key, 0)


def _silent(state: NodeState, key: str, value: int) -> Reason:
    return Reason(
        code="echo-ignored",
        sentence=f"the request reached {state.name}, which does not answer because {key} = 1 there",
        at=None,
        basis=computed(f"sysctls of {state.name} as read"),
        mend=sysctl_command(state.name, key, value),
    )


def _no_way_back(state: NodeState, hop: Hop, source: str, goal: str) -> Reason | None:
    del hop, goal
    if next_hop(state, source) is not None or is_local(state, source):
        return None
    route = route_to(state, source)
    has = f"has only the {route.type} route {route.destination}" if route else "has no route"
    return Reason(
        code="no-route-back",
        sentence=f"the request reached {state.name}, which {has} back to {source}",
        at=None,
        basis=computed(f"routes of {state.name} as read"),
        mend=f"add a route to {source} in {state.name}",
    )


_KEEPS_SILENT: tuple[Callable[[NodeState, Hop, str, str], Reason | None], ...] = (
    _ignored,
    _ignored_broadcast,
    _no_way_back,
)

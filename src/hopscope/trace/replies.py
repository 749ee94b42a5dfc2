"""Why a ping got no reply: its journeys tell, or what kept a delivered request unanswered."""

from collections.abc import Callable, Sequence
from ipaddress import ip_address

from msgspec.structs import replace

from hopscope.model.flow import Ip
from hopscope.model.journey import DeliverStep, Hop, Journey, Reason
from hopscope.model.lookup import is_local, leads_to, route_to, sysctl_int
from hopscope.model.policy import asks
from hopscope.model.snapshot import NodeState, PolicyRule, Route
from hopscope.model.vocab import DevRef, Fate, NodeName, computed, inferred
from hopscope.trace.arrival import ECHO
from hopscope.trace.astray import astray
from hopscope.trace.causes.evidence import all_hops, sysctl_command
from hopscope.trace.causes.lost import with_lost_route
from hopscope.trace.causes.tables import in_table, removal, rule_removal
from hopscope.trace.scene import Scene
from hopscope.trace.ways import LOOPBACK, Lookup

__all__ = ["no_way_back", "why_no_reply"]


def why_no_reply(scene: Scene, found: Sequence[Journey], source: NodeName) -> Reason | None:
    """Why a request got no reply: the furthest journey that failed tells."""
    echoes = [j for j in found if j.headers.icmp is not None and j.headers.stamp is not None]
    requests = [j for j in echoes if j.headers.icmp and j.headers.icmp.type in ECHO]
    replies = [j for j in echoes if j.headers.icmp and j.headers.icmp.type in ECHO.values()]
    for journey in (*replies, *requests):
        if journey.fate is not Fate.DELIVERED and journey.reason is not None:
            return journey.reason
    answered = {journey.headers.stamp for journey in replies}
    for journey in requests:
        if journey.headers.stamp not in answered and journey.headers.ip is not None:
            return _no_answer(scene, journey, journey.headers.ip)
    if replies:
        reply = replies[-1]
        asked = [one for one in requests if one.headers.stamp == reply.headers.stamp]
        return astray(scene, asked, reply, source) or _too_late(reply)
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


def _no_answer(scene: Scene, request: Journey, ip: Ip) -> Reason:
    """The request was delivered, and no reply was ever seen."""
    reached = [hop for hop in all_hops(request.first) if _delivered(hop)]
    states = tuple(scene.node(name) for name in dict.fromkeys(hop.node for hop in reached))
    for cause in _KEEPS_SILENT:
        reason = cause(scene, states, ip.src, ip.dst)
        if reason is not None:
            return reason
    node, came_in = reached[0].node, reached[0].came_in
    return Reason(
        code="no-answer",
        sentence=f"the request reached {node}, and no reply left it",
        at=DevRef(node, came_in) if came_in else None,
        basis=inferred("packet sockets and nf_tables trace"),
    )


def _delivered(hop: Hop) -> bool:
    return any(isinstance(step, DeliverStep) for step in hop.steps)


States = Sequence[NodeState]
"""Of the nodes that a request reached: of several, when it was for all."""


def _ignored(scene: Scene, states: States, source: str, goal: str) -> Reason | None:
    del scene, source
    key = "net.ipv6.icmp.echo_ignore_all" if ":" in goal else "net.ipv4.icmp_echo_ignore_all"
    return _silent(states, key) if sysctl_int(states[0], key) else None


def _ignored_broadcast(scene: Scene, states: States, source: str, goal: str) -> Reason | None:
    del scene, source
    route = route_to(states[0], goal)
    to_all = (route is not None and route.type == "broadcast") or ip_address(goal).is_multicast
    key = "net.ipv4.icmp_echo_ignore_broadcasts"
    asked = ":" not in goal and to_all and sysctl_int(states[0], key)
    return _silent(states, key) if asked else None


def _silent(states: States, key: str) -> Reason:
    ignoring = [state.name for state in states if sysctl_int(state, key)]
    names, do = " and ".join(ignoring), "does" if len(ignoring) == 1 else "do"
    return Reason(
        code="echo-ignored",
        sentence=f"the request reached {names}, which {do} not answer because {key} = 1 there",
        at=None,
        basis=computed(f"sysctls of {names} as read"),
        mend=sysctl_command(ignoring[0], key, 0),
    )


def no_way_back(scene: Scene, states: States, source: str, goal: str) -> Reason | None:
    """The first of these nodes, which the request reached, has no route to its source."""
    state = states[0]
    lookup = Lookup(state=state, destination=source, source=goal, came_in=LOOPBACK)
    route, rule = lookup.found()
    if leads_to(route, source) is not None or is_local(state, source):
        return None
    return with_lost_route(_back(state, source, goal, (route, rule)), scene, lookup)


def _back(
    state: NodeState, source: str, goal: str, found: tuple[Route | None, PolicyRule | None]
) -> Reason:
    """It has none, or one that forbids it."""
    route, rule = found
    if route is not None and rule is not None and route.table == 0:  # it stands for that rule
        return Reason(
            code="no-route-back",
            sentence=f"the request reached {state.name}, where the policy rule {rule.priority} "
            f"({asks(rule)}, {rule.action}) forbids the way back to {source}",
            at=None,
            basis=computed(f"policy rules of {state.name} as read"),
            mend=rule_removal(state.name, rule),
        )
    mend = f"add a route to {source} in {state.name}"
    has = "has no route"
    if route is not None:
        has = f"has only the {route.type} route {route.destination}{in_table(route)}"
        rest = replace(state, routes=tuple(one for one in state.routes if one != route))
        other = leads_to(route_to(rest, source, source=goal, came_in=LOOPBACK), source)
        mend = removal(state.name, route) + (f", and {mend}" if other is None else "")
    return Reason(
        code="no-route-back",
        sentence=f"the request reached {state.name}, which {has} back to {source}",
        at=None,
        basis=computed(f"routes of {state.name} as read"),
        mend=mend,
    )


_KEEPS_SILENT: tuple[Callable[[Scene, States, str, str], Reason | None], ...] = (
    _ignored,
    _ignored_broadcast,
    no_way_back,
)

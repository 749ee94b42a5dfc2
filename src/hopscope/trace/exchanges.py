"""Why a TCP connection or a UDP datagram got no answer: what became of it, and of the answer."""

from collections.abc import Iterator, Sequence
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from hopscope.model.flow import Headers, Ip, Ports
from hopscope.model.journey import (
    BridgeStep,
    DeliverStep,
    HookStep,
    Journey,
    Reason,
    Step,
    hops,
)
from hopscope.model.lookup import sysctl_int
from hopscope.model.vocab import DevName, Family, Hook, NodeName, inferred, seen
from hopscope.trace.astray import astray, rewritings
from hopscope.trace.causes.evidence import command, sysctl_command
from hopscope.trace.causes.firewall import deletion
from hopscope.trace.journeys import journey_of
from hopscope.trace.replies import no_way_back
from hopscope.trace.scene import Packet, Scene
from hopscope.trace.unheard import kept
from hopscope.wire.checksum import TCP, UDP
from hopscope.wire.packet import title

__all__ = ["Service", "answer_to", "arrivals", "asked_for", "why_unanswered"]

_BEGINNING: Final = ("SYN", "SYN,ECE,CWR", "")
"""The flags of a segment that begins a connection; a datagram has none."""
_BY_RULES: Final = ("rule-drop", "rule-reject", "policy-drop")
"""The codes of reasons that netfilter told itself."""
_NO_PORT: Final = {4: (3, 3), 6: (1, 4)}
"""The ICMP message that nobody listens there, by the version of IP."""
_NOBODY: Final = "nobody listens, and the kernel, which limits its ICMP messages, did not say so"
_FULL: Final = "the buffer of its listener is full"
_TOLD_BY: Final = {
    TCP: {"TcpExt.ListenOverflows": "the queue of its listener is full"},
    UDP: {
        "Udp.NoPorts": _NOBODY,
        "Udp6NoPorts": _NOBODY,
        "Udp.RcvbufErrors": _FULL,
        "Udp6RcvbufErrors": _FULL,
    },
}
"""Counters of a node that does not answer, and what they tell."""
_TRACED: Final = "packet sockets and nf_tables trace"


class Service(Struct, frozen=True, kw_only=True):
    """What was asked for: a port of an address, by the number of its protocol."""

    proto: int
    address: str
    port: int


class _Arrived(Struct, frozen=True, kw_only=True):
    """A packet with the addresses and ports that it had as a node's own stack took it."""

    packet: Packet
    told: Journey
    node: NodeName
    ip: Ip
    ports: Ports

    @property
    def where(self) -> str:
        return f"{title(Headers(ip=self.ip))} port {self.ports.dport} of {self.node}"


def why_unanswered(scene: Scene, source: NodeName, service: Service) -> Reason | None:
    """What kept the answer away; None when no packet for the service was seen to leave.

    Of several that were sent, the last one tells.
    """
    request = asked_for(scene, source, service)
    if request is None:
        return None
    told = journey_of(request, scene)
    if told.reason is not None:
        return told.reason
    return _unanswered(scene, source, service, arrivals(request, told)[0])


def asked_for(scene: Scene, source: NodeName, service: Service) -> Packet | None:
    """The last packet by which a node asked for it."""
    sent = [one for one in scene.packets if one.made_in == source and _asks(one, service)]
    return sent[-1] if sent else None


def answer_to(scene: Scene, request: _Arrived) -> Packet | None:
    """What the node that took it made in answer: a packet of the service, or an ICMP error."""
    made = [one for one in scene.packets if one.made_in == request.node]
    answer = next((one for one in made if _answers(one, request)), None)
    errors = scene.errors_about(request.packet)
    return answer or next((one for one in errors if one in made), None)


def _shown(*several: Headers) -> Iterator[tuple[Ip, Ports]]:
    for headers in several:
        if headers.ip is not None and headers.ports is not None:
            yield headers.ip, headers.ports


def _seen(packet: Packet) -> Iterator[tuple[Ip, Ports]]:
    """All addresses and ports that it was seen with."""
    yield from _shown(*(one.headers for one in packet.traversals))
    yield from _shown(*(one.headers for one in packet.sightings))


def _asks(packet: Packet, service: Service) -> bool:
    return any(
        (ip.proto, ip.dst, ports.dport) == (service.proto, service.address, service.port)
        and ports.flags in _BEGINNING
        for ip, ports in _seen(packet)
    )


def arrivals(packet: Packet, told: Journey) -> list[_Arrived]:
    """Where it was delivered, by the last hook there: it tells what rules had made of it."""
    took = [hop.node for hop in hops(told) if any(isinstance(s, DeliverStep) for s in hop.steps)]
    return [
        _Arrived(packet=packet, told=told, node=way.node, ip=ip, ports=ports)
        for way in packet.traversals
        if way.node in took and way.hook is Hook.INPUT and way.family in (Family.IP, Family.IP6)
        for ip, ports in _shown(way.headers)
    ]


def _unanswered(
    scene: Scene, source: NodeName, service: Service, request: _Arrived
) -> Reason | None:
    """It was delivered: the answer was lost, or there was none."""
    answer = answer_to(scene, request)
    if answer is not None and answer.headers.inner is not None:
        return _refused(scene, request, answer)
    if answer is not None:
        return _came_to_nothing(scene, source, service, request, answer)
    return (
        _refused_within(scene, request)
        or no_way_back(scene, (scene.node(request.node),), request.ip.src, request.ip.dst)
        or _silent(scene, request)
    )


def _silent(scene: Scene, request: _Arrived) -> Reason:
    tcp = request.ip.proto == TCP
    why, basis = "" if tcp else ": a listener there keeps silent", inferred(_TRACED)
    before, after = (one.node(request.node).counters for one in (scene.before, scene.after))
    for counter, means in _TOLD_BY[request.ip.proto].items():
        rose = after.get(counter, 0) - before.get(counter, 0)
        if rose > 0:
            why, basis = f": {means}", seen(f"{counter} rose by {rose} in {request.node}")
            break
    return Reason(
        code="no-answer",
        sentence=f"it came to {request.where}, and no answer left {request.node}{why}",
        at=None,
        basis=basis,
        mend="see who listens there: " + command(request.node, "ss -lntp" if tcp else "ss -lnup"),
    )


def _refused(scene: Scene, request: _Arrived, refusal: Packet) -> Reason:
    """The node said that nobody listens, and the message came to nothing."""
    told = journey_of(refusal, scene)
    why, mend = "", ""
    if told.reason is not None:
        why, mend = f", and the message was lost: {told.reason.sentence}", told.reason.mend
    elif around := _around(scene, request, told):
        why, mend = f", in its own name: {around[0]}", around[1]
    return Reason(
        code="no-answer",
        sentence=f"it came to {request.where}, which refused it ({title(refusal.headers)}){why}",
        at=None,
        basis=seen(_TRACED),
        mend=mend,
    )


def _refused_within(scene: Scene, request: _Arrived) -> Reason | None:
    """A rule dropped that message before any device was given it."""
    rule = kept(request.node, {request.ip.src}, scene, _NO_PORT[request.ip.version])
    if rule is None:
        return None
    visit, check = rule
    chain = f"{visit.family} {visit.table} {visit.chain}"
    return Reason(
        code="no-answer",
        sentence=f"it came to {request.where}, where nobody listens, and the rule `{check.text}` "
        f"of {chain} dropped the message that says so",
        at=None,
        basis=seen(_TRACED),
        mend=f"let that message out, or delete the rule: {command(request.node, deletion(*rule))}",
    )


def _answers(packet: Packet, request: _Arrived) -> bool:
    wanted = (request.ip.proto, request.ip.src, request.ports.dport, request.ports.sport)
    return packet is not request.packet and any(
        (ip.proto, ip.dst, ports.sport, ports.dport) == wanted for ip, ports in _seen(packet)
    )


def _came_to_nothing(
    scene: Scene, source: NodeName, service: Service, request: _Arrived, answer: Packet
) -> Reason | None:
    """What became of an answer that nobody heard."""
    told = journey_of(answer, scene)
    turned = _rewriters(request.told)
    ruled = told.reason is not None and told.reason.code in _BY_RULES
    if told.reason is None or ruled or _known_again(answer) or not turned:
        why = told.reason or astray(scene, [request.told], told, source)
        if why is not None:
            return replace(why, sentence=f"{request.node} {_did(answer)}, and {_lost(why)}")
    elif (behind := _turned_back(scene, service, request)) is not None:
        why = journey_of(behind, scene).reason  # None: it came, and too late
        did = f"{request.node} {_did(answer)}"
        return replace(why, sentence=f"{did}, and {_lost(why)}") if why is not None else None
    else:
        first = turned[0]
        return Reason(
            code="unseen",
            sentence=f"{request.node} answered, and the answer did not come back through "
            f"{first}, which had rewritten the request: it is not known again behind that",
            at=None,
            basis=inferred(_TRACED),
            mend=f"see what comes and goes there: {command(first, 'tcpdump -ni any udp')}",
        )
    back = next(one for one in arrivals(answer, told) if one.node == source)
    return _from_another(scene, service, request, back)


def _turned_back(scene: Scene, service: Service, request: _Arrived) -> Packet | None:
    """The answer behind the node that had rewritten the request: from whom was asked, to who asked.

    One without our stamp has nothing else in common with what it was before.
    """
    asked, sent = next(_shown(request.packet.headers))
    wanted = (service.proto, service.address, service.port, asked.src, sent.sport)
    return next(
        (
            one
            for one in scene.packets
            for ip, ports in _seen(one)
            if (ip.proto, ip.src, ports.sport, ip.dst, ports.dport) == wanted
        ),
        None,
    )


def _did(answer: Packet) -> str:
    ports = answer.headers.ports
    return "refused it" if ports is not None and "RST" in ports.flags else "answered"


def _lost(why: Reason) -> str:
    """Of an answer that ended, and of one that went to somebody else."""
    return why.sentence if why.code == "reply-astray" else f"the answer was lost: {why.sentence}"


def _rewriters(told: Journey) -> Sequence[NodeName]:
    """The nodes that changed an address of it."""
    both = (*rewritings(told, "destination"), *rewritings(told, "source"))
    return list(dict.fromkeys(node for node, _before, _after in both))


def _known_again(packet: Packet) -> bool:
    """Whether it can be followed through a translation of ports."""
    ports = packet.headers.ports
    return packet.headers.stamp is not None or (ports is not None and ports.seq is not None)


def _from_another(
    scene: Scene, service: Service, request: _Arrived, back: _Arrived
) -> Reason | None:
    """The answer came back from another address, or port, than was asked."""
    if (back.ip.src, back.ports.sport) == (service.address, service.port):
        return None
    around = _around(scene, request, back.told)
    if around is None:
        return None  # what was changed is changed back behind the hooks that saw it
    return Reason(
        code="no-answer",
        sentence=f"{request.node} {_did(back.packet)}, from {back.ip.src} port "
        f"{back.ports.sport}, and {back.node} had asked {service.address} port {service.port}: "
        f"{around[0]}",
        at=None,
        basis=seen(_TRACED),
        mend=around[1],
    )


def _around(scene: Scene, request: _Arrived, back: Journey) -> tuple[str, str] | None:
    """Which node rewrote the request's destination and did not see what came back; the mend."""
    bridges = dict(_bridged(scene, back))
    passed = {hop.node for hop in hops(back)} - bridges.keys()
    turned = [node for node, _before, _after in rewritings(request.told, "destination")]
    node = next((one for one in turned if one not in passed), None)
    if node is None:
        return None
    six = request.ip.version == 6
    tool = "ip6tables" if six else "iptables"
    what = f"{node}, which had rewritten the request's destination"
    if node in bridges:
        key = f"net.bridge.bridge-nf-call-{tool}"
        what = f"{what}, in its bridge {bridges[node]} alone, where no IP rule sees it"
        if sysctl_int(scene.node(node), key) == 0:
            return f"it passed {what}: {key} = 0", sysctl_command(node, key, 1)
    words = f"{tool} -t nat -A POSTROUTING -s {request.ip.src} -d {request.ip.dst} -j MASQUERADE"
    return (
        f"it passed {what}" if node in bridges else f"it did not pass {what}",
        f"let {node} rewrite its source, too, so that answers come back to it: "
        + command(node, words),
    )


def _bridged(scene: Scene, told: Journey) -> Iterator[tuple[NodeName, DevName]]:
    """The nodes that it passed in layer 2 alone, with the bridge: its IP hooks did not see it."""
    way = [hop for hop in hops(told) if scene.traced(hop.node)]
    heard = {hop.node for hop in way if any(map(_of_layer_three, hop.steps))}
    for hop in way:
        for step in hop.steps:
            if isinstance(step, BridgeStep) and hop.node not in heard:
                yield hop.node, step.bridge


def _of_layer_three(step: Step) -> bool:
    return isinstance(step, HookStep) and step.family in (Family.IP, Family.IP6)

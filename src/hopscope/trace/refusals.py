"""Who refused a TCP connection or a UDP datagram: nobody listens there, or a rule says so."""

from msgspec import Struct

from hopscope.model.flow import Headers
from hopscope.model.journey import HookStep, Journey, Reason, hops
from hopscope.model.vocab import NodeName, Verdict
from hopscope.trace.exchanges import Service, answer_to, arrivals, asked_for
from hopscope.trace.journeys import journey_of
from hopscope.trace.scene import Scene

__all__ = ["Refusal", "who_refused"]


class Refusal(Struct, frozen=True, kw_only=True):
    """The node that refused it; *sentence* says more, where it did otherwise than not to listen.

    *passed*: the nodes that the request came to.
    """

    node: NodeName
    passed: frozenset[NodeName]
    sentence: str | None = None
    mend: str = ""


def who_refused(scene: Scene, source: NodeName, service: Service) -> Refusal | None:
    """Who it was, as its packets show; None where they do not."""
    request = asked_for(scene, source, service)
    if request is None:
        return None
    told = journey_of(request, scene)
    passed = frozenset(hop.node for hop in hops(told))
    if told.reason is not None:
        return _by_a_rule(told, told.reason, passed)
    answered = (one for one in arrivals(request, told) if answer_to(scene, one) is not None)
    arrived = next(answered, None)
    if arrived is None:
        return None
    to = (arrived.ip.dst, arrived.ports.dport)
    sentence = None
    if to != (service.address, service.port):
        # of those who saw it as it arrived, the first on its way made it so
        saw = {way.node for way in request.traversals if to in _towards(way.headers)}
        by = next(hop.node for hop in hops(told) if hop.node in saw)
        sentence = f"nothing listens at {to[0]} port {to[1]} of {arrived.node}, where a rule of "
        sentence += f"{by} sent it"
    return Refusal(node=arrived.node, passed=passed, sentence=sentence)


def _towards(headers: Headers) -> list[tuple[str, int]]:
    ip, ports = headers.ip, headers.ports
    return [(ip.dst, ports.dport)] if ip is not None and ports is not None else []


def _by_a_rule(told: Journey, reason: Reason, passed: frozenset[NodeName]) -> Refusal | None:
    """A rule that rejected it, and answered in the target's name."""
    node = next(
        (
            hop.node
            for hop in hops(told)
            for step in hop.steps
            if isinstance(step, HookStep) and step.verdict is Verdict.DROP
        ),
        None,
    )
    if node is None or reason.code != "rule-reject":
        return None
    return Refusal(node=node, passed=passed, sentence=reason.sentence, mend=reason.mend)

"""Recorded pings of which something was not seen, or is not known: what is told then."""

from collections.abc import Callable, Iterator, Sequence

from msgspec.structs import replace

from hopscope.model.events import Event, FrameSeen, NeighbourChanged, RuleHit
from hopscope.model.journey import (
    BridgeStep,
    DeliverStep,
    HookStep,
    Hop,
    Journey,
    NatStep,
    NeighbourStep,
    PassUpStep,
    RouteStep,
    Step,
    hops,
)
from hopscope.model.snapshot import NodeState, Snapshot
from hopscope.model.vocab import Action, DevName, DevRef, Direction, Fate, NodeName, PktType
from hopscope.trace.journeys import journeys
from hopscope.wire.packet import decode, decode_parts, title
from journeycases import CASES, Case

NAMED = {case.name: case for case in CASES}
BRIDGE = NAMED["bridge-1"]

REQUEST, REPLY = "echo request", "echo reply"
QUESTION, ANSWER = "ARP request", "ARP reply"
Seen = Callable[[str, str], bool]
"""Whether an event is kept: of its packet, and where it was: "host/p1" or "host bridge/forward"."""


def of(event: FrameSeen | RuleHit) -> str:
    """What packet it tells of; of a trace that goes on, nothing."""
    if isinstance(event, FrameSeen):
        return title(decode(event.frame))
    if not event.network_header:
        return ""
    return title(decode_parts(event.link_header, event.network_header, event.transport_header))


def kept(case: Case, seen: Seen) -> Iterator[Event]:
    """The events but those of frames and hooks that were not seen; a trace goes as it began."""
    packets: dict[tuple[str, int, str], str] = {}
    for event in case.observation.events:
        if isinstance(event, FrameSeen):
            if seen(of(event), str(event.dev)):
                yield event
        elif isinstance(event, RuleHit):
            trace = (event.node, event.trace_id, event.table)
            packets[trace] = of(event) or packets.get(trace, "")
            if seen(packets[trace], f"{event.node} {event.family}/{event.chain}"):
                yield event
        else:
            yield event


def told(
    case: Case, seen: Seen, *, before: Snapshot | None = None, lost: int = 0
) -> Sequence[Journey]:
    """The journeys of what was kept."""
    scene = case.scene(list(kept(case, seen)), lost=lost)
    return journeys(replace(scene, before=before or case.before), ident=case.ident)


def the(found: Sequence[Journey], what: str) -> Journey:
    """The first of its kind."""
    return next(journey for journey in found if journey.title == what)


def all_steps(journey: Journey) -> list[Step]:
    return [step for hop in hops(journey) for step in hop.steps]


def way(journey: Journey) -> list[str]:
    return [hop.node for hop in hops(journey)]


def hop_in(journey: Journey, node: str) -> Hop:
    return next(hop for hop in hops(journey) if hop.node == node)


def with_node(snapshot: Snapshot, name: str, **changes: object) -> Snapshot:
    """The snapshot with some fields of a node changed."""
    nodes = (replace(one, **changes) if one.name == name else one for one in snapshot.nodes)
    return Snapshot(nodes=tuple(nodes))


def without_link(node: NodeState, name: str) -> Snapshot:
    """The bridge lab's tables, in which that device does not stand."""
    links = tuple(link for link in node.links if link.name != name)
    return with_node(BRIDGE.before, node.name, links=links)


def everything(_packet: str, _where: str) -> bool:
    return True


class TestWhatProvesADelivery:
    """An answer, or what the receiver learnt; without either, none is claimed."""

    def test_an_answer_that_taught_nobody(self) -> None:
        """An ARP reply and an advertisement reached who asked; no table is known to have them."""
        for name, what in (("bridge-1", ANSWER), ("six-1", "neighbour advertisement")):
            case = NAMED[name]
            quiet = [e for e in case.observation.events if not isinstance(e, NeighbourChanged)]
            reply = the(journeys(case.scene(quiet), ident=case.ident), what)
            assert way(reply)[-1] == case.source
            assert (reply.fate, reply.reason and reply.reason.code) == (Fate.UNSEEN, "unseen")

    def test_a_solicitation_that_was_not_answered(self) -> None:
        """It reached the node that has the address; nothing left it."""
        asked = "neighbour solicitation"
        found = told(NAMED["six-1"], lambda packet, _where: packet == asked)
        question = the(found, asked)
        assert way(question)[-1] == "bob"
        assert not any(isinstance(step, DeliverStep) for step in all_steps(question))
        assert (question.fate, question.reason and question.reason.code) == (Fate.UNSEEN, "silent")


class TestABeginningThatWasNotSeen:
    """A packet is told from where it was first seen."""

    def test_of_frames_and_hooks(self) -> None:
        """The first node is the next one, and a note says so."""
        found = told(BRIDGE, lambda packet, where: packet != REQUEST or not where.startswith("ns1"))
        request = the(found, REQUEST)
        assert way(request) == ["host", "ns2"]
        assert request.first.came_in == "veth1b"
        assert "where it began was not seen" in request.notes

    def test_of_what_came_in(self) -> None:
        """The port by which it left the bridge is the first to show it."""
        gone = ("ns1", "host/veth1b", "host/br0", "host bridge", "host inet")
        found = told(BRIDGE, lambda packet, where: packet != REQUEST or not where.startswith(gone))
        request = the(found, REQUEST)
        assert way(request) == ["host", "ns2"]
        assert request.first.came_in is None
        assert request.first.steps[-1].kind == "transmit"
        assert "where it began was not seen" in request.notes

    def test_of_all_but_a_hook(self) -> None:
        """No device shows it: the node of its first hook had it."""
        found = told(BRIDGE, lambda packet, where: packet != REQUEST or where == "ns2 inet/input")
        request = the(found, REQUEST)
        assert way(request) == ["ns2"]
        assert request.fate is Fate.UNSEEN


class TestPartsThatWereNotSeen:
    """The bridge lab's echo request, with less of the evidence."""

    def request(self, seen: Seen) -> Journey:
        """The request, of which only some is seen."""
        found = told(BRIDGE, lambda packet, where: packet != REQUEST or seen(packet, where))
        return the(found, REQUEST)

    def test_a_frame_that_no_step_explains_is_named(self) -> None:
        """Nothing of the bridge was seen: how it came to ns2 is not made up."""
        request = self.request(lambda _packet, where: not where.startswith("host"))
        assert way(request) == ["ns1"]
        assert "it was also seen on ns2/veth2a, which no step here explains" in request.notes

    def test_it_ends_at_the_last_hook(self) -> None:
        """It passed the bridge's hooks, and neither the port nor ns2 shows it."""
        gone = ("host/veth2b", "ns2")
        request = self.request(lambda _packet, where: not where.startswith(gone))
        assert request.fate is Fate.UNSEEN
        assert request.reason is not None
        assert "host at host/veth1b; the last hook that it passed there is" in (
            request.reason.sentence
        )

    def test_it_ends_before_the_first_hook(self) -> None:
        """The port shows it, and no hook of the bridge: no decision is told."""
        request = self.request(
            lambda _packet, where: where.startswith("ns1") or where == "host/veth1b"
        )
        assert [step.kind for step in hop_in(request, "host").steps] == ["receive"]
        assert request.fate is Fate.UNSEEN

    def test_it_ends_at_the_bridge(self) -> None:
        """The first hook passed it, and it left by no port, nor went up."""
        first = ("ns1", "host/veth1b", "host bridge/prerouting")
        request = self.request(lambda _packet, where: where.startswith(first))
        (decision,) = [step for step in all_steps(request) if isinstance(step, BridgeStep)]
        assert (decision.action, decision.out) == (Action.DROP, ())

    def test_the_copy_for_the_stack_may_be_lost(self) -> None:
        """The hook that it passed there is told all the same."""
        request = self.request(lambda _packet, where: where != "host/br0")
        assert request.fate is Fate.DELIVERED
        steps = hop_in(request, "host").steps
        assert not any(isinstance(step, PassUpStep) for step in steps)
        hooks = [f"{s.family}/{s.hook}" for s in steps if isinstance(s, HookStep)]
        assert hooks[-1] == "bridge/input"

    def test_a_question_that_ends_before_the_first_hook(self) -> None:
        """No chain of a device is there to be suspected; a way to its goal is."""
        place = ("ns1", "host/veth1b")
        found = told(BRIDGE, lambda packet, where: packet == QUESTION and where.startswith(place))
        question = the(found, QUESTION)
        assert (question.fate, question.reason is not None) != (Fate.DELIVERED, True)
        assert question.reason is not None
        assert question.reason.code == "unseen"
        assert "links and bridges lead there" in question.reason.sentence

    def test_what_is_lost_is_counted(self) -> None:
        """In each journey, since it may concern any."""
        for journey in told(BRIDGE, everything, lost=2):
            assert journey.lost == 2
            assert journey.notes[0] == "2 observations were lost meanwhile: there may be gaps"


class TestTablesThatDoNotFit:
    """What was seen is told, whatever the tables that were read before say."""

    def test_a_device_that_came_later(self) -> None:
        """It does not stand in the snapshot: where it leads is not known."""
        found = told(BRIDGE, everything, before=without_link(BRIDGE.before.node("ns1"), "veth1a"))
        request = the(found, REQUEST)
        assert way(request) == ["ns1"]
        assert any("it was also seen on host/veth1b" in note for note in request.notes)

    def test_a_route_that_went(self) -> None:
        """It met the last hook and no device: without a route, no next hop is waited for."""
        place = ("ns1 inet",)
        found = told(
            BRIDGE,
            lambda packet, where: packet == REQUEST and where.startswith(place),
            before=with_node(BRIDGE.before, "ns1", routes=()),
        )
        request = the(found, REQUEST)
        assert "postrouting" in [s.hook for s in all_steps(request) if isinstance(s, HookStep)]
        assert not any(isinstance(step, NeighbourStep) for step in all_steps(request))

    def test_a_chain_that_the_trace_does_not_show(self) -> None:
        """It is named as registered, and not as visited."""
        case = NAMED["nft-policy-1"]
        late = [
            event
            for event in case.observation.events
            if not (isinstance(event, RuleHit) and event.table == "g")
        ]
        request = the(journeys(case.scene(late), ident=case.ident), REQUEST)
        skipped = [
            text for s in all_steps(request) if isinstance(s, HookStep) for text in s.skipped
        ]
        assert skipped == [
            f"inferred: ip g {chain}: registered here, but the trace shows no visit"
            for chain in ("early", "late")
        ]


class TestRouters:
    """Packets that a node hands on."""

    def test_a_router_that_forwards_is_not_blamed(self) -> None:
        """It has a route and forwards; that nothing left it, has no known reason."""
        case = NAMED["masquerade-1"]
        place = ("ns1", "gw/left", "gw inet/prerouting")
        found = told(case, lambda packet, where: packet == REQUEST and where.startswith(place))
        request = the(found, REQUEST)
        routes = [s.route for s in hop_in(request, "gw").steps if isinstance(s, RouteStep)]
        assert routes == ["10.2.0.0/24 dev right"]
        assert (request.fate, request.reason and request.reason.code) == (Fate.UNSEEN, "unseen")

    def test_an_error_of_a_router_that_was_not_seen_with_it(self) -> None:
        """The router told the sender; the request's way there is not known."""
        case = NAMED["time-exceeded-1"]
        found = told(case, lambda packet, where: packet != REQUEST or where.startswith("ns1"))
        request = the(found, REQUEST)
        assert way(request) == ["ns1"]
        assert (request.fate, request.reason and request.reason.code) == (Fate.UNSEEN, "unseen")

    def test_a_copy_of_its_second_way_through_a_bridge(self) -> None:
        """The first copy was lost: the second, of another sender, is not taken for it."""
        case = NAMED["stick-1"]
        frames = [
            event
            for event in case.observation.events
            if isinstance(event, FrameSeen)
            and str(event.dev) == "host/br0"
            and of(event) == REQUEST
        ]
        first, second = frames
        events = [event for event in case.observation.events if event is not first]
        request = the(journeys(case.scene(events), ident=case.ident), REQUEST)
        ups = [
            (hop.came_in, any(isinstance(step, PassUpStep) for step in hop.steps))
            for hop in hops(request)
            if hop.node == "host"
        ]
        assert ups == [("veth1b", False), ("p3", True)]
        assert first.frame[6:12] != second.frame[6:12]

    def test_arp_that_a_program_hands_on(self) -> None:
        """As a bridge in user space does: no address is translated, no route asked."""
        case = NAMED["masquerade-1"]
        events = list(case.observation.events)
        came = next(
            event
            for event in events
            if isinstance(event, FrameSeen)
            and of(event) == QUESTION
            and str(event.dev) == "gw/left"
        )
        right = DevRef(NodeName("gw"), DevName("right"))
        handed = replace(came, dev=right, direction=Direction.TRANSMIT, pkttype=PktType.OUTGOING)
        events.insert(events.index(came) + 1, handed)
        question = the(journeys(case.scene(events), ident=case.ident), QUESTION)
        steps = hop_in(question, "gw").steps
        assert not any(isinstance(s, RouteStep | NatStep | NeighbourStep) for s in steps)
        assert [getattr(step, "dev", None) for step in steps if step.kind != "hook"] == [
            "left",
            "right",
        ]

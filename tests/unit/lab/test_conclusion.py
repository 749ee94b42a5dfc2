"""The conclusion says what was measured, and nothing that was not."""

import pytest
from msgspec.structs import replace

from hopscope.lab.conclusion import conclude, ip_hooks
from hopscope.model.reachability import Protocol
from hopscope.model.record import Check, PingResult, Record, Reply
from hopscope.model.vocab import Nanos, NodeName
from hopscope.trace.journeys import journeys
from hopscope.trace.replies import why_no_reply
from journeycases import CASES, Case
from matrices import LOST, reachability

NAMED = {case.name: case for case in CASES}
HOST = NodeName("host")


def ping(name: str, number: int = 1, **changes: object) -> PingResult:
    """A recorded ping as a result."""
    case: Case = NAMED[name]
    scene = case.scene()
    found = journeys(scene, ident=case.ident)
    answered = bool(case.stamps)
    request = next(journey for journey in found if journey.title == "echo request")
    assert request.headers.ip is not None
    result = PingResult(
        number=number,
        source=case.source,
        source_address=request.headers.ip.src,
        target=request.headers.ip.dst,
        address=request.headers.ip.dst,
        replies=(Reply(seq=1, rtt=1000 if answered else None),),
        journeys=found,
        before=case.before,
        after=case.after,
        deltas=(),
        log=(),
        checks=(),
        observation=case.observation,
        switches={"host/br0": "0"},
        reason=None if answered else why_no_reply(scene, found, case.source),
    )
    return replace(result, **changes)


def sentences(*pings: PingResult) -> list[str]:
    """What is concluded of a run with these pings."""
    return [finding.sentence for finding in concluded(*pings).conclusion]


def concluded(*pings: PingResult) -> Record:
    """A run with these pings, concluded."""
    record = Record(
        lab="lab",
        description="",
        mode="sandbox",
        kernel="6",
        hopscope="0",
        started=Nanos(1),
        finished=Nanos(2),
        initial=pings[0].before,
        steps=pings,
        conclusion=(),
    )
    return conclude(record)


def test_layer_2_sufficed() -> None:
    """The classic exercise: no address on the way, MACs learnt, no hook met, no stack entered."""
    said = " ".join(sentences(ping("bridge-1")))
    assert "layer-2 forwarding alone carried the packets" in said
    assert "(host/veth1b, host/br0, host/veth2b) has an address" in said
    assert "ns1 learnt 10.244.1.4 at" in said
    assert "at host/br0: 0, no bridged packet met an IP hook of host." in said
    assert "did not go up into the protocol stack of host" in said


def test_the_switch_is_said_once_for_pings_that_agree() -> None:
    """Two pings, one sentence, and both named as its evidence."""
    found = concluded(ping("bridge-1", 1), ping("bridge-1", 2)).conclusion
    told = [finding for finding in found if "bridge-nf-call" in finding.sentence]
    assert len(told) == 1
    assert told[0].evidence.startswith("pings 1, 2: ")


def test_what_the_switch_changed_is_counted() -> None:
    """Six IP hooks of two echo packets, three each, and no device more or less."""
    off = ping("bridge-1", 1)
    on = ping("fragments-1", 2, switches={"host/br0": "1"}, address=off.address)
    assert len(ip_hooks(on, nodes={HOST})) == 6
    evidence = [
        f.evidence for f in concluded(off, on).conclusion if "nothing but that" in f.sentence
    ]
    assert evidence == ["frames of pings 1 and 2; the difference is 6 netfilter steps"]


@pytest.mark.parametrize("wanted", [True, False])
def test_a_loss_is_no_failure_when_it_was_expected(*, wanted: bool) -> None:
    """The sentence is the same; only the mark is not."""
    check = Check(expected="no reply", seen="0 of 1 requests answered", held=True)
    lost = ping("drop-policy-1", checks=(check,) if wanted else ())
    finding = concluded(lost).conclusion[0]
    assert finding.sentence.startswith("Ping 1, ns1 to 10.244.1.4, got no reply: in host, no rule")
    assert finding.held is wanted


def test_a_lost_ping_proves_no_layer_2_path() -> None:
    """What was dropped did not get from port to port."""
    said = " ".join(sentences(ping("drop-policy-1")))
    assert "from port to port" not in said
    assert "layer-2 forwarding alone" not in said


def test_ipv6_has_a_switch_of_its_own() -> None:
    """Its name stands in the sentence."""
    said = " ".join(sentences(ping("six-1", switches={"the.host/lan": "1"})))
    assert "With bridge-nf-call-ip6tables at the.host/lan: 1, bridged packets met" in said


def test_what_was_probed_is_told() -> None:
    """Each time by itself, with how many pairs it reached."""
    lost = replace(reachability(3, {(0, 1): LOST}), protocol=Protocol.TCP, port=80)
    probed = replace(concluded(ping("bridge-1")), reachability=(reachability(2), lost))
    found = conclude(probed).conclusion[-2:]
    assert [(one.sentence, one.held) for one in found] == [
        ("2 of 2 pairs reached by icmp.", True),
        ("5 of 6 pairs reached by tcp port 80.", False),
    ]
    assert found[1].evidence == "reachability 2: every pair probed"

"""Why a TCP connection or a UDP datagram got no answer; recorded, and then altered."""

import pytest
from msgspec.structs import replace

from exchangecases import EXCHANGES, FOLDER, Exchange
from hopscope.model.events import Event, FrameSeen, RuleHit
from hopscope.model.journey import Reason
from hopscope.model.vocab import BasisKind
from hopscope.trace.exchanges import Service
from hopscope.wire.packet import decode, decode_parts


@pytest.mark.parametrize("name", EXCHANGES)
def test_what_kernels_did_is_told(name: str) -> None:
    assert EXCHANGES[name].told() == (FOLDER / f"{name}.txt").read_text()


def test_nothing_is_told_of_what_nobody_saw() -> None:
    given = EXCHANGES["tcp-around"]
    assert given.why(given.scene([])) is None


def test_an_answer_from_where_was_asked_is_no_mistake() -> None:
    """It came too late, or was not for whom asked; the packets do not show which."""
    asked = Service(proto=6, address="10.1.0.3", port=8080)
    assert replace(EXCHANGES["tcp-around"], service=asked).why() is None


def _mute(given: Exchange, **counters: int) -> Reason | None:
    """What is told if nothing left the pod, and its counters were such afterwards."""
    counted = {name.replace("_", "."): number for name, number in counters.items()}
    nodes = tuple(
        replace(node, counters={**node.counters, **counted}) if node.name == "pod" else node
        for node in given.after.nodes
    )
    kept = [event for event in given.observation.events if not _of_the_pod(event)]
    again = replace(given, after=replace(given.after, nodes=nodes))
    return again.why(again.scene(kept))


def _of_the_pod(event: Event) -> bool:
    if isinstance(event, FrameSeen):
        headers = decode(event.frame)
    elif isinstance(event, RuleHit):
        headers = decode_parts(event.link_header, event.network_header, event.transport_header)
    else:
        return False
    return headers.ip is not None and headers.ip.src in ("10.1.0.3", "10.2.0.2")


@pytest.mark.parametrize(
    ("name", "counter", "said"),
    [
        ("tcp-around", "Udp_NoPorts", "TCP port 8080 of pod, and no answer left pod"),
        ("tcp-around", "TcpExt_ListenOverflows", "left pod: the queue of its listener is full"),
        ("udp-silent", "TcpExt_ListenOverflows", "left pod: a listener there keeps silent"),
        ("udp-silent", "Udp_RcvbufErrors", "left pod: the buffer of its listener is full"),
        (
            "udp-silent",
            "Udp_NoPorts",
            "nobody listens, and the kernel, which limits its ICMP messages, did not say so",
        ),
    ],
)
def test_a_counter_tells_why_nothing_left(name: str, counter: str, said: str) -> None:
    why = _mute(EXCHANGES[name], **{counter: 1 << 40})
    assert why is not None
    assert why.sentence.endswith(said)
    known = counter.startswith("Tcp") == (name == "tcp-around")
    assert why.basis.kind is (BasisKind.SEEN if known else BasisKind.INFERRED)


def test_an_answer_that_no_rule_saw_although_they_are_asked_of_bridges() -> None:
    """As of one in a VLAN: the switch is on, and the way out is another."""
    given = EXCHANGES["tcp-around-bridged"]
    key = "net.bridge.bridge-nf-call-iptables"
    nodes = tuple(
        replace(node, sysctls={**node.sysctls, key: "1"}) if node.name == "gw" else node
        for node in given.before.nodes
    )
    why = replace(given, before=replace(given.before, nodes=nodes)).why()
    assert why is not None
    assert "it passed gw, which had rewritten the request's destination, in its bridge br0" in (
        why.sentence
    )
    assert why.sentence.endswith("where no IP rule sees it")
    assert why.mend.startswith("let gw rewrite its source, too")

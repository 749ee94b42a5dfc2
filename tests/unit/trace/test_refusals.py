"""Who refused a TCP connection or a UDP datagram; recorded."""

import pytest
from msgspec.structs import replace

from exchangecases import EXCHANGES
from hopscope.model.events import FrameSeen, RuleHit
from hopscope.trace.exchanges import Service
from hopscope.trace.refusals import who_refused
from hopscope.wire.packet import decode, decode_parts


@pytest.mark.parametrize(
    ("name", "node", "sentence", "passed"),
    [
        ("tcp-refused-at-once", "gw", None, {"c", "gw"}),
        (
            "tcp-refused",
            "pod",
            "nothing listens at 10.2.0.2 port 8080 of pod, where a rule of gw sent it",
            {"c", "gw", "pod"},
        ),
        (
            "tcp-refused-moved",
            "gw",
            "nothing listens at 10.1.0.1 port 9 of gw, where a rule of gw sent it",
            {"c", "gw"},
        ),
        (
            "udp-refused",
            "pod",
            "nothing listens at 10.2.0.2 port 8080 of pod, where a rule of gw sent it",
            {"c", "gw", "pod"},
        ),
    ],
)
def test_who_refused(name: str, node: str, sentence: str | None, passed: set[str]) -> None:
    """Itself, or where a rule sent it, at another port or node."""
    who = EXCHANGES[name].who()
    assert who is not None
    assert (who.node, who.sentence, who.mend, set(who.passed)) == (node, sentence, "", passed)


def test_a_rule_that_refuses() -> None:
    """In the name of the node; it is named, and what deletes it."""
    who = EXCHANGES["tcp-refused-by-rule"].who()
    assert who is not None
    assert (who.node, set(who.passed)) == ("gw", {"c", "gw"})
    assert "the rule `-A INPUT -p tcp -j REJECT --reject-with tcp-reset`" in (who.sentence or "")
    assert "-- iptables -t filter -D INPUT -p tcp -j REJECT" in who.mend


@pytest.mark.parametrize("name", ["tcp-nobody", "tcp-redirect", "udp-silent"])
def test_what_nobody_refused(name: str) -> None:
    """It did not arrive, or a rule dropped it, or its listener keeps silent."""
    assert EXCHANGES[name].who() is None


def test_what_was_not_seen() -> None:
    """Nothing of it, or nothing of the answer, or it was another service."""
    given = EXCHANGES["tcp-refused-at-once"]
    assert given.who(given.scene([])) is None
    kept = []
    for event in given.observation.events:
        if isinstance(event, FrameSeen):
            headers = decode(event.frame)
        elif isinstance(event, RuleHit):
            headers = decode_parts(event.link_header, event.network_header, event.transport_header)
        else:
            continue
        if headers.ports is None or "RST" not in headers.ports.flags:
            kept.append(event)
    assert given.who(given.scene(kept)) is None
    other = replace(given.service, port=81)
    assert isinstance(other, Service)
    assert who_refused(given.scene(), given.source, other) is None

"""LOG lines made from the trace: rules that log are known, and the packet they matched."""

import struct
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hopscope.model.events import Logged
from hopscope.model.vocab import DevName, Family, Nanos, NodeName
from hopscope.wire.netlink import Message, attr, nest, pack, text
from hopscope.wire.nft import LOG_TABLE
from hopscope.wire.nftlog import _PACKETS, LogRule, LogTrace, log_rule
from layouts import echo, ethernet, extension, icmp, icmpv6, ipv4, ipv6, udp
from recordings import RECORDINGS, Recording

NEW_RULE, TRACE = 10 << 8 | 6, 10 << 8 | 17
PROTOS = {Family.INET: 1, Family.IP: 2, Family.BRIDGE: 7, Family.IP6: 10}
DEVICES = {2: "br0", 4: "veth1b", 6: "veth2b", 9: "eth0"}

PACKET = ipv4(icmp(8, 0, echo(7, 1)), proto=1)
LINK = ethernet(b"", 0x0800)


def expression(name: str, data: bytes) -> bytes:
    """One element of NFTA_RULE_EXPRESSIONS."""
    return nest(1, text(1, name) + nest(2, data))


def target(prefix: bytes, *, level: int = 4, flags: int = 0) -> bytes:
    """The LOG target as iptables-nft writes it: struct xt_log_info."""
    info = struct.pack("BB30s", level, flags, prefix)
    return expression("target", text(1, "LOG") + attr(2, struct.pack(">I", 0)) + attr(3, info))


def statement(prefix: str, *more: bytes) -> bytes:
    """The log statement of nft."""
    return expression("log", text(2, prefix) + b"".join(more))


class Node:
    """A node's reports, made by hand: rules first, then packets at hooks."""

    def __init__(self) -> None:
        self.trace = LogTrace(NodeName("host"), lambda index: DevName(DEVICES[index]))

    def rule(self, family: Family, chain: str, handle: int, expressions: bytes) -> None:
        """A new rule in table filter."""
        body = text(1, "filter") + text(2, chain) + attr(3, struct.pack(">Q", handle))
        self.feed(NEW_RULE, family, body + nest(4, expressions))

    def passes(
        self, family: Family, hook: str, *, iif: int = 0, oif: int = 0, ident: int = 1
    ) -> None:
        """Our own chain reports the packet at a hook."""
        assert self.hit(family, LOG_TABLE, hook, 0, iif=iif, oif=oif, ident=ident) == []

    def hit(
        self,
        family: Family,
        table: str,
        chain: str,
        handle: int,
        *,
        iif: int = 0,
        oif: int = 0,
        ident: int = 1,
        packet: bytes = PACKET,
        kind: int = 3,
        mark: int = 0,
    ) -> list[Logged]:
        """A rule matched; *iif* and *oif* of 0 with no packet: the packet was shown before."""
        start = (packet[0] & 0xF) * 4 if packet and packet[0] >> 4 == 4 else 40
        body = text(1, table) + text(2, chain) + attr(4, struct.pack(">I", kind))
        body += attr(6, struct.pack(">I", ident))
        body += attr(3, struct.pack(">Q", handle)) if handle else b""
        body += attr(10, struct.pack(">I", iif)) if iif else b""
        body += attr(12, struct.pack(">I", oif)) if oif else b""
        body += attr(14, struct.pack(">I", mark)) if mark else b""
        if packet:
            body += attr(7, LINK) + attr(8, packet[: min(start, 40)])
            body += attr(9, packet[start : start + 20])
        return self.feed(TRACE, family, body)

    def feed(self, kind: int, family: Family, body: bytes) -> list[Logged]:
        """One message in a datagram of its own."""
        datagram = pack(Message(kind, 0, struct.pack(">BBH", PROTOS[family], 0, 0) + body))
        return list(self.trace.feed(datagram, at=Nanos(5)))


@pytest.fixture
def node() -> Node:
    """With LOG rules in IPv4's FORWARD and POSTROUTING and in the bridge's FORWARD."""
    made = Node()
    made.rule(Family.IP, "FORWARD", 3, target(b"fwd "))
    made.rule(Family.IP, "OUTPUT", 4, target(b"out "))
    made.rule(Family.IP, "POSTROUTING", 5, target(b"post "))
    made.rule(Family.BRIDGE, "FORWARD", 6, statement("bridge "))
    return made


@pytest.mark.parametrize("recording", RECORDINGS, ids=str)
def test_a_recorded_ping(recording: Recording) -> None:
    """Rules of nft and iptables, over both versions of IP and on the bridge itself."""
    trace = LogTrace(NodeName("host"), recording.dev_name)

    def said() -> Iterator[tuple[str, Family, str | None, str | None, str | None, str | None]]:
        for datagram in recording.datagrams:
            for one in trace.feed(datagram, at=Nanos(5)):
                yield one.prefix, one.family, one.iif, one.oif, one.physin, one.physout

    assert list(said()) == [
        ("bridge ", Family.BRIDGE, "veth1b", "veth2b", None, None),
        ("Filter-FORWARD-1-", Family.IP, "br0", "br0", "veth1b", "veth2b"),
        ("Mangle-POSTROUTING-1-", Family.IP, None, "br0", "veth1b", "veth2b"),
        ("Mangle-POSTROUTING-1-", Family.IP, None, "br0", "veth2b", "veth1b"),
        ("six ", Family.IP6, "br0", "br0", "veth1b", "veth2b"),
    ]


@pytest.mark.parametrize("recording", RECORDINGS, ids=str)
def test_recorded_levels_flags_and_marks(recording: Recording) -> None:
    """What a rule asks for is read from the rule, what the packet carries from the trace."""
    trace = LogTrace(NodeName("host"), recording.dev_name)
    found = {one.prefix: one for raw in recording.datagrams for one in trace.feed(raw, at=Nanos(5))}
    assert found["six "].level == 6
    assert found["Mangle-POSTROUTING-1-"].flags == 1  # --log-tcp-sequence
    assert found["Filter-FORWARD-1-"].mark == 7


def test_a_bridged_packet_names_its_ports(node: Node) -> None:
    """The IP hooks see only the bridge; the ports are those of the bridge hooks around them."""
    node.passes(Family.BRIDGE, "prerouting", iif=4)
    node.passes(Family.INET, "prerouting", iif=2)
    node.passes(Family.BRIDGE, "forward", iif=4, oif=6)
    (on_bridge,) = node.hit(Family.BRIDGE, "filter", "FORWARD", 6, iif=4, oif=6)
    (forwarded,) = node.hit(Family.IP, "filter", "FORWARD", 3, iif=2, oif=2, mark=9)
    (leaving,) = node.hit(Family.IP, "filter", "POSTROUTING", 5, oif=2)
    assert (on_bridge.iif, on_bridge.oif) == ("veth1b", "veth2b")
    assert (on_bridge.physin, on_bridge.physout) == (None, None)
    assert (forwarded.iif, forwarded.physin, forwarded.physout) == ("br0", "veth1b", "veth2b")
    assert (leaving.iif, leaving.physin, leaving.physout) == (None, "veth1b", "veth2b")
    assert (forwarded.mark, forwarded.packet, forwarded.link_header) == (9, PACKET, LINK)


def test_a_routed_packet_has_no_ports(node: Node) -> None:
    """Although another packet of the same trace id was bridged before."""
    node.passes(Family.BRIDGE, "prerouting", iif=4)
    node.passes(Family.INET, "prerouting", iif=2)
    node.passes(Family.BRIDGE, "forward", iif=4, oif=6)
    node.passes(Family.INET, "prerouting", iif=9)
    (forwarded,) = node.hit(Family.IP, "filter", "FORWARD", 3, iif=9, oif=9)
    assert (forwarded.physin, forwarded.physout) == (None, None)


def test_a_packet_taken_up_by_the_bridge_loses_its_port(node: Node) -> None:
    """Without br_netfilter the stack's own hooks come after the bridge's input."""
    node.passes(Family.BRIDGE, "prerouting", iif=4)
    node.passes(Family.BRIDGE, "input", iif=4)
    node.passes(Family.INET, "prerouting", iif=2)
    (forwarded,) = node.hit(Family.IP, "filter", "FORWARD", 3, iif=2, oif=9)
    assert forwarded.physin is None


def test_with_br_netfilter_it_keeps_its_port(node: Node) -> None:
    """The IP hooks were passed before the bridge's input, which knows the port."""
    node.passes(Family.BRIDGE, "prerouting", iif=4)
    node.passes(Family.INET, "prerouting", iif=2)
    node.passes(Family.BRIDGE, "input", iif=4)
    (forwarded,) = node.hit(Family.IP, "filter", "FORWARD", 3, iif=2, oif=9)
    assert forwarded.physin == "veth1b"


def test_a_packet_born_here_has_no_ports(node: Node) -> None:
    """Also when the bridge's output hook follows."""
    node.passes(Family.BRIDGE, "prerouting", iif=4)
    node.passes(Family.INET, "output", oif=2)
    (sent,) = node.hit(Family.IP, "filter", "OUTPUT", 4, oif=2)
    assert (sent.physin, sent.physout) == (None, None)
    node.passes(Family.BRIDGE, "forward", iif=4, oif=6)
    node.passes(Family.BRIDGE, "output", oif=6)
    (leaving,) = node.hit(Family.IP, "filter", "POSTROUTING", 5, oif=2)
    assert (leaving.physin, leaving.physout) == (None, None)


def test_packets_on_their_way_at_once_are_kept_apart(node: Node) -> None:
    """By their trace ids."""
    node.passes(Family.BRIDGE, "prerouting", iif=4, ident=1)
    node.passes(Family.BRIDGE, "prerouting", iif=6, ident=2)
    (one,) = node.hit(Family.IP, "filter", "FORWARD", 3, iif=2, oif=2, ident=1)
    (two,) = node.hit(Family.IP, "filter", "FORWARD", 3, iif=2, oif=2, ident=2)
    assert (one.physin, two.physin) == ("veth1b", "veth2b")


def test_the_packet_is_the_one_shown_last(node: Node) -> None:
    """The kernel shows a packet once per chain; later messages refer to it."""
    node.passes(Family.INET, "prerouting", iif=9)
    node.hit(Family.IP, "filter", "FORWARD", 2, iif=9, oif=9)
    (logged,) = node.hit(Family.IP, "filter", "FORWARD", 3, packet=b"", mark=5)
    assert (logged.packet, logged.iif, logged.oif, logged.mark) == (PACKET, "eth0", "eth0", 5)


def test_no_line_without_a_match_a_rule_or_a_packet(node: Node) -> None:
    """A policy of the same number, another rule, and a packet that was never shown."""
    assert node.hit(Family.IP, "filter", "FORWARD", 3, packet=b"", ident=8) == []
    assert node.hit(Family.IP, "filter", "FORWARD", 2, iif=2) == []
    assert node.hit(Family.IP, "filter", "FORWARD", 3, iif=2, kind=1) == []
    assert node.hit(Family.IP, "other", "FORWARD", 3, iif=2) == []


def test_a_rule_made_anew_logs_no_more(node: Node) -> None:
    """A table that is deleted and made again counts its handles from the start."""
    node.rule(Family.IP, "FORWARD", 3, expression("counter", b""))
    assert node.hit(Family.IP, "filter", "FORWARD", 3, iif=2) == []


def test_packets_long_gone_are_forgotten(node: Node) -> None:
    """But not one that is heard of again and again, however many pass meanwhile."""
    node.passes(Family.BRIDGE, "prerouting", iif=4, ident=1)
    for ident in range(2, _PACKETS + 2):
        node.passes(Family.BRIDGE, "prerouting", iif=6, ident=ident)
        if ident % 100 == 0:
            node.hit(Family.IP, "filter", "FORWARD", 2, packet=b"", ident=1)
    assert len(node.trace._ways) == _PACKETS
    (logged,) = node.hit(Family.IP, "filter", "FORWARD", 3, packet=b"", ident=1)
    assert logged.physin == "veth1b"
    assert node.hit(Family.IP, "filter", "FORWARD", 3, packet=b"", ident=2) == []


def test_rules_of_inet_log_in_the_family_of_the_packet() -> None:
    """The kernel's text is of IPv4 or IPv6."""
    node = Node()
    node.rule(Family.INET, "FORWARD", 3, statement("both "))
    six = ipv6(icmpv6(128, 0, echo(1, 1)), following=58)
    (four_line,) = node.hit(Family.INET, "filter", "FORWARD", 3, iif=2)
    (six_line,) = node.hit(Family.INET, "filter", "FORWARD", 3, iif=2, packet=six)
    assert (four_line.family, six_line.family) == (Family.IP, Family.IP6)
    assert six_line.packet == six


@pytest.mark.parametrize(
    ("packet", "shown"),
    [
        pytest.param(ipv4(udp(1, 2), proto=17, options=bytes(20)), 48, id="IPv4 options fit"),
        pytest.param(ipv4(udp(1, 2), proto=17, options=bytes(24)), 40, id="too long to fit"),
        pytest.param(ipv6(udp(1, 2), following=17), 48, id="IPv6"),
        pytest.param(ipv6(extension(17) + udp(1, 2), following=0), 40, id="an extension header"),
    ],
)
def test_a_gap_in_the_trace_is_no_packet(node: Node, packet: bytes, shown: int) -> None:
    """A trace shows 40 bytes of the network header; what follows a gap is not put behind it."""
    (logged,) = node.hit(Family.IP, "filter", "FORWARD", 3, iif=2, packet=packet)
    assert logged.packet == packet[:shown]


@pytest.mark.parametrize(
    ("expressions", "rule"),
    [
        (target(b"Nat-PREROUTING-1-"), LogRule(prefix="Nat-PREROUTING-1-")),
        (target(b"x" * 29, level=7, flags=6), LogRule(prefix="x" * 29, level=7, flags=6)),
        (statement("short "), LogRule(prefix="short ")),
        (
            statement("all ", attr(5, struct.pack(">I", 6)), attr(6, struct.pack(">I", 3))),
            LogRule(prefix="all ", level=6, flags=3),
        ),
        (expression("counter", b"") + target(b"late "), LogRule(prefix="late ")),
        (expression("log", b""), LogRule(prefix="")),
        (statement("to a program", attr(1, struct.pack(">H", 5))), None),
        (expression("target", text(1, "MARK") + attr(3, bytes(40))), None),
        (expression("target", text(1, "LOG") + attr(3, bytes(31))), None),
        (expression("counter", b""), None),
        (b"", None),
    ],
)
def test_rules_that_log(expressions: bytes, rule: LogRule | None) -> None:
    """The LOG target and the log statement; a statement with a group is not for the log."""
    assert log_rule(expressions) == rule


@given(st.lists(st.tuples(st.sampled_from((NEW_RULE, TRACE)), st.binary(max_size=60))))
def test_any_report_ends(messages: list[tuple[int, bytes]]) -> None:
    """No report of the kernel raises, cut or strange."""
    trace = LogTrace(NodeName("host"), lambda index: DevName(str(index)))
    for kind, junk in messages:
        assert list(trace.feed(pack(Message(kind, 0, junk)), at=Nanos(1))) == []


@given(st.binary(max_size=24))
def test_any_rule_ends(junk: bytes) -> None:
    """A rule whose attributes are missing is passed over."""
    node = Node()
    node.feed(NEW_RULE, Family.IP, attr(3, bytes(8)) + nest(4, target(b"x")) + junk)

"""Whole LOG lines: devices, bridge ports and link header before the packet's own text."""

from datetime import UTC

import pytest
from hypothesis import given
from msgspec.structs import replace

from hopscope.model.events import Logged
from hopscope.model.vocab import DevName, Family, Nanos, NodeName
from hopscope.render.logline import line, syslog_line
from hopscope.render.logpacket import LogOptions, arp_text, ipv4_text, ipv6_text
from layouts import arp, echo, ethernet, icmp, icmpv6, ipv4, ipv6, tcp
from strategies import logged

PING = ipv4(icmp(8, 0, echo(7, 1)), proto=1)
PING6 = ipv6(icmpv6(128, 0, echo(7, 1)), following=58)
ASKING = arp(1, ("02:00:00:00:00:01", "10.0.0.1"), ("00:00:00:00:00:00", "10.0.0.2"))
LINK, LINK6, LINK_ARP = (ethernet(b"", kind) for kind in (0x0800, 0x86DD, 0x0806))
MAC = "MAC=02:00:00:00:00:02:02:00:00:00:00:01"

BRIDGED = Logged(
    at=Nanos(0),
    node=NodeName("host"),
    family=Family.IP,
    prefix="Filter-FORWARD-1-",
    iif=DevName("br0"),
    oif=DevName("br0"),
    physin=DevName("veth1b"),
    physout=DevName("veth2b"),
    link_header=LINK,
    packet=PING,
)
ON_BRIDGE = replace(
    BRIDGED, family=Family.BRIDGE, iif=DevName("veth1b"), oif=DevName("veth2b"), physin=None
)


def test_a_bridged_packet() -> None:
    """The line of the textbook's exercise: the stack sees the bridge, its ports beside it."""
    assert line(BRIDGED) == (
        "Filter-FORWARD-1-IN=br0 OUT=br0 PHYSIN=veth1b PHYSOUT=veth2b "
        f"{MAC}:08:00 SRC=10.0.0.1 DST=10.0.0.2 LEN=28 TOS=0x00 PREC=0x00 TTL=64 ID=0 "
        "PROTO=ICMP TYPE=8 CODE=0 ID=7 SEQ=1 "
    )


def test_without_an_incoming_device_there_is_no_mac() -> None:
    """At POSTROUTING and OUTPUT the kernel leaves it out."""
    leaving = replace(BRIDGED, iif=None)
    assert line(leaving) == (
        f"Filter-FORWARD-1-IN= OUT=br0 PHYSIN=veth1b PHYSOUT=veth2b {ipv4_text(PING)}"
    )


@pytest.mark.parametrize(
    ("event", "start"),
    [
        (replace(BRIDGED, physin=None, physout=None, oif=None), "IN=br0 OUT= MAC="),
        (replace(BRIDGED, physin=BRIDGED.iif, physout=BRIDGED.oif), "IN=br0 OUT=br0 MAC="),
        (replace(BRIDGED, iif=None, oif=None, physin=None, physout=None), "IN= OUT= SRC="),
    ],
)
def test_devices(event: Logged, start: str) -> None:
    """An absent one is empty, a port that is the device itself is not repeated."""
    assert line(replace(event, prefix="")).startswith(start)


def test_ipv6() -> None:
    """The same frame around another text."""
    six = replace(BRIDGED, family=Family.IP6, packet=PING6, link_header=LINK6, mark=9)
    assert line(six).endswith(f"{MAC}:86:dd {ipv6_text(PING6, mark=9)}")
    assert line(six).endswith("MARK=0x9 ")


@pytest.mark.parametrize(
    ("link", "packet", "text"),
    [
        (LINK, PING, f"{MAC}:08:00 {ipv4_text(PING)}"),
        (LINK6, PING6, f"{MAC}:86:dd {ipv6_text(PING6)}"),
        (LINK_ARP, ASKING, arp_text(ASKING)),
        (ethernet(b"", 0x8035), ASKING, arp_text(ASKING)),  # RARP
        (ethernet(b"", 0x88CC), b"", f"{MAC}:88:cc "),
        (b"", PING, f"MAC= {ipv4_text(PING)}"),
        (b"", PING6, f"MAC= {ipv6_text(PING6)}"),
        (b"", b"", "MAC= "),
    ],
)
def test_the_bridge_family_goes_by_the_frame(link: bytes, packet: bytes, text: str) -> None:
    """Its EtherType, or without a link header the packet itself; others have only a MAC."""
    told = line(replace(ON_BRIDGE, link_header=link, packet=packet))
    assert told == f"Filter-FORWARD-1-IN=veth1b OUT=veth2b {text}"


def test_the_bridge_family_names_its_ports_as_devices() -> None:
    """Its hooks are given the ports, so there is no PHYSIN."""
    told = line(replace(ON_BRIDGE, iif=DevName("br0"), physin=DevName("veth1b")))
    assert told.startswith("Filter-FORWARD-1-IN=veth1b OUT=veth2b MAC=")


def test_the_arp_family() -> None:
    """No MAC: the text itself tells them."""
    asked = replace(BRIDGED, family=Family.ARP, packet=ASKING, oif=None, physin=None, physout=None)
    assert line(asked) == f"Filter-FORWARD-1-IN=br0 OUT= {arp_text(ASKING)}"


@pytest.mark.parametrize(
    ("flags", "asked"),
    [
        (0x01, LogOptions(tcp_sequence=True)),
        (0x02, LogOptions(tcp_options=True)),
        (0x04, LogOptions(ip_options=True)),
        (0x08, LogOptions()),
    ],
)
def test_what_the_rule_asks_for(flags: int, asked: LogOptions) -> None:
    """XT_LOG_TCPSEQ, XT_LOG_TCPOPT and XT_LOG_IPOPT of linux/netfilter/xt_LOG.h."""
    packet = ipv4(tcp(1, 2, bits=2, options=bytes(4)), proto=6, options=bytes(4))
    told = line(replace(BRIDGED, packet=packet, flags=flags))
    assert told.endswith(f":08:00 {ipv4_text(packet, options=asked)}")
    assert (told == line(replace(BRIDGED, packet=packet))) == (asked == LogOptions())


@given(logged)
def test_any_report_has_a_line(event: Logged) -> None:
    """With its prefix and both devices, whatever the packet."""
    told = line(event)
    assert told.startswith(f"{event.prefix}IN=")
    assert " OUT=" in told


NOON = Nanos(1_700_000_000_123_456_789)


def test_as_a_syslog_file_shows_it() -> None:
    """Time and host, and the seconds since the start as printk counts them."""
    start = Nanos(NOON - 12_345_678_999)
    said = syslog_line("text", at=NOON, host="node1", boot=start, zone=UTC)
    assert said == "Nov 14 22:13:20 node1 kernel: [   12.345678] text"
    later = syslog_line("text", at=NOON, host="node1", boot=Nanos(0), zone=UTC)
    assert later == "Nov 14 22:13:20 node1 kernel: [1700000000.123456] text"
    plain = syslog_line("text", at=NOON, host="node1", zone=UTC)
    assert plain == "Nov 14 22:13:20 node1 kernel: text"

"""Headers in words: what a person reads, in the manner of tcpdump."""

import pytest
from hypothesis import given

from hopscope.model.flow import Headers
from hopscope.wire.packet import decode, decode_packet
from hopscope.wire.words import describe, title
from layouts import arp, echo, ethernet, fragment_header, icmp, icmpv6, ipv4, ipv6, tcp, udp
from strategies import headers

A, B, NONE = "02:00:00:00:00:01", "02:00:00:00:00:02", "00:00:00:00:00:00"
ENDS = ("10.0.0.1", "10.0.0.2")


def over4(message: bytes) -> Headers:
    """ICMP from 10.0.0.1 to 10.0.0.2."""
    return decode_packet(ipv4(message, proto=1))


def over6(message: bytes) -> Headers:
    """ICMPv6 from fd00::1 to fd00::2."""
    return decode_packet(ipv6(message, following=58))


def quoting4(kind: int, code: int, cause: bytes) -> Headers:
    """An ICMP error that quotes *cause*."""
    return over4(icmp(kind, code, bytes(4) + cause))


def quoting6(kind: int, code: int, cause: bytes) -> Headers:
    """An ICMPv6 error that quotes *cause*."""
    return over6(icmpv6(kind, code, bytes(4) + cause))


DATAGRAM = ipv4(udp(1000, 53), proto=17, src="10.0.0.2", dst="10.9.9.9")
PING = ipv4(icmp(8, 0, echo(7, 1)), proto=1, src="10.0.0.2", dst="10.9.9.9")
DATAGRAM6 = ipv6(udp(1000, 53), following=17, src="fd00::2", dst="fd00::9")
PING6 = ipv6(icmpv6(128, 0, echo(7, 1)), following=58, src="fd00::2", dst="fd00::9")
TARGET = bytes(4) + bytes.fromhex("fd" + "00" * 14 + "07")
FOUR = "10.0.0.1 > 10.0.0.2: ICMP"
SIX = "fd00::1 > fd00::2: ICMP6,"
GRATUITOUS = arp(1, (A, ENDS[0]), (B, ENDS[1]))

CASES = [
    (
        decode(ethernet(arp(1, (A, ENDS[0]), (NONE, ENDS[1])), 0x0806)),
        "ARP request",
        "ARP, Request who-has 10.0.0.2 tell 10.0.0.1",
    ),
    (
        decode(ethernet(GRATUITOUS, 0x0806)),
        "ARP request",
        f"ARP, Request who-has 10.0.0.2 ({B}) tell 10.0.0.1",
    ),
    (
        decode_packet(arp(2, (B, ENDS[1]), (A, ENDS[0]))),
        "ARP reply",
        f"ARP, Reply 10.0.0.2 is-at {B}",
    ),
    (
        decode_packet(arp(9, (B, ENDS[1]), (A, ENDS[0]))),
        "ARP operation 9",
        "ARP, operation 9 from 10.0.0.2 to 10.0.0.1",
    ),
    (
        over4(icmp(8, 0, echo(7, 1))),
        "echo request",
        f"{FOUR} echo request, id 7, seq 1",
    ),
    (over4(icmp(0, 0, echo(7, 1))), "echo reply", f"{FOUR} echo reply, id 7, seq 1"),
    (over4(icmp(9, 0)), "router advertisement", f"{FOUR} router advertisement"),
    (over4(icmp(99, 0)), "ICMP type 99", f"{FOUR} ICMP type 99"),
    (over4(icmp(13, 7)), "timestamp request (code 7)", f"{FOUR} timestamp request (code 7)"),
    (
        quoting4(3, 0, PING),
        "destination unreachable (network)",
        f"{FOUR} net 10.9.9.9 unreachable",
    ),
    (
        quoting4(3, 1, PING),
        "destination unreachable (host)",
        f"{FOUR} host 10.9.9.9 unreachable",
    ),
    (
        quoting4(3, 2, PING),
        "destination unreachable (protocol)",
        f"{FOUR} 10.9.9.9 protocol 1 unreachable",
    ),
    (
        quoting4(3, 3, DATAGRAM),
        "destination unreachable (port)",
        f"{FOUR} 10.9.9.9 udp port 53 unreachable",
    ),
    (
        quoting4(3, 3, PING),
        "destination unreachable (port)",
        f"{FOUR} destination unreachable (port) for 10.9.9.9",
    ),
    (
        quoting4(3, 10, PING),
        "destination unreachable (host prohibited)",
        f"{FOUR} host 10.9.9.9 unreachable - admin prohibited",
    ),
    (
        quoting4(3, 13, PING),
        "destination unreachable (administratively prohibited)",
        f"{FOUR} host 10.9.9.9 unreachable - admin prohibited filter",
    ),
    (quoting4(11, 0, PING), "time exceeded (in transit)", f"{FOUR} time exceeded in-transit"),
    (
        quoting4(5, 1, PING),
        "redirect (code 1)",
        f"{FOUR} redirect (code 1) for 10.9.9.9",
    ),
    (
        over6(icmpv6(128, 0, echo(7, 1))),
        "echo request",
        f"{SIX} echo request, id 7, seq 1",
    ),
    (
        over6(icmpv6(135, 0, TARGET)),
        "neighbour solicitation",
        f"{SIX} neighbor solicitation, who has fd00::7",
    ),
    (
        over6(icmpv6(136, 0, TARGET)),
        "neighbour advertisement",
        f"{SIX} neighbor advertisement, tgt is fd00::7",
    ),
    (over6(icmpv6(137, 0, TARGET)), "redirect", f"{SIX} redirect"),
    (over6(icmpv6(200, 0)), "ICMPv6 type 200", f"{SIX} ICMPv6 type 200"),
    (
        quoting6(1, 0, PING6),
        "destination unreachable (no route)",
        f"{SIX} destination unreachable, unreachable route fd00::9",
    ),
    (
        quoting6(1, 1, PING6),
        "destination unreachable (administratively prohibited)",
        f"{SIX} destination unreachable, unreachable prohibited fd00::9",
    ),
    (
        quoting6(1, 3, PING6),
        "destination unreachable (host)",
        f"{SIX} destination unreachable, unreachable address fd00::9",
    ),
    (
        quoting6(1, 4, DATAGRAM6),
        "destination unreachable (port)",
        f"{SIX} destination unreachable, unreachable port, fd00::9 udp port 53",
    ),
    (
        quoting6(1, 4, PING6),
        "destination unreachable (port)",
        f"{SIX} destination unreachable (port) for fd00::9",
    ),
    (
        quoting6(3, 0, PING6),
        "time exceeded (in transit)",
        f"{SIX} time exceeded in-transit for fd00::9",
    ),
    (
        decode_packet(ipv4(tcp(40000, 80, bits=0x002), proto=6)),
        "TCP SYN",
        "10.0.0.1.40000 > 10.0.0.2.80: Flags [S]",
    ),
    (
        decode_packet(ipv4(tcp(80, 40000, bits=0x1D9), proto=6)),
        "TCP FIN,PSH,ACK,ECE,CWR,AE",
        "10.0.0.1.80 > 10.0.0.2.40000: Flags [FP.EWe]",
    ),
    (
        decode_packet(ipv4(udp(53, 1000), proto=17)),
        "UDP",
        "10.0.0.1.53 > 10.0.0.2.1000: UDP",
    ),
    (decode_packet(ipv4(b"", proto=47)), "GRE", "10.0.0.1 > 10.0.0.2: GRE"),
    (
        decode_packet(ipv4(b"", proto=200)),
        "IP protocol 200",
        "10.0.0.1 > 10.0.0.2: IP protocol 200",
    ),
    (
        decode_packet(ipv4(b"more", proto=1, fragment=5)),
        "IPv4 fragment",
        "10.0.0.1 > 10.0.0.2: IPv4 fragment",
    ),
    (
        decode_packet(ipv6(fragment_header(58, offset=8, more=False) + b"more", following=44)),
        "IPv6 fragment",
        "fd00::1 > fd00::2: IPv6 fragment",
    ),
    (decode(ethernet(b"", 0x88CC)), "frame of type 0x88cc", f"{A} > {B}: frame of type 0x88cc"),
    (decode(ethernet(b"\x42\x42\x03", 3)), "LLC frame", f"{A} > {B}: LLC frame"),
    (decode(ethernet(b"", 0x0800)), "IPv4 packet", f"{A} > {B}: IPv4 packet"),
    (decode(b""), "frame", "frame"),
]


@pytest.mark.parametrize(("found", "short", "long"), CASES, ids=[case[2] for case in CASES])
def test_words(found: Headers, short: str, long: str) -> None:
    """A title for a heading, and a line for an account."""
    assert title(found) == short
    assert describe(found) == long


@given(headers)
def test_any_headers_have_words(found: Headers) -> None:
    """One line each, never empty."""
    for words in (title(found), describe(found)):
        assert words
        assert "\n" not in words

"""Headers in words: what a person reads."""

import pytest
from hypothesis import given

from hopscope.model.flow import Headers
from hopscope.wire.packet import decode, decode_packet
from hopscope.wire.words import title
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
GRATUITOUS = arp(1, (A, ENDS[0]), (B, ENDS[1]))

CASES = [
    (decode(ethernet(arp(1, (A, ENDS[0]), (NONE, ENDS[1])), 0x0806)), "ARP request"),
    (decode(ethernet(GRATUITOUS, 0x0806)), "ARP request"),
    (decode_packet(arp(2, (B, ENDS[1]), (A, ENDS[0]))), "ARP reply"),
    (decode_packet(arp(9, (B, ENDS[1]), (A, ENDS[0]))), "ARP operation 9"),
    (over4(icmp(8, 0, echo(7, 1))), "echo request"),
    (over4(icmp(0, 0, echo(7, 1))), "echo reply"),
    (over4(icmp(9, 0)), "router advertisement"),
    (over4(icmp(99, 0)), "ICMP type 99"),
    (over4(icmp(13, 7)), "timestamp request (code 7)"),
    (quoting4(3, 0, PING), "destination unreachable (network)"),
    (quoting4(3, 1, PING), "destination unreachable (host)"),
    (quoting4(3, 2, PING), "destination unreachable (protocol)"),
    (quoting4(3, 3, DATAGRAM), "destination unreachable (port)"),
    (quoting4(3, 3, PING), "destination unreachable (port)"),
    (quoting4(3, 10, PING), "destination unreachable (host prohibited)"),
    (quoting4(3, 13, PING), "destination unreachable (administratively prohibited)"),
    (quoting4(11, 0, PING), "time exceeded (in transit)"),
    (quoting4(5, 1, PING), "redirect (code 1)"),
    (over6(icmpv6(128, 0, echo(7, 1))), "echo request"),
    (over6(icmpv6(135, 0, TARGET)), "neighbour solicitation"),
    (over6(icmpv6(136, 0, TARGET)), "neighbour advertisement"),
    (over6(icmpv6(137, 0, TARGET)), "redirect"),
    (over6(icmpv6(200, 0)), "ICMPv6 type 200"),
    (quoting6(1, 0, PING6), "destination unreachable (no route)"),
    (quoting6(1, 1, PING6), "destination unreachable (administratively prohibited)"),
    (quoting6(1, 3, PING6), "destination unreachable (host)"),
    (quoting6(1, 4, DATAGRAM6), "destination unreachable (port)"),
    (quoting6(1, 4, PING6), "destination unreachable (port)"),
    (quoting6(3, 0, PING6), "time exceeded (in transit)"),
    (decode_packet(ipv4(tcp(40000, 80, bits=0x002), proto=6)), "TCP SYN"),
    (decode_packet(ipv4(tcp(80, 40000, bits=0x1D9), proto=6)), "TCP FIN,PSH,ACK,ECE,CWR,AE"),
    (decode_packet(ipv4(udp(53, 1000), proto=17)), "UDP"),
    (decode_packet(ipv4(b"", proto=47)), "GRE"),
    (decode_packet(ipv4(b"", proto=200)), "IP protocol 200"),
    (decode_packet(ipv4(b"more", proto=1, fragment=5)), "IPv4 fragment"),
    (
        decode_packet(ipv6(fragment_header(58, offset=8, more=False) + b"more", following=44)),
        "IPv6 fragment",
    ),
    (decode(ethernet(b"", 0x88CC)), "frame of type 0x88cc"),
    (decode(ethernet(b"\x42\x42\x03", 3)), "LLC frame"),
    (decode(ethernet(b"", 0x0800)), "IPv4 packet"),
    (decode(b""), "frame"),
]


@pytest.mark.parametrize(("found", "short"), CASES)
def test_words(found: Headers, short: str) -> None:
    """A title for a heading."""
    assert title(found) == short


@given(headers)
def test_any_headers_have_words(found: Headers) -> None:
    """One line, never empty."""
    assert title(found)
    assert "\n" not in title(found)

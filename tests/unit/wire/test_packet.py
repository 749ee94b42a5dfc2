"""Frames laid out by hand from the RFCs, decoded; any bytes at all, survived."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from hopscope.model.flow import Arp, Headers, Icmp, Ip, Ports
from hopscope.model.vocab import Mac
from hopscope.wire.packet import (
    ARP_TYPE,
    IPV4_TYPE,
    IPV6_TYPE,
    decode,
    decode_packet,
    decode_parts,
    echo_request,
    stamped,
)
from layouts import (
    arp,
    echo,
    ethernet,
    extension,
    fragment_header,
    icmp,
    icmpv6,
    ipv4,
    ipv6,
    tcp,
    udp,
)
from strategies import addresses4, addresses6, u8, u16

A, B = Mac("02:00:00:00:00:01"), Mac("02:00:00:00:00:02")
LINK = Headers(src_mac=A, dst_mac=B)
SYN, ACK, PSH = 0x002, 0x010, 0x008
VLAN, QINQ = struct.pack(">HH", 0x8100, 5), struct.pack(">HH", 0x88A8, 7)


def four(payload: bytes, proto: int, **fields: object) -> Ip:
    """The header that layouts.ipv4 gives a payload."""
    made = {"src": "10.0.0.1", "dst": "10.0.0.2", "ttl": 64, "length": 20 + len(payload)} | fields
    return Ip(version=4, proto=proto, **made)  # type: ignore[arg-type] # by name


def six(payload: bytes, proto: int, **fields: object) -> Ip:
    """The header that layouts.ipv6 gives a payload."""
    made = {"src": "fd00::1", "dst": "fd00::2", "ttl": 64, "length": 40 + len(payload)} | fields
    return Ip(version=6, proto=proto, **made)  # type: ignore[arg-type] # by name


def test_arp() -> None:
    """Every field of a request."""
    packet = arp(1, (A, "10.0.0.1"), ("00:00:00:00:00:00", "10.0.0.2"))
    said = Arp(
        op=1,
        sender_mac=A,
        sender_ip="10.0.0.1",
        target_mac=Mac("00:00:00:00:00:00"),
        target_ip="10.0.0.2",
    )
    frame = ethernet(packet, ARP_TYPE, dst="ff:ff:ff:ff:ff:ff")
    whole = Headers(src_mac=A, dst_mac=Mac("ff:ff:ff:ff:ff:ff"), ethertype=ARP_TYPE, arp=said)
    assert decode(frame) == whole
    assert decode_packet(packet) == Headers(ethertype=ARP_TYPE, arp=said)


@pytest.mark.parametrize(
    "packet",
    [arp(1, (A, "10.0.0.1"), (B, "10.0.0.2"))[:27], struct.pack(">HHBBH", 6, 0x0800, 6, 4, 1)],
)
def test_arp_that_is_cut_or_of_another_link(packet: bytes) -> None:
    """It is still an ARP frame, of which no more is known."""
    assert decode(ethernet(packet, ARP_TYPE)) == replace(LINK, ethertype=ARP_TYPE)


@given(addresses4, addresses4, u8, u8, u16)
def test_ipv4_fields(src: str, dst: str, ttl: int, tos: int, ident: int) -> None:
    """Whatever they hold."""
    packet = ipv4(b"", proto=99, src=src, dst=dst, ttl=ttl, tos=tos, ident=ident, fragment=0x4000)
    said = four(b"", 99, src=src, dst=dst, ttl=ttl, tos=tos, id=ident, dont_fragment=True)
    assert decode_packet(packet) == Headers(ethertype=IPV4_TYPE, ip=said)


@given(addresses6, addresses6, u8, u8, st.integers(0, 0xFFFFF))
def test_ipv6_fields(src: str, dst: str, hops: int, traffic_class: int, flow: int) -> None:
    """Whatever they hold."""
    packet = ipv6(
        b"", following=99, src=src, dst=dst, hops=hops, traffic_class=traffic_class, flow=flow
    )
    said = six(b"", 99, src=src, dst=dst, ttl=hops, tos=traffic_class, flow_label=flow)
    assert decode_packet(packet) == Headers(ethertype=IPV6_TYPE, ip=said)


@pytest.mark.parametrize("tags", [b"", VLAN, QINQ + VLAN])
def test_vlan_tags_are_passed_over(tags: bytes) -> None:
    """The type is that of what they carry."""
    segment = udp(53, 1024)
    found = decode(ethernet(ipv4(segment, proto=17), IPV4_TYPE, tags=tags))
    ports = Ports(sport=53, dport=1024)
    assert found == replace(LINK, ethertype=IPV4_TYPE, ip=four(segment, 17), ports=ports)


@pytest.mark.parametrize(
    ("bits", "flags"),
    [
        (SYN, "SYN"),
        (SYN | ACK, "SYN,ACK"),
        (PSH | ACK, "PSH,ACK"),
        (0, ""),
        (0x1C1, "FIN,ECE,CWR,AE"),
    ],
)
def test_tcp_flags(bits: int, flags: str) -> None:
    """By their names."""
    segment = tcp(40000, 80, bits=bits)
    found = decode_packet(ipv4(segment, proto=6))
    assert found.ports == Ports(sport=40000, dport=80, flags=flags, seq=1000)


def test_tcp_cut_before_its_flags() -> None:
    """The ports are known, the flags are not."""
    segment = tcp(40000, 80, bits=SYN)[:12]
    ports = Ports(sport=40000, dport=80)
    assert decode_packet(ipv4(segment, proto=6)).ports == replace(ports, seq=1000)
    assert decode_packet(ipv4(segment[:7], proto=6)).ports == ports
    assert decode_packet(ipv4(segment[:3], proto=6)).ports is None


def test_a_datagram_of_ours_is_known_by_its_stamp() -> None:
    """A trace shows just that much of it."""
    segment = udp(53, 1024) + stamped(7)
    assert decode_packet(ipv4(segment, proto=17)).stamp == 7
    assert decode_parts(b"", ipv4(segment, proto=17)[:20], segment[:20]).stamp == 7
    assert decode_packet(ipv4(segment[:-1], proto=17)).stamp is None
    assert decode_packet(ipv4(segment, proto=132)).stamp is None


@given(u16, u16, st.integers(0, (1 << 64) - 1))
def test_our_echo_request(ident: int, seq: int, stamp: int) -> None:
    """Decoding undoes building: identifier, number and stamp come back, over both versions."""
    probe = {"ident": ident, "seq": seq, "stamp": stamp, "size": 56}
    over4 = ipv4(echo_request("10.0.0.1", "10.0.0.2", **probe), proto=1)
    over6 = ipv6(echo_request("fd00::1", "fd00::2", **probe), following=58)
    for packet, ethertype, kind in ((over4, IPV4_TYPE, 8), (over6, IPV6_TYPE, 128)):
        frame = ethernet(packet, ethertype)
        found = decode(frame)
        assert found.icmp == Icmp(type=kind, code=0, ident=ident, seq=seq)
        assert found.stamp == stamp


@pytest.mark.parametrize(
    ("kind", "code"),
    [(3, 1), (4, 0), (5, 0), (11, 0), (12, 0)],
)
def test_an_icmp_error_quotes_its_packet(kind: int, code: int) -> None:
    """Down to the ports of the packet that caused it, and no deeper."""
    cause = udp(1000, 53)
    found = decode_packet(ipv4(icmp(kind, code, bytes(4) + ipv4(cause, proto=17)), proto=1))
    assert found.icmp == Icmp(type=kind, code=code)
    ports = Ports(sport=1000, dport=53)
    assert found.inner == Headers(ethertype=IPV4_TYPE, ip=four(cause, 17), ports=ports)
    nested = ipv4(icmp(3, 1, bytes(4) + ipv4(cause, proto=17)), proto=1)
    inner = decode_packet(ipv4(icmp(kind, code, bytes(4) + nested), proto=1)).inner
    assert inner is not None
    assert inner.icmp == Icmp(type=3, code=1)
    assert inner.inner is None


def test_an_icmpv6_error_quotes_its_packet() -> None:
    """As over IPv4."""
    cause = ipv6(udp(1000, 53), following=17)
    found = decode_packet(ipv6(icmpv6(1, 4, bytes(4) + cause), following=58))
    assert found.inner is not None
    assert found.inner.ports == Ports(sport=1000, dport=53)


def test_what_was_too_big_is_told_with_the_mtu() -> None:
    """Unless it is cut off."""
    message = icmp(3, 4, bytes.fromhex("00000258"))
    six = icmpv6(2, 0, bytes.fromhex("00000514"))
    too_big = Icmp(type=3, code=4, mtu=600)
    assert decode_packet(ipv4(message, proto=1)).icmp == too_big
    assert decode_packet(ipv6(six, following=58)).icmp == Icmp(type=2, code=0, mtu=1300)
    assert decode_packet(ipv4(message[:7], proto=1)).icmp == replace(too_big, mtu=None)


@pytest.mark.parametrize("quoted", [b"", bytes(20), b"\x45" + bytes(10)])
def test_a_quote_that_makes_no_sense_is_none(quoted: bytes) -> None:
    """Cut, or no IP at all."""
    found = decode_packet(ipv4(icmp(3, 1, bytes(4) + quoted), proto=1))
    assert found.icmp == Icmp(type=3, code=1)
    assert found.inner is None


@pytest.mark.parametrize("kind", [135, 136, 137])
def test_neighbour_discovery_names_its_target(kind: int) -> None:
    """Unless it is cut off."""
    message = icmpv6(kind, 0, bytes(4) + bytes.fromhex("fd" + "00" * 14 + "07"))
    icmp_part = decode_packet(ipv6(message, following=58)).icmp
    assert icmp_part == Icmp(type=kind, code=0, target="fd00::7")
    cut = decode_packet(ipv6(message[:23], following=58)).icmp
    assert cut == Icmp(type=kind, code=0)


@pytest.mark.parametrize("message", [icmp(8, 0)[:3], b""])
def test_icmp_cut_before_its_code(message: bytes) -> None:
    """Nothing is said of it."""
    found = decode_packet(ipv4(message, proto=1))
    assert found == Headers(ethertype=IPV4_TYPE, ip=four(message, 1))


def test_an_echo_without_its_number() -> None:
    """Type and code are known."""
    assert decode_packet(ipv4(icmp(8, 0)[:7], proto=1)).icmp == Icmp(type=8, code=0)


def test_icmp_of_the_other_version_is_no_icmp() -> None:
    """Protocol 58 in IPv4 is not ICMPv6, nor 1 in IPv6 ICMP."""
    assert decode_packet(ipv4(icmpv6(128, 0), proto=58)).icmp is None
    assert decode_packet(ipv6(icmp(8, 0), following=1)).icmp is None


@pytest.mark.parametrize(
    ("extensions", "first"),
    [
        (extension(17), 0),
        (extension(17, units=2), 60),
        (extension(43) + extension(17), 0),
        (fragment_header(17, offset=0, more=True), 44),
        (struct.pack(">BBHII", 17, 1, 0, 1, 1), 51),
    ],
)
def test_extension_headers_are_passed_over(extensions: bytes, first: int) -> None:
    """Options of two lengths, two in a row, a first fragment, and AH with its own unit."""
    segment = udp(5, 6)
    found = decode_packet(ipv6(extensions + segment, following=first))
    assert found.ip == six(extensions + segment, 17)
    assert found.ports == Ports(sport=5, dport=6)


def test_later_fragments_have_no_transport_header() -> None:
    """Their first bytes are data, which must not be taken for ports."""
    over4 = ipv4(udp(5, 6), proto=17, fragment=0x2000 | 3)
    assert decode_packet(over4).ip == four(udp(5, 6), 17, fragment_offset=24)
    assert decode_packet(over4).ports is None
    body = fragment_header(17, offset=24, more=False) + udp(5, 6)
    over6 = decode_packet(ipv6(body, following=44))
    assert over6.ip == six(body, 17, fragment_offset=24)
    assert over6.ports is None


def test_padding_is_not_payload() -> None:
    """Ethernet pads short frames; the packet's own length counts."""
    packet = ipv4(icmp(8, 0, echo(1, 2)), proto=1)
    assert decode_packet(packet + bytes(18)) == decode_packet(packet)


def test_a_segment_to_be_cut_later_says_length_0() -> None:
    """So the kernel marks what exceeds 64 KiB; all of it is payload."""
    assert decode_packet(ipv4(udp(5, 6), proto=17, length=0)).ports == Ports(sport=5, dport=6)
    assert decode_packet(ipv6(udp(5, 6), following=17, length=0)).ports == Ports(sport=5, dport=6)


def test_parts_of_a_trace() -> None:
    """The link header may be absent; the transport header stands apart."""
    segment = tcp(40000, 80, bits=SYN)
    whole = ethernet(ipv4(segment, proto=6), IPV4_TYPE)
    link, network, transport = whole[:14], whole[14:34], whole[34:]
    assert decode_parts(link, network, transport) == decode(whole)
    without = decode_parts(b"", network, transport)
    assert (without.src_mac, without.ports) == (None, decode(whole).ports)
    assert decode_parts(b"", b"", b"") == Headers()


@pytest.mark.parametrize(
    "packet", [b"", b"\x45" * 19, b"\x44" + bytes(40), b"\x60" * 39, b"\x15" * 60]
)
def test_what_is_no_packet(packet: bytes) -> None:
    """Cut before its header ends, a header too short to be one, no version at all."""
    assert decode_packet(packet).ip is None


def test_other_frames() -> None:
    """Of another type only the type is known; without one, nothing."""
    assert decode(ethernet(b"x", 0x88CC)) == replace(LINK, ethertype=0x88CC)
    assert decode(ethernet(b"", IPV4_TYPE)[:13]) == Headers()
    assert decode(ethernet(b"", 0x88CC, tags=VLAN)[:16]) == Headers()


frames = st.binary(max_size=120) | st.builds(
    lambda head, version, rest: ethernet(bytes([version]) + rest, head),
    st.sampled_from((IPV4_TYPE, IPV6_TYPE, ARP_TYPE)),
    st.sampled_from((0x45, 0x46, 0x4F, 0x60, 0x00)),
    st.binary(max_size=100),
)


@given(frames)
def test_any_frame_decodes(frame: bytes) -> None:
    """Nothing raises, and what is said of a cut frame was in it."""
    decode(frame)
    decode_packet(frame)
    decode_parts(frame[:14], frame[14:54], frame[54:74])

"""The same frames, decoded here and by tshark: two readers of one RFC must agree."""

from dataclasses import dataclass
from pathlib import Path

import pytest

from hopscope.model.flow import Headers
from hopscope.model.vocab import Nanos
from hopscope.render.pcapng import Interface, Packet, pcapng
from hopscope.wire.packet import decode, echo_request
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
from tshark import TSHARK, fields

A, B = "02:00:00:00:00:01", "02:00:00:00:00:02"
IP, ARP, IP6 = 0x0800, 0x0806, 0x86DD
ENDS6 = ("fd00::1", "fd00::2")

FRAMES = {
    "arp request": ethernet(arp(1, (A, "10.0.0.1"), ("00:00:00:00:00:00", "10.0.0.2")), ARP),
    "arp reply": ethernet(arp(2, (B, "10.0.0.2"), (A, "10.0.0.1")), ARP),
    "our probe": ethernet(
        ipv4(echo_request("10.0.0.1", "10.0.0.2", ident=7, seq=3, stamp=42, size=56), proto=1), IP
    ),
    "our probe over IPv6": ethernet(
        ipv6(echo_request(*ENDS6, ident=7, seq=3, stamp=42, size=57), following=58), IP6
    ),
    "echo reply": ethernet(ipv4(icmp(0, 0, echo(9, 1, b"x" * 32)), proto=1, ttl=63), IP),
    "host unreachable": ethernet(
        ipv4(icmp(3, 1, bytes(4) + ipv4(icmp(8, 0, echo(5, 6)), proto=1)), proto=1, tos=0xC0), IP
    ),
    "tcp syn": ethernet(
        ipv4(tcp(40000, 80, bits=0x002, options=b"\2\4\5\xb4"), proto=6, fragment=0x4000), IP
    ),
    "tcp reset over ipv6": ethernet(
        ipv6(tcp(80, 40000, bits=0x014, ends=ENDS6), following=6, flow=0x12345), IP6
    ),
    "udp": ethernet(ipv4(udp(4000, 5000, b"hello"), proto=17, ident=77), IP),
    "udp with ip options": ethernet(ipv4(udp(4000, 5000), proto=17, options=b"\1" * 8), IP),
    "udp behind extensions": ethernet(
        ipv6(extension(60) + extension(17, units=1) + udp(4000, 5000, ends=ENDS6), following=0), IP6
    ),
    "first fragment": ethernet(
        ipv6(fragment_header(17, offset=0, more=True) + udp(4000, 5000, bytes(8)), following=44),
        IP6,
    ),
    "neighbour solicitation": ethernet(
        ipv6(
            icmpv6(135, 0, bytes(4) + bytes.fromhex("fd" + "00" * 14 + "02"), ends=ENDS6),
            following=58,
            hops=255,
        ),
        IP6,
    ),
    "in a vlan": ethernet(ipv4(udp(4000, 5000), proto=17), IP, tags=b"\x81\0\0\5"),
}

NAMES = (
    *("eth.src", "eth.dst", "arp.opcode", "arp.src.proto_ipv4", "arp.dst.proto_ipv4"),
    *("ip.src", "ip.dst", "ip.ttl", "ip.id", "ip.len"),
    *("ipv6.src", "ipv6.dst", "ipv6.hlim", "ipv6.flow"),
    *("icmp.type", "icmp.code", "icmp.ident", "icmp.seq"),
    *("icmpv6.type", "icmpv6.echo.identifier", "icmpv6.echo.sequence_number"),
    "icmpv6.nd.ns.target_address",
    *("tcp.srcport", "tcp.dstport", "tcp.flags.str"),
    *("udp.srcport", "udp.dstport"),
)


@dataclass(frozen=True, slots=True)
class Told:
    """One frame as tshark dissected it; of a field that stands twice, the outer one."""

    values: dict[str, str]

    def text(self, *names: str) -> str | None:
        """The first of these fields that the frame has."""
        found = [self.values[name].split("|")[0] for name in names if self.values[name]]
        return found[0] if found else None

    def number(self, *names: str) -> int | None:
        """The same as a number."""
        text = self.text(*names)
        return None if text is None else int(text, 0)


@pytest.fixture(scope="module")
def dissected(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Told]:
    """All frames in one file of ours, dissected in one run."""
    packets = [
        Packet(interface=0, at=Nanos(number), data=frame, length=len(frame))
        for number, frame in enumerate(FRAMES.values())
    ]
    path: Path = tmp_path_factory.mktemp("dissected") / "frames.pcapng"
    path.write_bytes(pcapng([Interface(name="ns1/veth1a")], packets))
    return dict(zip(FRAMES, map(Told, fields(path, NAMES)), strict=True))


@TSHARK
@pytest.mark.parametrize("name", FRAMES)
def test_tshark_reads_the_same(dissected: dict[str, Told], name: str) -> None:
    """Addresses, fields, types and ports."""
    told, found = dissected[name], decode(FRAMES[name])
    assert (found.src_mac, found.dst_mac) == (told.text("eth.src"), told.text("eth.dst"))
    _same_arp(told, found)
    _same_ip(told, found)
    _same_upper(told, found)


def _same_arp(told: Told, found: Headers) -> None:
    assert (found.arp and found.arp.op) == told.number("arp.opcode")
    assert (found.arp and found.arp.sender_ip) == told.text("arp.src.proto_ipv4")
    assert (found.arp and found.arp.target_ip) == told.text("arp.dst.proto_ipv4")


def _same_ip(told: Told, found: Headers) -> None:
    ip = found.ip
    assert (ip and ip.src) == told.text("ip.src", "ipv6.src")
    assert (ip and ip.dst) == told.text("ip.dst", "ipv6.dst")
    assert (ip and ip.ttl) == told.number("ip.ttl", "ipv6.hlim")
    if ip is not None and ip.version == 4:
        assert (ip.id, ip.length) == (told.number("ip.id"), told.number("ip.len"))
    if ip is not None and ip.version == 6:
        assert ip.flow_label == told.number("ipv6.flow")


def _same_upper(told: Told, found: Headers) -> None:
    icmp_part, ports = found.icmp, found.ports
    assert (icmp_part and icmp_part.type) == told.number("icmp.type", "icmpv6.type")
    if icmp_part is not None and icmp_part.ident is not None:
        assert icmp_part.ident == told.number("icmp.ident", "icmpv6.echo.identifier")
        assert icmp_part.seq == told.number("icmp.seq", "icmpv6.echo.sequence_number")
    assert (icmp_part and icmp_part.target) == told.text("icmpv6.nd.ns.target_address")
    assert (ports and ports.sport) == told.number("tcp.srcport", "udp.srcport")
    assert (ports and ports.dport) == told.number("tcp.dstport", "udp.dstport")
    letters = {name[0] for name in ports.flags.split(",") if name} if ports else set()
    drawn = told.text("tcp.flags.str") or ""
    assert letters == {letter for letter in drawn if letter.isalpha()}

"""Packets in the words of net/netfilter/nf_log_syslog.c, space by space."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hopscope.render.logpacket import LogOptions, arp_text, ipv4_text, ipv6_text
from layouts import arp, echo, extension, fragment_header, icmp, icmpv6, ipv4, ipv6, tcp, udp
from strategies import u32

ALL = LogOptions(tcp_sequence=True, tcp_options=True, ip_options=True)
OPTIONS = LogOptions(ip_options=True)
MSS = b"\2\4\5\xb4"
A, B = "02:00:00:00:00:01", "02:00:00:00:00:02"


def head(length: int, ttl: int = 64, rest: str = "") -> str:
    """The beginning of an IPv4 packet's text."""
    return f"SRC=10.0.0.1 DST=10.0.0.2 LEN={length} TOS=0x00 PREC=0x00 TTL={ttl} ID=0 {rest}"


def head6(length: int) -> str:
    """The beginning of an IPv6 packet's text: addresses in full, as %pI6 prints them."""
    ends = " ".join(
        f"{name}=fd00:0000:0000:0000:0000:0000:0000:000{digit}"
        for name, digit in (("SRC", 1), ("DST", 2))
    )
    return f"{ends} LEN={length} TC=0 HOPLIMIT=64 FLOWLBL=0 "


def quoting(kind: int, code: int, *, rest: bytes = bytes(4), cause: bytes | None = None) -> bytes:
    """An ICMP error that quotes a ping, or *cause*."""
    quoted = ipv4(icmp(8, 0, echo(7, 1)), proto=1) if cause is None else cause
    return ipv4(icmp(kind, code, rest + quoted), proto=1)


PING_TEXT = f"{head(28)}PROTO=ICMP TYPE=8 CODE=0 ID=7 SEQ=1 "
SYN = tcp(40000, 80, bits=0x002, options=MSS)
ESP_BODY = struct.pack(">II", 0xABC, 1)
AH_BODY = struct.pack(">BBHII", 6, 1, 0, 0xABC, 1)

IPV4 = [
    pytest.param(
        ipv4(icmp(8, 0, echo(7, 1, b"x" * 56)), proto=1, tos=0xFF, ident=99, fragment=0x4000),
        "SRC=10.0.0.1 DST=10.0.0.2 LEN=84 TOS=0x1E PREC=0xE0 TTL=64 ID=99 DF "
        "PROTO=ICMP TYPE=8 CODE=0 ID=7 SEQ=1 ",
        id="echo request",
    ),
    pytest.param(
        ipv4(icmp(0, 0, echo(7, 1)), proto=1, ttl=1),
        f"{head(28, 1)}PROTO=ICMP TYPE=0 CODE=0 ID=7 SEQ=1 ",
        id="echo reply",
    ),
    pytest.param(
        quoting(3, 1),
        f"{head(56)}PROTO=ICMP TYPE=3 CODE=1 [{PING_TEXT}] ",
        id="unreachable",
    ),
    pytest.param(
        quoting(3, 4, rest=struct.pack(">HH", 0, 1400)),
        f"{head(56)}PROTO=ICMP TYPE=3 CODE=4 [{PING_TEXT}] MTU=1400 ",
        id="fragmentation needed",
    ),
    pytest.param(
        quoting(4, 0), f"{head(56)}PROTO=ICMP TYPE=4 CODE=0 [{PING_TEXT}] ", id="source quench"
    ),
    pytest.param(
        quoting(11, 0), f"{head(56)}PROTO=ICMP TYPE=11 CODE=0 [{PING_TEXT}] ", id="time exceeded"
    ),
    pytest.param(
        quoting(5, 1, rest=bytes((10, 0, 0, 9))),
        f"{head(56)}PROTO=ICMP TYPE=5 CODE=1 GATEWAY=10.0.0.9 [{PING_TEXT}] ",
        id="redirect",
    ),
    pytest.param(
        quoting(12, 0, rest=bytes((20, 0, 0, 0))),
        f"{head(56)}PROTO=ICMP TYPE=12 CODE=0 PARAMETER=20 ",
        id="parameter problem",
    ),
    pytest.param(
        quoting(3, 1, cause=quoting(3, 1)),
        f"{head(84)}PROTO=ICMP TYPE=3 CODE=1 [{head(56)}PROTO=ICMP TYPE=3 CODE=1 ] ",
        id="a quote within a quote is left out",
    ),
    pytest.param(
        ipv4(icmp(13, 0, bytes(16)), proto=1),
        f"{head(40)}PROTO=ICMP TYPE=13 CODE=0 ",
        id="timestamp",
    ),
    pytest.param(
        ipv4(icmp(13, 0, bytes(15)), proto=1),
        f"{head(39)}PROTO=ICMP TYPE=13 CODE=0 INCOMPLETE [19 bytes] ",
        id="timestamp too short",
    ),
    pytest.param(
        ipv4(icmp(3, 1, bytes(23)), proto=1),
        f"{head(47)}PROTO=ICMP TYPE=3 CODE=1 INCOMPLETE [27 bytes] ",
        id="an error that quotes too little",
    ),
    pytest.param(
        ipv4(icmp(8, 0)[:7], proto=1), f"{head(27)}PROTO=ICMP INCOMPLETE [7 bytes] ", id="cut ICMP"
    ),
    pytest.param(
        ipv4(b"data", proto=1, fragment=0x2000 | 185),
        f"{head(24, rest='MF FRAG:185 ')}PROTO=ICMP ",
        id="a later fragment counts in eights",
    ),
    pytest.param(
        ipv4(b"", proto=99, fragment=0x8000), f"{head(20, rest='CE ')}PROTO=99 ", id="reserved bit"
    ),
    pytest.param(
        ipv4(SYN, proto=6),
        f"{head(44)}PROTO=TCP SPT=40000 DPT=80 WINDOW=512 RES=0x00 SYN URGP=0 ",
        id="TCP SYN",
    ),
    pytest.param(
        ipv4(tcp(1, 2, bits=0xFFF), proto=6),
        f"{head(40)}PROTO=TCP SPT=1 DPT=2 WINDOW=512 RES=0x38 "
        "AE CWR ECE URG ACK PSH RST SYN FIN URGP=0 ",
        id="all flags, the bit of AE no longer among the reserved",
    ),
    pytest.param(
        ipv4(SYN[:19], proto=6), f"{head(39)}PROTO=TCP INCOMPLETE [19 bytes] ", id="cut TCP"
    ),
    pytest.param(
        ipv4(b"data", proto=6, fragment=1), f"{head(24, rest='FRAG:1 ')}PROTO=TCP ", id="TCP later"
    ),
    pytest.param(
        ipv4(udp(53, 1000, b"xyz"), proto=17),
        f"{head(31)}PROTO=UDP SPT=53 DPT=1000 LEN=11 ",
        id="UDP",
    ),
    pytest.param(
        ipv4(udp(53, 1000), proto=136),
        f"{head(28)}PROTO=UDPLITE SPT=53 DPT=1000 LEN=8 ",
        id="UDP-Lite",
    ),
    pytest.param(
        ipv4(udp(53, 1000)[:7], proto=17),
        f"{head(27)}PROTO=UDP INCOMPLETE [7 bytes] ",
        id="cut UDP",
    ),
    pytest.param(
        ipv4(b"data", proto=17, fragment=1), f"{head(24, rest='FRAG:1 ')}PROTO=UDP ", id="UDP later"
    ),
    pytest.param(ipv4(AH_BODY, proto=51), f"{head(32)}PROTO=AH SPI=0xabc ", id="AH"),
    pytest.param(
        ipv4(AH_BODY[:11], proto=51), f"{head(31)}PROTO=AH INCOMPLETE [11 bytes] ", id="cut AH"
    ),
    pytest.param(
        ipv4(AH_BODY, proto=51, fragment=1), head(32, rest="FRAG:1 "), id="AH later has no name"
    ),
    pytest.param(ipv4(ESP_BODY, proto=50), f"{head(28)}PROTO=ESP SPI=0xabc ", id="ESP"),
    pytest.param(
        ipv4(ESP_BODY[:7], proto=50), f"{head(27)}PROTO=ESP INCOMPLETE [7 bytes] ", id="cut ESP"
    ),
    pytest.param(
        ipv4(ESP_BODY, proto=50, fragment=1),
        f"{head(28, rest='FRAG:1 ')}PROTO=ESP ",
        id="ESP later",
    ),
    pytest.param(ipv4(b"", proto=47), f"{head(20)}PROTO=47 ", id="another protocol"),
    pytest.param(
        ipv4(udp(1, 2), proto=17, options=bytes(4)),
        f"{head(32)}PROTO=UDP SPT=1 DPT=2 LEN=8 ",
        id="IP options are passed over",
    ),
    pytest.param(b"\x45" * 19, "TRUNCATED", id="no header"),
]


@pytest.mark.parametrize(("packet", "text"), IPV4)
def test_ipv4(packet: bytes, text: str) -> None:
    """dump_ipv4_packet()."""
    assert ipv4_text(packet) == text


def test_ipv4_options_asked_for() -> None:
    """--log-tcp-sequence, --log-tcp-options and --log-ip-options, in the kernel's places."""
    packet = ipv4(SYN, proto=6, options=b"\x94\4\0\0")
    assert ipv4_text(packet, options=ALL) == (
        f"{head(48)}OPT (94040000) PROTO=TCP SPT=40000 DPT=80 SEQ=1000 ACK=2000 "
        "WINDOW=512 RES=0x00 SYN URGP=0 OPT (020405B4) "
    )
    bare = ipv4(tcp(1, 2, bits=0), proto=6)
    assert "OPT" not in ipv4_text(bare, options=ALL)


def test_ipv4_options_cut_off() -> None:
    """The text ends there, without its mark."""
    packet = ipv4(SYN, proto=6, options=bytes(8))
    assert ipv4_text(packet[:27], options=ALL, mark=1) == f"{head(52)}TRUNCATED"
    assert ipv4_text(packet[:50], options=ALL, mark=1).endswith("URGP=0 OPT (TRUNCATED)")


@pytest.mark.parametrize(
    "packet",
    [
        ipv4(icmp(8, 0, echo(7, 1)), proto=1),
        ipv4(icmp(8, 0)[:5], proto=1),
        ipv4(b"", proto=47),
        quoting(3, 1),
        ipv4(SYN, proto=6),
        ipv4(AH_BODY, proto=51, fragment=1),
    ],
)
def test_the_mark_is_last(packet: bytes) -> None:
    """In hexadecimal, once, of the packet itself and not of one that it quotes."""
    assert ipv4_text(packet, mark=0x1A) == f"{ipv4_text(packet)}MARK=0x1a "


@pytest.mark.parametrize("packet", [ipv4(SYN[:9], proto=6), ipv4(b"", proto=17), b"", bytes(19)])
def test_a_text_that_ends_early_has_no_mark(packet: bytes) -> None:
    """The kernel has returned by then."""
    assert ipv4_text(packet, mark=1) == ipv4_text(packet)


def test_a_trace_shows_too_little_of_an_error() -> None:
    """20 bytes of it; the IP header says that the quoted packet was there, so it was cut."""
    assert ipv4_text(quoting(3, 1)[:40]) == f"{head(56)}PROTO=ICMP TYPE=3 CODE=1 [TRUNCATED] "


IPV6 = [
    pytest.param(
        ipv6(icmpv6(128, 0, echo(7, 1)), following=58, traffic_class=5, flow=0x12345, hops=255),
        head6(48).replace("TC=0 HOPLIMIT=64 FLOWLBL=0", "TC=5 HOPLIMIT=255 FLOWLBL=74565")
        + "PROTO=ICMPv6 TYPE=128 CODE=0 ID=7 SEQ=1 ",
        id="echo request",
    ),
    pytest.param(
        ipv6(icmpv6(135, 0, bytes(20)), following=58),
        f"{head6(64)}PROTO=ICMPv6 TYPE=135 CODE=0 ",
        id="neighbour solicitation",
    ),
    pytest.param(
        ipv6(icmpv6(1, 4, bytes(4) + ipv6(udp(1, 2), following=17)), following=58),
        f"{head6(96)}PROTO=ICMPv6 TYPE=1 CODE=4 [{head6(48)}PROTO=UDP SPT=1 DPT=2 LEN=8 ] ",
        id="unreachable",
    ),
    pytest.param(
        ipv6(icmpv6(2, 0, struct.pack(">I", 1280)), following=58),
        f"{head6(48)}PROTO=ICMPv6 TYPE=2 CODE=0 [TRUNCATED] MTU=1280 ",
        id="packet too big",
    ),
    pytest.param(
        ipv6(icmpv6(4, 1, struct.pack(">I", 6)), following=58),
        f"{head6(48)}PROTO=ICMPv6 TYPE=4 CODE=1 POINTER=00000006 [TRUNCATED] ",
        id="parameter problem",
    ),
    pytest.param(
        ipv6(icmpv6(3, 0, bytes(4) + ipv6(icmpv6(1, 0, bytes(4)), following=58)), following=58),
        f"{head6(96)}PROTO=ICMPv6 TYPE=3 CODE=0 [{head6(48)}PROTO=ICMPv6 TYPE=1 CODE=0 ] ",
        id="a quote within a quote is left out",
    ),
    pytest.param(
        ipv6(icmpv6(128, 0)[:7], following=58),
        f"{head6(47)}PROTO=ICMPv6 INCOMPLETE [7 bytes] ",
        id="cut ICMPv6",
    ),
    pytest.param(
        ipv6(SYN, following=6),
        f"{head6(64)}PROTO=TCP SPT=40000 DPT=80 WINDOW=512 RES=0x00 SYN URGP=0 ",
        id="TCP",
    ),
    pytest.param(
        ipv6(udp(1, 2), following=136),
        f"{head6(48)}PROTO=UDPLITE SPT=1 DPT=2 LEN=8 ",
        id="UDP-Lite",
    ),
    pytest.param(ipv6(b"", following=59), f"{head6(40)}PROTO=59 ", id="no next header"),
    pytest.param(
        ipv6(extension(17) + udp(1, 2), following=0),
        f"{head6(56)}PROTO=UDP SPT=1 DPT=2 LEN=8 ",
        id="hop-by-hop options are silent",
    ),
    pytest.param(
        ipv6(fragment_header(17, offset=0, more=True) + udp(1, 2), following=44),
        f"{head6(56)}FRAG:0 INCOMPLETE ID:00000007 PROTO=UDP SPT=1 DPT=2 LEN=8 ",
        id="first fragment",
    ),
    pytest.param(
        ipv6(fragment_header(58, offset=1448, more=False) + b"data", following=44),
        f"{head6(52)}FRAG:1448 ID:00000007 PROTO=ICMPv6 ",
        id="a later fragment counts in bytes",
    ),
    pytest.param(
        ipv6(fragment_header(60, offset=8, more=False) + b"data", following=44),
        f"{head6(52)}FRAG:8 ID:00000007 ",
        id="options in a later fragment end the text",
    ),
    pytest.param(
        ipv6(fragment_header(17, offset=0, more=True)[:6], following=44),
        f"{head6(46)}FRAG:TRUNCATED ",
        id="cut fragment header",
    ),
    pytest.param(ipv6(b"\x11", following=0), f"{head6(41)}TRUNCATED", id="cut options"),
    pytest.param(
        ipv6(AH_BODY + SYN, following=51),
        f"{head6(76)}PROTO=TCP SPT=40000 DPT=80 WINDOW=512 RES=0x00 SYN URGP=0 ",
        id="AH is silent",
    ),
    pytest.param(ipv6(ESP_BODY, following=50), head6(48), id="ESP ends the text"),
    pytest.param(b"\x60" * 39, "TRUNCATED", id="no header"),
]


@pytest.mark.parametrize(("packet", "text"), IPV6)
def test_ipv6(packet: bytes, text: str) -> None:
    """dump_ipv6_packet()."""
    assert ipv6_text(packet) == text


def later(following: int, body: bytes) -> bytes:
    """A later fragment that goes on with *body*."""
    return ipv6(fragment_header(following, offset=8, more=False) + body, following=44)


FRAG = "OPT ( FRAG:8 ID:00000007 ) "


@pytest.mark.parametrize(
    ("packet", "rest"),
    [
        (ipv6(extension(17) + udp(1, 2), following=0), "OPT ( ) PROTO=UDP SPT=1 DPT=2 LEN=8 "),
        (
            ipv6(fragment_header(59, offset=0, more=True), following=44),
            "OPT ( FRAG:0 INCOMPLETE ID:00000007 ) PROTO=59 ",
        ),
        (ipv6(b"\x11\0\0", following=44), "OPT ( FRAG:TRUNCATED "),
        (ipv6(AH_BODY, following=51), "OPT ( AH SPI=0xabc ) PROTO=TCP INCOMPLETE [0 bytes] "),
        (ipv6(AH_BODY[:11], following=51), "OPT ( AH INCOMPLETE [11 bytes] )"),
        (ipv6(ESP_BODY, following=50), "OPT ( ESP SPI=0xabc )"),
        (ipv6(ESP_BODY[:7], following=50), "OPT ( ESP INCOMPLETE [7 bytes] )"),
        (later(60, bytes(8)), f"{FRAG}OPT ( )"),
        (later(51, AH_BODY), f"{FRAG}OPT ( AH )"),
        (later(50, ESP_BODY), f"{FRAG}OPT ( ESP )"),
    ],
)
def test_ipv6_options_asked_for(packet: bytes, rest: str) -> None:
    """--log-ip-options speaks of extension headers, with all the kernel's parentheses."""
    start, _label, text = ipv6_text(packet, options=OPTIONS).partition("FLOWLBL=0 ")
    assert start
    assert text == rest


@given(u32.filter(bool))
def test_the_mark_of_ipv6(mark: int) -> None:
    """As over IPv4."""
    packet = ipv6(udp(1, 2), following=17)
    assert ipv6_text(packet, mark=mark) == f"{ipv6_text(packet)}MARK=0x{mark:x} "
    ended = ipv6(ESP_BODY, following=50)
    assert ipv6_text(ended, mark=mark) == ipv6_text(ended)


def test_arp() -> None:
    """dump_arp_packet()."""
    packet = arp(1, (A, "10.0.0.1"), (B, "10.0.0.2"))
    start = "ARP HTYPE=1 PTYPE=0x0800 OPCODE=1"
    whole = f"{start} MACSRC={A} IPSRC=10.0.0.1 MACDST={B} IPDST=10.0.0.2"
    assert arp_text(packet) == whole
    assert arp_text(packet + bytes(18)) == whole
    assert arp_text(packet[:27]) == f"{start} INCOMPLETE [19 bytes]"
    assert arp_text(packet[:7]) == "TRUNCATED"


@pytest.mark.parametrize("fields", [(6, 6, 4), (1, 8, 4), (1, 6, 16)])
def test_arp_of_other_kinds(fields: tuple[int, int, int]) -> None:
    """Only Ethernet's for IPv4 is told in full."""
    hardware, mac, ip = fields
    packet = struct.pack(">HHBBH", hardware, 0x0800, mac, ip, 2) + bytes(20)
    assert arp_text(packet) == f"ARP HTYPE={hardware} PTYPE=0x0800 OPCODE=2"


options = st.builds(
    LogOptions, tcp_sequence=st.booleans(), tcp_options=st.booleans(), ip_options=st.booleans()
)
packets = st.binary(max_size=120) | st.builds(
    lambda first, rest: bytes([first]) + rest,
    st.sampled_from((0x45, 0x46, 0x4F, 0x40, 0x60)),
    st.binary(min_size=39, max_size=120),
)


@given(packets, u32, options)
def test_any_packet_has_a_text(packet: bytes, mark: int, asked: LogOptions) -> None:
    """In one line of ASCII, as printk would take it."""
    texts = (
        ipv4_text(packet, mark=mark, options=asked),
        ipv6_text(packet, mark=mark, options=asked),
        arp_text(packet),
    )
    for text in texts:
        assert text.isascii()
        assert text.isprintable()

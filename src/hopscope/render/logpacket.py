"""A packet's bytes → the kernel's LOG text for it; knows no device and no rule.

The words, their order and their spaces are those of net/netfilter/nf_log_syslog.c, which
scripts have relied on for two decades, oddities included: FRAG counts in units of eight
bytes over IPv4 and in bytes over IPv6, and a text that ends early ends without its mark.
"""

import struct
from ipaddress import IPv4Address, IPv6Address
from typing import Final

from msgspec import Struct

__all__ = ["PLAIN", "LogOptions", "arp_text", "ipv4_text", "ipv6_text"]

_ICMP, _TCP, _UDP, _ESP, _AH, _ICMPV6, _UDPLITE = 1, 6, 17, 50, 51, 58, 136
_HOP_BY_HOP, _ROUTING, _FRAGMENT, _DESTINATION = 0, 43, 44, 60

_ICMP_NEEDS: Final = {0: 4, 8: 4, 13: 20, 14: 20, 17: 12, 18: 12} | dict.fromkeys(
    (3, 4, 5, 11, 12), 28
)
"""Bytes that an ICMP message of a type must have, or the text calls it incomplete."""

_FLAGS: Final = (
    (0x100, "AE"),
    (0x080, "CWR"),
    (0x040, "ECE"),
    (0x020, "URG"),
    (0x010, "ACK"),
    (0x008, "PSH"),
    (0x004, "RST"),
    (0x002, "SYN"),
    (0x001, "FIN"),
)


class LogOptions(Struct, frozen=True, kw_only=True):
    """What a LOG rule asks for besides the usual text."""

    tcp_sequence: bool = False  # --log-tcp-sequence
    tcp_options: bool = False  # --log-tcp-options
    ip_options: bool = False  # --log-ip-options


PLAIN: Final = LogOptions()
"""A LOG rule without any of them."""


def ipv4_text(packet: bytes, *, mark: int = 0, options: LogOptions = PLAIN) -> str:
    """The text of an IPv4 packet and what it carries (dump_ipv4_packet)."""
    text, ended = _ipv4(packet, 0, options)
    return text if ended or not mark else f"{text}MARK=0x{mark:x} "


def ipv6_text(packet: bytes, *, mark: int = 0, options: LogOptions = PLAIN) -> str:
    """The text of an IPv6 packet and what it carries (dump_ipv6_packet)."""
    text, ended = _ipv6(packet, 0, options, quotes=True)
    return text if ended or not mark else f"{text}MARK=0x{mark:x} "


def arp_text(packet: bytes) -> str:
    """The text of an ARP packet (dump_arp_packet)."""
    if len(packet) < 8:
        return "TRUNCATED"
    hardware, proto, sizes, op = struct.unpack_from(">HHHH", packet)
    text = f"ARP HTYPE={hardware} PTYPE=0x{proto:04x} OPCODE={op}"
    if hardware != 1 or sizes != 0x0604:
        return text
    if len(packet) < 28:
        return f"{text} INCOMPLETE [{len(packet) - 8} bytes]"
    src, dst = IPv4Address(packet[14:18]), IPv4Address(packet[24:28])
    macs = (packet[8:14].hex(":"), packet[18:24].hex(":"))
    return f"{text} MACSRC={macs[0]} IPSRC={src} MACDST={macs[1]} IPDST={dst}"


# Below, *at* is where in the packet a header begins, and the second of two results says
# that the text ends here: the kernel returns early, and what would follow is not written.


def _ipv4(packet: bytes, at: int, options: LogOptions) -> tuple[str, bool]:
    if len(packet) < at + 20:
        return "TRUNCATED", True
    tos, length, ident, fragment, ttl, proto = struct.unpack_from(">xBHHHBB", packet, at)
    src, dst = IPv4Address(packet[at + 12 : at + 16]), IPv4Address(packet[at + 16 : at + 20])
    text = (
        f"SRC={src} DST={dst} LEN={length} TOS=0x{tos & 0x1E:02X} PREC=0x{tos & 0xE0:02X} "
        f"TTL={ttl} ID={ident} "
    )
    text += "".join(
        f"{word} "
        for bit, word in ((0x8000, "CE"), (0x4000, "DF"), (0x2000, "MF"))
        if fragment & bit
    )
    offset = fragment & 0x1FFF
    if offset:
        text += f"FRAG:{offset} "
    upper = at + (packet[at] & 0xF) * 4
    if options.ip_options and upper > at + 20:
        if len(packet) < upper:
            return f"{text}TRUNCATED", True
        text += f"OPT ({packet[at + 20 : upper].hex().upper()}) "
    more, ended = _ipv4_upper(packet, at, upper, proto, options, later=bool(offset))
    return text + more, ended


def _ipv4_upper(
    packet: bytes, at: int, upper: int, proto: int, options: LogOptions, *, later: bool
) -> tuple[str, bool]:
    """What an IPv4 packet carries; *later*: it is a fragment other than the first."""
    if proto == _TCP:
        return _tcp(packet, upper, options, later=later)
    if proto in (_UDP, _UDPLITE):
        return _udp(packet, upper, proto, later=later)
    if proto == _ICMP:
        return _icmp(packet, upper, options, later=later, quotes=at == 0), False
    if proto == _ESP:
        return _security("ESP", packet, upper, upper, needs=8, later=later), False
    if proto == _AH:
        # an early exit of the kernel's, which leaves even the name out
        return "" if later else _security("AH", packet, upper, upper + 4, needs=12), False
    return f"PROTO={proto} ", False


def _tcp(packet: bytes, at: int, options: LogOptions, *, later: bool) -> tuple[str, bool]:
    text = "PROTO=TCP "
    if later:
        return text, False
    if len(packet) < at + 20:
        return text + _incomplete(packet, at), True
    sport, dport, seq, acked, bits, window, urgent = struct.unpack_from(">HHIIHHxxH", packet, at)
    text += f"SPT={sport} DPT={dport} "
    if options.tcp_sequence:
        text += f"SEQ={seq} ACK={acked} "
    text += f"WINDOW={window} RES=0x{(bits & 0x0E00) >> 6:02x} "
    text += "".join(f"{name} " for bit, name in _FLAGS if bits & bit)
    text += f"URGP={urgent} "
    end = at + (bits >> 12) * 4
    if options.tcp_options and end > at + 20:
        if len(packet) < end:
            return f"{text}OPT (TRUNCATED)", True
        text += f"OPT ({packet[at + 20 : end].hex().upper()}) "
    return text, False


def _udp(packet: bytes, at: int, proto: int, *, later: bool) -> tuple[str, bool]:
    text = "PROTO=UDP " if proto == _UDP else "PROTO=UDPLITE "
    if later:
        return text, False
    if len(packet) < at + 8:
        return text + _incomplete(packet, at), True
    sport, dport, length = struct.unpack_from(">HHH", packet, at)
    return f"{text}SPT={sport} DPT={dport} LEN={length} ", False


def _icmp(packet: bytes, at: int, options: LogOptions, *, later: bool, quotes: bool) -> str:
    text = "PROTO=ICMP "
    if later:
        return text
    if len(packet) < at + 8:
        return text + _incomplete(packet, at)
    kind, code, first, second = struct.unpack_from(">BBxxHH", packet, at)
    text += f"TYPE={kind} CODE={code} "
    length = len(packet)
    if quotes and length >= 20:  # a trace shows a part: the IP header says how much there was
        length = max(length, int.from_bytes(packet[2:4], "big"))
    if length - at < _ICMP_NEEDS.get(kind, 0):
        return text + _incomplete(packet, at)
    if kind in (0, 8):
        return f"{text}ID={first} SEQ={second} "
    if kind == 12:
        return f"{text}PARAMETER={first >> 8} "
    if kind == 5:
        text += f"GATEWAY={IPv4Address(packet[at + 4 : at + 8])} "
    if kind in (3, 4, 5, 11) and quotes:
        text += f"[{_ipv4(packet, at + 8, options)[0]}] "
    if (kind, code) == (3, 4):
        text += f"MTU={second} "
    return text


def _security(
    name: str, packet: bytes, at: int, spi_at: int, *, needs: int, later: bool = False
) -> str:
    """AH or ESP: encrypted or signed, so only its security parameters index is told."""
    text = f"PROTO={name} "
    if later:
        return text
    if len(packet) < at + needs:
        return text + _incomplete(packet, at)
    return f"{text}SPI=0x{int.from_bytes(packet[spi_at : spi_at + 4], 'big'):x} "


def _ipv6(packet: bytes, at: int, options: LogOptions, *, quotes: bool) -> tuple[str, bool]:
    if len(packet) < at + 40:
        return "TRUNCATED", True
    first, payload, proto, hops = struct.unpack_from(">IHBB", packet, at)
    src, dst = IPv6Address(packet[at + 8 : at + 24]), IPv6Address(packet[at + 24 : at + 40])
    text = (
        f"SRC={src.exploded} DST={dst.exploded} LEN={payload + 40} TC={first >> 20 & 0xFF} "
        f"HOPLIMIT={hops} FLOWLBL={first & 0xFFFFF} "
    )
    upper, later = at + 40, False
    while proto in (_HOP_BY_HOP, _ROUTING, _FRAGMENT, _ESP, _AH, _DESTINATION):
        if len(packet) < upper + 2:
            return f"{text}TRUNCATED", True
        more, ended = _extension(packet, upper, proto, options, later=later)
        text += more
        if ended:
            return text, True
        if proto == _FRAGMENT:
            later = later or bool(_offset_field(packet, upper) & 0xFFF8)
        upper, proto = upper + _extension_size(packet, upper, proto), packet[upper]
    more, ended = _ipv6_upper(packet, upper, proto, options, later=later, quotes=quotes)
    return text + more, ended


def _ipv6_upper(
    packet: bytes, at: int, proto: int, options: LogOptions, *, later: bool, quotes: bool
) -> tuple[str, bool]:
    if proto == _TCP:
        return _tcp(packet, at, options, later=later)
    if proto in (_UDP, _UDPLITE):
        return _udp(packet, at, proto, later=later)
    if proto == _ICMPV6:
        return _icmpv6(packet, at, options, later=later, quotes=quotes)
    return f"PROTO={proto} ", False


def _extension(
    packet: bytes, at: int, proto: int, options: LogOptions, *, later: bool
) -> tuple[str, bool]:
    """The text of one extension header, which is mostly silent without --log-ip-options."""
    asked = options.ip_options
    head, tail = ("OPT ( ", ") ") if asked else ("", "")
    if proto == _FRAGMENT:
        if len(packet) < at + 8:
            return f"{head}FRAG:TRUNCATED ", True
        field = _offset_field(packet, at)
        more = "INCOMPLETE " if field & 1 else ""
        ident = packet[at + 4 : at + 8].hex()
        return f"{head}FRAG:{field & 0xFFF8} {more}ID:{ident} {tail}", False
    if proto not in (_AH, _ESP):
        return (f"{head}{tail.rstrip()}", True) if later else (head + tail, False)
    esp = proto == _ESP
    if not asked:
        return "", esp
    name, needs, spi_at = ("ESP", 8, at) if esp else ("AH", 12, at + 4)
    if later:
        return f"{head}{name} )", True
    if len(packet) < at + needs:
        return f"{head}{name} {_incomplete(packet, at)})", True
    spi = f"{head}{name} SPI=0x{int.from_bytes(packet[spi_at : spi_at + 4], 'big'):x} "
    return (f"{spi})", True) if esp else (spi + tail, False)


def _extension_size(packet: bytes, at: int, proto: int) -> int:
    if proto == _FRAGMENT:
        return 8
    return (packet[at + 1] + 2) * 4 if proto == _AH else (packet[at + 1] + 1) * 8


def _icmpv6(
    packet: bytes, at: int, options: LogOptions, *, later: bool, quotes: bool
) -> tuple[str, bool]:
    text = "PROTO=ICMPv6 "
    if later:
        return text, False
    if len(packet) < at + 8:
        return text + _incomplete(packet, at), True
    kind, code, first, second = struct.unpack_from(">BBxxHH", packet, at)
    text += f"TYPE={kind} CODE={code} "
    if kind in (128, 129):
        text += f"ID={first} SEQ={second} "
    whole = first << 16 | second
    if kind == 4:
        text += f"POINTER={whole:08x} "
    if kind in (1, 2, 3, 4) and quotes:
        text += f"[{_ipv6(packet, at + 8, options, quotes=False)[0]}] "
    if kind == 2:
        text += f"MTU={whole} "
    return text, False


def _incomplete(packet: bytes, at: int) -> str:
    # the kernel counts in an unsigned number, which wraps when a length field lies
    return f"INCOMPLETE [{(len(packet) - at) % (1 << 32)} bytes] "


def _offset_field(packet: bytes, at: int) -> int:
    return int.from_bytes(packet[at + 2 : at + 4], "big")

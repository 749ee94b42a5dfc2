"""Headers in words: a short title and a line in tcpdump's manner; no bytes, no layout."""

from typing import Final

from hopscope.model.flow import Arp, Headers, Icmp, Ip, Ports

__all__ = ["describe", "title"]

_ICMP: Final = {
    0: "echo reply",
    3: "destination unreachable",
    4: "source quench",
    5: "redirect",
    8: "echo request",
    9: "router advertisement",
    10: "router solicitation",
    11: "time exceeded",
    12: "parameter problem",
    13: "timestamp request",
    14: "timestamp reply",
}
_ICMPV6: Final = {
    1: "destination unreachable",
    2: "packet too big",
    3: "time exceeded",
    4: "parameter problem",
    128: "echo request",
    129: "echo reply",
    130: "multicast listener query",
    131: "multicast listener report",
    132: "multicast listener done",
    133: "router solicitation",
    134: "router advertisement",
    135: "neighbour solicitation",
    136: "neighbour advertisement",
    137: "redirect",
    143: "multicast listener report",
}
_CODES: Final = {
    (4, 3, 0): "network",
    (4, 3, 1): "host",
    (4, 3, 2): "protocol",
    (4, 3, 3): "port",
    (4, 3, 4): "fragmentation needed",
    (4, 3, 5): "source route failed",
    (4, 3, 6): "network unknown",
    (4, 3, 7): "host unknown",
    (4, 3, 9): "network prohibited",
    (4, 3, 10): "host prohibited",
    (4, 3, 13): "administratively prohibited",
    (4, 11, 0): "in transit",
    (4, 11, 1): "in reassembly",
    (6, 1, 0): "no route",
    (6, 1, 1): "administratively prohibited",
    (6, 1, 2): "beyond scope",
    (6, 1, 3): "host",
    (6, 1, 4): "port",
    (6, 1, 5): "source address policy",
    (6, 1, 6): "reject route",
    (6, 3, 0): "in transit",
    (6, 3, 1): "in reassembly",
}
"""(IP version, type, code) → in the words of both protocols where they mean the same."""

_PROTOCOLS: Final = {2: "IGMP", 6: "TCP", 17: "UDP", 47: "GRE", 50: "ESP", 51: "AH", 132: "SCTP"}
_ETHERTYPES: Final = {0x0800: "IPv4 packet", 0x0806: "ARP packet", 0x86DD: "IPv6 packet"}

_ARP_OPS: Final = {1: "request", 2: "reply"}
_FLAG_LETTERS: Final = {
    "FIN": "F",
    "SYN": "S",
    "RST": "R",
    "PSH": "P",
    "ACK": ".",
    "URG": "U",
    "ECE": "E",
    "CWR": "W",
    "AE": "e",
}
"""tcpdump's letters, in tcpdump's order."""


def title(headers: Headers) -> str:
    """What kind of packet it is, in a few words: ``echo request``, ``TCP SYN``."""
    if (arp := headers.arp) is not None:
        return f"ARP {_ARP_OPS.get(arp.op, f'operation {arp.op}')}"
    if (ip := headers.ip) is None:
        return _frame_title(headers.ethertype)
    if ip.fragment_offset:
        return f"IPv{ip.version} fragment"
    if headers.icmp is not None:
        return _icmp_title(ip, headers.icmp)
    name = _PROTOCOLS.get(ip.proto, f"IP protocol {ip.proto}")
    flags = headers.ports.flags if headers.ports is not None else ""
    return f"{name} {flags}" if flags else name


def describe(headers: Headers) -> str:
    """One line in tcpdump's manner: ``10.0.0.1 > 10.0.0.2: ICMP echo request, id 7, seq 1``."""
    if headers.arp is not None:
        return _arp_line(headers.arp)
    ip = headers.ip
    if ip is None:
        ends = f"{headers.src_mac} > {headers.dst_mac}: " if headers.src_mac else ""
        return ends + _frame_title(headers.ethertype)
    if headers.icmp is not None:
        return f"{ip.src} > {ip.dst}: {_icmp_words(ip, headers.icmp, headers.inner)}"
    if (ports := headers.ports) is not None:
        what = f"Flags [{_letters(ports)}]" if ports.flags else title(headers)
        return f"{ip.src}.{ports.sport} > {ip.dst}.{ports.dport}: {what}"
    return f"{ip.src} > {ip.dst}: {title(headers)}"


def _frame_title(ethertype: int | None) -> str:
    if ethertype is None:
        return "frame"
    if ethertype < 0x0600:  # IEEE 802.3: a length, and LLC inside
        return "LLC frame"
    return _ETHERTYPES.get(ethertype, f"frame of type 0x{ethertype:04x}")


def _icmp_title(ip: Ip, icmp: Icmp) -> str:
    four = ip.version == 4
    names, family = (_ICMP, "ICMP") if four else (_ICMPV6, "ICMPv6")
    name = names.get(icmp.type, f"{family} type {icmp.type}")
    code = _CODES.get((ip.version, icmp.type, icmp.code))
    if code is None and icmp.code:
        code = f"code {icmp.code}"
    return f"{name} ({code})" if code else name


def _arp_line(arp: Arp) -> str:
    if arp.op == 1:
        known = (
            ""
            if arp.target_mac in ("00:00:00:00:00:00", "ff:ff:ff:ff:ff:ff")
            else (f" ({arp.target_mac})")
        )
        return f"ARP, Request who-has {arp.target_ip}{known} tell {arp.sender_ip}"
    if arp.op == 2:
        return f"ARP, Reply {arp.sender_ip} is-at {arp.sender_mac}"
    return f"ARP, operation {arp.op} from {arp.sender_ip} to {arp.target_ip}"


def _icmp_words(ip: Ip, icmp: Icmp, inner: Headers | None) -> str:
    four = ip.version == 4
    lead = "ICMP " if four else "ICMP6, "
    if icmp.ident is not None:
        return f"{lead}{_icmp_title(ip, icmp)}, id {icmp.ident}, seq {icmp.seq}"
    if icmp.target is not None and icmp.type == 135:
        return f"{lead}neighbor solicitation, who has {icmp.target}"
    if icmp.target is not None and icmp.type == 136:
        return f"{lead}neighbor advertisement, tgt is {icmp.target}"
    if inner is not None and inner.ip is not None:
        return lead + _error_words(ip, icmp, inner, inner.ip)
    return lead + _icmp_title(ip, icmp)


def _error_words(ip: Ip, icmp: Icmp, inner: Headers, quoted: Ip) -> str:
    port = (
        ""
        if inner.ports is None
        else (
            f"{quoted.dst} {_PROTOCOLS.get(quoted.proto, str(quoted.proto)).lower()} "
            f"port {inner.ports.dport}"
        )
    )
    if ip.version == 4:
        lines = {
            (3, 0): f"net {quoted.dst} unreachable",
            (3, 1): f"host {quoted.dst} unreachable",
            (3, 2): f"{quoted.dst} protocol {quoted.proto} unreachable",
            (3, 3): f"{port} unreachable" if port else "",
            (3, 10): f"host {quoted.dst} unreachable - admin prohibited",
            (3, 13): f"host {quoted.dst} unreachable - admin prohibited filter",
            (11, 0): "time exceeded in-transit",
        }
    else:
        lines = {
            (1, 0): f"destination unreachable, unreachable route {quoted.dst}",
            (1, 1): f"destination unreachable, unreachable prohibited {quoted.dst}",
            (1, 3): f"destination unreachable, unreachable address {quoted.dst}",
            (1, 4): f"destination unreachable, unreachable port, {port}" if port else "",
            (3, 0): f"time exceeded in-transit for {quoted.dst}",
        }
    return lines.get((icmp.type, icmp.code)) or f"{_icmp_title(ip, icmp)} for {quoted.dst}"


def _letters(ports: Ports) -> str:
    flags = ports.flags.split(",")
    return "".join(letter for name, letter in _FLAG_LETTERS.items() if name in flags)

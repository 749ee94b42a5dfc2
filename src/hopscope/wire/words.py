"""Headers in words: a short title; no bytes, no layout."""

from typing import Final

from hopscope.model.flow import Headers, Icmp, Ip

__all__ = ["title"]

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

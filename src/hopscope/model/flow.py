"""Headers that say which packet is meant, decoded from its bytes elsewhere (wire/packet)."""

from msgspec import Struct

from hopscope.model.vocab import Mac

__all__ = ["Arp", "Headers", "Icmp", "Ip", "Ports"]


class Arp(Struct, frozen=True, kw_only=True):
    """RFC 826, for Ethernet and IPv4."""

    op: int  # 1 request, 2 reply
    sender_mac: Mac
    sender_ip: str
    target_mac: Mac
    target_ip: str


class Ip(Struct, frozen=True, kw_only=True):
    """The fields of an IPv4 or IPv6 header that people ask about."""

    version: int
    src: str
    dst: str
    proto: int  # IPv6: the first next header that is no extension
    ttl: int  # IPv6: hop limit
    length: int  # whole packet, bytes
    id: int = 0  # IPv4 only
    tos: int = 0  # IPv6: traffic class
    dont_fragment: bool = False
    fragment_offset: int = 0
    flow_label: int = 0  # IPv6 only


class Icmp(Struct, frozen=True, kw_only=True):
    """ICMP or ICMPv6; *ident* and *seq* only for echo, *target* only for neighbour discovery.

    *mtu* is the length that a router says it can send on, of what was too big for it.
    """

    type: int
    code: int
    ident: int | None = None
    seq: int | None = None
    target: str | None = None
    mtu: int | None = None


class Ports(Struct, frozen=True, kw_only=True):
    """TCP or UDP ports; *flags* are TCP's, as ``SYN,ACK``."""

    sport: int
    dport: int
    flags: str = ""
    seq: int | None = None  # TCP only: its sequence number, which no router changes


class Headers(Struct, frozen=True, kw_only=True):
    """What a frame says of itself; a part that is absent or cut off is None."""

    src_mac: Mac | None = None
    dst_mac: Mac | None = None
    ethertype: int | None = None
    arp: Arp | None = None
    ip: Ip | None = None
    icmp: Icmp | None = None
    ports: Ports | None = None
    stamp: int | None = None  # our own probe's number, from its payload
    inner: "Headers | None" = None  # the packet that an ICMP error quotes

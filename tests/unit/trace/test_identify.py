"""Which frames are one packet: keys, and packets of one key told apart."""

from msgspec.structs import replace

from hopscope.model.events import FrameSeen
from hopscope.model.flow import Arp, Headers, Icmp, Ip, Ports
from hopscope.model.vocab import DevName, DevRef, Direction, Mac, Nanos, NodeName, PktType
from hopscope.trace.identify import Sighting, key_of, likest, packets


def ip(src: str = "10.0.0.1", *, number: int = 7, ttl: int = 64) -> Ip:
    """An IPv4 header."""
    return Ip(version=4, src=src, dst="10.0.0.2", proto=1, ttl=ttl, length=84, id=number)


def echo(
    stamp: int | None = 1, *, src: str = "10.0.0.1", number: int = 7, ttl: int = 64
) -> Headers:
    """An echo request."""
    header = ip(src, number=number, ttl=ttl)
    return Headers(ip=header, icmp=Icmp(type=8, code=0, ident=1, seq=1), stamp=stamp)


def sighting(where: str, headers: Headers, at: int = 1) -> Sighting:
    """A frame that a device sent."""
    node, dev = where.split("/")
    event = FrameSeen(
        at=Nanos(at),
        dev=DevRef(NodeName(node), DevName(dev)),
        direction=Direction.TRANSMIT,
        pkttype=PktType.OUTGOING,
        frame=b"",
        length=0,
    )
    return Sighting(event=event, headers=headers)


def begins(one: Sighting) -> bool:
    """Frames of nodes whose names begin with ns begin there."""
    return one.event.dev.node.startswith("ns")


def test_each_kind_of_packet_has_a_key() -> None:
    """Fields that no forwarder changes; and none where nothing would tell packets apart."""
    mac = Mac("02:00:00:00:00:01")
    arp = Arp(op=1, sender_mac=mac, sender_ip="10.0.0.1", target_mac=mac, target_ip="10.0.0.2")
    assert key_of(Headers(arp=arp)) == ("arp", 1, mac, "10.0.0.1", "10.0.0.2")
    assert key_of(echo(5)) == ("stamp", 8, 5)
    unstamped = key_of(echo(None))
    assert unstamped is not None
    assert unstamped[0] == "icmp"
    udp = Headers(ip=ip(), ports=Ports(sport=1, dport=2))
    assert key_of(udp) == ("ports", 1, 1, 2, "", 7)
    assert key_of(replace(udp, stamp=3)) == ("datagram", 3)
    tcp = Ports(sport=1, dport=2, flags="SYN", seq=9)
    assert key_of(Headers(ip=ip(), ports=tcp)) == ("segment", 9, "SYN")
    assert key_of(Headers(ip=ip())) is None
    assert key_of(Headers()) is None


def test_an_error_is_told_by_its_own_header() -> None:
    """A trace is too short for what the error quotes: with and without it, one key."""
    error = Headers(ip=ip(), icmp=Icmp(type=11, code=0))
    quoting = Headers(ip=ip(), icmp=Icmp(type=11, code=0), inner=echo(5))
    assert key_of(error) == key_of(quoting) == ("error", 11, 0, 7)
    six = replace(ip(), id=0)
    assert key_of(replace(error, ip=six)) == ("error", 11, 0, "10.0.0.1")


def test_what_no_key_tells_is_left_out() -> None:
    assert packets([sighting("ns1/a", Headers(ip=ip()))], begins) == {}


def test_a_router_that_sends_from_its_own_address_begins_nothing() -> None:
    """Source NAT: the time to live is shorter, so it is the same packet."""
    frames = [
        sighting("ns1/a", echo(), at=1),
        sighting("ns9/right", echo(src="10.2.0.1", ttl=63), at=2),
    ]
    assert [len(found) for found in packets(frames, begins)["stamp", 8, 1]] == [2]


def test_a_second_beginning_is_another_packet() -> None:
    """Two nodes answer one broadcast with the same stamp."""
    frames = [
        sighting("ns1/a", echo(number=1), at=1),
        sighting("ns2/a", echo(number=2), at=2),
        sighting("host/p1", echo(number=1), at=3),
        sighting("host/p2", echo(number=2), at=4),
    ]
    found = packets(frames, begins)["stamp", 8, 1]
    assert [[str(one.event.dev) for one in some] for some in found] == [
        ["ns1/a", "host/p1"],
        ["ns2/a", "host/p2"],
    ]


def test_a_beginning_that_is_seen_late_is_no_other_packet() -> None:
    """A copy further on bears an earlier time, or the first frame was lost."""
    frames = [sighting("host/p1", echo(), at=1), sighting("ns1/a", echo(), at=2)]
    assert [len(found) for found in packets(frames, begins)["stamp", 8, 1]] == [2]


def test_without_ip_headers_the_last_one_is_meant() -> None:
    assert likest([Headers(), Headers()], Headers()) == 1
    assert likest([echo(number=1), echo(number=2)], echo(number=1)) == 0

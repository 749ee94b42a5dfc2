"""Frames of many devices as one pcapng file; knows the file format, opens no file.

Follows draft-ietf-opsawg-pcapng: a section header, one description per device, then one
enhanced block per frame with its time in nanoseconds, direction and comments.
"""

import struct
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from msgspec import Struct

from hopscope.model.events import FrameSeen
from hopscope.model.record import PingResult
from hopscope.model.vocab import DevRef, Direction, Nanos, PktType

__all__ = ["Interface", "Packet", "frames", "of_observation", "pcapng"]

_SECTION, _INTERFACE, _PACKET = 0x0A0D0D0A, 1, 6
_BYTE_ORDER: Final = 0x1A2B3C4D
_ETHERNET: Final = 1  # LINKTYPE_ETHERNET
_END, _COMMENT = 0, 1
_HARDWARE, _SYSTEM, _APPLICATION = 2, 3, 4  # of a section
_NAME, _DESCRIPTION, _RESOLUTION = 2, 3, 9  # of an interface
_FLAGS: Final = 2  # of a packet
_NANOSECONDS: Final = b"\x09"  # ten to the minus nine
_LONGEST: Final = 0xFFFF

_DIRECTION: Final = {Direction.RECEIVE: 1, Direction.TRANSMIT: 2}
_RECEPTION: Final = {
    PktType.HOST: 1,
    PktType.MULTICAST: 2,
    PktType.BROADCAST: 3,
    PktType.OTHERHOST: 4,
}
"""Why a device took a frame, in bits 2 to 4 of its flags."""


class Interface(Struct, frozen=True, kw_only=True):
    """A device, as the file names it: ``ns1/veth1a``."""

    name: str
    description: str = ""
    snaplen: int = 262_144


class Packet(Struct, frozen=True, kw_only=True):
    """A frame; *interface* counts the file's interfaces from 0."""

    interface: int
    at: Nanos
    data: bytes
    length: int  # bytes on the wire; larger than len(data) when cut
    direction: Direction | None = None
    pkttype: PktType | None = None
    comments: tuple[str, ...] = ()


def pcapng(
    interfaces: Sequence[Interface],
    packets: Iterable[Packet],
    *,
    comment: str = "",
    hardware: str = "",
    system: str = "",
    application: str = "hopscope",
) -> bytes:
    """The whole file. *comment* is about all of it; empty texts are left out."""
    about = (
        _texts(_COMMENT, comment)
        + _texts(_HARDWARE, hardware)
        + _texts(_SYSTEM, system)
        + _texts(_APPLICATION, application)
    )
    head = struct.pack("<IHHq", _BYTE_ORDER, 1, 0, -1)  # section length: not stated
    blocks = [_block(_SECTION, head + _options(about))]
    blocks += [_interface_block(interface) for interface in interfaces]
    blocks += [_packet_block(packet) for packet in packets]
    return b"".join(blocks)


def frames(pings: Iterable[PingResult]) -> tuple[FrameSeen, ...]:
    """All frames of the pings in the order of their times, as `of_observation` writes them.

    At the same instant a frame that comes in is first: the kernel stamps a frame once,
    and uses that stamp again on the far side of a veth pair.
    """
    order = {Direction.TRANSMIT: 1, Direction.RECEIVE: 0}
    found = (e for ping in pings for e in ping.observation.events if isinstance(e, FrameSeen))
    return tuple(sorted(found, key=lambda frame: (frame.at, order[frame.direction])))


def of_observation(
    pings: Iterable[PingResult],
    *,
    order: Sequence[DevRef] = (),
    comments: Mapping[int, str] | None = None,
    comment: str = "",
    hardware: str = "",
    system: str = "",
    application: str = "hopscope",
) -> bytes:
    """The file of all frames that the pings' observers saw.

    Devices in *order* come first, seen or not, then the others as they first appear.
    *comments* goes by a frame's index in `frames`; each line becomes a comment of its own.
    """
    seen = frames(pings)
    devices = tuple(dict.fromkeys((*order, *(frame.dev for frame in seen))))
    index = {device: number for number, device in enumerate(devices)}
    said = comments or {}
    packets = (
        Packet(
            interface=index[frame.dev],
            at=frame.at,
            data=frame.frame,
            length=frame.length,
            direction=frame.direction,
            pkttype=frame.pkttype,
            comments=tuple(said.get(number, "").splitlines()),
        )
        for number, frame in enumerate(seen)
    )
    return pcapng(
        [Interface(name=str(device)) for device in devices],
        packets,
        comment=comment,
        hardware=hardware,
        system=system,
        application=application,
    )


def _interface_block(interface: Interface) -> bytes:
    options = (
        _texts(_NAME, interface.name)
        + _texts(_DESCRIPTION, interface.description)
        + [(_RESOLUTION, _NANOSECONDS)]
    )
    head = struct.pack("<HHI", _ETHERNET, 0, interface.snaplen)
    return _block(_INTERFACE, head + _options(options))


def _packet_block(packet: Packet) -> bytes:
    high, low = packet.at >> 32, packet.at & 0xFFFFFFFF
    sizes = (len(packet.data), max(packet.length, len(packet.data)))
    head = struct.pack("<IIIII", packet.interface, high, low, *sizes)
    options = [option for comment in packet.comments for option in _texts(_COMMENT, comment)]
    flags = _DIRECTION.get(packet.direction, 0) if packet.direction else 0
    flags |= (_RECEPTION.get(packet.pkttype, 0) if packet.pkttype else 0) << 2
    if flags:
        options.append((_FLAGS, struct.pack("<I", flags)))
    return _block(_PACKET, head + _padded(packet.data) + _options(options))


def _block(kind: int, body: bytes) -> bytes:
    length = struct.pack("<I", len(body) + 12)
    return struct.pack("<I", kind) + length + body + length


def _options(options: Sequence[tuple[int, bytes]]) -> bytes:
    if not options:
        return b""
    parts = [struct.pack("<HH", code, len(value)) + _padded(value) for code, value in options]
    return b"".join(parts) + struct.pack("<HH", _END, 0)


def _texts(code: int, text: str) -> list[tuple[int, bytes]]:
    """An option that holds a text, cut to what its length field can say; none when empty."""
    raw = text.encode(errors="replace")[:_LONGEST]
    # decoding and encoding again drops half a character at the cut
    whole = raw.decode(errors="ignore").encode()
    return [(code, whole)] if whole else []


def _padded(data: bytes) -> bytes:
    return data + bytes(-len(data) % 4)

"""Frames at every device of a namespace, from one packet socket.

One socket serves all devices: the address of each frame names the device, and opening
one per device would cost an RCU grace period each. A bridge shows forwarded unicast only
while promiscuous, which makes the bridge pass a copy of every frame up its own stack:
that copy is marked by the kernel as for another host, and said in the journey.
"""

import errno
import socket
import struct
from collections.abc import Collection, Iterator, Sequence
from typing import Final

from hopscope.kernel.sandbox import Sandbox
from hopscope.model.events import FrameSeen
from hopscope.model.vocab import DevName, DevRef, Direction, Nanos, NodeName, PktType

__all__ = ["Capture", "grow"]

ETH_P_ALL: Final = 0x0003
SOL_PACKET: Final = 263
PACKET_ADD_MEMBERSHIP: Final = 1
PACKET_STATISTICS: Final = 6
PACKET_AUXDATA: Final = 8
PACKET_MR_PROMISC: Final = 1
SO_TIMESTAMPNS: Final = 35
SO_RCVBUFFORCE: Final = 33
SO_ATTACH_FILTER: Final = 26
SKF_AD_IFINDEX: Final = 0xFFFFF000 + 8
BUFFER: Final = 8 << 20
SNAPLEN: Final = 65535
TP_STATUS_VLAN_VALID: Final = 1 << 4
ARPHRD_ETHER: Final = 1

_AUXILIARY: Final = struct.Struct("=IIIHHHH")  # struct tpacket_auxdata, linux/if_packet.h
_ROOM: Final = socket.CMSG_SPACE(_AUXILIARY.size) + socket.CMSG_SPACE(16)

_PKTTYPES: Final = {
    0: PktType.HOST,
    1: PktType.BROADCAST,
    2: PktType.MULTICAST,
    3: PktType.OTHERHOST,
    4: PktType.OUTGOING,
}


class Capture:
    """The packet socket of one node; *devices* are those whose frames are wanted."""

    def __init__(
        self,
        sandbox: Sandbox,
        node: NodeName,
        devices: Collection[DevName],
        *,
        promiscuous: Sequence[int] = (),
        only: Sequence[int] = (),
    ) -> None:
        """*promiscuous*: interface indexes to watch promiscuously, until this is closed.

        *only*: the kernel is to hand over frames of no other devices than these.
        """
        self.node = node
        self._devices = frozenset(devices)
        protocol = int.from_bytes(struct.pack("=H", ETH_P_ALL), "big")  # network byte order
        self.socket: socket.socket = sandbox.open_socket(
            node, socket.AF_PACKET, socket.SOCK_RAW, protocol
        )
        self.socket.setblocking(False)
        grow(self.socket)
        if only:
            _limit(self.socket, only)
        self.socket.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
        self.socket.setsockopt(SOL_PACKET, PACKET_AUXDATA, 1)
        for index in promiscuous:
            request = struct.pack("=iHH8x", index, PACKET_MR_PROMISC, 0)
            self.socket.setsockopt(SOL_PACKET, PACKET_ADD_MEMBERSHIP, request)

    def read(self) -> Iterator[FrameSeen]:
        """All wanted frames that have arrived."""
        while True:
            try:
                data, extra, _flags, address = self.socket.recvmsg(SNAPLEN, _ROOM)
            except BlockingIOError:
                return
            except OSError as error:
                if error.errno == errno.ENETDOWN:  # a device went down: said once, not fatal
                    continue
                raise
            dev, _protocol, kind, hardware, _mac = address
            pkttype = _PKTTYPES.get(kind)
            if dev not in self._devices or pkttype is None or hardware != ARPHRD_ETHER:
                continue
            out = pkttype is PktType.OUTGOING
            frame, length = _as_sent(data, extra)
            yield FrameSeen(
                at=_stamp(extra),
                dev=DevRef(self.node, DevName(dev)),
                direction=Direction.TRANSMIT if out else Direction.RECEIVE,
                pkttype=pkttype,
                frame=frame,
                length=length,
            )

    def lost(self) -> int:
        """Frames that the kernel had no room for, since the last call."""
        raw = self.socket.getsockopt(SOL_PACKET, PACKET_STATISTICS, 8)
        _seen, dropped = struct.unpack("=II", raw)
        return int(dropped)

    def close(self) -> None:
        """Stop watching; promiscuous mode ends with the socket."""
        self.socket.close()


def grow(made: socket.socket) -> None:
    """As large a receive buffer as we may have."""
    try:
        made.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, BUFFER)
    except PermissionError:  # only root of the machine may pass net.core.rmem_max
        made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER)


def _limit(made: socket.socket, indexes: Sequence[int]) -> None:
    """A classic BPF filter on skb->dev->ifindex (SKF_AD_IFINDEX, linux/filter.h)."""
    import ctypes  # noqa: PLC0415 - wanted on the real host only

    load, equal, answer = 0x20, 0x15, 0x06
    steps = [struct.pack("=HBBI", load, 0, 0, SKF_AD_IFINDEX)]
    for number, index in enumerate(indexes):
        found = len(indexes) - number  # past the refusal
        steps.append(struct.pack("=HBBI", equal, found, 0, index))
    steps += [struct.pack("=HBBI", answer, 0, 0, length) for length in (0, SNAPLEN)]
    program = ctypes.create_string_buffer(b"".join(steps))
    request = struct.pack("@HP", len(steps), ctypes.addressof(program))
    made.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, request)


def _as_sent(data: bytes, extra: list[tuple[int, int, bytes]]) -> tuple[bytes, int]:
    """The frame with the VLAN tag that the kernel keeps beside it, and how long it is in whole."""
    for level, kind, told in extra:
        if level == SOL_PACKET and kind == PACKET_AUXDATA:
            status, length, _snap, _mac, _net, tci, tpid = _AUXILIARY.unpack(told)
            if status & TP_STATUS_VLAN_VALID:
                return data[:12] + struct.pack(">HH", tpid, tci) + data[12:], length + 4
            return data, length
    return data, len(data)


def _stamp(extra: list[tuple[int, int, bytes]]) -> Nanos:
    for level, kind, data in extra:
        if level == socket.SOL_SOCKET and kind == SO_TIMESTAMPNS:
            seconds, nanoseconds = struct.unpack("=qq", data)
            return Nanos(seconds * 1_000_000_000 + nanoseconds)
    return Nanos(0)

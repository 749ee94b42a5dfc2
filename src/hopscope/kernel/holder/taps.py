"""Make a tap device, which no netlink message does; standard library only, for the holder."""

import fcntl
import os
import struct

__all__ = ["make_tap"]

TUNSETIFF, TUNSETPERSIST, TUNSETIFINDEX = 0x400454CA, 0x400454CB, 0x400454DA
IFF_TAP, IFF_NO_PI, IFF_TUN_EXCL = 0x0002, 0x1000, 0x8000


def make_tap(name: str, index: int) -> None:
    """A tap in this process's network namespace, which stays when nobody has it open."""
    descriptor = os.open("/dev/net/tun", os.O_RDWR | os.O_CLOEXEC)
    try:
        fcntl.ioctl(descriptor, TUNSETIFINDEX, struct.pack("=I", index))
        request = struct.pack("=16sH22x", name.encode(), IFF_TAP | IFF_NO_PI | IFF_TUN_EXCL)
        fcntl.ioctl(descriptor, TUNSETIFF, request)
        fcntl.ioctl(descriptor, TUNSETPERSIST, 1)
    finally:
        os.close(descriptor)

"""Trial: what this kernel lets us do, tried in namespaces of a child that lives for a moment.

Everything is asked of the kernel by doing it, since configuration files and version
numbers are only hearsay. Nothing of the machine's own network is touched: the child's
namespaces go with it. It knows what happened, not what that means for a lab.

Asking for a kind of device or queue has the kernel load its module where that is a
module, exactly as the first use of it would.
"""

import ctypes
import errno
import fcntl
import json
import os
import select
import signal
import socket
import struct
import subprocess
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from hopscope.errors import KernelError
from hopscope.kernel import syscalls
from hopscope.kernel.children import Child
from hopscope.kernel.tools import tool_path
from hopscope.kernel.transport import Route
from hopscope.wire.netlink import (
    NETLINK_ADD_MEMBERSHIP,
    NETLINK_EXT_ACK,
    NETLINK_NETFILTER,
    NLM_F_ACK,
    NLM_F_CREATE,
    NLM_F_EXCL,
    NLM_F_REQUEST,
    SOL_NETLINK,
    Message,
    ack,
    nest,
    pack,
    text,
    u8,
    u16,
    u32,
    unpack,
)
from hopscope.wire.nft import NFNLGRP_NFTABLES, NFNLGRP_NFTRACE, log_table, trace_table

__all__ = ["KINDS", "NAMESPACES", "QUEUES", "Tried", "try_out"]

NAMESPACES: Final = {
    "user": syscalls.CLONE_NEWUSER,
    "mnt": syscalls.CLONE_NEWNS,
    "pid": syscalls.CLONE_NEWPID,
    "uts": syscalls.CLONE_NEWUTS,
    "net": syscalls.CLONE_NEWNET,
}
"""By their names in /proc/self/ns, in the order in which they are tried."""

_LOOPBACK: Final = 1  # its index in every namespace
_ON_LOOPBACK: Final = u32(5, _LOOPBACK)  # IFLA_LINK
KINDS: Final[Mapping[str, tuple[bytes, bytes]]] = {
    "bridge": (b"", b""),
    "bridge vlans": (b"", u8(7, 1)),  # IFLA_BR_VLAN_FILTERING
    "veth": (b"", b""),
    "vlan": (_ON_LOOPBACK, u16(1, 10)),  # IFLA_VLAN_ID
    "macvlan": (_ON_LOOPBACK, b""),
    "vxlan": (b"", u32(1, 10)),  # IFLA_VXLAN_ID
    "ifb": (b"", b""),
}
"""Kinds of device, with what each needs beside its name."""

QUEUES: Final = ("netem", "tbf", "htb")

_LOGGING: Final = """\
*nat
-A PREROUTING -p icmp -j LOG --log-prefix "trial-"
COMMIT
*filter
-A FORWARD -p icmp -j LOG --log-prefix "trial-"
COMMIT
"""
"""What the reference lab asks of iptables: LOG, also in nat."""
_CONNTRACK: Final = """\
table ip trial {
  chain forward {
    type filter hook forward priority 0
    ct state established,related accept
  }
}
"""

_TUNSETIFF, _IFF_TAP_NO_PI = 0x400454CA, 0x1002
_BPF_PROG_LOAD, _RAW_TRACEPOINT = 5, 17
_SYS_BPF: Final = {"x86_64": 321, "aarch64": 280, "riscv64": 280, "s390x": 351, "ppc64le": 361}


class Tried(Struct, frozen=True):
    """How one attempt went: an errno, 0 when it went well, and what was said to it."""

    code: int
    said: str = ""

    @property
    def well(self) -> bool:
        """Whether it went well."""
        return self.code == 0


def try_out(*, user: bool, within: float, inside: bool = True) -> dict[str, Tried]:
    """Every attempt's outcome by name; *user*: begin with a user namespace, as non-root must.

    Without *inside*, only the making of the namespaces is tried.
    What is absent was not reached: an earlier namespace failed, or *within* seconds passed.
    """
    reading, writing = os.pipe2(os.O_CLOEXEC)
    pid = os.fork()
    if pid == 0:
        syscalls.end_with_parent(signal.SIGKILL)
        os.close(reading)
        _isolated(writing, user=user, inside=inside)
    child = Child(pid)
    os.close(writing)
    try:
        return _outcomes(reading, time.monotonic() + within)
    finally:
        os.close(reading)
        child.kill()
        child.wait()


def _outcomes(reading: int, deadline: float) -> dict[str, Tried]:
    data = b""
    while select.select([reading], [], [], max(0.0, deadline - time.monotonic()))[0]:
        more = os.read(reading, 1 << 16)
        if not more:
            break
        data += more
    whole = data.splitlines()[: data.count(b"\n")]
    return {name: Tried(code, said) for name, code, said in map(json.loads, whole)}


def _isolated(writing: int, *, user: bool, inside: bool) -> None:
    """In the child: new namespaces one by one, the rest as PID 1 in them; never return."""
    try:
        for name, flag in NAMESPACES.items():
            if name == "user" and not user:
                continue
            if not _attempt(writing, name, lambda flag=flag: _unshare(flag)):  # type: ignore[misc]
                os._exit(0)
        if not inside:
            os._exit(0)
        first = os.fork()
        if first == 0:
            syscalls.end_with_parent(signal.SIGKILL)
            for name, probe in _probes().items():
                _attempt(writing, name, probe)
            os._exit(0)
        os.waitpid(first, 0)
    finally:
        os._exit(0)


def _attempt(writing: int, name: str, probe: Callable[[], str | None]) -> bool:
    try:
        outcome = Tried(0, probe() or "")
    except KernelError as error:
        outcome = Tried(error.code, error.said or os.strerror(error.code))
    except OSError as error:
        outcome = Tried(error.errno or errno.EIO, error.strerror or str(error))
    except Exception as error:  # noqa: BLE001 - a probe that trips must not silence the others
        outcome = Tried(errno.EIO, repr(error))
    line = json.dumps([name, outcome.code, outcome.said]) + "\n"
    os.write(writing, line.encode())
    return outcome.well


def _unshare(flag: int) -> str:
    uid, gid = os.geteuid(), os.getegid()
    syscalls.unshare(flag)
    if flag == syscalls.CLONE_NEWUSER:
        # a restricted namespace is made and then may not even be given its user
        Path("/proc/self/setgroups").write_text("deny")
        Path("/proc/self/uid_map").write_text(f"0 {uid} 1")
        Path("/proc/self/gid_map").write_text(f"0 {gid} 1")
    return ""


def _probes() -> dict[str, Callable[[], str | None]]:
    """In the order in which they need each other."""
    route = Route(socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE), "trial")
    return {
        "mounts": _mounts,
        "proc": lambda: _mount("proc", "/proc"),
        "sysfs": lambda: _mount("sysfs", "/sys"),
        "sysctl": lambda: _write("net/ipv4/ip_forward", "1"),
        **{kind: lambda kind=kind: _add_device(route, kind) for kind in KINDS},  # type: ignore[misc]
        "tun": _tun,
        **{kind: lambda kind=kind: _add_queue(route, kind) for kind in QUEUES},  # type: ignore[misc]
        "br_netfilter": lambda: _read("net/bridge/bridge-nf-call-iptables"),
        "trace": _trace,
        "log": _log,
        "iptables": lambda: _tool(["iptables-restore", "--noflush", "-w", "5"], _LOGGING),
        "ip6tables": lambda: _tool(["ip6tables-restore", "--noflush"], "*filter\nCOMMIT\n"),
        "nft": lambda: _tool(["nft", "-j", "list", "ruleset"], ""),
        "conntrack": lambda: _tool(["nft", "-f", "-"], _CONNTRACK),
        "bpf": _bpf,
    }


def _mounts() -> None:
    syscalls.mount("none", "/", None, syscalls.MS_REC | syscalls.MS_PRIVATE)
    syscalls.mount("tmpfs", "/run", "tmpfs", syscalls.MS_NOSUID | syscalls.MS_NODEV, "mode=0755")


def _mount(kind: str, target: str) -> None:
    quiet = syscalls.MS_NOSUID | syscalls.MS_NODEV | syscalls.MS_NOEXEC
    syscalls.mount(kind, target, kind, quiet)


def _read(path: str) -> str:
    return (Path("/proc/sys") / path).read_text().strip()


def _write(path: str, value: str) -> None:
    (Path("/proc/sys") / path).write_text(value)


def _add_device(route: Route, kind: str) -> None:
    more, options = KINDS[kind]
    word, *_rest = kind.split()
    name = f"trial-{kind.replace(' ', '')}"[:15]
    info = text(1, word) + (nest(2, options) if options else b"")  # IFLA_INFO_KIND, _DATA
    body = bytes(16) + text(3, name) + more + nest(18, info)  # IFLA_IFNAME, _LINKINFO
    try:
        route.send([Message(16, NLM_F_CREATE | NLM_F_EXCL, body)])  # RTM_NEWLINK
    except KernelError as error:
        # the kernel knows the kind, and does not like it on the loopback device
        if error.code == errno.EOPNOTSUPP or not more:
            raise


def _add_queue(route: Route, kind: str) -> None:
    """Without options: a kind that is not known is told apart from one that misses them."""
    where = struct.pack("=BxxxiIII", 0, _LOOPBACK, 0x10000, 0xFFFFFFFF, 0)
    try:
        route.send([Message(36, NLM_F_CREATE | NLM_F_EXCL, where + text(1, kind))])
    except KernelError as error:
        if error.code == errno.ENOENT:
            raise


def _tun() -> None:
    descriptor = os.open("/dev/net/tun", os.O_RDWR | os.O_CLOEXEC)
    try:
        fcntl.ioctl(descriptor, _TUNSETIFF, struct.pack("=16sH22x", b"trial0", _IFF_TAP_NO_PI))
    finally:
        os.close(descriptor)


def _netfilter() -> socket.socket:
    return socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_NETFILTER)


def _trace() -> None:
    """The very table with which pings are traced, and a member of the trace group."""
    with _netfilter() as hears, _netfilter() as owner:
        hears.setsockopt(SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, NFNLGRP_NFTRACE)
        _acknowledged(owner, trace_table("hopscope-trial", ["192.0.2.1"]))


def _log() -> None:
    """The table that finds out which LOG rules match, and a member of the group of changes."""
    with _netfilter() as hears, _netfilter() as owner:
        hears.setsockopt(SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, NFNLGRP_NFTABLES)
        _acknowledged(owner, log_table())


def _acknowledged(made: socket.socket, messages: list[Message]) -> None:
    """Send one nf_tables batch; the last message before its end is acknowledged."""
    made.setsockopt(SOL_NETLINK, NETLINK_EXT_ACK, 1)
    last = len(messages) - 2
    flags = [NLM_F_REQUEST | (NLM_F_ACK if at == last else 0) for at in range(len(messages))]
    made.send(
        b"".join(
            pack(replace(message, flags=message.flags | flag, seq=at))
            for at, (message, flag) in enumerate(zip(messages, flags, strict=True))
        )
    )
    while True:
        for message in unpack(made.recv(1 << 16)):
            answer = ack(message)
            if answer is not None and answer.code:
                raise KernelError(answer.code, "trial", answer.said)
            if answer is not None and answer.seq == last:
                return


def _tool(argv: list[str], stdin: str) -> str:
    """Run a tool; what it says when it fails is the error."""
    environment = {"PATH": tool_path(), "LC_ALL": "C"}
    done = subprocess.run(
        argv, input=stdin, capture_output=True, text=True, check=False, env=environment
    )
    if done.returncode:
        said = " ".join(done.stderr.split()) or f"exit status {done.returncode}"
        raise OSError(errno.EPROTO, said)
    return ""


def _bpf() -> None:
    """Load, and attach nowhere, the smallest raw tracepoint program: r0 = 0; exit."""
    number = _SYS_BPF.get(os.uname().machine)
    if number is None:
        raise OSError(errno.ENOSYS, "bpf() is not tried on this architecture")
    code = ctypes.create_string_buffer(struct.pack("=BBhiBBhi", 0xB7, 0, 0, 0, 0x95, 0, 0, 0))
    gpl = ctypes.create_string_buffer(b"GPL")
    fields = (_RAW_TRACEPOINT, 2, ctypes.addressof(code), ctypes.addressof(gpl))
    request = ctypes.create_string_buffer(struct.pack("=IIQQ", *fields), 128)
    libc = ctypes.CDLL(None, use_errno=True)
    loaded = libc.syscall(number, _BPF_PROG_LOAD, request, 128)
    if loaded < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    os.close(loaded)

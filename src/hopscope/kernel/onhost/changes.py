"""Changes to the machine's real network namespace, for --on-host: looked at first, undone exactly.

Before anything is made, the host is read: a device of a name that the lab wants must not
exist. Everything made carries our mark: a device its alias, and from its first moment an
interface index that only we chose; a rule its comment. What must be restored is written
to the lab's record before it is changed, so that the guardian, or `down`, or the next
`up` after a kill, can restore it.

One lab at a time: two could not both be undone exactly, each having seen the other's host.
"""

import contextlib
import errno
import json
import os
import socket
import struct
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final, Self

from msgspec import Struct, field, to_builtins
from msgspec.json import decode as json_decode

from hopscope.errors import (
    CannotError,
    KernelError,
    OwnedByOthersError,
    ToolError,
    UnreadableRecordError,
    UsageError,
)
from hopscope.kernel.onhost.limits import check_layer3, check_sysctl, follows
from hopscope.kernel.onhost.marks import deletions, with_mark
from hopscope.kernel.onhost.tables import FAMILIES, holding, quietly, remove_unused
from hopscope.kernel.records import LabFile, record_in, state_home
from hopscope.kernel.tools import USUAL
from hopscope.kernel.transport import Route
from hopscope.model.lab import LabSpec, NodeSpec
from hopscope.model.vocab import DevName
from hopscope.plan.names import HOME, alias_of, device_refs, sysctl_path
from hopscope.wire import rtnl
from hopscope.wire.netlink import attributes

__all__ = ["HostChanges", "reserve"]

_SYSCTLS: Final = Path("/proc/sys")
_BOOT: Final = Path("/proc/sys/kernel/random/boot_id")
_SO_NETNS_COOKIE: Final = 71
_ONLY: Final = "\0hopscope-on-host"  # an abstract socket: one per network namespace


def reserve() -> socket.socket:
    """Be the one lab on this host, as long as the socket or a copy of it is open.

    Raises UsageError when there is another.
    """
    made = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    try:
        made.bind(_ONLY)
    except OSError as error:
        made.close()
        if error.errno != errno.EADDRINUSE:
            raise
        message = (
            "another lab stands on this host, and each can be undone exactly only if it is "
            "alone; end that one (hopscope ls, hopscope down), or leave out --on-host"
        )
        raise UsageError(message) from None
    return made


class HostChanges(Struct, kw_only=True, forbid_unknown_fields=True):
    """What one lab changes on the real host, and how it was before."""

    lab: str
    boot: str  # of the machine; what was changed before a reboot is gone
    netns: str = ""  # the one that was changed, see `_here`; older records do not tell
    devices: dict[DevName, int]  # those that we make, by an index that nobody else chooses
    sysctls: dict[str, str] = field(default_factory=dict)  # path below /proc/sys → before
    rules: list[list[str]] = field(default_factory=list)  # argument lists that delete our rules
    tables: dict[str, list[str]] = field(default_factory=dict)  # tool → tables and chains before

    @classmethod
    def prepare(cls, spec: LabSpec) -> Self:
        """Look at the host, and refuse what would touch anything that is not ours.

        Raises OwnedByOthersError naming the device, UsageError for what cannot be undone.
        """
        host = _checked(spec)
        made = cls(lab=spec.name, boot=_BOOT.read_text().strip(), netns=_here(), devices={})
        made.expect(host, _devices(spec))
        return made

    def revised(self, spec: LabSpec) -> Self:
        """What there is to undo while the lab becomes that of *spec*: of both, and half-way.

        Raises as `prepare`.
        """
        host = _checked(spec)
        made = self.load(self.dump())
        made.expect(host, _devices(spec))
        return made

    def settled(self, spec: LabSpec, rules: list[list[str]]) -> Self:
        """What there is to undo when the lab is that of *spec*: all else is as it was before.

        *rules*: what deletes those that it has.
        """
        made = self.load(self.dump())
        declared, there = _devices(spec), {index for _name, index, _alias in _links()}
        made.devices = {d: i for d, i in self.devices.items() if d in declared or i in there}
        paths = [sysctl_path(sysctl.key) for sysctl in spec.node(HOME).sysctls]
        lasting = {one for path in paths for one in (path, *follows(path))}
        for path, value in self.sysctls.items():
            file = _SYSCTLS / path
            if path not in lasting and file.exists() and file.read_text().strip() == value:
                del made.sysctls[path]
        made.rules = rules
        return made

    def expect(self, host: NodeSpec, devices: Sequence[DevName]) -> None:
        """Look at the host for what is wanted of it, and keep how it is."""
        free = max(self.devices.values(), default=_some_index()) + 1
        for dev in devices:
            free += self.devices.setdefault(dev, free) == free
        self._refuse_foreign(devices)
        with _route() as route:
            check_layer3(host, self.devices, route)
        for sysctl in host.sysctls:
            self.remember_sysctl(sysctl_path(sysctl.key))
        if not self.rules:  # ours have brought none into being yet
            self.tables = {tool: list(holding(tool)) for tool in FAMILIES}

    @property
    def mark(self) -> str:
        """What our devices and rules carry."""
        return alias_of(self.lab)

    def _refuse_foreign(self, devices: Sequence[DevName]) -> None:
        there = {name: (index, alias) for name, index, alias in _links()}
        for dev in devices:
            index, alias = there.get(dev, (self.devices[dev], ""))
            if index == self.devices[dev]:
                continue
            if alias.startswith(alias_of("")):
                owner = alias.removeprefix(alias_of(""))
                message = f"the device {dev} is that of lab {owner!r}, which stands on this host"
                raise UsageError(message)
            raise OwnedByOthersError(f"the device {dev}")

    def remember_sysctl(self, path: str) -> None:
        """Keep what it is before we change it, and what the kernel changes along with it.

        The first value seen is the one to restore. Raises UsageError for one that cannot be.
        """
        check_sysctl(path, self.devices)
        for one in (path, *follows(path)):
            parts = one.split("/")
            if not any(dev in parts for dev in self.devices):
                with contextlib.suppress(FileNotFoundError):
                    self.sysctls.setdefault(one, (_SYSCTLS / one).read_text().strip())

    def own_rules(self, tool: str, lines: Sequence[str]) -> list[str]:
        """The rules with our comment on each; remembers how to delete them.

        Raises UsageError for what is no single rule (a policy, a flush): it could not be
        taken back without touching what is not ours. CannotError without nft.
        """
        import shutil  # noqa: PLC0415 - slow to load, and wanted on the real host only

        if lines and shutil.which("nft", path=USUAL) is None:
            what = (
                "without nft the tables that rules bring into being on this host cannot be removed"
            )
            raise CannotError(what, mend="apt-get install nftables   (as root)")
        marked = with_mark(lines, self.mark)
        self.rules += deletions(tool, marked)
        return marked

    def dump(self) -> str:
        """As JSON, for the lab's record."""
        return json.dumps(to_builtins(self))

    @classmethod
    def load(cls, text: str) -> Self:
        """What `dump` wrote. ValueError when it holds what we would not undo."""
        return json_decode(text, type=cls)

    @classmethod
    def of(cls, lab: LabFile, folder: Path | None = None) -> Self | None:
        """What a lab's record says that is to be undone; None for a lab that is not on the host.

        *folder*: of the record, where that is not the lab's. Raises UnreadableRecordError.
        """
        if not lab.undo:
            return None
        try:
            return cls.load(lab.undo)
        except ValueError as error:
            file = record_in(folder or state_home() / lab.name)
            why = f"what to undo on this host is not told as this version knows it: {error}"
            raise UnreadableRecordError(lab.name, file, why) from error

    def undo(self) -> None:
        """Restore the host; asked twice it does nothing more. Only marked objects are removed.

        Everything is tried before an error is raised; nothing, when `check_here` raises.
        """
        if self.boot != _BOOT.read_text().strip():
            return
        self.check_here()
        failed: list[Exception] = []
        with _noted(failed):
            self._undo_rules(failed)
        with _noted(failed):
            self._undo_devices(failed)
        self._undo_sysctls(failed)
        with _noted(failed):
            self.undo_tables()
        if failed:
            raise failed[0]

    def check_here(self, enter: str = "") -> None:
        """CannotError when it is another network namespace than this that is to be restored.

        *enter*: the command that leads there, where one is known.
        """
        if self.boot != _BOOT.read_text().strip() or self.netns in ("", _here()):
            return
        what = (
            f"lab {self.lab!r} was made on another host than this, in the network namespace "
            f"{self.netns.split()[0]}; only there can be undone what it changed"
        )
        there = "" if enter else "   (there: see lsns --type net)"
        raise CannotError(what, mend=f"{enter}hopscope down {self.lab}{there}")

    def undo_tables(self) -> None:
        """Remove the chains and tables that our rules brought into being, if nobody uses them."""
        for tool, before in self.tables.items() if self.rules else ():
            remove_unused(tool, before)

    def _undo_rules(self, failed: list[Exception]) -> None:
        for argv in reversed(self.rules):
            quietly(argv)
        for tool in {argv[0] for argv in self.rules}:
            left = [line for line in quietly([f"{tool}-save"]).splitlines() if self.mark in line]
            if left:
                why = f"left: {left[0]}"
                failed.append(ToolError(tool, "taking back our rules on this host", why))

    def _undo_devices(self, failed: list[Exception]) -> None:
        ours = frozenset(self.devices.values())
        with _route() as route:
            for _name, index, alias in _links():
                if alias == self.mark or index in ours:
                    with _noted(failed):
                        _delete(route, index)

    def _undo_sysctls(self, failed: list[Exception]) -> None:
        """In the order in which they were remembered: what follows another comes after it."""
        for path, value in self.sysctls.items():
            with _noted(failed):
                file = _SYSCTLS / path
                if file.exists() and file.read_text().strip() != value:
                    file.write_text(value)


@contextlib.contextmanager
def _noted(failed: list[Exception]) -> Iterator[None]:
    """What fails keeps nothing else from being undone."""
    try:
        yield
    except (KernelError, ToolError, OSError) as error:
        failed.append(error)


def _delete(route: Route, index: int) -> None:
    try:
        route.send([rtnl.delete_link(index)])
    except KernelError as error:  # its other end's end may be its own
        if error.code != errno.ENODEV:
            raise


def _here() -> str:
    """The network namespace that we are in, as no other is called before the next reboot.

    Its number is what people see of it, and another's once it has gone; its cookie is never given
    again (since Linux 5.14).
    """
    number = Path("/proc/thread-self/ns/net").readlink()
    with socket.socket(socket.AF_UNIX) as any_socket:
        try:
            cookie = any_socket.getsockopt(socket.SOL_SOCKET, _SO_NETNS_COOKIE, 8)
        except OSError:
            return str(number)
    return f"{number} {int.from_bytes(cookie, sys.byteorder)}"


def _checked(spec: LabSpec) -> NodeSpec:
    """The node that is the host, if all that is asked of it can be taken back."""
    if os.geteuid() != 0:
        what = "--on-host changes the machine's own network namespace, which takes root"
        raise CannotError(what, mend="sudo hopscope … --on-host, or leave it out")
    if all(node.name != HOME for node in spec.nodes):
        message = f"--on-host needs a node named {HOME!r} in the lab"
        raise UsageError(message)
    host = spec.node(HOME)
    if host.nft:
        message = (
            "with --on-host the node 'host' takes iptables rules, not an nft script: "
            "only single rules can be taken back exactly"
        )
        raise UsageError(message)
    return host


def _some_index() -> int:
    """One that the kernel does not come to by counting, and that another lab hardly chooses."""
    return (1 << 20) + int.from_bytes(os.urandom(4)) % (1 << 29)


def _devices(spec: LabSpec) -> list[DevName]:
    """Our devices on the host."""
    return [ref.dev for ref in device_refs(spec) if ref.node == HOME]


@contextlib.contextmanager
def _route() -> Iterator[Route]:
    kind = socket.SOCK_RAW | socket.SOCK_CLOEXEC
    route = Route(socket.socket(socket.AF_NETLINK, kind, socket.NETLINK_ROUTE), HOME)
    try:
        yield route
    finally:
        route.close()


def _links() -> list[tuple[str, int, str]]:
    """The host's devices: name, index, alias. /sys may show another namespace's."""
    with _route() as route:
        answers = route.ask(rtnl.dump_links())
    found: list[tuple[str, int, str]] = []
    for answer in answers:
        parts = attributes(answer.payload[16:])
        words = [
            parts.get(kind, b"").rstrip(b"\0").decode(errors="replace")
            for kind in (rtnl.IFLA_IFNAME, rtnl.IFLA_IFALIAS)
        ]
        index: int = struct.unpack_from("=i", answer.payload, 4)[0]
        found.append((words[0], index, words[1]))
    return found

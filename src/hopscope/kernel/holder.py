"""The holder: the one small process that keeps a lab's namespaces alive, and opens things in them.

Run in an interpreter of its own that sees no installed package (``python -I -S``), so it
uses nothing but the standard library and its neighbour `recorder`, and starts in a few
milliseconds.

Theory of operation. The first process unshares user (unless it is root), mount, PID
and network namespaces, tells its child's PID, and ends. The child is PID 1 of the new
PID namespace: when it dies, for whatever reason, the kernel kills every process of the
lab and frees its mounts, and with them every network namespace. It answers requests,
one JSON datagram each, with file descriptors beside it, on a control socket that it
inherits (its end of life: when the other end closes, it ends, unless told `detach`) and
on connections to a listening socket. Only this process ever changes namespaces.
"""

import array
import contextlib
import ctypes
import errno
import json
import os
import select
import signal
import socket
import struct
import sys
import time
from typing import Any

from hopscope.kernel.recorder import Recorder

__all__ = ["MOST_FDS", "RECORD", "main"]

CLONE_NEWNS = 0x00020000
CLONE_NEWUTS = 0x04000000
CLONE_NEWUSER = 0x10000000
CLONE_NEWPID = 0x20000000
CLONE_NEWNET = 0x40000000
MS_BIND, MS_REC, MS_PRIVATE = 0x1000, 0x4000, 1 << 18
MS_NOSUID, MS_NODEV, MS_NOEXEC = 2, 4, 8
NETNS_DIR = "/run/netns"
MOST_FDS = 250  # SCM_MAX_FD is 253
DOORS = ("user", "pid", "uts", "mnt")
RECORD = struct.Struct("=QII")  # time, index of the node, length

_libc = ctypes.CDLL(None, use_errno=True)


def _call(name: str, *arguments: object) -> None:
    if getattr(_libc, name)(*arguments) != 0:
        code = ctypes.get_errno()
        raise OSError(code, f"{name}: {os.strerror(code)}")


def unshare(flags: int) -> None:
    """Move this process into new namespaces."""
    _call("unshare", flags)


def setns(fd: int, kind: int = CLONE_NEWNET) -> None:
    """Move this process into the namespace that *fd* names."""
    _call("setns", fd, kind)


def mount(source: str, target: str, kind: str | None, flags: int, data: str | None = None) -> None:
    """mount(2)."""
    encoded = [None if word is None else word.encode() for word in (source, target, kind)]
    _call("mount", *encoded, ctypes.c_ulong(flags), None if data is None else data.encode())


def main() -> None:
    """Unshare, fork, report the PID of the holder proper, end."""
    config = json.loads(sys.argv[1])
    control = socket.socket(fileno=config["control"])
    try:
        _isolate(config)
    except OSError as error:
        control.send(json.dumps({"error": error.errno, "doing": str(error)}).encode())
        os._exit(1)
    pid = os.fork()
    if pid:
        control.send(json.dumps({"pid": pid}).encode())
        os._exit(0)
    os.setsid()
    with open("/proc/self/oom_score_adj", "w") as adj, contextlib.suppress(OSError):
        adj.write("0")
    Holder(config, control).serve()


def _isolate(config: dict[str, Any]) -> None:
    uid, gid = os.geteuid(), os.getegid()
    flags = CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWUTS
    if not config["on_host"]:
        flags |= CLONE_NEWNET
    if not config["user"]:
        unshare(flags)
        return
    unshare(flags | CLONE_NEWUSER)
    for name, text in (
        ("setgroups", "deny"),
        ("uid_map", f"0 {uid} 1"),
        ("gid_map", f"0 {gid} 1"),
    ):
        with open(f"/proc/self/{name}", "w") as file:
            file.write(text)


class Holder:
    """PID 1 of a lab."""

    def __init__(self, config: dict[str, Any], control: socket.socket) -> None:
        self.control = control
        self.listener = socket.socket(fileno=config["listen"]) if config["listen"] >= 0 else None
        self.log = config["log"]
        self.names: list[str] = []
        self.recorded: dict[int, tuple[int, Recorder]] = {}  # descriptor → its node's
        self.kept: set[int] = set()  # descriptors that live as long as the lab
        self.clients: dict[int, socket.socket] = {control.fileno(): control}
        self.children: dict[int, tuple[socket.socket, int]] = {}  # pid → who waits, request
        self.detached = False
        self.notes: list[str] = []
        self.mount_all(config["name"])
        self.home = os.open("/proc/self/ns/net", os.O_RDONLY | os.O_CLOEXEC)

    def mount_all(self, name: str) -> None:
        """A private view: own /proc, /sys, /run, and host name."""
        mount("none", "/", None, MS_REC | MS_PRIVATE)
        quiet = MS_NOSUID | MS_NODEV | MS_NOEXEC
        for kind, target in (("proc", "/proc"), ("sysfs", "/sys")):
            try:
                mount(kind, target, kind, quiet)
            except OSError as error:  # a container may forbid it: the old one stays
                self.notes.append(f"{target}: {error.strerror}")
        mount("tmpfs", "/run", "tmpfs", MS_NOSUID | MS_NODEV, "mode=0755")
        os.mkdir(NETNS_DIR)
        _libc.sethostname(name.encode(), len(name.encode()))

    def serve(self) -> None:
        """Answer until told to stop, or until the one who started us is gone."""
        wake_read, wake_write = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        signal.set_wakeup_fd(wake_write, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
        for ignored in (signal.SIGINT, signal.SIGHUP, signal.SIGPIPE, signal.SIGQUIT):
            signal.signal(ignored, signal.SIG_IGN)
        self.poller = select.epoll()
        self.poller.register(wake_read, select.EPOLLIN)
        self.poller.register(self.control, select.EPOLLIN)
        if self.listener:
            self.poller.register(self.listener, select.EPOLLIN)
        self.control.send(json.dumps({"ready": True, "notes": self.notes}).encode())
        while True:
            for fd, _ in self.poller.poll():
                if fd == wake_read:
                    with contextlib.suppress(BlockingIOError):
                        os.read(wake_read, 4096)
                    self.reap()
                elif self.listener and fd == self.listener.fileno():
                    client, _address = self.listener.accept()
                    self.clients[client.fileno()] = client
                    self.poller.register(client, select.EPOLLIN)
                elif fd in self.recorded:
                    self.drain(fd)
                elif fd in self.clients:
                    self.answer(self.clients[fd])

    def answer(self, client: socket.socket) -> None:
        """Serve one request, or see that the client is gone."""
        fds: list[int] = []
        try:
            space = socket.CMSG_SPACE(4 * MOST_FDS)
            data, control, _flags, _address = client.recvmsg(1 << 20, space)
            for _level, _type, packed in control:
                got = array.array("i")
                got.frombytes(packed[: len(packed) - len(packed) % got.itemsize])
                fds.extend(got)
        except ConnectionError:
            data = b""
        if not data:
            self.leave(client)
            return
        request = json.loads(data)
        try:
            reply, out = getattr(self, "do_" + request["do"])(client, request, fds)
        except OSError as error:
            reply, out = {"error": error.errno or errno.EIO, "doing": str(error)}, []
        finally:
            for fd in fds:
                if fd not in self.kept:
                    os.close(fd)
        if reply is not None:
            self.reply(client, request, reply, out)

    def reply(
        self, client: socket.socket, request: dict[str, Any], reply: dict[str, Any], out: list[int]
    ) -> None:
        """Send one answer; a client that left meanwhile is no error."""
        with contextlib.suppress(OSError):
            socket.send_fds(client, [json.dumps({"id": request["id"], **reply}).encode()], out)
        for fd in out:
            os.close(fd)

    def leave(self, client: socket.socket) -> None:
        """A client closed its end; the first one takes the lab with it, unless detached."""
        if client is self.control and not self.detached:
            os._exit(0)
        self.poller.unregister(client)
        del self.clients[client.fileno()]
        for pid, (waiting, _) in list(self.children.items()):
            if waiting is client:
                os.kill(pid, signal.SIGKILL)
        client.close()

    def reap(self) -> None:
        """Collect ended processes; whoever started one is told its wait status."""
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            client, request = self.children.pop(pid, (None, 0))
            if client is not None and client.fileno() >= 0:
                self.reply(client, {"id": request}, {"status": status}, [])

    def inside(self, node: str) -> contextlib.AbstractContextManager[None]:
        """Be in *node*'s network namespace for a while."""
        fd = os.open(f"{NETNS_DIR}/{node}", os.O_RDONLY | os.O_CLOEXEC)
        try:
            setns(fd)
        finally:
            os.close(fd)
        stack = contextlib.ExitStack()
        stack.callback(setns, self.home)
        return stack

    def do_nodes(self, _client: object, request: dict[str, Any], _fds: list[int]) -> Any:
        """Make a network namespace per name; *home* is the holder's own."""
        try:
            for name in request["names"]:
                target = f"{NETNS_DIR}/{name}"
                os.close(os.open(target, os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o444))
                if name == request["home"]:
                    setns(self.home)
                else:
                    unshare(CLONE_NEWNET)
                mount("/proc/self/ns/net", target, "none", MS_BIND)
                self.names.append(name)
        finally:
            setns(self.home)
        return {}, []

    def do_sockets(self, _client: object, request: dict[str, Any], _fds: list[int]) -> Any:
        """Open sockets: [[node, family, type, protocol], …]."""
        out: list[int] = []
        try:
            for node, family, kind, protocol in request["sockets"]:
                with self.inside(node):
                    out.append(socket.socket(family, kind, protocol).detach())
        except OSError:
            for fd in out:
                os.close(fd)
            raise
        return {}, out

    def do_namespaces(self, _client: object, request: dict[str, Any], _fds: list[int]) -> Any:
        """Descriptors of the namespaces themselves."""
        flags = os.O_RDONLY | os.O_CLOEXEC
        return {}, [os.open(f"{NETNS_DIR}/{name}", flags) for name in request["names"]]

    def do_doors(self, _client: object, request: dict[str, Any], _fds: list[int]) -> Any:
        """Descriptors of all that a process enters: the lab's namespaces, a node's network last."""
        flags = os.O_RDONLY | os.O_CLOEXEC
        paths = [f"/proc/self/ns/{kind}" for kind in DOORS]
        return {}, [os.open(path, flags) for path in (*paths, f"{NETNS_DIR}/{request['node']}")]

    def do_write(self, _client: object, request: dict[str, Any], _fds: list[int]) -> Any:
        """Write sysctl files as the node sees them; an errno each, 0 when it went well."""
        codes = []
        with self.inside(request["node"]):
            for path, text in request["files"]:
                try:
                    with open(path, "w") as file:
                        file.write(text)
                    codes.append(0)
                except OSError as error:
                    codes.append(error.errno or errno.EIO)
        return {"codes": codes}, []

    def do_read(self, _client: object, request: dict[str, Any], _fds: list[int]) -> Any:
        """Read /proc files as the node sees them; None for what is absent."""
        texts: dict[str, str | None] = {}
        with self.inside(request["node"]):
            for path in request["paths"]:
                try:
                    with open(path) as file:
                        texts[path] = file.read()
                except OSError:
                    texts[path] = None
        return {"texts": texts}, []

    def do_run(self, client: socket.socket, request: dict[str, Any], fds: list[int]) -> Any:
        """Start a program in a node with *fds* as its input, output and errors."""
        pid = os.fork()
        if pid == 0:
            self.become(request, fds)
        self.children[pid] = (client, request["id"])
        return None, []

    def become(self, request: dict[str, Any], fds: list[int]) -> None:
        """In the child: enter the node and turn into the program, or say why not."""
        try:
            signal.set_wakeup_fd(-1)
            for number in (signal.SIGINT, signal.SIGHUP, signal.SIGPIPE, signal.SIGQUIT):
                signal.signal(number, signal.SIG_DFL)
            self.inside(request["node"])
            for target, fd in enumerate(fds):
                os.dup2(fd, target)
            os.execvpe(request["argv"][0], request["argv"], request["env"])
        except FileNotFoundError:
            os._exit(127)
        except BaseException as error:  # noqa: BLE001 - nothing may return from this child
            os.write(2, str(error).encode())
            os._exit(126)

    def do_record(self, _client: object, request: dict[str, Any], fds: list[int]) -> Any:
        """Keep *fds*, and record what LOG rules do as the first of each two brings it.

        The second of the two owns the table that makes the kernel report.
        """
        self.kept.update(fds)
        for fd, node in zip(fds[::2], request["nodes"], strict=True):
            os.set_blocking(fd, False)
            self.recorded[fd] = (self.names.index(node), Recorder())
            self.poller.register(fd, select.EPOLLIN)
        return {}, []

    def do_flush(self, _client: object, _request: dict[str, Any], _fds: list[int]) -> Any:
        """Record all that has arrived by now; answers the log's size."""
        for fd in self.recorded:
            self.drain(fd)
        return {"size": os.fstat(self.log).st_size}, []

    def drain(self, fd: int) -> None:
        """Append what is to be kept of a node's reports. A full disk loses lines, not the lab."""
        node, recorder = self.recorded[fd]
        while True:
            try:
                data = os.read(fd, 1 << 17)
            except BlockingIOError:
                return
            except OSError as error:
                if error.errno != errno.ENOBUFS:
                    return
                self.append(node, b"")  # an overrun is recorded as an empty message
                continue
            for message in recorder.keep(data):
                self.append(node, message)

    def append(self, node: int, message: bytes) -> None:
        """One entry of the log file, whole or not at all."""
        entry = RECORD.pack(time.time_ns(), node, len(message)) + message
        size = os.fstat(self.log).st_size
        try:
            if os.write(self.log, entry) != len(entry):
                os.ftruncate(self.log, size)
        except OSError:
            with contextlib.suppress(OSError):
                os.ftruncate(self.log, size)

    def do_detach(self, _client: object, _request: dict[str, Any], _fds: list[int]) -> Any:
        """From now on live until told to stop, and hold nothing of whoever started us.

        A pipe kept open would have its reader wait for us: ``$(hopscope up bridge)``.
        """
        self.detached = True
        null = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
        for descriptor in (1, 2):
            os.dup2(null, descriptor)
        os.close(null)
        return {}, []

    def do_stop(self, _client: object, _request: dict[str, Any], _fds: list[int]) -> Any:
        """End; the kernel frees everything."""
        os._exit(0)

"""The holder: the one small process that keeps a lab's namespaces alive, and opens things in them.

Run in an interpreter of its own that sees no installed package (``python -I -S``), so it
uses nothing but the standard library and its neighbours in `kernel` that say so, and
starts in a few milliseconds.

Theory of operation. The first process makes a PID namespace (and, unless it is root, a
user namespace), forks the holder into it, and ends; with --on-host it stays
as the `guardian`. The holder is PID 1 there: when it dies, for whatever reason, the kernel
kills every process of the lab and frees its mounts, and with them every network namespace.
It answers requests, one `letters` message each, on a control socket that it inherits (its
end of life: when the other end closes, it ends, unless told `detach`) and on connections
to a listening socket. Nobody who asks it changes namespaces.
"""

import contextlib
import functools
import itertools
import os
import resource
import select
import signal
import socket
import sys
from typing import Any, NoReturn

from hopscope.kernel import letters
from hopscope.kernel.holder.becoming import become
from hopscope.kernel.holder.births import all_or_none, make
from hopscope.kernel.holder.client import Client
from hopscope.kernel.holder.confine import BOUNDS, SIZE, freeze, lock, named_namespaces
from hopscope.kernel.holder.emptying import empty
from hopscope.kernel.holder.place import Place
from hopscope.kernel.holder.procfiles import ProcFiles
from hopscope.kernel.holder.recording import Recording
from hopscope.kernel.holder.settle import called, isolate, mount_all, settle, told
from hopscope.kernel.holding import hold_to_the_end
from hopscope.kernel.syscalls import (
    CLONE_NEWNET,
    CLONE_NEWNS,
    CLONE_NEWPID,
    CLONE_NEWUTS,
    sender_of,
    setns,
    signal_file,
    unshare,
)

__all__ = ["main"]

NETNS_DIR = "/run/netns"


def main() -> None:
    """Fork the holder proper into its namespaces; end, or guard the host.

    What to hold comes as the first letter, with the descriptors of its listening socket, its log
    and its lock, and of what else is to stay open.
    """
    control = socket.socket(fileno=int(sys.argv[1]))
    settle(control.fileno())
    config, (config["listen"], config["log"], config["lock"], *kept) = called(control)
    if config["on_host"] and os.fork():
        os._exit(0)
    guardian = os.pidfd_open(os.getpid()) if config["on_host"] else -1
    home = _open("/proc/self/ns/pid")
    with told(control):
        isolate(user=config["user"], nobody=config["confined"] and os.geteuid() == 0)
    pid = os.fork()
    if pid == 0:
        with told(control):
            Holder(config, control).serve(guardian)
    if config["on_host"]:
        for fd in (control.fileno(), config["listen"], config["log"]):  # or the holder seems alive
            os.close(fd)
        sys.path.append(config["packages"])
        from hopscope.kernel.onhost import guardian as keeper  # noqa: PLC0415 - wanted by few

        setns(home, CLONE_NEWPID)  # a PID namespace that is dead can have no more processes
        keeper.guard(pid, config["folder"], config["lock"], kept)
    os._exit(0)


class Holder:
    """PID 1 of a lab."""

    def __init__(self, config: dict[str, Any], control: socket.socket) -> None:
        self.poller: select.epoll = select.epoll()
        self.control: Client = Client(control, self.poller)
        self.listener: socket.socket = socket.socket(fileno=config["listen"])
        self.recording: Recording = Recording(config["log"])
        self.lock: int = config["lock"]
        self.names: list[str] = []
        self.home_node: str | None = None
        self.clients: dict[int, Client] = {control.fileno(): self.control}
        self.children: dict[int, tuple[Client, int]] = {}  # pid → who waits, request
        self.processes: Any = None  # of `kernel.holder.processes`, once there are some
        self.detached: bool = False
        self.notes: list[str] = []
        most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        files = min(config["files"], most), most
        self.limits: dict[int, tuple[int, int]] = {resource.RLIMIT_NOFILE: files}  # of programs
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
        confined: bool = config["confined"]
        folder = "" if confined else config["folder"]  # that never outlives its maker
        self.place: Place = Place(folder, self.lock)  # before the lab's own /run may cover it
        unshare(CLONE_NEWNS | CLONE_NEWUTS | (0 if config["on_host"] else CLONE_NEWNET))
        if confined:
            self.limits |= BOUNDS
            freeze()
        self.notes += mount_all(config["name"], SIZE if confined else "", NETNS_DIR)
        self.proc: ProcFiles = ProcFiles()
        if confined:
            lock()
        self.home: int = _open("/proc/self/ns/net")

    def serve(self, guardian: int) -> None:
        """Answer until told to stop, or until the one who started us is gone."""
        wake_read, wake_write = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        signal.set_wakeup_fd(wake_write, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        told_to_end = signal_file(signal.SIGTERM)
        self.lives: list[int] = [fd for fd in (os.pidfd_open(os.getpid()), guardian) if fd >= 0]
        for source in (wake_read, told_to_end, self.listener):
            self.poller.register(source, select.EPOLLIN)
        letters.send(self.control.channel, {"ready": True, "notes": self.notes}, self.lives)
        while True:
            for fd, _ in self.poller.poll(self.processes and self.processes.due()):
                if fd == wake_read:
                    with contextlib.suppress(BlockingIOError):
                        os.read(wake_read, 4096)
                    self.reap()
                    if self.detached and self.place.lost():  # nobody would find the lab again
                        self.do_stop(None, {}, [])
                elif fd == told_to_end:
                    with contextlib.suppress(BlockingIOError):
                        if not sender_of(fd):  # `kill $(pidof python3)` in a node is not for us
                            os._exit(0)
                elif fd == self.listener.fileno():
                    self.welcome()
                elif fd in self.recording:
                    self.recording.drain(fd)
                elif fd in self.clients:
                    self.answer(self.clients[fd])
                elif self.processes is not None:
                    self.processes.heard(fd)
            if self.processes is not None and self.processes.over():
                self.finish()

    def welcome(self) -> None:
        """Another process wants to speak to us; one that left at once is no error."""
        with contextlib.suppress(OSError):
            client, _address = self.listener.accept()
            self.clients[client.fileno()] = Client(client, self.poller)

    def answer(self, client: Client) -> None:
        """Serve one request, or see that the client is gone. A bad request never ends us."""
        if client.full:
            client.go_on()
            return
        try:
            request, fds = letters.receive(client.channel)
        except BlockingIOError:  # what was to be read was another's, whose number it now has
            return
        except Exception:  # noqa: BLE001 - gone, or it does not speak as we do
            request, fds = {}, []
        if not request:
            self.leave(client)
            return
        try:
            reply, out = getattr(self, "do_" + request["do"])(client, request, fds)
        except Exception as error:  # noqa: BLE001 - whatever it is, others have a lab here
            reply, out = letters.refusal(error), []
        finally:
            for fd in fds:
                if fd not in self.recording.kept:
                    os.close(fd)
        if reply is not None:
            client.tell({"id": request.get("id", 0), **reply}, out)

    def leave(self, client: Client) -> None:
        """A client closed its end; the first one takes the lab with it, unless detached."""
        if client is self.control and not self.detached:
            os._exit(0)
        del self.clients[client.channel.fileno()]
        for pid, (waiting, _) in list(self.children.items()):
            if waiting is client:
                os.kill(pid, signal.SIGKILL)
                del self.children[pid]
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
            if self.processes is not None:
                self.processes.ended(pid, status)
            client, request = self.children.pop(pid, (None, 0))
            if client is not None:
                client.tell({"id": request, "status": status})

    def inside(self, node: str) -> contextlib.ExitStack:
        """Be in *node*'s network namespace for a while."""
        _go_into(node)
        stack = contextlib.ExitStack()
        stack.callback(setns, self.home)
        return stack

    def do_nodes(self, _client: object, request: dict[str, Any], _fds: list[int]) -> Any:
        """Make a network namespace per name, *home* being the holder's own; see `births`."""
        names, home = request["names"], request["home"]
        codes, out = make(
            NETNS_DIR, names, request["values"], home=home, ours=self.home, proc=self.proc
        )
        if home in names:
            self.home_node = home
        if not request["passing"]:
            self.names = list(dict.fromkeys([*self.names, *names]))
        return {"codes": codes}, out

    def do_forget(self, _client: object, request: dict[str, Any], _fds: list[int]) -> Any:
        """End what runs in these namespaces, and let them go; the log goes on counting them."""
        if self.processes is not None:
            self.processes.forget(request["names"])
        known = {self.names.index(name) for name in request["names"] if name in self.names}
        self.recording.forget(known, self.poller)
        for name in request["names"]:
            empty(f"{NETNS_DIR}/{name}")
        return {}, []

    def do_names(self, _client: object, _request: dict[str, Any], _fds: list[int]) -> Any:
        """All nodes that there ever were, as the log counts them; what has a name now; our own."""
        there = named_namespaces(NETNS_DIR)
        return {"made": self.names, "there": there, "home": self.home_node}, []

    def do_adopt(self, _client: object, _request: dict[str, Any], _fds: list[int]) -> Any:
        """Take in the namespaces that programs of the lab have named meanwhile."""
        names = [name for name in named_namespaces(NETNS_DIR) if name not in self.names]
        self.names += names
        return {"names": names}, []

    def do_sockets(self, _client: object, request: dict[str, Any], _fds: list[int]) -> Any:
        """Open sockets: [[node, family, type, protocol], …]."""

        def opened(node: str, family: int, kind: int, protocol: int) -> int:
            _go_into(node)
            return socket.socket(family, kind, protocol).detach()

        try:
            return {}, all_or_none(opened(*wish) for wish in request["sockets"])
        finally:
            setns(self.home)

    def do_lives(self, _client: object, _request: dict[str, Any], _fds: list[int]) -> Any:
        """Descriptors of the processes whose end is the lab's: ours, and the guardian."""
        return {}, all_or_none(map(os.dup, self.lives))

    def do_namespaces(self, _client: object, request: dict[str, Any], _fds: list[int]) -> Any:
        """Descriptors of the namespaces themselves."""
        return {}, all_or_none(_open(f"{NETNS_DIR}/{name}") for name in request["names"])

    def do_doors(self, _client: object, request: dict[str, Any], _fds: list[int]) -> Any:
        """Descriptors of all that a process enters: the lab's namespaces, a node's network last."""
        self.watch(request["node"])
        paths = [f"/proc/self/ns/{kind}" for kind in letters.DOORS]
        return {}, all_or_none(map(_open, (*paths, f"{NETNS_DIR}/{request['node']}")))

    def do_write(self, _client: object, request: dict[str, Any], _fds: list[int]) -> Any:
        """Write /proc files as nodes see them: [[node, path, text], …]; an errno each, or 0."""
        codes: list[int] = []
        for node, some in itertools.groupby(request["files"], key=lambda file: file[0]):
            with self.inside(node):
                self.proc.enter()
                codes += [self.proc.write(path, text) for _node, path, text in some]
        return {"codes": codes}, []

    def do_read(self, _client: object, request: dict[str, Any], _fds: list[int]) -> Any:
        """Read /proc files as the node sees them; None for what is absent."""
        with self.inside(request["node"]):
            self.proc.enter()
            return {"texts": {path: self.proc.read(path) for path in request["paths"]}}, []

    def do_tap(self, _client: object, request: dict[str, Any], _fds: list[int]) -> Any:
        """Make a tap device in a node."""
        from hopscope.kernel.holder.taps import make_tap  # noqa: PLC0415 - wanted by few

        with self.inside(request["node"]):
            make_tap(request["name"], request["index"])
        return {}, []

    def do_run(self, client: Client, request: dict[str, Any], fds: list[int]) -> Any:
        """Start a program in a node with *fds* as its input, output and errors."""
        self.children[self.launch(request, fds)] = (client, request["id"])
        return None, []

    def launch(self, request: dict[str, Any], fds: list[int]) -> int:
        """Fork a program; its PID."""
        node = request["node"]
        users = bool(request.get("sys"))  # what is shown its devices there is the user's program
        if users:
            self.watch(node)
        own = users and node != self.home_node
        pid = os.fork()
        if pid == 0:
            become(request, fds, lambda: self.inside(node), own=own, limits=self.limits)
        return pid

    def do_keep(self, _client: object, request: dict[str, Any], fds: list[int]) -> Any:
        """Start, and stop, processes that are kept; with a descriptor of their logs' folder."""
        if self.processes is None:
            from hopscope.kernel.holder.processes import Processes  # noqa: PLC0415 - wanted by few

            self.processes = Processes(os.dup(fds[0]), self.launch, self.poller)
        self.processes.quit(request["quit"])
        self.processes.stop(request["stop"])
        self.processes.start(request["start"])
        return {}, []

    def do_processes(self, _client: object, _request: dict[str, Any], _fds: list[int]) -> Any:
        """How the processes fare that are kept."""
        self.reap()
        return {"processes": self.processes.told() if self.processes else []}, []

    def do_record(self, _client: object, request: dict[str, Any], fds: list[int]) -> Any:
        """Record what LOG rules of these nodes do; two descriptors for each: see `Recording`."""
        numbers = {node: self.names.index(node) for node in request["nodes"]}
        table = bytes.fromhex(request["table"])
        watched = {numbers[node] for node in request["watched"]}
        self.recording.add(list(numbers.values()), fds, table, watched, self.poller)
        return {}, []

    def do_watch(self, _client: object, request: dict[str, Any], _fds: list[int]) -> Any:
        """Have packets of these nodes watched for LOG rules; what the kernel refused."""
        said = {node: self.watch(node) for node in request["nodes"]}
        return {"refused": {node: words.hex() for node, words in said.items() if words}}, []

    def watch(self, node: str) -> bytes:
        """Have its packets watched, since there may be rules soon; see `Recording.watch`."""
        return self.recording.watch(self.names.index(node)) if node in self.names else b""

    def do_own(self, _client: object, request: dict[str, Any], fds: list[int]) -> Any:
        """Let go of what owns a recorded node's table, and so of that; then keep another owner."""
        return {"recorded": self.recording.own(self.names.index(request["node"]), fds)}, []

    def do_flush(self, _client: object, _request: dict[str, Any], _fds: list[int]) -> Any:
        """Record all that has arrived by now; answers the log's size."""
        return self.recording.flush(), []

    def do_detach(self, _client: object, _request: dict[str, Any], _fds: list[int]) -> Any:
        """From now on live until told to stop."""
        self.detached = True
        return {}, []

    def do_stop(self, _client: object, _request: dict[str, Any], _fds: list[int]) -> Any:
        """End, once the processes have that are kept; at the latest after the seconds told."""
        hold_to_the_end(self.lock)
        seconds = self.processes.end() if self.processes is not None else 0.0
        if not seconds:
            self.finish()
        return {"within": seconds}, []

    def finish(self) -> NoReturn:
        """The kernel frees everything, and what we own in nodes slowly if one by one."""
        from hopscope.kernel.holder.together import together  # noqa: PLC0415 - only now

        together([functools.partial(os.close, fd) for fd in self.recording.kept])
        os._exit(0)


def _go_into(node: str) -> None:
    """Be in *node*'s network namespace."""
    fd = _open(f"{NETNS_DIR}/{node}")
    try:
        setns(fd)
    finally:
        os.close(fd)


def _open(path: str) -> int:
    return os.open(path, os.O_RDONLY | os.O_CLOEXEC)

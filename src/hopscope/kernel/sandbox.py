"""Sandbox: a lab's namespaces as seen from outside, through the holder that keeps them.

The caller's process never changes namespaces: the holder opens sockets inside and hands
over their descriptors. It knows nothing of labs, plans or packets.
"""

import contextlib
import errno
import json
import os
import select
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from hopscope.errors import CannotError, HopscopeError, KernelError
from hopscope.kernel.holder import MOST_FDS
from hopscope.kernel.protocol import Completed
from hopscope.kernel.state import Claim, LabFile, find, privileged, state_home
from hopscope.kernel.transport import Route
from hopscope.model.vocab import NodeName
from hopscope.wire.netlink import Message

__all__ = ["Sandbox"]

_HOLDER = (
    f"import sys; sys.path.insert(0, {str(Path(__file__).parents[2])!r}); "
    "from hopscope.kernel.holder import main; main()"
)
_DEATH = 5.0  # seconds that the kernel may take to end a killed holder


class Sandbox:
    """A lab's nodes; implements `Kernel`. Make one with `start` or `attach`."""

    def __init__(self, control: socket.socket, pid: int, nodes: Sequence[NodeName]) -> None:
        self._control = control
        self._count = 0
        self._routes: dict[NodeName, Route] = {}
        self._namespaces: dict[NodeName, int] = {}
        self._pidfd = -1
        with contextlib.suppress(ProcessLookupError):
            self._pidfd = os.pidfd_open(pid)
        self.pid = pid
        self._nodes = tuple(nodes)
        self.notes: tuple[str, ...] = ()

    @classmethod
    def start(cls, claim: Claim, *, on_host: bool = False) -> Self:
        """Fork a holder that lives as long as this process, until `detach`.

        Raises CannotError when this machine forbids the namespaces it needs.
        """
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with contextlib.ExitStack() as stack:
            stack.enter_context(theirs)
            listener = stack.enter_context(_listen(claim.folder))
            log = os.open(claim.folder / "nflog", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
            stack.callback(os.close, log)
            config = {
                "name": claim.folder.name,
                "control": theirs.fileno(),
                "listen": listener.fileno(),
                "log": log,
                "user": not privileged(),
                "on_host": on_host,
            }
            with subprocess.Popen(
                [sys.executable, "-I", "-S", "-c", _HOLDER, json.dumps(config)],
                pass_fds=(theirs.fileno(), listener.fileno(), log, claim.lock),
                stdin=subprocess.DEVNULL,
                start_new_session=True,
            ):
                theirs.close()
                first = _receive(ours)
        if "error" in first:
            raise _forbidden(first)
        sandbox = cls(ours, first["pid"], ())
        ready = _receive(ours)
        if not ready.get("ready"):
            what = "the sandbox ended while it was being set up"
            raise CannotError(what, mend="hopscope doctor")
        sandbox.notes = tuple(ready["notes"])
        return sandbox

    @classmethod
    def attach(cls, lab: LabFile) -> Self:
        """Reach a running lab's holder."""
        control = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        folder = os.open(state_home() / lab.name, os.O_PATH | os.O_DIRECTORY)
        try:  # a path through the descriptor: a socket's may have 107 bytes at most
            control.connect(f"/proc/self/fd/{folder}/control")
        except OSError:
            control.close()
            find(lab.name)  # raises NoSuchLabError when it ended meanwhile
            raise
        finally:
            os.close(folder)
        return cls(control, lab.pid, tuple(NodeName(name) for name in lab.nodes))

    @property
    def nodes(self) -> tuple[NodeName, ...]:
        """The nodes, in the order in which they were made."""
        return self._nodes

    def make_nodes(self, names: Sequence[NodeName], *, home: NodeName | None) -> None:
        """Make a namespace per name; *home* becomes the holder's own namespace."""
        self._request("nodes", names=list(names), home=home)
        self._nodes += tuple(names)

    def open_socket(self, node: NodeName, family: int, kind: int, protocol: int) -> socket.socket:
        """A socket that was opened in *node*."""
        return self.open_sockets([(node, family, kind, protocol)])[0]

    def open_sockets(self, wanted: Sequence[tuple[NodeName, int, int, int]]) -> list[socket.socket]:
        """Sockets opened in nodes: (node, family, type, protocol) each."""
        made: list[socket.socket] = []
        for start in range(0, len(wanted), MOST_FDS):
            some = [list(one) for one in wanted[start : start + MOST_FDS]]
            _reply, fds = self._request("sockets", sockets=some)
            made.extend(socket.socket(fileno=fd) for fd in fds)
        return made

    def ns_fd(self, node: NodeName) -> int:
        """A descriptor of the node's network namespace, kept open by this object."""
        if node not in self._namespaces:
            _reply, fds = self._request("namespaces", names=[node])
            self._namespaces[node] = fds[0]
        return self._namespaces[node]

    def _route(self, node: NodeName) -> Route:
        if node not in self._routes:
            kind = socket.SOCK_RAW | socket.SOCK_CLOEXEC
            made = self.open_socket(node, socket.AF_NETLINK, kind, socket.NETLINK_ROUTE)
            self._routes[node] = Route(made, str(node))
        return self._routes[node]

    def ask(self, node: NodeName, request: Message) -> list[Message]:
        """A dump or a get over rtnetlink. KernelError when the kernel refuses."""
        return self._route(node).ask(request)

    def send(self, node: NodeName, messages: Sequence[Message]) -> None:
        """A batch of changes over rtnetlink. KernelError, with the index that failed."""
        self._route(node).send(messages)

    def write_sysctls(self, node: NodeName, values: Mapping[str, str]) -> None:
        """Set sysctls, by path below /proc/sys. KernelError for the first that is refused."""
        files = [[f"/proc/sys/{path}", text] for path, text in values.items()]
        reply, _fds = self._request("write", node=node, files=files)
        for (path, text), code in zip(values.items(), reply["codes"], strict=True):
            if code:
                said = "this kernel has no such sysctl here" if code == errno.ENOENT else ""
                raise KernelError(code, f"{node}: setting {path.replace('/', '.')} = {text}", said)

    def read_files(self, node: NodeName, paths: Sequence[str]) -> dict[str, str | None]:
        """/proc files as the node sees them; None for what is absent."""
        texts: dict[str, str | None] = {}
        for start in range(0, len(paths), 100):  # a datagram holds the texts of a few files
            reply, _fds = self._request("read", node=node, paths=list(paths[start : start + 100]))
            texts |= reply["texts"]
        return texts

    def run(self, node: NodeName, argv: Sequence[str], stdin: bytes = b"") -> Completed:
        """Run a program in *node* to its end; code 127 when there is no such program."""
        with contextlib.ExitStack() as stack:
            files = [stack.enter_context(_memory_file(name)) for name in ("in", "out", "err")]
            files[0].write(stdin)
            files[0].seek(0)
            environment = {"PATH": _tool_path(), "LC_ALL": "C"}
            fds = [file.fileno() for file in files]
            reply, _fds = self._request("run", fds, node=node, argv=list(argv), env=environment)
            for file in files[1:]:
                file.seek(0)
            code = os.waitstatus_to_exitcode(reply["status"])
            return Completed(code, files[1].read(), files[2].read())

    def record(self, sockets: Mapping[NodeName, tuple[socket.socket, socket.socket]]) -> None:
        """Hand each node's listener and table owner to the holder, which records LOG rules."""
        fds = [made.fileno() for pair in sockets.values() for made in pair]
        self._request("record", fds, nodes=list(sockets))

    def flush(self) -> int:
        """Have everything that arrived by now recorded; the log file's size in bytes."""
        reply, _fds = self._request("flush")
        size: int = reply["size"]
        return size

    def detach(self) -> None:
        """Let the lab live on when this process ends."""
        self._request("detach")

    def stop(self) -> None:
        """End the lab and every process in it; returns when the kernel has ended them."""
        with contextlib.suppress(HopscopeError, OSError):
            self._send("stop", (), {})
        if self._pidfd >= 0 and not select.select([self._pidfd], [], [], _DEATH)[0]:
            signal.pidfd_send_signal(self._pidfd, signal.SIGKILL)
            select.select([self._pidfd], [], [], _DEATH)
        self.close()

    def close(self) -> None:
        """Let go of the holder; a lab that was not detached ends with that."""
        for route in self._routes.values():
            route.close()
        for fd in self._namespaces.values():
            os.close(fd)
        self._routes.clear()
        self._namespaces.clear()
        self._control.close()
        if self._pidfd >= 0:
            os.close(self._pidfd)
            self._pidfd = -1

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def _send(self, do: str, fds: Sequence[int], fields: Mapping[str, Any]) -> int:
        self._count += 1
        request = json.dumps({"do": do, "id": self._count, **fields}).encode()
        socket.send_fds(self._control, [request], fds)
        return self._count

    def _request(
        self, do: str, fds: Sequence[int] = (), /, **fields: object
    ) -> tuple[dict[str, Any], list[int]]:
        try:
            number = self._send(do, fds, fields)
            while True:  # an interrupted request's late answer may still lie here
                data, got, _flags, _address = socket.recv_fds(self._control, 1 << 22, MOST_FDS)
                if not data:
                    raise ConnectionResetError(errno.ECONNRESET, "the holder is gone")
                reply = json.loads(data)
                if reply["id"] == number:
                    break
                for fd in got:
                    os.close(fd)
        except (ConnectionError, BrokenPipeError) as error:
            what = "the lab's holder process has ended (killed?), and the kernel freed the lab"
            raise CannotError(what, mend="hopscope up, or run, again") from error
        if "error" in reply:
            raise KernelError(reply["error"], f"in the sandbox: {do}", reply["doing"])
        return reply, got


def _listen(folder: Path) -> socket.socket:
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    path = folder / "control"
    path.unlink(missing_ok=True)
    descriptor = os.open(folder, os.O_PATH | os.O_DIRECTORY)
    try:
        listener.bind(f"/proc/self/fd/{descriptor}/control")
    finally:
        os.close(descriptor)
    listener.listen(16)
    return listener


def _receive(control: socket.socket) -> dict[str, Any]:
    data = control.recv(1 << 16)
    answer: dict[str, Any] = json.loads(data) if data else {"error": errno.ECHILD, "doing": "it"}
    return answer


def _forbidden(answer: Mapping[str, Any]) -> CannotError:
    what = (
        f"this machine does not let us make namespaces: {answer['doing']}. "
        "Unprivileged user namespaces may be switched off"
    )
    return CannotError(what, mend="hopscope doctor   (names the knob; or run as root)")


def _memory_file(name: str) -> Any:
    return os.fdopen(os.memfd_create(f"hopscope-{name}", os.MFD_CLOEXEC), "w+b", buffering=0)


def _tool_path() -> str:
    usual = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
    return f"{usual}:{os.environ.get('PATH', '')}".rstrip(":")

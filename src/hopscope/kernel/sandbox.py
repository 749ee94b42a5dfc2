"""Sandbox: a lab's namespaces as seen from outside, through the holder that keeps them.

The caller's process never changes namespaces: the holder opens sockets inside and hands
over their descriptors. It knows nothing of labs, plans or packets.
"""

import contextlib
import errno
import functools
import os
import select
import signal
import socket
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from pathlib import Path
from threading import Timer
from typing import Any, Final, Self

import msgspec

from hopscope.errors import CannotError, HopscopeError
from hopscope.kernel.control import listen
from hopscope.kernel.descriptors import as_before, set_back
from hopscope.kernel.interrupts import undisturbed
from hopscope.kernel.lingering import lingers
from hopscope.kernel.making import refused
from hopscope.kernel.nodes import Nodes
from hopscope.kernel.protocol import Completed
from hopscope.kernel.reaching import ANSWERS, reached, unanswered
from hopscope.kernel.scarcity import scarce
from hopscope.kernel.starting import START, Starter
from hopscope.kernel.state import Claim, LabFile, find, privileged
from hopscope.kernel.tools import tool_path
from hopscope.model.process import ProcessState
from hopscope.model.vocab import NodeName
from hopscope.wire.netlink import Message

__all__ = ["Sandbox"]

_FILES: Final = 1000  # in one request
_DEATH: Final = 5.0  # seconds that the kernel may take to end a killed holder
_RESTORING: Final = 30.0  # … and that restoring the host may take: a few programs are run
_GRACE: Final = 1.0  # … and that those who end have in any case: a signal may be sent twice at once
_GLANCE: Final = 0.1  # … and after which we look whether a signal came
_FOREIGN: Final = 60.0  # … that a program of a confined sandbox may take


class Sandbox(Nodes):
    """A lab's nodes; implements `Kernel`. Make one with `start` or `attach`."""

    def __init__(
        self,
        control: socket.socket,
        pid: int,
        nodes: Sequence[NodeName],
        lives: Sequence[int],
    ) -> None:
        """*lives*: descriptors of the holder's process and, on the host, of its guardian's."""
        super().__init__(control, pid, nodes)
        self._lives = list(lives)
        self.notes: tuple[str, ...] = ()
        self._confined = False

    @classmethod
    def start(
        cls,
        claim: Claim,
        *,
        on_host: bool = False,
        confined: bool = False,
        also: Sequence[int] = (),
        starter: Starter | None = None,
        meanwhile: Callable[[], None] = lambda: None,
    ) -> Self:
        """Start a holder that lives as long as this process, until `detach`.

        It keeps *also*, descriptors, as long as it lives, and the claim's lock. *confined*:
        programs that run in it can change nothing outside it, whoever we are; see `confine`. Nor
        can they keep us: it is killed when one does not end, which is a CannotError.
        *starter*: its process, where that was started before; *meanwhile* is called while it gets
        ready, which takes some 30 ms, or 10 for one that has loaded.
        Raises CannotError when this machine forbids the namespaces it needs.
        """
        with contextlib.ExitStack() as stack:
            listener = stack.enter_context(listen(claim.folder))
            log = os.open(claim.folder / "nflog", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
            stack.callback(os.close, log)
            config = {
                "name": claim.folder.name,
                "folder": str(claim.folder),
                "user": confined or not privileged(),
                "confined": confined,
                "on_host": on_host,
                "files": as_before(),
                "packages": str(Path(msgspec.__file__).parents[1]),  # for the guardian
            }
            starter = starter or Starter()
            passed = [listener.fileno(), log, claim.lock, *also]
            told, lives = starter.become(config, passed, meanwhile)
        sandbox = cls(starter.control, told["pid"], (), lives)
        sandbox.notes = tuple(told["notes"])
        sandbox._confined = confined
        return sandbox

    @classmethod
    def attach(cls, lab: LabFile) -> Self:
        """Reach a running lab's holder.

        Raises CannotError when it does not answer, NoSuchLabError when it has ended.
        """
        control = reached(lab)
        sandbox = cls(control, lab.pid, tuple(NodeName(name) for name in lab.nodes), ())
        sandbox._patience = ANSWERS
        try:
            _reply, sandbox._lives = sandbox._request("lives")
        except CannotError as error:
            control.close()
            find(lab.name)  # raises NoSuchLabError when it ended meanwhile
            raise unanswered(lab, error.what) from error
        sandbox._patience = START
        return sandbox

    @property
    def life(self) -> int:
        """A descriptor that becomes readable when the lab ends, as long as nothing is asked."""
        return self._control.fileno()

    @property
    def guarded(self) -> bool:
        """Whether there is a guardian, which restores the host."""
        return len(self._lives) > 1

    def ask(
        self, node: NodeName, request: Message, *, bus: int = socket.NETLINK_ROUTE
    ) -> list[Message]:
        """A dump or a get over rtnetlink, or another *bus*. KernelError when it is refused."""
        return self._route(node, bus).ask(request)

    def send(self, node: NodeName, messages: Sequence[Message]) -> None:
        """A batch of changes over rtnetlink. KernelError, with the index that failed."""
        self._route(node).send(messages)

    def write_sysctls(self, node: NodeName, values: Mapping[str, str]) -> None:
        """Set sysctls, by path below /proc/sys. KernelError, with the index of the one refused."""
        self.write_all_sysctls([(node, path, text) for path, text in values.items()])

    def write_all_sysctls(self, values: Sequence[tuple[NodeName, str, str]]) -> None:
        """The same in several nodes: each with its path and value, in this order."""
        self.await_nodes([node for node, _path, _text in values])
        files = [[node, f"/proc/sys/{path}", text] for node, path, text in values]
        reply, _fds = self._request("write", files=files)
        for number, code in enumerate(reply["codes"]):
            if code:
                raise refused(values, number, code)

    def make_tap(self, node: NodeName, name: str, index: int) -> None:
        """Make a tap device in *node*; KernelError when the kernel refuses."""
        self.await_nodes([node])
        self._request("tap", node=node, name=name, index=index)

    def read_files(self, node: NodeName, paths: Sequence[str]) -> dict[str, str | None]:
        """/proc files as the node sees them; None for what is absent."""
        self.await_nodes([node])
        texts: dict[str, str | None] = {}
        for start in range(0, len(paths), _FILES):
            some = list(paths[start : start + _FILES])
            reply, _fds = self._request("read", node=node, paths=some)
            texts |= reply["texts"]
        return texts

    def reading(self, node: NodeName, paths: Sequence[str]) -> Callable[[], dict[str, str | None]]:
        """Start reading, of one node at a time; the function that is returned ends it."""
        if len(paths) > _FILES:
            return functools.partial(self.read_files, node, paths)
        self.await_nodes([node])
        number = self.ahead("read", node=node, paths=list(paths))
        return lambda: self.answer("read", number)[0]["texts"]

    def run(
        self,
        node: NodeName,
        argv: Sequence[str],
        stdin: bytes = b"",
        *,
        own_sys: bool = False,
        within: float = _FOREIGN,
    ) -> Completed:
        """Run a program in *node* to its end; code 127 when there is no such program.

        *own_sys*: it is shown the node's devices in /sys, which takes some milliseconds. *within*:
        the seconds in which a confined one ends, or else the sandbox is killed.
        """
        return self.running(node, argv, stdin, own_sys=own_sys, within=within)()

    def running(
        self,
        node: NodeName,
        argv: Sequence[str],
        stdin: bytes = b"",
        *,
        own_sys: bool = False,
        within: float = _FOREIGN,
    ) -> Callable[[], Completed]:
        """Start a program; the function that is returned waits for its end."""
        self.await_nodes([node])
        with contextlib.ExitStack() as stack:
            files = [stack.enter_context(_memory_file(name)) for name in ("out", "err")]
            with _memory_file("in") as given:
                given.write(stdin)
                given.seek(0)
                environment = {"PATH": tool_path(), "LC_ALL": "C"}
                what = {"node": node, "argv": list(argv), "env": environment, "sys": own_sys}
                fds = [file.fileno() for file in (given, *files)]
                number = self.ahead("run", fds, **what)
            stack.pop_all()
        return functools.partial(self._completed, number, files, within)

    def _completed(self, number: int, files: Sequence[Any], within: float) -> Completed:
        with contextlib.ExitStack() as stack:
            output, errors = map(stack.enter_context, files)
            if self._confined:
                stack.enter_context(_killing(self._lives[0], within))
            reply, _fds = self.answer("run", number)
            code = os.waitstatus_to_exitcode(reply["status"])
            for file in (output, errors):
                file.seek(0)
            return Completed(code, output.read(), errors.read())

    def keep(
        self,
        start: Sequence[Mapping[str, object]],
        stop: Sequence[Sequence[str]],
        logs: Path,
        *,
        quit: Sequence[Sequence[str]] = (),  # noqa: A002 - what it does
    ) -> None:
        """Start processes that live as long as the lab, after those of *stop* are ended.

        Those of *quit* are asked to end, and are known until they are stopped. See
        `kernel.holder.processes`; their output goes to *logs*. KernelError when there is no room.
        """
        folder = os.open(logs, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            fields = {"start": list(start), "stop": list(stop), "quit": list(quit)}
            self._request("keep", [folder], **fields)
        finally:
            os.close(folder)

    def processes(self) -> list[ProcessState]:
        """How those fare; what they printed by now is written."""
        reply, _fds = self._request("processes")
        return msgspec.convert(reply["processes"], list[ProcessState])

    def left(self, keys: Collection[tuple[str, str]]) -> bool:
        """Whether one of these processes, or something in its process group, has not ended."""
        reply, _fds = self._request("processes")
        return any(one["left"] for one in reply["processes"] if (one["node"], one["name"]) in keys)

    def record(
        self,
        sockets: Mapping[NodeName, tuple[socket.socket, socket.socket]],
        table: bytes,
        watched: Collection[NodeName],
    ) -> None:
        """Hand each node's listener and table owner to the holder, which records LOG rules.

        *table* is what the owner is to send when packets are to be watched; of those *watched* it
        did.
        """
        fds = [made.fileno() for pair in sockets.values() for made in pair]
        self._request("record", fds, nodes=list(sockets), table=table.hex(), watched=list(watched))

    def watch(self, nodes: Sequence[NodeName]) -> dict[NodeName, bytes]:
        """Have the packets of nodes watched for LOG rules, where these are recorded.

        Returns the kernel's own words, as netlink messages, where it refused.
        """
        if not nodes:
            return {}
        reply, _fds = self._request("watch", nodes=list(nodes))
        return {NodeName(node): bytes.fromhex(said) for node, said in reply["refused"].items()}

    def own(self, node: NodeName, *owner: socket.socket) -> bool:
        """Let the table go by which a node's LOG rules are recorded, or keep another's *owner*.

        Returns whether they are recorded.
        """
        reply, _fds = self._request("own", [made.fileno() for made in owner], node=node)
        return bool(reply["recorded"])

    def flush(self) -> int:
        """Have everything that arrived by now recorded; the log file's size in bytes."""
        reply, _fds = self._request("flush")
        size: int = reply["size"]
        return size

    def detach(self) -> None:
        """Let the lab live on when this process ends."""
        self._request("detach")

    def begin_stop(self) -> None:
        """Have the lab end while we do what needs no holder; `stop` is to follow."""
        with contextlib.suppress(HopscopeError, OSError):
            self._send("stop", (), {})

    def stop(self) -> None:
        """End the lab and every process in it; returns when the kernel has ended them.

        Those that are kept are asked to end first, and given the time that each was promised; a
        signal that would end us ends it. With a guardian, we return when the host is restored.
        CannotError when the holder does not end even so: see `lingers`; it is let go of.
        """
        with undisturbed() as signals:
            within = self._ask_to_end()
            holder, *guardian = self._lives or [-1]
            try:
                if holder >= 0 and not _ended(holder, within, signals):
                    _kill(holder)
                    if not _ended(holder, _DEATH):
                        raise lingers(self.pid, on_host=bool(guardian))
                for process in guardian:
                    _ended(process, _RESTORING)
            finally:
                self.close()

    def _ask_to_end(self) -> float:
        """Have the lab end; the seconds after which something is wrong with its holder."""
        self._patience = _DEATH
        try:
            reply, _fds = self._request("stop")
        except (HopscopeError, OSError) as error:  # it has ended, or does not answer
            return 0.0 if isinstance(error.__cause__, TimeoutError) else _DEATH
        return float(reply["within"]) + _DEATH

    def close(self) -> None:
        """Let go of the holder; a lab that was not detached ends with that."""
        self._stop_waiting()
        self._let_go(self.nodes)
        self._control.close()
        while self._lives:
            os.close(self._lives.pop())
        set_back()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _ended(process: int, within: float, signals: Sequence[int] = ()) -> bool:
    """Whether the process of that descriptor ends in time, or before one of these came.

    select() knows no large descriptor.
    """
    poller = select.poll()
    poller.register(process, select.POLLIN)
    begun = time.monotonic()
    while True:
        past = time.monotonic() - begun
        if poller.poll(max(0.0, min(within - past, _GLANCE)) * 1000):
            return True
        if past >= (min(within, _GRACE) if signals else within):
            return False


def _kill(process: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        signal.pidfd_send_signal(process, signal.SIGKILL)


@contextlib.contextmanager
def _killing(process: int, within: float) -> Iterator[None]:
    """Kill the process of that descriptor when what is done meanwhile takes longer."""
    timer = Timer(within, _kill, [process])
    try:
        _start(timer)
        yield
    except CannotError as error:
        if not timer.finished.is_set():
            raise
        what = f"a program in the sandbox had not ended within {within:g} s, and both were killed"
        raise CannotError(what) from error
    finally:
        timer.cancel()  # also one that was begun when Ctrl-C came: it would be waited for


def _start(timer: Timer) -> None:
    try:
        timer.start()
    except RuntimeError as error:  # no more threads may run
        raise scarce(errno.EAGAIN, "watching over a program") or error from error


def _memory_file(name: str) -> Any:
    return os.fdopen(os.memfd_create(f"hopscope-{name}", os.MFD_CLOEXEC), "w+b", buffering=0)

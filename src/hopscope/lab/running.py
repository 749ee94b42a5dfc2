"""RunningLab: a lab that stands, and what can be done with it from Python."""

import weakref
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, nullcontext, suppress
from functools import partial
from typing import TYPE_CHECKING, Self

from msgspec.structs import replace

from hopscope.errors import HopscopeError, KernelError, LabExistsError, Place, UsageError
from hopscope.kernel import state
from hopscope.kernel.apply import firewall
from hopscope.kernel.apply.plan import Progress, apply, begin
from hopscope.kernel.interrupts import undisturbed
from hopscope.kernel.onhost.changes import HostChanges, reserve
from hopscope.kernel.protocol import Completed
from hopscope.kernel.read.rules import Listings
from hopscope.kernel.read.snapshot import read
from hopscope.kernel.sandbox import Sandbox
from hopscope.kernel.starting import Starter
from hopscope.kernel.state import LabFile, state_home
from hopscope.lab import asked
from hopscope.lab.declare import parse
from hopscope.lab.ending import Made, sweep
from hopscope.lab.recorded import here, recorded
from hopscope.model.lab import LabSpec
from hopscope.model.snapshot import Snapshot
from hopscope.model.vocab import DevName, NodeName
from hopscope.observe.loglines import heard, listen, watch
from hopscope.observe.session import Scope, Session
from hopscope.plan.compile import compile_lab
from hopscope.plan.names import HOME

if TYPE_CHECKING:
    from hopscope.lab.onhost import HostSide
    from hopscope.model.change import Change
    from hopscope.plan.converge import Convergence

__all__ = ["RunningLab"]


class RunningLab:
    """A lab that stands. Make one with `start` or `attach`; as a context manager it ends it.

    One that `start` made ends at the latest with this process, unless detached.
    """

    def __init__(self, spec: LabSpec | None, made: Made, *, ours: bool) -> None:
        self._spec = spec
        self._made = made
        self._ours = ours
        self._listed: Listings = {}
        self._lost = weakref.finalize(self, made.let_go if ours else made.sandbox.close)

    @classmethod
    def start(
        cls,
        spec: LabSpec,
        source: str,
        *,
        name: str | None = None,
        on_host: bool = False,
        starter: Starter | None = None,
        meanwhile: Callable[[], None] = lambda: None,
        progress: Progress = lambda _done, _all: None,
    ) -> Self:
        """Build the lab; on any failure, nothing of it stays.

        *starter*, *meanwhile*: see `Sandbox.start`; *progress*: see `kernel.apply.plan`.
        Raises LabExistsError, SpecError, UsageError, CannotError, KernelError.
        """
        spec = replace(spec, name=asked.lab_name(name)) if name else spec
        state.await_end(spec.name)
        if on_host and any(lab.name == spec.name for lab in state.running()):
            raise LabExistsError(spec.name)  # it may be the one lab on this host itself
        with ExitStack() as stack:
            also = [stack.enter_context(reserve())] if on_host else []
            with suppress(*(() if on_host else (HopscopeError, OSError))):
                sweep()
            kept = [s.fileno() for s in also]
            started = partial(
                Sandbox.start, on_host=on_host, also=kept, starter=starter, meanwhile=meanwhile
            )
            running = cls._begun(spec, source, on_host=on_host, start=started)
            try:
                with state.alone(running.file) if on_host else nullcontext():
                    running._build(progress)  # noqa: SLF001 - its own class's
                running._keep_processes()  # noqa: SLF001
            except BaseException:
                running.down()
                raise
        return running

    @classmethod
    def _begun(
        cls,
        spec: LabSpec,
        source: str,
        *,
        on_host: bool,
        start: Callable[[state.Claim], Sandbox],
    ) -> Self:
        """A lab of which there is the record, and the holder."""
        with undisturbed():
            claimed = state.claim(spec.name)
            try:
                host = HostChanges.prepare(spec) if on_host else None
                if host is not None:
                    from hopscope.lab.onhost import with_marks  # noqa: PLC0415 - few need it

                    spec = with_marks(spec, host)
                lab = recorded(spec, source, host)
                if host is not None:
                    claimed.write(lab)  # for the guardian
                sandbox = start(claimed)
            except BaseException:
                claimed.clear()
                raise
            made = Made(lab._replace(pid=sandbox.pid), sandbox, host)
            running = cls(spec, made, ours=True)
            try:
                claimed.write(made.file)
            finally:
                claimed.close()  # the holder has a copy: the lock lives and dies with it
        return running

    def _build(self, progress: Progress) -> None:
        ours = self._host.devices if self._host else {}
        plan = compile_lab(self.spec, on_host=self.on_host, known=ours)
        namespaces, contents = plan.parted()
        begin(namespaces, self.sandbox)
        limits = {HOME: tuple(ours.values())} if self._host else {}
        self.sandbox.notes += tuple(listen(self.sandbox, heard(self.spec.nodes), limits))
        self.sandbox.notes += tuple(watch(self.sandbox, contents.ruled()))
        apply(contents, self.sandbox, progress=progress)

    def _keep_processes(self) -> None:
        if any(node.run for node in self.spec.nodes):
            from hopscope.lab.processes import start  # noqa: PLC0415 - few labs have some

            start(self.sandbox, self.spec)

    @classmethod
    def attach(cls, name: str) -> Self:
        """A lab that another process started; NoSuchLabError when there is none."""
        lab = state.find(name)
        host = HostChanges.of(lab)
        return cls(None, Made(lab, Sandbox.attach(lab), host), ours=False)

    @property
    def spec(self) -> LabSpec:
        """What was declared; of an attached lab read from its record, when it is wanted."""
        if self._spec is None:
            self._spec = replace(parse(self.file.source, self.file.file), name=self.name)
        return self._spec

    @property
    def file(self) -> LabFile:
        """Its record."""
        return self._made.file

    @property
    def sandbox(self) -> Sandbox:
        """Its namespaces."""
        return self._made.sandbox

    @property
    def _host(self) -> HostChanges | None:
        return self._made.host

    @property
    def name(self) -> str:
        """The name under which it runs."""
        return self.file.name

    @property
    def on_host(self) -> bool:
        """Whether the node ``host`` is the machine's real network namespace."""
        return self._host is not None

    @property
    def nodes(self) -> tuple[NodeName, ...]:
        """Its nodes, in the order of the lab file."""
        return tuple(map(NodeName, self.file.nodes))

    def change(
        self, spec: LabSpec, source: str, *, on_record: Callable[[], None] = lambda: None
    ) -> "tuple[Change, ...]":
        """Become the lab of *spec*, which *source* declares; returns what was changed.

        What does not differ is not touched: processes in its nodes go on. On any failure the state
        before is restored; once the new one is on record, and *on_record* called, a signal that
        would end us waits for the end of this. Raises as `lab.reconcile.reconcile` does, and
        LabExistsError for the lab of a run or a test that another process performs.
        """
        from hopscope.lab.processes import Keeping  # noqa: PLC0415 - few labs change
        from hopscope.lab.reconcile import reconcile  # noqa: PLC0415 - few labs change

        spec = replace(spec, name=self.name)
        with state.alone(self.file) as self._made.file, ExitStack() as last:
            self._spec = None
            self.sandbox.look_again()
            if self.file.temporary and not self._ours:  # it ends with the process that made it
                raise LabExistsError(self.name)
            self._listed.clear()  # a node's name may come to mean another namespace
            kept = Keeping(self.sandbox, spec, self.spec)
            side = self._side(spec)

            def record() -> None:
                kept.change()
                host = side.done() if side is not None else None
                file = self.file._replace(
                    source=source,
                    file=spec.file or "<python>",
                    folder=here(),
                    nodes=tuple(node.name for node in spec.nodes),
                    made=self.sandbox.look_again(),
                    undo=host.dump() if host is not None else "",
                    was=(),
                )
                last.enter_context(undisturbed())  # or it would be led back, and the record not
                self._rewrite(file)
                self._made.host, self._spec = host, spec
                on_record()

            with kept:
                old, file = self.spec, self.file
                changes = reconcile(
                    self.sandbox, spec, old, file, leave=kept.leave, record=record, host=side
                )
        return (*changes, *kept.changes)

    def differences(self, spec: LabSpec | None = None) -> "Convergence":
        """How the lab differs from *spec*, or from what was declared; nothing is changed."""
        from hopscope.lab.reconcile import compare  # noqa: PLC0415 - as above

        self.sandbox.look_again()
        goal = spec or self.spec
        return compare(self.sandbox, goal, self.spec, self.file, host=self._side(goal))

    def _side(self, spec: LabSpec) -> "HostSide | None":
        """Of a lab on the real host, that one in a change; what it keeps is written at once."""
        from hopscope.lab.onhost import HostSide  # noqa: PLC0415 - as above

        if not self.on_host:
            return None
        self._made.host = host = HostChanges.of(self.file)  # another process may have added to it
        return HostSide(self.sandbox, host, spec, keep=self._keep) if host is not None else None

    def _keep(self, host: HostChanges) -> None:
        self._rewrite(self.file._replace(undo=host.dump()))
        self._made.host = host

    @contextmanager
    def _undoable(self, node: NodeName) -> Iterator[HostChanges | None]:
        """While nobody else changes the record; of the real host what there is to undo so far."""
        real = self._host is not None and node == HOME
        if real:
            from hopscope.lab.onhost import check_here  # noqa: PLC0415 - few labs stand there

            check_here(self.sandbox)
        self.sandbox.look_again()  # one that was taken down here says so
        with state.alone(self.file) as self._made.file:
            yield HostChanges.of(self.file) if real else None

    def __repr__(self) -> str:
        """What it is and how it is called."""
        return f"<{type(self).__name__} {self.name!r}: {', '.join(self.nodes)}>"

    def detach(self) -> None:
        """Let it stand when this process ends, until `down`."""
        with state.alone(self.file) as file:
            self._rewrite(file._replace(temporary=False))
        self.sandbox.detach()
        self._lost.detach()
        self._lost = weakref.finalize(self, self.sandbox.close)

    def begin_down(self) -> None:
        """Have it end while observers are closed; `down` is to follow."""
        self.sandbox.begin_stop()

    def down(self) -> None:
        """End the lab and every process in it, and undo what was done on the real host."""
        with undisturbed():
            self._lost.detach()
            self._made.end()

    def _rewrite(self, file: LabFile) -> None:
        state.rewrite(file)
        self._made.file = file

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._made.here:
            self.down()

    def check_node(self, name: str) -> NodeName:
        """The node of that name; UsageError naming the known ones when there is none."""
        if name not in self.nodes:
            raise UsageError(asked.no_node(self.name, name, self.nodes))
        return NodeName(name)

    def snapshot(self, nodes: str | Sequence[str] | None = None, *, rules: bool = True) -> Snapshot:
        """All forwarding state of the nodes, or of one, now."""
        names = asked.texts("nodes", nodes) if nodes else self.nodes
        chosen = [self.check_node(name) for name in names]
        return read(self.sandbox, chosen, rules=rules, listed=self._listed)

    def run(self, node: str, argv: Sequence[str], stdin: bytes = b"") -> Completed:
        """Run a program in a node to its end; code 127 when there is no such program.

        Raises UsageError when *argv* is no list of words.
        """
        return self.sandbox.run(self.check_node(node), asked.argv(argv), stdin, own_sys=True)

    def set_sysctl(self, node: str, key: str, value: str | int) -> tuple[str, str]:
        """Set a sysctl in a node; returns the values before and after.

        Raises UsageError when this kernel has no such sysctl there, or refuses the value.
        """
        where, value = self.check_node(node), asked.sysctl_text(key, value)
        path = asked.node_sysctl(key)
        full = f"/proc/sys/{path}"
        before = self.sandbox.read_files(where, [full])[full]
        if before is None:
            there = self.sandbox.run(where, ["test", "-e", full]).code == 0
            raise UsageError(asked.unread_sysctl(self.name, node, key, there=there))
        with self._undoable(where) as host:
            if host is not None:
                host.remember_sysctl(path)
                self._keep(host)
            self._rewrite(self.file.setting(where, path, before.strip()))
            try:
                self.sandbox.write_sysctls(where, {path: value})
            except KernelError as error:
                with suppress(KernelError):  # of a list, or a long text, a part may have been taken
                    self.sandbox.write_sysctls(where, {path: before.strip()})
                raise UsageError(asked.refused_sysctl(node, key, value, error)) from error
        after = self.sandbox.read_files(where, [full])[full] or ""
        return before.strip(), after.strip()

    def add_rules(
        self, tool: str, node: str, lines: str | Sequence[str], places: Sequence[Place | None] = ()
    ) -> None:
        """Add iptables or ip6tables rules, or one, while the lab runs.

        Raises UsageError for another *tool*, ToolError when the tool refuses a rule; SpecError
        when the *places* say where that stands.
        """
        asked.check_tool(tool)
        where, lines = self.check_node(node), asked.texts("rules", lines)
        with self._undoable(where) as host:
            if host is not None:
                lines = host.own_rules(tool, lines)
                self._keep(host)
            self.sandbox.notes += tuple(watch(self.sandbox, [where]))
            firewall.add_iptables(self.sandbox, where, tool, lines, places)

    def zero(self, node: str) -> None:
        """Zero the rule counters of a node; on the real host, only those of our rules."""
        where = self.check_node(node)
        if self._host is None or where != HOME:
            firewall.zero(self.sandbox, where)
        else:
            from hopscope.kernel.onhost.marked import zero_marked  # noqa: PLC0415 - few labs

            zero_marked(self.sandbox, where, self._host.mark)

    @contextmanager
    def observing(
        self,
        addresses: Sequence[str],
        *,
        promiscuous: bool = True,
        snapshot: Snapshot | None = None,
    ) -> Iterator[Session]:
        """All observers on all nodes, ready; packets from or to *addresses* are traced.

        *snapshot*: of all nodes as they are, where there is one.
        """
        scope = Scope(
            nodes=self.nodes,
            snapshot=snapshot or self.snapshot(rules=False),
            addresses=tuple(addresses),
            promiscuous=promiscuous,
            devices=self._host_devices(),
            log=state_home() / self.name / "nflog",
            recorded=tuple(map(NodeName, self.file.recorded)),
        )
        with Session(self.sandbox, scope) as session:
            yield session

    def _host_devices(self) -> dict[NodeName, frozenset[DevName]] | None:
        """On the real host only our own devices are watched."""
        if self._host is None:
            return None
        return {HOME: frozenset(self._host.devices)}

"""RunningLab: a lab that stands, and what can be done with it from Python."""

import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from types import TracebackType
from typing import Self

from hopscope.errors import KernelError, UsageError
from hopscope.kernel import firewall
from hopscope.kernel.apply import apply
from hopscope.kernel.host import HostChanges
from hopscope.kernel.protocol import Completed
from hopscope.kernel.read import read
from hopscope.kernel.sandbox import Sandbox
from hopscope.kernel.state import Claim, LabFile, claim, find, left_behind, state_home
from hopscope.model.lab import LabSpec
from hopscope.model.snapshot import Snapshot
from hopscope.model.vocab import DevName, NodeName
from hopscope.observe.loglines import listen
from hopscope.observe.session import Scope, Session
from hopscope.plan.compile import HOME, compile_lab, sysctl_path

__all__ = ["RunningLab"]

_MOST_LOGGED = 100  # nodes that get a log socket unasked; beyond, only those with rules


class RunningLab:
    """A lab that stands. Make one with `start` or `attach`; as a context manager it ends it."""

    def __init__(
        self,
        spec: LabSpec,
        lab: LabFile,
        sandbox: Sandbox,
        claimed: Claim | None,
        host: HostChanges | None = None,
    ) -> None:
        self.spec = spec
        self.file = lab
        self.sandbox = sandbox
        self._claim = claimed
        self._host = host

    @classmethod
    def start(
        cls, spec: LabSpec, source: str, *, name: str | None = None, on_host: bool = False
    ) -> Self:
        """Build the lab; on any failure, nothing of it stays.

        Raises LabExistsError, SpecError, CannotError, KernelError.
        """
        name = name or spec.name
        host = HostChanges.prepare(spec, name) if on_host else None
        stale = left_behind(name)
        claimed = claim(name)
        try:
            if stale is not None and stale.undo:
                HostChanges.load(stale.undo).undo()
            sandbox = Sandbox.start(claimed, on_host=on_host)
        except BaseException:
            claimed.clear()
            os.close(claimed.lock)
            raise
        lab = LabFile(
            name=name,
            pid=sandbox.pid,
            mode="on-host" if on_host else "sandbox",
            source=source,
            file=spec.file or "<python>",
            nodes=tuple(node.name for node in spec.nodes),
            home=HOME,
            started=time.time_ns(),
            temporary=True,
            undo=host.dump() if host else "",
        )
        running = cls(spec, lab, sandbox, claimed, host)
        try:
            claimed.write(lab)
            plan = compile_lab(spec, on_host=on_host, first_host_index=host.index if host else None)
            namespaces, contents = plan.parted()
            apply(namespaces, sandbox)
            sandbox.notes += tuple(listen(sandbox, running._logging_nodes()))
            apply(contents, sandbox)
        except BaseException:
            running.down()
            raise
        return running

    @classmethod
    def attach(cls, name: str, spec_of: Callable[[str, str], LabSpec]) -> Self:
        """A lab that another process started; *spec_of* reads its recorded source.

        Raises NoSuchLabError.
        """
        lab = find(name)
        host = HostChanges.load(lab.undo) if lab.undo else None
        return cls(spec_of(lab.source, lab.file), lab, Sandbox.attach(lab), None, host)

    def _logging_nodes(self) -> list[NodeName]:
        """The real host's own log goes to its kernel log, which is left as it is."""
        nodes = [n for n in self.spec.nodes if not (self._host and n.name == HOME)]
        if len(nodes) > _MOST_LOGGED:
            nodes = [n for n in nodes if n.bridges or n.iptables or n.ip6tables or n.nft]
        return [n.name for n in nodes]

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
        return tuple(node.name for node in self.spec.nodes)

    def detach(self) -> None:
        """Let it stand when this process ends, until `down`."""
        self.file = replace(self.file, temporary=False)
        if self._claim is not None:
            self._claim.write(self.file)
        self.sandbox.detach()

    def down(self) -> None:
        """End the lab and every process in it, and undo what was done on the real host."""
        folder = state_home() / self.name
        self.sandbox.stop()
        if self._host is not None:
            self._host.undo()
        if self._claim is not None:
            self._claim.clear()
            os.close(self._claim.lock)
            self._claim = None
        else:
            Claim(folder, -1).clear()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.down()

    def check_node(self, name: str) -> NodeName:
        """The node of that name; UsageError naming the known ones when there is none."""
        if name not in self.nodes:
            message = f"lab {self.name!r} has no node {name!r}; it has {', '.join(self.nodes)}"
            raise UsageError(message)
        return NodeName(name)

    def snapshot(self, nodes: Sequence[str] | None = None, *, rules: bool = True) -> Snapshot:
        """All forwarding state of the nodes, now."""
        chosen = [self.check_node(name) for name in nodes] if nodes else list(self.nodes)
        return read(self.sandbox, chosen, rules=rules)

    def run(self, node: str, argv: Sequence[str], stdin: bytes = b"") -> Completed:
        """Run a program in a node to its end; code 127 when there is no such program."""
        return self.sandbox.run(self.check_node(node), argv, stdin)

    def set_sysctl(self, node: str, key: str, value: str) -> tuple[str, str]:
        """Set a sysctl in a node; returns the values before and after.

        Raises UsageError when this kernel has no such sysctl there, or refuses the value.
        """
        where, path = self.check_node(node), sysctl_path(key)
        if not path.startswith("net/"):
            message = f"{key}: only sysctls below net. belong to a node; others are the machine's"
            raise UsageError(message)
        full = f"/proc/sys/{path}"
        before = self.sandbox.read_files(where, [full])[full]
        if before is None:
            message = f"{node} has no sysctl {key} (as the kernel of this machine knows them)"
            raise UsageError(message)
        if self._host is not None and where == HOME:
            self._host.remember_sysctl(path, before.strip())
            self.file = replace(self.file, undo=self._host.dump())
            Claim(state_home() / self.name, -1).write(self.file)
        try:
            self.sandbox.write_sysctls(where, {path: value})
        except KernelError as error:
            message = f"{node}: {key} = {value} is refused: {os.strerror(error.code)}"
            raise UsageError(message) from error
        after = self.sandbox.read_files(where, [full])[full] or ""
        return before.strip(), after.strip()

    def add_rules(self, tool: str, node: str, lines: Sequence[str]) -> None:
        """Add iptables or ip6tables rules while the lab runs."""
        where = self.check_node(node)
        if self._host is not None and where == HOME:
            lines = self._host.own_rules(tool, lines)
            self.file = replace(self.file, undo=self._host.dump())
            Claim(state_home() / self.name, -1).write(self.file)
        firewall.add_iptables(self.sandbox, where, tool, lines)

    def zero(self, node: str) -> None:
        """Zero the rule counters of a node; refused for the real host, whose rules are not ours."""
        where = self.check_node(node)
        if self._host is None or where != HOME:
            firewall.zero(self.sandbox, where)

    @contextmanager
    def observing(self, addresses: Sequence[str], *, promiscuous: bool = True) -> Iterator[Session]:
        """All observers on all nodes, ready; packets from or to *addresses* are traced."""
        snapshot = self.snapshot(rules=False)
        scope = Scope(
            nodes=self.nodes,
            snapshot=snapshot,
            addresses=tuple(addresses),
            promiscuous=promiscuous,
            devices=self._host_devices(),
            log=state_home() / self.name / "nflog",
            recorded=self.nodes,
        )
        with Session(self.sandbox, scope) as session:
            yield session

    def _host_devices(self) -> dict[NodeName, frozenset[DevName]] | None:
        """On the real host only our own devices are watched."""
        if self._host is None:
            return None
        return {HOME: frozenset(self._host.devices)}

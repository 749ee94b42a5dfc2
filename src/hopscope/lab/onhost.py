"""The real host's part of a lab: the marks on what is declared, and its side of a change.

What a change needs to be undone is on the lab's record before anything is done, and what
needs no undoing any more is taken off it only when the change has ended.
"""

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress

from msgspec.structs import replace

from hopscope.errors import HopscopeError, UsageError
from hopscope.kernel.onhost.changes import HostChanges
from hopscope.kernel.onhost.limits import follows
from hopscope.kernel.onhost.marked import expected, marked_rules
from hopscope.kernel.onhost.marks import deletions, is_behind
from hopscope.kernel.onhost.tables import holding, remove_unused
from hopscope.kernel.sandbox import Sandbox
from hopscope.model.lab import LabSpec, NodeSpec, RuleLine
from hopscope.model.snapshot import NodeState, Snapshot
from hopscope.model.vocab import DevRef, NodeName
from hopscope.observe.loglines import watch_at
from hopscope.plan.compile import compile_lab
from hopscope.plan.names import HOME, LO, alias_of
from hopscope.plan.onhost import in_foreign_bridge, our_part, torn
from hopscope.plan.ops import AddRules, Mark, Plan
from hopscope.plan.wanted import Wanted
from hopscope.plan.world import Marked, MarkedRule, World, default_path

__all__ = ["HostSide", "check_here", "insertions", "with_marks"]

Rules = Mapping[str, tuple[MarkedRule, ...]]
"""By tool."""


def with_marks(spec: LabSpec, host: HostChanges) -> LabSpec:
    """With our mark on each rule of the real host, which *host* remembers how to delete."""

    def marked(tool: str, rules: Sequence[RuleLine]) -> tuple[RuleLine, ...]:
        texts = host.own_rules(tool, [rule.text for rule in rules])
        return tuple(replace(r, text=text) for r, text in zip(rules, texts, strict=True))

    def own(node: NodeSpec) -> NodeSpec:
        if node.name != HOME:
            return node
        iptables, ip6tables = marked("iptables", node.iptables), marked("ip6tables", node.ip6tables)
        return replace(node, iptables=iptables, ip6tables=ip6tables)

    return replace(spec, nodes=tuple(map(own, spec.nodes)))


def check_here(sandbox: Sandbox) -> None:
    """UsageError when the lab's host is not the network namespace that this process is in."""
    here, there = os.stat("/proc/self/ns/net"), os.fstat(sandbox.ns_fd(HOME))  # noqa: PTH116
    if not os.path.samestat(here, there):
        message = (
            "the lab stands on another host than this: it was made in another network namespace; "
            f"change it from there: nsenter --target={sandbox.pid} --net hopscope …"
        )
        raise UsageError(message)


class HostSide:
    """The machine's own network in a change to *spec*; *keep* writes what is to be undone."""

    def __init__(
        self,
        sandbox: Sandbox,
        before: HostChanges,
        spec: LabSpec,
        *,
        keep: Callable[[HostChanges], None] = lambda _: None,
    ) -> None:
        check_here(sandbox)
        self._sandbox = sandbox
        self._before = before
        self._changes = before.revised(spec)
        self.spec: LabSpec = with_marks(spec, self._changes)
        self._keep = keep
        self._goal: Rules = {}
        self._unordered: frozenset[str] = frozenset()
        self._all = NodeState(name=HOME)
        self._watched = frozenset(before.devices.values())
        self._tables: Mapping[str, Sequence[str]] | None = None  # when the change began

    def begin(self) -> None:
        """Both states, and what lies between, are on record."""
        tools = {argv[0] for argv in self._changes.rules}
        self._tables = {tool: list(holding(tool)) for tool in tools}
        self._keep(self._changes)

    def done(self) -> HostChanges:
        """What there is to undo once the lab is what is declared."""
        if self._tables is not None:
            self._changes.undo_tables()
        settled = self._changes.settled(self.spec, list(self._deletions()))
        self._watch(settled)
        return settled

    def _deletions(self) -> Iterator[list[str]]:
        host = self.spec.node(HOME)
        for tool, lines in (("iptables", host.iptables), ("ip6tables", host.ip6tables)):
            yield from deletions(tool, [line.text for line in lines])

    def _watch(self, host: HostChanges) -> None:
        """LOG rules are recorded of packets at our devices."""
        devices = frozenset(host.devices.values())
        if devices != self._watched:
            self._watched = devices
            self._sandbox.notes += tuple(watch_at(self._sandbox, HOME, sorted(devices)))

    def back(self) -> None:
        """Called when the state before is restored: puts its record back.

        If that cannot be written, the fuller record that stands undoes it as well.
        """
        for tool, before in (self._tables or {}).items():
            remove_unused(tool, before)
        self._watch(self._before)
        with suppress(HopscopeError, OSError):
            self._keep(self._before)

    def compiled(self, spec: LabSpec) -> Plan:
        """The plan of a lab on this host: our devices have the indexes that are on record."""
        return compile_lab(spec, on_host=True, known=self._changes.devices)

    def told(self, plan: Plan, world: World) -> Plan:
        """A plan that leads back to *world*: devices that it makes on the host carry our mark."""
        marks = [
            Mark(node=HOME, dev=link.name, alias=alias_of(self.spec.name))
            for link in world.nodes[HOME].links
        ]
        return replace(plan, ops=(*plan.ops, *marks))

    def ours(self, goal: Wanted) -> Wanted:
        """What is wanted of the host's own loopback: nothing."""
        goal.devices.pop(DevRef(HOME, LO), None)
        return goal

    def seen(self, snapshot: Snapshot) -> Snapshot:
        """What of the host is ours. UsageError for a device of ours in another's bridge."""
        self._all = next(node for node in snapshot.nodes if node.name == HOME)
        indexes = frozenset(self._changes.devices.values())
        if (port := in_foreign_bridge(self._all, indexes)) is not None:
            message = (
                f"on this host {port.name} is in the bridge {port.master}, which is not the lab's; "
                f"take it out first: ip link set dev {port.name} nomaster"
            )
            raise UsageError(message)
        ours = our_part(self._all, indexes)
        nodes = tuple(ours if node.name == HOME else node for node in snapshot.nodes)
        return replace(snapshot, nodes=nodes)

    def check(self, removal: Plan, world: World) -> None:
        """UsageError when devices of others hang on what *removal* removes."""
        if (found := torn(removal, world, self._all)) is not None:
            theirs, below = found
            message = (
                f"{below} is to go from this host, and {theirs}, which is not the lab's, hangs on "
                f"it; take {theirs} away first, or keep {below} in the lab"
            )
            raise UsageError(message)

    def sysctls(self, paths: Sequence[str]) -> tuple[dict[str, str | None], list[str]]:
        """How these were before the lab; and which others the kernel sets along with them."""
        kept = self._changes.sysctls
        defaults = sorted({one for path in paths if (one := default_path(path)) is not None})
        files = {f"/proc/sys/{path}": path for path in defaults}
        texts = self._sandbox.read_files(HOME, list(files))
        now = {files[file]: text.strip() if text else None for file, text in texts.items()}
        others = dict.fromkeys(one for path in paths for one in follows(path) if one in kept)
        return {**now, **kept}, list(others)

    def following(self, paths: Sequence[str]) -> dict[tuple[NodeName, str], list[tuple[str, str]]]:
        """Path → what the kernel sets along with it, as that was before the lab."""
        kept = self._changes.sysctls
        return {
            (HOME, path): [(one, kept[one]) for one in follows(path) if one in kept]
            for path in paths
        }

    def try_rules(self, fresh: NodeName, ops: Sequence[AddRules]) -> None:
        """Learn what the declared rules will be told as; a SpecError for one that is refused."""
        goal: dict[str, tuple[MarkedRule, ...]] = {}
        for op in ops:
            chains = marked_rules(self._sandbox, HOME, op.tool, self._changes.mark).chains
            goal[op.tool] = expected(
                self._sandbox,
                fresh,
                op.tool,
                op.lines,
                mark=self._changes.mark,
                chains=chains,
                places=op.places,
            )
        self._goal = goal
        self._unordered = frozenset(op.tool for op in ops if any(map(is_behind, op.lines)))

    def rules(self) -> Marked | None:
        """Our rules that are there, and that are wanted; None when there can be none."""
        tools = dict.fromkeys([argv[0] for argv in self._changes.rules])
        if not tools:
            return None
        mark = self._changes.mark
        now = {tool: marked_rules(self._sandbox, HOME, tool, mark).rules for tool in tools}
        return Marked(node=HOME, now=now, goal=self._goal, unordered=self._unordered)

    def lead_back(self, before: Marked | None) -> None:
        """From now on the rules that are wanted are those of *before*, each at its place."""
        self._goal = before.now if before is not None else {}
        self._unordered = frozenset()


def insertions(rules: Marked | None) -> tuple[AddRules, ...]:
    """What makes these rules again, each at its place among others'."""
    return tuple(
        AddRules(node=HOME, tool=tool, lines=tuple(one.insertion for one in some), places=())
        for tool, some in (rules.now if rules is not None else {}).items()
        if some
    )

"""A lab that stands becomes the one that is declared: by what differs, and by nothing else.

Read, compare, remove, make, and read again, until nothing differs. Whatever fails on the
way, an interruption too, leads back to the state before: that is read off the kernel, told
as a plan, and reconciled in the same manner.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from hopscope.errors import CannotError, HopscopeError, Problem, SpecError, UsageError
from hopscope.kernel.apply import firewall
from hopscope.kernel.apply.plan import add_rules, apply, begin
from hopscope.kernel.interrupts import undisturbed
from hopscope.kernel.neighbours import agreed
from hopscope.kernel.onhost.changes import HostChanges
from hopscope.kernel.read.nexthops import read_nexthops
from hopscope.kernel.read.nftables import read_objects
from hopscope.kernel.read.proxies import read_proxies
from hopscope.kernel.read.rules import read_chains
from hopscope.kernel.read.snapshot import read
from hopscope.kernel.sandbox import Sandbox
from hopscope.kernel.state import LabFile
from hopscope.lab.again import Again, disturbed
from hopscope.lab.onhost import HostSide, insertions
from hopscope.lab.processes import difference
from hopscope.lab.sysctls import as_built, as_told, at_first, check_lasting, paths_of, values_of
from hopscope.model.change import Change, Subject
from hopscope.model.lab import LabSpec
from hopscope.model.snapshot import Chain, NodeState, Snapshot
from hopscope.model.vocab import DevRef, NodeName
from hopscope.observe.loglines import heard, listen, watch
from hopscope.plan.compare import differences
from hopscope.plan.compile import compile_lab
from hopscope.plan.converge import Convergence, converge
from hopscope.plan.lost import lost
from hopscope.plan.names import HOME, LO
from hopscope.plan.ops import AddRules, MakeNodes, Plan
from hopscope.plan.processes import changes
from hopscope.plan.restore import plan_of
from hopscope.plan.setbefore import coming_back
from hopscope.plan.sysctls import doubtful, lasting, written
from hopscope.plan.wanted import Wanted, wanted
from hopscope.plan.world import Marked, Objects, Sysctls, World, default_path
from hopscope.wire.netlink import NETLINK_NETFILTER, NETLINK_ROUTE

__all__ = ["compare", "from_nothing", "reconcile"]

_ROUNDS: Final = 4
"""A change may undo another: taking a device down drops its routes. Two rounds are usual."""


def from_nothing(spec: LabSpec, *, on_host: bool = False) -> Convergence:
    """All that is made for a lab that is not up; raises as `HostChanges.prepare` *on_host*."""
    if on_host:
        HostChanges.prepare(spec)
    plan = compile_lab(spec, on_host=on_host)
    there = (NodeState(name=HOME),) if on_host else ()
    nothing = World(Snapshot(nodes=there), sysctls={}, defaults={}, expected_rules={})
    goal = wanted(plan)
    if on_host:
        goal.devices.pop(DevRef(HOME, LO), None)  # nothing is wanted of the host's own
    found = differences(goal, nothing)
    made = converge(plan, found, nothing)
    return replace(made, changes=(*made.changes, *changes(spec)))


def compare(
    sandbox: Sandbox,
    spec: LabSpec,
    earlier: LabSpec,
    file: LabFile,
    *,
    host: HostSide | None = None,
) -> Convergence:
    """How what there is differs from *spec*; *earlier* is what was declared before. Reads only.

    *file*: the lab's record; *host*: of a lab whose node ``host`` is the real one.
    """
    found = _Reconciliation(sandbox, spec, earlier, file, host).difference()
    return replace(found, changes=(*found.changes, *difference(sandbox, spec, earlier)))


def reconcile(
    sandbox: Sandbox,
    spec: LabSpec,
    earlier: LabSpec,
    file: LabFile,
    *,
    leave: Callable[[], None],
    record: Callable[[], None],
    host: HostSide | None = None,
) -> tuple[Change, ...]:
    """Make the lab what *spec* declares; returns what was changed, () when it was so already.

    *leave* is called before anything is changed, *record* when it is so; when that fails, the lab
    is led back as well. *file*, *host*: see `compare`.

    Raises as `kernel.apply.plan` does, after the state before is restored; UsageError when the
    lab cannot become that.
    """
    before, after = ({node.name for node in one.nodes} for one in (earlier, spec))
    if HOME in before - after and sandbox.home == HOME:  # one that was added later is a node as any
        message = (
            f"the node {HOME!r} cannot be removed while lab {spec.name!r} stands, which began "
            f"with it: it is the sandbox's own namespace; hopscope down {spec.name}, and up again"
        )
        raise UsageError(message)
    return _Reconciliation(sandbox, spec, earlier, file, host).perform(leave, record)


class _Before(Struct, frozen=True):
    """What there was: as a plan, as it was read, and the devices that no plan makes."""

    plan: Plan
    snapshot: Snapshot
    again: Again
    chains: Mapping[NodeName, tuple[Chain, ...]]
    objects: Objects
    marked: Marked | None
    strangers: frozenset[DevRef]


class _Reconciliation:
    """A plan, and a lab that is to become what it leads to."""

    def __init__(
        self,
        sandbox: Sandbox,
        spec: LabSpec,
        earlier: LabSpec,
        file: LabFile,
        host: HostSide | None,
    ) -> None:
        compiled = compile_lab if host is None else host.compiled
        self._sandbox = sandbox
        self._host = host
        self._lab = spec.name
        self._plan = compiled(spec if host is None else host.spec)
        self._wanted = self._aim(self._plan)
        said = wanted(compiled(earlier))
        was = {(NodeName(node), path): value for node, path, value in file.was}
        self._was = coming_back(was, said, self._wanted)
        if host is None:
            self._was = as_built(sandbox, self._was, said, self._wanted)
        self._judged = paths_of(self._wanted.sysctls, said.sysctls, self._was)
        self._paths = paths_of(self._wanted.sysctls, said.sysctls, was)
        self._defaults: Mapping[str, str | None] = {}
        self._written = written(said)
        self._told: dict[tuple[str, str], str] = {}
        self._rules: Mapping[NodeName, tuple[Chain, ...]] = {}
        self._objects: Objects = {}
        self._heard = set(heard(earlier.nodes))
        self._may_be_heard = {*heard(spec.nodes), *self._heard} - ({HOME} if host else set())
        self._look_at_fresh(self._wanted)

    def _aim(self, plan: Plan) -> Wanted:
        return wanted(plan) if self._host is None else self._host.ours(wanted(plan))

    def _look_at_fresh(self, goal: Wanted) -> None:
        """What a namespace is like at first, and what the declared rules are listed as.

        Rules that their tools refuse are told here, before anything is touched.
        """
        asked = {
            (node, path)
            for node, paths in self._judged.items()
            for path in paths
            if not self._is_real(node) and (node, path) not in self._was
        }
        left = sorted({default_path(path) or path for _node, path in asked - goal.sysctls.keys()})
        if not left and not goal.rules:
            return
        rules = dict(goal.rules)
        real = rules.pop(HOME, None) if self._host is not None else None
        with self._sandbox.fresh_node() as fresh:
            self._defaults = at_first(self._sandbox, fresh, left)
            refused: list[Problem] = []
            listed = {node: self._listed(fresh, ops, refused) for node, ops in rules.items()}
            self._rules = {node: chains for node, (chains, _objects) in listed.items()}
            self._objects = {node: objects for node, (_chains, objects) in listed.items()}
            if self._host is not None and real is not None:
                with firewall.gathered(refused):
                    self._host.try_rules(fresh, real)
            if refused:
                raise SpecError(refused)

    def _is_real(self, node: NodeName) -> bool:
        return self._host is not None and node == HOME

    def _listed(
        self, fresh: NodeName, ops: Sequence[AddRules], refused: list[Problem]
    ) -> tuple[tuple[Chain, ...], tuple[str, ...]]:
        for op in ops:
            with firewall.gathered(refused):
                add_rules(op, self._sandbox, fresh, flushing=True)
        chains, unread = read_chains(self._sandbox, fresh)
        if unread:
            raise CannotError(unread[0].replace(fresh, "the firewall"), mend="hopscope doctor")
        objects = read_objects(self._sandbox, fresh)
        firewall.reset(self._sandbox, fresh)
        return chains, objects

    def world(self, strangers: frozenset[DevRef] | None = None) -> World:
        """What there is now; with *strangers*, of what a plan can tell and of no such devices."""
        nodes = self._sandbox.nodes
        self._sandbox.prepare(nodes, (NETLINK_ROUTE, NETLINK_NETFILTER))
        told = strangers is not None
        ours = [node for node in nodes if not self._is_real(node)]
        paths = self._judged.get(HOME, ())
        usual, others = self._host.sysctls(paths) if self._host is not None else ({}, [])
        sysctls = values_of(self._sandbox, self._paths, {HOME: others} if told else {})
        return World(
            self._snapshot(),
            sysctls=sysctls,
            spelled=self._spelled(sysctls),
            defaults=self._defaults,
            expected_rules=self._rules,
            ignored=strangers or (),
            only_told=told,
            usual={HOME: usual} if self._host is not None else {},
            following=self._host.following(paths) if self._host is not None and not told else {},
            marked=self._host.rules() if self._host is not None else None,
            objects={node: read_objects(self._sandbox, node) for node in ours},
            expected_objects=self._objects,
            nexthops={} if told else {node: read_nexthops(self._sandbox, node) for node in ours},
            proxies={} if told else {node: read_proxies(self._sandbox, node) for node in nodes},
            was=self._was,
        )

    def _snapshot(self) -> Snapshot:
        """Of the real host's rules only ours are read, and by themselves."""
        nodes = self._sandbox.nodes
        if self._host is None:
            return read(self._sandbox, nodes, files=False)
        others = [node for node in nodes if node != HOME]
        parts = (
            *read(self._sandbox, [HOME], files=False, rules=False).nodes,
            *read(self._sandbox, others, files=False).nodes,
        )
        return self._host.seen(Snapshot(nodes=parts))

    def _spelled(self, sysctls: Sysctls) -> Mapping[tuple[str, str], str]:
        """How the kernel tells those that it seems to tell otherwise; each is tried once.

        And only if it was written before: some sysctls are the machine's.
        """
        new = doubtful(self._wanted, sysctls) & self._written - self._told.keys()
        self._told |= as_told(self._sandbox, sorted(new))
        return self._told

    def difference(self) -> Convergence:
        """How what there is differs."""
        return self._look()[1]

    def _look(self) -> tuple[World, Convergence]:
        """What there is, and how it differs. Where neighbours do, one look is not enough."""

        def look() -> tuple[World, Convergence]:
            world = self.world()
            return world, self._between(world)

        seen = look()
        if any(change.subject is Subject.NEIGHBOUR for change in seen[1].changes):
            return agreed(look, lambda one: one[1].changes)
        return seen

    def _between(self, world: World) -> Convergence:
        return converge(self._plan, differences(self._wanted, world), world)

    def perform(self, leave: Callable[[], None], record: Callable[[], None]) -> tuple[Change, ...]:
        """Round by round; on any failure, back to what there was."""
        world, first = self._look()
        if not first.changes:
            record()
            return ()
        before = self._remember(world, first)
        self._check(first, world)
        try:
            if self._host is not None:
                self._host.begin()
            leave()
            self._rounds(first)
            record()
        except BaseException as error:
            with undisturbed():
                self._go_back(before, error)
            raise
        return first.changes

    def _check(self, work: Convergence, world: World) -> None:
        """UsageError for what cannot be done while the lab stands."""
        check_lasting(lasting(self._wanted, world, work.making.ops), self._lab)
        if self._host is not None:
            self._host.check(work.removal, world)

    def _rounds(self, first: Convergence) -> None:
        following = first
        for _round in range(_ROUNDS):
            self._apply(following)
            following = self.difference()
            if not following.changes:
                return
        what = f"the lab does not become what is declared: {_left(following)} again and again"
        raise CannotError(what, mend="hopscope down, and up")

    def _apply(self, work: Convergence) -> None:
        self._written |= written(self._wanted)
        apply(work.removal, self._sandbox)
        nodes, contents = work.making.parted()
        begin(nodes, self._sandbox)
        made = [name for op in nodes.ops if isinstance(op, MakeNodes) for name in op.names]
        news = [
            node
            for node in dict.fromkeys((*made, *contents.ruled()))
            if node in self._may_be_heard and (node in made or node not in self._heard)
        ]
        self._heard |= set(news)
        noted = listen(self._sandbox, news) if news else []
        self._sandbox.notes += (*noted, *watch(self._sandbox, contents.ruled()))
        apply(contents, self._sandbox)
        apply(work.letting_go, self._sandbox)

    def _remember(self, world: World, work: Convergence) -> _Before:
        about = (Subject.RULES, Subject.NODE)
        changed = {one.node for one in work.changes if one.subject in about}
        changed = {node for node in changed if not self._is_real(node)}
        saved = {node: firewall.saved(self._sandbox, node) for node in changed & world.nodes.keys()}
        rules = {
            node: tuple(
                AddRules(node=node, tool=tool, lines=lines, places=())
                for tool, lines in tools.items()
            )
            for node, tools in saved.items()
        }
        values = world.sysctls
        if self._host is not None:
            rules[HOME] = insertions(world.marked)
            _usual, others = self._host.sysctls(self._paths.get(HOME, ()))
            values = values_of(self._sandbox, self._paths, {HOME: others})
        plan = plan_of(world.snapshot, values, rules)
        plan = plan if self._host is None else self._host.told(plan, world)
        strangers = frozenset(world.links.keys() - wanted(plan).devices.keys())
        chains = {name: node.chains for name, node in world.nodes.items()}
        again = self._keep(world, disturbed(work, world), strangers)
        objects = world.objects
        return _Before(plan, world.snapshot, again, chains, objects, world.marked, strangers)

    def _keep(self, world: World, nodes: Collection[NodeName], but: Collection[DevRef]) -> Again:
        devices = {
            node: {
                link.index for link in world.nodes[node].links if DevRef(node, link.name) not in but
            }
            for node in nodes
        }
        return Again(self._sandbox, devices, HOME if self._host is not None else None)

    def _go_back(self, before: _Before, because: BaseException) -> None:
        """What cannot be restored is told with the error that made it necessary."""
        self._plan, self._wanted = before.plan, self._aim(before.plan)
        self._rules, self._objects = before.chains, before.objects
        if self._host is not None:
            self._host.lead_back(before.marked)
        try:
            self._sandbox.look_again()  # an interrupted request may have made or removed some
            world, left = self._lead_back(before)
            gone = [*before.again.give_back(before.plan), *lost(before.snapshot, world.snapshot)]
            if left:
                because.add_note(f"the state before could not be restored: {left}")
            elif self._host is not None:
                self._host.back()
            if gone:
                because.add_note(
                    f"what no lab file can declare was not restored: {'; '.join(gone)}"
                )
        except (HopscopeError, OSError) as error:
            because.add_note(f"the state before could not be restored: {error}")

    def _lead_back(self, before: _Before) -> tuple[World, str]:
        """To all but what is to be given back; returns what there is, and what differs."""
        for left in reversed(range(_ROUNDS + 1)):
            world = self.world(before.strangers)
            found = before.again.others(differences(self._wanted, world))
            back = converge(self._plan, found, world)
            if not back.changes or not left:
                break
            self._apply(back)
        return world, _left(back)


def _left(work: Convergence) -> str:
    """The first of what still differs."""
    return ", ".join(f"{one.node} {one.name} {one.attribute}" for one in work.changes[:3])

"""Probe many pairs of a lab's nodes at once, and explain what fails.

Each node resolves its neighbours as ever as long as there is room for all of them in the table
that the machine's namespaces share; beyond that they are given for a while, and what fails then
is probed again without.
"""

import os
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Final

from msgspec import Struct

from hopscope.errors import UsageError
from hopscope.kernel.neighbours import Near, Permanent, alone, forget_left, overflows, room
from hopscope.kernel.read.ends import leads_out, read_ends
from hopscope.kernel.state import state_home
from hopscope.lab.choosing import aims, chosen
from hopscope.lab.refused import told_who_refused
from hopscope.lab.running import RunningLab
from hopscope.lab.twice import Twice
from hopscope.lab.unreached import explained
from hopscope.model.ends import Chooser, NodeEnds, lone, neighbours
from hopscope.model.grouping import grouped
from hopscope.model.limits import TIMEOUT
from hopscope.model.naming import some_of
from hopscope.model.reachability import Ends, Outcome, Pair, Protocol, Reachability, Resolution
from hopscope.model.vocab import Nanos, NodeName
from hopscope.plan.names import HOME
from hopscope.probe.answers import Answer, Ask
from hopscope.probe.connections import connections
from hopscope.probe.datagrams import datagrams
from hopscope.probe.echoes import echo
from hopscope.version import VERSION

__all__ = ["reach"]

_USUAL_ROOM: Final = 1024  # the kernel's own gc_thresh3, where it is not told
_SILENT: Final = Answer(Outcome.SILENT)


class _Probe(Struct, frozen=True, kw_only=True):
    """How a pair is probed."""

    protocol: Protocol
    port: int
    timeout: float


def reach(
    lab: RunningLab,
    sources: Sequence[str] = (),
    targets: Sequence[str] = (),
    *,
    protocol: Protocol = Protocol.ICMP,
    port: int | None = None,
    timeout: float = 1.0,
    arp: bool = False,
) -> Reachability:
    """Probe each target from each source; without names, all that have, or lost, an address.

    A target may be an address, too. *arp*: nodes resolve their neighbours themselves, whatever room
    there is. Raises UsageError for a node that is not there, or a port where none belongs.
    """
    probe = _Probe(protocol=protocol, port=_port(protocol, port), timeout=_timeout(timeout))
    asked = [chosen(lab, sources), aims(lab, targets)]
    started = Nanos(time.time_ns())
    forget_left(_folder(lab), lab.sandbox, _ours(lab))
    ends = {one.name: one for one in read_ends(lab.sandbox, lab.nodes)}
    lost = _lost(lab, [name for name, one in ends.items() if not one.ends])
    probed = [name for name, one in ends.items() if one.ends or name in lost]
    froms, tos = asked[0] or probed, asked[1] or probed
    aimed = ends | {name: lone(name) for name in tos if name not in ends}
    addresses = _addresses(aimed, froms, tos)
    resolving = _Resolving(lab, list(ends.values()), froms, tos, arp=arp)
    before = resolving.overflows()
    found = resolving.probed(addresses, probe)
    of_nodes = {between: ip for between, ip in addresses.items() if between[1] in ends}
    twice = Twice(lab.sandbox, list(ends.values()), of_nodes, _reached(found))
    pairs = tuple(
        _pair(aimed, lost, addresses, between, answer, twice.instead(between))
        for between, answer in found.items()
    )
    resolution = resolving.told(before)
    owners = {end.ip: one.name for one in ends.values() for end in one.ends}
    pairs, who = told_who_refused(lab, pairs, owners, protocol, probe.port, timeout)
    groups = grouped(pairs, overflowed=bool(resolution.overflows))
    left_out = [name for name in ends if name not in probed and not all(asked)]
    return Reachability(
        lab=lab.name,
        kernel=os.uname().release,
        hopscope=VERSION,
        started=started,
        took=resolving.took,
        protocol=protocol,
        port=port,
        timeout=timeout,
        sources=tuple(froms),
        targets=tuple(tos),
        pairs=pairs,
        groups=explained(lab, groups, pairs, protocol, port, timeout),
        resolution=resolution,
        notes=(*resolving.notes(resolution), *twice.notes(), *who, *_left_out(left_out)),
    )


def _left_out(names: Sequence[NodeName]) -> Iterator[str]:
    yield from (f"{name} has no address, and is left out" for name in names)


def _lost(lab: RunningLab, bare: Sequence[NodeName]) -> dict[NodeName, str]:
    """Of nodes that have no address: what is wrong with those to which the lab gives one."""
    given = {
        name: [one.cidr for one in lab.spec.node(name).addresses if leads_out(one.cidr)]
        for name in bare
    }
    return {
        name: f"{name} has no address, though the lab gives it {some_of(cidrs)}; "
        f"what differs is told by: hopscope diff {lab.name}"
        for name, cidrs in given.items()
        if cidrs
    }


def _reached(found: Mapping[Ends, Answer]) -> set[Ends]:
    """Those of which something answered."""
    proofs = (Outcome.ANSWERED, Outcome.REFUSED)
    return {between for between, answer in found.items() if answer.outcome in proofs}


def _folder(lab: RunningLab) -> Path:
    return state_home() / lab.name


def _ours(lab: RunningLab) -> list[NodeName]:
    """The nodes whose neighbour tables are the lab's: the machine's own is not."""
    return [node for node in lab.nodes if not (lab.on_host and node == HOME)]


def _port(protocol: Protocol, port: int | None) -> int:
    if protocol is Protocol.ICMP and port is not None:
        raise UsageError("icmp has no ports; --port is for tcp and udp")
    if protocol is not Protocol.ICMP and port is None:
        raise UsageError(f"{protocol} is probed at a port; name it: --port N")
    if port is not None and not 0 < port < 1 << 16:
        raise UsageError(f"a port is 1 to 65535, not {port}")
    return port or 0


def _timeout(timeout: float) -> float:
    if not TIMEOUT.hold(timeout):
        raise UsageError(f"the timeout is a number of seconds, {TIMEOUT}, not {timeout!r}")
    return timeout


def _addresses(
    ends: Mapping[NodeName, NodeEnds], froms: Sequence[NodeName], tos: Sequence[NodeName]
) -> dict[Ends, str | None]:
    """The address to probe for each pair; a node is no target of its own.

    Raises UsageError where that leaves none.
    """
    chooser = Chooser([ends[target] for target in tos])
    found: dict[Ends, str | None] = {}
    for source in froms:
        taken = chooser.addresses(ends[source])
        found |= {(source, target): taken[target] for target in tos if target != source}
    if not found:  # which would count as all being well
        if not (froms and tos):
            raise UsageError("there is nothing to probe: no node has an address")
        between = f"from {some_of(froms)} to {some_of(tos)}"
        raise UsageError(f"there is nothing to probe {between}: a node is none of its own targets")
    return found


def _whole(answer: int | Answer) -> Answer:
    return Answer(Outcome.ANSWERED, answer) if isinstance(answer, int) else answer


def _pair(
    ends: Mapping[NodeName, NodeEnds],
    lost: Mapping[NodeName, str],
    addresses: Mapping[Ends, str | None],
    between: Ends,
    answer: Answer,
    instead: Sequence[NodeName],
) -> Pair:
    source, target = between
    address, error, outcome = addresses[between], answer.error, answer.outcome
    if instead:
        gone = "" if ends[target].linked else f"; {target} has no link that is up"
        outcome = Outcome.FAILED
        error = f"{' or '.join(instead)} answered, which has {address}, too{gone}"
    if address is None:
        poor = target if not ends[target].ends or ends[source].ends else source
        error = lost.get(poor) or f"{poor} has no address"
        if ends[poor].ends:
            family = f"IPv{ends[source].ends[0].network.version}"
            error = f"{target} has no {family} address, and {source} has no other"
            if target == ends[target].ends[0].ip:
                error = f"{source} has {family} addresses only"
    return Pair(
        source=source,
        target=target,
        address=address,
        outcome=Outcome.FAILED if address is None else outcome,
        rtt=None if instead else answer.rtt,
        error=error,
        instead=next(iter(instead), None),
    )


class _Resolving:
    """How the nodes come to know each other's MACs meanwhile."""

    def __init__(
        self,
        lab: RunningLab,
        ends: Sequence[NodeEnds],
        froms: Sequence[NodeName],
        tos: Sequence[NodeName],
        *,
        arp: bool,
    ) -> None:
        self._lab = lab
        self._own = {one.name: frozenset(end.ip for end in one.ends) for one in ends}
        self._six = all(":" in ip for own in self._own.values() for ip in own)
        self._room = room(six=self._six)
        self._fits = (self._room or _USUAL_ROOM) // 2  # others have neighbours too
        plan: dict[NodeName, list[Near]] = {}
        for node, index, macs in neighbours(ends, frozenset(froms), frozenset(tos)):
            plan.setdefault(node, []).append(Near(index, macs))
        self._entries = sum(len(near.macs) for some in plan.values() for near in some)
        self._plan = {node: plan[node] for node in _ours(lab) if node in plan}
        self.took = 0  # nanoseconds of probing; giving neighbours is not part of it
        self._permanent = not arp and self._entries > self._fits

    def probed(self, addresses: Mapping[Ends, str | None], probe: _Probe) -> dict[Ends, Answer]:
        """Each pair's answer, in their order."""
        known = {between: ip for between, ip in addresses.items() if ip is not None}
        found = dict.fromkeys(addresses, _SILENT)
        with ExitStack() as stack:
            if self._permanent:
                lab = self._lab
                noted = stack.enter_context(alone(_folder(lab), lab.sandbox, _ours(lab)))
                stack.enter_context(Permanent(lab.sandbox, self._plan, noted))
            found |= self._once(known, probe)
        again = {
            between: ip
            for between, ip in known.items()
            if found[between].outcome in (Outcome.SILENT, Outcome.FAILED)
        }
        if self._permanent and 0 < 2 * len(again) <= self._fits:
            found |= self._once(again, probe)
        return found

    def _once(self, addresses: Mapping[Ends, str], probe: _Probe) -> dict[Ends, Answer]:
        numbers: dict[NodeName, int] = {}
        goals: dict[NodeName, list[tuple[int, str]]] = {}
        for (source, target), ip in addresses.items():
            number = numbers.setdefault(target, len(numbers))
            goals.setdefault(source, []).append((number, ip))
        asks = [Ask(node, some, self._own[node]) for node, some in goals.items()]
        sandbox, timeout = self._lab.sandbox, probe.timeout
        begun = time.monotonic_ns()
        match probe.protocol:
            case Protocol.ICMP:
                got = echo(sandbox, asks, timeout=timeout)
            case Protocol.TCP:
                got = connections(sandbox, asks, port=probe.port, timeout=timeout)
            case Protocol.UDP:
                got = datagrams(sandbox, asks, port=probe.port, timeout=timeout)
        self.took += time.monotonic_ns() - begun
        answers = {ask.node: some for ask, some in zip(asks, got, strict=True)}
        return {
            (source, target): _whole(answers[source].get(numbers[target], _SILENT))
            for source, target in addresses
        }

    def overflows(self) -> int | None:
        """How often the table was full so far."""
        return overflows(six=self._six)

    def told(self, before: int | None) -> Resolution:
        """For the record."""
        now = self.overflows()
        return Resolution(
            how="permanent" if self._permanent else "arp",
            entries=self._entries,
            room=self._room,
            overflows=now - before if now is not None and before is not None else None,
        )

    def notes(self, told: Resolution) -> Iterator[str]:
        """That the table was full, and what to raise."""
        if told.overflows:
            times = "once" if told.overflows == 1 else f"{told.overflows} times"
            family = "ipv6" if self._six else "ipv4"
            wanted = 1 << (2 * told.entries).bit_length()
            yield (
                f"the neighbour table, which all namespaces of this machine share, was full {times}"
                f" meanwhile: it has room for {told.room}, and the pairs need {told.entries}; "
                "raise it, as root of the machine: "
                f"sysctl -w net.{family}.neigh.default.gc_thresh3={wanted}"
            )

"""Hold expectations against what was measured; each answer says what was seen, and why."""

from collections.abc import Iterator, Sequence

from msgspec.structs import replace

from hopscope.lab.pathcheck import path_check
from hopscope.model.chains import ChainName, families_of
from hopscope.model.events import Observation
from hopscope.model.journey import ChainVisit, HookStep, Journey, Reason, hops
from hopscope.model.lab import DropExpect, Expect
from hopscope.model.lookup import uses_conntrack
from hopscope.model.record import Check, LogLine, Reply, gap
from hopscope.model.snapshot import Chain, NodeState, Snapshot
from hopscope.model.vocab import Family, NodeName
from hopscope.render.words import duration

__all__ = ["chains_met", "ping_checks"]


def chains_met(journeys: Sequence[Journey]) -> set[str]:
    """Every chain that a packet met, as ``host/nat/PREROUTING``."""
    return {f"{node}/{visit.table}/{visit.chain}" for node, visit in _visits(journeys)}


def _visits(journeys: Sequence[Journey]) -> Iterator[tuple[NodeName, ChainVisit]]:
    for journey in journeys:
        for hop in hops(journey):
            for step in hop.steps:
                if isinstance(step, HookStep):
                    yield from ((hop.node, visit) for visit in step.chains)


def ping_checks(
    expect: Expect | None,
    *,
    replies: Sequence[Reply],
    journeys: Sequence[Journey],
    log: Sequence[LogLine],
    reason: Reason | None,
    before: Snapshot,
    observation: Observation,
    six: bool = False,
) -> tuple[Check, ...]:
    """The checks that a ping's ``expect`` asks for; *six*: its addresses are IPv6."""
    if expect is None:
        return ()
    why = reason.sentence if reason is not None else ""
    return (
        *_replies(expect, replies, why),
        *((path_check(expect.path, journeys, why),) if expect.path else ()),
        *((_drop(expect.drop, journeys, reason, observation),) if expect.drop else ()),
        *_chains(expect, journeys, before, observation, six=six),
        *_log(expect, log, observation),
    )


def _replies(expect: Expect, replies: Sequence[Reply], why: str) -> Iterator[Check]:
    times = [reply.rtt for reply in replies if reply.rtt is not None]
    got, sent = len(times), len(replies)
    if expect.reply is not None:
        yield Check(
            expected="a reply" if expect.reply else "no reply",
            seen=f"{got} of {sent} requests answered",
            held=0 < got == sent if expect.reply else got == 0,
            why=why if expect.reply else "",
        )
    if expect.loss is not None:
        lost = 100 * (sent - got) / sent if sent else 0.0
        yield Check(
            expected=f"loss: at most {expect.loss:g} %",
            seen=f"{sent - got} of {sent} requests without a reply ({lost:.3g} %)",
            held=bool(sent) and lost <= expect.loss,
            why=why,
        )
    if expect.latency is not None:
        span = dict.fromkeys(duration(time) for time in (min(times), max(times))) if times else {}
        after = "after " + " to ".join(span) if span else "no reply"
        yield Check(
            expected=f"latency: at most {duration(expect.latency)}",
            seen=f"{got} of {sent} requests answered, {after}" if span else after,
            held=bool(times) and max(times) <= expect.latency,
            why="" if times else why,
        )


def _drop(
    drop: DropExpect, journeys: Sequence[Journey], reason: Reason | None, observation: Observation
) -> Check:
    """Why there was no reply, or why some packet of the ping ended short of its goal."""
    reasons = [one for one in (reason, *(j.reason for j in journeys)) if one is not None]
    held = any(_is_meant(drop, one) for one in reasons)
    seen = dict.fromkeys(f"{one.code} at {one.at or 'no one device'}" for one in reasons)
    why = reasons[0].sentence if reasons else ""
    if observation.lost:
        why = f"{observation.lost} observations were lost"
    return Check(
        expected=f"drop: {drop.cause or 'any cause'}{f' at {drop.at}' if drop.at else ''}",
        seen=", ".join(seen) or "every packet reached its goal",
        held=held,
        why="" if held else why,
    )


def _is_meant(drop: DropExpect, reason: Reason) -> bool:
    if drop.cause not in (None, reason.code):
        return False
    if drop.at is None:
        return True
    return reason.at is not None and drop.at in (reason.at.node, str(reason.at))


def _chains(
    expect: Expect,
    journeys: Sequence[Journey],
    before: Snapshot,
    observation: Observation,
    *,
    six: bool,
) -> Iterator[Check]:
    met = {
        ChainName(node=node, family=visit.family, table=visit.table, chain=visit.chain)
        for node, visit in _visits(journeys)
    }
    seen = f"met {', '.join(sorted(_shortest(one, six=six) for one in met)) or 'no chain'}"
    for chain in expect.crosses:
        named = ChainName.read(chain)
        held = named is not None and not met.isdisjoint(_meant(named, six=six))
        why = "" if held or named is None else _why_not_crossed(named, before, six=six)
        yield Check(expected=f"crosses {chain}", seen=seen, held=held, why=why)
    for chain in expect.avoids:
        named = ChainName.read(chain)
        crossed = named is None or not met.isdisjoint(_meant(named, six=six))
        node = NodeName(chain.split("/")[0])
        unsure = gap(observation, before, node) if node in map(_name, before.nodes) else ""
        why = f"the trace of nf_tables shows a visit to {chain}" if crossed else ""
        if unsure and not crossed:
            why = f"it cannot be told: {unsure}"
        held = not crossed and not unsure
        yield Check(expected=f"avoids {chain}", seen=seen, held=held, why=why)


def _meant(named: ChainName, *, six: bool) -> set[ChainName]:
    """The long forms of it."""
    families = (named.family,) if named.family else families_of(six=six)
    return {replace(named, family=family) for family in families}


def _shortest(named: ChainName, *, six: bool) -> str:
    """Without its family, where that is the ping's own."""
    own = named.family is families_of(six=six)[0]
    return str(replace(named, family=None) if own else named)


def _name(node: NodeState) -> NodeName:
    return node.name


def _why_not_crossed(named: ChainName, before: Snapshot, *, six: bool) -> str:
    node = next((node for node in before.nodes if node.name == named.node), None)
    if node is None:
        return f"there is no node {named.node}"
    table, name = named.table, named.chain
    called = [c for c in node.chains if not c.ours and (c.table, c.name) == (table, name)]
    families = {one.family for one in _meant(named, six=six)}
    known = [chain for chain in called if chain.family in families]
    if not known:
        others = ", ".join(sorted({chain.family for chain in called}))
        where = f"; it has one of family {others}" if others else ""
        family = f" of family {named.family}" if named.family else ""
        return f"{named.node} has no chain {name} in table {table}{family}{where}"
    return _why_not_met(node, known[0])


def _why_not_met(node: NodeState, chain: Chain) -> str:
    if chain.type == "nat" and not uses_conntrack(node):
        return (
            f"no rule in {node.name} uses connection tracking, and without it nat chains see "
            "no packet; add: -A FORWARD -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT"
        )
    tool = "ip6tables" if chain.family is Family.IP6 else "iptables"
    if _bridged_only(node, tool):
        return (
            f"bridged packets meet {node.name}'s {tool} rules only when "
            f"net.bridge.bridge-nf-call-{tool}, or the bridge's own nf_call_{tool}, is 1"
        )
    return "the trace of nf_tables shows no visit"


def _bridged_only(node: NodeState, tool: str) -> bool:
    switched = node.sysctls.get(f"net.bridge.bridge-nf-call-{tool}") == "1"
    own = any(link.nf_call6 if tool == "ip6tables" else link.nf_call for link in node.links)
    return any(link.kind == "bridge" for link in node.links) and not (switched or own)


def _log(expect: Expect, log: Sequence[LogLine], observation: Observation) -> Iterator[Check]:
    if expect.log is None:
        return
    prefixes = tuple(line.prefix for line in log)
    words = ", ".join(expect.log) if expect.log else "no log line"
    yield Check(
        expected=f"log: {words}" if expect.log else words,
        seen=", ".join(prefixes) if prefixes else "no log line",
        held=prefixes == expect.log and not observation.lost,
        why=f"{observation.lost} observations were lost" if observation.lost else "",
    )

"""Perform a lab's story step by step; what was done and seen becomes a Record."""

import os
import re
import time
from collections.abc import Callable, Iterator, Sequence
from itertools import count

from msgspec.structs import replace

from hopscope.lab.checks import ping_checks
from hopscope.lab.conclusion import conclude
from hopscope.lab.rulesteps import add_step
from hopscope.lab.running import RunningLab
from hopscope.lab.tablechecks import nodes_asked, table_checks
from hopscope.lab.tables import Tables
from hopscope.model.events import Logged, Observation
from hopscope.model.flow import Headers, Icmp, Ip
from hopscope.model.journey import Journey, Reason
from hopscope.model.lab import (
    ExpectStep,
    FirewallStep,
    PingStep,
    SetStep,
    ShowStep,
    StoryStep,
    ZeroStep,
)
from hopscope.model.lookup import silent_nat, sysctl_int
from hopscope.model.record import (
    ExpectResult,
    LogLine,
    PingResult,
    Record,
    Reply,
    RuleDelta,
    SetResult,
    ShowResult,
    StepResult,
    ZeroResult,
)
from hopscope.model.snapshot import Chain, NodeState, Snapshot
from hopscope.model.vocab import Nanos
from hopscope.observe.session import Session
from hopscope.probe import Prober
from hopscope.render.logline import line
from hopscope.render.words import counted
from hopscope.trace.causes.evidence import LAB
from hopscope.trace.journeys import journeys, unsent
from hopscope.trace.loops import bridge_loop
from hopscope.trace.replies import why_no_reply
from hopscope.trace.rewritten import given_by_rules
from hopscope.trace.scene import Scene, scene_of
from hopscope.version import VERSION
from hopscope.wire.nft import LOG_BURST, LOG_RATE

__all__ = ["Told", "named", "perform", "ping", "to_be_pasted"]

Told = Callable[[StepResult], None]
"""Called with each step's result as soon as it is known."""


def perform(
    lab: RunningLab,
    *,
    told: Told = lambda _: None,
    finished: Callable[[Record], None] = lambda _: None,
    promiscuous: bool = True,
    called: str = "",
) -> Record:
    """The whole story of a lab that stands; expectations are held, never raised.

    *finished* gets the record before the observers are closed, which takes a while. *called*: as
    commands are to name the lab, where it will not be found under the name that it has now.
    """
    started = Nanos(time.time_ns())
    initial = lab.snapshot()
    steps: list[StepResult] = []
    numbers = count(1)
    watched = sorted({*_addresses(lab), *given_by_rules(initial)})
    with lab.observing(watched, promiscuous=promiscuous, snapshot=initial) as session:
        tables = Tables(lab)
        for step in lab.spec.story:
            for result in _step(lab, session, tables, step, numbers, called):
                steps.append(result)
                told(result)
        record = conclude(_record(lab, started, initial, steps))
        finished(record)
    return record


def _record(
    lab: RunningLab, started: Nanos, initial: Snapshot, steps: Sequence[StepResult]
) -> Record:
    return Record(
        lab=lab.name,
        description=lab.spec.description,
        mode="on-host" if lab.on_host else "sandbox",
        kernel=os.uname().release,
        hopscope=VERSION,
        started=started,
        finished=Nanos(time.time_ns()),
        initial=initial,
        steps=tuple(steps),
        conclusion=(),
        notes=tuple(lab.sandbox.notes),
    )


def _addresses(lab: RunningLab) -> list[str]:
    """What the story's pings are about: all sources' and targets' addresses."""
    found: dict[str, None] = {}
    for step in lab.spec.story:
        if isinstance(step, PingStep):
            found[step.address] = None
            for address in lab.spec.node(step.source).addresses:
                found[address.cidr.split("/")[0]] = None
    return list(found)


def _step(
    lab: RunningLab,
    session: Session,
    tables: Tables,
    step: StoryStep,
    numbers: Iterator[int],
    called: str,
) -> Iterator[StepResult]:
    match step:
        case ShowStep(what=what, nodes=nodes):
            yield ShowResult(what=what, nodes=nodes or lab.nodes, tables=tables.now(nodes))
            return
        case ExpectStep(expect=expect):
            found = tables.now(nodes_asked(expect), rules=bool(expect.hits))
            yield ExpectResult(checks=table_checks(expect, found))
            return
        case PingStep():
            now, number = tables.now(), next(numbers)
            result = ping(lab, session, step, number=number, before=now, called=called)
            tables.are(result.after)
            yield result
            if all(reply.rtt is not None for reply in result.replies):
                return  # else something may still be under way
        case SetStep(values=values):
            for node, sysctl in values:
                before, after = lab.set_sysctl(node, sysctl.key, sysctl.value)
                yield SetResult(node=node, key=sysctl.key, before=before, after=after)
        case FirewallStep():
            yield from add_step(lab, step)
        case ZeroStep(nodes=nodes):
            for node in nodes:
                lab.zero(node)
            yield ZeroResult(nodes=nodes)
    tables.change()


def ping(
    lab: RunningLab,
    session: Session,
    step: PingStep,
    *,
    number: int = 1,
    before: Snapshot | None = None,
    called: str = "",
) -> PingResult:
    """Send the requests of one step, and weave what was seen into journeys.

    *before*: the tables as they are, where they were just read. *called*: see `perform`.
    """
    before, called = before or lab.snapshot(), called or lab.name
    session.take()  # what happened before belongs to no ping
    prober = Prober(lab.sandbox, step.source, step.address, size=step.size)
    started = Nanos(time.time_ns())
    replies = _replies(prober, session, step)
    observation = session.take()
    after = lab.snapshot()
    scene = _scene(lab, observation, (before, after), replies, prober.ident)
    found = _journeys(scene, prober, step, replies, lab=called, at=started)
    answered = all(reply.rtt is not None for reply in replies)
    reason = None if answered else named(why_no_reply(scene, found, step.source), called)
    log = tuple(_log_lines(observation))
    deltas = tuple(_deltas(before, after))
    return PingResult(
        number=number,
        source=step.source,
        source_address=prober.source,
        target=step.target,
        address=step.address,
        replies=replies,
        journeys=found,
        before=before,
        after=after,
        deltas=deltas,
        log=log,
        checks=ping_checks(
            step.expect,
            replies=replies,
            journeys=found,
            log=log,
            reason=reason,
            before=before,
            observation=observation,
            six=prober.six,
        ),
        observation=observation,
        switches=_switches(before, six=prober.six),
        reason=reason,
        notes=(*_notes(before, observation, found, replies), *_unlogged(lab, deltas, log)),
    )


def _replies(prober: Prober, session: Session, step: PingStep) -> tuple[Reply, ...]:
    """Send the step's requests; an error that came late stands at its own request.

    Interrupted, it notes what had come until then.
    """
    replies: list[Reply] = []
    try:
        for seq in range(1, step.count + 1):
            replies.append(prober.ping(session, seq, timeout=step.timeout))  # noqa: PERF401
    except KeyboardInterrupt as error:
        came = sum(reply.rtt is not None for reply in replies)
        if replies:
            error.add_note(f"{came} of {counted(len(replies), 'request')} answered until then")
        raise
    finally:
        prober.close()
    return tuple(
        replace(one, error=prober.late[one.seq])
        if one.rtt is None and one.seq in prober.late
        else one
        for one in replies
    )


def _journeys(
    scene: Scene,
    prober: Prober,
    step: PingStep,
    replies: Sequence[Reply],
    *,
    lab: str,
    at: Nanos,
) -> tuple[Journey, ...]:
    """All that was seen, and the request that was refused before it became a packet."""
    found = journeys(scene, ident=prober.ident)
    refused = next((reply.error for reply in replies if reply.error), None)
    if refused is not None and not any(one.headers.stamp for one in found):
        headers = _request(prober.source, step.address, prober.ident)
        found = (*found, unsent(scene, step.source, headers, refused, at=at))
    return tuple(replace(one, reason=named(one.reason, lab)) for one in found)


def _scene(
    lab: RunningLab,
    observation: Observation,
    tables: tuple[Snapshot, Snapshot],
    replies: Sequence[Reply],
    ident: int,
) -> Scene:
    stamps = {reply.seq: ident << 32 | reply.seq for reply in replies}
    return scene_of(
        observation,
        *tables,
        replied=frozenset(stamps[r.seq] for r in replies if r.rtt is not None),
        errors={stamps[r.seq]: r.error for r in replies if r.error},
        declared=lab.spec.nodes,
    )


def named(reason: Reason | None, lab: str) -> Reason | None:
    """The reason; its commands with the lab's own name, so that they can be pasted."""
    if reason is None or LAB not in reason.mend:
        return reason
    return replace(reason, mend=to_be_pasted(reason.mend, lab))


def to_be_pasted(commands: str, lab: str) -> str:
    """Commands with the lab's own name."""
    return re.sub(rf"\b{LAB}\b", lab, commands)


def _request(source: str | None, address: str, ident: int) -> Headers:
    """The headers of a request that never became a packet."""
    six = ":" in address
    ip = Ip(
        version=6 if six else 4,
        src=source or ("::" if six else "0.0.0.0"),  # noqa: S104 - nothing is bound
        dst=address,
        proto=58 if six else 1,
        ttl=64,
        length=0,
    )
    echo = Icmp(type=128 if six else 8, code=0, ident=ident, seq=1)
    return Headers(ip=ip, icmp=echo, stamp=ident << 32 | 1)


def _log_lines(observation: Observation) -> Iterator[LogLine]:
    for event in observation.events:
        if isinstance(event, Logged):
            yield LogLine(at=event.at, node=event.node, prefix=event.prefix, text=line(event))


def _rules(node: NodeState) -> dict[tuple[str, str, str, int], tuple[Chain, int]]:
    return {
        (chain.family, chain.table, chain.name, rule.handle): (chain, number)
        for chain in node.chains
        if not chain.ours
        for number, rule in enumerate(chain.rules)
    }


def _deltas(before: Snapshot, after: Snapshot) -> Iterator[RuleDelta]:
    """Every counted rule that was there throughout."""
    for node in after.nodes:
        earlier = _rules(before.node(node.name))
        for key, (chain, number) in _rules(node).items():
            rule = chain.rules[number]
            if key not in earlier or rule.packets is None:
                continue
            old_chain, old_number = earlier[key]
            yield RuleDelta(
                node=node.name,
                family=chain.family,
                table=chain.table,
                chain=chain.name,
                handle=rule.handle,
                text=rule.text,
                before=old_chain.rules[old_number].packets or 0,
                after=rule.packets,
                log_prefix=rule.log_prefix,
            )


def _unlogged(
    lab: RunningLab, deltas: Sequence[RuleDelta], log: Sequence[LogLine]
) -> Iterator[str]:
    """Hits that LOG rules counted and that left no line; of the real host's own nobody asked."""
    hits = sum(delta.after - delta.before for delta in deltas if delta.log_prefix is not None)
    if hits > len(log) and not lab.on_host:
        yield (
            f"LOG rules were hit {hits} times, and {len(log)} lines were recorded: of what "
            f"passes a node, {LOG_RATE} packets a second are watched, after a burst of {LOG_BURST}"
        )


def _switches(snapshot: Snapshot, *, six: bool) -> dict[str, str]:
    """The effective bridge-nf-call switch of each bridge: the sysctl OR the bridge's own.

    That is bridge-nf-call-iptables, or for IPv6 bridge-nf-call-ip6tables.
    """
    found: dict[str, str] = {}
    key = f"net.bridge.bridge-nf-call-{'ip6tables' if six else 'iptables'}"
    for node in snapshot.nodes:
        switched = sysctl_int(node, key)
        for link in node.links:
            if link.kind != "bridge":
                continue
            word = "1" if switched else "0"
            own = link.nf_call6 if six else link.nf_call
            if not switched and own:
                word = f"1 (by the bridge's own nf_call_{'ip6tables' if six else 'iptables'})"
            found[f"{node.name}/{link.name}"] = word
    return found


def _notes(
    before: Snapshot,
    observation: Observation,
    found: Sequence[Journey],
    replies: Sequence[Reply],
) -> Iterator[str]:
    yield from observation.blind
    if observation.lost:
        yield f"{observation.lost} observations were lost: the journeys may have gaps"
    for node in before.nodes:
        yield from node.unread
        if silent_nat(node):
            yield (
                f"{node.name}: the LOG rules in nat print nothing, because no rule there uses "
                "connection tracking and without it nat chains see no packet; "
                "-A FORWARD -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT turns it on"
            )
    ends = bridge_loop(before)
    if ends is not None:
        yield (
            f"{ends[0]} and {ends[1]} close a ring of bridges that no spanning tree breaks: "
            "broadcasts go round in it for ever"
        )
    if not found and any(reply.rtt is not None for reply in replies):
        yield "replies came, and no observer saw a packet: the journeys are missing"

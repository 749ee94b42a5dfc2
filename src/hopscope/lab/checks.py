"""Hold expectations against what was measured; each answer says what was seen, and why."""

from collections.abc import Iterator, Sequence

from hopscope.model.events import Observation
from hopscope.model.journey import HookStep, Journey, Reason, hops
from hopscope.model.lab import Expect
from hopscope.model.lookup import neighbour, uses_conntrack
from hopscope.model.record import Check, LogLine, Reply, gap
from hopscope.model.snapshot import NodeState, Snapshot
from hopscope.model.vocab import DevName, DevRef, Family, Mac, NeighbourState, NodeName

__all__ = ["chains_met", "ping_checks", "table_checks"]


def chains_met(journeys: Sequence[Journey]) -> set[str]:
    """Every chain that a packet met, as ``host/nat/PREROUTING``."""
    return {
        f"{hop.node}/{visit.table}/{visit.chain}"
        for journey in journeys
        for hop in hops(journey)
        for step in hop.steps
        if isinstance(step, HookStep)
        for visit in step.chains
    }


def ping_checks(
    expect: Expect | None,
    *,
    replies: Sequence[Reply],
    journeys: Sequence[Journey],
    log: Sequence[LogLine],
    reason: Reason | None,
    before: Snapshot,
    observation: Observation,
) -> tuple[Check, ...]:
    """The checks that a ping's ``expect`` asks for."""
    if expect is None:
        return ()
    return (
        *_reply(expect, replies, reason),
        *_chains(expect, chains_met(journeys), before, observation),
        *_log(expect, log, observation),
    )


def _reply(expect: Expect, replies: Sequence[Reply], reason: Reason | None) -> Iterator[Check]:
    if expect.reply is None:
        return
    got = sum(reply.rtt is not None for reply in replies)
    all_answered = bool(replies) and got == len(replies)
    wanted = "a reply" if expect.reply else "no reply"
    yield Check(
        expected=wanted,
        seen=f"{got} of {len(replies)} requests answered",
        held=all_answered if expect.reply else got == 0,
        why=reason.sentence if reason is not None and expect.reply else "",
    )


def _chains(
    expect: Expect, met: set[str], before: Snapshot, observation: Observation
) -> Iterator[Check]:
    passed = ", ".join(sorted(met)) or "no chain"
    for chain in expect.crosses:
        held = chain in met
        why = "" if held else _why_not_crossed(chain, before)
        yield Check(expected=f"crosses {chain}", seen=f"met {passed}", held=held, why=why)
    for chain in expect.avoids:
        node = NodeName(chain.split("/")[0])
        unsure = gap(observation, before, node) if node in map(_name, before.nodes) else ""
        held = chain not in met and not unsure
        why = "" if held else f"the trace of nf_tables shows a visit to {chain}"
        if unsure and chain not in met:
            why = f"it cannot be told: {unsure}"
        yield Check(expected=f"avoids {chain}", seen=f"met {passed}", held=held, why=why)


def _name(node: NodeState) -> NodeName:
    return node.name


def _why_not_crossed(chain: str, before: Snapshot) -> str:
    node_name, table, name = chain.split("/", 2)
    node = next((node for node in before.nodes if node.name == node_name), None)
    if node is None:
        return f"there is no node {node_name}"
    known = [c for c in node.chains if not c.ours and (c.table, c.name) == (table, name)]
    if not known:
        return f"{node_name} has no chain {name} in table {table}"
    if known[0].type == "nat" and not uses_conntrack(node):
        return (
            f"no rule in {node_name} uses connection tracking, and without it nat chains see "
            "no packet; add: -A FORWARD -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT"
        )
    tool = "ip6tables" if known[0].family is Family.IP6 else "iptables"
    if _bridged_only(node, tool):
        return (
            f"bridged packets meet {node_name}'s {tool} rules only when "
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


def table_checks(expect: Expect, snapshot: Snapshot) -> tuple[Check, ...]:
    """The checks on neighbour tables, FDBs and addresses."""
    return (
        *_neighbours(expect, snapshot),
        *_fdb(expect, snapshot),
        *_no_address(expect, snapshot),
    )


def _mac_of(text: str, snapshot: Snapshot) -> Mac | None:
    """A MAC address as written, or that of a device written ``ns2/veth2a``."""
    if "/" not in text:
        return Mac(text.lower())
    node, dev = text.split("/", 1)
    link = snapshot.link(DevRef(NodeName(node), DevName(dev)))
    return link.mac if link is not None else None


def _neighbours(expect: Expect, snapshot: Snapshot) -> Iterator[Check]:
    for name, entries in expect.neighbours.items():
        node = snapshot.node(name)
        for ip, wanted in entries.items():
            found = [entry for link in node.links if (entry := neighbour(node, link.name, ip))]
            valid = [e for e in found if e.mac and e.state is not NeighbourState.FAILED]
            seen = ", ".join(f"{e.mac} on {e.dev} ({e.state})" for e in valid) or "no entry"
            if wanted == "none":
                held = not valid
            else:
                held = any(e.mac == _mac_of(wanted, snapshot) for e in valid)
            yield Check(expected=f"{name} knows {ip} as {wanted}", seen=seen, held=held)


def _fdb(expect: Expect, snapshot: Snapshot) -> Iterator[Check]:
    for where, entries in expect.fdb.items():
        node_name, bridge = where.split("/", 1)
        node = snapshot.node(node_name)
        for wanted, port in entries.items():
            mac = _mac_of(wanted, snapshot)
            found = [e for e in node.fdb if e.bridge == bridge and e.mac == mac]
            seen = ", ".join(e.port for e in found) or "no entry"
            held = not found if port == "none" else any(e.port == port for e in found)
            yield Check(expected=f"{where} reaches {wanted} through {port}", seen=seen, held=held)


def _no_address(expect: Expect, snapshot: Snapshot) -> Iterator[Check]:
    for ref in expect.no_address:
        link = snapshot.link(ref)
        found = ", ".join(str(address) for address in link.addresses) if link else "no such device"
        held = link is not None and not link.addresses
        yield Check(expected=f"no address on {ref}", seen=found or "no address", held=held)

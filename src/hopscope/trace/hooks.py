"""Trace messages → hook steps: which chains a packet met, which rules matched and which did not.

Our table has a chain at every hook that runs before all others there (wire/nft), so its
messages mark where a hook begins: what follows with the same trace id belongs to that
hook, until the next mark. Trace ids repeat, so order and headers tell packets apart.
"""

from collections.abc import Iterable, Sequence

from msgspec import Struct, field

from hopscope.model.events import RuleHit
from hopscope.model.flow import Headers
from hopscope.model.journey import ChainVisit, HookStep, RuleCheck
from hopscope.model.lookup import uses_conntrack
from hopscope.model.snapshot import Chain, NodeState
from hopscope.model.vocab import DevName, Family, Hook, Nanos, NodeName, Verdict, inferred, seen
from hopscope.wire.nft import OUR_PREFIX
from hopscope.wire.packet import decode_parts

__all__ = ["Traversal", "hook_step", "traversals"]


class Traversal(Struct, kw_only=True):
    """One packet's way through one hook: the mark and the hits that followed it."""

    at: Nanos  # when its report was read: order is the kernel's, time is not
    table: str  # ours, whose chain marked it
    node: NodeName
    family: Family  # bridge, ip, ip6 or arp: the hook's own
    hook: Hook
    iif: DevName | None
    oif: DevName | None
    headers: Headers
    hits: list[RuleHit] = field(default_factory=list)
    came_marked: int = 0

    @property
    def dropped(self) -> bool:
        """Whether a rule or a policy here dropped the packet."""
        return any(hit.verdict is Verdict.DROP for hit in self.hits)

    @property
    def mark(self) -> int:
        """The packet's mark as the hook left it."""
        return self.hits[-1].mark if self.hits else self.came_marked


def traversals(events: Iterable[object]) -> list[Traversal]:
    """All hook traversals, in the kernel's order per node."""
    open_ones: dict[tuple[NodeName, int], list[Traversal]] = {}
    found: list[Traversal] = []
    for hit in events:
        if not isinstance(hit, RuleHit):
            continue
        way = open_ones.setdefault((hit.node, hit.trace_id), [])
        if hit.table.startswith(OUR_PREFIX):
            if hit.network_header or hit.link_header:  # the first message of our chain
                traversal = _begin(hit)
                way.append(traversal)
                found.append(traversal)
            continue
        layer = _layer(hit.family)
        for traversal in reversed(way):
            if _layer(traversal.family) == layer:
                traversal.hits.append(hit)
                break
    return _merged(found)


def _layer(family: Family) -> str:
    return family if family in (Family.BRIDGE, Family.ARP, Family.NETDEV) else "inet"


def _begin(hit: RuleHit) -> Traversal:
    family = hit.family
    # of a packet that a tunnel made, the link header is still that of the frame in it
    link = b"" if family is Family.INET else hit.link_header
    headers = decode_parts(link, hit.network_header, hit.transport_header)
    if family is Family.INET:
        version = hit.network_header[0] >> 4 if hit.network_header else 4
        family = Family.IP6 if version == 6 else Family.IP
    return Traversal(
        at=hit.at,
        table=hit.table,
        node=hit.node,
        family=family,
        hook=Hook(hit.chain),
        iif=hit.iif,
        oif=hit.oif,
        headers=headers,
        came_marked=hit.mark,
    )


def _merged(found: list[Traversal]) -> list[Traversal]:
    """One traversal per hook although several sessions may watch, each with its own table.

    A table that marks the hook again marks another packet: a question that is repeated
    has the same headers.
    """
    kept: list[Traversal] = []
    tables: set[str] = set()
    for traversal in found:
        last = kept[-1] if kept else None
        if last is not None and traversal.table not in tables and _same_hook(last, traversal):
            kept.pop()
        else:
            tables.clear()
        tables.add(traversal.table)
        kept.append(traversal)
    return kept


def _same_hook(one: Traversal, other: Traversal) -> bool:
    """Whether nothing was met between these marks, and they tell of the same hook."""
    places = [(way.node, way.family, way.hook, way.iif, way.oif) for way in (one, other)]
    return not one.hits and places[0] == places[1] and one.headers == other.headers


_LEFT = (Verdict.DROP, Verdict.QUEUE, Verdict.STOLEN)
"""With these a packet leaves its hook, and meets no further chain there."""


def hook_step(traversal: Traversal, node: NodeState) -> HookStep:
    """What the chains of this hook did, beside the rules that they hold."""
    here = [
        chain
        for chain in node.chains
        if not chain.ours
        and _layer(chain.family) == _layer(traversal.family)
        and _speaks(chain, traversal.family)
    ]
    visits: list[ChainVisit] = []
    skipped: list[str] = []
    base = sorted(
        (chain for chain in here if chain.hook is traversal.hook),
        key=lambda chain: chain.priority or 0,
    )
    for chain in base:
        if not _hits(traversal.hits, chain):
            left = any(visit.verdict in _LEFT for visit in visits)
            skipped.append(_why_skipped(chain, node, ended=left))
            continue
        visits.extend(_visit(one, traversal.hits) for one in _reached(chain, here, traversal.hits))
    known = {(chain.family, chain.table, chain.name) for chain in here}
    skipped.extend(
        f"{hit.family} {hit.table} {hit.chain}: seen in the trace, not in the ruleset read"
        for hit in traversal.hits
        if (hit.family, hit.table, hit.chain) not in known
    )
    return HookStep(
        family=traversal.family,
        hook=traversal.hook,
        chains=tuple(visits),
        verdict=_verdict(traversal),
        basis=seen(f"nf_tables trace in {traversal.node}"),
        iif=traversal.iif,
        oif=traversal.oif,
        skipped=tuple(dict.fromkeys(skipped)),
    )


def _verdict(traversal: Traversal) -> Verdict:
    """A packet that user space gives back goes on, and more hits follow."""
    if traversal.dropped:
        return Verdict.DROP
    last = traversal.hits[-1].verdict if traversal.hits else Verdict.ACCEPT
    return last if last in _LEFT else Verdict.ACCEPT


def _speaks(chain: Chain, family: Family) -> bool:
    return chain.family in (family, Family.INET)


def _hits(hits: Sequence[RuleHit], chain: Chain) -> list[RuleHit]:
    return [
        hit
        for hit in hits
        if (hit.family, hit.table, hit.chain) == (chain.family, chain.table, chain.name)
    ]


def _reached(base: Chain, here: Sequence[Chain], hits: Sequence[RuleHit]) -> list[Chain]:
    """A base chain and those that it led to by jump or goto, each once, in order."""
    found = [base]
    for chain in found:  # grows while it is walked
        names = [hit.jump for hit in _hits(hits, chain) if hit.jump is not None]
        for name in dict.fromkeys(names):
            found.extend(
                other
                for other in here
                if (other.family, other.table, other.name) == (chain.family, chain.table, name)
                and other not in found
                and _hits(hits, other)
            )
    return found


def _visit(chain: Chain, all_hits: Sequence[RuleHit]) -> ChainVisit:
    hits = _hits(all_hits, chain)
    matched = {hit.handle: hit.verdict for hit in hits if hit.kind == "rule"}
    ending = (
        Verdict.ACCEPT,
        Verdict.DROP,
        Verdict.GOTO,
        Verdict.RETURN,
        Verdict.QUEUE,
        Verdict.STOLEN,
    )
    checks: list[RuleCheck] = []
    verdict: Verdict | None = None
    for rule in chain.rules:
        decided = matched.get(rule.handle)
        checks.append(
            RuleCheck(
                handle=rule.handle,
                text=rule.text,
                matched=decided is not None,
                verdict=decided,
                log_prefix=rule.log_prefix,
            )
        )
        if decided in ending:
            verdict = decided
            break
    policies = [hit.verdict for hit in hits if hit.kind == "policy"]
    policy = policies[-1] if policies else None
    return ChainVisit(
        family=chain.family,
        table=chain.table,
        chain=chain.name,
        priority=chain.priority,
        rules=tuple(checks),
        policy=policy,
        verdict=verdict or policy or Verdict.RETURN,
    )


def _why_skipped(chain: Chain, node: NodeState, *, ended: bool) -> str:
    name = f"{chain.family} {chain.table} {chain.name}"
    if ended:
        return f"{name}: not reached, the packet left the hook before it"
    if chain.type == "nat":
        if not uses_conntrack(node, None if chain.family is Family.INET else chain.family):
            return (
                f"{name}: not asked: no rule in {node.name} uses connection tracking, "
                "and without it nat chains see no packet"
            )
        return f"{name}: not asked: only the first packet of a connection meets nat chains"
    return str(inferred(f"{name}: registered here, but the trace shows no visit"))

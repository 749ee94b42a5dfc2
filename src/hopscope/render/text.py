"""The account on the terminal: results of steps as rich renderables, built without any I/O."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import assert_never

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from hopscope.model.journey import Journey
from hopscope.model.lookup import owner_of_mac, silent_nat
from hopscope.model.record import (
    Check,
    ExpectResult,
    Finding,
    FirewallResult,
    PingResult,
    Record,
    SetResult,
    ShowResult,
    StepResult,
    ZeroResult,
)
from hopscope.model.snapshot import NodeState, Snapshot
from hopscope.model.vocab import Mac
from hopscope.render.drawing import drawing
from hopscope.render.journeytext import journey
from hopscope.render.settings import route_row, settings
from hopscope.render.shown import shown
from hopscope.render.words import (
    counted,
    duration,
    known_by,
    routing_table,
)

__all__ = ["conclusion", "result", "tables", "unasked"]


def result(step: StepResult, *, verbose: bool = False) -> RenderableType:
    """One step of the story."""
    match step:
        case ShowResult(what=what, tables=snapshot):
            return Group(_title(f"show {', '.join(what)}"), tables(what, snapshot))
        case SetResult(node=node, key=key, before=before, after=after):
            return _title(f"set {node}: {key} = {after}", f"was {before}")
        case FirewallResult(tool=tool, node=node, lines=lines):
            listed = Text("\n".join(lines), "dim")
            return Group(_title(f"{tool} in {node}"), Padding(listed, (0, 0, 0, 2)))
        case ZeroResult(nodes=nodes):
            return _title(f"zero the rule counters of {', '.join(nodes)}")
        case ExpectResult(checks=checks):
            return Group(_title("expect"), *_checks(checks))
        case PingResult():
            return _ping(step, verbose=verbose)
        case _:
            assert_never(step)


def _title(text: str, note: str = "") -> Text:
    return Text.assemble(("● ", "bold blue"), (text, "bold"), (f"   {note}" if note else "", "dim"))


def _ping(step: PingResult, *, verbose: bool = False) -> RenderableType:
    """A ping: its outcome, its journeys, what its rules and logs say, its checks."""
    source = f"{step.source} ({step.source_address})" if step.source_address else step.source
    target = step.target if step.target == step.address else f"{step.target} ({step.address})"
    switches = ", ".join(f"{bridge}: {value}" for bridge, value in step.switches.items())
    note = f"{step.switch} {switches}" if switches else ""
    parts: list[RenderableType] = [_title(f"ping {step.number}: {source} → {target}", note)]
    for reply in step.replies:
        if reply.rtt is not None:
            parts.append(Text(f"  ✓ reply {reply.seq} after {duration(reply.rtt)}", "green"))
        else:
            told = f" ({reply.error})" if reply.error else ""
            parts.append(Text(f"  ✗ no reply to request {reply.seq}{told}", "bold red"))
    if step.reason is not None:
        parts.append(Text.assemble(("  why: ", "bold"), step.reason.sentence))
        if step.reason.mend:
            mend = _whole("", "").append("  mend: ", "bold")
            parts.append(mend.append(step.reason.mend))
    shared = _shared_notes(step.journeys)
    parts.extend(
        Padding(journey(one, verbose=verbose, elsewhere=shared), (0, 0, 0, 2))
        for one in step.journeys
    )
    parts.extend(
        Text(f"  note ({', '.join(titles)}): {note}", "dim") for note, titles in shared.items()
    )
    hit = [d for d in step.deltas if d.after > d.before]
    if step.deltas:
        rules = counted(len(step.deltas), "counted rule")
        hits = counted(sum(delta.after - delta.before for delta in hit), "hit")
        parts.append(Text(f"  rules hit: {len(hit)} of {rules}, {hits} in all", "dim"))
    for delta in hit if verbose else ():
        where = f"{delta.node} {delta.table} {delta.chain}"
        parts.append(Text(f"    {where}: {delta.before} → {delta.after}  {delta.text}", "dim"))
    parts.extend(_whole(f"  log  {line.text}", "blue") for line in step.log)
    parts.extend(Text(f"  note: {note}", "yellow") for note in step.notes)
    parts.extend(_checks(step.checks))
    return Group(*parts)


def _whole(text: str, style: str) -> Text:
    """A line that can be copied: the terminal breaks it where it ends, we do not."""
    return Text(text, style, no_wrap=True, overflow="ignore")


def _shared_notes(journeys: Sequence[Journey]) -> dict[str, list[str]]:
    """Notes of more than one journey, each with the titles of those."""
    titles: dict[str, dict[str, None]] = {}
    for one in journeys:
        for note in one.notes:
            titles.setdefault(note, {})[one.title] = None
    times = Counter(note for one in journeys for note in one.notes)
    return {note: list(named) for note, named in titles.items() if times[note] > 1}


def _checks(checks: Sequence[Check]) -> Iterator[Text]:
    for check in checks:
        if check.held:
            yield Text.assemble(("  ✓ ", "green"), f"as expected: {check.expected}")
        else:
            why = f" — {check.why}" if check.why else ""
            yield Text.assemble(
                ("  ✗ ", "bold red"), f"expected: {check.expected}; seen: {check.seen}{why}"
            )


def conclusion(findings: Sequence[Finding]) -> RenderableType:
    """The sentences, each with its evidence below it."""
    parts: list[RenderableType] = [_title("conclusion")]
    for finding in findings:
        mark = ("  ✓ ", "green") if finding.held else ("  ✗ ", "bold red")
        parts.append(Padding(Text.assemble(mark, finding.sentence), (0, 0)))
        known = ": ".join(known_by(finding.evidence))
        parts.append(Padding(Text(known, "dim"), (0, 0, 0, 4)))
    return Group(*parts)


def unasked(record: Record) -> Text | None:
    """That pings went unanswered and nothing failed, because nothing was expected of them."""
    silent = [ping for ping in record.pings if not ping.replied and not ping.checks]
    if not silent or not record.held:
        return None
    told = f"{len(silent)} of {counted(len(record.pings), 'ping')} got no reply"
    return Text(f"{told}; no expectation asked for it (exit status 0)", "yellow")


def tables(
    what: Sequence[str], snapshot: Snapshot, whole: Snapshot | None = None
) -> RenderableType:
    """Tables of a snapshot, one after the other; an empty one says so.

    *whole*: of all nodes, where *snapshot* has but some; it tells whose a MAC address is.
    """
    shown = (
        _OWNED[name](snapshot, whole or snapshot) if name in _OWNED else _SHOWN[name](snapshot)
        for name in what
    )
    return Group(*(Padding(one, (0, 0, 0, 2)) for one in shown))


def _table(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> RenderableType:
    if not rows:
        return Text(f"{title}: empty", "dim")
    table = Table(title=title, title_justify="left", title_style="dim", box=None, pad_edge=False)
    for column in columns:
        whole = column == "MAC"  # half an address helps nobody
        table.add_column(column, style="", header_style="dim", overflow="fold", no_wrap=whole)
    for row in rows:
        table.add_row(*(Text(cell) for cell in row))
    return table


def _neighbours(snapshot: Snapshot, whole: Snapshot) -> RenderableType:
    rows = [
        (node.name, entry.ip, entry.mac or "—", _owner(whole, entry.mac), entry.dev, entry.state)
        for node in snapshot.nodes
        for entry in node.neighbours
    ]
    return _table("neighbours", ("node", "address", "MAC", "is", "dev", "state"), rows)


def _owner(snapshot: Snapshot, mac: Mac | None) -> str:
    owner = owner_of_mac(snapshot, mac) if mac else None
    return str(owner) if owner else ""


def _fdb(snapshot: Snapshot, whole: Snapshot) -> RenderableType:
    rows = [
        (
            f"{node.name}/{entry.bridge}",
            entry.mac,
            _owner(whole, entry.mac),
            str(entry.port),
            "local" if entry.local else "static" if entry.static else "learnt",
        )
        for node in snapshot.nodes
        for entry in node.fdb
    ]
    rows += [
        (
            f"{node.name}/{entry.dev}",
            entry.mac,
            _owner(whole, entry.mac),
            f"to {entry.remote}",
            "static" if entry.static else "learnt",
        )
        for node in snapshot.nodes
        for entry in node.remotes
    ]
    return _table("fdb", ("bridge", "MAC", "is", "port", "how"), rows)


def _links(snapshot: Snapshot) -> RenderableType:
    rows = [
        (
            f"{node.name}/{link.name}",
            link.kind or "device",
            ("up" if link.up else "down") + ("" if link.carrier or not link.up else ", no carrier"),
            str(link.mac or ""),
            str(link.mtu),
            link.master or "",
            str(link.peer or ""),
            ", ".join(str(address) for address in link.addresses),
            settings(link),
        )
        for node in snapshot.nodes
        for link in node.links
    ]
    columns = ("device", "kind", "state", "MAC", "MTU", "bridge", "peer", "addresses", "set")
    told = len(columns) if any(row[-1] for row in rows) else len(columns) - 1
    return _table("links", columns[:told], [row[:told] for row in rows])


def _routes(snapshot: Snapshot) -> RenderableType:
    rows = [
        (node.name, route_row(route), routing_table(route.table), route.protocol)
        for node in snapshot.nodes
        for route in node.routes
        if route.table != 255
    ]
    return _table("routes", ("node", "route", "table", "protocol"), rows)


def _as_shown(what: str) -> Callable[[Snapshot], RenderableType]:
    """A table that says the same in a terminal as in the report."""

    def made(snapshot: Snapshot) -> RenderableType:
        table = shown(what, snapshot)
        return _table(what, [column.lower() for column in table.columns], table.rows)

    return made


def _rules(snapshot: Snapshot) -> RenderableType:
    rows = [
        (
            node.name,
            f"{chain.family} {chain.table} {chain.name}",
            str(rule.packets) if rule.packets is not None else "—",
            rule.text,
        )
        for node in snapshot.nodes
        for chain in node.chains
        if not chain.ours
        for rule in chain.rules
    ]
    notes = [Text(f"note: {text}", "yellow") for node in snapshot.nodes for text in _traps(node)]
    table = _table("rules", ("node", "chain", "packets", "rule"), rows)
    return Group(table, *notes)


def _traps(node: NodeState) -> Iterator[str]:
    if silent_nat(node):
        yield (
            f"{node.name}: LOG rules in nat print nothing here, because no rule uses connection "
            "tracking, and without it nat chains see no packet"
        )
    yield from node.unread


def _sysctls(snapshot: Snapshot) -> RenderableType:
    rows = [
        (node.name, key, value)
        for node in snapshot.nodes
        for key, value in sorted(node.sysctls.items())
    ]
    return _table("sysctls", ("node", "key", "value"), rows)


def _topology(snapshot: Snapshot) -> RenderableType:
    if not snapshot.nodes:
        return Text("topology: empty", "dim")
    return Group(Text("topology", "dim"), drawing(snapshot))


_SHOWN: dict[str, Callable[[Snapshot], RenderableType]] = {
    "links": _links,
    "routes": _routes,
    "policy": _as_shown("policy"),
    "qdiscs": _as_shown("qdiscs"),
    "rules": _rules,
    "sysctls": _sysctls,
    "topology": _topology,
}
_OWNED: dict[str, Callable[[Snapshot, Snapshot], RenderableType]] = {
    "neighbours": _neighbours,
    "fdb": _fdb,
}
"""Those that say whose a MAC address is."""

"""The tables of a snapshot as plain rows of text, for whoever sets them."""

from collections.abc import Callable, Iterator
from typing import Final

from msgspec import Struct

from hopscope.model.lookup import owner_of_mac, silent_nat
from hopscope.model.policy import asks
from hopscope.model.snapshot import LinkState, Snapshot
from hopscope.model.vocab import Mac
from hopscope.render.changes import entry_owner
from hopscope.render.settings import route_row, settings, shaping
from hopscope.render.words import routing_table

__all__ = ["Table", "shown"]

Row = tuple[str, ...]
_SET: Final = "Set"
"""A column that is left out where it would be empty."""


class Table(Struct, frozen=True, kw_only=True):
    """A titled table; *notes* are what a reader must know before believing it."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[Row, ...]
    notes: tuple[str, ...] = ()


def shown(what: str, snapshot: Snapshot) -> Table:
    """The table that a ``show`` step asks for by that word."""
    title, columns, made = _SHOWN[what]
    notes = tuple(_notes(what, snapshot))
    rows = tuple(made(snapshot))
    if columns[-1] == _SET and all(row[-1] == "—" for row in rows):
        columns, rows = columns[:-1], tuple(row[:-1] for row in rows)
    return Table(title=title, columns=columns, rows=rows, notes=notes)


def _notes(what: str, snapshot: Snapshot) -> Iterator[str]:
    for node in snapshot.nodes:
        if what == "rules" and silent_nat(node):
            yield (
                f"{node.name}: LOG rules in nat print nothing here, because no rule uses "
                "connection tracking, and without it nat chains see no packet"
            )
        if what == "rules":
            yield from (f"{node.name}: {text}" for text in node.unread)


def _neighbours(snapshot: Snapshot) -> Iterator[Row]:
    for node in snapshot.nodes:
        for entry in node.neighbours:
            device = f"{node.name}/{entry.dev}"
            owner = entry_owner(snapshot, entry.ip, entry.mac) or "—"
            yield device, entry.ip, entry.mac or "—", entry.state, owner


def _fdb(snapshot: Snapshot) -> Iterator[Row]:
    for node in snapshot.nodes:
        for entry in node.fdb:
            how = "local" if entry.local else "static" if entry.static else "learnt"
            owner = _owner(snapshot, entry.mac)
            yield f"{node.name}/{entry.bridge}", entry.mac, entry.port, how, owner
        for remote in node.remotes:
            how = "static" if remote.static else "learnt"
            owner = _owner(snapshot, remote.mac)
            yield f"{node.name}/{remote.dev}", remote.mac, f"to {remote.remote}", how, owner


def _owner(snapshot: Snapshot, mac: Mac | None) -> str:
    owner = owner_of_mac(snapshot, mac) if mac else None
    return str(owner) if owner else "—"


def _links(snapshot: Snapshot) -> Iterator[Row]:
    for node in snapshot.nodes:
        for link in node.links:
            yield (
                f"{node.name}/{link.name}",
                link.kind or "device",
                _state(link),
                link.mac or "—",
                str(link.mtu),
                link.master or "—",
                str(link.peer or "—"),
                ", ".join(str(address) for address in link.addresses) or "none",
                settings(link) or "—",
            )


def _state(link: LinkState) -> str:
    if not link.up:
        return "down"
    return "up" if link.carrier else "up, no carrier"


def _routes(snapshot: Snapshot) -> Iterator[Row]:
    for node in snapshot.nodes:
        for route in node.routes:
            if route.table != 255:  # the local table repeats the addresses
                yield (
                    node.name,
                    route_row(route),
                    routing_table(route.table),
                    route.protocol or "—",
                )


def _policy(snapshot: Snapshot) -> Iterator[Row]:
    for node in snapshot.nodes:
        for rule in sorted(node.policy_rules, key=lambda rule: rule.priority):
            does = f"lookup {routing_table(rule.table)}" if rule.table else rule.action
            yield node.name, rule.family, str(rule.priority), asks(rule), does


def _qdiscs(snapshot: Snapshot) -> Iterator[Row]:
    for node in snapshot.nodes:
        for one in node.qdiscs:
            told = shaping(one.options) if one.options is not None else "—"
            where = f"{node.name}/{one.dev}"
            yield where, f"{one.kind} {one.handle}", one.parent, told, f"{one.sent}/{one.dropped}"


def _rules(snapshot: Snapshot) -> Iterator[Row]:
    for node in snapshot.nodes:
        for chain in node.chains:
            for rule in chain.rules if not chain.ours else ():
                if not rule.ours:
                    packets = str(rule.packets) if rule.packets is not None else "—"
                    where = f"{chain.family} {chain.table} {chain.name}"
                    yield node.name, where, packets, rule.text


def _sysctls(snapshot: Snapshot) -> Iterator[Row]:
    for node in snapshot.nodes:
        for key, value in sorted(node.sysctls.items()):
            yield node.name, key, value


def _topology(snapshot: Snapshot) -> Iterator[Row]:
    told: set[str] = set()
    for node in snapshot.nodes:
        for link in node.links:
            here = f"{node.name}/{link.name}"
            if link.kind == "bridge":
                ports = ", ".join(one.name for one in node.links if one.master == link.name)
                yield here, "bridge of", ports or "no port"
            elif link.over is not None:
                yield here, f"{link.kind} over", str(link.over)
            elif link.peer is not None and str(link.peer) not in told:
                told.add(here)
                yield here, "joined to", str(link.peer)


_SHOWN: Final[dict[str, tuple[str, Row, Callable[[Snapshot], Iterator[Row]]]]] = {
    "links": (
        "Devices",
        ("Device", "Kind", "State", "MAC", "MTU", "Bridge", "Peer", "Addresses", _SET),
        _links,
    ),
    "neighbours": (
        "Neighbour tables (ARP and ND)",
        ("Device", "Address", "MAC", "State", "Belongs to"),
        _neighbours,
    ),
    "fdb": (
        "Forwarding tables of the bridges",
        ("Bridge", "MAC", "Port", "How", "Belongs to"),
        _fdb,
    ),
    "routes": ("Routes", ("Node", "Route", "Table", "Protocol"), _routes),
    "policy": (
        "Policy rules: which table is asked",
        ("Node", "Family", "Priority", "For", "Does"),
        _policy,
    ),
    "qdiscs": (
        "Queueing disciplines: how what is sent is held back",
        ("Device", "Kind", "Below", "Set", "Sent/dropped"),
        _qdiscs,
    ),
    "rules": ("Firewall rules", ("Node", "Chain", "Packets", "Rule"), _rules),
    "sysctls": ("Switches (sysctls)", ("Node", "Key", "Value"), _sysctls),
    "topology": ("Links and bridges", ("End", "", "Other end"), _topology),
}

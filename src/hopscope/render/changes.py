"""Tables of two snapshots laid over each other: what was there before, and what after."""

from collections.abc import Mapping

from msgspec import Struct

from hopscope.model.lookup import owner_of, owner_of_mac
from hopscope.model.snapshot import FdbEntry, Neighbour, Snapshot
from hopscope.model.vocab import Mac

__all__ = ["Change", "entry_owner", "fdb_changes", "neighbour_changes"]


class Change(Struct, frozen=True, kw_only=True):
    """A row: its key in columns, and its value before and after; empty where there was none."""

    where: str
    key: str
    before: tuple[str, str]  # value, and a word on it
    after: tuple[str, str]
    note: str = ""  # whose address it is

    @property
    def word(self) -> str:
        """What happened to it, in a word."""
        if not any(self.before):
            return "new"
        if not any(self.after):
            return "gone"
        return "same" if self.before == self.after else "changed"


def neighbour_changes(before: Snapshot, after: Snapshot) -> tuple[Change, ...]:
    """ARP and ND entries of all nodes."""
    old, new = _neighbours(before), _neighbours(after)
    return tuple(
        Change(
            where=where,
            key=ip,
            before=_resolved(old.get((where, ip))),
            after=_resolved(new.get((where, ip))),
            note=entry_owner(after, ip, (new.get((where, ip)) or old[where, ip]).mac),
        )
        for where, ip in _by_node(after, old, new)
    )


def fdb_changes(before: Snapshot, after: Snapshot) -> tuple[Change, ...]:
    """Forwarding entries of all bridges."""
    old, new = _fdb(before), _fdb(after)
    return tuple(
        Change(
            where=where,
            key=mac,
            before=_port(old.get((where, mac))),
            after=_port(new.get((where, mac))),
            note=_owner(after, Mac(mac)),
        )
        for where, mac in _by_node(after, old, new)
    )


Keys = Mapping[tuple[str, str], object]


def _by_node(snapshot: Snapshot, old: Keys, new: Keys) -> list[tuple[str, str]]:
    """The keys of both, in the order of the nodes."""
    order = {str(node.name): place for place, node in enumerate(snapshot.nodes)}
    keys = dict.fromkeys([*old, *new])
    return sorted(keys, key=lambda key: order.get(key[0].split("/", 1)[0], len(order)))


def entry_owner(snapshot: Snapshot, ip: str, mac: Mac | None) -> str:
    """Whose MAC address a neighbour entry has: the owner of its IP address, if both agree.

    A bridge and one of its ports share a MAC address; the IP address tells them apart.
    """
    owner = owner_of(snapshot, ip)
    link = snapshot.link(owner) if owner is not None else None
    if link is not None and mac is not None and link.mac == mac:
        return str(owner)
    return _owner(snapshot, mac)


def _neighbours(snapshot: Snapshot) -> dict[tuple[str, str], Neighbour]:
    return {
        (f"{node.name}/{entry.dev}", entry.ip): entry
        for node in snapshot.nodes
        for entry in node.neighbours
    }


def _fdb(snapshot: Snapshot) -> dict[tuple[str, str], FdbEntry]:
    return {
        (f"{node.name}/{entry.bridge}", entry.mac): entry
        for node in snapshot.nodes
        for entry in node.fdb
    }


def _resolved(entry: Neighbour | None) -> tuple[str, str]:
    return ("", "") if entry is None else (entry.mac or "unresolved", str(entry.state))


def _port(entry: FdbEntry | None) -> tuple[str, str]:
    if entry is None:
        return ("", "")
    return (entry.port, "local" if entry.local else "static" if entry.static else "learnt")


def _owner(snapshot: Snapshot, mac: Mac | None) -> str:
    owner = owner_of_mac(snapshot, mac) if mac else None
    return str(owner) if owner is not None else ""

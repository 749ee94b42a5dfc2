"""Tables of two snapshots laid over each other: what was there before, and what after."""

from dataclasses import dataclass

from hopscope.model.lookup import owner_of_mac
from hopscope.model.snapshot import FdbEntry, Neighbour, Snapshot
from hopscope.model.vocab import Mac

__all__ = ["Change", "fdb_changes", "neighbour_changes"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
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
            note=_owner(after, (new.get((where, ip)) or old[where, ip]).mac),
        )
        for where, ip in dict.fromkeys([*old, *new])
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
        for where, mac in dict.fromkeys([*old, *new])
    )


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
    return ("", "") if entry is None else (entry.mac or "no address", str(entry.state))


def _port(entry: FdbEntry | None) -> tuple[str, str]:
    if entry is None:
        return ("", "")
    return (entry.port, "local" if entry.local else "static" if entry.static else "learnt")


def _owner(snapshot: Snapshot, mac: Mac | None) -> str:
    owner = owner_of_mac(snapshot, mac) if mac else None
    return str(owner) if owner is not None else ""

"""Hold what a story expects of tables against a snapshot: entries, addresses, routes, counters."""

from collections.abc import Iterator
from ipaddress import ip_interface
from typing import Final

from hopscope.model.chains import ChainName
from hopscope.model.lab import Count, Expect
from hopscope.model.lookup import neighbour, route_text, route_to
from hopscope.model.record import Check
from hopscope.model.snapshot import Address, NodeState, Route, Rule, Snapshot
from hopscope.model.vocab import DevName, DevRef, Mac, NeighbourState, NodeName

__all__ = ["nodes_asked", "table_checks"]

_LOCAL_TABLE: Final = 255


def table_checks(expect: Expect, snapshot: Snapshot) -> tuple[Check, ...]:
    """The checks that an ``expect`` step asks for."""
    return (
        *_neighbours(expect, snapshot),
        *_fdb(expect, snapshot),
        *_no_address(expect, snapshot),
        *_addresses(expect, snapshot),
        *_routes(expect, snapshot),
        *_hits(expect, snapshot),
    )


def nodes_asked(expect: Expect) -> tuple[NodeName, ...]:
    """The nodes whose tables these checks look at; (): all, for their rules.

    Rules are looked at for ``hits`` alone: of any node, which may log with what is written there.
    """
    if expect.hits:
        return ()
    macs = (text for entries in expect.neighbours.values() for text in entries.values())
    devices = (*macs, *(text for entries in expect.fdb.values() for text in entries))
    places = (*expect.fdb, *expect.addresses, *(text for text in devices if "/" in text))
    names = (*expect.neighbours, *expect.routes, *(place.split("/")[0] for place in places))
    return tuple(dict.fromkeys((*map(NodeName, names), *(ref.node for ref in expect.no_address))))


def _mac_of(text: str, snapshot: Snapshot) -> Mac | None:
    """A MAC address as written, or that of a device written ``ns2/veth2a``."""
    if "/" not in text:
        return Mac(text.lower())
    link = snapshot.link(_ref(text))
    return link.mac if link is not None else None


def _ref(text: str) -> DevRef:
    node, _, dev = text.partition("/")
    return DevRef(NodeName(node), DevName(dev))


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


def _addresses(expect: Expect, snapshot: Snapshot) -> Iterator[Check]:
    for where, wanted in expect.addresses.items():
        link = snapshot.link(_ref(where))
        seen = ", ".join(map(str, link.addresses)) if link else "no such device"
        for address in wanted:
            held = link is not None and any(_same(address, one) for one in link.addresses)
            yield Check(expected=f"{where} has {address}", seen=seen or "no address", held=held)


def _same(text: str, address: Address) -> bool:
    """Whether it is that address; without a prefix length, of any."""
    wanted, had = ip_interface(text), ip_interface(str(address))
    return wanted == had if "/" in text else wanted.ip == had.ip


def _routes(expect: Expect, snapshot: Snapshot) -> Iterator[Check]:
    for name, routes in expect.routes.items():
        node = snapshot.node(name)
        for to, how in routes.items():
            if "/" in to:
                found = [r for r in node.routes if r.destination == to and r.table != _LOCAL_TABLE]
                expected = f"{name} has the route {to} {how}"
            else:
                looked_up = route_to(node, to)
                found = [looked_up] if looked_up else []
                expected = f"{name} routes {to} {how}"
            if how == "none":
                expected = f"{name} has no route {'' if '/' in to else 'to '}{to}"
            seen = ", ".join(map(route_text, found)) or "no route"
            held = not found if how == "none" else any(_leads(route, how) for route in found)
            yield Check(expected=expected, seen=seen, held=held)


def _leads(route: Route, how: str) -> bool:
    words = how.split()
    kind = "unicast" if words[0] in ("via", "dev") else words.pop(0)
    asked = dict(zip(words[::2], words[1::2], strict=True))
    via = asked.get("via")
    return (
        route.type == kind
        and (
            via is None or (route.via is not None and ip_interface(via) == ip_interface(route.via))
        )
        and asked.get("dev", route.dev) == route.dev
    )


def _hits(expect: Expect, snapshot: Snapshot) -> Iterator[Check]:
    for key, wanted in expect.hits.items():
        rules, missing = _by_prefix(key, snapshot), ""
        if not rules:
            rules, missing = _by_chain(key, snapshot)
        yield _counted(key, wanted, rules, missing)


def _counted(key: str, wanted: Count, rules: list[Rule], missing: str) -> Check:
    silent = sum(rule.packets is None for rule in rules)
    number = sum(rule.packets or 0 for rule in rules)
    why = missing
    if silent:
        why = f"{silent} of the {len(rules)} rules have no counter; nft counts where told: counter"
    return Check(
        expected=f"hits of {key}: {wanted}",
        seen=str(number) if not missing else "no such rule",
        held=wanted.holds(number) and not why,
        why=why,
    )


def _by_prefix(prefix: str, snapshot: Snapshot) -> list[Rule]:
    """The rules, of any node, that log with it."""
    return [
        rule
        for node in snapshot.nodes
        for chain in node.chains
        for rule in chain.rules
        if not (chain.ours or rule.ours) and rule.log_prefix == prefix
    ]


def _by_chain(key: str, snapshot: Snapshot) -> tuple[list[Rule], str]:
    """The rules of a chain, or its Nth; and what keeps us from telling, if something does."""
    chain, _, number = key.rpartition("/")
    numbered = number.isdecimal() and ChainName.read(chain) is not None
    named = ChainName.read(chain if numbered else key)
    node = next((n for n in snapshot.nodes if named and n.name == named.node), None)
    if named is None or node is None:
        return [], f"no rule logs with {key!r}"
    if node.unread:
        return [], node.unread[0]
    lists = list(_rules_of(named, node))
    if not lists:
        return [], f"{named.node} has no chain {named.chain} in table {named.table}"
    if not numbered:
        return [rule for rules in lists for rule in rules], ""
    place = int(number)
    found = [rules[place - 1] for rules in lists if place <= len(rules)]
    had = ", ".join(str(len(rules)) for rules in lists)
    return found, "" if found else f"the chain has {had} rules"


def _rules_of(named: ChainName, node: NodeState) -> Iterator[list[Rule]]:
    """Of each chain so called: one family, or in the short form all of them."""
    for chain in node.chains:
        same = (chain.table, chain.name) == (named.table, named.chain)
        if same and not chain.ours and named.family in (None, chain.family):
            yield [rule for rule in chain.rules if not rule.ours]

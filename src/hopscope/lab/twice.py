"""Addresses that several nodes of a lab have: whose answers probes got, as its tables tell."""

from collections.abc import Iterator, Mapping, Sequence

from hopscope.kernel.sandbox import Sandbox
from hopscope.model.ends import NodeEnds
from hopscope.model.naming import some_of
from hopscope.model.twice import Resolved, answerers, holders
from hopscope.model.vocab import NodeName
from hopscope.wire import rtnl, rtnl_read

__all__ = ["Twice"]

Ends = tuple[NodeName, NodeName]


class Twice:
    """Who answered each probe that was answered, where several nodes have the address."""

    def __init__(
        self,
        sandbox: Sandbox,
        ends: Sequence[NodeEnds],
        probed: Mapping[Ends, str | None],
        answered: set[Ends],
    ) -> None:
        """*probed*: each pair's address."""
        held = holders(ends)
        doubtful = {between: ip for between, ip in probed.items() if ip in held and ip}
        self._held = {ip: held[ip] for ip in doubtful.values()}
        nodes = {one.name: one for one in ends}
        entries = list(_entries(sandbox, ends)) if doubtful else []
        self._by = {
            between: answerers(nodes[between[0]], ip, [nodes[name] for name in held[ip]], entries)
            for between, ip in doubtful.items()
            if between in answered
        }

    def instead(self, between: Ends) -> tuple[NodeName, ...]:
        """The node that answered in the target's place; several where one of them did."""
        by = self._by.get(between, ())
        return by if between[1] not in by else ()

    def notes(self) -> Iterator[str]:
        """Which addresses are on several nodes, and that it stayed open whose answers came."""
        if not self._held:
            return
        places = [f"{ip} on {some_of(names)}" for ip, names in self._held.items()]
        yield f"several nodes have the same address: {some_of(places)}"
        untold = [between for between, by in self._by.items() if len(by) > 1]
        if untold:
            pairs = some_of([f"{source} → {target}" for source, target in untold])
            yield f"whose answers came, the neighbour tables do not tell: {pairs}"


def _entries(sandbox: Sandbox, ends: Sequence[NodeEnds]) -> Iterator[Resolved]:
    for one in ends:
        for version, family in ((4, rtnl.AF_INET), (6, rtnl.AF_INET6)):
            if not any(end.network.version == version for end in one.ends):
                continue
            for answer in sandbox.ask(one.name, rtnl.dump_neighbours(family)):
                part = rtnl_read.neighbour_event(answer)
                if part is not None and part.mac is not None:
                    yield Resolved(node=one.name, index=part.index, ip=part.ip, mac=part.mac)

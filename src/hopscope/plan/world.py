"""What there is, as a reconciliation asks about it: a Snapshot, and what a fresh node holds."""

from collections.abc import Collection, Mapping, Sequence
from functools import cached_property
from types import MappingProxyType
from typing import Any, Final

from msgspec import Struct

from hopscope.model.snapshot import Chain, LinkState, NodeState, Snapshot
from hopscope.model.vocab import DevRef, NodeName
from hopscope.plan.setbefore import Was
from hopscope.wire.rtnl_nexthop import NextHopObject
from hopscope.wire.rtnl_proxy import ProxyEntry

__all__ = [
    "Marked",
    "MarkedRule",
    "Objects",
    "Sysctls",
    "World",
    "default_path",
    "mtu_of_ipv6",
    "rules_text",
]

_NATURAL: Final = frozenset(
    ("tunl0", "gre0", "gretap0", "erspan0", "ip_vti0", "ip6_vti0", "sit0", "ip6tnl0", "ip6gre0")
)
"""Devices that a module puts into every namespace (net.core.fb_tunnels_only_for_init_net)."""

_NONE: Final[Mapping[Any, Any]] = MappingProxyType({})
_NO_DEVICES: Final = ("all", "default", "lo")

Rules = Mapping[NodeName, tuple[Chain, ...]]
Objects = Mapping[NodeName, tuple[str, ...]]
"""What nft's own tables of a node hold, as texts."""
Sysctls = Mapping[tuple[NodeName, str], str | None]
"""Node and path below /proc/sys → the value; None where there is no such file."""


class MarkedRule(Struct, frozen=True, kw_only=True):
    """A rule of ours among others'; *number* is its place in the chain, *text* all that follows."""

    table: str
    chain: str
    number: int
    text: str

    @property
    def deletion(self) -> str:
        """The arguments that delete it."""
        return f"-t {self.table} -D {self.chain} {self.text}"

    @property
    def insertion(self) -> str:
        """The arguments that put it where it is."""
        return f"-t {self.table} -I {self.chain} {self.number} {self.text}"


class Marked(Struct, frozen=True, kw_only=True):
    """The rules of a node whose other rules are not ours: by tool, those there, and the goal.

    The order in a chain is not asked of *unordered* tools, of which some are put behind others'.
    """

    node: NodeName
    now: Mapping[str, tuple[MarkedRule, ...]]
    goal: Mapping[str, tuple[MarkedRule, ...]]
    unordered: frozenset[str] = frozenset()


class World:
    """The state of a lab that stands."""

    def __init__(
        self,
        snapshot: Snapshot,
        *,
        sysctls: Sysctls,
        defaults: Mapping[str, str | None],
        expected_rules: Rules,
        ignored: Collection[DevRef] = (),
        only_told: bool = False,
        spelled: Mapping[tuple[str, str], str] = _NONE,
        usual: Mapping[NodeName, Mapping[str, str | None]] = _NONE,
        following: Mapping[tuple[NodeName, str], Sequence[tuple[str, str]]] = _NONE,
        marked: Marked | None = None,
        objects: Objects = _NONE,
        expected_objects: Objects = _NONE,
        nexthops: Mapping[NodeName, Sequence[NextHopObject]] = _NONE,
        proxies: Mapping[NodeName, Sequence[ProxyEntry]] = _NONE,
        was: Was = _NONE,
    ) -> None:
        """*snapshot* with the rules of the nodes that have any, or should.

        *defaults* (by path) are of a namespace in which nothing was done yet, and *spelled* says
        how it tells there the value that was written to a path, where that is in other words;
        *expected_rules* is what the declared rules would be listed as, and *objects* and
        *expected_objects* are the same of nft's tables as a whole; devices of *ignored*
        are left as they are, and with *only_told* all that no lab file can declare. *nexthops*
        are the objects that are to go unless somebody else's, and so *proxies*; *was*: the sysctls
        that `set` changed, which are to be again what they were.

        Of a node that was there before the lab: *usual* are its sysctls of then, and *following*
        those that the kernel sets along with one; *marked* are its rules.
        """
        self.snapshot = snapshot
        self.sysctls = sysctls
        self.defaults = defaults
        self.expected_rules = expected_rules
        self.only_told = only_told
        self.spelled = spelled
        self.usual = usual
        self.following = following
        self.marked = marked
        self.objects = objects
        self.expected_objects = expected_objects
        self.nexthops = nexthops
        self.proxies = proxies
        self.was = was
        self._ignored = ignored

    def as_told(self, path: str, value: str) -> str:
        """What the kernel tells of a sysctl once the value is written."""
        return self.spelled.get((default_path(path) or path, value), value)

    @cached_property
    def nodes(self) -> Mapping[NodeName, NodeState]:
        """By name."""
        return {node.name: node for node in self.snapshot.nodes}

    @cached_property
    def links(self) -> Mapping[DevRef, LinkState]:
        """The devices that a reconciliation is about, with loopback."""
        return {
            ref: link
            for node in self.snapshot.nodes
            for link in node.links
            if (ref := DevRef(node.name, link.name)) not in self._ignored
            and link.name not in _NATURAL
        }


def default_path(path: str) -> str | None:
    """The sysctl that a device's takes after: ``net/ipv4/conf/default/…``; None of any other."""
    match path.split("/"):
        case ["net", family, "conf" | "neigh" as kind, dev, key] if dev not in _NO_DEVICES:
            return f"net/{family}/{kind}/default/{key}"
    return None


def mtu_of_ipv6(path: str) -> bool:
    """Whether a sysctl is what IPv6 takes for the MTU of a device."""
    return path.startswith("net/ipv6/conf/") and path.endswith("/mtu")


def rules_text(chains: tuple[Chain, ...]) -> tuple[str, ...]:
    """Chains as texts to compare: without handles and counts, ours, and those that do nothing."""
    return tuple(
        f"{chain.family} {chain.table} {chain.name} {chain.hook} {chain.priority} "
        f"{chain.policy}: {[rule.text for rule in chain.rules if not rule.ours]}"
        for chain in sorted(chains, key=lambda one: (one.family, one.table, one.name))
        if not chain.ours and (chain.rules or not chain.hook or chain.policy != "accept")
    )

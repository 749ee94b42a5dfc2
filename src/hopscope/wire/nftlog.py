"""Rules that log, and trace messages that show them matching → Logged; no socket, no clock.

The kernel prints a LOG rule's line for its first network namespace alone, so inside a lab
the line is made from the trace: which rule matched, and the packet as the kernel showed it
at that hook. A trace at an IP hook names only the bridge (fact of br_netfilter); the ports,
which the kernel prints as PHYSIN= and PHYSOUT=, are those of the bridge hooks around it.
"""

from collections.abc import Callable, Iterator
from typing import Final

from msgspec import Struct, field

from hopscope.model.events import Logged, RuleHit
from hopscope.model.vocab import DevName, Family, Hook, Nanos, NodeName
from hopscope.wire.netlink import Message, attribute_list, attributes, unpack
from hopscope.wire.nft import FAMILY_OF, LOG_TABLE, rule_hits

__all__ = ["LogRule", "LogTrace", "log_rule"]

_SUBSYSTEM: Final = 10 << 8
_NEW_RULE, _TRACE = _SUBSYSTEM | 6, _SUBSYSTEM | 17
_WARNING: Final = 4
_PACKETS: Final = 1024  # whose ways are remembered at a time
_EXTENSIONS: Final = frozenset({0, 43, 44, 51, 60, 135, 139, 140})  # of IPv6

Key = tuple[Family, str, str, int]
"""Family, table, chain and handle of a rule."""


class LogRule(Struct, frozen=True, kw_only=True):
    """A LOG target or log statement; *flags* are xtables' (XT_LOG_TCPSEQ …)."""

    prefix: str
    level: int = _WARNING
    flags: int = 0


class _Way(Struct):
    """One packet's way through a node so far."""

    head: RuleHit | None = None  # the last report that showed the packet
    physin: DevName | None = None
    physout: DevName | None = None
    met_ip: bool = False  # an IP prerouting hook, after the bridge's


class LogTrace(Struct):
    """One node's reports in order; remembers its rules and the packets on their way."""

    node: NodeName
    dev_name: Callable[[int], DevName | None]
    rules: dict[Key, LogRule] = field(default_factory=dict)
    _ways: dict[int, _Way] = field(default_factory=dict)

    def feed(self, datagram: bytes, *, at: Nanos) -> Iterator[Logged]:
        """The lines that these reports amount to."""
        for message in unpack(datagram):
            if message.type == _NEW_RULE:
                self._learn(message)
        for hit in rule_hits(datagram, at=at, node=self.node, dev_name=self.dev_name):
            way = self._follow(hit)
            rule = self.rules.get((hit.family, hit.table, hit.chain, hit.handle or 0))
            if rule is not None and hit.kind == "rule" and way.head is not None:
                yield _line(hit, way.head, way, rule)

    def _learn(self, message: Message) -> None:
        found = attributes(message.payload[4:])
        family = FAMILY_OF.get(message.payload[0]) if message.payload else None
        if family is None or not {1, 2, 3} <= found.keys():
            return
        key = (family, _string(found[1]), _string(found[2]), int.from_bytes(found[3], "big"))
        rule = log_rule(found.get(4, b""))
        if rule is not None:
            self.rules[key] = rule
        else:  # the same handle, in a table made anew
            self.rules.pop(key, None)

    def _follow(self, hit: RuleHit) -> _Way:
        """Where the packet is now. Trace ids are used again, so a first hook begins anew."""
        way = self._ways.pop(hit.trace_id, None) or _Way()
        self._ways[hit.trace_id] = way  # now the last: the first is the longest unheard of
        if len(self._ways) > _PACKETS:
            del self._ways[next(iter(self._ways))]
        if not (hit.network_header or hit.link_header):
            return way
        if hit.table == LOG_TABLE:
            if hit.family is Family.BRIDGE:
                way = self._bridge_hook(hit, way)
            elif hit.chain == Hook.OUTPUT or way.physin is None or way.met_ip:
                way = _Way()
            way.met_ip = way.met_ip or hit.family is not Family.BRIDGE
            self._ways[hit.trace_id] = way
        way.head = hit
        return way

    def _bridge_hook(self, hit: RuleHit, way: _Way) -> _Way:
        match hit.chain:
            case Hook.PREROUTING:
                return _Way(physin=hit.iif)
            case Hook.FORWARD:
                # a copy that went up may have taken the id along: the port stands here again
                way.physin, way.physout = hit.iif, hit.oif
            case Hook.INPUT if not way.met_ip:  # the IP hooks to come are the stack's own
                way.physin = None
            case Hook.OUTPUT:
                return _Way()
        return way


def _line(hit: RuleHit, head: RuleHit, way: _Way, rule: LogRule) -> Logged:
    bridged = hit.family is not Family.BRIDGE
    shown = hit if hit.network_header else head
    iif, oif = shown.iif, shown.oif
    return Logged(
        at=hit.at,
        node=hit.node,
        family=_family(hit.family, shown.network_header),
        prefix=rule.prefix,
        iif=iif,
        oif=oif,
        physin=way.physin if bridged else None,
        physout=way.physout if bridged and oif is not None else None,
        link_header=shown.link_header,
        packet=_packet(shown),
        mark=hit.mark,
        level=rule.level,
        flags=rule.flags,
    )


def _packet(shown: RuleHit) -> bytes:
    """The packet as far as the trace shows it in one piece.

    It shows 40 bytes of the network header and 20 of what follows all headers, so behind
    IPv6 extensions, or long IPv4 options, there is a gap.
    """
    network = shown.network_header
    whole = shown.transport_header[:0]
    if network and network[0] >> 4 == 4:
        whole = shown.transport_header if len(network) == (network[0] & 0xF) * 4 else whole
    elif len(network) == 40 and network[6] not in _EXTENSIONS:
        whole = shown.transport_header
    return network + whole


def _family(family: Family, network_header: bytes) -> Family:
    if family is not Family.INET:
        return family
    six = bool(network_header) and network_header[0] >> 4 == 6
    return Family.IP6 if six else Family.IP


def log_rule(expressions: bytes) -> LogRule | None:
    """What a rule's expressions say of logging to the kernel log; None: they do not.

    Mirrors struct xt_log_info and NFTA_LOG_*; a log statement with a group is NFLOG.
    """
    for _kind, element in attribute_list(expressions):
        parts = attributes(element)
        name, data = _string(parts.get(1)), attributes(parts.get(2, b""))
        if name == "target" and _string(data.get(1)) == "LOG" and len(data.get(3, b"")) >= 32:
            info = data[3]
            prefix = info[2:32].split(b"\0", 1)[0].decode(errors="replace")
            return LogRule(prefix=prefix, level=info[0], flags=info[1])
        if name == "log" and 1 not in data:
            level = int.from_bytes(data[5], "big") if 5 in data else _WARNING
            flags = int.from_bytes(data.get(6, b""), "big")
            return LogRule(prefix=_string(data.get(2)), level=level, flags=flags)
    return None


def _string(data: bytes | None) -> str:
    return (data or b"").rstrip(b"\0").decode(errors="replace")

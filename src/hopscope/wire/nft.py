"""nf_tables over nfnetlink: our trace table out, trace messages in; no socket, no clock.

The table is *owned*: the kernel deletes it when the socket that made it closes, so no
kill can leave it behind (NFT_TABLE_F_OWNER, net/netfilter/nf_tables_api.c). In each
family it has one chain at each hook. The first ones of a packet's way, prerouting and
output, switch tracing on for the traced packets; every chain, empty or not, then makes
the kernel report that the packet passed its hook, whether or not the lab has rules there.
"""

import struct
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Final

from hopscope.model.events import RuleHit
from hopscope.model.vocab import DevName, Family, Hook, Nanos, NodeName, Verdict
from hopscope.wire.echo import SWEEP
from hopscope.wire.netlink import (
    NLM_F_DUMP,
    Message,
    attr,
    attribute_list,
    attributes,
    nest,
    text,
    unpack,
)

__all__ = [
    "FAMILY_OF",
    "LOG_BURST",
    "LOG_RATE",
    "LOG_TABLE",
    "NFNLGRP_NFTABLES",
    "NFNLGRP_NFTRACE",
    "OUR_PREFIX",
    "WITNESSED",
    "RuleKey",
    "counters",
    "dump_rules",
    "dumps_passed_over",
    "generation",
    "get_generation",
    "log_table",
    "log_table_tried",
    "passed_over",
    "rule_hits",
    "trace_table",
]

NFNLGRP_NFTABLES: Final = 7
NFNLGRP_NFTRACE: Final = 9
OUR_PREFIX: Final = "hopscope"
"""Tables whose names begin so are ours."""
LOG_TABLE: Final = "hopscope-log"
"""The one that watches for LOG rules as long as the lab lives."""

_NFPROTO: Final = {
    Family.INET: 1,
    Family.IP: 2,
    Family.ARP: 3,
    Family.NETDEV: 5,
    Family.BRIDGE: 7,
    Family.IP6: 10,
}
FAMILY_OF: Final = {number: family for family, number in _NFPROTO.items()}

_FIVE = (Hook.PREROUTING, Hook.INPUT, Hook.FORWARD, Hook.OUTPUT, Hook.POSTROUTING)
WITNESSED: Final[Mapping[Family, Mapping[Hook, int]]] = {
    Family.BRIDGE: dict(zip(_FIVE, range(5), strict=True)),
    Family.INET: dict(zip(_FIVE, range(5), strict=True)),
    Family.ARP: {Hook.INPUT: 0, Hook.OUTPUT: 1},
}
"""The hooks that our table watches, with the kernel's numbers for them."""

_LOG_HOOKS: Final = {
    Family.BRIDGE: (Hook.PREROUTING, Hook.INPUT, Hook.FORWARD, Hook.OUTPUT),
    Family.INET: (Hook.PREROUTING, Hook.OUTPUT),
}
"""Where a packet begins, and where a bridge's ports show."""

LOG_RATE: Final = 200
LOG_BURST: Final = 400

_PRIORITY: Final = -1000
"""Before all the lab's chains, whose lowest usual priority is raw's -300."""

_SUBSYSTEM = 10 << 8  # NFNL_SUBSYS_NFTABLES
_NEWTABLE, _DELTABLE, _NEWCHAIN, _NEWRULE, _GETRULE, _NEWGEN, _GETGEN, _TRACE = (
    0,
    2,
    3,
    6,
    7,
    15,
    16,
    17,
)
_BATCH_BEGIN, _BATCH_END = 0x10, 0x11
_CREATE, _APPEND, _EXCLUSIVE = 0x400, 0x800, 0x200
_META_PROTOCOL, _META_NFTRACE, _META_NFPROTO = 1, 12, 15
_META_IIF, _META_OIF = 4, 5
_NETWORK_HEADER = 1
_REGISTER = 8  # NFT_REG32_00
_ETHERTYPE = {4: 0x0800, 6: 0x86DD, "arp": 0x0806}
_ADDRESS_OFFSETS = {4: (12, 16), 6: (8, 24)}

_VERDICTS: Final = {
    0: Verdict.DROP,
    1: Verdict.ACCEPT,
    2: Verdict.STOLEN,
    3: Verdict.QUEUE,
    -1: Verdict.CONTINUE,
    -2: Verdict.CONTINUE,
    -3: Verdict.JUMP,
    -4: Verdict.GOTO,
    -5: Verdict.RETURN,
}
RuleKey = tuple[Family, str, str, int]
"""Family, table, chain and handle."""

_KINDS: Final = {1: "policy", 2: "return", 3: "rule"}


def trace_table(name: str, addresses: Sequence[str], devices: Sequence[int] = ()) -> list[Message]:
    """One batch that makes the table *name* in each family.

    It traces packets from or to *addresses*, all ARP, and, if one of them is of IPv6, all
    neighbour discovery, whose targets are multicast; with *devices* (indexes), only what
    comes in, or goes out, at one of these.
    """
    messages = [Message(_BATCH_BEGIN, 0, _nfgen(0, 10))]
    for family, hooks in WITNESSED.items():
        messages += _table(name, family, hooks)
        for hook in hooks:
            if hook in (Hook.PREROUTING, Hook.OUTPUT) or family is Family.ARP:
                for where in _places(hook, devices):
                    for what in _matches(family, addresses):
                        messages.append(_rule(name, family, hook, where + what + _set_nftrace()))
    messages.append(Message(_BATCH_END, 0, _nfgen(0, 10)))
    return messages


def log_table(devices: Sequence[int] = ()) -> list[Message]:
    """One batch that makes `LOG_TABLE`, which traces whatever passes (at *devices*), within limits.

    LOG rules inside a lab are known by their trace; so that a flood costs little, no more
    than `LOG_RATE` packets a second are traced, after a burst of `LOG_BURST`. A counter has the
    others: `passed_over` reads it. Requests to all nodes at once, and their replies, are neither
    traced nor counted: they would be thousands.
    """
    messages = [Message(_BATCH_BEGIN, 0, _nfgen(0, 10))]
    for family, hooks in _LOG_HOOKS.items():
        numbers = WITNESSED[family]
        messages += _table(LOG_TABLE, family, {hook: numbers[hook] for hook in hooks})
        for hook in (Hook.PREROUTING, Hook.OUTPUT):
            for where in _places(hook, devices):
                too_fast = _over_limit() + _counter() + _accept()
                swept = (sweep + _accept() for sweep in _sweeps(family))
                for what in (*swept, too_fast, _set_nftrace()):
                    messages.append(_rule(LOG_TABLE, family, hook, where + what))
    messages.append(Message(_BATCH_END, 0, _nfgen(0, 10)))
    return messages


def log_table_tried() -> list[Message]:
    """One batch that makes `LOG_TABLE` and lets it go: the kernel refuses it as it would that."""
    *made, end = log_table()
    gone = (_message(_DELTABLE, family, text(1, LOG_TABLE), 0) for family in _LOG_HOOKS)
    return [*made, *gone, end]


def dumps_passed_over() -> list[Message]:
    """Ask a netfilter socket for the rules of `LOG_TABLE`, a family each, for `passed_over`."""
    return [_message(_GETRULE, family, text(1, LOG_TABLE), NLM_F_DUMP) for family in _LOG_HOOKS]


def passed_over(answers: Sequence[Message]) -> int:
    """How many packets at least came too fast to be traced, by the counters of `LOG_TABLE`.

    A bridged packet is counted by the bridge, and may be again by the IP hooks above it; one
    that is routed out through a bridge likewise.
    """
    counts: Counter[tuple[Family, str]] = Counter()
    for answer in answers:
        family = FAMILY_OF.get(answer.payload[0]) if len(answer.payload) >= 4 else None
        found = attributes(answer.payload[4:])
        if answer.type == _SUBSYSTEM | _NEWRULE and family and _string(found.get(1)) == LOG_TABLE:
            counts[family, _string(found.get(2))] += _counted(found.get(4, b""))
    came = max(counts[family, Hook.PREROUTING] for family in (Family.BRIDGE, Family.INET))
    return max(came + counts[Family.INET, Hook.OUTPUT], counts[Family.BRIDGE, Hook.OUTPUT])


def _counted(expressions: bytes) -> int:
    """The packets of a rule's counter."""
    counts = _counter_of(expressions)
    return counts[0] if counts else 0


def _counter_of(expressions: bytes) -> tuple[int, int] | None:
    """Packets and bytes of a rule's first counter; None when it has none."""
    for _kind, expression in attribute_list(expressions):
        found = attributes(expression)
        if _string(found.get(1)) == "counter":
            counts = attributes(found.get(2, b""))
            return _number(counts.get(2)), _number(counts.get(1))
    return None


def get_generation() -> Message:
    """Ask a netfilter socket which generation of the ruleset there is."""
    return Message(_SUBSYSTEM | _GETGEN, 0, _nfgen(0, 0))


def generation(answers: Sequence[Message]) -> int | None:
    """The number in the answer to `get_generation`: each change of rules makes it another."""
    for answer in answers:
        if answer.type == _SUBSYSTEM | _NEWGEN:
            return _number(attributes(answer.payload[4:]).get(1))
    return None


def dump_rules() -> Message:
    """Ask a netfilter socket for all rules of all families, for `counters`."""
    return Message(_SUBSYSTEM | _GETRULE, NLM_F_DUMP, _nfgen(0, 0))


def counters(answers: Sequence[Message]) -> dict[RuleKey, tuple[int, int] | None]:
    """Each rule's packets and bytes, by family, table, chain and handle; None: not counted."""
    counted: dict[RuleKey, tuple[int, int] | None] = {}
    for answer in answers:
        family = FAMILY_OF.get(answer.payload[0]) if len(answer.payload) >= 4 else None
        if answer.type != _SUBSYSTEM | _NEWRULE or family is None:
            continue
        found = attributes(answer.payload[4:])
        key = (family, _string(found.get(1)), _string(found.get(2)), _number(found.get(3)))
        counted[key] = _counter_of(found.get(4, b""))
    return counted


def _table(name: str, family: Family, hooks: Mapping[Hook, int]) -> Iterator[Message]:
    yield _message(_NEWTABLE, family, text(1, name) + attr(2, _be32(2)), _CREATE)
    for hook, number in hooks.items():
        where = nest(4, attr(1, _be32(number)) + attr(2, struct.pack(">i", _PRIORITY)))
        body = text(1, name) + text(3, hook) + where + attr(5, _be32(1)) + text(7, "filter")
        yield _message(_NEWCHAIN, family, body, _CREATE | _EXCLUSIVE)


def _rule(name: str, family: Family, hook: Hook, expressions: bytes) -> Message:
    body = text(1, name) + text(2, hook) + nest(4, expressions)
    return _message(_NEWRULE, family, body, _CREATE | _APPEND)


def rule_hits(
    datagram: bytes, *, at: Nanos, node: NodeName, dev_name: Callable[[int], DevName | None]
) -> Iterator[RuleHit]:
    """Decode trace messages (nft_trace_notify, net/netfilter/nf_tables_trace.c)."""
    for message in unpack(datagram):
        if message.type != _SUBSYSTEM | _TRACE or len(message.payload) < 4:
            continue
        found = attributes(message.payload[4:])
        kind = _KINDS.get(_number(found.get(4)))
        family = FAMILY_OF.get(message.payload[0])
        if kind is None or family is None:
            continue
        verdict, jump = _verdict(found)
        yield RuleHit(
            at=at,
            node=node,
            trace_id=_number(found.get(6)),
            kind=kind,
            family=family,
            table=_string(found.get(1)),
            chain=_string(found.get(2)),
            handle=_number(found.get(3)) if 3 in found else None,
            verdict=verdict,
            jump=jump,
            iif=dev_name(_number(found.get(10))) if 10 in found else None,
            oif=dev_name(_number(found.get(12))) if 12 in found else None,
            link_header=found.get(7, b""),
            network_header=found.get(8, b""),
            transport_header=found.get(9, b""),
            mark=_number(found.get(14)),
        )


def _verdict(found: dict[int, bytes]) -> tuple[Verdict, str | None]:
    """A rule's verdict stands in NFTA_TRACE_VERDICT, a policy's in NFTA_TRACE_POLICY."""
    if 16 in found:
        return _VERDICTS.get(_number(found[16]), Verdict.ACCEPT), None
    if 5 not in found:
        return Verdict.CONTINUE, None
    inner = attributes(found[5])
    code = int.from_bytes(inner.get(1, b"\0\0\0\1"), "big", signed=True)
    jump = _string(inner[2]) if 2 in inner else None
    # NF_DROP and NF_QUEUE carry an errno or queue number in the upper half
    return _VERDICTS.get(code if code < 0 else code & 0xFF, Verdict.CONTINUE), jump


def _places(hook: Hook, devices: Sequence[int]) -> Iterator[bytes]:
    """The expressions that match one device each; none at all for no devices."""
    if not devices:
        yield b""
    key = _META_OIF if hook is Hook.OUTPUT else _META_IIF
    for index in devices:
        yield _meta(key) + _equals(struct.pack("=I", index))


def _matches(family: Family, addresses: Sequence[str]) -> Iterator[bytes]:
    """The expressions of one rule each, without what they do."""
    if family is Family.ARP:
        yield b""
        return
    if family is Family.BRIDGE:
        yield _meta(_META_PROTOCOL) + _equals(struct.pack(">H", _ETHERTYPE["arp"]))
    for address in map(ip_address, addresses):
        for offset in _ADDRESS_OFFSETS[address.version]:
            yield _protocol(family, address) + _payload(offset, address.packed)
    if any(ip_address(address).version == 6 for address in addresses):
        six = IPv6Address("::")
        for kind in (135, 136):  # neighbour solicitation and advertisement
            discovery = _payload(6, b"\x3a") + _payload(40, bytes([kind]))
            yield _protocol(family, six) + discovery


def _sweeps(family: Family) -> Iterator[bytes]:
    """The expressions that match echoes of `SWEEP`, of IPv4 and of IPv6."""
    ident = struct.pack(">H", SWEEP)
    yield _protocol(family, IPv4Address(0)) + _payload(9, b"\1") + _payload(24, ident)
    yield _protocol(family, IPv6Address(0)) + _payload(6, b"\x3a") + _payload(44, ident)


def _protocol(family: Family, address: IPv4Address | IPv6Address) -> bytes:
    if family is Family.BRIDGE:
        return _meta(_META_PROTOCOL) + _equals(struct.pack(">H", _ETHERTYPE[address.version]))
    number = _NFPROTO[Family.IP if address.version == 4 else Family.IP6]
    return _meta(_META_NFPROTO) + _equals(bytes([number]))


def _expression(name: str, data: bytes) -> bytes:
    return nest(1, text(1, name) + nest(2, data))


def _meta(key: int) -> bytes:
    return _expression("meta", attr(1, _be32(_REGISTER)) + attr(2, _be32(key)))


def _equals(value: bytes) -> bytes:
    data = nest(3, attr(1, value))
    return _expression("cmp", attr(1, _be32(_REGISTER)) + attr(2, _be32(0)) + data)


def _payload(offset: int, value: bytes) -> bytes:
    place = attr(2, _be32(_NETWORK_HEADER)) + attr(3, _be32(offset)) + attr(4, _be32(len(value)))
    return _expression("payload", attr(1, _be32(_REGISTER)) + place) + _equals(value)


def _over_limit() -> bytes:
    """Matches what comes faster (NFT_LIMIT_F_INV), so that a packet is weighed once."""
    rate = attr(1, struct.pack(">Q", LOG_RATE)) + attr(2, struct.pack(">Q", 1))
    burst = attr(3, _be32(LOG_BURST)) + attr(4, _be32(0))
    return _expression("limit", rate + burst + attr(5, _be32(1)))


def _counter() -> bytes:
    return _expression("counter", attr(1, bytes(8)) + attr(2, bytes(8)))


def _accept() -> bytes:
    verdict = nest(2, nest(2, attr(1, _be32(1))))
    return _expression("immediate", attr(1, _be32(0)) + verdict)


def _set_nftrace() -> bytes:
    one = nest(2, attr(1, b"\1"))
    load = _expression("immediate", attr(1, _be32(_REGISTER)) + one)
    store = attr(2, _be32(_META_NFTRACE)) + attr(3, _be32(_REGISTER))
    return load + _expression("meta", store)


def _message(kind: int, family: Family, body: bytes, flags: int) -> Message:
    return Message(_SUBSYSTEM | kind, flags, _nfgen(_NFPROTO[family], 0) + body)


def _nfgen(family: int, resource: int) -> bytes:
    return struct.pack(">BBH", family, 0, resource)


def _be32(number: int) -> bytes:
    return struct.pack(">I", number)


def _number(data: bytes | None) -> int:
    return int.from_bytes(data or b"", "big")


def _string(data: bytes | None) -> str:
    return (data or b"").rstrip(b"\0").decode(errors="replace")

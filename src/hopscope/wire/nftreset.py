"""Messages that zero the counters of a table's rules without changing a rule; no socket.

A change of rules, as ``iptables -Z`` makes one, waits until no processor uses the rules before; the
kernel also zeroes while it lists (nf_tables_dumpreset_rules(), since Linux 6.3). It then zeroes
whatever it lists, also what iptables would leave alone in a table of that name that nft has made:
the rules of a base chain that iptables does not know, and what a quota has used.
"""

import struct
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from hopscope.model.chains import BUILT_IN
from hopscope.model.vocab import Family
from hopscope.wire.netlink import NLM_F_DUMP, Message, attribute_list, attributes, text
from hopscope.wire.nft import FAMILY_OF

__all__ = [
    "counts_policies",
    "dump_chains",
    "dump_rules",
    "has_quota",
    "is_built_in",
    "reset_rules",
    "zeroed",
]

_SUBSYSTEM: Final = 10 << 8  # NFNL_SUBSYS_NFTABLES
_NEWCHAIN, _GETCHAIN, _NEWRULE, _GETRULE, _GETRULE_RESET = 3, 4, 6, 7, 25
_NUMBERS: Final = {family: number for number, family in FAMILY_OF.items()}

_HOOKS: Final = ("PREROUTING", "INPUT", "FORWARD", "OUTPUT", "POSTROUTING")
"""iptables' names of the hooks, in the order of the kernel's numbers."""
_PRIORITIES: Final = {"raw": -300, "mangle": -150, "filter": 0, "security": 150}


def reset_rules(family: Family, table: str, chain: str | None = None) -> Message:
    """Asks for the rules of a table, or of one chain of it, and zeroes their counters."""
    body = _header(family) + text(1, table)  # NFTA_RULE_TABLE
    if chain is not None:
        body += text(2, chain)  # NFTA_RULE_CHAIN
    return Message(_SUBSYSTEM | _GETRULE_RESET, NLM_F_DUMP, body)


def dump_rules(family: Family, table: str) -> Message:
    """Asks for the rules of a table, for `has_quota`."""
    return Message(_SUBSYSTEM | _GETRULE, NLM_F_DUMP, _header(family) + text(1, table))


def has_quota(answers: Sequence[Message]) -> bool:
    """Whether a rule has one in nft's own form, of which zeroing takes back what was used."""
    rules = (attributes(one.payload[4:]) for one in answers if one.type == _SUBSYSTEM | _NEWRULE)
    expressions = (one for rule in rules for _kind, one in attribute_list(rule.get(4, b"")))
    return any(attributes(one).get(1) == b"quota\0" for one in expressions)  # NFTA_EXPR_NAME


def dump_chains(family: Family) -> Message:
    """Asks for the chains of a family, for `counts_policies` and `zeroed`."""
    return Message(_SUBSYSTEM | _GETCHAIN, NLM_F_DUMP, _header(family))


def zeroed(answers: Sequence[Message], table: str) -> tuple[str | None, ...]:
    """The chains of that table whose rules ``iptables -Z`` zeroes; (None,) when those are all.

    It knows the base chains that it would make itself, and all that are none.
    """
    chains = list(_chains(answers, table))
    ours = [one[3].rstrip(b"\0").decode() for one in chains if _is_ours(one, table)]  # the name
    return (None,) if len(ours) == len(chains) else tuple(ours)


def _is_ours(chain: Mapping[int, bytes], table: str) -> bool:
    if (place := attributes(chain.get(4, b""))) == {}:  # NFTA_CHAIN_HOOK
        return True
    number: int = struct.unpack(">I", place[1])[0]
    priority: int = struct.unpack(">i", place[2])[0]
    name, kind = (chain.get(one, b"").rstrip(b"\0").decode() for one in (3, 7))
    hook = _HOOKS[number] if number < len(_HOOKS) else ""
    return is_built_in(table, name, hook=hook, kind=kind, priority=priority)


def is_built_in(table: str, chain: str, *, hook: str, kind: str, priority: int) -> bool:
    """Whether a base chain is one that iptables would make itself, and as it would."""
    if chain not in BUILT_IN.get(table, ()) or chain != hook:
        return False
    if table == "nat":
        return (kind, priority) == ("nat", -100 if chain in ("PREROUTING", "OUTPUT") else 100)
    usual = "route" if (table, chain) == ("mangle", "OUTPUT") else "filter"
    return (kind, priority) == (usual, _PRIORITIES[table])


def counts_policies(answers: Sequence[Message], table: str) -> bool:
    """Whether a policy in that table has a count other than zero; listing does not reset these."""
    counts = (attributes(one.get(8, b"")) for one in _chains(answers, table))  # bytes, packets
    return any(any(map(any, one.values())) for one in counts)


def _chains(answers: Sequence[Message], table: str) -> Iterator[Mapping[int, bytes]]:
    """What is said of each chain of a table."""
    for answer in answers:
        if answer.type == _SUBSYSTEM | _NEWCHAIN:
            found = attributes(answer.payload[4:])
            if found.get(1, b"").rstrip(b"\0") == table.encode():
                yield found


def _header(family: Family) -> bytes:
    return struct.pack("=BBH", _NUMBERS[family], 0, 0)

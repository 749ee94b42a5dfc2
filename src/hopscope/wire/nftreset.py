"""Messages that zero the counters of a table's rules without changing a rule; no socket.

A change of rules, as ``iptables -Z`` makes one, waits until no processor uses the rules before; the
kernel also zeroes while it lists (nf_tables_dumpreset_rules(), since Linux 6.3).
"""

import struct
from collections.abc import Sequence
from typing import Final

from hopscope.model.vocab import Family
from hopscope.wire.netlink import NLM_F_DUMP, Message, attributes, text
from hopscope.wire.nft import FAMILY_OF

__all__ = ["counts_policies", "dump_chains", "reset_rules"]

_SUBSYSTEM: Final = 10 << 8  # NFNL_SUBSYS_NFTABLES
_NEWCHAIN, _GETCHAIN, _GETRULE_RESET = 3, 4, 25
_NUMBERS: Final = {family: number for number, family in FAMILY_OF.items()}


def reset_rules(family: Family, table: str) -> Message:
    """Asks for the rules of a table, and zeroes their counters."""
    body = _header(family) + text(1, table)  # NFTA_RULE_TABLE
    return Message(_SUBSYSTEM | _GETRULE_RESET, NLM_F_DUMP, body)


def dump_chains(family: Family) -> Message:
    """Asks for the chains of a family, for `counts_policies`."""
    return Message(_SUBSYSTEM | _GETCHAIN, NLM_F_DUMP, _header(family))


def counts_policies(answers: Sequence[Message], table: str) -> bool:
    """Whether a policy in that table has a count other than zero; listing does not reset these."""
    for answer in answers:
        if answer.type != _SUBSYSTEM | _NEWCHAIN:
            continue
        found = attributes(answer.payload[4:])
        counts = attributes(found.get(8, b""))  # NFTA_CHAIN_COUNTERS: bytes, packets
        if found.get(1, b"").rstrip(b"\0") == table.encode() and any(map(any, counts.values())):
            return True
    return False


def _header(family: Family) -> bytes:
    return struct.pack("=BBH", _NUMBERS[family], 0, 0)

"""Our nf_tables batches, read back by pyroute2 and run on packets; real trace messages read."""

import struct
from collections.abc import Iterator, Sequence
from functools import cache
from ipaddress import ip_address
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyroute2.netlink.nfnetlink.nftsocket import nft_chain_msg, nft_rule_msg, nft_table_msg

from hopscope.model.events import RuleHit
from hopscope.model.vocab import DevName, Family, Hook, Nanos, NodeName, Verdict
from hopscope.wire.echo import SWEEP
from hopscope.wire.netlink import Message, attr, attributes, nest, pack, text
from hopscope.wire.nft import (
    LOG_BURST,
    LOG_RATE,
    LOG_TABLE,
    WITNESSED,
    dumps_passed_over,
    log_table,
    log_table_tried,
    passed_over,
    rule_hits,
    trace_table,
)
from hopscope.wire.packet import decode_parts, title
from layouts import arp, echo, icmp, icmpv6, ipv4, ipv6, udp
from recordings import RECORDINGS, Recording
from strategies import addresses4, addresses6

NODE = NodeName("host")
SUBSYSTEM = 10 << 8
NEW_TABLE, DEL_TABLE, NEW_CHAIN, NEW_RULE, TRACE = (SUBSYSTEM | kind for kind in (0, 2, 3, 6, 17))
NFPROTO = {1: Family.INET, 2: Family.IP, 3: Family.ARP, 7: Family.BRIDGE, 10: Family.IP6}
FORMS = {
    NEW_TABLE: nft_table_msg,
    DEL_TABLE: nft_table_msg,
    NEW_CHAIN: nft_chain_msg,
    NEW_RULE: nft_rule_msg,
}

PEER4, PEER6 = "10.244.1.2", "fd00::2"
BOTH = (PEER4, PEER6)
ARP_REQUEST = arp(1, ("02:00:00:00:00:01", "10.9.9.1"), ("00:00:00:00:00:00", "10.9.9.2"))


def oracle(messages: Sequence[Message], kind: int) -> Iterator[tuple[Family, Any]]:
    """The messages of a kind as pyroute2 reads them."""
    for message in messages:
        if message.type == kind:
            decoded = FORMS[kind](pack(message))
            decoded.decode()
            yield NFPROTO[decoded["nfgen_family"]], decoded


@cache
def rules_at(addresses: tuple[str, ...], family: Family, hook: Hook) -> list[Any]:
    """The rules at a hook of a table that traces *addresses*."""
    return [
        rule
        for found, rule in oracle(trace_table("hopscope-1", addresses), NEW_RULE)
        if found is family and rule.get_attr("NFTA_RULE_CHAIN") == hook
    ]


def traced(addresses: tuple[str, ...], family: Family, hook: Hook, packet: bytes) -> bool:
    """Whether a rule at the hook switches tracing on for the packet; runs its expressions."""
    return any(_run(rule, packet) for rule in rules_at(addresses, family, hook))


def _run(rule: Any, packet: bytes) -> bool:
    version = packet[0] >> 4
    protocol = {4: 0x0800, 6: 0x86DD}.get(version, 0x0806).to_bytes(2, "big")
    nfproto = bytes([{4: 2, 6: 10}.get(version, 0)])
    register = b""
    for expression in rule.get_attr("NFTA_RULE_EXPRESSIONS"):
        name = expression.get_attr("NFTA_EXPR_NAME")
        data = expression.get_attr("NFTA_EXPR_DATA")
        if name == "payload":
            at, size = (data.get_attr(f"NFTA_PAYLOAD_{part}") for part in ("OFFSET", "LEN"))
            register = packet[at : at + size]
        elif name == "immediate":
            loaded = data.get_attr("NFTA_IMMEDIATE_DATA")
            if loaded.get_attr("NFTA_DATA_VERDICT") is not None:  # a rule that lets go
                return True
            register = loaded.get_attr("NFTA_DATA_VALUE")
        elif name == "cmp":
            if register != data.get_attr("NFTA_CMP_DATA").get_attr("NFTA_DATA_VALUE"):
                return False
        elif data.get_attr("NFTA_META_SREG") is not None:  # the one thing that is set
            assert data.get_attr("NFTA_META_KEY") == "NFT_META_NFTRACE"
            return register == b"\1"
        else:
            key = data.get_attr("NFTA_META_KEY")
            register = {"NFT_META_PROTOCOL": protocol, "NFT_META_NFPROTO": nfproto}[key]
    pytest.fail("a rule that switches nothing on")


def test_the_table_is_owned_so_that_it_goes_with_its_socket() -> None:
    """One table in each family, of the flag NFT_TABLE_F_OWNER."""
    found = [
        (family, table.get_attr("NFTA_TABLE_NAME"), table.get_attr("NFTA_TABLE_FLAGS"))
        for family, table in oracle(trace_table("hopscope-1", [PEER4]), NEW_TABLE)
    ]
    assert found == [(family, "hopscope-1", 2) for family in WITNESSED]


def test_a_chain_stands_at_each_hook_before_all_others() -> None:
    """With the kernel's number of the hook, and a policy that stops nothing."""
    found = {}
    for family, chain in oracle(trace_table("hopscope-1", [PEER4]), NEW_CHAIN):
        where = chain.get_attr("NFTA_CHAIN_HOOK")
        assert where.get_attr("NFTA_HOOK_PRIORITY") == -1000
        assert chain.get_attr("NFTA_CHAIN_POLICY") == 1
        assert chain.get_attr("NFTA_CHAIN_TYPE") == "filter"
        name = chain.get_attr("NFTA_CHAIN_NAME")
        found[family, name] = where.get_attr("NFTA_HOOK_HOOKNUM")
    five = {"prerouting": 0, "input": 1, "forward": 2, "output": 3, "postrouting": 4}
    assert found == {
        **{(Family.BRIDGE, hook): number for hook, number in five.items()},
        **{(Family.INET, hook): number for hook, number in five.items()},
        (Family.ARP, "input"): 0,
        (Family.ARP, "output"): 1,
    }


@pytest.mark.parametrize("hook", [Hook.PREROUTING, Hook.OUTPUT])
@pytest.mark.parametrize("family", [Family.BRIDGE, Family.INET])
@given(src=addresses4, dst=addresses4)
def test_ipv4_from_or_to_an_address_is_traced(
    family: Family, hook: Hook, src: str, dst: str
) -> None:
    """And no other."""
    assert traced(BOTH, family, hook, ipv4(udp(1, 2), proto=17, src=PEER4, dst=dst))
    assert traced(BOTH, family, hook, ipv4(udp(1, 2), proto=17, src=src, dst=PEER4))
    if PEER4 not in (src, dst):
        assert not traced(BOTH, family, hook, ipv4(udp(1, 2), proto=17, src=src, dst=dst))


@pytest.mark.parametrize("family", [Family.BRIDGE, Family.INET])
@given(src=addresses6, dst=addresses6)
def test_ipv6_from_or_to_an_address_is_traced(family: Family, src: str, dst: str) -> None:
    """And no other, whatever the same bytes would mean in an IPv4 header."""
    there = ipv6(b"", following=59, src=PEER6, dst=dst)
    back = ipv6(b"", following=59, src=src, dst=PEER6)
    assert traced(BOTH, family, Hook.PREROUTING, there)
    assert traced(BOTH, family, Hook.PREROUTING, back)
    if PEER6 not in (str(ip_address(src)), str(ip_address(dst))):
        other = ipv6(b"", following=59, src=src, dst=dst)
        assert not traced(BOTH, family, Hook.PREROUTING, other)


@pytest.mark.parametrize("family", [Family.BRIDGE, Family.INET])
def test_neighbour_discovery_is_traced_with_ipv6_only(family: Family) -> None:
    """Its targets are multicast addresses, which no list of addresses names."""
    asking = ipv6(icmpv6(135, 0), following=58, src="fd00::9", dst="ff02::1:ff00:4")
    report = ipv6(icmpv6(143, 0), following=58, src="fd00::9", dst="ff02::16")
    assert traced(BOTH, family, Hook.PREROUTING, asking)
    assert not traced(BOTH, family, Hook.PREROUTING, report)
    assert not traced((PEER4,), family, Hook.PREROUTING, asking)


def test_all_arp_is_traced() -> None:
    """On bridges by its EtherType; the ARP family sees nothing else."""
    assert traced(BOTH, Family.BRIDGE, Hook.PREROUTING, ARP_REQUEST)
    assert traced(BOTH, Family.ARP, Hook.INPUT, ARP_REQUEST)
    assert traced(BOTH, Family.ARP, Hook.OUTPUT, ARP_REQUEST)


def test_no_address_no_trace_of_ip() -> None:
    """A table for no address still watches ARP."""
    packet = ipv4(icmp(8, 0, echo(1, 1)), proto=1)
    assert not traced((), Family.INET, Hook.PREROUTING, packet)
    assert traced((), Family.BRIDGE, Hook.PREROUTING, ARP_REQUEST)


@pytest.mark.parametrize("batch", [trace_table("hopscope-1", BOTH, [4, 6]), log_table([4, 6])])
def test_only_the_devices_asked_for(batch: list[Message]) -> None:
    """Each rule begins with its device: where packets come in, at output where they leave."""
    seen = set()
    for _family, rule in oracle(batch, NEW_RULE):
        load, compare, *_rest = rule.get_attr("NFTA_RULE_EXPRESSIONS")
        key = load.get_attr("NFTA_EXPR_DATA").get_attr("NFTA_META_KEY")
        output = rule.get_attr("NFTA_RULE_CHAIN") == "output"
        assert key == ("NFT_META_OIF" if output else "NFT_META_IIF")
        wanted = compare.get_attr("NFTA_EXPR_DATA").get_attr("NFTA_CMP_DATA")
        seen.add(struct.unpack("=I", wanted.get_attr("NFTA_DATA_VALUE")))
    assert seen == {(4,), (6,)}


def test_the_log_table_is_limited() -> None:
    """At each hook, what comes too fast is counted and let go before tracing is switched on."""
    rules = [rule for _family, rule in oracle(log_table(), NEW_RULE)]
    assert all(rule.get_attr("NFTA_RULE_TABLE") == LOG_TABLE for rule in rules)
    rules = [rule for rule in rules if not _sweeps(rule)]
    chains = [rule.get_attr("NFTA_RULE_CHAIN") for rule in rules]
    assert chains == ["prerouting", "prerouting", "output", "output"] * 2
    for over, within in zip(rules[::2], rules[1::2], strict=True):
        limit, counter, accept = over.get_attr("NFTA_RULE_EXPRESSIONS")
        data = limit.get_attr("NFTA_EXPR_DATA")
        assert data.get_attr("NFTA_LIMIT_FLAGS") == 1  # NFT_LIMIT_F_INV
        assert data.get_attr("NFTA_LIMIT_RATE") == LOG_RATE
        assert data.get_attr("NFTA_LIMIT_UNIT") == 1  # second
        assert data.get_attr("NFTA_LIMIT_BURST") == LOG_BURST
        assert counter.get_attr("NFTA_EXPR_NAME") == "counter"
        verdict = accept.get_attr("NFTA_EXPR_DATA").get_attr("NFTA_IMMEDIATE_DATA")
        code = verdict.get_attr("NFTA_DATA_VERDICT").get_attr("NFTA_VERDICT_CODE")
        assert code in (1, "NF_ACCEPT")
        load, store = within.get_attr("NFTA_RULE_EXPRESSIONS")
        assert load.get_attr("NFTA_EXPR_NAME") == "immediate"
        assert store.get_attr("NFTA_EXPR_DATA").get_attr("NFTA_META_KEY") == "NFT_META_NFTRACE"


def test_what_is_tried_is_the_log_table_and_goes_again() -> None:
    """In one batch, so that packets never meet it."""
    tried = log_table_tried()
    *made, end = log_table()
    assert [*tried[: len(made)], tried[-1]] == [*made, end]
    gone = list(oracle(tried, DEL_TABLE))
    assert [family for family, _table in gone] == [Family.BRIDGE, Family.INET]
    assert all(table.get_attr("NFTA_TABLE_NAME") == LOG_TABLE for _family, table in gone)


def _sweeps(rule: Any) -> bool:
    """Whether a rule of the log table is about requests to all nodes at once."""
    names = [e.get_attr("NFTA_EXPR_NAME") for e in rule.get_attr("NFTA_RULE_EXPRESSIONS")]
    return "payload" in names


@pytest.mark.parametrize("family", [Family.BRIDGE, Family.INET])
@given(ident=st.integers(0, 0xFFFF) | st.just(SWEEP), seq=st.integers(0, 0xFFFF))
def test_a_sweep_is_not_traced_for_log_rules(family: Family, ident: int, seq: int) -> None:
    """Requests and replies of its identifier alone are let go, before they are weighed."""
    at_hook = [
        rule
        for found, rule in oracle(log_table(), NEW_RULE)
        if found is family and rule.get_attr("NFTA_RULE_CHAIN") == "output"
    ]
    assert [_sweeps(rule) for rule in at_hook] == [True, True, False, False]
    rest = echo(ident, seq)
    for kind in (0, 8):
        packet = ipv4(icmp(kind, 0, rest), proto=1)
        assert any(_run(rule, packet) for rule in at_hook[:2]) == (ident == SWEEP)
    for kind in (128, 129):
        packet = ipv6(icmpv6(kind, 0, rest), following=58)
        assert any(_run(rule, packet) for rule in at_hook[:2]) == (ident == SWEEP)
    other = ipv4(udp(1, 2, rest + rest), proto=17)
    assert not any(_run(rule, other) for rule in at_hook[:2])


def counted(family: int, chain: str, packets: int, table: str = LOG_TABLE) -> Message:
    """A rule as the kernel dumps it: a limit, and a counter."""

    def expression(name: str, *data: bytes) -> bytes:
        return nest(1, text(1, name) + nest(2, b"".join(data)))

    counter = expression("counter", attr(1, bytes(8)), attr(2, struct.pack(">Q", packets)))
    expressions = nest(4, expression("limit") + counter)
    body = text(1, table) + text(2, chain) + expressions
    return Message(NEW_RULE, 0, struct.pack(">BBH", family, 0, 0) + body)


@pytest.mark.parametrize(
    ("rules", "packets"),
    [
        ([], 0),
        ([counted(7, "prerouting", 9), counted(1, "prerouting", 5)], 9),  # bridged: one packet
        ([counted(7, "prerouting", 5), counted(1, "prerouting", 9)], 9),
        ([counted(1, "prerouting", 9), counted(1, "output", 5)], 14),  # came in; began here
        ([counted(1, "prerouting", 9), counted(7, "output", 7)], 9),  # routed out by a bridge
        ([counted(7, "output", 7)], 7),
        ([counted(1, "prerouting", 2), counted(1, "prerouting", 3)], 5),  # a device each
        ([counted(1, "prerouting", 9, "theirs"), Message(TRACE, 0, b"\1\0\0\0")], 0),
        ([Message(NEW_RULE, 0, b"")], 0),
    ],
)
def test_a_packet_passed_over_counts_once(rules: list[Message], packets: int) -> None:
    """Though the hooks of a bridge and of IP above it both count it."""
    assert passed_over(rules) == packets


def test_each_family_is_asked_for_its_rules() -> None:
    """The kernel's dump for a table's name ends with the first family that has one."""
    asked = dumps_passed_over()
    assert [message.payload[0] for message in asked] == [7, 1]
    assert all(attributes(message.payload[4:]) == {1: b"hopscope-log\0"} for message in asked)
    assert all((message.type, message.flags) == (SUBSYSTEM | 7, 0x300) for message in asked)


@pytest.mark.parametrize("batch", [trace_table("hopscope-1", [PEER4]), log_table()])
def test_a_batch_is_one_transaction(batch: list[Message]) -> None:
    """Between NFNL_MSG_BATCH_BEGIN and _END, both of the subsystem nf_tables."""
    assert [message.type for message in (batch[0], batch[-1])] == [0x10, 0x11]
    for message in (batch[0], batch[-1]):
        assert struct.unpack(">BBH", message.payload) == (0, 0, 10)
    assert all(message.type >> 8 == 10 for message in batch[1:-1])


def hits(datagrams: Sequence[bytes], recording: Recording | None = None) -> list[RuleHit]:
    """All hits of datagrams."""
    dev_name = recording.dev_name if recording else lambda index: DevName(f"if{index}")
    return [
        hit
        for datagram in datagrams
        for hit in rule_hits(datagram, at=Nanos(7), node=NODE, dev_name=dev_name)
    ]


@pytest.mark.parametrize("recording", RECORDINGS, ids=str)
def test_a_recorded_ping_crosses_the_hooks_in_order(recording: Recording) -> None:
    """The echo request of number 42 over IPv4: bridge and IP hooks, as br_netfilter nests them."""
    found = hits(recording.datagrams, recording)
    first = next(h for h in found if stamp(h) == 42)
    mine = [h for h in found if h.trace_id == first.trace_id]
    hooks = [(h.family, h.chain) for h in mine if h.table == "hopscope-1" and h.kind == "policy"]
    assert hooks == [
        (Family.BRIDGE, "prerouting"),
        (Family.INET, "prerouting"),
        (Family.BRIDGE, "forward"),
        (Family.INET, "forward"),
        (Family.BRIDGE, "postrouting"),
        (Family.INET, "postrouting"),
    ]
    bridged = next(h for h in mine if h.chain == "forward" and h.family is Family.BRIDGE)
    assert (bridged.iif, bridged.oif) == ("veth1b", "veth2b")
    assert bridged.link_header.hex(":") == "02:00:00:00:00:2a:02:00:00:00:00:1a:08:00"
    routed = next(h for h in mine if h.table == "filter" and h.family is Family.IP)
    assert (routed.iif, routed.oif, routed.chain) == ("br0", "br0", "FORWARD")


@pytest.mark.parametrize("recording", RECORDINGS, ids=str)
def test_recorded_verdicts(recording: Recording) -> None:
    """A jump, a return, a goto, a mark, an accept, a drop by a rule and one by a policy."""
    found = hits(recording.datagrams, recording)
    told = {(h.table, h.chain, h.kind, h.verdict, h.jump) for h in found if h.family is Family.IP}
    assert told >= {
        ("filter", "FORWARD", "rule", Verdict.CONTINUE, None),
        ("filter", "FORWARD", "rule", Verdict.JUMP, "inner"),
        ("filter", "FORWARD", "rule", Verdict.GOTO, "inner"),
        ("filter", "inner", "rule", Verdict.RETURN, None),
        ("filter", "FORWARD", "policy", Verdict.ACCEPT, None),
        ("filter", "FORWARD", "rule", Verdict.DROP, None),
        ("closed", "forward", "rule", Verdict.ACCEPT, None),
        ("closed", "forward", "policy", Verdict.DROP, None),
    }
    marks = {h.mark for h in found if h.family is Family.IP and stamp(h) == 42}
    assert marks == {0, 7}  # the request was marked, its reply was not
    assert all((h.handle is None) == (h.kind != "rule") for h in found if h.handle is not None)


@pytest.mark.parametrize("recording", RECORDINGS, ids=str)
def test_recorded_packets_have_names(recording: Recording) -> None:
    """What a trace shows of a packet is enough to say what it is."""
    found = hits(recording.datagrams, recording)
    shown = {
        title(decode_parts(h.link_header, h.network_header, h.transport_header))
        for h in found
        if h.network_header
    }
    assert shown == {
        "ARP request",
        "ARP reply",
        "echo request",
        "echo reply",
        "neighbour solicitation",
        "neighbour advertisement",
        "UDP",
    }


def stamp(hit: RuleHit) -> int | None:
    """The probe's number, as far as this message shows the packet."""
    return decode_parts(hit.link_header, hit.network_header, hit.transport_header).stamp


def trace(*attributes: bytes, family: int = 2, kind: int = 3) -> bytes:
    """A trace message with these attributes besides its kind."""
    body = attr(4, struct.pack(">I", kind)) + b"".join(attributes)
    return pack(Message(TRACE, 0, struct.pack(">BBH", family, 0, 0) + body))


def verdict(code: int, chain: str = "") -> bytes:
    """NFTA_TRACE_VERDICT."""
    return nest(5, attr(1, struct.pack(">i", code)) + (text(2, chain) if chain else b""))


@pytest.mark.parametrize(
    ("attribute", "expected"),
    [
        (verdict(0), Verdict.DROP),
        (verdict(0x0001_0000), Verdict.DROP),  # NF_DROP_ERR(EPERM)
        (verdict(1), Verdict.ACCEPT),
        (verdict(2), Verdict.STOLEN),
        (verdict(0x0005_0003), Verdict.QUEUE),  # queue number 5
        (verdict(4), Verdict.CONTINUE),  # NF_REPEAT: no final word
        (verdict(-1), Verdict.CONTINUE),
        (verdict(-2), Verdict.CONTINUE),
        (verdict(-3, "inner"), Verdict.JUMP),
        (verdict(-4, "inner"), Verdict.GOTO),
        (verdict(-5), Verdict.RETURN),
        (b"", Verdict.CONTINUE),
        (attr(16, struct.pack(">I", 0)), Verdict.DROP),
        (attr(16, struct.pack(">I", 1)), Verdict.ACCEPT),
    ],
)
def test_verdicts(attribute: bytes, expected: Verdict) -> None:
    """NF_* and NFT_* of linux/netfilter.h and nf_tables.h."""
    (hit,) = hits([trace(attribute)])
    assert hit.verdict is expected
    assert hit.jump == ("inner" if expected in (Verdict.JUMP, Verdict.GOTO) else None)


def test_what_a_message_does_not_say_is_none() -> None:
    """Devices and handle are absent as None, never as a device of number 0."""
    (hit,) = hits([trace(text(1, "t"), text(2, "c"))])
    assert (hit.iif, hit.oif, hit.handle, hit.mark) == (None, None, None, 0)
    assert (hit.table, hit.chain, hit.at, hit.node) == ("t", "c", 7, NODE)
    there, away = attr(10, struct.pack(">I", 4)), attr(12, struct.pack(">I", 6))
    (hit,) = hits([trace(there, away, attr(3, struct.pack(">Q", 9)))])
    assert (hit.iif, hit.oif, hit.handle) == ("if4", "if6", 9)


def test_what_is_no_trace_is_passed_over() -> None:
    """Other messages, kinds and families that are not known, one too short for a family."""
    other = pack(Message(NEW_RULE, 0, struct.pack(">BBH", 2, 0, 0)))
    short = pack(Message(TRACE, 0, b"\2\0\0"))
    assert hits([other, short, trace(kind=9), trace(family=99)]) == []
    assert len(hits([other + trace()])) == 1


@given(st.binary(max_size=120))
def test_any_trace_message_ends(junk: bytes) -> None:
    """Whatever a kernel to come writes into it."""
    for hit in hits([pack(Message(TRACE, 0, junk)), junk]):
        assert hit.kind in ("rule", "return", "policy")

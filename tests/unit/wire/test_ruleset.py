"""Rulesets as nft and iptables-save print them: recorded ones, and what may happen between two."""

import json
import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hopscope.model.snapshot import Chain, Rule
from hopscope.model.vocab import Family, Hook
from hopscope.wire.netlink import NLM_F_DUMP, Message, attr, text, unpack
from hopscope.wire.ruleset import (
    Entry,
    chains,
    dump_sets,
    dump_tables,
    entries,
    named_set,
    saved_lines,
    shell_line,
    table,
)

FOLDER = Path(__file__).parents[2] / "golden" / "recordings"


@dataclass(frozen=True)
class Rules:
    """What the tools said of one ruleset (tests/golden/record_rules.py)."""

    tools: str
    tables: list[str]
    listings: list[str]
    stateless: str
    saved: dict[str, str]

    @property
    def entries(self) -> list[Entry]:
        """All that nft's JSON said."""
        return [entry for listing in self.listings for entry in entries(listing) or ()]

    @property
    def saves(self) -> Mapping[Family, str]:
        """What iptables-save and ip6tables-save printed."""
        return {Family(family): said for family, said in self.saved.items()}

    def chain(self, name: str) -> Chain:
        """A chain by family, table and name."""
        found = chains(self.entries, saved_lines(self.entries, self.saves), self.stateless)
        return next(c for c in found if f"{c.family} {c.table} {c.name}" == name)


RECORDED = [Rules(**json.loads(path.read_text())) for path in sorted(FOLDER.glob("rules-*.json"))]
recorded = pytest.mark.parametrize("rules", RECORDED, ids=lambda rules: rules.tools)


def test_there_is_a_recording() -> None:
    assert RECORDED


@recorded
def test_iptables_rules_are_told_in_its_words_in_the_order_of_the_kernel(rules: Rules) -> None:
    """A rule that was inserted in the middle has the highest handle, and its own line."""
    chain = rules.chain("ip filter FORWARD")
    assert chain.rules == (
        Rule(
            handle=2,
            text="-A FORWARD -p icmp -j LOG --log-prefix Filter-FORWARD-1-",
            packets=0,
            bytes=0,
            log_prefix="Filter-FORWARD-1-",
        ),
        Rule(handle=6, text="-A FORWARD -p udp -j inner", packets=0, bytes=0),
        Rule(
            handle=3,
            text='-A FORWARD -p tcp -m comment --comment "say \\"hi\\" # handle 9" -j ACCEPT',
            packets=0,
            bytes=0,
        ),
    )
    assert (chain.hook, chain.type, chain.priority) == (Hook.FORWARD, "filter", 0)
    assert (chain.policy, chain.ours) == ("accept", False)


@recorded
def test_a_chain_that_is_only_jumped_to_has_no_hook(rules: Rules) -> None:
    chain = rules.chain("ip filter inner")
    assert (chain.hook, chain.type, chain.priority, chain.policy) == (None, None, None, None)
    assert [rule.text for rule in chain.rules] == ["-A inner -s 10.0.0.0/8 -j RETURN"]


@recorded
def test_prefixes_are_unquoted(rules: Rules) -> None:
    """As the log will show them; "" for a LOG without one."""
    assert [rule.log_prefix for rule in rules.chain("ip nat PREROUTING").rules] == ['a "b" ']
    assert [rule.log_prefix for rule in rules.chain("ip6 filter INPUT").rules] == [""]


@recorded
def test_nft_rules_are_told_in_its_own_words(rules: Rules) -> None:
    """Sets, maps, a named counter, comments; a handle in a comment is no handle."""
    chain = rules.chain("inet mine in")
    assert [(rule.handle, rule.text) for rule in chain.rules] == [
        (6, 'counter name "hits" comment "named # handle 3"'),
        (7, 'ip saddr @bad counter log prefix "bad one " level info drop'),
        (8, "ip saddr vmap @fate"),
        (10, "tcp dport { 22, 80, 443, 8080, 9000, 9001 } log"),
        (11, "jump later"),
    ]
    assert [rule.log_prefix for rule in chain.rules] == [None, "bad one ", None, "", None]
    assert [rule.packets for rule in chain.rules] == [None, 5, None, None, None]
    assert [rule.bytes for rule in chain.rules] == [None, 420, None, None, None]
    assert (chain.hook, chain.priority, chain.policy) == (Hook.INPUT, 10, "drop")
    assert rules.chain("inet mine later").rules == ()


@recorded
def test_a_table_that_both_tools_wrote_is_told_in_nft_words(rules: Rules) -> None:
    """iptables-save refuses it; the prefix of its LOG target is known all the same."""
    assert "Table `mangle' is incompatible" in rules.saved["ip"]
    one, other = rules.chain("ip mangle FORWARD").rules
    assert one.text == 'meta l4proto tcp counter log prefix "in mangle "'
    assert one.log_prefix == "in mangle "
    assert other.text.startswith("ct mark 0x00000007")
    (only,) = rules.chain("ip mangle only").rules
    assert only.text.endswith("map { lephb : 0x00000007 }")


@recorded
def test_without_iptables_save_nft_words_are_told(rules: Rules) -> None:
    """A machine may have no iptables; prefixes are found in the other words, too."""
    found = chains(rules.entries, saved_lines(rules.entries, {}), rules.stateless)
    told = {rule.handle: rule for chain in found if chain.table == "filter" for rule in chain.rules}
    assert told[6].text == "meta l4proto udp counter jump inner"
    (nat,) = [rule for chain in found if chain.table == "nat" for rule in chain.rules]
    assert nat.log_prefix == 'a "b" '


@recorded
def test_rules_that_changed_between_the_tools_are_not_mixed_up(rules: Rules) -> None:
    """One fewer in iptables-save: of that chain nobody can say which line is whose."""
    fewer = rules.saved["ip"].replace("-A FORWARD -p udp -j inner\n", "")
    lines = saved_lines(rules.entries, {Family.IP: fewer})
    assert {key[:3] for key in lines} == {("ip", "filter", "inner"), ("ip", "nat", "PREROUTING")}
    found = chains(rules.entries, lines, rules.stateless)
    texts = [rule.text for chain in found if chain.name == "FORWARD" for rule in chain.rules]
    assert texts[1] == "meta l4proto udp counter jump inner"


@recorded
def test_the_kernel_lists_its_tables(rules: Rules) -> None:
    """Of every family, also an empty one; so nft lists no more and no fewer."""
    told = [table(next(unpack(bytes.fromhex(answer)))) for answer in rules.tables]
    assert told == [
        (Family.IP, "filter"),
        (Family.IP, "nat"),
        (Family.IP, "mangle"),
        (Family.IP6, "filter"),
        (Family.INET, "mine"),
        (Family.BRIDGE, "mine"),
        (Family.ARP, "empty"),
    ]
    listed = [entry["table"] for entry in rules.entries if "table" in entry]
    assert told == [(one["family"], one["name"]) for one in listed]


def test_tables_are_asked_for_with_one_dump() -> None:
    """NFT_MSG_GETTABLE of every family: struct nfgenmsg is empty."""
    assert dump_tables() == Message(10 << 8 | 1, NLM_F_DUMP, bytes(4))


@pytest.mark.parametrize(
    "message",
    [
        Message(10 << 8 | 3, 0, b"\2\0\0\0" + text(1, "filter")),  # a chain
        Message(10 << 8, 0, b"\2\0\0"),
        Message(10 << 8, 0, b"\2\0\0\0"),  # no name
        Message(10 << 8, 0, b"\x63\0\0\0" + text(1, "filter")),  # a family from the future
    ],
)
def test_what_is_no_table_is_none(message: Message) -> None:
    assert table(message) is None


@given(st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\n\0"), min_size=1)))
def test_a_saved_line_is_safe_in_a_shell(words: list[str]) -> None:
    """Each word is again one, whatever a comment holds."""
    escaped = (re.sub(r'(["\\])', r"\\\1", word) for word in words)
    line = shell_line(" ".join(f'"{word}"' for word in escaped))
    assert shlex.split(line) == words


def test_a_plain_line_stays_as_it_is() -> None:
    """And a comment that would run a command does not."""
    plain = "FORWARD ! -s 10.0.0.0/8 -p tcp -m tcp --dport 80:90 -j REJECT"
    assert shell_line(plain) == plain
    assert shell_line('INPUT --comment "it\'s `id`"') == """INPUT --comment 'it'"'"'s `id`'"""


def test_the_table_of_a_set_that_has_a_name() -> None:
    """One that a rule made for itself has a number, and a flag that says so."""
    assert dump_sets() == Message(10 << 8 | 10, NLM_F_DUMP, bytes(4))
    of = b"\2\0\0\0" + text(1, "filter") + text(2, "bad")
    assert named_set(Message(10 << 8 | 9, 0, of)) == (Family.IP, "filter")
    assert named_set(Message(10 << 8 | 9, 0, of + attr(3, b"\0\0\0\4"))) == (Family.IP, "filter")
    assert named_set(Message(10 << 8 | 9, 0, of + attr(3, b"\0\0\0\7"))) is None
    assert named_set(Message(10 << 8 | 12, 0, of)) is None  # its elements
    assert named_set(Message(10 << 8 | 9, 0, b"\2")) is None


@given(st.binary(max_size=40))
def test_an_answer_never_raises(payload: bytes) -> None:
    table(Message(10 << 8, 0, payload))
    named_set(Message(10 << 8 | 9, 0, payload))


def test_chains_of_hopscope_say_so() -> None:
    """Its tables are named for it; what is in them is no part of the lab."""
    names = {"family": "ip", "table": "hopscope-log"}
    (one,) = chains(
        [{"chain": {**names, "name": "c", "handle": 1}}, _rule({**names, "chain": "c"}, 2)], {}, ""
    )
    assert one.ours
    assert one.rules[0].ours


def _rule(names: Mapping[str, str], handle: int, *expressions: object) -> Entry:
    return {"rule": {**names, "handle": handle, "expr": list(expressions)}}


def test_a_rule_of_which_nobody_knows_the_words_has_none() -> None:
    """Never another's."""
    names = {"family": "ip", "table": "t", "chain": "c"}
    found: list[Entry] = [{"chain": {**names, "name": "c", "handle": 1}}, _rule(names, 4)]
    stateless = "table ip t { # handle 1\n chain c { # handle 1\n  drop # handle 5\n }\n}\n"
    (chain,) = chains(found, {}, stateless)
    assert [rule.text for rule in chain.rules] == [""]


def test_an_unbalanced_quote_is_taken_as_it_stands() -> None:
    names = {"family": "ip", "table": "filter", "chain": "c"}
    found: list[Entry] = [
        {"chain": {**names, "name": "c", "handle": 1}},
        _rule(names, 4, {"xt": {"type": "target", "name": "LOG"}}),
    ]
    lines = {("ip", "filter", "c", 0): "-A c -j LOG --log-prefix don't"}
    assert chains(found, lines, "")[0].rules[0].log_prefix == "don't"


@pytest.mark.parametrize(
    ("line", "prefix"),
    [("-A c -j LOG", ""), ("-A c -j LOG --log-prefix a", "a"), ("-A c -m comment -j DROP", None)],
)
def test_an_older_nft_does_not_name_the_target(line: str, prefix: str | None) -> None:
    """Its JSON has "xt": null; the line tells."""
    names = {"family": "ip", "table": "filter", "chain": "c"}
    found: list[Entry] = [
        {"chain": {**names, "name": "c", "handle": 1}},
        _rule(names, 4, {"xt": None}, {"counter": {"packets": 1, "bytes": 84}}),
    ]
    (rule,) = chains(found, {("ip", "filter", "c", 0): line}, "")[0].rules
    assert (rule.log_prefix, rule.packets) == (prefix, 1)


@pytest.mark.parametrize("listing", ["", "{", '{"nftables": [{"table"', "null", "[]", "{}"])
def test_a_listing_that_is_cut_off_is_none(listing: str) -> None:
    """As nft may leave it."""
    assert entries(listing) is None


def test_a_hook_from_the_future_is_no_hook() -> None:
    """An egress chain, say; it is kept."""
    found: list[Entry] = [
        {"chain": {"family": "netdev", "table": "t", "name": "c", "hook": "egress", "prio": 0}}
    ]
    (chain,) = chains(found, {}, "")
    assert (chain.name, chain.hook) == ("c", None)

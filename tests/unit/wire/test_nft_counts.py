"""What a real kernel says of counted rules, before and after they are zeroed."""

import json
import struct
from pathlib import Path
from typing import Final

import pytest
from pyroute2.netlink.nfnetlink.nftsocket import nft_chain_msg, nft_rule_msg

from hopscope.model.vocab import Family
from hopscope.wire import nft, nftreset
from hopscope.wire.netlink import NLM_F_DUMP, Message, pack, unpack

FOLDER = Path(__file__).parents[2] / "golden" / "recordings"
SUBSYSTEM: Final = 10 << 8
PING: Final = (1, 84)
OURS: Final = (Family.IP, "filter", "OUTPUT", 2)
COUNTED: Final = (Family.INET, "watched", "out", 2)
UNCOUNTED: Final = (Family.INET, "watched", "out", 3)


@pytest.fixture(params=sorted(FOLDER.glob("counts-*.json")), ids=lambda path: path.stem)
def answers(request: pytest.FixtureRequest) -> dict[str, list[Message]]:
    """By what was asked (tests/golden/record_counts.py)."""
    told = json.loads(request.param.read_text())["answers"]
    return {
        name: [message for text in texts for message in unpack(bytes.fromhex(text))]
        for name, texts in told.items()
    }


def test_a_rule_counts_packets_and_bytes(answers: dict[str, list[Message]]) -> None:
    """Of one ping, 84 bytes; a rule without a counter is known as such."""
    found = nft.counters(answers["before"])
    assert (found[OURS], found[COUNTED], found[UNCOUNTED]) == (PING, PING, None)


def test_zeroing_tells_the_counts_for_the_last_time(answers: dict[str, list[Message]]) -> None:
    """Of the table that was asked for; the others count on."""
    assert nft.counters(answers["zeroing"]) == {OURS: PING}
    zeroed = nft.counters(answers["zeroed"])
    assert zeroed == {**nft.counters(answers["before"]), OURS: (0, 0)}


def test_zeroing_changes_no_rule(answers: dict[str, list[Message]]) -> None:
    """The generation of the ruleset is the same; a rule more makes it another."""
    before, zeroed, changed = (
        nft.generation(answers[name]) for name in ("before", "zeroed", "changed")
    )
    assert before == zeroed != changed
    more = nft.counters(answers["changed"])
    assert more.keys() - nft.counters(answers["zeroed"]).keys() == {(*OURS[:3], 3)}


def test_a_policy_that_counted(answers: dict[str, list[Message]]) -> None:
    """The ping passed that of filter; that of mangle counts too, and nothing passed it."""
    assert nftreset.counts_policies(answers["chains"], "filter")
    assert not nftreset.counts_policies(answers["chains"], "mangle")
    assert not nftreset.counts_policies(answers["chains"], "raw")
    assert not nftreset.counts_policies(answers["before"], "filter")  # rules are no chains


def test_what_is_no_rule_and_no_generation_is_passed_over(
    answers: dict[str, list[Message]],
) -> None:
    """Chains, families that nobody knows, messages that are cut."""
    assert nft.counters(answers["chains"]) == {}
    assert nft.generation(answers["chains"]) is None
    rule = SUBSYSTEM | 6
    strange = Message(rule, 0, struct.pack(">BBH", 99, 0, 0))
    assert nft.counters([strange, Message(rule, 0, b"\2\0\0")]) == {}


@pytest.mark.parametrize(
    ("table", "chains"),
    [
        ("security", ("FORWARD", "part")),  # not one of another priority, nor of another name
        ("nat", (None,)),
        ("mangle", (None,)),
        ("raw", (None,)),  # there is none
    ],
)
def test_of_what_nft_made_iptables_zeroes_what_it_would_make_itself(
    answers: dict[str, list[Message]], table: str, chains: tuple[str | None, ...]
) -> None:
    """And all chains that no hook calls; None is all of a table."""
    assert nftreset.zeroed(answers["made chains"], table) == chains


def test_a_quota_is_known(answers: dict[str, list[Message]]) -> None:
    """Zeroing takes back what was used of it."""
    assert nftreset.has_quota(answers["made security"])
    assert not nftreset.has_quota(answers["made nat"])
    assert not nftreset.has_quota(answers["made chains"])


def test_what_is_asked() -> None:
    """All rules, the chains of a family; reset, the rules of one table, as pyroute2 reads it."""
    assert (nft.dump_rules().type, nft.dump_rules().flags) == (SUBSYSTEM | 7, NLM_F_DUMP)
    assert nft.dump_rules().payload == bytes(4)  # of no family: of all
    assert (nft.get_generation().type, nft.get_generation().flags) == (SUBSYSTEM | 16, 0)
    chains = nftreset.dump_chains(Family.IP6)
    assert (chains.type, chains.flags) == (SUBSYSTEM | 4, NLM_F_DUMP)
    listed = nft_chain_msg(pack(chains))
    listed.decode()
    assert (listed["nfgen_family"], listed["attrs"]) == (10, [])
    reset = nftreset.reset_rules(Family.IP, "filter")
    assert (reset.type, reset.flags) == (SUBSYSTEM | 25, NLM_F_DUMP)
    asked = nft_rule_msg(pack(reset))
    asked.decode()
    assert (asked["nfgen_family"], asked.get_attr("NFTA_RULE_TABLE")) == (2, "filter")
    one = nft_rule_msg(pack(nftreset.reset_rules(Family.IP, "filter", "OUTPUT")))
    one.decode()
    assert one.get_attr("NFTA_RULE_CHAIN") == "OUTPUT"
    rules = nft_rule_msg(pack(nftreset.dump_rules(Family.IP6, "nat")))
    rules.decode()
    assert (rules["nfgen_family"], rules.get_attr("NFTA_RULE_TABLE")) == (10, "nat")

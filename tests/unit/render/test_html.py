"""The report's page: what it holds, in which order, and that nothing in it can do harm."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from jinja2 import FileSystemBytecodeCache
from msgspec.structs import replace

import strategies
from hopscope.model.flow import Headers, Icmp, Ip
from hopscope.model.journey import HookStep, Reason
from hopscope.model.record import Check, ExpectResult, Finding, Record, Reply
from hopscope.model.snapshot import Neighbour, Snapshot
from hopscope.model.vocab import DevName, Fate, NeighbourState, inferred
from hopscope.render.changes import neighbour_changes
from hopscope.render.html import load_templates, report
from htmlpage import check_page, page
from matrices import LOST, reachability
from reportcases import (
    HOSTILE,
    bridge_record,
    echo,
    flood,
    hostile_record,
    long_record,
    ping,
    record,
    unanswered_record,
)
from smalllabs import lab


@settings(max_examples=40)
@given(strategies.records)
def test_any_record_has_a_page(any_record: Record) -> None:
    """Whatever a run did and saw, and whatever it was called."""
    check_page(page(any_record))


@pytest.mark.parametrize("make", [bridge_record, unanswered_record, hostile_record])
def test_pages_are_well_made(make: Callable[[], Record]) -> None:
    check_page(page(make()))


def test_a_page_is_a_function_of_its_record() -> None:
    assert report(bridge_record()) == report(bridge_record())


def test_templates_are_compiled_for_the_next_time(tmp_path: Path) -> None:
    """Each of them; the page is the same."""
    compiled = FileSystemBytecodeCache(str(tmp_path))
    load_templates(compiled)
    kept = sorted(tmp_path.iterdir())
    assert len(kept) == 5
    assert report(bridge_record(), compiled=compiled) == report(bridge_record())
    assert sorted(tmp_path.iterdir()) == kept  # nothing was left to compile


def test_the_head_says_what_ran_and_how_it_came_out() -> None:
    root = page(bridge_record())
    head = root.all("header")[0].text
    assert "bridge" in head
    assert "The one expectation held; 2 of 2 pings answered." in head
    assert "2025-11-24 16:00:00 UTC, took 1.30 s" in head
    assert "6.18.0" in head
    assert root.all("title")[0].text == "bridge: hopscope report"
    assert [
        one.attributes["content"]
        for one in root.all("meta")
        if one.attributes.get("name") == "viewport"
    ] == ["width=device-width, initial-scale=1"]


def test_failures_come_first_with_expected_seen_why_and_mend() -> None:
    root = page(unanswered_record())
    sections = [one.attributes["id"] for one in root.all("main")[0].children]
    assert sections[0] == "failures"
    told = root.by_id("failures").text
    for words in (
        "Expected a reply",
        "Seen 0 of 1 requests answered",
        "Why the rule -j DROP in host dropped it",
        "Mend hopscope exec LAB host -- iptables -F",
    ):
        assert words in told
    assert "The one expectation failed; 0 of 1 pings answered." in root.all("header")[0].text


def test_an_unanswered_ping_without_expectations_is_a_failure_too() -> None:
    done = unanswered_record().pings[0]
    told = page(record([replace(done, checks=())])).by_id("failures").text
    assert "0 of 1 requests answered" in told
    assert "Expected" not in told


def test_without_failures_there_is_no_such_section() -> None:
    root = page(bridge_record())
    assert "failures" not in [one.attributes.get("id") for one in root]


def test_a_failed_expect_step_is_linked_to_its_place() -> None:
    check = Check(expected="ns1 knows 10.244.1.4 as none", seen="no entry", held=False)
    root = page(record([ExpectResult(checks=(check,))]))
    (link,) = root.by_id("failures").all("a")
    assert "ns1 knows" in root.by_id(link.attributes["href"][1:]).text


def test_the_picture_shows_the_answered_ping_and_says_what_it_is() -> None:
    root = page(bridge_record())
    section = root.by_id("topology")
    (taken,) = [one for one in section.all("path", "taken") if "way" in one.attributes["class"]]
    assert (taken.attributes["data-from"], taken.attributes["data-to"]) == (
        "ns1/veth1a",
        "ns2/veth2a",
    )
    (caption,) = section.all("figcaption")
    assert "the echo request of ping 1 (ns1 to ns2)" in caption.text
    assert "drawn from 4 observations" in caption.text
    assert "from host/br0 up into the protocol stack of host" in caption.text


def test_a_ping_that_went_another_way_has_a_picture_of_its_own() -> None:
    """The second ping asks the hooks, so its picture differs; the same again does not."""
    steps = bridge_record().steps
    again = replace(bridge_record().pings[1], number=3)
    root = page(record([*steps, again]))
    ids = [one.attributes.get("id", "") for one in root]
    assert "ping-2-picture-t" in ids
    assert "ping-3-picture-t" not in ids


def test_tables_stand_before_and_after() -> None:
    rows = page(bridge_record()).by_id("tables").all("tr", "change-new")
    told = [row.text for row in rows]
    assert len(told) == 4
    assert re.match(
        r"ns1/veth1a 10.244.1.4 no entry \+ 02:[0-9a-f:]+ reachable ns2/veth2a", told[0]
    )
    assert re.match(r"host/br0 02:[0-9a-f:]+ no entry \+ veth1b learnt ns1/veth1a", told[2])


def test_entries_that_stay_and_go_say_so() -> None:
    first, last = bridge_record().pings
    root = page(record([replace(last, before=first.before, after=last.after)]))
    assert not root.by_id("tables").all("tr", "change-gone")
    gone = replace(last, after=first.before)
    root = page(record([gone], initial=last.after))
    assert len(root.by_id("tables").all("tr", "change-gone")) == 4
    root = page(record([last], initial=last.after))
    assert len(root.by_id("tables").all("tr", "change-same")) == 4


def test_counters_and_log_lines_are_told_per_ping() -> None:
    root = page(bridge_record())
    first, second = root.by_id("step-2"), root.by_id("step-4")
    assert "No log line was written." in first.text
    assert [row.text for row in first.all("tr", "unhit")] == [
        "host filter FORWARD 0 0 0 -A FORWARD -p icmp -j LOG"
    ]
    assert [row.text for row in second.all("tr", "hit")] == [
        "host filter FORWARD 0 1 +1 -A FORWARD -p icmp -j LOG"
    ]
    (log,) = [one for one in second.all("pre") if "Log lines" in one.attributes["aria-label"]]
    assert [one.text for one in log.all("b")] == [
        "Nat-PREROUTING-1-",
        "Filter-FORWARD-1-",
        "Nat-POSTROUTING-1-",
    ]


def test_rules_that_did_not_match_are_folded_and_those_that_did_are_not() -> None:
    steps = page(bridge_record()).by_id("step-4").all("li", "step-hook")
    assert len(steps) == 6
    for step in steps:
        (fold,) = step.all("details")
        assert "1 rule did not match" in fold.text
        assert "-p tcp -j DROP" in fold.text
        shown = [one.text for one in step.all("code") if one not in fold.all("code")]
        assert len(shown) == 1
        assert "LOG --log-prefix" in shown[0]


def test_every_step_carries_its_basis_in_words() -> None:
    root = page(bridge_record())
    steps = [one for one in root.by_id("step-2").all("li", "step") if not one.all("", "silent")]
    assert steps
    for step in steps:
        assert re.search(r"\b(seen|computed|inferred)\b", step.all("p", "basis")[0].text)


def test_every_sentence_of_the_conclusion_has_its_measurement() -> None:
    findings = [
        Finding(sentence="It works.", evidence="ping 1: 1 of 1 answered"),
        Finding(sentence="It does not.", evidence="computed: routes of ns1", held=False),
    ]
    section = page(record([], conclusion=findings)).by_id("conclusion")
    good, bad = section.all("li")
    assert good.text == "It works. measured ping 1: 1 of 1 answered"
    assert bad.text == "✗ It does not. computed routes of ns1"


# -- plainly said ----------------------------------------------------------------------


def test_without_pings_it_says_so() -> None:
    root = page(record([]))
    assert "No expectations were stated; no ping was sent." in root.all("header")[0].text
    assert "No ping was sent, so there is no journey to show." in root.by_id("story").text
    assert "no path is drawn" in root.by_id("topology").text
    assert "Nothing was measured that a conclusion could rest on." in root.by_id("conclusion").text


def test_what_was_not_asked_has_no_mark() -> None:
    """A tick would say that all is well."""
    told = page(record([])).all("p", "verdict")[0].text
    assert told == "No expectations were stated; no ping was sent."
    told = page(record([ping(1, [echo()])])).all("p", "verdict")[0].text
    assert told == "✓ No expectations were stated; 1 of 1 pings answered."


def test_pairs_that_were_probed_are_told() -> None:
    """The matrix as the terminal has it; and at the top which were not reached, and why."""
    lost = reachability(3, {(0, 1): LOST})
    (group,) = lost.groups
    why = replace(lost, groups=(replace(group, reason="a rule drops it", mend="delete it"),))
    root = page(replace(record([]), reachability=(reachability(2), lost, why)))
    assert root.all("p", "verdict")[0].text == (
        "✗ No expectations were stated; "
        "2 of 2 pairs reached, 5 of 6 pairs reached, 5 of 6 pairs reached."
    )
    first, second = root.by_id("failures").all("article")
    assert first.text == "Reachability of pods Seen 5 of 6 pairs reached"
    assert second.text == (
        "Reachability of pods Seen 5 of 6 pairs reached Why n0 → n1: a rule drops it Mend delete it"
    )
    whole, *_ = root.by_id("reachability").all("pre")
    assert whole.text.startswith("● pods: 2 of 2 pairs reached")
    assert "✗ silent" in root.by_id("reachability").text
    both = page(replace(record([ping(1, [echo()])]), reachability=(reachability(2),)))
    assert both.all("p", "verdict")[0].text == (
        "✓ No expectations were stated; 1 of 1 pings answered; 2 of 2 pairs reached."
    )


def test_without_packets_it_says_so() -> None:
    text = page(record([ping(1, [], rtt=None)])).by_id("step-1").text
    assert "No packet of this ping was seen at any device." in text
    assert "no reply to request 1" in text


def test_what_was_not_seen_is_called_unseen_with_its_reason() -> None:
    reason = Reason(
        code="unseen", sentence="the evidence stops in host", at=None, basis=inferred("sockets")
    )
    journey = replace(echo(), fate=Fate.UNSEEN, reason=reason)
    text = page(record([ping(1, [journey], rtt=None, reason=reason)])).by_id("step-1").text
    assert "? unseen" in text
    assert "Why: the evidence stops in host inferred sockets" in text


def test_lost_observations_are_stated() -> None:
    one = ping(1, [echo()])
    one = replace(one, observation=replace(one.observation, lost=4, blind=("drops: no root",)))
    text = page(record([one])).by_id("step-1").text
    assert "the observers lost 4 events" in text
    assert "Not watched: drops: no root" in text


# -- size ------------------------------------------------------------------------------


def test_a_hundred_like_pings_are_told_once() -> None:
    text = report(long_record(100))
    assert len(text) < 300_000
    root = page(long_record(100))
    assert len(root.all("section", "journey")) == 2
    assert len(root.all("p", "like")) == 99
    assert {one.attributes["href"] for one in root.all("a") if one.text == "ping 1"} == {"#ping-1"}


def test_a_few_like_pings_are_all_told() -> None:
    assert len(page(long_record(6)).all("section", "journey")) == 12


def test_a_page_stays_small_however_much_happened() -> None:
    """A hundred different floods of thirty branches: what fits is told, the rest is named."""
    pings = [
        replace(
            ping(n, [replace(echo(), title=f"flood {n}", first=flood(30))]), address=f"10.0.0.{n}"
        )
        for n in range(1, 101)
    ]
    text = report(record(pings))
    assert len(text) < 3_000_000
    assert "The steps of this packet are in" in text
    assert all(f"Flood {n}" in text for n in range(1, 101))


def test_requests_that_went_alike_are_told_once_in_a_ping() -> None:
    many = [replace(echo(), headers=Headers()) for _ in range(50)]
    root = page(record([ping(1, many)]))
    assert len(root.all("section", "journey")) == 1
    assert "49 more packets went the same way" in root.by_id("step-1").text


# -- harm ------------------------------------------------------------------------------


def test_hostile_texts_are_only_ever_text() -> None:
    """They are all there, letter by letter, and none of them is an element."""
    root = page(hostile_record())
    check_page(root)
    assert root.text.count(HOSTILE) > 15
    assert root.all("title")[0].text == f"{HOSTILE}: hopscope report"
    assert not [one for one in root if "onclick" in one.attributes or "onerror" in one.attributes]


def test_nothing_may_be_fetched_and_only_our_script_runs() -> None:
    root = page(bridge_record())
    (policy,) = [
        one.attributes["content"]
        for one in root.all("meta")
        if one.attributes.get("http-equiv") == "Content-Security-Policy"
    ]
    assert "default-src 'none'" in policy
    assert re.search(r"script-src 'sha256-[A-Za-z0-9+/=]{44}'", policy)
    text = report(bridge_record())
    addresses = set(re.findall(r"https?://[^\s\"'<>]+", text))
    assert addresses == {"http://www.w3.org/2000/svg"}


def test_files_beside_the_page_are_named_relatively() -> None:
    links = [one.attributes["href"] for one in page(bridge_record()).by_id("files").all("a")]
    assert links == ["journeys.json", "capture.pcapng", "icmp.pcapng", "iptables.log"]


def test_the_verdict_counts_every_expectation() -> None:
    held = Check(expected="a", seen="a", held=True)
    failed = Check(expected="b", seen="c", held=False)
    for checks, said in (
        ((held, held), "All 2 expectations held; 1 of 1 pings answered."),
        ((held, failed), "1 of 2 expectations failed; 1 of 1 pings answered."),
    ):
        done = record([ExpectResult(checks=checks), ping(1, [echo()])])
        assert said in page(done).all("header")[0].text


def test_hooks_without_a_chain_are_folded_together() -> None:
    """They stand where they were passed, one line for those that follow each other."""
    journey = echo(switch=1)
    host = journey.first.onward[0]
    silent = [replace(s, chains=()) if isinstance(s, HookStep) else s for s in host.steps]
    steps = (*silent, *(s for s in silent if isinstance(s, HookStep)))
    first = replace(journey.first, onward=(replace(host, steps=steps),))
    root = page(record([ping(1, [replace(journey, first=first)])])).by_id("step-1")
    assert [one.all("summary")[0].text for one in root.all("li", "silent")] == [
        "1 hook at which no chain is registered",
        "2 hooks at which no chain is registered",
        "3 hooks at which no chain is registered",
    ]


def test_many_replies_are_summed_up() -> None:
    many = tuple(Reply(seq=n, rtt=n * 1000) for n in range(1, 31))
    text = page(record([replace(ping(1, [echo()]), replies=many)])).by_id("step-1").text
    assert "reply 10 after 10.0 µs" in text
    assert "reply 11" not in text
    assert "20 more: 20 answered, after 11.0 µs to 30.0 µs" in text
    none = tuple(replace(reply, rtt=None) for reply in many)
    text = page(record([replace(ping(1, [echo()]), replies=none)])).by_id("step-1").text
    assert "20 more: none answered" in text


# -- what a picture and a table choose ---------------------------------------------------


def test_of_an_unanswered_ping_the_packet_that_failed_is_drawn() -> None:
    """The request arrived; the reply got as far as the host, and that is the picture's line."""
    reply = echo(reply=True, copy=False)
    host = reply.first.onward[0]
    cut = replace(host, steps=host.steps[:1], onward=())
    lost = replace(reply, first=replace(reply.first, onward=(cut,)), fate=Fate.UNSEEN)
    root = page(record([ping(1, [echo(), lost], rtt=None)])).by_id("topology")
    (line,) = root.all("path", "lost")
    assert (line.attributes["data-from"], line.attributes["data-to"]) == (
        "ns2/veth2a",
        "host/veth2b",
    )
    assert "the echo reply of ping 1 (ns1 to ns2)" in root.all("figcaption")[0].text
    assert "Its fate: unseen; a cross stands where it was last seen." in root.text


def test_a_bridge_is_told_from_the_port_that_shares_its_mac() -> None:
    """The neighbour entry's IP address says which of the two is meant."""
    snapshot = lab(["ns1/a = host/b@br0"], addresses={"host/br0": "10.0.0.1/24"})
    ns1, host = snapshot.nodes
    port = next(link for link in host.links if link.name == "b")
    shared = tuple(replace(link, mac=port.mac) for link in host.links)
    entry = Neighbour(dev=DevName("a"), ip="10.0.0.1", mac=port.mac, state=NeighbourState.REACHABLE)
    after = Snapshot(nodes=(replace(ns1, neighbours=(entry,)), replace(host, links=shared)))
    (change,) = neighbour_changes(snapshot, after)
    assert change.note == "host/br0"
    assert change.word == "new"


def test_tables_keep_the_order_of_the_nodes() -> None:
    """Whatever was there before stands with its node, not first."""
    last = bridge_record().pings[-1]
    nodes = list(last.before.nodes)
    nodes[0] = replace(nodes[0], neighbours=())  # ns2's entry is the older one
    changes = neighbour_changes(Snapshot(nodes=tuple(nodes)), last.after)
    assert [change.where for change in changes] == ["ns1/veth1a", "ns2/veth2a"]


def test_neighbour_discovery_is_told_as_a_question() -> None:
    headers = Headers(
        ip=Ip(version=6, src="fe80::1", dst="ff02::1:ff00:2", proto=58, ttl=255, length=72),
        icmp=Icmp(type=135, code=0, target="2001:db8::2"),
    )
    asked = replace(echo(), title="neighbour solicitation", headers=headers)
    text = page(record([ping(1, [asked])])).by_id("step-1").text
    assert "fe80::1 asks ff02::1:ff00:2: who has 2001:db8::2?" in text

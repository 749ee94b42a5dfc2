"""What does not fit the schema: each mistake once, and what follows from it not at all."""

from collections import Counter

import pytest

from hopscope.spec.misfit import fitted
from hopscope.spec.schema import Lab
from hopscope.spec.source import read
from labtexts import FILE, PAIR, changed, problems, wrong

STORY = "  - ping: ns1 -> ns2\n"
LINK = "  - [ns2:veth2a, host:veth2b@br0]\n"

ONE = [
    # what is replaced, by what, rule, message, hint
    # unknown keys
    (
        "name: pair",
        "name: pair\n▸vesion: 1",
        "unknown-key",
        "'vesion' is not a key of a lab file",
        "known: name, description, pools, nodes, links, story",
    ),
    (
        "links:",
        "▸linsk:",
        "unknown-key",
        "'linsk' is not a key of a lab file",
        "did you mean 'links'?",
    ),
    (
        "{veth1a: 10.244.1.2/24}",
        "{veth1a: 10.244.1.2/24}\n    ▸color: red",
        "unknown-key",
        "'color' is not a key of a node",
        "known: count, bridges, devices",
    ),
    (
        "    addresses: {veth1a",
        "    ▸adresses: {veth1a",
        "unknown-key",
        "'adresses' is not a key of a node",
        "did you mean 'addresses'?",
    ),
    (
        "{br0: {}}",
        "{br0: {▸STP: true}}",
        "unknown-key",
        "'STP' is not a key of a bridge",
        "did you mean 'stp'?",
    ),
    (
        "{veth1a: 10.244.1.2/24}",
        "{veth1a: 10.244.1.2/24}\n    routes: [{to: default, dev: veth1a, ▸vai: 10.244.1.9}]",
        "unknown-key",
        "'vai' is not a key of a route",
        "did you mean 'via'?",
    ),
    (
        LINK,
        "  - {ends: [ns2:veth2a, host:veth2b@br0], ▸speed: 10}\n",
        "unknown-key",
        "'speed' is not a key of a link",
        "known: ends, mtu, mac",
    ),
    (
        STORY,
        "  - ▸pign: ns1 -> ns2\n",
        "unknown-key",
        "'pign' is not a key of a step",
        "did you mean 'ping'?",
    ),
    (
        STORY,
        "  - ▸dance: ns1\n",
        "unknown-key",
        "'dance' is not a key of a step",
        "known: show, ping, set",
    ),
    (
        STORY,
        "  - ping: {▸form: ns1, to: ns2}\n",
        "unknown-key",
        "'form' is not a key of 'ping'",
        "did you mean 'from'?",
    ),
    (
        STORY,
        "  - ping: {from: ns1, to: ns2, expect: {▸replies: true}}\n",
        "unknown-key",
        "not a key of what a ping expects",
        "did you mean 'reply'?",
    ),
    (
        STORY,
        "  - show: {what: fdb, ▸node: ns1}\n",
        "unknown-key",
        "'node' is not a key of 'show'",
        "did you mean 'nodes'?",
    ),
    (
        STORY,
        "  - expect: {▸tables: {}}\n",
        "unknown-key",
        "'tables' is not a key of 'expect'",
        "known: neighbours, fdb, no_address, addresses, routes, hits",
    ),
    (
        "{veth1a: 10.244.1.2/24}",
        "{veth1a: 10.244.1.2/24}\n    ▸<<: {}",
        "unknown-key",
        "'<<' is not a key of a node",
        "merges no mappings",
    ),
    # a slip of a key that is there too is no slip
    (
        "name: pair",
        "name: pair\n▸nmae: 5",
        "unknown-key",
        "'nmae' is not a key of a lab file",
        "did you mean 'name'?",
    ),
    # wrong types
    ("name: pair", "name: ▸[pair]", "wrong-type", "'name' must be a text, not a list", ""),
    ("name: pair", "name: ▸12", "wrong-type", "must be a text, not 12", 'quotes: "12"'),
    ("name: pair", "name: ▸true", "wrong-type", "must be a text, not true", 'quotes: "true"'),
    (
        "name: pair",
        "▸name:",
        "wrong-type",
        "'name' must be a text, not nothing",
        "write a value, or remove the line",
    ),
    (
        "{br0: {}}",
        "{br0: {stp: ▸yes}}",
        "wrong-type",
        "'stp' must be true or false, not the text 'yes'",
        "not yes, no, on or off",
    ),
    (
        "{br0: {}}",
        '{br0: {mtu: ▸"1400"}}',
        "wrong-type",
        "'mtu' must be a whole number, not the text '1400'",
        "write it without quotes",
    ),
    (
        "{br0: {}}",
        "{br0: {mtu: ▸big}}",
        "wrong-type",
        "'mtu' must be a whole number, not the text 'big'",
        "",
    ),
    (
        "{br0: {}}",
        "{br0: ▸5}",
        "wrong-type",
        "'br0' must be a mapping of keys and values, not 5",
        "",
    ),
    ("{br0: {}}", "[br0, ▸7]", "wrong-type", "a bridge's name is a text", "write [br0]"),
    ("{br0: {}}", "[br0, ▸br0]", "duplicate-device", "the bridge 'br0' is named twice", ""),
    (
        "10.244.1.2/24}",
        "{▸x: y}}",
        "unknown-key",
        "'x' is not a key of an address",
        "known: cidr, pool",
    ),
    (
        "10.244.1.2/24}",
        "[10.244.1.2/24, ▸5]}",
        "wrong-type",
        "an item of 'veth1a' must be a text, not 5",
        'quotes: "5"',
    ),
    (
        "{veth1a: 10.244.1.2/24}",
        "{veth1a: 10.244.1.2/24}\n    down: ▸veth1a",
        "wrong-type",
        "'down' must be a list, not the text 'veth1a'",
        "write [veth1a]",
    ),
    (
        "{veth1a: 10.244.1.2/24}",
        "{veth1a: 10.244.1.2/24}\n    iptables: ▸-A FORWARD -p icmp -m conntrack -j ACCEPT",
        "wrong-type",
        "'iptables' must be a list, not the text",
        "begin each item with '- '",
    ),
    (
        "{veth1a: 10.244.1.2/24}",
        "{veth1a: 10.244.1.2/24}\n    routes: [▸5]",
        "wrong-type",
        "an item of 'routes' must be a text like 'default via 10.0.0.1', or a mapping, not 5",
        "",
    ),
    (
        "{veth1a: 10.244.1.2/24}",
        "{veth1a: 10.244.1.2/24}\n    sysctls: {net.ipv4.ip_forward: ▸[1]}",
        "wrong-type",
        "must be a number or a text, not a list",
        "",
    ),
    (
        "{veth1a: 10.244.1.2/24}",
        "{veth1a: 10.244.1.2/24}\n    sysctls: {net.ipv4.ip_forward: ▸true}",
        "bad-sysctl",
        "the kernel reads numbers, not true and false",
        "write 1",
    ),
    (
        LINK,
        "  - ▸ns2:veth2a\n",
        "wrong-type",
        "must be a list of two ends, or a mapping, not the text",
        "",
    ),
    (LINK, LINK + "  - [▸5, host:x]\n", "wrong-type", "must be a text like ns1:veth1a", ""),
    (STORY, "  - ▸5\n", "wrong-type", "an item of 'story' must be a mapping of keys and", ""),
    (STORY, "  - ▸ping:\n", "wrong-type", "nothing stands behind 'ping'", "remove the line"),
    (STORY, "  - ping: ▸[a]\n", "wrong-type", "'ping' must be a text like 'ns1 -> ns2'", ""),
    (STORY, "  - show: {what: ▸5}\n", "wrong-type", "a text, or a list of texts, not 5", ""),
    (STORY, "  - show: ▸5\n", "wrong-type", "'show' must be a table's name, a list of", ""),
    (
        STORY,
        "  - ping: {from: ns1, to: ns2, timeout: ▸soon}\n",
        "wrong-type",
        "'timeout' must be a number, not the text 'soon'",
        "",
    ),
    (
        STORY,
        "  - ping: {from: ns1, to: ns2, count: ▸1.5}\n",
        "wrong-type",
        "'count' must be a whole number, not 1.5",
        "",
    ),
    # lists of texts, and of more
    (
        f"story:\n{STORY}",
        "story: ▸foo\n",
        "wrong-type",
        "'story' must be a list, not the text 'foo'",
        "begin each item with '- '",
    ),
    # numbers that are too big
    (
        STORY,
        "  - ping: {from: ns1, to: ns2, count: ▸99999999999999999999}\n",
        "out-of-range",
        "'count' cannot be 99999999999999999999",
        "no number here has more than 18 digits",
    ),
    (
        "{br0: {}}",
        "{br0: {}}\n    sysctls: {net.ipv4.ip_default_ttl: ▸99999999999999999999}",
        "out-of-range",
        "'net.ipv4.ip_default_ttl' cannot be 99999999999999999999",
        "",
    ),
    # missing keys
    (STORY, "  - ping: ▸{from: ns1}\n", "missing-key", "'ping' needs the key 'to'", ""),
    (
        "{veth1a: 10.244.1.2/24}",
        "{veth1a: 10.244.1.2/24}\n    routes: [▸{via: 10.244.1.1}]",
        "missing-key",
        "a route needs the key 'to'",
        "",
    ),
    (LINK, LINK + "  - ▸{mtu: 1400}\n", "missing-key", "a link needs the key 'ends'", ""),
    (STORY, "  - show: ▸{nodes: ns1}\n", "missing-key", "'show' needs the key 'what'", ""),
    # short forms
    (
        LINK,
        "  - [▸ns2/veth2a, host:veth2b@br0]\n",
        "bad-end",
        "'ns2/veth2a' is not the end of a link",
        "did you mean 'ns2:veth2a'?",
    ),
    (
        LINK,
        "  - [▸veth2a, host:veth2b@br0]\n",
        "bad-end",
        "'veth2a' is not the end of a link",
        "NODE:DEVICE@BRIDGE",
    ),
    (LINK, "  - ▸[ns2:veth2a]\n", "bad-link", "two ends, and this has 1", "[ns1:veth1a,"),
    (
        LINK,
        LINK + "  - {ends: ▸[ns2:a, ns2:b, ns2:c]}\n",
        "bad-link",
        "two ends, and this has 3",
        "[ns1:veth1a,",
    ),
    (
        LINK,
        "  - {ends: [ns2:veth2a, host:veth2b@br0], mac: {▸ns2:veth2c: '02:00:00:00:00:01'}}\n",
        "unknown-device",
        "'ns2:veth2c' is not an end of this link",
        "the ends are ns2:veth2a and host:veth2b",
    ),
    (STORY, "  - ping: ▸ns1 ns2\n", "bad-ping", "'ns1 ns2' is not a ping", "'ns1 -> ns2'"),
    (
        "{veth1a: 10.244.1.2/24}",
        "{veth1a: 10.244.1.2/24}\n    routes: [▸default gw 10.244.1.1]",
        "bad-route",
        "'gw' does not fit there",
        "write 'default via 10.0.0.1'",
    ),
    (
        "{veth1a: 10.244.1.2/24}",
        "{veth1a: 10.244.1.2/24}\n    routes: [▸default via]",
        "bad-route",
        "'via' does not fit there",
        "write 'default via 10.0.0.1'",
    ),
    (
        "{veth1a: 10.244.1.2/24}",
        "{veth1a: 10.244.1.2/24}\n    routes: [▸default nexthop dev veth1a metric 5]",
        "bad-route",
        "'metric' does not fit there",
        "write '10.1.0.0/16 metric 5 nexthop via",
    ),
    (
        "{veth1a: 10.244.1.2/24}",
        "{veth1a: 10.244.1.2/24}\n    routes: [{to: default, nexthops: [▸7, dev veth1a]}]",
        "wrong-type",
        "an item of 'nexthops' must be a text like 'via 10.0.0.1', or a mapping, not 7",
        "",
    ),
    (
        "{veth1a: 10.244.1.2/24}",
        "{veth1a: 10.244.1.2/24}\n    routes: [▸default metric much via 10.244.1.1]",
        "wrong-type",
        "'metric' must be a whole number",
        "",
    ),
    (STORY, "  - ▸{}\n", "one-key", "one thing, and this one has 0 keys", "with '- '"),
    (
        STORY,
        "  - ▸show: links\n    ping: ns1 -> ns2\n",
        "one-key",
        "one thing, and this one has 2 keys",
        "begin each step with '- '",
    ),
    (
        STORY,
        "  - expect: {no_address: [▸br0]}\n",
        "bad-device",
        "'br0' does not name a device of a node",
        "write NODE/DEVICE, as host/br0",
    ),
    (
        STORY,
        "  - expect: {fdb: {▸host/br0/x: {}}}\n",
        "bad-device",
        "'host/br0/x' does not name a device",
        "write NODE/DEVICE, as host/br0",
    ),
]


@pytest.mark.parametrize(("old", "new", "rule", "message", "hint"), ONE)
def test_one_mistake_is_one_problem(old: str, new: str, rule: str, message: str, hint: str) -> None:
    (found,) = wrong(changed(old, new), rule)
    assert message in found.message
    assert hint in found.hint


def test_null_parts_are_nothing_and_nothing_is_wrong_with_them() -> None:
    assert problems(changed("{br0: {}}", "{br0: }")) == ()
    assert problems(changed("{br0: {}}", "[br0]\n  idle:")) == ()


def test_a_mistyped_key_is_read_as_the_one_that_was_meant() -> None:
    """So that what stands below it is judged too."""
    text = changed("    addresses: {veth1a: 10", "    ▸adresses: {veth1a: ▸10")
    wrong(text.replace("10.244.1.2/24", "10.244.1.2"), "unknown-key", "bad-address")


def test_two_slips_of_one_key_are_not_joined() -> None:
    text = changed("{br0: {}}", "{br0: {▸stpp: true, ▸spt: 7}}")
    found = wrong(text, "unknown-key", "unknown-key")
    assert {problem.hint for problem in found} == {"did you mean 'stp'?"}


def test_a_missing_key_is_not_said_of_one_that_is_mistyped() -> None:
    """But of another mapping it is."""
    wrong(
        changed(
            STORY, "  - ping: {▸form: ns1, to: ns2}\n  - ping: {from: ns1, ▸ot: ns2, ▸time: 3}\n"
        ),
        "unknown-key",
        "unknown-key",
        "unknown-key",
    )
    wrong(
        changed(STORY, "  - ping: {▸form: ns1, to: ns2}\n  - ping: ▸{from: ns1}\n"),
        "unknown-key",
        "missing-key",
    )


def test_what_was_left_out_of_a_part_is_not_missed_in_it() -> None:
    """A wrong target, a wrong end, an unknown step: said once."""
    wrong(changed(STORY, "  - ping: {from: ns1, to: ▸5}\n"), "wrong-type")
    wrong(changed(LINK, "  - [ns2:veth2a, ▸[x]]\n"), "wrong-type")
    wrong(changed(STORY, "  - {▸dance: x}\n"), "unknown-key")
    wrong(
        changed(STORY, "  - {▸dance: x}\n  - ping: ▸{to: ns2}\n  - ▸{}\n"),
        "unknown-key",
        "missing-key",
        "one-key",
    )


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("nodes:\n", "nodes: ▸5\nstory: []\nlinks: []\n---\nx:\n"),
        ("{br0: {}}", "▸5"),
        ("{br0: {}}", "{br0: ▸5}"),
        ("{br0: {}}", "{br0: {stp: ▸5}}"),
        ("  - [ns1:veth1a, host:veth1b@br0]\n", "  - [ns1:veth1a, ▸5]\n"),
        ("  - [ns1:veth1a, host:veth1b@br0]\n", "  - {ends: [ns1:veth1a, ▸host/veth1b@br0]}\n"),
        ("{veth2a: 10.244.1.4/24}", "{veth2a: ▸5}"),
        ("{veth2a: 10.244.1.4/24}", "▸5"),
        ("    addresses: {veth2a: 10.244.1.4/24}", "    ▸5"),
    ],
)
def test_nothing_follows_from_a_part_that_was_left_out(old: str, new: str) -> None:
    """Its names are believed: no device, bridge or address is missed because of it."""
    text = changed(old, new)
    (found, *_) = problems(text.replace("▸", ""))
    if found.rule != "two-documents":
        wrong(text, "bad-end" if "host/veth1b" in new else "wrong-type")


def test_whole_parts_that_are_left_out() -> None:
    """Without any node, any link, everything that names one is believed."""
    head, _, tail = PAIR.partition("nodes:\n")
    links = tail[tail.index("links:") :]
    wrong(f"{head}nodes: ▸5\n{links}", "wrong-type")
    wrong(f"{head}nodes: ▸[host, ns1, ns2]\n{links}", "wrong-type")
    head, _, tail = PAIR.partition("links:\n")
    wrong(f"{head}links: ▸5\n{tail[tail.index('story:') :]}", "wrong-type")


def test_what_remains_fits_and_the_names_left_out_are_remembered() -> None:
    fit = fitted(read(changed("{br0: {}}", "{br0: {}, br1: [x]}"), FILE).tree)
    assert list(fit.lab.nodes["host"].bridges) == ["br0"]
    assert {"br1", "x", "host"} <= fit.believed
    assert "ns1" not in fit.believed
    assert [problem.rule for problem in fit.problems] == ["wrong-type"]


def test_only_a_number_is_to_be_written_without_quotes() -> None:
    """What is no number without them would not fit then either."""
    (found,) = wrong(changed("{br0: {}}", '{br0: {mtu: ▸"big"}}'), "wrong-type")
    assert found.hint == ""


def test_many_refusals_of_one_value_take_one_round(monkeypatch: pytest.MonkeyPatch) -> None:
    """A file is read once more for each round: thousands would take minutes."""
    rounds: list[object] = []
    validated = Lab.model_validate

    def counted(value: object) -> Lab:
        rounds.append(value)
        return validated(value)

    monkeypatch.setattr(Lab, "model_validate", counted)
    macs = ", ".join(f"'a:x{number}': '02:00:00:00:00:01'" for number in range(40))
    text = f"""name: x
nodes: {{a: {{bridges: [{"br0, " * 40}{"7, " * 40}br1]}}, b: {{}}}}
links: [{{ends: [a:e, b:e], mac: {{{macs}}}}}]
"""
    found = fitted(read(text, "x.yaml").tree).problems
    assert Counter(problem.rule for problem in found) == {
        "duplicate-device": 39,
        "wrong-type": 40,
        "unknown-device": 40,
    }
    assert len(rounds) == 2

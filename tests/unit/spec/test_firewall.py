"""Firewall lines so far as they can be judged without iptables, and the chains of a story."""

import pytest

from labtexts import PAIR, changed, parsed, problems, wrong

HOST = "    bridges: {br0: {}}\n"
LOG = '-t nat -I PREROUTING -p icmp -j LOG --log-prefix "Nat-PREROUTING-1-"'

WRONG = [
    # line, message, hint
    ("''", "this line of iptables is empty", "write '-A FORWARD -p icmp -j ACCEPT'"),
    ('"-A INPUT\\n-A OUTPUT"', "iptables rules stand one to a line", "begin each rule with '- '"),
    ("-A INPUT -m comment --comment it's", "cannot be split into words", "close the quote"),
    ("-t nt -A INPUT", "iptables has no table 'nt'", "did you mean 'nat'?"),
    ("--table fliter -A INPUT", "iptables has no table 'fliter'", "did you mean 'filter'?"),
    ("-A INPUT -t", "iptables has no table ''", "known: filter, nat"),
    ("-tnat -A INPUT", "write the table of a rule apart, not '-tnat'", "as in '-t nat'"),
    ("--table=nat -A INPUT", "write the table of a rule apart", "as in '-t nat'"),
    ("-p icmp -j DROP", "says no -A, -I, -P or other command", "'-A FORWARD -p icmp -j DROP'"),
    ("iptables", "says no -A, -I, -P or other command", "begin with what to do"),
]


@pytest.mark.parametrize(("line", "message", "hint"), WRONG)
def test_a_line_that_no_iptables_takes(line: str, message: str, hint: str) -> None:
    """In a node and in the story alike, each at its own line."""
    node = f"{HOST}    iptables:\n      - -P FORWARD DROP\n      - ▸{line}\n"
    (found,) = wrong(changed(HOST, node), "bad-rule")
    assert message in found.message
    assert hint in found.hint
    (found,) = wrong(f"{PAIR}  - iptables: {{host: [-P FORWARD DROP, ▸{line}]}}\n", "bad-rule")
    assert message in found.message


def test_ip6tables_is_judged_by_its_own_name() -> None:
    (found,) = wrong(changed(HOST, HOST + "    ip6tables: [▸'']\n"), "bad-rule")
    assert found.message == "this line of ip6tables is empty"
    (found,) = wrong(f"{PAIR}  - ip6tables: {{host: [▸'']}}\n", "bad-rule")
    assert found.message == "this line of ip6tables is empty"


@pytest.mark.parametrize(
    "line",
    [
        LOG,
        "-A FORWARD -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT",
        "-P FORWARD DROP",
        "--append INPUT -j DROP",
        "-N MINE",
        "-t raw -F",
        "--new-chain MINE",
    ],
)
def test_lines_as_people_paste_them(line: str) -> None:
    for prefix in ("", "iptables ", "  iptables  "):
        quoted = (prefix + line).replace("'", "''")
        lab = parsed(changed(HOST, f"{HOST}    iptables: ['{quoted}']\n"))
        assert [rule.text.strip() for rule in lab.node("host").iptables] == [line]


def test_an_nft_script() -> None:
    (found,) = wrong(changed(HOST, HOST + "    nft: ▸' '\n"), "bad-rule")
    assert found.message == "this nft script is empty"
    script = "table ip mine { chain c { type filter hook forward priority 0; } }"
    lab = parsed(changed(HOST, f"{HOST}    nft: '{script}'\n"))
    nft = lab.node("host").nft
    assert nft is not None
    assert nft.text == script


CHAINS = [
    # chain, rule, message, hint
    ("FORWARD", "bad-hook", "'FORWARD' does not name a chain of a node", "NODE/TABLE/CHAIN"),
    ("filter/FORWARD", "bad-hook", "does not name a chain of a node", "host/filter/FORWARD"),
    ("host/ip5/filter/FORWARD", "bad-hook", "no family 'ip5' of chains", "did you mean 'ip'?"),
    (
        "host/ip6/filter/FOWARD",
        "unknown-chain",
        "the table filter has no chain FOWARD",
        "did you mean 'host/ip6/filter/FORWARD'?",
    ),
    ("host//FORWARD", "bad-hook", "does not name a chain of a node", "NODE/TABLE/CHAIN"),
    ("hots/filter/FORWARD", "unknown-node", "there is no node 'hots'", "did you mean 'host'?"),
    (
        "host/filter/FOWARD",
        "unknown-chain",
        "the table filter has no chain FOWARD",
        "did you mean 'host/filter/FORWARD'?",
    ),
    (
        "host/fliter/FORWARD",
        "unknown-chain",
        "there is no table fliter",
        "did you mean 'host/filter/FORWARD'?",
    ),
    (
        "host/fliter/FOWARD",
        "unknown-chain",
        "there is no table fliter",
        "did you mean 'host/filter/FORWARD'?",
    ),
    (
        "host/filter/PREROUTING",
        "unknown-chain",
        "the table filter has no chain PREROUTING",
        "it has INPUT, FORWARD, OUTPUT",
    ),
    (
        "host/nat/FORWARD",
        "unknown-chain",
        "the table nat has no chain FORWARD",
        "it has PREROUTING, INPUT, OUTPUT, POSTROUTING",
    ),
]


def expecting(chain: str, lab: str = PAIR) -> str:
    return f"{lab}  - ping: {{from: ns1, to: ns2, expect: {{avoids: [{chain}]}}}}\n"


@pytest.mark.parametrize(("chain", "rule", "message", "hint"), CHAINS)
def test_a_chain_that_cannot_be_met(chain: str, rule: str, message: str, hint: str) -> None:
    """To avoid it would hold always, and say nothing."""
    (found,) = wrong(expecting("host/raw/OUTPUT, ▸" + chain), rule)
    assert message in found.message
    assert hint in found.hint
    assert found.text in chain
    wrong(expecting("▸" + chain).replace("avoids", "crosses"), rule)


@pytest.mark.parametrize(
    "chain",
    [
        "host/filter/FORWARD",
        "host/nat/POSTROUTING",
        "host/filter/DOCKER-USER",
        "host/filter/DOCKER-FORWARD",
        "host/nat/KUBE-POSTROUTING",
        "host/filter/FORWARD2",
        "host/mine/FORWARD",
        "host/mine/c",
        "host/filtering/forward",
        "host/filter/forward",
    ],
)
def test_chains_that_others_may_have_made(chain: str) -> None:
    """On a real host stand chains that the lab never made."""
    assert problems(expecting(chain)) == ()


@pytest.mark.parametrize(
    ("part", "step"),
    [
        ("    iptables: [-N FOWARD]\n", ""),
        ("    ip6tables: [--new-chain FOWARD]\n", ""),
        ("    nft: 'table ip filter { chain FOWARD { } }'\n", ""),
        ("", "  - iptables: {host: [-t filter -N FOWARD, -A FOWARD -j DROP]}\n"),
    ],
)
def test_a_chain_of_an_odd_name_that_the_lab_itself_makes(part: str, step: str) -> None:
    assert problems(expecting("host/filter/FOWARD", changed(HOST, HOST + part) + step)) == ()


def test_a_chain_that_only_another_node_makes() -> None:
    lab = f"{PAIR}  - iptables: {{ns1: [-N FOWARD], host: [-A FOWARD -j DROP]}}\n"
    wrong(expecting("▸host/filter/FOWARD", lab), "unknown-chain")


def test_a_chain_of_a_node_that_was_left_out_is_believed() -> None:
    lab = changed("links:", "  ns3: ▸5\nlinks:")
    wrong(expecting("ns3/filter/FOWARD", lab), "wrong-type")

"""hopscope show: every table of a running lab, as text for people and JSON for programs."""

import json
from pathlib import Path
from typing import Any

import pytest

from hopscope.model import codec
from hopscope.model.vocab import TABLES

pytestmark = pytest.mark.kernel

PARTS = {
    "links": {"links"},
    "neighbours": {"neighbours"},
    "fdb": {"fdb", "remotes"},
    "policy": {"policy_rules"},
    "qdiscs": {"qdiscs"},
    "routes": {"routes", "policy_rules"},
    "rules": {"chains"},
    "sysctls": {"sysctls"},
    "topology": {"links"},
}


def lines(done: Any) -> list[str]:
    """What it printed, when it went well."""
    assert (done.returncode, done.stderr) == (0, "")
    text: str = done.stdout
    return text.splitlines()


def test_the_topology_is_what_is_shown_unasked(hopscope: Any, bridge: str) -> None:
    """The classic picture."""
    assert lines(hopscope("show", bridge)) == [
        "  topology",
        "  host",
        "  └── br0  no address",
        "      ├── veth1b ══ ns1/veth1a  10.244.1.2/24",
        "      └── veth2b ══ ns2/veth2a  10.244.1.4/24",
        "  ns1",
        "  └── veth1a  10.244.1.2/24 ══ host/veth1b  port of br0",
        "  ns2",
        "  └── veth2a  10.244.1.4/24 ══ host/veth2b  port of br0",
    ]


@pytest.mark.parametrize("table", TABLES)
def test_every_table_is_plain_and_whole(hopscope: Any, bridge: str, table: str) -> None:
    """In a pipe: no colour, no trailing blanks, nothing folded or cut at 80 columns."""
    shown = lines(hopscope("show", bridge, table))
    assert shown[0].split()[0].rstrip(":") == table
    assert not [line for line in shown if "\x1b" in line or "…" in line or line != line.rstrip()]


def test_a_table_has_a_line_for_each_thing(hopscope: Any, bridge: str) -> None:
    """With all of its MAC address in one piece, though the line has more than 80 columns."""
    shown = lines(hopscope("show", bridge, "links", env={"COLUMNS": "40"}))
    rows = [line.split() for line in shown[2:]]
    assert [row[0] for row in rows] == [
        *("host/lo", "host/br0", "host/veth1b", "host/veth2b"),
        *("ns1/lo", "ns1/veth1a", "ns2/lo", "ns2/veth2a"),
    ]
    assert all(len(row[3]) == 17 for row in rows if not row[0].endswith("/lo"))


def test_several_tables_of_some_nodes(hopscope: Any, bridge: str) -> None:
    """In the order that was asked for."""
    shown = lines(hopscope("show", bridge, "routes", "links", "--node", "ns2", "-n", "ns1"))
    assert [line.strip() for line in shown if len(line.split()) == 1] == ["routes", "links"]
    assert {line.split("/")[0].strip() for line in shown if "veth" in line and "/veth" in line} <= {
        "ns1",
        "ns2",
    }
    assert not [line for line in shown if line.strip().startswith("host")]


@pytest.mark.parametrize("table", TABLES)
def test_json_is_the_snapshots_own_form(hopscope: Any, bridge: str, table: str) -> None:
    """Only the parts that were asked for, and whether something could not be read."""
    nodes = json.loads("\n".join(lines(hopscope("show", bridge, table, "--json"))))
    assert [node["name"] for node in nodes] == ["host", "ns1", "ns2"]
    assert all(node.keys() == {"name", "unread", *PARTS[table]} for node in nodes)
    schema = codec.schema()["$defs"]["NodeState"]["properties"]
    assert all(node.keys() <= schema.keys() for node in nodes)


def test_json_and_text_tell_the_same(hopscope: Any, bridge: str) -> None:
    """Every address and MAC."""
    nodes = json.loads(hopscope("show", bridge, "links", "--json").stdout)
    text = hopscope("show", bridge, "links").stdout
    for node in nodes:
        for link in node["links"]:
            (line,) = [
                one
                for one in text.splitlines()
                if f"{node['name']}/{link['name']} " in one.strip()[:13] + " "
            ]
            assert link["mac"] is None or link["mac"] in line
            assert all(f"{a['ip']}/{a['prefix']}" in line for a in link["addresses"])


def test_tables_are_those_of_now(hopscope: Any, fresh: str) -> None:
    """Nobody knows anybody; after a ping each side has the MAC of the other's veth."""
    assert lines(hopscope("show", fresh, "neighbours")) == ["  neighbours: empty"]
    assert hopscope("ping", fresh, "ns1", "ns2").returncode == 0
    rows = [line.split() for line in lines(hopscope("show", fresh, "neighbours"))[2:]]
    assert [(row[0], row[1], row[3], row[4]) for row in rows] == [
        ("ns1", "10.244.1.4", "ns2/veth2a", "veth1a"),
        ("ns2", "10.244.1.2", "ns1/veth1a", "veth2a"),
    ]
    fdb = [line.split() for line in lines(hopscope("show", fresh, "fdb"))[2:]]
    learnt = {(row[2], row[3]) for row in fdb if row[4] == "learnt"}
    assert learnt == {("ns1/veth1a", "veth1b"), ("ns2/veth2a", "veth2b")}


def test_one_node_s_tables_still_say_whose_a_mac_is(hopscope: Any, fresh: str) -> None:
    """Though the device is another node's; and only the chosen node's rows are there."""
    assert hopscope("ping", fresh, "ns1", "ns2").returncode == 0
    rows = [line.split() for line in lines(hopscope("show", fresh, "neighbours", "-n", "ns1"))[2:]]
    assert [(row[0], row[3]) for row in rows] == [("ns1", "ns2/veth2a")]
    fdb = [line.split() for line in lines(hopscope("show", fresh, "fdb", "--node", "host"))[2:]]
    assert {row[2] for row in fdb if row[4] == "learnt"} == {"ns1/veth1a", "ns2/veth2a"}


def test_rules_are_told_in_the_words_of_their_tool(hopscope: Any, fresh: str) -> None:
    """With their counters, and the trap of nat without connection tracking."""
    assert lines(hopscope("show", fresh, "rules")) == ["  rules: empty"]
    rule = ("iptables", "-t", "nat", "-A", "PREROUTING", "-p", "icmp", "-j", "LOG")
    assert hopscope("exec", fresh, "host", "--", *rule).returncode == 0
    shown = lines(hopscope("show", fresh, "rules"))
    assert shown[2].split(maxsplit=5) == [
        *("host", "ip", "nat", "PREROUTING", "0"),
        "-A PREROUTING -p icmp -j LOG",
    ]
    assert shown[3].startswith("  note: host: LOG rules in nat print nothing here")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("nope",), "lab 'nope' is not up; running: {bridge}\n"),
        (("standign",), "lab 'standign' is not up; did you mean 'standing'? running: {bridge}\n"),
        (("router",), "lab 'router' is not up; running: {bridge} (start it with: hopscope up ro"),
        (("{bridge}", "fbd"), "cannot show 'fbd'; did you mean 'fdb'?"),
        (("{bridge}", "xyz"), "cannot show 'xyz'; one of: links, neighbours, fdb"),
        (("{bridge}", "-n", "ns9"), "lab '{bridge}' has no node 'ns9'; it has host, ns1, ns2"),
    ],
    ids=["lab", "near lab", "built-in lab", "near table", "table", "node"],
)
def test_what_is_not_there_is_named(
    hopscope: Any, bridge: str, arguments: tuple[str, ...], said: str
) -> None:
    """With what there is; exit status 2, and nothing on standard output."""
    done = hopscope("show", *(one.format(bridge=bridge) for one in arguments))
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"hopscope: {said.format(bridge=bridge)}")


@pytest.mark.parametrize("arguments", ["show {lab} routes", "diff {lab}", "down -q {lab}"])
def test_a_file_whose_lab_is_up_leads_to_its_name(
    hopscope: Any, tmp_path: Path, arguments: str
) -> None:
    """The command that is meant can be pasted; that of a file whose lab is not up builds it."""
    file = tmp_path / "my lab.yaml"
    file.write_text("name: mine\nnodes: {a: {}}\n")
    meant = hopscope(*(one.format(lab=file) for one in arguments.split()))
    assert meant.stderr.endswith(f" (start it with: hopscope up '{file}')\n")
    for name, options in (("mine", ()), ("other", ("--name", "other"))):
        assert hopscope("up", str(file), *options).returncode == 0
        meant = hopscope(*(one.format(lab=file) for one in arguments.split()))
        command = arguments.format(lab=name)
        assert meant.stderr.endswith(f" (its lab goes by its name: hopscope {command})\n")
        assert meant.returncode == 2
        hopscope("down", name)


def test_a_counted_node_is_all_that_it_stands_for(hopscope: Any, tmp_path: Path) -> None:
    """In show, set and reachability; its replicas may be named too, with commas."""
    file = tmp_path / "many.yaml"
    file.write_text(
        "name: many\nnodes:\n  host: {bridges: [br0], addresses: {br0: 10.0.0.1/24}}\n"
        "  pod: {count: 3, addresses: {eth0: {pool: 10.0.0.0/24}}}\n"
        "links: [[pod:eth0, host:p@br0]]\n"
    )
    assert hopscope("up", str(file)).returncode == 0
    try:
        for given, nodes in (("pod", [1, 2, 3]), ("pod3,pod1", [3, 1]), ("pod2,pod", [2, 1, 3])):
            shown = json.loads(hopscope("show", "many", "links", "-n", given, "--json").stdout)
            assert [one["name"] for one in shown] == [f"pod{number}" for number in nodes]
        assert "no node ''" in hopscope("show", "many", "-n", "").stderr
        done = hopscope("set", "many", "pod", "net.ipv4.ip_forward=1")
        assert [line.split(":")[0] for line in done.stdout.splitlines()] == ["pod1", "pod2", "pod3"]
        done = hopscope("reachability", "many", "--from", "pod", "--to", "host", "--json")
        pairs = [(one["source"], one["target"]) for one in json.loads(done.stdout)["pairs"]]
        assert pairs == [(f"pod{number}", "host") for number in (1, 2, 3)]
    finally:
        hopscope("down", "many")

"""Rules given to their own tools: which line was refused, and whose counters are zeroed."""

import errno

import pytest

from hopscope.errors import CannotError, KernelError, Place, SpecError, ToolError, UsageError
from hopscope.kernel import sandbox as sandboxes
from hopscope.kernel.apply.firewall import add_iptables, add_nft, restore_form, zero
from hopscope.kernel.onhost.marked import zero_marked
from hopscope.kernel.sandbox import Sandbox
from hopscope.model.vocab import Family, NodeName
from hopscope.wire import nft, nftreset
from hopscope.wire.netlink import NETLINK_NETFILTER, Message

NS1 = NodeName("ns1")
PLACES = tuple(Place("lab.yaml", line, 9) for line in range(10, 20))


def saved(sandbox: Sandbox) -> str:
    """The rules of ns1 with their counters."""
    return sandbox.run(NS1, ["iptables-save", "-c"]).stdout.decode()


@pytest.fixture
def ns1(sandbox: Sandbox) -> Sandbox:
    """A sandbox with iptables to use."""
    if sandbox.run(NS1, ["iptables", "--version"]).code != 0:
        pytest.skip("iptables is not installed")
    return sandbox


def test_lines_are_grouped_by_table_and_counted() -> None:
    lines = [
        '-t nat -A PREROUTING -j LOG --log-prefix "a b-"',
        "-A FORWARD -j ACCEPT",
        "--table nat -A POSTROUTING -m comment --comment 'it'\"'\"'s' -j ACCEPT",
    ]
    text, origin = restore_form(lines)
    assert text == (
        '*nat\n-A PREROUTING -j LOG --log-prefix "a b-"\n'
        '-A POSTROUTING -m comment --comment "it\'s" -j ACCEPT\nCOMMIT\n'
        "*filter\n-A FORWARD -j ACCEPT\nCOMMIT\n"
    )
    assert origin == {2: 0, 3: 2, 6: 1}


@pytest.mark.parametrize("end", "\n\r\0")
def test_a_rule_is_one_line(end: str) -> None:
    """What its words hold is never read as a command of its own; ends around them do not count."""
    with pytest.raises(UsageError, match="a rule is one line"):
        restore_form([f"-A FORWARD -m comment --comment 'a{end}-F INPUT' -j ACCEPT"])
    assert restore_form(["-A FORWARD\n -j ACCEPT\n"]) == restore_form(["-A FORWARD -j ACCEPT"])


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("-A FORWARD -m comment --comment 'open", "No closing quotation"),
        ("-A FORWARD -j ACCEPT -t", "-t names no table"),
    ],
)
def test_what_is_no_line_of_arguments_is_told(line: str, why: str) -> None:
    """Lab files are checked before; Python programs may give anything."""
    with pytest.raises(UsageError, match=why):
        restore_form([line])


@pytest.mark.kernel
def test_rules_stand_as_written(ns1: Sandbox) -> None:
    lines = ["-t nat -A PREROUTING -p icmp -j LOG --log-prefix 'a \"b\"-'", "-P FORWARD DROP"]
    add_iptables(ns1, NS1, "iptables", lines, PLACES)
    now = saved(ns1)
    assert '-A PREROUTING -p icmp -j LOG --log-prefix "a \\"b\\"-"' in now
    assert ":FORWARD DROP" in now


@pytest.mark.kernel
@pytest.mark.parametrize("bad", [0, 1, 2, 3])
def test_a_refused_rule_is_named_by_its_line(ns1: Sandbox, bad: int) -> None:
    """And of its table nothing is applied."""
    lines = ["-A FORWARD -p icmp -j ACCEPT" for _ in range(4)]
    lines[bad] = "-A FORWARD -p nonsense -j ACCEPT"
    with pytest.raises(SpecError) as raised:
        add_iptables(ns1, NS1, "iptables", lines, PLACES)
    (problem,) = raised.value.problems
    assert problem.place == PLACES[bad]
    assert "nonsense" in problem.message
    assert "-A FORWARD" not in saved(ns1)


@pytest.mark.kernel
def test_each_refused_rule_is_named(ns1: Sandbox) -> None:
    """Be it by the tool or by the kernel, in whichever table; what is right is no mistake."""
    lines = [
        "-t nat -N MINE",
        "-A FORWARD -p nonsense -j ACCEPT",
        "-t nat -A MINE -j MASQERADE",
        "-A FORWARD -p icmp -j ACEPT",
    ]
    with pytest.raises(SpecError) as raised:
        add_iptables(ns1, NS1, "iptables", lines, PLACES, flushing=True)
    assert {problem.place for problem in raised.value.problems} == set(PLACES[1:4])


@pytest.mark.kernel
def test_a_refused_rule_without_a_place_is_the_tools_error(ns1: Sandbox) -> None:
    with pytest.raises(ToolError, match="NOSUCH"):
        add_iptables(ns1, NS1, "iptables", ["-A FORWARD -j NOSUCH"])


@pytest.mark.kernel
def test_a_refused_script_changes_nothing(ns1: Sandbox) -> None:
    where = "nft refuses this: in line 2 of the script, column 14: syntax error"
    with pytest.raises(SpecError, match=where):
        add_nft(ns1, NS1, "table ip x {}\ntable ip y { nonsense }\n", PLACES[0])
    assert ns1.run(NS1, ["nft", "list", "tables"]).stdout == b""


@pytest.mark.kernel
def test_a_missing_tool_is_told_with_its_package(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sandboxes, "tool_path", lambda: "/no/such/folder:/dev/null")
    with pytest.raises(CannotError, match="iptables is not installed") as raised:
        add_iptables(sandbox, NS1, "iptables", ["-A FORWARD -j ACCEPT"], PLACES)
    assert "apt-get install iptables" in raised.value.mend
    with pytest.raises(CannotError, match="nft is not installed"):
        add_nft(sandbox, NS1, "table ip x {}", PLACES[0])
    zero(sandbox, NS1)  # nothing to zero is no error


@pytest.mark.kernel
def test_zeroing_spares_the_unmarked(ns1: Sandbox) -> None:
    """By comment, whatever stands before and between."""
    rules = [
        "-A FORWARD -s 192.0.2.1 -j ACCEPT -c 1 10",
        "-A FORWARD -s 192.0.2.2 -m comment --comment mine -j ACCEPT -c 2 20",
        "-A FORWARD -s 192.0.2.3 -m comment --comment mine-not -j ACCEPT -c 3 30",
        "-t nat -A PREROUTING -s 192.0.2.4 -m comment --comment mine -j ACCEPT -c 4 40",
    ]
    for rule in rules:
        assert ns1.run(NS1, ["iptables", *rule.split()]).code == 0
    zero_marked(ns1, NS1, "mine")
    counted = [line.split("]")[0] + "]" for line in saved(ns1).splitlines() if "-A " in line]
    assert sorted(counted) == ["[0:0]", "[0:0]", "[1:10]", "[3:30]"]
    zero(ns1, NS1)
    assert all(line.startswith("[0:0]") for line in saved(ns1).splitlines() if "-A " in line)


def _counted(ns1: Sandbox) -> None:
    for rule in ("-A FORWARD -s 192.0.2.1 -j ACCEPT -c 1 10", "-t nat -A PREROUTING -c 4 40"):
        assert ns1.run(NS1, ["iptables", *rule.split()]).code == 0


def _generation(ns1: Sandbox) -> int | None:
    return nft.generation(ns1.ask(NS1, nft.get_generation(), bus=NETLINK_NETFILTER))


@pytest.mark.kernel
def test_zeroing_changes_no_rule(ns1: Sandbox) -> None:
    """Where the kernel can: a change would wait for all processors."""
    _counted(ns1)
    try:
        ns1.ask(NS1, nftreset.reset_rules(Family.IP, "mangle"), bus=NETLINK_NETFILTER)
    except KernelError as error:
        if error.code != errno.ENOENT:
            pytest.skip(f"this kernel does not zero while it lists: {error}")
    before = _generation(ns1)
    zero(ns1, NS1)
    assert _generation(ns1) == before
    assert all(line.startswith("[0:0]") for line in saved(ns1).splitlines() if "-A " in line)


@pytest.mark.kernel
def test_the_counts_of_policies_are_zeroed_too(ns1: Sandbox) -> None:
    _counted(ns1)
    restored = b"*filter\n:FORWARD DROP [5:50]\nCOMMIT\n"
    assert ns1.run(NS1, ["iptables-restore", "--noflush", "-c"], restored).code == 0
    assert ":FORWARD DROP [5:50]" in saved(ns1)
    zero(ns1, NS1)
    assert ":FORWARD DROP [0:0]" in saved(ns1)
    assert all(line.startswith("[0:0]") for line in saved(ns1).splitlines() if "-A " in line)


@pytest.mark.kernel
def test_an_older_kernel_has_the_tool_zero(ns1: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """It refuses the message."""
    _counted(ns1)
    unknown = Message(10 << 8 | 250, 0, bytes(4))
    monkeypatch.setattr(nftreset, "reset_rules", lambda *_which: unknown)
    zero(ns1, NS1)
    assert all(line.startswith("[0:0]") for line in saved(ns1).splitlines() if "-A " in line)


HAND_MADE = {
    "another chain at a hook": (
        "table ip filter {\n"
        "chain mine { type filter hook input priority 0; }\n"
        "chain INPUT { type filter hook input priority 0; }\n"
        "chain FORWARD { type filter hook forward priority 5; }\n"
        "chain side { }\n"
        "}\n"
        "add rule ip filter mine ip saddr 192.0.2.1 counter packets 1 bytes 10\n"
        "add rule ip filter INPUT ip saddr 192.0.2.1 counter packets 2 bytes 20\n"
        "add rule ip filter FORWARD ip saddr 192.0.2.1 counter packets 3 bytes 30\n"
        "add rule ip filter side ip saddr 192.0.2.1 counter packets 4 bytes 40\n"
    ),
    "a quota": (
        "table ip filter {\n"
        "chain INPUT { type filter hook input priority 0; }\n"
        "}\n"
        "add rule ip filter INPUT ip saddr 192.0.2.1 counter packets 2 bytes 20\n"
        "add rule ip filter INPUT quota over 100 bytes used 50 bytes drop\n"
    ),
    "as iptables makes it": (
        "table ip filter {\n"
        "chain INPUT { type filter hook input priority 0; }\n"
        "}\n"
        "add rule ip filter INPUT ip saddr 192.0.2.1 counter packets 2 bytes 20\n"
    ),
}


@pytest.mark.kernel
@pytest.mark.parametrize("script", HAND_MADE.values(), ids=HAND_MADE)
def test_of_a_table_that_nft_made_is_zeroed_what_iptables_zeroes(ns1: Sandbox, script: str) -> None:
    """Side by side: the tool in one node, ours in the other."""
    host = NodeName("host")
    for node in (NS1, host):
        add_nft(ns1, node, script)
    zero(ns1, NS1)
    assert ns1.run(host, ["iptables", "-Z"]).code == 0
    ours, theirs = (ns1.run(node, ["nft", "list", "ruleset"]).stdout for node in (NS1, host))
    assert ours == theirs
    assert b"packets 2 bytes 20" not in ours


@pytest.mark.kernel
@pytest.mark.parametrize("tool", ["iptables", "ip6tables"])
@pytest.mark.parametrize("table", ["raw", "mangle", "nat", "filter", "security"])
def test_every_chain_of_every_table_is_zeroed(ns1: Sandbox, table: str, tool: str) -> None:
    made = {
        "raw": ["PREROUTING", "OUTPUT"],
        "mangle": ["PREROUTING", "INPUT", "FORWARD", "OUTPUT", "POSTROUTING"],
        "nat": ["PREROUTING", "INPUT", "OUTPUT", "POSTROUTING"],
    }
    chains = ["own", *made.get(table, ["INPUT", "FORWARD", "OUTPUT"])]
    lines = [f"-t {table} -A {chain} -c 1 10" for chain in chains]
    add_iptables(ns1, NS1, tool, [f"-t {table} -N own", *lines])
    zero(ns1, NS1)
    text = ns1.run(NS1, [f"{tool}-save", "-c"]).stdout.decode()
    assert [line for line in text.splitlines() if " -A " in line] == [
        f"[0:0] -A {chain}" for chain in (*chains[1:], "own")
    ]

"""The holder's record of LOG rules: of which nodes there is one, and it has an end."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from changing import become, standing
from hopscope.kernel.enter import Doors
from hopscope.kernel.holder.logfile import MOST_LOGGED, RECORD
from hopscope.kernel.sandbox import Sandbox
from hopscope.lab.running import RunningLab
from hopscope.model.vocab import NodeName
from hopscope.observe.loglines import listen, watch

pytestmark = pytest.mark.kernel

HOST = NodeName("host")
NS1 = NodeName("ns1")
RULE = ("iptables", "-A", "OUTPUT", "-j", "LOG", "--log-prefix", "out-")


@pytest.fixture
def log(sandbox: Sandbox, records: Path) -> Path:
    """The record of a sandbox whose home has a rule that logs."""
    assert listen(sandbox, [HOST]) == []
    assert sandbox.run(HOST, ["ip", "link", "set", "lo", "up"]).code == 0
    assert sandbox.run(HOST, RULE).code == 0
    return records / "lab" / "nflog"


def test_a_full_record_says_so_once_and_grows_no_more(sandbox: Sandbox, log: Path) -> None:
    """An entry without a message tells a reader that something was lost."""
    ping = ["ping", "-c1", "-W1", "127.0.0.1"]
    before = sandbox.flush()
    assert sandbox.run(HOST, ping).code == 0
    assert sandbox.flush() > before
    os.truncate(log, MOST_LOGGED - RECORD.size)  # a hole, which takes no room
    assert sandbox.run(HOST, ping).code == 0
    assert sandbox.flush() == MOST_LOGGED
    assert sandbox.run(HOST, ping).code == 0
    assert sandbox.flush() == MOST_LOGGED
    with log.open("rb") as file:
        file.seek(-RECORD.size, os.SEEK_END)
        time, node, length = RECORD.unpack(file.read())
    assert time > 0
    assert (node, length) == (0, 0)


def watched(sandbox: Sandbox, node: NodeName) -> bool:
    """Whether the table is there that has packets traced."""
    return b"hopscope-log" in sandbox.run(node, ["nft", "list", "tables"]).stdout


def entries(sandbox: Sandbox, log: Path) -> list[int]:
    """The lengths of what is recorded; 0 when something was lost."""
    sandbox.flush()
    data, found = log.read_bytes(), []
    while data:
        _time, _node, length = RECORD.unpack(data[: RECORD.size])
        found.append(length)
        data = data[RECORD.size + length :]
    return found


def test_packets_of_a_node_without_rules_are_not_watched(sandbox: Sandbox) -> None:
    """Each would pay for it at every hook; programs of ours, which read, change nothing of that."""
    assert listen(sandbox, [HOST, NS1]) == []
    assert sandbox.run(HOST, ["iptables-save"]).code == 0
    assert not watched(sandbox, HOST)
    assert watch(sandbox, [HOST]) == []
    assert watched(sandbox, HOST)
    assert watch(sandbox, [HOST]) == []
    assert not watched(sandbox, NS1)


def test_a_rule_that_logs_has_packets_watched(sandbox: Sandbox) -> None:
    """Whoever added it; one that does not log does not."""
    assert listen(sandbox, [HOST, NS1]) == []
    for node in sandbox.nodes:
        assert sandbox.run(node, ["iptables", "-A", "OUTPUT", "-j", "ACCEPT"]).code == 0
    assert not watched(sandbox, HOST)
    assert sandbox.run(HOST, RULE).code == 0
    sandbox.flush()
    assert watched(sandbox, HOST)
    assert not watched(sandbox, NS1)


WAYS: dict[str, Callable[[RunningLab], object]] = {
    "a program": lambda lab: lab.run("b", ["true"]),
    "a rule": lambda lab: lab.add_rules("iptables", "b", "-A INPUT -j ACCEPT"),
    "exec": lambda lab: Doors(lab.name, "b").__exit__(None, None, None),
}


@pytest.mark.parametrize("way", WAYS)
def test_whoever_may_add_rules_finds_packets_watched(way: str, records: Path) -> None:
    """From before that; other nodes' are not."""
    with standing("name: two\nnodes: {a: {}, b: {}}\n") as lab:
        sandbox = lab.sandbox
        assert not any(watched(sandbox, node) for node in lab.nodes)
        WAYS[way](lab)
        assert [node for node in lab.nodes if watched(sandbox, node)] == ["b"]


def test_rules_of_the_lab_file_are_watched_from_the_start(records: Path) -> None:
    """And those that it gets when it is changed."""
    text = "name: two\nnodes: {a: {iptables: [-A INPUT -j ACCEPT]}, b: {}, c: {iptables: %s}}\n"
    with standing(text % "[]") as lab:
        assert [node for node in lab.nodes if watched(lab.sandbox, node)] == ["a"]
        assert become(lab, text % "[-A INPUT -j DROP]")
        assert [node for node in lab.nodes if watched(lab.sandbox, node)] == ["a", "c"]


def test_what_the_kernel_refuses_is_told(sandbox: Sandbox, records: Path) -> None:
    """In its words, at once or, where nobody waits for them, as lines that are missing."""
    log = records / "lab" / "nflog"
    taken = ["nft", "add", "table", "bridge", "hopscope-log"]
    said = "LOG rules are not recorded: host: tracing with nf_tables: Operation not supported"
    assert sandbox.run(HOST, taken).code == 0
    (told,) = listen(sandbox, [HOST, NS1])
    assert told.startswith(said)
    assert sandbox.run(HOST, ["nft", "flush", "ruleset"]).code == 0
    assert listen(sandbox, [HOST, NS1]) == []
    for node in sandbox.nodes:
        assert sandbox.run(node, taken).code == 0
    (told,) = watch(sandbox, [HOST])
    assert told.startswith(said)
    assert sandbox.run(NS1, ["true"], own_sys=True).code == 0
    assert entries(sandbox, log) == [0, 0]
    for node in sandbox.nodes:  # tried again, when it may be
        assert sandbox.run(node, ["nft", "flush", "ruleset"]).code == 0
        assert watch(sandbox, [node]) == []
        assert watched(sandbox, node)


def test_nodes_that_go_away_are_let_go(records: Path) -> None:
    """The sockets of their record would keep their namespaces; a node that comes again is new."""
    text = "name: two\nnodes: {a: {}, b: {iptables: [-A OUTPUT -j LOG --log-prefix b-]}}\n"
    with standing(text) as lab:
        log = records / "lab" / "nflog"

        def kept() -> list[str]:
            folder = Path(f"/proc/{lab.sandbox.pid}/fd")
            return sorted(str(fd.readlink()).split(":")[0] for fd in folder.iterdir())

        before = kept()
        for _round in range(2):
            lab.run("b", ["ping", "-c1", "-W1", "127.0.0.1"])
            assert become(lab, "name: two\nnodes: {a: {}}\n")
            assert len(kept()) == len(before) - 2
            recorded = len(entries(lab.sandbox, log))
            assert become(lab, text)
            assert len(kept()) == len(before)
        assert [node for node in lab.nodes if watched(lab.sandbox, node)] == ["b"]
        assert lab.run("b", ["ping", "-c1", "-W1", "127.0.0.1"]).code == 0
        assert len(entries(lab.sandbox, log)) > recorded > 0


def test_a_node_of_many_is_heard_when_it_gets_rules(records: Path) -> None:
    """Of more than a hundred only those with bridges or rules are, also of those that come."""

    def text(count: int, more: str) -> str:
        return f"name: many\nnodes: {{a: {{}}, b: {{{more}}}, n: {{count: {count}}}}}\n"

    logs = "iptables: [-A OUTPUT -j LOG --log-prefix b-]"
    with standing(text(100, "")) as lab:
        kinds = Path(f"/proc/{lab.sandbox.pid}/fd")
        before = len(list(kinds.iterdir()))
        assert become(lab, text(101, logs))
        assert watched(lab.sandbox, NodeName("b"))
        assert len(list(kinds.iterdir())) == before + 2
        assert lab.run("b", ["ping", "-c1", "-W1", "127.0.0.1"]).code == 0
        assert entries(lab.sandbox, records / "lab" / "nflog")

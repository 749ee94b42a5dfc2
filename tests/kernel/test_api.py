"""The Python API on the real kernel: labs up, pinged, changed, ended whatever happens."""

import inspect
import json
import subprocess
import sys
import threading
from pathlib import Path

import pytest

import hopscope
from hopscope import (
    CannotError,
    Fate,
    Lab,
    LabExistsError,
    NoSuchLabError,
    SpecError,
    StandingLab,
    ToolError,
    UsageError,
)
from hopscope.kernel import state
from hopscope.model import codec
from hopscope.model.record import ExpectResult, PingResult, Record, ShowResult

CHECKED = (PingResult, ExpectResult)

pytestmark = [pytest.mark.kernel, pytest.mark.usefixtures("records")]


def running() -> list[str]:
    """The labs that stand, by the records of this test."""
    return [lab.name for lab in state.running()]


@pytest.fixture
def pair() -> Lab:
    """ns1 ── br0 ── ns2: one subnet, no firewall."""
    lab = Lab("pair").node("host", bridges=["br0"])
    lab.node("ns1", addresses={"eth0": "10.0.0.1/24"}).link("ns1:eth0", "host:p1@br0")
    lab.node("ns2", addresses={"eth0": "10.0.0.2/24"}).link("ns2:eth0", "host:p2@br0")
    return lab


def test_the_packages_example_runs(capsys: pytest.CaptureFixture[str]) -> None:
    """As it stands in its docstring; it prints the reply, and leaves nothing."""
    assert hopscope.__doc__ is not None
    exec(hopscope.__doc__.partition("\n\n")[2], {})  # noqa: S102 - our own words
    assert "Reply(seq=1, rtt=" in capsys.readouterr().out
    assert running() == []


def test_a_ping_is_traced_hop_by_hop(pair: Lab) -> None:
    """Request and reply, each through the host; by node or by address."""
    with pair.up() as lab:
        result = lab.ping("ns1", "ns2", count=2, size=100)
        assert (result.replied, len(result.replies), result.address) == (True, 2, "10.0.0.2")
        echoes = [j for j in result.journeys if j.headers.icmp]
        assert [j.fate for j in echoes] == [Fate.DELIVERED] * 4
        assert [echoes[0].first.node, echoes[0].first.onward[0].node] == ["ns1", "host"]
        assert lab.ping("ns2", "10.0.0.1").replied


def test_a_ping_without_an_answer_says_why(pair: Lab) -> None:
    with pair.up() as lab:
        result = lab.ping("ns1", "10.0.0.77", timeout=0.2)
    assert not result.replied
    assert result.reason is not None
    assert "10.0.0.77" in result.reason.sentence


def test_the_nearest_of_several_addresses_is_pinged(pair: Lab) -> None:
    """That of the source's own subnet, wherever it stands among them."""
    pair.node("ns3", addresses={"a": "10.9.0.1/24", "b": "10.0.0.3/24", "c": "10.8.0.1/24"})
    pair.link("ns3:b", "host:p3@br0").link("ns3:a", "ns3:c")
    with pair.up() as lab:
        assert lab.ping("ns1", "ns3").address == "10.0.0.3"


def test_what_cannot_be_pinged_is_said(pair: Lab) -> None:
    with pair.up() as lab:
        with pytest.raises(UsageError, match="host has no address to ping; give it one: hopscope"):
            lab.ping("ns1", "host")
        with pytest.raises(UsageError, match="has no node 'ns9'; it has host, ns1, ns2"):
            lab.ping("ns9", "ns1")
        with pytest.raises(UsageError, match="has no node 'ns9'"):
            lab.ping("ns1", "ns9")


def test_programs_and_sysctls(pair: Lab) -> None:
    """What they print, and the values before and after."""
    with pair.up() as lab:
        done = lab.run("ns1", ["cat", "-"], b"words")
        assert (done.code, done.stdout) == (0, b"words")
        assert lab.run("ns1", ["test", "-e", "/sys/class/net/eth0"]).code == 0
        key = "net.ipv4.ip_forward"
        assert lab.set_sysctl("ns1", key, "1") == ("0", "1")
        assert lab.snapshot(["ns1"]).node("ns1").sysctls[key] == "1"
        assert lab.snapshot(["ns2"]).node("ns2").sysctls[key] == "0"


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("net.ipv4.nonsense", "1", "ns1 has no sysctl net.ipv4.nonsense"),
        ("net.ipv4.ip_forward", "many", "net.ipv4.ip_forward = many is refused: Invalid argument"),
        ("kernel.hostname", "x", "only sysctls below net. belong to a node"),
    ],
)
def test_a_sysctl_that_cannot_be_set(pair: Lab, key: str, value: str, said: str) -> None:
    """And the lab stands as before."""
    with pair.up() as lab:
        with pytest.raises(UsageError) as raised:
            lab.set_sysctl("ns1", key, value)
        assert said in str(raised.value)
        assert lab.ping("ns1", "ns2").replied


def test_one_text_is_a_list_of_one(pair: Lab) -> None:
    """And a number a sysctl's value, as in a lab file."""
    with pair.up() as lab:
        assert [node.name for node in lab.snapshot("ns1").nodes] == ["ns1"]
        lab.add_rules("iptables", "ns1", "-A INPUT -p icmp -j DROP")
        assert not lab.ping("ns2", "ns1", timeout=0.2).replied
        assert lab.set_sysctl("ns1", "net.ipv4.ip_forward", 1) == ("0", "1")
        with pytest.raises(ToolError, match="iptables"):
            lab.add_rules("iptables", "ns1", "-A INPUT -j NOWHERE")


def test_a_program_that_is_not_there(pair: Lab) -> None:
    """127, as a shell says it, and in words."""
    with pair.up() as lab:
        done = lab.run("ns1", ["no-such-thing", "-x"])
    assert (done.code, done.stdout) == (127, b"")
    assert done.stderr == b"no such program: no-such-thing\n"


def test_what_cannot_be_is_refused_before_it_is_tried(pair: Lab) -> None:
    """Each in words of the argument; the lab stands as before."""
    with pair.up() as lab:
        with pytest.raises(UsageError, match="the count of a ping is a whole number, 1 to"):
            lab.ping("ns1", "ns2", count=0)
        with pytest.raises(UsageError, match="a command is a list of words"):
            lab.run("ns1", "ip addr")
        with pytest.raises(UsageError, match="tool is one of iptables, ip6tables"):
            lab.add_rules("nft", "ns1", ["add table t"])
        with pytest.raises(UsageError, match="write 1"):
            lab.set_sysctl("ns1", "net.ipv4.ip_forward", value=True)
        assert lab.ping("ns1", "ns2").replied


def test_an_exception_ends_the_lab(pair: Lab) -> None:
    """And comes out as it was."""

    def work() -> None:
        with pair.up():
            assert running() == ["pair"]
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        work()
    assert running() == []


def test_two_labs_stand_side_by_side(pair: Lab) -> None:
    """The same lab under two names, with the same addresses; neither hears of the other."""
    with pair.up() as one, pair.up("other") as other:
        assert sorted(running()) == ["other", "pair"]
        assert one.ping("ns1", "ns2").replied
        assert not [n for node in other.snapshot().nodes for n in node.neighbours]
        assert other.ping("ns2", "ns1").replied
    assert running() == []


def test_a_name_that_is_taken_is_refused(pair: Lab) -> None:
    """And the one that has it stands."""
    with pair.up() as lab:
        with pytest.raises(LabExistsError, match="'pair' is already up"):
            pair.up()
        assert lab.run("ns1", ["true"]).code == 0


@pytest.mark.parametrize("name", ["a b", "../x", "-x"])
def test_a_name_that_cannot_be_is_refused(pair: Lab, name: str) -> None:
    with pytest.raises(UsageError, match="cannot be the name of a lab"):
        pair.up(name)
    assert running() == []


def test_what_the_kernel_refuses_is_told_at_its_line(pair: Lab) -> None:
    """A target that no iptables knows is found only by running it; nothing is left."""
    pair.node("ns3", iptables=["-A INPUT -j NOSUCH"])
    line = inspect.stack()[0].lineno - 1
    with pytest.raises(SpecError) as raised:
        pair.up()
    (problem,) = raised.value.problems
    assert (problem.place.file, problem.place.line) == (__file__, line)
    assert running() == []


def test_a_lab_of_another_process_is_found_by_its_name(pair: Lab) -> None:
    """Its nodes, its story; and it goes on when we let go."""
    with pair.up() as lab:
        found = StandingLab.named("pair")
        assert found.nodes == lab.nodes
        assert found.ping("ns1", "ns2").replied
        found.sandbox.close()
        assert lab.ping("ns1", "ns2").replied
    with pytest.raises(NoSuchLabError, match="lab 'pair' is not up; no lab is running"):
        StandingLab.named("pair")


def test_a_story_is_performed_and_its_evidence_written(pair: Lab, tmp_path: Path) -> None:
    """The folder holds the record that `run` returns."""
    pair.step(show=["neighbours"])
    pair.step(ping={"from": "ns1", "to": "ns2", "expect": {"reply": True}})
    record = pair.run(tmp_path / "out", name="other")
    assert (record.lab, record.held, len(record.pings)) == ("other", True, 1)
    assert isinstance(record.steps[0], ShowResult)
    names = {path.name for path in (tmp_path / "out").iterdir()}
    assert names >= {"report.html", "capture.pcapng", "icmp.pcapng", "journeys.json"}
    read = codec.load((tmp_path / "out" / "journeys.json").read_bytes())
    assert isinstance(read, Record)
    assert read == record
    assert running() == []


def test_a_story_tells_each_step_as_it_is_done(pair: Lab) -> None:
    """While the lab stands."""
    pair.step(ping="ns1 -> ns2").step(set={"ns1": {"net.ipv4.ip_forward": 1}})
    told: list[tuple[str, list[str]]] = []
    with pair.up() as lab:
        record = lab.perform(told=lambda result: told.append((result.kind, running())))
    assert told == [("ping", ["pair"]), ("set", ["pair"])]
    assert [step.kind for step in record.steps] == ["ping", "set"]


def test_an_expectation_that_fails_is_no_exception(pair: Lab) -> None:
    """It is told in the record, with what was seen instead."""
    pair.step(ping={"from": "ns1", "to": "ns2", "expect": {"reply": False}})
    record = pair.run()
    assert not record.held
    (check,) = record.pings[0].checks
    assert not check.held


def test_it_works_from_a_thread(pair: Lab) -> None:
    """Signals concern the main thread alone; the lab outlives the thread that made it."""
    made: list[StandingLab] = []
    failed: list[BaseException] = []

    def work() -> None:
        try:
            lab = pair.up()
            made.append(lab)
            assert lab.ping("ns1", "ns2").replied
        except BaseException as error:  # noqa: BLE001 - told below
            failed.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert failed == []
    assert made[0].ping("ns2", "ns1").replied
    made[0].down()
    assert running() == []


def test_threads_build_labs_at_the_same_time(pair: Lab) -> None:
    """Each its own; every ping is answered."""
    replied: list[bool] = []

    def work(name: str) -> None:
        with pair.up(name) as lab:
            replied.append(lab.ping("ns1", "ns2").replied)

    threads = [threading.Thread(target=work, args=(f"lab{n}",)) for n in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert replied == [True] * 3
    assert running() == []


def test_ending_twice_is_ending_once(pair: Lab) -> None:
    lab = pair.up()
    lab.down()
    lab.down()
    assert running() == []
    for what in (
        lab.snapshot,
        lab.perform,
        lambda: lab.run("ns1", ["true"]),
        lambda: lab.ping("ns1", "ns2"),
        lambda: lab.set_sysctl("ns1", "net.ipv4.ip_forward", 1),
        lambda: lab.add_rules("iptables", "ns1", ["-A INPUT -j DROP"]),
        lambda: lab.zero("ns1"),
        lambda: lab.observing([]).__enter__(),
    ):
        with pytest.raises(CannotError, match="this lab was taken down"):
            what()
    with pytest.raises(NoSuchLabError, match="lab 'pair' is not up"):
        lab.detach()


def test_a_python_lab_is_recorded_as_a_lab_file(pair: Lab) -> None:
    """So that the command finds its nodes and its story."""
    with pair.up():
        (found,) = state.running()
        assert found.file == __file__
        assert list(json.loads(found.source)["nodes"]) == ["host", "ns1", "ns2"]


def test_a_story_is_held_against_what_happened(pair: Lab) -> None:
    """Every kind of expectation, once as it is and once as it is not."""
    key = "net.bridge.bridge-nf-call-iptables"
    right = {"loss": "0%", "latency": "1s", "path": ["ns1", "host/br0", "ns2"]}
    wrong = {"latency": "1us", "path": ["ns1", "ns2"], "drop": "rule-drop"}
    drop = {"cause": "rule-drop", "at": "host"}
    pair.step(set={"host": {key: 1}})
    pair.step(ping={"from": "ns1", "to": "ns2", "count": 2, "expect": right})
    pair.step(ping={"from": "ns1", "to": "ns2", "expect": wrong})
    pair.step(iptables={"host": ["-A FORWARD -s 10.0.0.1 -j DROP"]})
    pair.step(ping={"from": "ns1", "to": "ns2", "timeout": 0.2, "expect": {"drop": drop}})
    for count, entry in ((1, "dev eth0"), (2, "none")):
        hits = {"host/ip/filter/FORWARD/1": count}
        pair.step(expect={"hits": hits, "routes": {"ns1": {"10.0.0.0/24": entry}}})
    record = pair.run()
    held = [[c.held for c in s.checks] for s in record.steps if isinstance(s, CHECKED)]
    assert held == [[True] * 3, [False] * 3, [True], [True] * 2, [False] * 2]
    assert [(c.seen, c.expected) for c in record.pings[1].checks[1:]] == [
        ("ns1/eth0 → host/p1 → host/br0 → host/p2 → ns2/eth0", "path: ns1 → ns2"),
        ("every packet reached its goal", "drop: rule-drop"),
    ]
    failures = [f for f in record.conclusion if "got no reply" in f.sentence]
    assert [f.held for f in failures] == [True]  # it was expected


def test_all_pairs_are_probed_from_python(records: object) -> None:
    """Of all nodes that have an address, or of those that are named."""
    with Lab.load("three").up() as running:
        every = running.reachability()
        assert every.held
        assert len(every.pairs) == 6
        one = running.reachability("ns1", ["ns2", "ns3"])
        assert [(pair.source, pair.target) for pair in one.pairs] == [
            ("ns1", "ns2"),
            ("ns1", "ns3"),
        ]
        refused = running.reachability("ns1", "ns2", protocol="tcp", port=9)
        assert [str(pair.outcome) for pair in refused.pairs] == ["refused"]
        with pytest.raises(UsageError, match="protocol is one of icmp, tcp, udp, not 'sctp'"):
            running.reachability(protocol="sctp")
        with pytest.raises(UsageError, match="has no node 'ns9'"):
            running.reachability("ns9")


FORKING = """
import os, sys
from hopscope import Lab
lab = Lab("forking")
lab.node("a")
with lab.up() as running:
    if os.fork() == 0:
        sys.exit(0)
    os.wait()
    print(running.run("a", ["echo", "stands"]).stdout.decode(), end="")
"""


def test_a_forked_process_that_exits_ends_nothing(records: Path) -> None:
    """The lab is its parent's."""
    words = [sys.executable, "-c", FORKING]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr, done.returncode) == ("stands\n", "", 0)

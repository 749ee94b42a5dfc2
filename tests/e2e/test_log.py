"""hopscope log: lines of LOG rules as the kernel writes them, at once and as they come."""

import contextlib
import json
import re
import signal
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest

pytestmark = pytest.mark.kernel

RULES = (
    ("-t", "nat", "-I", "PREROUTING", "Nat-PREROUTING-1-"),
    ("-t", "filter", "-I", "FORWARD", "Filter-FORWARD-1-"),
    ("-t", "nat", "-I", "POSTROUTING", "Nat-POSTROUTING-1-"),
)
IN_ORDER = ["Nat-PREROUTING-1-", "Filter-FORWARD-1-", "Nat-POSTROUTING-1-", "Filter-FORWARD-1-"]
LINE = re.compile(
    r"^[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d (?P<node>\w+) kernel: \[ *\d+\.\d{6}\] "
    r"(?P<prefix>[\w-]+-)IN=(?P<iif>\w*) OUT=(?P<oif>\w*) "
    r"(PHYSIN=(?P<physin>\w+) )?(PHYSOUT=(?P<physout>\w+) )?(MAC=[0-9a-f:]{41} )?"
    r"SRC=10\.244\.1\.[24] DST=10\.244\.1\.[24] LEN=84 TOS=0x00 PREC=0x00 TTL=64 ID=\d+ (DF )?"
    r"PROTO=ICMP TYPE=(?P<type>[08]) CODE=0 ID=\d+ SEQ=1 $"
)


def rules(hopscope: Any, lab: str) -> None:
    """The exercise's LOG rules, the rule that tracks connections, and the switch at 1."""
    for *where, prefix in RULES:
        log = ("-p", "icmp", "-j", "LOG", "--log-prefix", prefix)
        assert hopscope("exec", lab, "host", "iptables", *where, *log).returncode == 0
    track = ("-m", "conntrack", "--ctstate", "RELATED,ESTABLISHED", "-j", "ACCEPT")
    assert hopscope("exec", lab, "host", "iptables", "-A", "FORWARD", *track).returncode == 0
    switch = "net.bridge.bridge-nf-call-iptables=1"
    assert hopscope("exec", lab, "host", "sysctl", "-q", "-w", switch).returncode == 0


def ping(hopscope: Any, lab: str) -> None:
    """One echo request of ns1, answered."""
    done = hopscope("exec", lab, "ns1", "ping", "-c1", "-W2", "10.244.1.4")
    assert done.returncode == 0, done.stdout


@contextlib.contextmanager
def following(hopscope: Any, lab: str, *more: str) -> Iterator["subprocess.Popen[str]"]:
    """``log --follow``, running."""
    process = hopscope.start("log", lab, "--follow", *more)
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def lines(process: "subprocess.Popen[str]", count: int) -> list[str]:
    """The next lines that it prints."""
    assert process.stdout is not None
    return [process.stdout.readline() for _ in range(count)]


def prefixes(text: list[str]) -> list[str]:
    """The prefix of each line; None of them may be of another form."""
    found = [LINE.match(one.rstrip("\n")) for one in text]
    assert all(found), text
    return [one["prefix"] for one in found if one]


@pytest.fixture
def logged(hopscope: Any, fresh: str) -> str:
    """A lab with LOG rules, in which one ping has passed; its name."""
    rules(hopscope, fresh)
    ping(hopscope, fresh)
    return fresh


def test_a_lab_without_rules_has_nothing_to_tell(hopscope: Any, bridge: str) -> None:
    ping(hopscope, bridge)
    done = hopscope("log", bridge)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_the_lines_are_the_kernels_in_the_order_of_the_hooks(hopscope: Any, logged: str) -> None:
    """The request meets all three rules, the reply FORWARD alone; the ports are named."""
    done = hopscope("log", logged)
    text = done.stdout.splitlines()
    assert (done.returncode, prefixes(text)) == (0, IN_ORDER)
    shown = [found.groupdict() for one in text if (found := LINE.match(one))]
    way = [(one["iif"], one["oif"], one["physin"], one["physout"], one["type"]) for one in shown]
    assert way == [
        ("br0", "", "veth1b", None, "8"),
        ("br0", "br0", "veth1b", "veth2b", "8"),
        ("", "br0", "veth1b", "veth2b", "8"),
        ("br0", "br0", "veth2b", "veth1b", "0"),
    ]


def test_a_line_has_the_same_times_whenever_it_is_printed(hopscope: Any, logged: str) -> None:
    """Also those in brackets, which count from the machine's start."""
    printed = [hopscope("log", logged).stdout for _ in range(3)]
    assert printed[0].count("\n") == 4
    assert printed == [printed[0]] * 3


def test_there_are_as_many_lines_as_the_rules_count(hopscope: Any, logged: str) -> None:
    """The rules' own counters are the witness."""
    for _ in range(3):
        ping(hopscope, logged)
    counted = 0
    for table in ("nat", "filter"):
        listing = hopscope("exec", logged, "host", "iptables", "-t", table, "-nvxL").stdout
        counted += sum(int(one.split()[0]) for one in listing.splitlines() if " LOG " in one)
    assert len(hopscope("log", logged).stdout.splitlines()) == counted == 16


def test_what_passed_too_fast_is_told(hopscope: Any, logged: str) -> None:
    """Once for the node with LOG rules; the lines that there are, are all of watched packets."""
    assert hopscope("log", logged).stderr == ""
    flood = hopscope("exec", logged, "ns1", "ping", "-q", "-f", "-c", "1500", "10.244.1.4")
    assert " 0% packet loss" in flood.stdout
    done = hopscope("log", logged)
    told = re.fullmatch(
        r"hopscope: (\d+) packets passed host too fast to be watched for LOG rules "
        r"\(200 a second, after a burst of 400\); any lines of theirs are missing\n",
        done.stderr,
    )
    assert told, done.stderr
    assert 1000 < int(told[1]) < 2 * 1500
    counted = hopscope("exec", logged, "host", "iptables", "-nvxL", "FORWARD").stdout
    hits = next(int(line.split()[0]) for line in counted.splitlines() if " LOG " in line)
    lines = sum("Filter-FORWARD-1-" in line for line in done.stdout.splitlines())
    assert hits == 2 * (1500 + 1)
    assert hits - int(told[1]) <= lines < hits


def test_following_tells_what_passed_too_fast_though_the_lab_has_ended(
    hopscope: Any, logged: str
) -> None:
    """As it was looked at last."""
    with following(hopscope, logged) as process:
        flood = hopscope.start("exec", logged, "ns1", "ping", "-q", "-i", "0.001", "10.244.1.4")
        assert all(lines(process, 1500))  # more than the burst: a second or more has gone by
        hopscope("down", logged)
        flood.communicate(timeout=20)
        _output, errors = process.communicate(timeout=20)
    assert "packets passed host too fast" in errors
    assert errors.endswith("has ended\n")


def test_json_has_the_line_and_its_parts(hopscope: Any, logged: str) -> None:
    """An object per line, which can be read as it comes."""
    done = hopscope("log", logged, "--json")
    events = [json.loads(one) for one in done.stdout.splitlines()]
    assert [one["prefix"] for one in events] == IN_ORDER
    assert {(one["node"], one["iif"], one["physin"]) for one in events[:1]} == {
        ("host", "br0", "veth1b")
    }
    text = hopscope("log", logged).stdout.splitlines()
    assert [one.partition("] ")[2] for one in text] == [one["line"] for one in events]


def test_follow_goes_on_until_the_lab_ends(hopscope: Any, logged: str) -> None:
    with following(hopscope, logged) as process:
        assert prefixes(lines(process, 4)) == IN_ORDER
        ping(hopscope, logged)
        assert prefixes(lines(process, 4)) == IN_ORDER
        assert hopscope("down", logged).returncode == 0
        out, err = process.communicate(timeout=10)
        assert (process.returncode, out) == (0, "")
        assert err == f"hopscope: lab '{logged}' has ended\n"


def test_what_was_logged_last_is_not_lost_with_the_lab(hopscope: Any, logged: str) -> None:
    """The reader is stopped meanwhile, and the record gone when it goes on."""
    with following(hopscope, logged) as process:
        lines(process, 4)
        process.send_signal(signal.SIGSTOP)
        ping(hopscope, logged)
        assert hopscope("down", logged).returncode == 0
        process.send_signal(signal.SIGCONT)
        out, _err = process.communicate(timeout=10)
        assert prefixes(out.splitlines()) == IN_ORDER


def test_ctrl_c_ends_following_quietly(hopscope: Any, logged: str) -> None:
    with following(hopscope, logged) as process:
        lines(process, 4)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=10)
        assert (process.returncode, out, err) == (130, "", "")


def test_the_end_of_a_pipe_ends_following_quietly(hopscope: Any, logged: str) -> None:
    """As with ``log --follow | head -4``: the next line finds no reader."""
    with following(hopscope, logged) as process:
        lines(process, 4)
        assert process.stdout is not None
        process.stdout.close()
        ping(hopscope, logged)
        assert process.wait(10) == 141
        assert process.stderr is not None
        assert process.stderr.read() == ""


def test_following_costs_nothing_while_nothing_comes(hopscope: Any, logged: str) -> None:
    """It waits for the record to grow, and does not look whether it has."""
    with following(hopscope, logged) as process:
        lines(process, 4)
        before = _switches(process.pid)
        hopscope("exec", logged, "ns1", "sleep", "0.5")
        assert _switches(process.pid) - before <= 2


def _switches(pid: int) -> int:
    """How often the process has gone to sleep."""
    with open(f"/proc/{pid}/status") as file:  # noqa: PTH123
        found = re.search(r"^voluntary_ctxt_switches:\s+(\d+)", file.read(), re.MULTILINE)
    assert found
    return int(found[1])


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--level", "wraning"], "no syslog severity 'wraning'; did you mean 'warning'?"),
        (["--facility", "kernel"], "no syslog facility 'kernel'; did you mean 'kern'?"),
        (["--syslog", "http://x"], "'http://x' is no syslog address"),
    ],
)
def test_mistakes_are_told(hopscope: Any, bridge: str, arguments: list[str], said: str) -> None:
    done = hopscope("log", bridge, *arguments)
    assert (done.returncode, said in done.stderr) == (2, True), done.stderr


def test_a_lab_that_is_not_up(hopscope: Any) -> None:
    done = hopscope("log", "nowhere")
    assert (done.returncode, "lab 'nowhere' is not up" in done.stderr) == (2, True)


def test_without_root(ordinary: Any) -> None:
    lab = ordinary.up("bridge", "mine")
    rules(ordinary, lab)
    ping(ordinary, lab)
    assert prefixes(ordinary("log", lab).stdout.splitlines()) == IN_ORDER

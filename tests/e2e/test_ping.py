"""hopscope ping: one packet explained, its exit status, its JSON."""

import json
import re
import signal
from typing import Any

import pytest

from hopscope.kernel.waiting import wait_until

pytestmark = pytest.mark.kernel


def test_a_reply_is_explained(hopscope: Any, bridge: str) -> None:
    """The outcome, and the way through the bridge; exit status 0."""
    done = hopscope("ping", bridge, "ns1", "ns2")
    assert (done.returncode, done.stderr) == (0, "")
    first, *rest = done.stdout.splitlines()
    assert first.startswith("● ping 1: ns1 (10.244.1.2) → ns2 (10.244.1.4)")
    assert any(line.startswith("  ✓ reply 1 after ") for line in rest)
    words = [" ".join(line.split()) for line in rest]
    assert "echo request delivered" in words
    assert "echo reply delivered" in words
    assert any("br0 forwards to veth2b" in line for line in words)
    assert not [line for line in done.stdout.splitlines() if line != line.rstrip()]
    assert "\x1b" not in done.stdout


def test_no_reply_is_exit_status_1(hopscope: Any, bridge: str) -> None:
    """With the reason, and where the packet ended."""
    done = hopscope("ping", bridge, "ns1", "10.244.1.99", "--timeout", "0.2")
    assert (done.returncode, done.stderr) == (1, "")
    assert "✗ no reply to request 1" in done.stdout
    assert "why: " in done.stdout


def test_ctrl_c_is_told(hopscope: Any, bridge: str) -> None:
    """While a reply is waited for."""
    process = hopscope.start("ping", bridge, "ns1", "10.244.1.99", "--timeout", "30")
    wait_until(
        lambda: "10.244.1.99" in hopscope("show", bridge, "neighbours").stdout,
        "the request is under way",
        within=20,
    )
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=20)
    assert (process.returncode, out) == (130, "")
    assert err == "hopscope: interrupted, before there was an answer to tell of\n"


def test_ctrl_c_tells_what_had_come(hopscope: Any, bridge: str) -> None:
    """Of the requests that were answered, or given up, before."""
    inside = ("exec", bridge, "ns2", "--", "iptables")
    rule = ("INPUT", "-p", "icmp", "-j", "DROP")
    assert hopscope(*inside, "-A", *rule).returncode == 0

    def some_came() -> bool:
        listed = hopscope(*inside, "-nvxL", "INPUT").stdout.splitlines()
        return int(next(line for line in listed if "DROP" in line).split()[0]) > 2

    try:
        process = hopscope.start("ping", bridge, "ns1", "ns2", "-c", "1000", "-W", "0.1")
        wait_until(some_came, "some requests", within=20)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=20)
    finally:
        hopscope(*inside, "-D", *rule)
    assert (process.returncode, out) == (130, "")
    told = r"hopscope: interrupted, 0 of \d+ requests answered until then\n"
    assert re.fullmatch(told, err), err


def test_count_and_size(hopscope: Any, bridge: str) -> None:
    """Each request has its reply; the size is the payload's, so 8 + 20 more on the wire."""
    done = hopscope("ping", bridge, "ns2", "ns1", "-c", "3", "-s", "1000", "--json")
    assert done.returncode == 0
    result = json.loads(done.stdout)
    assert [reply["seq"] for reply in result["replies"]] == [1, 2, 3]
    assert all(reply["rtt"] > 0 for reply in result["replies"])
    echoes = [j for j in result["journeys"] if j["headers"]["icmp"]]
    assert {j["headers"]["ip"]["length"] for j in echoes} == {1028}
    assert [j["fate"] for j in echoes] == ["delivered"] * 6


def test_json_is_one_document(hopscope: Any, bridge: str) -> None:
    """With snapshots and events; its exit status is the text's."""
    done = hopscope("ping", bridge, "ns1", "10.244.1.98", "-W", "0.2", "--json")
    result = json.loads(done.stdout)
    assert done.returncode == 1
    assert (result["kind"], result["source"], result["address"]) == ("ping", "ns1", "10.244.1.98")
    assert result["replies"] == [{"seq": 1, "rtt": None, "error": result["replies"][0]["error"]}]
    assert result["reason"]["sentence"]
    assert [node["name"] for node in result["before"]["nodes"]] == ["host", "ns1", "ns2"]


def test_without_watching_promiscuously_the_bridge_makes_no_copy(
    hopscope: Any, bridge: str
) -> None:
    """And verbose tells the hooks without chains, too."""
    hopscope("ping", bridge, "ns1", "ns2")  # both know each other from now on
    watched = hopscope("ping", bridge, "ns1", "ns2").stdout
    assert "because the capture made it promiscuous" in watched
    plain = hopscope("ping", bridge, "ns1", "ns2", "--no-promiscuous").stdout
    assert "because the capture made it promiscuous" not in plain
    verbose = hopscope("ping", bridge, "ns1", "ns2", "-v").stdout
    assert verbose.count("hook ") > watched.count("hook ")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("ns9", "ns1"), "lab 'standing' has no node 'ns9'; it has host, ns1, ns2"),
        (("ns1", "ns9"), "lab 'standing' has no node 'ns9'; it has host, ns1, ns2"),
        (("ns1", "host"), "host has no address to ping; give it one: hopscope exec standing host"),
        (("ns1", "10.0.0"), "lab 'standing' has no node '10.0.0'"),
    ],
    ids=["from", "to", "no address", "neither"],
)
def test_what_cannot_be_pinged_is_exit_status_2(
    hopscope: Any, bridge: str, arguments: tuple[str, ...], said: str
) -> None:
    done = hopscope("ping", bridge, *arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"hopscope: {said}")


@pytest.mark.parametrize(
    "options", [("-c", "0"), ("-s", "11"), ("-s", "65509"), ("-W", "0"), ("-c", "many")]
)
def test_options_out_of_range_are_refused(
    hopscope: Any, bridge: str, options: tuple[str, ...]
) -> None:
    done = hopscope("ping", bridge, "ns1", "ns2", *options)
    assert (done.returncode, done.stdout) == (2, "")
    long = {"-c": "--count", "-s": "--size", "-W": "--timeout"}[options[0]]
    assert done.stderr.startswith(f"hopscope: option {long}: '{options[1]}' is not a ")


def test_a_lab_that_is_not_up_is_named(hopscope: Any) -> None:
    done = hopscope("ping", "nope", "ns1", "ns2")
    assert done.returncode == 2
    assert "lab 'nope' is not up" in done.stderr

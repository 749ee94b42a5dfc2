"""Labs side by side: different ones, and one under different names."""

import json
from pathlib import Path
from typing import Any

import pytest

from hoststate import look, settled

pytestmark = pytest.mark.kernel

Hopscope = Any
OTHER = """
name: other
nodes:
  ns1: {addresses: {veth1a: 10.244.1.2/24}}
  ns2: {addresses: {veth2a: 10.244.1.4/24}}
links: [[ns1:veth1a, ns2:veth2a]]
story:
  - ping: {from: ns1, to: ns2, count: 3, expect: {reply: true}}
"""


def test_runs_at_the_same_time_know_nothing_of_each_other(
    hopscope: Hopscope, tmp_path: Path
) -> None:
    """Same names and addresses inside; each proves its own story, each folder is its own."""
    before = look(state=hopscope.state)
    other = tmp_path / "other.yaml"
    other.write_text(OTHER)
    wanted = {"one": "bridge", "two": "bridge", "three": str(other)}
    runs = {
        name: hopscope.start("run", lab, "-q", "--name", name, "--out", str(tmp_path / name))
        for name, lab in wanted.items()
    }
    for name, run in runs.items():
        _out, err = run.communicate(timeout=50)
        assert run.returncode == 0, f"{name}: {err}"
        record = json.loads((tmp_path / name / "journeys.json").read_text())
        assert name in json.dumps(record)[:2000]
    for name in ("one", "two"):
        lines = (tmp_path / name / "iptables.log").read_text().splitlines()
        assert len(lines) == 4
    assert (tmp_path / "three" / "iptables.log").read_text() == ""
    assert settled(before, lambda: look(state=hopscope.state)) == []
    assert list(hopscope.state.iterdir()) == []


def test_two_that_stand_end_one_by_one(hopscope: Hopscope) -> None:
    """A change in one is not seen in the other, and one's end leaves the other standing."""
    hopscope.up("bridge", "left")
    hopscope.up("bridge", "right")
    key = "net.bridge.bridge-nf-call-iptables"
    assert hopscope("set", "left", "host", f"{key}=1").returncode == 0
    read = ("host", "--", "sysctl", "-n", key)
    assert hopscope("exec", "left", *read).stdout == "1\n"
    assert hopscope("exec", "right", *read).stdout == "0\n"
    assert [lab["name"] for lab in json.loads(hopscope("ls", "--json").stdout)] == ["left", "right"]
    assert hopscope("down", "left").returncode == 0
    assert hopscope("exec", "right", "ns1", "--", "ping", "-c1", "10.244.1.4").returncode == 0
    assert [lab["name"] for lab in json.loads(hopscope("ls", "--json").stdout)] == ["right"]

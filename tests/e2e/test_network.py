"""The labs that show more of a network, and the lab file's words for it, through the command."""

import json
import os
import stat
from pathlib import Path
from typing import Any

import pytest

from permitted import MAY_TAP

LAB = """
name: more
nodes:
  host:
    bridges: {br0: {ageing: 30, fdb: {"02:00:00:00:00:77": p1}}}
    devices: {t0: {kind: tap, bridge: br0, isolated: true}}
  ns1:
    addresses: {eth0: 10.0.0.1/24}
    routes: [blackhole 10.9.0.0/16, default via 10.0.0.2 table 100]
    policy: [from 10.1.0.0/16 lookup 100 priority 7]
  ns2:
    devices: {mv0: {kind: macvlan, over: "host:up"}}
    addresses: {mv0: 10.0.0.2/24}
  out: {addresses: {eth0: 10.0.0.3/24}}
links:
  - {ends: [ns1:eth0, host:p1@br0], rate: 10mbit}
  - [host:up, out:eth0]
story:
  - ping: {from: ns2, to: out, expect: {reply: true}}
  - ping: {from: ns1, to: 10.9.0.1, timeout: 0.3, expect: {reply: false}}
"""


TAP = "    devices: {t0: {kind: tap, bridge: br0, isolated: true}}\n"
OURS = LAB if MAY_TAP else LAB.replace(TAP, "")
"""What whoever runs the tests may have."""


def rows(shown: str) -> list[str]:
    """The lines of a table, with single spaces."""
    return [" ".join(line.split()) for line in shown.splitlines()]


@pytest.mark.parametrize("lab", ["vxlan", "isolated-ports"])
def test_its_labs_run(hopscope: Any, tmp_path: Path, lab: str) -> None:
    """Their stories hold, and every packet that arrived is followed to its end."""
    done = hopscope("run", lab, "--out", str(tmp_path / "out"))
    assert done.returncode == 0, done.stdout + done.stderr
    record = json.loads((tmp_path / "out" / "journeys.json").read_text())
    pings = [step for step in record["steps"] if step["kind"] == "ping"]
    answered = [ping for ping in pings if all(r["rtt"] is not None for r in ping["replies"])]
    fates = {j["fate"] for ping in answered for j in ping["journeys"]}
    assert fates == {"delivered"}
    if lab == "isolated-ports":
        (lost,) = [ping for ping in pings if ping not in answered]
        assert "both ports are isolated" in lost["reason"]["sentence"]
        assert "bridge link set dev p2 isolated off" in lost["reason"]["mend"]


def test_an_ordinary_user_has_it_all(ordinary: Any) -> None:
    """A macvlan in another node, too; and a tap, where the machine lets users make one."""
    file = ordinary.state.parent / "more.yaml"
    file.write_text(LAB)
    file.chmod(0o644)
    done = ordinary("up", str(file), "--name", "more")
    if not Path("/dev/net/tun").stat().st_mode & stat.S_IWOTH:
        assert done.returncode == 3, done.stdout + done.stderr
        assert ":6:15: making the tap host/t0: this user may not open /dev/net/tun" in done.stderr
        assert "mend it with: sudo chmod 666 /dev/net/tun, or leave this out" in done.stderr
        file.write_text(LAB.replace(TAP, ""))
        assert ordinary("up", str(file), "--name", "more").returncode == 0
        return
    assert done.returncode == 0, done.stdout + done.stderr
    shown = rows(ordinary("show", "more", "links", env={"COLUMNS": "200"}).stdout)
    assert any(row.startswith("host/t0 tap up, no carrier") for row in shown)


def test_what_was_asked_for_is_shown(hopscope: Any, tmp_path: Path) -> None:
    """In the tables of each part."""
    file = tmp_path / "more.yaml"
    file.write_text(OURS)
    name = hopscope.up(str(file), "more")
    words = ("links", "fdb", "routes", "policy", "qdiscs")
    shown = {
        word: rows(hopscope("show", name, word, env={"COLUMNS": "200"}).stdout) for word in words
    }
    assert any("bridge over host/up" in row for row in shown["links"])
    assert any(row.startswith("host/br0") and "ageing 30" in row for row in shown["links"])
    assert "host/br0 02:00:00:00:00:77 p1 static" in shown["fdb"]
    assert "ns1 blackhole 10.9.0.0/16 main static" in shown["routes"]
    assert "ns1 ip 7 from 10.1.0.0/16 lookup 100" in shown["policy"]
    limits = [row for row in shown["qdiscs"] if "rate 10mbit" in row]
    assert [row.split()[:4] for row in limits] == [
        ["host/p1", "tbf", "1:", "root"],
        ["ns1/eth0", "tbf", "1:", "root"],
    ]
    pinged = hopscope("ping", name, "ns1", "10.9.0.1")
    assert "the blackhole route for 10.9.0.0/16 drops it silently" in pinged.stdout


def test_what_this_kernel_lacks_is_refused_with_the_line(hopscope: Any, tmp_path: Path) -> None:
    """Or, where the kernel has netem, the lab stands."""
    file = tmp_path / "far.yaml"
    file.write_text(OURS.replace("rate: 10mbit", "delay: 20ms"))
    done = hopscope("up", str(file), "--name", "far")
    if done.returncode == 0:
        pytest.skip("this kernel has netem")
    assert done.returncode == 3, done.stderr
    line = OURS.splitlines().index("  - {ends: [ns1:eth0, host:p1@br0], rate: 10mbit}") + 1
    for words in (("up", "--name", "far"), ("check",), ("plan",)):  # two of them build nothing
        told = hopscope(*words, str(file))
        assert told.returncode == (3 if "up" in words else 0)
        assert told.stderr.startswith("hopscope: " if "up" in words else "note: ")
        assert f"{os.fspath(file)}:{line}:" in told.stderr
        assert "this kernel has no netem" in told.stderr
        assert "CONFIG_NET_SCH_NETEM" in told.stderr

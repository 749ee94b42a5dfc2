"""`up --on-host` on a lab that stands on the host: what a user sees, and kill -9 at any moment."""

import json
import os
import random
import shlex
import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest

from hopscope.kernel.waiting import wait_until
from hoststate import HostState, look, processes, settled

pytestmark = [pytest.mark.kernel, pytest.mark.root]

Hopscope = Any
Scratch = tuple[str, ...]
OLD = """
name: onhost
nodes:
  host:
    bridges: {hs0br: {}}
    addresses: {hs0br: 10.244.71.1/24}
    iptables: ['-A FORWARD -i hs0br -j ACCEPT']
  hs1: {addresses: {hs1a: 10.244.71.2/24}}
  hs2: {addresses: {hs2a: 10.244.71.4/24}}
links:
  - [hs1:hs1a, host:hs1b@hs0br]
  - [hs2:hs2a, host:hs2b@hs0br]
"""
NEW = """
name: onhost
nodes:
  host:
    bridges: {hs0br: {}}
    addresses: {hs0br: 10.244.71.1/24, hs3b: 10.244.72.1/24}
    sysctls: {net.ipv4.ip_forward: 1}
    iptables: ['-A FORWARD -i hs0br -o hs3b -j ACCEPT']
  hs1: {addresses: {hs1a: 10.244.71.2/24}, routes: [default via 10.244.71.1]}
  hs3: {addresses: {hs3a: 10.244.72.2/24}, routes: [default via 10.244.72.1]}
links:
  - [hs1:hs1a, host:hs1b@hs0br]
  - [hs3:hs3a, host:hs3b]
"""
BY_HAND = """
ip link add hand0 type bridge
ip address add 10.99.0.1/24 dev hand0
ip link add hand1 type veth peer name hand2
ip link set hand1 master hand0
iptables -A FORWARD -i hand0 -j DROP
"""


@pytest.fixture
def lab(tmp_path: Path) -> Path:
    """hs1 ── hs0br ── hs2, whose bridge is the host's."""
    path = tmp_path / "lab.yaml"
    path.write_text(OLD)
    return path


@pytest.fixture
def before(hopscope: Hopscope, scratch: Scratch) -> HostState:
    """The host, with a bridge and a rule made by hand."""
    for line in BY_HAND.strip().splitlines():
        do(scratch, line)
    return look(state=hopscope.state, inside=scratch)


def do(scratch: Scratch, command: str) -> str:
    """Run a command on the host of the test."""
    done = subprocess.run(
        [*scratch, *shlex.split(command)], capture_output=True, text=True, check=True, timeout=10
    )
    return done.stdout


def same(hopscope: Hopscope, scratch: Scratch, before: HostState, where: str = "") -> None:
    """The host is as it was, and no record, lock or process is left."""
    left = settled(before, lambda: look(state=hopscope.state, inside=scratch))
    assert left == [], "\n".join([where, *left])
    assert list(hopscope.state.glob("*")) == [], where


def test_an_edited_file_is_what_stands(
    hopscope: Hopscope, scratch: Scratch, lab: Path, before: HostState
) -> None:
    """What plan tells, up does; again there is nothing to do; the nodes reach each other."""
    assert hopscope("up", str(lab), "--on-host", before=scratch).returncode == 0
    lab.write_text(NEW)
    planned = hopscope("plan", str(lab), before=scratch)
    assert planned.returncode == 0, planned.stderr
    assert "+ host: address 10.244.72.1/24 on hs3b" in planned.stdout
    done = hopscope("up", str(lab), "--on-host", before=scratch)
    assert done.returncode == 0, done.stderr
    told = [line for line in planned.stdout.splitlines() if line[0] in "+-~"]
    assert [line for line in done.stdout.splitlines() if line[0] in "+-~"] == told
    again = hopscope("up", str(lab), "--on-host", before=scratch)
    assert again.stdout == "onhost is up already; nothing to change\n"
    ping = ("exec", "onhost", "hs1", "--", "ping", "-c1", "-W5", "10.244.72.2")
    assert hopscope(*ping, before=scratch).returncode == 0
    assert hopscope("down", "onhost", before=scratch).returncode == 0
    same(hopscope, scratch, before)


def test_a_plan_for_the_host(
    hopscope: Hopscope, scratch: Scratch, lab: Path, before: HostState
) -> None:
    """It tells of the host's own part, refuses what `up` refuses there, and changes nothing."""
    lab.write_text(OLD.replace("{hs0br: {}}", "{hs0br: {}, hand0: {}}"))
    done = hopscope("plan", str(lab), "--on-host", before=scratch)
    assert done.returncode == 3
    assert "the device hand0 already exists on this host" in done.stderr
    lab.write_text(OLD)
    usual, here = (
        {" ".join(line.split()[:-1]) for line in done.stdout.splitlines()}
        for done in (
            hopscope("plan", str(lab), before=scratch),
            hopscope("plan", str(lab), "--on-host", before=scratch),
        )
    )
    assert "+ host: device hs0br" in usual & here
    assert "+ node host" in usual - here
    assert "+ host: sysctl net.ipv6.conf.all.disable_ipv6 = 1" in usual - here
    assert "+ host: sysctl net.ipv6.conf.hs0br.disable_ipv6 = 1" in here
    same(hopscope, scratch, before)
    assert hopscope("up", str(lab), before=scratch).returncode == 0
    done = hopscope("plan", str(lab), "--on-host", before=scratch)
    assert done.returncode == 2
    assert "stands in a sandbox" in done.stderr


def test_diff_says_how_it_is_mended(
    hopscope: Hopscope, scratch: Scratch, lab: Path, before: HostState
) -> None:
    assert hopscope("up", str(lab), "--on-host", before=scratch).returncode == 0
    do(scratch, "ip address del 10.244.71.1/24 dev hs0br")
    seen = hopscope("diff", "onhost", before=scratch)
    assert seen.returncode == 1
    assert "+ host: address 10.244.71.1/24 on hs0br" in seen.stdout
    assert "onhost: 1 to create by hopscope up --on-host" in seen.stdout
    assert hopscope("up", str(lab), "--on-host", before=scratch).returncode == 0
    assert hopscope("diff", "onhost", before=scratch).returncode == 0
    assert hopscope("down", "onhost", before=scratch).returncode == 0
    same(hopscope, scratch, before)


def test_a_lab_stays_where_it_is(hopscope: Hopscope, scratch: Scratch, lab: Path) -> None:
    """What is meant for the host is not done in a sandbox, nor the other way round."""
    assert hopscope("up", str(lab), "--on-host", before=scratch).returncode == 0
    done = hopscope("up", str(lab), before=scratch)
    assert done.returncode == 2
    assert "stands on this host; change it there: hopscope up --on-host" in done.stderr
    assert hopscope("down", "onhost", before=scratch).returncode == 0
    assert hopscope("up", str(lab), before=scratch).returncode == 0
    done = hopscope("up", str(lab), "--on-host", before=scratch)
    assert done.returncode == 2
    assert "stands in a sandbox; change it there: hopscope up," in done.stderr


def test_a_name_of_others_is_refused(
    hopscope: Hopscope, scratch: Scratch, lab: Path, before: HostState
) -> None:
    """The lab stays as it is."""
    assert hopscope("up", str(lab), "--on-host", before=scratch).returncode == 0
    lab.write_text(OLD.replace("{hs0br: {}}", "{hs0br: {}, hand0: {}}"))
    done = hopscope("up", str(lab), "--on-host", before=scratch)
    assert done.returncode == 3
    assert "the device hand0 already exists on this host" in done.stderr
    assert hopscope("diff", "onhost", before=scratch).returncode == 0
    assert hopscope("down", "onhost", before=scratch).returncode == 0
    same(hopscope, scratch, before)


def _down(hopscope: Hopscope, scratch: Scratch) -> None:
    assert hopscope("down", "onhost", before=scratch).returncode == 0


def _holder(hopscope: Hopscope) -> int:
    found: int = json.loads((hopscope.state / "onhost" / "lab.json").read_text())["pid"]
    return found


def _kill_holder(hopscope: Hopscope, scratch: Scratch) -> None:
    """The guardian restores the host."""
    os.kill(_holder(hopscope), signal.SIGKILL)
    wait_until(lambda: not list(hopscope.state.iterdir()), "no record", within=10)


def _kill_all(hopscope: Hopscope, scratch: Scratch) -> None:
    """The guardian first; then the next command restores it."""
    holder = _holder(hopscope)
    for pid in sorted(map(int, processes(hopscope.state)), key=lambda pid: pid == holder):
        os.kill(pid, signal.SIGKILL)
    wait_until(lambda: not processes(hopscope.state), "their end", within=10)
    _down(hopscope, scratch)


@pytest.mark.slow
@pytest.mark.timeout(180)
def test_killed_at_random_moments(
    hopscope: Hopscope, scratch: Scratch, lab: Path, before: HostState
) -> None:
    """Kill -9 of `up` on its way; however the lab then ends, the host is as before."""
    seed = random.SystemRandom().randrange(1 << 32)
    chance = random.Random(seed)  # noqa: S311 - to be repeated
    ends = (_down, _kill_holder, _kill_all)
    for number in range(9):
        lab.write_text(OLD)
        assert hopscope("up", str(lab), "--on-host", before=scratch).returncode == 0
        lab.write_text(NEW)
        process = subprocess.Popen(
            [*scratch, *hopscope.argv, "up", str(lab), "--on-host", "-q"],
            stderr=subprocess.DEVNULL,
            env=hopscope.environment(),
        )
        moment = chance.uniform(0.05, 0.6)
        try:
            process.wait(timeout=moment)
        except subprocess.TimeoutExpired:
            process.kill()
        assert process.wait(timeout=10) in (0, -signal.SIGKILL)
        if chance.random() < 0.5:  # what was left half-way is gone on with
            again = hopscope("up", str(lab), "--on-host", before=scratch)
            assert again.returncode == 0, again.stderr
            assert hopscope("diff", "onhost", before=scratch).returncode == 0
        end = ends[number % len(ends)]
        end(hopscope, scratch)
        same(hopscope, scratch, before, f"seed {seed}: {moment:.3f} s, then {end.__name__}")

"""Up and down again and again: what the kernel and a process hold stays as it was."""

import json
import os
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Final

import pytest

from changing import become, standing
from command import Hopscope
from hopscope.errors import NotReadyError
from hopscope.kernel.waiting import wait_until
from hopscope.lab.running import RunningLab
from hoststate import look, settled
from leftovers import adopted
from proofsizes import Tell, size

pytestmark = [pytest.mark.kernel, pytest.mark.slow, pytest.mark.timeout(size(120, 7200))]

CYCLES: Final = {"as-we-are": size(20, 1_000), "ordinary": size(5, 200)}
LIBRARY: Final = size(20, 100)
CHANGES: Final = size(10, 300)
WARM: Final = 20
"""Cycles before the first look: what is made once and kept is made by then."""

OBJECTS: Final = (
    *("net_namespace", "pid_namespace", "user_namespace", "uts_namespace", "nsproxy"),
    *("task_struct", "mnt_cache", "sock_inode_cache", "filp", "RAW", "RAWv6", "UDP", "UDPv6"),
    *("nf_conntrack", "ip_fib_alias", "ip_fib_trie", "fib6_node", "neighbour"),
)
"""Of the kernel's slabs those whose objects a lab is made of, as far as this kernel names them."""

SLACK: Final = 250
"""Objects: SLUB counts what is free in each processor's slabs as used, up to some dozens each.
One that leaked in each cycle would be 1,000."""

BYTES: Final = 8 << 20
"""What unreclaimable slabs and per-processor memory may differ by; one leaked namespace a cycle
would be 100 MiB and more."""

FILES: Final = 250
"""Open files of the whole machine: others open some too. Two leaked a cycle would be 2,000."""

GROWTH: Final = {"objects": 50, "blocks": 1_000, "anonymous": 2 << 20}
"""What may be more after 100 cycles: objects that refer to others, blocks of memory that Python has
given out (some freed tuples are kept), and bytes that the process has written to, of which the
allocators keep some hundred KiB."""


def held() -> dict[str, int]:
    """What the kernel holds: objects by slab, bytes by kind, open files."""
    found = {"files": int(Path("/proc/sys/fs/file-nr").read_text().split()[0])}
    memory = dict(re.findall(r"(\w+): +(\d+) kB", Path("/proc/meminfo").read_text()))
    found |= {kind: int(memory[kind]) << 10 for kind in ("SUnreclaim", "Percpu")}
    if os.geteuid() == 0:
        lines = Path("/proc/slabinfo").read_text().splitlines()[2:]
        used = {line.split()[0]: int(line.split()[1]) for line in lines}
        found |= {name: used[name] for name in OBJECTS if name in used}
    return found


def growth(before: Mapping[str, int]) -> dict[str, int]:
    """What grew by more than it may."""
    most = {"files": FILES, "SUnreclaim": BYTES, "Percpu": BYTES}
    grown = {name: number - before[name] for name, number in held().items()}
    return {name: number for name, number in grown.items() if number > most.get(name, SLACK)}


def cycle(hopscope: Hopscope) -> None:
    """The bridge exercise stands, and is let go."""
    for arguments in (("up", "bridge", "-q"), ("down", "bridge", "-q")):
        done = hopscope(*arguments)
        assert (done.returncode, done.stderr) == (0, ""), arguments


def test_the_command(hopscope: Hopscope, request: pytest.FixtureRequest, tell: Tell) -> None:
    """Hosts, processes and records are as before; what the kernel holds did not grow."""
    for _ in range(WARM):
        cycle(hopscope)
    before, host = held(), look(state=hopscope.state)
    cycles = CYCLES[request.node.callspec.id]
    for _ in range(cycles):
        cycle(hopscope)
    wait_until(lambda: not adopted(), f"{adopted()} to end", within=10)
    with suppress(NotReadyError):  # the kernel frees in its own time
        wait_until(lambda: not growth(before), "the kernel to hold no more", within=60)
    assert growth(before) == {}, f"after {cycles} cycles"
    assert settled(host, lambda: look(state=hopscope.state)) == []
    assert list(hopscope.state.iterdir()) == []
    now = held()
    tell(f"{cycles} cycles: " + ", ".join(f"{k} {now[k] - before[k]:+d}" for k in before))


LARGE: Final = """
name: changing
nodes:
  host: {bridges: {br0: {}}, iptables: ["-A FORWARD -j LOG --log-prefix fwd-"]}
  pod: {count: 3, addresses: {eth0: {pool: 10.9.0.0/24}}, run: [sleep 1000]}
  far: {addresses: {eth0: 10.9.1.1/24}, nft: "table ip t { chain c { counter accept; }; }"}
links:
  - [pod:eth0, host:p@br0]
  - [far:eth0, host:f]
"""
SMALL: Final = """
name: changing
nodes:
  host: {bridges: {br1: {stp: true}}}
  pod: {count: 1, addresses: {eth0: {pool: 10.9.0.0/24}}}
links:
  - [pod:eth0, host:p@br1]
"""


def holder_of(lab: RunningLab) -> dict[str, int]:
    """What a lab's holder has open, by kind, and the bytes that it has written to."""
    folder = Path(f"/proc/{lab.sandbox.pid}")
    kinds = Counter(str(fd.readlink()).split(":")[0] for fd in (folder / "fd").iterdir())
    status = (folder / "status").read_text()
    return {**kinds, "anonymous": int(status.split("RssAnon:")[1].split()[0]) << 10}


def test_a_lab_that_changes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tell: Tell) -> None:
    """Its holder, and the kernel, hold what they held; nodes that are gone are held by nobody."""
    monkeypatch.setenv("HOPSCOPE_STATE", str(tmp_path / "state"))

    def change(lab: RunningLab, times: int) -> None:
        for _ in range(times):
            assert become(lab, SMALL)
            assert become(lab, LARGE)

    with standing(LARGE) as lab:
        change(lab, WARM // 4)
        before, ours = holder_of(lab), held()
        change(lab, CHANGES)
        with suppress(NotReadyError):
            wait_until(lambda: not growth(ours), "the kernel to hold no more", within=60)
        assert growth(ours) == {}, f"after {CHANGES} changes"
        grown = Counter(holder_of(lab))
        grown.subtract(before)
        assert grown.pop("anonymous") <= GROWTH["anonymous"]
        assert {kind: more for kind, more in grown.items() if more} == {}
    tell(f"{2 * CHANGES} changes")


PROGRAM: Final = """
import gc, json, os, sys, threading
from hopscope import Lab

def cycle():
    lab = Lab("cycle")
    lab.node("host", bridges=["br0"])
    for number in (1, 2):
        lab.node(f"ns{number}", addresses={"eth0": f"10.0.0.{number}/24"})
        lab.link(f"ns{number}:eth0", f"host:p{number}@br0")
    with lab.up() as running:
        assert running.ping("ns1", "ns2").replies
        running.snapshot()

def held():
    gc.collect()
    status = open("/proc/self/status").read()
    return {
        "anonymous": int(status.split("RssAnon:")[1].split()[0]) << 10,
        "blocks": sys.getallocatedblocks(),
        "descriptors": sorted(os.listdir("/proc/self/fd")),
        "threads": threading.active_count(),
        "objects": len(gc.get_objects()),
    }

for _ in range(int(sys.argv[1])):
    cycle()
before = held()
for _ in range(int(sys.argv[2])):
    cycle()
print(json.dumps([before, held()]))
"""


def test_the_library(tmp_path: Path, tell: Tell) -> None:
    """In one process: its descriptors, threads, objects and memory are as before."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(WARM), str(LIBRARY)],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "HOPSCOPE_STATE": str(tmp_path / "state")},
    )
    assert done.returncode == 0, done.stderr
    before, after = json.loads(done.stdout)
    for what in ("descriptors", "threads"):
        assert after[what] == before[what]
    grown = {what: after[what] - before[what] for what in GROWTH}
    assert {what: most for what, most in GROWTH.items() if grown[what] > most} == {}, grown
    tell(f"{LIBRARY} cycles: {grown}")

"""kill -9 at random moments of up, changed up, run, test and down leaves nothing; up works."""

import contextlib
import json
import os
import random
import signal
import statistics
import subprocess
import time
from collections import Counter
from pathlib import Path

import pytest

from command import Hopscope
from hopscope.kernel.waiting import wait_until
from hoststate import HostState, look, processes, settled
from leftovers import adopted
from proofsizes import SEED, Tell, size

pytestmark = [pytest.mark.kernel, pytest.mark.slow, pytest.mark.timeout(size(120, 3600))]

TIMES = size(4, 50)  # of each command
OLD = """
name: killed
nodes:
  host:
    bridges: {br0: {}}
    sysctls: {net.bridge.bridge-nf-call-iptables: 1}
    iptables: ['-I FORWARD -p icmp -j LOG --log-prefix "seen-"']
  ns1: {addresses: {a: 10.9.0.1/24}, run: [{name: sleeper, command: sleep 1000}]}
  ns2: {addresses: {b: 10.9.0.2/24}}
links: [[ns1:a, host:p1@br0], [ns2:b, host:p2@br0]]
story:
  - ping: {from: ns1, to: ns2, count: 2, expect: {reply: true}}
"""
NEW = """
name: killed
nodes:
  host: {bridges: {br0: {stp: true}, br1: {}}, iptables: [-A FORWARD -j DROP]}
  ns1:
    addresses: {a: [10.9.0.3/24, fd00::1/64]}
    routes: [default via 10.9.0.2]
    run: [{name: sleeper, command: sleep 2000}]
  ns3: {addresses: {c: 10.9.0.4/24}}
links: [[ns1:a, host:p1@br1], [ns3:c, host:p2@br0]]
"""
WRONG = """
name: wrong
nodes: {ns1: {addresses: {a: 10.9.0.1/24}}, ns2: {addresses: {b: 10.9.0.2/24}}}
links: [[ns1:a, ns2:b]]
story: [ping: {from: ns1, to: 10.9.0.9, count: 40, timeout: 0.05, expect: {reply: true}}]
"""
"""What is told of it is more than a pipe holds."""


class Killing:
    """A command that is killed, or whose holder is, again and again."""

    def __init__(self, hopscope: Hopscope, command: str) -> None:
        self.hopscope, self.command = hopscope, command
        folder = hopscope.state.parent
        for name, text in (("old", OLD), ("new", NEW), ("wrong", WRONG)):
            (folder / f"{name}.yaml").write_text(text)
        self.old, self.new = str(folder / "old.yaml"), str(folder / "new.yaml")
        self.wrong = str(folder / "wrong.yaml")
        self.out = folder / "out"
        self.chance = random.Random(SEED)  # noqa: S311 - to be repeated
        self.took: list[float] = []
        self.before = self.seen()

    def seen(self) -> HostState:
        """The host, and what the command may leave in its own folders."""
        found = look()
        env = self.hopscope.environment()
        found["temporary"] = _files(env["TMPDIR"])
        found["cached"] = [f for f in _files(env["XDG_CACHE_HOME"]) if _passing(f)]
        found["out"] = [f for f in _files(str(self.out)) if _passing(f)]
        return found

    def start(self) -> "subprocess.Popen[str]":
        """The command, in the background; what it needs first stands."""
        match self.command:
            case "up":
                return self.hopscope.start("up", self.old, "-q")
            case "changed up":
                self.works("up", self.old, "-q")
                return self.hopscope.start("up", self.new, "-q")
            case "run":
                return self.hopscope.start("run", self.old, "-q", "--out", str(self.out))
            case "test":
                return self.hopscope.start("test", self.old, self.wrong, "-q", "-j", "2")
            case _:
                self.works("up", self.old, "-q")
                return self.hopscope.start("down", "killed")

    def works(self, *arguments: str) -> str:
        """Another command does what it is asked."""
        done = self.hopscope(*arguments)
        assert (done.returncode, done.stderr) == (0, ""), f"{self.told} then {arguments}"
        return done.stdout

    told = "nothing was killed"

    def whole(self) -> None:
        """See how long it takes undisturbed."""
        process = self.start()
        begun = time.monotonic()
        _out, err = process.communicate(timeout=60)
        assert process.returncode == (1 if self.command == "test" else 0), err
        self.took.append(time.monotonic() - begun)
        self.hopscope("down", "killed")

    def once(self, *, holder: bool) -> str:
        """Kill it, or its holder, at a random moment; which it was, "" when it was faster."""
        moment = self.chance.uniform(0, statistics.median(self.took[-5:]))
        process = self.start()
        begun = time.monotonic()
        try:
            process.communicate(timeout=moment)
        except subprocess.TimeoutExpired:
            victims = processes(self.hopscope.state) if holder else []
            victim = int(self.chance.choice(victims)) if victims else process.pid
            _kill(victim)
            _out, err = process.communicate(timeout=60)
            which = "holder" if victims else "command"
            self.told = (
                f"seed {SEED}, {which} of {self.command} killed after {moment:.3f} s: "
                f"{process.returncode}, {err}"
            )
            assert "Traceback" not in err, self.told
            return which
        self.took.append(time.monotonic() - begun)
        return ""

    def mended(self) -> None:
        """The host is as before, the next `up` works, and after its `down` nothing is left."""
        assert settled(self.before, self.seen) == [], self.told
        self.works("up", self.new, "-q")
        self.works("exec", "killed", "ns3", "--", "true")
        self.works("diff", "killed")
        assert [lab["name"] for lab in json.loads(self.works("ls", "--json"))] == ["killed"]
        self.works("down", "killed")
        assert list(self.hopscope.state.iterdir()) == [], self.told
        wait_until(lambda: not adopted(), f"{self.told}: {adopted()} to end", within=10)
        assert settled(self.before, self.seen) == [], self.told


def _files(folder: str) -> list[str]:
    return sorted(str(path) for path in Path(folder).rglob("*"))


def _passing(file: str) -> bool:
    """Whether it is one that was to be given another name."""
    name = file.rpartition("/")[2]
    return name.startswith(".") or name.endswith((".tmp", ".new"))


def _kill(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError):  # it was faster
        os.kill(pid, signal.SIGKILL)


@pytest.mark.parametrize("command", ["up", "changed up", "run", "test", "down"])
def test_killed_at_random_moments(hopscope: Hopscope, command: str, tell: Tell) -> None:
    killing = Killing(hopscope, command)
    for _ in range(3):
        killing.whole()
    killed: Counter[str] = Counter()
    for number in range(5 * TIMES):
        which = killing.once(holder=number % 2 == 1)
        killing.mended()
        killed[which] += 1
        if killed.total() - killed[""] == TIMES:
            break
    tell(f"{killed['command']} commands and {killed['holder']} holders killed")
    assert killed.total() - killed[""] == TIMES

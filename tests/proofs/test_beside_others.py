"""--on-host beside podman's network and a bridge made by hand: theirs is as before, always.

A namespace of the test's own plays the host's part. A container of podman's runs there, or where
that cannot be, its network stands there; the other bridge is made by commands.
"""

import difflib
import json
import os
import random
import re
import shlex
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Final

import pytest

import podman
from command import Hopscope
from hopscope.kernel.waiting import wait_until
from hoststate import HostState, look, processes, settled
from leftovers import adopted
from proofsizes import SEED, Tell, size

pytestmark = [
    *(pytest.mark.kernel, pytest.mark.root, pytest.mark.slow),
    pytest.mark.timeout(size(120, 3600)),
]

ROUNDS: Final = size(4, 40)
LAB: Final = """
name: beside
nodes:
  host:
    bridges: {hs0br: {}}
    addresses: {hs0br: 10.244.72.1/24}
    iptables:
      - -A FORWARD -i hs0br -j ACCEPT
      - -t nat -A POSTROUTING -s 10.244.72.0/24 -j MASQUERADE
  hs1: {addresses: {hs1a: 10.244.72.2/24}}
  hs2: {addresses: {hs2a: 10.244.72.4/24}}
links: [[hs1:hs1a, host:hs1b@hs0br], [hs2:hs2a, host:hs2b@hs0br]]
story:
  - ping: {from: hs1, to: hs2, expect: {reply: true}}
  - ping: {from: hs1, to: host, expect: {reply: true}}
"""
CHANGED: Final = (
    LAB.replace("{hs0br: {}}", "{hs0br: {stp: true}, hs9br: {}}")
    .replace("-A FORWARD -i hs0br", "-I FORWARD -i hs9br")
    .replace("[hs2:hs2a, host:hs2b@hs0br]", "[hs3:hs3a, host:hs2b@hs9br]")
    .replace("hs2: {addresses: {hs2a: 10.244.72.4/24}}", "hs3: {addresses: {hs3a: 10.244.72.6/24}}")
    .partition("story:")[0]
)
"""What the lab becomes while it stands."""
OURS: Final = re.compile(r"\bhs[09]br\b|\bhs[12]b\b|hopscope|\b10\.244\.72\.")
HAND: Final = """
ip link add hand0 type bridge stp_state 1 forward_delay 200 max_age 600
ip address add 10.99.0.1/24 dev hand0
ip link set hand0 up
ip link add hand1 type veth peer name inner netns {pid}
ip link set hand1 master hand0 up
nsenter --target={pid} --net ip address add 10.99.0.2/24 dev inner
nsenter --target={pid} --net ip link set inner up
ip route add 10.98.0.0/16 via 10.99.0.2 metric 7
ip rule add from 10.99.0.0/24 lookup 77
ip neigh add 10.99.0.9 lladdr 02:00:00:00:00:09 dev hand0
iptables -N HAND
iptables -A FORWARD -i hand0 -j HAND
iptables -A HAND -p tcp --dport 22 -m comment --comment "by hand" -j ACCEPT
iptables -t nat -A POSTROUTING -s 10.99.0.0/24 ! -o hand0 -j MASQUERADE
nft add table inet hand
nft add set inet hand seen {{ type ipv4_addr\\; elements = {{ 10.99.0.2, 10.99.0.3 }} \\; }}
nft add chain inet hand c {{ type filter hook forward priority 5\\; policy accept\\; }}
nft add rule inet hand c ip saddr @seen counter accept
sysctl -qw net.ipv4.ip_forward=1 net.ipv4.conf.hand0.rp_filter=2
"""

CAME: Final = {
    "iptables -N CAME": "iptables -X CAME",
    "iptables -t mangle -N CAME": "nft delete table ip mangle",
    "nft add table ip came": "nft delete table ip came",
    "nft add table ip6 came; add chain ip6 came in { type filter hook input priority 0; }": (
        "nft delete chain ip6 came in; delete table ip6 came"
    ),
}
"""What others make while a lab stands, with nothing in it yet; and how they remove it again."""


class Host:
    """What plays the host's part, and the namespaces that others have on it."""

    def __init__(self, stack: ExitStack, folder: Path) -> None:
        self.inside = podman.keeper(stack, (), "--net", "ip link set lo up")
        hand = podman.keeper(stack, self.inside, "--net")
        for line in HAND.format(pid=hand[1].partition("=")[2]).strip().splitlines():
            self.do(line)
        self.without = ""  # why no container runs
        try:
            one = podman.container(stack, self.inside, folder)
        except AssertionError as error:
            self.without = str(error)
            one = podman.network(stack, self.inside, folder)
        self.containers = {"10.99.0.1": hand, podman.GATEWAY: one}

    def __str__(self) -> str:
        """What others have there."""
        why = f" (podman runs no container here: {self.without})" if self.without else ""
        return f"a bridge made by hand and podman's {'network' if why else 'container'}{why}"

    def do(self, command: str) -> str:
        """Run a command there."""
        argv = [*self.inside, *shlex.split(command)]
        done = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=20)
        assert done.returncode == 0, f"{command}: {done.stderr}{done.stdout}"
        return done.stdout

    def speaks(self) -> bool:
        """Whether each of theirs reaches its gateway."""
        asked = [[*i, "ping", "-c1", "-W3", gateway] for gateway, i in self.containers.items()]
        done = [subprocess.run(argv, capture_output=True, check=False) for argv in asked]
        return all(one.returncode == 0 for one in done)

    def settled(self) -> bool:
        """Whether bridges forward, each device has its own address, and STP has let go of a change.

        An address is doubted at first; and a bridge forgets faster while its topology changes.
        """
        if "topology_change 0 " not in self.do("ip -d link show hand0") or not self.speaks():
            return False
        up = [line for line in self.do("ip -o link").splitlines() if ",LOWER_UP" in line]
        own = self.do("ip -o -6 address show scope link").splitlines()
        return len(own) == len(up) - 1 and not any("tentative" in line for line in own)  # not lo

    def all(self) -> HostState:
        """All that there is, but for the counters of rules, which their own packets move."""
        found = look(inside=self.inside)
        return {**found, "nft": list(map(_uncounted, found["nft"]))}

    def theirs(self) -> HostState:
        """The same without what carries our names or our mark; in its order."""
        tables = [t for t in self.do("nft list tables").splitlines() if not OURS.search(t)]
        listed = "".join(self.do(f"nft list {table}") for table in tables)
        found = {**self.all(), "nft": list(map(_uncounted, listed.splitlines()))}
        return {
            part: [line for line in lines if not OURS.search(line)] for part, lines in found.items()
        }


def _uncounted(line: str) -> str:
    return re.sub(r" packets \d+ bytes \d+", "", line)


def changed(before: HostState, after: HostState) -> list[str]:
    """As diff shows it; lines that only changed places, too."""
    return [
        f"{part}: {line}"
        for part in before
        for line in difflib.unified_diff(before[part], after[part], lineterm="", n=0)
    ]


@pytest.fixture
def host(tmp_path: Path) -> Iterator[Host]:
    """With podman's container, and a bridge made by hand."""
    if os.geteuid() != 0:
        pytest.skip("--on-host takes root")
    if mend := podman.missing():
        pytest.skip(f"podman is not here; mend it with: {mend}")
    with ExitStack() as stack:
        yield Host(stack, tmp_path)


def _down(hopscope: Hopscope, host: Host) -> None:
    done = hopscope("down", "beside", before=host.inside)
    assert done.returncode == 0, done.stderr


def _holder(hopscope: Hopscope) -> int:
    found: int = json.loads((hopscope.state / "beside" / "lab.json").read_text())["pid"]
    return found


def _kill_holder(hopscope: Hopscope, host: Host) -> None:
    """The guardian restores the host."""
    os.kill(_holder(hopscope), signal.SIGKILL)
    wait_until(lambda: not processes(hopscope.state), "the guardian to end", within=30)


def _kill_all(hopscope: Hopscope, host: Host) -> None:
    """Then the next command restores it."""
    holder = _holder(hopscope)
    for pid in sorted(map(int, processes(hopscope.state)), key=lambda pid: pid == holder):
        os.kill(pid, signal.SIGKILL)
    wait_until(lambda: not processes(hopscope.state), "their end", within=10)
    _down(hopscope, host)


ENDS: Final[tuple[Callable[[Hopscope, Host], None], ...]] = (_down, _kill_holder, _kill_all)


@pytest.mark.parametrize("hopscope", ["as-we-are"], indirect=True)
def test_theirs_is_as_before(hopscope: Hopscope, host: Host, tmp_path: Path, tell: Tell) -> None:
    """Before, while a lab stands and changes, and afterwards, however it ends: byte by byte."""
    file = tmp_path / "beside.yaml"
    chance = random.Random(SEED)  # noqa: S311 - to be repeated
    wait_until(host.settled, "their links to settle", within=30)
    everything, theirs = host.all(), host.theirs()
    assert any("hand0" in line for line in theirs["links"])
    for _ in range(ROUNDS):
        for text in (LAB, CHANGED):
            file.write_text(text)
            done = hopscope("up", str(file), "--on-host", before=host.inside)
            assert done.returncode == 0, done.stderr
            assert changed(theirs, host.theirs()) == [], f"seed {SEED}"
            assert host.speaks()
        for command in CAME:
            host.do(command)
        end = chance.choice(ENDS)
        end(hopscope, host)
        for command in CAME.values():  # each fails if it has gone
            host.do(command)
        left = settled(everything, host.all)
        assert left == [], f"seed {SEED}: {end.__name__}\n" + "\n".join(left)
        assert not (found := changed(theirs, host.theirs())), (
            f"{chr(10).join(found)} seed {SEED}: {end.__name__}"
        )
        assert host.speaks()
    file.write_text(LAB)
    out = str(tmp_path / "out")
    done = hopscope("run", str(file), "-q", "--on-host", "--out", out, before=host.inside)
    assert done.returncode == 0, done.stdout + done.stderr
    assert changed(theirs, host.theirs()) == []
    tell(f"{ROUNDS} times up, changed and down beside {host}")


@pytest.mark.parametrize("hopscope", ["as-we-are"], indirect=True)
def test_killed_beside_them(hopscope: Hopscope, host: Host, tmp_path: Path, tell: Tell) -> None:
    """Kill -9 of a run at a random moment: its guardian restores the host, or nothing was done."""
    file = tmp_path / "beside.yaml"
    file.write_text(LAB)
    words = ["run", str(file), "-q", "--on-host", "--out", str(tmp_path / "out")]
    chance = random.Random(SEED)  # noqa: S311 - to be repeated
    wait_until(host.settled, "their links to settle", within=30)
    everything, keepers = host.all(), frozenset(adopted())
    killed, whole = 0, 0.0
    for number in range(ROUNDS + 1):
        process = subprocess.Popen(
            [*host.inside, *hopscope.argv, *words],
            env=hopscope.environment(),
            stderr=subprocess.PIPE,
        )
        begun = time.monotonic()
        try:  # the first goes on to its end, and tells how long that takes
            process.communicate(timeout=chance.uniform(0, whole) if number else None)
            whole = time.monotonic() - begun
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
            killed += 1
        told = f"seed {SEED}, round {number}"
        assert settled(everything, host.all, within=30) == [], told
        for stale in hopscope.state.iterdir():
            done = hopscope("down", stale.name, before=host.inside)
            assert done.returncode == 0 or "is not up" in done.stderr, (
                told
            )  # its guardian was first
        assert list(hopscope.state.iterdir()) == [], told
        wait_until(lambda: not adopted(keepers), f"{told}: {adopted()} to end", within=10)
    assert changed(everything, host.all()) == []
    assert killed >= ROUNDS // 2
    tell(f"{killed} of {ROUNDS} runs killed beside {host}")

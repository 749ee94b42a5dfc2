"""What we are measured against does what it says, and a contender that does not is found out."""

import json
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import build
import pytest
from compiled import compiled
from contenders import Contender

BENCH = Path(build.__file__).parent
PRIVATE = (
    *("unshare", "--user", "--map-root-user", "--net", "--mount", "--pid", "--fork"),
    *("--mount-proc", "--kill-child", "sh", "-euc"),
)
"""A shell as PID 1 of namespaces of its own, whose end is the end of all in them."""

InPrivate = Callable[[str], "subprocess.CompletedProcess[str]"]


@pytest.fixture(scope="module")
def programs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with our two C programs."""
    folder = tmp_path_factory.mktemp("programs")
    for name in ("floor", "allpairs_floor"):
        compiled(name, folder)
    return folder


@pytest.fixture
def in_private(programs: Path) -> InPrivate:
    """Runs a script in namespaces of its own; the floor's commands are on its PATH."""
    if subprocess.run([*PRIVATE, "true"], check=False, capture_output=True).returncode:
        pytest.skip("this kernel lets nobody make a user namespace")

    def run(script: str) -> "subprocess.CompletedProcess[str]":
        whole = f"PATH={programs}:$PATH; exec 2>&1\n{script}\n"
        return subprocess.run(
            [*PRIVATE, whole], check=False, stdout=subprocess.PIPE, text=True, timeout=50
        )

    return run


def documents(text: str) -> list[Any]:
    """JSON documents, one a line."""
    return [json.loads(line) for line in text.splitlines()]


def test_the_floor_has_the_ports_it_was_asked_for(in_private: InPrivate) -> None:
    """All up, with the indexes chosen, at a bridge that is up."""
    done = in_private("""
        host="nsenter --net=/proc/$(floor up 5)/ns/net"
        $host ip -json link show master br0
        $host ip -json address show br0
    """)
    ports, (bridge,) = documents(done.stdout)
    assert {port["ifname"]: port["ifindex"] for port in ports} == {
        f"v{1 + n}": 3 + n for n in range(5)
    }
    assert {port["operstate"] for port in (*ports, bridge)} == {"UP"}
    assert bridge["addr_info"] == []


def test_the_floor_s_pods_are_addressed_and_without_ipv6(in_private: InPrivate) -> None:
    """Each in a namespace of its own, loopback up."""
    done = in_private("""
        keeper=$(floor up 5)
        for pod in 1 2 3 4 5; do
            nsenter --net=/proc/$keeper/root/run/netns/p$pod ip -json address
        done
    """)
    for pod, (lo, eth0) in enumerate(documents(done.stdout)):
        assert [one["local"] for one in lo["addr_info"]] == ["127.0.0.1"]
        (address,) = eth0["addr_info"]
        assert (address["local"], address["prefixlen"]) == (f"10.244.0.{1 + pod}", 16)
        assert eth0["operstate"] == "UP"
        assert (eth0["ifname"], eth0["link_index"]) == ("eth0", 3 + pod)


def test_the_floor_s_end_leaves_nothing(in_private: InPrivate) -> None:
    """When it says so, its keeper is gone; and another one can be made."""
    done = in_private("""
        for round in 1 2; do
            keeper=$(floor up 3)
            floor down $keeper
            test ! -e /proc/$keeper/ns/net
        done
        echo ended
    """)
    assert done.stdout == "ended\n"


@pytest.mark.parametrize("pods", ["0", "1024", "many"])
def test_the_floor_refuses_what_a_bridge_cannot_take(programs: Path, pods: str) -> None:
    """In words."""
    argv = [str(programs / "floor"), "up", pods]
    done = subprocess.run(argv, check=False, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (2, "floor: a bridge takes 1 to 1023 pods\n")


@pytest.mark.parametrize("at_once", [1, 3, 128])
def test_all_pairs_answer(in_private: InPrivate, at_once: int) -> None:
    """Once each, with neighbours that ARP finds, however many are sent at once."""
    assert in_private(f"allpairs_floor $(floor up 5) 5 {at_once}").stdout == "20\n"


def test_a_pair_that_does_not_answer_is_told(in_private: InPrivate) -> None:
    """A pod whose link is down reaches nobody."""
    done = in_private("""
        keeper=$(floor up 4)
        nsenter --net=/proc/$keeper/ns/net ip link set v2 down
        allpairs_floor $keeper 4 128
    """)
    assert done.returncode == 1
    assert "waiting for an answer" in done.stdout


def test_everything_is_measured_in_one_run(in_private: InPrivate, tmp_path: Path) -> None:
    """By contenders whose pods are right, in turn; tables with ratios, and figures."""
    argv = [sys.executable, str(BENCH / "run.py"), "--out", str(tmp_path), "--no-pictures"]
    argv += ["--part", "pods", "pairs", "--pods", "3", "--pairs", "4", "--rounds", "2"]
    argv += ["--only", "floor", "hopscope", "ip -batch"]
    subprocess.run(argv, check=True, stdout=subprocess.DEVNULL, timeout=50)
    rounds = json.loads((tmp_path / "pods.json").read_text())
    assert [one["contender"] for one in rounds] == ["floor", "hopscope", "ip -batch"] * 2
    assert all(one["up"] > 0 and 0 < one["down"] < one["freed"] for one in rounds)
    assert "| floor | " in (tmp_path / "pods.md").read_text()
    assert {one["prober"] for one in json.loads((tmp_path / "pairs.json").read_text())} >= {"floor"}


class Idle(Contender):
    """Makes nothing, and says that it did."""

    name = "idle"

    def up(self) -> None:
        """Nothing."""

    def down(self) -> None:
        """Nothing."""

    def inside(self, pod: int | None) -> Sequence[str]:
        """Anywhere, where nothing says anything."""
        return "sh", "-c", "", "sh"


def test_a_contender_that_makes_nothing_is_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """Before its figures count."""
    monkeypatch.setattr(build, "_PATIENCE", 0.0)
    with Idle(3) as idle, pytest.raises(AssertionError, match="idle: 0 ports of 3 are up"):
        build.measure_once(idle)

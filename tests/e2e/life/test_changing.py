"""`up` on a lab that stands: seen by diff, undone by Ctrl-C, and mended after kill -9."""

import json
import random
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import pytest

from e2e.life.test_interrupt import SEED, Rounds

pytestmark = [pytest.mark.kernel, pytest.mark.slow]

Hopscope = Any
TIMES = 10
INTERRUPTED: Final = """
import os, signal, sys
from hopscope.cli import main
from hopscope.kernel import state
real = state.rewrite
def rewrite(file):
    real(file)
    os.kill(os.getpid(), signal.SIGINT)
state.rewrite = rewrite
sys.argv[0] = "hopscope"
main()
"""
"""The command, to which Ctrl-C comes as soon as a change is on record."""
OLD = """
name: lab
nodes:
  host: {bridges: {br0: {}}, iptables: [-A FORWARD -p icmp -j ACCEPT]}
  ns1: {addresses: {a: 10.9.0.1/24}}
  ns2: {addresses: {b: 10.9.0.2/24}}
links: [[ns1:a, host:p1@br0], [ns2:b, host:p2@br0]]
"""
NEW = """
name: lab
nodes:
  host: {bridges: {br0: {stp: true}, br1: {}}, iptables: [-A FORWARD -j DROP]}
  ns1: {addresses: {a: [10.9.0.3/24, fd00::1/64]}, routes: [default via 10.9.0.2]}
  ns3: {addresses: {c: 10.9.0.4/24}}
links: [[ns1:a, host:p1@br1], [ns3:c, host:p2@br0]]
"""


@pytest.fixture
def files(tmp_path: Path) -> tuple[str, str]:
    """The lab as it was, and as it will be."""
    for name, text in (("old", OLD), ("new", NEW)):
        (tmp_path / f"{name}.yaml").write_text(text)
    return str(tmp_path / "old.yaml"), str(tmp_path / "new.yaml")


def planned(hopscope: Hopscope, file: str) -> list[dict[str, Any]]:
    """What would be changed."""
    found: list[dict[str, Any]] = json.loads(hopscope("plan", file, "--json").stdout)["changes"]
    return found


def test_up_again_changes_what_differs(hopscope: Hopscope, files: tuple[str, str]) -> None:
    """And says so; the next time there is nothing to change."""
    old, new = files
    assert hopscope("up", old).returncode == 0
    before = planned(hopscope, new)
    done = hopscope("up", new)
    assert done.returncode == 0, done.stderr
    assert "+ node ns3" in done.stdout
    assert "- node ns2" in done.stdout
    assert "lab is up already; " in done.stdout
    assert before != []
    assert planned(hopscope, new) == []
    assert hopscope("up", new).stdout == "lab is up already; nothing to change\n"
    ping = hopscope("exec", "lab", "ns1", "--", "ip", "-br", "addr", "show", "a")
    assert "10.9.0.3/24" in ping.stdout
    assert "ns3" in hopscope("ls").stdout


def test_another_file_of_that_name_is_told(hopscope: Hopscope, files: tuple[str, str]) -> None:
    """By plan and by up: a name may be so by chance. A file that was edited is no other."""
    old, new = files
    assert hopscope("up", old).returncode == 0
    told = f"note: lab was made from {old}, not from {new}\n"
    assert hopscope("plan", new).stderr == told
    Path(old).write_text(Path(old).read_text().replace("10.9.0.2", "10.9.0.7"))
    assert hopscope("plan", old).stderr == ""
    assert hopscope("up", "--quiet", old).stderr == ""
    assert hopscope("up", new).stderr == told
    hopscope("down", "lab")


def test_a_file_of_that_name_elsewhere_is_another(
    hopscope: Hopscope, files: tuple[str, str], tmp_path: Path
) -> None:
    """Told with its folder; and the same file is the same wherever one stands."""
    texts = [Path(file).read_text() for file in files]
    places = [tmp_path / "one", tmp_path / "two"]
    for place, text in zip(places, texts, strict=True):
        place.mkdir()
        (place / "lab.yaml").write_text(text)
    one, two = places
    assert hopscope("up", "lab.yaml", cwd=one).returncode == 0
    assert json.loads(hopscope("ls", "--json").stdout)[0]["folder"] == str(one)
    told = f"note: lab was made from {one}/lab.yaml, not from {two}/lab.yaml\n"
    assert hopscope("plan", "lab.yaml", cwd=two).stderr == told
    (one / "lab.yaml").write_text(texts[1])
    assert hopscope("plan", "../one/lab.yaml", cwd=two).stderr == ""
    (two / "lab.yaml").write_text(texts[1].replace("10.9.0.3", "10.9.0.8"))
    assert hopscope("up", "lab.yaml", cwd=two).stderr == told
    assert json.loads(hopscope("ls", "--json").stdout)[0]["folder"] == str(two)
    hopscope("down", "lab")


def test_diff_tells_by_its_exit_status(hopscope: Hopscope, files: tuple[str, str]) -> None:
    """0 when all is as declared, 1 when not; JSON says what."""
    hopscope("up", files[0])
    assert hopscope("diff", "lab").returncode == 0
    hopscope("exec", "lab", "ns1", "--", "ip", "link", "set", "dev", "a", "mtu", "1400")
    done = hopscope("diff", "lab")
    assert (done.returncode, done.stderr) == (1, "")
    assert "~ ns1: device a mtu 1400 → 1500" in done.stdout
    [change] = json.loads(hopscope("diff", "lab", "--json").stdout)["changes"]
    assert (change["before"], change["after"], change["attribute"]) == ("1400", "1500", "mtu")
    assert hopscope("up", files[0]).returncode == 0
    assert hopscope("diff", "lab").stdout == "lab is as declared\n"


def test_a_plan_touches_nothing(hopscope: Hopscope, files: tuple[str, str]) -> None:
    """Of a lab that is not up neither."""
    done = hopscope("plan", files[0])
    assert done.returncode == 0
    assert "+ host: link p1 – ns1/a" in done.stdout
    assert json.loads(hopscope("ls", "--json").stdout) == []


def test_two_at_once_take_turns(hopscope: Hopscope, files: tuple[str, str]) -> None:
    """Whichever comes last, the lab is one of the two, whole."""
    hopscope("up", files[0])
    both = [hopscope.start("up", file, "--quiet") for file in files]
    for process in both:
        _out, err = process.communicate(timeout=60)
        assert process.returncode == 0, err
    assert sorted(planned(hopscope, file) == [] for file in files) == [False, True]
    assert hopscope("diff", "lab").returncode == 0


@pytest.mark.timeout(300)
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_ended_at_random_moments(
    hopscope: Hopscope, files: tuple[str, str], number: signal.Signals
) -> None:
    """A signal leads back to the state before; after kill -9, `up` leads to either."""
    old, new = files
    chance = random.Random(SEED ^ number)  # noqa: S311 - to be repeated
    hopscope("up", old)
    rounds = Rounds(hopscope, ["up", new, "--quiet"])
    whole = rounds.whole()
    interrupted = 0
    for _ in range(TIMES):
        done = hopscope("up", old)
        assert done.returncode == 0, done.stderr
        status, said = rounds.ended(number, chance.uniform(0, whole))
        where = f"seed {SEED}: {status}, {said}"
        if status == 0:
            assert planned(hopscope, new) == [], where
            continue
        interrupted += 1
        if number != signal.SIGKILL:
            assert status in (128 + number, -number), where
            assert "could not be restored" not in said, where
            assert hopscope("diff", "lab").returncode == 0, where
            assert planned(hopscope, old) == [], where
    assert interrupted >= 1
    done = hopscope("up", new)
    assert done.returncode == 0, done.stderr
    assert planned(hopscope, new) == []


def test_what_is_done_is_told_as_done(hopscope: Hopscope, files: tuple[str, str]) -> None:
    """An interruption that comes too late to lead back is no failure."""
    hopscope("up", files[0])
    late = replace(hopscope, argv=(sys.executable, "-c", INTERRUPTED))
    done = late("up", files[1])
    assert done.returncode == 0, done.stderr
    assert "lab is up already; " in done.stdout
    assert hopscope("diff", "lab").returncode == 0
    assert planned(hopscope, files[1]) == []


def test_a_full_disk_changes_nothing(hopscope: Hopscope, files: tuple[str, str]) -> None:
    """The lab stands; what cannot be recorded is not claimed."""
    hopscope("up", files[0])
    record = hopscope.state / "lab" / "lab.json.new"
    record.mkdir()  # in the place of the file that is to be written
    done = hopscope("up", files[1])
    assert done.returncode == 3, done.stderr
    record.rmdir()
    assert hopscope("up", files[0]).returncode == 0
    assert hopscope("diff", "lab").returncode == 0


def test_a_lab_that_has_ended_meanwhile(hopscope: Hopscope, files: tuple[str, str]) -> None:
    """Its holder killed: `up` builds it, `diff` says that it is not up."""
    hopscope("up", files[0])
    pid = json.loads(hopscope("ls", "--json").stdout)[0]["pid"]
    subprocess.run(["kill", "-9", str(pid)], check=True)
    done = hopscope("diff", "lab")
    assert done.returncode == 2
    assert "is not up" in done.stderr
    assert hopscope("up", files[0]).stdout.startswith("lab is up: ")

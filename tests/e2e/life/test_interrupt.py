"""Ctrl-C and kill -9 at random moments: nothing is left, and the next run works."""

import json
import os
import random
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from hopscope.kernel.waiting import wait_until
from hoststate import look, settled

pytestmark = [pytest.mark.kernel, pytest.mark.slow]

Hopscope = Any
TIMES = 10  # of each command and signal
SEED = int(os.environ.get("HOPSCOPE_SEED", "0")) or random.SystemRandom().randrange(1 << 32)
"""Told by each failure, so that it can be had again."""
HANDLED = 1 << (signal.SIGHUP - 1)  # the last of the signals that main() takes over
LOGS = """
name: logs
nodes:
  host:
    bridges: {br0: {}}
    sysctls: {net.bridge.bridge-nf-call-iptables: 1}
    iptables: ['-I FORWARD -p icmp -j LOG --log-prefix "seen-"']
  ns1: {addresses: {a: 10.9.0.1/24}}
  ns2: {addresses: {b: 10.9.0.2/24}}
links: [[ns1:a, host:p1@br0], [ns2:b, host:p2@br0]]
story:
  - ping: {from: ns1, to: ns2, count: 2, expect: {reply: true}}
"""


class Rounds:
    """One command, started again and again, and ended at a moment of its life."""

    def __init__(self, hopscope: Hopscope, arguments: list[str]) -> None:
        self._hopscope = hopscope
        self._arguments = arguments
        self.before = look(state=hopscope.state)

    def start(self) -> "subprocess.Popen[str]":
        """It has come as far as main()."""
        process: subprocess.Popen[str] = self._hopscope.start(*self._arguments)
        wait_until(lambda: _handles(process.pid), "main()", within=20)
        return process

    def whole(self) -> float:
        """How long it takes from main() to its end, undisturbed, in seconds."""
        process = self.start()
        begun = os.times().elapsed
        _out, err = process.communicate(timeout=30)
        assert process.returncode == 0, err
        return os.times().elapsed - begun

    def ended(self, number: int, moment: float) -> tuple[int, str]:
        """Its exit status and complaints, when it is sent a signal after *moment* seconds."""
        process = self.start()
        try:
            _out, err = process.communicate(timeout=moment)
        except subprocess.TimeoutExpired:
            process.send_signal(number)
            _out, err = process.communicate(timeout=30)
        return process.returncode, err


def _handles(pid: int) -> bool:
    status = Path(f"/proc/{pid}/status").read_text()
    caught = next(line for line in status.splitlines() if line.startswith("SigCgt:"))
    return bool(int(caught.split()[1], 16) & HANDLED)


@pytest.fixture
def lab(tmp_path: Path) -> Path:
    """ns1 ── br0 ── ns2, with a rule that logs."""
    path = tmp_path / "logs.yaml"
    path.write_text(LOGS)
    return path


@pytest.fixture(params=["run", "up"])
def rounds(
    request: pytest.FixtureRequest, hopscope: Hopscope, lab: Path, tmp_path: Path
) -> Iterator[Rounds]:
    """The command under test. Whatever it was, the next run works and is the only one."""
    out = ["--out", str(tmp_path / "out")] if request.param == "run" else []
    made = Rounds(hopscope, [request.param, str(lab), "--quiet", *out])
    made.whole()
    hopscope("down", "logs")
    yield made
    assert json.loads(hopscope("ls", "--json").stdout) == []
    done = hopscope("run", str(lab), "-q", "--out", str(tmp_path / "last"))
    assert done.returncode == 0, done.stderr
    assert list(hopscope.state.iterdir()) == []


@pytest.mark.timeout(240)
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL], ids=["sigint", "sigkill"])
def test_at_random_moments(rounds: Rounds, hopscope: Hopscope, number: int) -> None:
    """The host is as before each time; a lab is there whole, or not at all."""
    chance = random.Random(SEED ^ number)  # noqa: S311 - to be repeated
    whole = rounds.whole()
    hopscope("down", "logs")
    interrupted = 0
    for _ in range(TIMES):
        moment = chance.uniform(0, whole)
        status, said = rounds.ended(number, moment)
        where = f"seed {SEED}, after {moment:.3f} s of {whole:.3f}: {status}, {said}"
        if status == 0:  # it was faster
            hopscope("down", "logs")
        elif number == signal.SIGINT:
            interrupted += 1
            assert status == 130, where
            assert said == "hopscope: interrupted; all is as it was before\n", where
            assert list(hopscope.state.glob("*")) == [], where
        else:
            interrupted += 1
            assert status == -signal.SIGKILL, where
            if hopscope("exec", "logs", "ns1", "--", "true").returncode == 0:
                assert hopscope("down", "logs").returncode == 0, where
        left = settled(rounds.before, lambda: look(state=hopscope.state))
        assert left == [], where
    assert interrupted >= TIMES // 2


def test_impatient_interruption(hopscope: Hopscope, lab: Path, tmp_path: Path) -> None:
    """Ctrl-C again and again, also while it cleans up."""
    before = look(state=hopscope.state)
    process = hopscope.start("run", str(lab), "--out", str(tmp_path / "out"))
    record = hopscope.state / "logs" / "lab.json"
    wait_until(record.exists, "the lab", within=20)
    while process.poll() is None:
        process.send_signal(signal.SIGINT)
    _out, err = process.communicate(timeout=30)
    assert process.returncode == 130, err
    assert "Traceback" not in err
    assert settled(before, lambda: look(state=hopscope.state)) == []
    assert list(hopscope.state.iterdir()) == []

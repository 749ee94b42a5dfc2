"""A network namespace of a test's own, which plays the real host: a module runs itself there."""

import os
import shlex
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

__all__ = ["Case", "do", "main", "passes"]

Case = Callable[[Path], None]
"""Fails by an AssertionError; is given a folder of its own."""

_QUIET = "sysctl -qw net.ipv6.conf.default.disable_ipv6=1 && ip link set lo up"


def passes(module: str, case: str, folder: Path) -> None:
    """Fail unless that case of a module passes, on a host of its own."""
    if os.geteuid() != 0:
        pytest.skip("--on-host takes root")
    state = folder / "state"
    paths = [str(Path(__file__).parent), *sys.path]
    argv = ["unshare", "--net", "sh", "-c", f'{_QUIET} && exec "$@"', "sh", sys.executable]
    done = subprocess.run(
        [*argv, module, case, str(folder)],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": ":".join(paths), "HOPSCOPE_STATE": str(state)},
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert list(state.iterdir()) == []


def do(command: str) -> str:
    """Run a command here."""
    done = subprocess.run(shlex.split(command), capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{command}: {done.stderr}"
    return done.stdout


def main(cases: Mapping[str, Case]) -> None:
    """Run the case that the arguments name, there."""
    name, folder = sys.argv[1:]
    cases[name](Path(folder))

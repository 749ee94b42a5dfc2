"""The command with a record of labs of each test's own."""

import os
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture
def hopscope(hopscope: Any, tmp_path: Path) -> Iterator[Any]:
    """The command; no lab stands before, and those that do afterwards are taken down."""
    made = replace(hopscope, state=tmp_path / "state")
    yield made
    made.end_all()


@pytest.fixture
def scratch() -> Iterator[tuple[str, ...]]:
    """A network namespace to play the real host's part: a command that enters it.

    Nothing of it is in the machine's own, so that a test may fail without harm.
    """
    if os.geteuid() != 0:
        pytest.skip("--on-host takes root")
    argv = [
        "unshare",
        "--net",
        "sh",
        "-c",
        "sysctl -qw net.ipv6.conf.default.disable_ipv6=1 && ip link set lo up && echo ready && cat",
    ]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as keeper:
        assert keeper.stdout is not None
        assert keeper.stdout.readline() == b"ready\n"
        yield ("nsenter", f"--target={keeper.pid}", "--net")

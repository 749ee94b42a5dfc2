"""Wireshark's own dissector as an oracle: what it reads in a capture file of ours."""

import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

__all__ = ["TSHARK", "capinfos", "fields"]

TSHARK = pytest.mark.skipif(
    shutil.which("tshark") is None or shutil.which("capinfos") is None,
    reason="tshark and capinfos are not installed (apt install tshark)",
)

_CHECKED = [word for name in ("ip", "tcp", "udp") for word in ("-o", f"{name}.check_checksum:TRUE")]
_EACH_ALONE = ["-o", "ipv6.defragment:FALSE"]


def fields(path: Path, names: Sequence[str]) -> list[dict[str, str]]:
    """These fields of each packet; what a packet lacks is empty.

    It must be understood without a word of warning.
    """
    wanted = [option for name in names for option in ("-e", name)]
    shape = ["-T", "fields", "-E", "separator=/t", "-E", "occurrence=a", "-E", "aggregator=|"]
    lines = _run("tshark", "-n", *_CHECKED, *_EACH_ALONE, "-r", str(path), *shape, *wanted).split(
        "\n"
    )[:-1]
    return [dict(zip(names, line.split("\t"), strict=True)) for line in lines]


def capinfos(path: Path) -> str:
    """What capinfos says of the file."""
    return _run("capinfos", str(path))


def _run(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    warnings = [line for line in done.stderr.splitlines() if "could be dangerous" not in line]
    assert warnings == []  # "Running as user root …" is about the user, not the file
    return done.stdout

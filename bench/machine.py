"""On what it was measured, in words."""

import os
import platform
import re
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

__all__ = ["machine", "versions"]

_LOAD: Final = os.getloadavg()[0]  # when this was loaded, before anything is measured
_VERSIONS: Final[Mapping[str, Sequence[str]]] = {
    "gcc": ("cc", "--version"),
    "iproute2": ("ip", "-V"),
    "fping": ("fping", "--version"),
    "Mininet": ("mn", "--version"),
}


def machine() -> str:
    """Cores, what keeps them busy besides, kernel and Python."""
    flags = re.search(r"^(?:flags|Features)\s*:(.*)$", _cpuinfo(), re.MULTILINE)
    kind = "virtual machine" if flags and "hypervisor" in flags[1].split() else "machine"
    cores = len(os.sched_getaffinity(0))
    kernel = ".".join(platform.release().split(".")[:2])
    python = platform.python_version()
    busy = f"load {_LOAD:.1f} before it began"
    return f"a {kind} with {cores} cores{_processor()}, {busy}, Linux {kernel}, Python {python}"


def versions() -> str:
    """Of the programs that we are measured against, as far as they are there."""
    return ", ".join(f"{name} {number}" for name, number in _versions())


def _versions() -> Iterator[tuple[str, str]]:
    for name, argv in _VERSIONS.items():
        try:
            said = subprocess.run(argv, check=False, capture_output=True, text=True)
        except FileNotFoundError:
            continue
        found = re.search(r"\d+\.\d+(\.\d+)*", said.stdout + said.stderr)
        if found:
            yield name, found[0]


def _processor() -> str:
    model = re.search(r"^model name\s*:\s*(.+)$", _cpuinfo(), re.MULTILINE)
    return f" ({model[1]})" if model else ""


def _cpuinfo() -> str:
    return Path("/proc/cpuinfo").read_text(encoding="utf-8")

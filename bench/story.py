"""The reference story: `hopscope run bridge` against the same by hand, in turn."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from shutil import which
from typing import Final

from figures import cells, ratio, seconds_of, shown, table

__all__ = ["BY_HAND", "OURS", "measure", "missing", "summary"]

OURS: Final = "`hopscope run bridge`"
QUIET: Final = "`hopscope run bridge --quiet`"
BY_HAND: Final = "by hand, five tcpdumps"

_HOPSCOPE: Final = str(Path(sys.executable).parent / "hopscope")
_COMMANDS: Final[Mapping[str, Sequence[str]]] = {
    OURS: (_HOPSCOPE, "run", "bridge", "--out"),
    QUIET: (_HOPSCOPE, "run", "bridge", "--quiet", "--out"),
    BY_HAND: (
        *("unshare", "--net", "--mount", "--pid", "--fork", "--mount-proc"),
        *("sh", str(Path(__file__).parent / "story_by_hand.sh")),
    ),
}


def missing() -> str | None:
    """What is not there that it needs: as a rule, what doing it by hand needs."""
    if os.geteuid():
        return "by hand it takes root, because tcpdump gives up its rights"
    needed = ("brctl", "iptables", "arp", "ping", "tcpdump")
    absent = [program for program in needed if which(program) is None]
    return f"not installed: {', '.join(absent)}" if absent else None


def measure(rounds: int, tell: Callable[[str, float], None]) -> dict[str, list[float]]:
    """Both in turn, and that as often as there are rounds; first one that does not count."""
    found: dict[str, list[float]] = {name: [] for name in _COMMANDS}
    for number in range(rounds + 1):
        for name, argv in _COMMANDS.items():
            seconds = _seconds(argv)
            if number:
                found[name].append(seconds)
                tell(name, seconds)
    return found


def _seconds(argv: Sequence[str]) -> float:
    """How long the command takes, with a fresh folder as its last argument."""
    with tempfile.TemporaryDirectory() as folder:
        whole = (*argv, folder)
        return seconds_of(lambda: subprocess.run(whole, check=True, stdout=subprocess.DEVNULL))


def summary(found: Mapping[str, Sequence[float]]) -> str:
    """One table."""
    by_hand = found[BY_HAND]
    head = ("the reference story, seconds", "min", "median", "max", "÷ by hand")
    rows = ([name, *cells(f), shown(ratio(f, by_hand))] for name, f in found.items())
    return table(head, rows)

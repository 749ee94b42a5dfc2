"""What a machine's network looks like from outside, to compare before with after.

Left out is only what changes by itself: counters, timers, ages, neighbours that were learnt, and
the number of connections that the kernel still remembers.
"""

import contextlib
import re
import subprocess
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

from hopscope.errors import NotReadyError
from hopscope.kernel.waiting import wait_until

__all__ = ["HostState", "differences", "look", "settled"]

HostState = dict[str, list[str]]

_LOOK = r"""
echo '== links';     ip -d -o link
echo '== addresses'; ip -o address
echo '== routes';    ip route show table all; ip -6 route show table all
echo '== rules';     ip rule; ip -6 rule
echo '== neighbours'; ip neighbour
echo '== nft';       nft list ruleset
echo '== iptables';  iptables-save; ip6tables-save
echo '== sysctls';   grep -rs . /proc/sys/net
echo '== mounts';    cat /proc/self/mountinfo
echo '== netns';     ls /run/netns
echo '== files';     ls -d /tmp/hopscope-* /dev/shm/hopscope* 2>/dev/null
"""
_CHANGES_BY_ITSELF = (
    r"\w+_timer +\S+",
    r"valid_lft \S+|preferred_lft \S+|expires \S+|used \S+|age \S+",
    r"( lladdr \S+)?( router)? (REACHABLE|STALE|DELAY|PROBE|FAILED|INCOMPLETE)\b.*",
    r"^# (Generated|Completed) .*",
    r"\[\d+:\d+\]",
)
_NOT_COMPARED = ("nf_conntrack_count", "/tmp/hopscope-tests-", "netns_count")


def look(*, state: Path | None = None, inside: Sequence[str] = ()) -> HostState:
    """Everything; *state*: also the processes that have this folder among their arguments.

    *inside*: a command that runs another one in a namespace of the test's own.
    """
    done = subprocess.run(
        [*inside, "sh", "-c", _LOOK], capture_output=True, text=True, check=False, timeout=20
    )
    found: HostState = {}
    for line in done.stdout.splitlines():
        if line.startswith("== "):
            current = found[line[3:]] = []
        elif current is found.get("neighbours") and "PERMANENT" not in line:
            continue  # learnt, and forgotten, whoever else speaks
        elif not any(word in line for word in _NOT_COMPARED):
            for pattern in _CHANGES_BY_ITSELF:
                line = re.sub(pattern, "", line)  # noqa: PLW2901 - the stable part of it
            current.append(line.rstrip())
    if state is not None:
        found["processes"] = processes(state)
    return found


def processes(state: Path) -> list[str]:
    """Those that were started for labs recorded in *state*."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                argv = (entry / "cmdline").read_bytes()
            except OSError:
                continue
            if b"hopscope.kernel.holder.main" in argv and bytes(state) in argv:
                found.append(entry.name)
    return found


def differences(before: HostState, after: HostState) -> list[str]:
    """The lines that came and went; one that is there twice now came once."""
    found = []
    for what in before.keys() | after.keys():
        old, new = Counter(before.get(what, [])), Counter(after.get(what, []))
        found += [f"{what}: gone: {line}" for line in (old - new).elements()]
        found += [f"{what}: new: {line}" for line in (new - old).elements()]
    return found


def settled(before: HostState, now: Callable[[], HostState], *, within: float = 5.0) -> list[str]:
    """What still differs when the kernel has had its time to free what was let go."""
    left: list[str] = []

    def same() -> bool:
        left[:] = differences(before, now())
        return not left

    with contextlib.suppress(NotReadyError):
        wait_until(same, "the host as it was", within=within)
    return left

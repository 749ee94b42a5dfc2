"""What a pod costs when there are thousands: time to make it, and memory, on a tree of bridges.

A bridge takes at most 1,023 ports, so pods are counted in groups of a thousand, each on a bridge of
its own, and these bridges are joined by one more.
"""

import json
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from contenders import HOPSCOPE
from figures import middle, shown, table
from pods import address
from private import until_free

__all__ = ["Grown", "measure", "summary", "tree"]

LAB: Final = "tree"
GROUP: Final = 1000
MEMINFO: Final = Path("/proc/meminfo")


@dataclass(frozen=True, slots=True, kw_only=True)
class Grown:
    """One lab, once: seconds, and bytes of the machine's memory that it took."""

    pods: int
    up: float
    freed: float  # from the begin of `down`
    memory: int
    holder: int  # of these, what its holder has resident


def tree(pods: int) -> str:
    """A lab file; each group has a letter and a number: ``a1`` … ``a1000``, ``b1`` …."""
    sizes = [min(GROUP, pods - start) for start in range(0, pods, GROUP)]
    groups = {chr(ord("a") + number): size for number, size in enumerate(sizes)}
    counted = {
        name: {"count": size, "addresses": {"eth0": {"pool": "10.244.0.0/16"}}}
        for name, size in groups.items()
    }
    bridges: dict[str, dict[str, object]] = {f"br-{name}": {} for name in groups}
    links = [[f"{name}:eth0", f"host:{name}p@br-{name}"] for name in groups]
    joined = [[f"host:{name}-up@br0", f"host:{name}-down@br-{name}"] for name in groups]
    nodes = {"host": {"bridges": {"br0": {}, **bridges}}, **counted}
    return json.dumps({"name": LAB, "nodes": nodes, "links": [*links, *joined]})


def measure(counts: Sequence[int], rounds: int, tell: Callable[[Grown], None]) -> list[Grown]:
    """Each number of pods in turn, and that as often as there are rounds."""
    found: list[Grown] = []
    with tempfile.TemporaryDirectory() as folder:
        for _ in range(rounds):
            for pods in counts:
                file = Path(folder) / f"{pods}.json"
                file.write_text(tree(pods))
                found.append(_measure_once(pods, file))
                tell(found[-1])
    return found


def _measure_once(pods: int, file: Path) -> Grown:
    until_free()
    before = _available()
    begun = time.perf_counter()
    _run("up", str(file), "--quiet")
    up = time.perf_counter() - begun
    memory = before - _available()
    [lab] = json.loads(_run("ls", "--json"))
    holder = _resident(lab["pid"])
    _ping(pods, lab["pid"])
    begun = time.perf_counter()
    _run("down", LAB, "--quiet")
    until_free()
    freed = time.perf_counter() - begun
    return Grown(pods=pods, up=up, freed=freed, memory=memory, holder=holder)


def _ping(pods: int, holder: int) -> None:
    """From the first pod to the last, across the tree."""
    first = _inside(holder, _name(0))
    argv = (*first, "ping", "-q", "-c1", "-W2", str(address(pods - 1)))
    subprocess.run(argv, check=True, stdout=subprocess.DEVNULL)


def _name(pod: int) -> str:
    return f"{chr(ord('a') + pod // GROUP)}{pod % GROUP + 1}"


def _inside(holder: int, node: str) -> Sequence[str]:
    return "nsenter", f"--net=/proc/{holder}/root/run/netns/{node}", "--"


def _run(*words: str) -> str:
    argv = (HOPSCOPE, *words)
    return subprocess.run(argv, check=True, stdout=subprocess.PIPE, text=True).stdout


def _available() -> int:
    return _bytes(MEMINFO, "MemAvailable:")


def _resident(pid: int) -> int:
    return _bytes(Path(f"/proc/{pid}/status"), "VmRSS:")


def _bytes(file: Path, word: str) -> int:
    line = next(line for line in file.read_text().splitlines() if line.startswith(word))
    return int(line.split()[1]) * 1024


def summary(found: Sequence[Grown]) -> str:
    """One table; medians."""
    head = ("pods", "up, s", "per pod, ms", "freed, s", "memory per pod, kB", "the holder, MB")
    return table(head, _rows(found))


def _rows(found: Sequence[Grown]) -> Iterator[list[str]]:
    for pods in sorted({one.pods for one in found}):
        these = [one for one in found if one.pods == pods]
        up = middle([one.up for one in these])
        yield [
            f"{pods:,}",
            shown(up),
            shown(up / pods * 1000),
            shown(middle([one.freed for one in these])),
            shown(middle([one.memory for one in these]) / pods / 1000),
            shown(middle([one.holder for one in these]) / 1e6),
        ]

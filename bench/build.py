"""Seconds to make N pods, to let them go, and until the kernel has freed them, by contender."""

import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Final

from contenders import FLOOR, OURS, START, Contender
from figures import cells, middle, ratio, shown, table
from pods import address
from private import until_free

__all__ = ["Round", "contenders_of", "measure", "measure_once", "summary"]

_HEAD: Final = (
    *("", "up: min", "median", "max", "÷ floor"),
    *("down: min", "median", "max", "÷ floor", "freed: median", "÷ floor"),
)
_PATIENCE: Final = 10.0  # seconds in which ports come up that are going to
_BEYOND: Final = "hopscope, beyond its start"


@dataclass(frozen=True, slots=True, kw_only=True)
class Round:
    """What one contender took once, in seconds; *freed* counts from the begin of *down*."""

    contender: str
    pods: int
    up: float
    down: float
    freed: float


def measure(
    pods: int, rounds: int, contenders: Sequence[type[Contender]], tell: Callable[[Round], None]
) -> list[Round]:
    """All contenders in turn, and that as often as there are rounds."""
    found: list[Round] = []
    with ExitStack() as stack:
        made = [stack.enter_context(kind(pods)) for kind in contenders]
        until_free()
        for _ in range(rounds):
            for one in made:
                found.append(measure_once(one))
                tell(found[-1])
    return found


def measure_once(one: Contender) -> Round:
    """Up, verified, down, freed; AssertionError when what it made is not what was asked for."""
    one.prepare()
    begun = time.perf_counter()
    one.up()
    up = time.perf_counter() - begun
    if _until_all_forward(one):
        up = time.perf_counter() - begun
    _verify(one)
    begun = time.perf_counter()
    one.down()
    down = time.perf_counter() - begun
    until_free()
    freed = time.perf_counter() - begun
    return Round(contender=one.name, pods=one.pods, up=up, down=down, freed=freed)


def _until_all_forward(one: Contender) -> bool:
    """Wait until each port is up; whether there was anything to wait for.

    The kernel tells a bridge of a port's link a little later (linkwatch_event()).
    """
    if one.bridge is None:
        return False
    listing = (*one.inside(None), "ip", "-oneline", "link", "show", "master", one.bridge)
    deadline = time.monotonic() + _PATIENCE
    waited = False
    while (ports := _said(listing).count("state UP")) < one.pods:
        assert time.monotonic() < deadline, f"{one.name}: {ports} ports of {one.pods} are up"
        waited = True
    return waited


def _verify(one: Contender) -> None:
    """A few pods have no IPv6, and reach another one."""
    if one.bridge is None:
        return
    last = one.pods - 1
    for pod, other in {(0, last), (last, 0), (last // 2, last)}:
        six = _said((*one.inside(pod), "ip", "-6", "-oneline", "address"))
        assert not six, f"{one.name}: pod {pod} speaks IPv6: {six}"
        _said((*one.inside(pod), "ping", "-q", "-c1", "-W2", str(address(other))))


def _said(argv: Sequence[str]) -> str:
    return subprocess.run(argv, check=True, stdout=subprocess.PIPE, text=True).stdout


def contenders_of(rounds: Sequence[Round]) -> list[str]:
    """Their names, in the order in which they were measured."""
    return list(dict.fromkeys(one.contender for one in rounds))


def summary(rounds: Sequence[Round]) -> str:
    """A table for each number of pods."""
    parts = []
    for pods in sorted({one.pods for one in rounds}):
        these = [one for one in rounds if one.pods == pods]
        parts.append(f"{pods} pods, seconds:\n\n{table(_HEAD, _rows(these))}")
    return "\n".join(parts)


def _rows(rounds: Sequence[Round]) -> Iterator[list[str]]:
    by_name = {
        name: [one for one in rounds if one.contender == name] for name in contenders_of(rounds)
    }
    floor = by_name.get(FLOOR.name)
    for name, these in by_name.items():
        row = [name]
        for phase in ("up", "down", "freed"):
            figures = _figures(these, phase)
            row += cells(figures) if phase != "freed" else [shown(middle(figures))]
            row.append(_times(figures, _figures(floor, phase)) if floor else "")
        yield row
        if name == START.name and floor and OURS.name in by_name:
            yield _beyond_start(by_name[OURS.name], these, floor)


def _beyond_start(
    ours: Sequence[Round], start: Sequence[Round], floor: Sequence[Round]
) -> list[str]:
    """Ours, less what the same command takes for one empty node."""

    def less(phase: str, of_start: str) -> list[float]:
        pairs = zip(_figures(ours, phase), _figures(start, of_start), strict=True)
        return [one - other for one, other in pairs]

    up, freed = less("up", "up"), less("freed", "down")
    row = [_BEYOND, *cells(up), _times(up, _figures(floor, "up")), *[""] * 4]
    return [*row, shown(middle(freed)), _times(freed, _figures(floor, "freed"))]


def _figures(rounds: Sequence[Round], phase: str) -> list[float]:
    return [getattr(one, phase) for one in rounds]


def _times(figures: Sequence[float], floor: Sequence[float]) -> str:
    return shown(ratio(figures, floor))

"""Seconds until every pod has pinged every other one, on pods of the floor, by prober."""

import re
import subprocess
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from itertools import permutations
from shutil import which
from typing import ClassVar, Final, Self

import contenders
from compiled import compiled, no_compiler
from figures import cells, ratio, seconds_of, shown, table
from pods import LAB, address
from private import until_free

__all__ = ["PROBERS", "Prober", "Probing", "measure", "summary"]

SAMPLE: Final = 50
_SECONDS: Final = {"µs": 1e-6, "ms": 1e-3, "s": 1.0}


@dataclass(frozen=True, slots=True, kw_only=True)
class Probing:
    """What one prober took once, in seconds."""

    prober: str
    pods: int
    taken: float


class Prober(ABC):
    """Pings from each pod to all others."""

    name: ClassVar[str]

    def __init__(self, floor: contenders.Floor) -> None:
        """*floor*: its pods stand."""
        self.floor = floor
        self.pods = floor.pods
        self.pairs = floor.pods * (floor.pods - 1)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:  # noqa: B027 - the floor's pods are another's
        """What was made for it goes."""

    @classmethod
    @abstractmethod
    def missing(cls) -> str | None:
        """What is not there that it needs; None when it can be measured."""

    @abstractmethod
    def probe(self) -> int:
        """Ping, and fail when one does not answer; how many pairs. This is measured."""

    def parts(self) -> Mapping[str, float]:
        """What the last `probe` says that parts of it took, in seconds, by name."""
        return {}


class Floor(Prober):
    """Our own C program: a raw socket in each pod, as many requests at once as have room."""

    name = "floor"
    at_once: ClassVar[int] = 128

    def __init__(self, floor: contenders.Floor) -> None:
        super().__init__(floor)
        self._program = compiled("allpairs_floor", floor.folder)

    @classmethod
    def missing(cls) -> str | None:
        """A compiler."""
        return no_compiler()

    def probe(self) -> int:
        """It fails by itself."""
        argv = [self._program, self.floor.keeper, str(self.pods), str(self.at_once)]
        return int(subprocess.run(argv, check=True, stdout=subprocess.PIPE).stdout)


class TimedFloor(Floor):
    """The same program, which times each reply, as hopscope and ping do: one request at once."""

    name = "floor, each reply timed"
    at_once = 1


class Fping(Prober):
    """An fping in each pod, all at once."""

    name = "fping in each pod"

    def __init__(self, floor: contenders.Floor) -> None:
        super().__init__(floor)
        self._targets = floor.folder / "targets"
        self._targets.write_text("".join(f"{address(pod)}\n" for pod in range(self.pods)))

    @classmethod
    def missing(cls) -> str | None:
        """The program."""
        return None if which("fping") else "fping is not installed (Debian: fping)"

    def probe(self) -> int:
        """Without a pause between two targets, and without another try."""
        argv = ("fping", "-q", "-i0", "-r0", "-f", str(self._targets))
        running = [
            subprocess.Popen((*self.floor.inside(pod), *argv), stdout=subprocess.DEVNULL)
            for pod in range(self.pods)
        ]
        short = sum(bool(one.wait()) for one in running)
        assert not short, f"fping: {short} pods do not reach all others"
        return self.pairs


class Ping(Prober):
    """One ping after the other, as a script does; of a sample of the pairs."""

    name = f"ping, one by one (of {SAMPLE} pairs, scaled)"

    @classmethod
    def missing(cls) -> str | None:
        """The program."""
        return None if which("ping") else "ping is not installed (Debian: iputils-ping)"

    def probe(self) -> int:
        """Pairs from all over the network."""
        pairs = list(permutations(range(self.pods), 2))
        chosen = pairs[:: max(1, len(pairs) // SAMPLE)][:SAMPLE]
        for pod, other in chosen:
            argv = (*self.floor.inside(pod), "ping", "-q", "-c1", "-W2", str(address(other)))
            subprocess.run(argv, check=True, stdout=subprocess.DEVNULL)
        return len(chosen)


class Reachability(Prober):
    """Ours, in a lab of its own that is like the floor's pods."""

    name = "hopscope reachability"

    def __init__(self, floor: contenders.Floor) -> None:
        super().__init__(floor)
        self._lab = contenders.OURS(floor.pods)

    @classmethod
    def missing(cls) -> str | None:
        """Nothing."""
        return None

    def __enter__(self) -> Self:
        self._lab.prepare()
        self._lab.up()
        return self

    def __exit__(self, *_: object) -> None:
        """The lab ends."""
        with self._lab:
            self._lab.down()

    def probe(self) -> int:
        """It fails by itself; the lab's host has no address, and so is no target."""
        argv = (contenders.HOPSCOPE, "reachability", LAB)
        said = subprocess.run(argv, check=True, stdout=subprocess.PIPE, text=True).stdout
        pairs = re.search(r"(\d+) of \d+ pairs .* in ([\d.]+) (µs|ms|s)$", said, re.MULTILINE)
        assert pairs is not None, said
        self._took = float(pairs[2]) * _SECONDS[pairs[3]]
        return int(pairs[1])

    def parts(self) -> Mapping[str, float]:
        """From the first packet to the last answer: no start, no neighbours given, no table."""
        return {f"{self.name}, the probing alone": self._took}


PROBERS: Final[Sequence[type[Prober]]] = (Floor, TimedFloor, Reachability, Fping, Ping)


def measure(
    pods: int, rounds: int, probers: Sequence[type[Prober]], tell: Callable[[Probing], None]
) -> list[Probing]:
    """All probers in turn, and that as often as there are rounds; first one that does not count."""
    found: list[Probing] = []
    with _standing(pods) as floor, ExitStack() as stack:
        made = [stack.enter_context(kind(floor)) for kind in probers]
        for one in made:
            one.probe()  # so that the bridge has learnt every address
        for _ in range(rounds):
            for one in made:
                for probing in _probings(one):
                    found.append(probing)
                    tell(probing)
    return found


def _probings(one: Prober) -> Iterator[Probing]:
    reached: list[int] = []
    seconds = seconds_of(lambda: reached.append(one.probe()))
    for name, taken in {one.name: seconds, **one.parts()}.items():
        yield Probing(prober=name, pods=one.pods, taken=taken * one.pairs / reached[0])


@contextmanager
def _standing(pods: int) -> Iterator[contenders.Floor]:
    """The floor's pods, in which each knows the MAC address of every other one.

    The kernel keeps only so many neighbours that it has found by itself, in all namespaces
    together: a thousand, as a rule. All pairs of 33 pods are more.
    """
    with contenders.Floor(pods) as floor:
        floor.up()
        try:
            batch = floor.folder / "neighbours"
            batch.write_text("".join(map(_neighbour, range(pods))))
            for pod in range(pods):
                subprocess.run((*floor.inside(pod), "ip", "-batch", str(batch)), check=True)
            yield floor
        finally:
            floor.down()
            until_free()


def _neighbour(pod: int) -> str:
    mac = f"02:02:00:00:{pod >> 8:02x}:{pod & 255:02x}"  # as floor.c has them
    return f"neighbour add {address(pod)} lladdr {mac} dev eth0\n"


def summary(probings: Sequence[Probing]) -> str:
    """A table for each number of pods."""
    parts = []
    for pods in sorted({one.pods for one in probings}):
        these = [one for one in probings if one.pods == pods]
        ratios = ("÷ floor", "÷ timed")
        head = (f"{pods} pods, {pods * (pods - 1)} pairs", "min", "median", "max", *ratios)
        parts.append(table(head, _rows(these)))
    return "\n".join(parts)


def _rows(probings: Sequence[Probing]) -> Iterator[list[str]]:
    by_name: dict[str, list[float]] = {}
    for one in probings:
        by_name.setdefault(one.prober, []).append(one.taken)
    floors = [by_name.get(kind.name) for kind in (Floor, TimedFloor)]
    for name, figures in by_name.items():
        ratios = (shown(ratio(figures, floor)) if floor else "" for floor in floors)
        yield [name, *cells(figures), *ratios]

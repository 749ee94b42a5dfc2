"""Whoever makes N pods and lets them go: the floor, ours, and the peers.

Two kinds: a command that is started for each of the two, and a library whose worker is loaded
before, so that its start does not count. What is to be made is prepared before, too.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import ClassVar, Final, Self

from compiled import compiled, no_compiler
from pods import BRIDGE, LAB, SUBNET, address, counted, pod_name, port_name, written_out

__all__ = ["CONTENDERS", "FLOOR", "HOPSCOPE", "OURS", "START", "Contender"]

HERE: Final = Path(__file__).parent
PEERS: Final = HERE / "peers"
HOPSCOPE: Final = str(Path(sys.executable).parent / "hopscope")


class Contender(ABC):
    """Makes pods. A context manager, so that its folder goes."""

    name: ClassVar[str]
    bridge: ClassVar[str | None] = BRIDGE
    """What the pods are to be joined by; None: there is nothing to verify."""

    def __init__(self, pods: int) -> None:
        self.pods = pods
        self._temporary = tempfile.TemporaryDirectory()
        self.folder = Path(self._temporary.name)

    @classmethod
    def missing(cls) -> str | None:
        """What is not there that it needs; None when it can be measured."""
        return None

    def prepare(self) -> None:  # noqa: B027 - most have nothing to do
        """What comes before each time, and is not measured."""

    @abstractmethod
    def up(self) -> None:
        """Make the pods; this is measured."""

    @abstractmethod
    def down(self) -> None:
        """Let them go; this is measured."""

    @abstractmethod
    def inside(self, pod: int | None) -> Sequence[str]:
        """What runs a command in a pod, or where the bridge is."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Its folder goes."""
        self._temporary.cleanup()


class Command(Contender):
    """Two commands."""

    def up(self) -> None:
        """Run it."""
        self.said = _run(self._up())

    def down(self) -> None:
        """Run it."""
        _run(self._down())

    @abstractmethod
    def _up(self) -> Sequence[str]: ...

    @abstractmethod
    def _down(self) -> Sequence[str]: ...


class Floor(Command):
    """Our own C program."""

    name = "floor"

    def __init__(self, pods: int) -> None:
        super().__init__(pods)
        self._program = compiled("floor", self.folder)

    @classmethod
    def missing(cls) -> str | None:
        """A compiler."""
        return no_compiler()

    @property
    def keeper(self) -> str:
        """The PID of the process that keeps the pods."""
        return self.said

    def _up(self) -> Sequence[str]:
        return self._program, "up", str(self.pods)

    def _down(self) -> Sequence[str]:
        return self._program, "down", self.keeper

    def inside(self, pod: int | None) -> Sequence[str]:
        """Through its keeper."""
        return _kept(int(self.keeper), pod)


class Hopscope(Command):
    """The command, with a lab file that counts, and that it has not seen before."""

    name = "hopscope"

    def __init__(self, pods: int) -> None:
        super().__init__(pods)
        self._file = self.folder / "pods.yaml"

    def prepare(self) -> None:
        """Another text each time: hopscope remembers what a text means."""
        self._file.write_text(f"# {time.time_ns()}\n{self._lab()}")

    def _lab(self) -> str:
        return counted(self.pods)

    def _up(self) -> Sequence[str]:
        return HOPSCOPE, "up", str(self._file), "--quiet"

    def _down(self) -> Sequence[str]:
        return HOPSCOPE, "down", LAB, "--quiet"

    def inside(self, pod: int | None) -> Sequence[str]:
        """Through its holder."""
        return _kept(_holder(), pod)


class Start(Hopscope):
    """The command with a lab of one node, which has nothing: what it costs to be there at all."""

    name = "hopscope, one empty node"
    bridge = None

    def _lab(self) -> str:
        return f"name: {LAB}\nnodes:\n  {pod_name(0)}:\n"


class Remembered(Hopscope):
    """The command, with a lab file that it has seen before."""

    name = "hopscope, the same file again"

    def __init__(self, pods: int) -> None:
        super().__init__(pods)
        super().prepare()
        _run((HOPSCOPE, "check", str(self._file)))

    def prepare(self) -> None:
        """Nothing changes."""


class WrittenOut(Hopscope):
    """The command with a lab file of some thousand words."""

    name = "hopscope, each node written out"

    def _lab(self) -> str:
        return written_out(self.pods)


class Batch(Command):
    """iproute2's batches: two for the host, and one for each pod."""

    name = "ip -batch"

    def __init__(self, pods: int) -> None:
        super().__init__(pods)
        every = range(pods)
        self._write(
            "nodes",
            *(f"netns add {pod_name(pod)}" for pod in every),
            f"link add {BRIDGE} type bridge",
        )
        for pod in every:
            self._write(
                pod_name(pod),
                "link set lo up",
                f"link add eth0 type veth peer name {port_name(pod)} netns 1",
                f"address add {address(pod)}/{SUBNET.prefixlen} dev eth0",
                "link set eth0 up",
            )
        ports = (f"link set {port_name(pod)} master {BRIDGE} up" for pod in every)
        self._write("host", *ports, f"link set {BRIDGE} up")
        self._write(
            "end", *(f"netns delete {pod_name(pod)}" for pod in every), f"link delete {BRIDGE}"
        )

    def _write(self, name: str, *lines: str) -> None:
        (self.folder / name).write_text("\n".join(lines) + "\n")

    def _up(self) -> Sequence[str]:
        return "sh", str(PEERS / "batch_pods.sh"), "up", str(self.folder)

    def _down(self) -> Sequence[str]:
        return "sh", str(PEERS / "batch_pods.sh"), "down", str(self.folder)

    def inside(self, pod: int | None) -> Sequence[str]:
        """By its name."""
        return _by_name(pod)


class Shell(Command):
    """A command for each thing."""

    name = "shell script"

    def _up(self) -> Sequence[str]:
        return "sh", str(PEERS / "shell_pods.sh"), "up", str(self.pods)

    def _down(self) -> Sequence[str]:
        return "sh", str(PEERS / "shell_pods.sh"), "down", str(self.pods)

    def inside(self, pod: int | None) -> Sequence[str]:
        """By its name."""
        return _by_name(pod)


class Library(Contender):
    """A worker that has the library loaded, and does as it is told."""

    script: ClassVar[str]
    python: ClassVar[str] = sys.executable

    def __init__(self, pods: int) -> None:
        super().__init__(pods)
        self._worker = subprocess.Popen(
            [self.python, str(PEERS / self.script), str(pods)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=_environment(),
        )
        self.said: list[str] = []
        self._answer("ready")

    def up(self) -> None:
        """Have it done."""
        self.said = self._tell("up")

    def down(self) -> None:
        """Have it done."""
        self._tell("down")

    def inside(self, pod: int | None) -> Sequence[str]:
        """By its name."""
        return _by_name(pod)

    def __exit__(self, *_: object) -> None:
        """Nobody tells the worker anything more, and so it ends."""
        self._worker.communicate()
        super().__exit__()

    def _tell(self, what: str) -> list[str]:
        assert self._worker.stdin is not None
        self._worker.stdin.write(what + "\n")
        self._worker.stdin.flush()
        return self._answer("done")

    def _answer(self, expected: str) -> list[str]:
        assert self._worker.stdout is not None
        line = self._worker.stdout.readline().split()
        if line[:1] != [expected]:
            message = f"{self.name}: its worker does not say {expected!r}, but {line}"
            raise RuntimeError(message)
        return line[1:]


class HopscopeLibrary(Library):
    """The same as a library."""

    name = "hopscope as a library"
    script = "hopscope_pods.py"

    def inside(self, pod: int | None) -> Sequence[str]:
        """Through its holder."""
        return _kept(_holder(), pod)


class Pyroute2(Library):
    """The usual netlink library of Python."""

    name = "pyroute2"
    script = "pyroute2_pods.py"


class Mininet(Library):
    """The usual emulator; Debian's package is for the system's Python."""

    name = "Mininet"
    script = "mininet_pods.py"
    python = "/usr/bin/python3"

    @classmethod
    def missing(cls) -> str | None:
        """Its Python package, and what its bridge is made with."""
        known = [cls.python, "-c", "import mininet.net"]
        there = (
            shutil.which(cls.python)
            and not subprocess.run(known, check=False, stderr=subprocess.DEVNULL).returncode
        )
        if not there:
            return "mininet is not installed (Debian: mininet)"
        return None if shutil.which("brctl") else "brctl is not installed (Debian: bridge-utils)"

    def inside(self, pod: int | None) -> Sequence[str]:
        """Through the shell of the host; the bridge is where Mininet is."""
        return () if pod is None else ("nsenter", f"--net=/proc/{self.said[pod]}/ns/net")


FLOOR: Final = Floor
OURS: Final = Hopscope
START: Final = Start
CONTENDERS: Final[Sequence[type[Contender]]] = (
    Floor,
    Hopscope,
    Start,
    Remembered,
    WrittenOut,
    HopscopeLibrary,
    Batch,
    Shell,
    Pyroute2,
    Mininet,
)


def _kept(keeper: int, pod: int | None) -> Sequence[str]:
    """By way of the process that has the bridge in its own namespace, and the others by name."""
    within = "ns/net" if pod is None else f"root/run/netns/{pod_name(pod)}"
    return "nsenter", f"--net=/proc/{keeper}/{within}"


def _holder() -> int:
    (lab,) = json.loads(_run((HOPSCOPE, "ls", "--json")))
    return int(lab["pid"])


def _by_name(pod: int | None) -> Sequence[str]:
    return () if pod is None else ("nsenter", f"--net=/run/netns/{pod_name(pod)}")


def _environment() -> Mapping[str, str]:
    return {**os.environ, "PYTHONPATH": str(HERE)}


def _run(argv: Sequence[str]) -> str:
    done = subprocess.run(argv, check=True, stdout=subprocess.PIPE, text=True)
    return done.stdout.strip()

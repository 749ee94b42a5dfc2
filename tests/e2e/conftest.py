"""The command as a subprocess: labs with records of their own, terminals, another user."""

import contextlib
import os
import pty
import re
import select
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence

import pytest

from command import Hopscope, ordinary_user


class Terminal:
    """A program on a terminal of its own, as a person would use it."""

    def __init__(self, argv: Sequence[str], env: Mapping[str, str]) -> None:
        ours, theirs = pty.openpty()
        self.process = subprocess.Popen(
            ["setsid", "--ctty", *argv],
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            env={**env, "TERM": "xterm", "PS1": "READY> "},
        )
        os.close(theirs)
        self._fd = ours
        self.shown = ""

    def type(self, text: str) -> None:
        """Type it; control characters included."""
        os.write(self._fd, text.encode())

    def expect(self, pattern: str, *, within: float = 10.0) -> str:
        """Read until *pattern* shows; what was shown up to its end, which is then forgotten."""
        if not self.shows(pattern, within=within):
            pytest.fail(f"{pattern!r} does not show in:\n{self.shown}")
        end = next(re.finditer(pattern, self.shown, re.MULTILINE)).end()
        told, self.shown = self.shown[:end], self.shown[end:]
        return told

    def shows(self, pattern: str, *, within: float) -> bool:
        """Read until *pattern* shows; whether it does."""
        deadline = time.monotonic() + within
        while re.search(pattern, self.shown, re.MULTILINE) is None:
            if not self._more(deadline):
                return False
        return True

    def command(self, line: str, *, prompt: str = r"\) [^\n]*[#$] $") -> str:
        """Type a command line at a shell's prompt; what it shows up to the next prompt."""
        self.type(f"{line}\r")
        self.expect(r"\r\n")
        return self.expect(prompt)

    def wait(self, within: float = 10.0) -> int:
        """The exit status, once the program ends."""
        deadline = time.monotonic() + within
        while self._more(deadline):
            pass
        return self.process.wait(max(0.1, deadline - time.monotonic()))

    def close(self) -> None:
        """Hang up, and end it if it does not."""
        os.close(self._fd)
        try:
            self.process.wait(2)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def _more(self, deadline: float) -> bool:
        """Read some; False at the end or the deadline."""
        if not select.select([self._fd], [], [], max(0.0, deadline - time.monotonic()))[0]:
            return False
        try:
            data = os.read(self._fd, 1 << 16)
        except OSError:  # EIO: nobody has the other side any more
            return False
        self.shown += data.decode(errors="replace")
        return bool(data)


@pytest.fixture(scope="module")
def hopscope(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hopscope]:
    """The command, with a record of its own per test file; its labs are taken down afterwards."""
    made = Hopscope(state=tmp_path_factory.mktemp("labs") / "state")
    yield made
    made.end_all()


@pytest.fixture(scope="module")
def bridge(hopscope: Hopscope) -> str:
    """ns1 ── br0 ── ns2: the built-in lab, for tests that leave it as it is; its name."""
    return hopscope.up("bridge", "standing")


@pytest.fixture
def fresh(hopscope: Hopscope) -> Iterator[str]:
    """The same, of one test alone, to be changed and ended."""
    name = hopscope.up("bridge", "fresh")
    yield name
    hopscope("down", name)


@pytest.fixture
def terminal() -> Iterator[Callable[[Sequence[str], Mapping[str, str]], Terminal]]:
    """Starts programs on terminals; they are hung up afterwards."""
    with contextlib.ExitStack() as stack:

        def start(argv: Sequence[str], env: Mapping[str, str]) -> Terminal:
            made = Terminal(argv, env)
            stack.callback(made.close)
            return made

        yield start


@pytest.fixture(scope="module")
def ordinary(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hopscope]:
    """The command as an ordinary user: as nobody when the tests run as root."""
    yield from ordinary_user(tmp_path_factory.mktemp("state"))

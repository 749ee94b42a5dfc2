"""The command as a subprocess: labs with records of their own, terminals, another user."""

import contextlib
import json
import os
import pty
import re
import select
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

HOPSCOPE = Path(sys.executable).parent / "hopscope"
SOURCE = Path(__file__).parents[2] / "src"
NOBODY = 65534


@dataclass(frozen=True, kw_only=True)
class Hopscope:
    """The command with its own record of labs; call it with arguments."""

    state: Path
    argv: tuple[str, ...] = (str(HOPSCOPE),)
    env: Mapping[str, str] = field(default_factory=lambda: dict(os.environ))

    def environment(self, more: Mapping[str, str] | None = None) -> dict[str, str]:
        """What the command sees."""
        return {**self.env, "HOPSCOPE_STATE": str(self.state), **(more or {})}

    def __call__(
        self,
        *arguments: str,
        stdin: str = "",
        before: Sequence[str] = (),
        cwd: Path | None = None,
        env: Mapping[str, str] | None = None,
    ) -> subprocess.CompletedProcess[str]:
        """Run it to its end; *before*: a command that runs it."""
        return subprocess.run(
            [*before, *self.argv, *arguments],
            input=stdin,
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
            cwd=cwd,
            env=self.environment(env),
        )

    def start(self, *arguments: str) -> "subprocess.Popen[str]":
        """Run it in the background, its output in pipes."""
        return subprocess.Popen(
            [*self.argv, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=self.environment(),
        )

    def up(self, lab: str, name: str) -> str:
        """Start a lab under a name; that name."""
        done = self("up", lab, "--name", name)
        assert done.returncode == 0, done.stderr
        return name

    def end_all(self) -> None:
        """Take down every lab in its record, whatever became of the one before."""
        with contextlib.ExitStack() as stack:
            for folder in self.state.iterdir() if self.state.exists() else ():
                stack.callback(self._end, folder)

    def _end(self, folder: Path) -> None:
        """Also one whose holder does not answer, as when a test that stopped it has failed."""
        if self("down", folder.name).returncode == 3:
            os.kill(json.loads((folder / "lab.json").read_text())["pid"], signal.SIGKILL)
            self("down", folder.name)


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
    root = os.geteuid() == 0
    made = _as_nobody() if root else Hopscope(state=tmp_path_factory.mktemp("state"))
    yield made
    made.end_all()
    if root:
        shutil.rmtree(made.state.parent)


def _as_nobody() -> Hopscope:
    """The interpreter of the tests may lie where only root may look; then the system's."""
    # env in between: what setpriv itself starts still has root's way with files
    become = ("setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups", "env")
    home = Path(f"/tmp/hopscope-tests-{os.getpid()}")
    home.mkdir(mode=0o755)
    os.chown(home, NOBODY, NOBODY)
    packages = next(path for path in sys.path if path.endswith("site-packages"))
    env = {
        "HOME": str(home),
        "PATH": "/usr/local/bin:/usr/bin:/bin",
        "PYTHONPATH": f"{SOURCE}:{packages}",
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    start = "from hopscope.cli import main; main()"
    for python in (sys.executable, "/usr/bin/python3"):
        argv = (*become, python, "-c", start)
        tried = subprocess.run([*argv, "--version"], capture_output=True, check=False, env=env)
        if tried.returncode == 0:
            return Hopscope(state=home / "state", argv=argv, env=env)
    home.rmdir()
    pytest.skip("no Python here that the user nobody can run with these packages")

"""The command as a subprocess, with a record of labs of its own; also as an ordinary user."""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

__all__ = ["HOPSCOPE", "Hopscope", "ordinary_user"]

HOPSCOPE = Path(sys.executable).parent / "hopscope"
SOURCE = Path(__file__).parents[1] / "src"
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


def ordinary_user(folder: Path) -> Iterator[Hopscope]:
    """The command as an ordinary user: as nobody when the tests run as root, else as we are.

    It records its labs in *folder*, or where nobody may; those that stand at the end are ended.
    """
    root = os.geteuid() == 0
    made = _as_nobody() if root else Hopscope(state=folder)
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

"""What a run loads, and what it does not."""

import subprocess
import sys

import pytest

_SILENT = """
import sys
from hopscope.cli.loading import load_msgspec
load_msgspec()
from hopscope.cli.telling import Silent
from hopscope.lab.declare import parse, source_of
from hopscope.lab import running, writer
Silent().load()
parse(*source_of("bridge"))
print(*sys.modules)
"""


@pytest.fixture(scope="module")
def loaded() -> set[str]:
    """The modules of a silent run of a lab that was checked before, when its lab stands."""
    for _ in "12":
        done = subprocess.run(
            [sys.executable, "-c", _SILENT], capture_output=True, text=True, check=True
        )
    return set(done.stdout.split())


@pytest.mark.parametrize(
    "slow", ["pydantic", "ruamel", "rich", "jinja2", "typing_extensions", "importlib.metadata"]
)
def test_a_silent_run_loads_none_of_the_slow_ones(loaded: set[str], slow: str) -> None:
    """Each of them takes longer than building the lab."""
    assert slow not in loaded
    assert "msgspec" in loaded


def test_who_needs_typing_extensions_still_gets_it() -> None:
    program = "from hopscope.cli.loading import load_msgspec as f; f(); f(); import hopscope.spec"
    subprocess.run([sys.executable, "-c", program], check=True)


_INTERRUPTED = """
import os, signal, sys
class Interrupting:
    def find_spec(self, name, path=None, target=None):
        if name == sys.argv[-1]:
            os.kill(os.getpid(), signal.SIGINT)
sys.meta_path.insert(0, Interrupting())
sys.modules.pop("enum")
from hopscope.cli import main
main()
"""


@pytest.mark.parametrize("at", ["hopscope.cli.command", "enum", "typing", "hopscope.errors"])
def test_an_interruption_of_loading_is_no_traceback(at: str) -> None:
    """It ends as an interruption of the work does."""
    for command, said in (
        ("up", b"hopscope: interrupted; all is as it was before\n"),
        ("import", b"hopscope: interrupted; all is as it was before\n"),
        ("--version", b""),
    ):
        argv = [sys.executable, "-c", _INTERRUPTED, command, at]
        done = subprocess.run(argv, capture_output=True, check=False)
        assert (done.returncode, done.stdout, done.stderr) == (130, b"", said)


def test_the_guardian_of_a_host_loads_no_planner() -> None:
    """It stands as long as the lab does, and takes back what is on record."""
    program = "import sys, hopscope.kernel.onhost.guardian; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert not {"hopscope.plan.compile", "hopscope.plan.ops"} & set(done.stdout.split())

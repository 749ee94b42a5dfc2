"""The command, as root and as an ordinary user, with folders in which nothing may be left."""

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from command import Hopscope, ordinary_user
from leftovers import adopting
from proofsizes import SEED, Tell

_told: list[str] = []


@pytest.fixture
def tell(request: pytest.FixtureRequest) -> Tell:
    """Say at the end of the run what was tried."""
    return lambda words: _told.append(f"{request.node.name}: {words}")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """What was tried, and the seed by which it can be tried again."""
    for words in _told:
        terminalreporter.write_line(words)
    terminalreporter.write_line(f"proofs: HOPSCOPE_SEED={SEED}")


@pytest.fixture(params=["as-we-are", "ordinary"])
def hopscope(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Hopscope]:
    """The command; whatever outlives it becomes a child of this process.

    Its records, its cache and its temporary files each have a folder of their own.
    """
    with adopting():
        if request.param == "ordinary":
            for made in ordinary_user(tmp_path / "ordinary"):
                yield _furnished(made, made.state.parent)
            return
        made = _furnished(Hopscope(state=tmp_path / "state"), tmp_path)
        yield made
        made.end_all()


def _furnished(made: Hopscope, home: Path) -> Hopscope:
    """Folders belong to whoever owns *home*."""
    more = {}
    for name, variable in (("tmp", "TMPDIR"), ("cache", "XDG_CACHE_HOME")):
        folder = home / name
        folder.mkdir(mode=0o700)
        owner = home.stat()
        os.chown(folder, owner.st_uid, owner.st_gid)
        more[variable] = str(folder)
    return replace(made, env={**made.env, **more})


@pytest.fixture
def records(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder in which labs of this process are recorded."""
    home = tmp_path / "state"
    monkeypatch.setenv("HOPSCOPE_STATE", str(home))
    return home

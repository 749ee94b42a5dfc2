"""Sandboxes with a record of labs of each test's own, in this process."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from hopscope.errors import CannotError
from hopscope.kernel import state
from hopscope.kernel.sandbox import Sandbox
from hopscope.model.vocab import NodeName

Start = Callable[..., Sandbox]


@pytest.fixture
def records(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder in which labs are recorded."""
    home = tmp_path / "state"
    monkeypatch.setenv("HOPSCOPE_STATE", str(home))
    return home


@pytest.fixture
def start(records: Path) -> Iterator[Start]:
    """Starts sandboxes of some nodes; they are ended afterwards."""
    made: list[Sandbox] = []

    def one(*nodes: str, name: str = "lab", home: str | None = None) -> Sandbox:
        claimed = state.claim(name)
        try:
            sandbox = Sandbox.start(claimed)
        except CannotError as error:
            pytest.skip(str(error))
        finally:
            claimed.close()
        made.append(sandbox)
        names = [NodeName(node) for node in nodes]
        sandbox.make_nodes(names, home=NodeName(home) if home else None)
        sandbox.await_nodes()
        return sandbox

    yield one
    for sandbox in made:
        sandbox.stop()


@pytest.fixture
def sandbox(start: Start) -> Sandbox:
    """host, which is the holder's own namespace, and ns1."""
    return start("host", "ns1", home="host")

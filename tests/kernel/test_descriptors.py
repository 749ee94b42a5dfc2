"""How many files may be open: a large lab raises that for itself, and for nobody else."""

import resource
import socket
import subprocess
from collections.abc import Callable, Iterator

import pytest

from hopscope.kernel.sandbox import Sandbox
from hopscope.model.vocab import NodeName

pytestmark = pytest.mark.kernel

Limits = tuple[int, int]


@pytest.fixture
def limits() -> Iterator[Limits]:
    """Those of this process: usual ones, below what is allowed."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    usual = 1024, before[1]
    if usual[1] < 4096:
        pytest.skip("no more files than usual are allowed")
    resource.setrlimit(resource.RLIMIT_NOFILE, usual)
    yield usual
    resource.setrlimit(resource.RLIMIT_NOFILE, before)


def now() -> Limits:
    return resource.getrlimit(resource.RLIMIT_NOFILE)


def inside(sandbox: Sandbox) -> int:
    """What a program in it is given."""
    return int(sandbox.run(sandbox.nodes[0], ["sh", "-c", "ulimit -n"]).stdout)


def grow(sandbox: Sandbox) -> list[socket.socket]:
    """Open more files in it than is usual."""
    node = NodeName("ns1")
    return sandbox.open_sockets([(node, socket.AF_INET, socket.SOCK_DGRAM, 0)] * 1500)


def test_a_small_lab_raises_nothing(limits: Limits, sandbox: Sandbox) -> None:
    assert sandbox.nodes
    assert now() == limits
    done = subprocess.run(["sh", "-c", "ulimit -n"], capture_output=True, check=True)
    assert int(done.stdout) == limits[0]
    assert inside(sandbox) == limits[0]


def test_a_large_lab_raises_it_for_itself_and_for_a_while(
    limits: Limits, start: Callable[..., Sandbox]
) -> None:
    large = start("ns1")
    sockets = grow(large)
    assert now() == (limits[1], limits[1])
    beside = start("ns1", name="beside")
    assert inside(large) == inside(beside) == limits[0]
    for one in sockets:
        one.close()
    large.stop()
    assert now() == limits
    assert beside.run(NodeName("ns1"), ["true"]).code == 0


def test_a_limit_that_somebody_chose_meanwhile_stays(
    limits: Limits, start: Callable[..., Sandbox]
) -> None:
    large = start("ns1")
    for one in grow(large):
        one.close()
    chosen = 2000, limits[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, chosen)
    large.stop()
    assert now() == chosen

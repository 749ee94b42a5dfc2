"""Clients of a holder that are slow, silent or rude: what others notice of them is nothing."""

import contextlib
import errno
import os
import signal
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from hopscope.kernel import letters
from hopscope.kernel.sandbox import Sandbox
from hopscope.kernel.waiting import wait_until
from hopscope.model.vocab import NodeName

pytestmark = pytest.mark.kernel

NS1 = NodeName("ns1")
PATHS = [f"/proc/sys/net/ipv4/no-such-{number:08}" for number in range(1000)]


@pytest.fixture
def client(sandbox: Sandbox, records: Path) -> Iterator[socket.socket]:
    """A connection to the sandbox's holder, which waits for nothing."""
    assert sandbox.nodes
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as made:
        made.connect(str(records / "lab" / "control"))
        made.setblocking(False)
        yield made


def ask_all(sandbox: Sandbox, client: socket.socket, do: str, **fields: object) -> int:
    """Ask until the holder hears no more of it; how often that was. Others are heard still."""
    sandbox._patience = 5
    asked = 0
    while True:
        before = asked
        with contextlib.suppress(BlockingIOError):
            while True:
                letters.send(client, {"do": do, "id": asked, **fields})
                asked += 1
        assert sandbox.run(NS1, ["echo", "meanwhile"]).stdout == b"meanwhile\n"
        if asked == before:
            return asked


@pytest.mark.parametrize("paths", [PATHS[:1], PATHS], ids=["short", "long"])
def test_one_that_never_reads_stops_itself_alone(
    sandbox: Sandbox, client: socket.socket, paths: list[str]
) -> None:
    """And when it reads at last, nothing is missing, however large."""
    asked = ask_all(sandbox, client, "read", node=NS1, paths=paths)
    client.settimeout(5)
    answers = [letters.receive(client)[0] for _ in range(asked)]
    assert [answer["id"] for answer in answers] == list(range(asked))
    assert all(answer["texts"] == dict.fromkeys(paths) for answer in answers)
    letters.send(client, {"do": "names", "id": asked})
    assert letters.receive(client)[0]["made"] == ["host", "ns1"]


def test_ends_of_programs_wait_for_one_that_does_not_read(
    sandbox: Sandbox, client: socket.socket
) -> None:
    """More than there is room for, and after the last request."""
    count = 400
    client.settimeout(5)
    run = {"do": "run", "node": NS1, "argv": ["sleep", "86396"], "env": dict(os.environ)}
    with Path(os.devnull).open("r+b") as null:
        for number in range(count):
            letters.send(client, {**run, "id": number}, [null.fileno()] * 3)
    wait_until(lambda: len(sleepers(sandbox)) == count, "the sleepers", within=10)
    sandbox._patience = 5
    assert sandbox.run(NS1, ["kill", *sleepers(sandbox)]).code == 0
    wait_until(lambda: not sleepers(sandbox), "their end", within=10)
    ended = [letters.receive(client)[0] for _ in range(count)]
    assert sorted(answer["id"] for answer in ended) == list(range(count))
    assert {answer["status"] for answer in ended} == {signal.SIGTERM}


def sleepers(sandbox: Sandbox) -> list[str]:
    """The numbers of the sleeping programs in the lab."""
    return sandbox.run(NS1, ["pidof", "sleep"]).stdout.decode().split()


@pytest.mark.skipif(
    os.geteuid() != 0, reason="only root may have so many descriptors under way (ETOOMANYREFS)"
)
def test_what_waits_for_one_that_leaves_is_let_go(sandbox: Sandbox, client: socket.socket) -> None:
    """With its descriptors."""
    folder = Path(f"/proc/{sandbox.pid}/fd")
    client.settimeout(5)
    letters.send(client, {"do": "names", "id": 0})
    letters.receive(client)  # it has been welcomed
    client.setblocking(False)
    before = len(list(folder.iterdir()))
    ask_all(sandbox, client, "namespaces", names=["ns1"] * 100)
    assert len(list(folder.iterdir())) > before
    client.close()
    wait_until(lambda: len(list(folder.iterdir())) < before, "fewer descriptors", within=5)


@pytest.mark.parametrize(
    "words",
    [
        b"5",
        b"[]",
        b"{",
        b'{"memory": []}',
        b'{"memory": 1e999}',
        b'{"do": 1}',
        b"null",
        pytest.param(b"[" * 60_000, id="deep"),
    ],
)
def test_one_that_is_rude_is_let_go(sandbox: Sandbox, client: socket.socket, words: bytes) -> None:
    client.settimeout(5)
    with Path(os.devnull).open("rb") as null:
        socket.send_fds(client, [words], [null.fileno()])
    answer, _fds = letters.receive(client)
    assert answer == {} or answer["error"] == errno.EINVAL
    assert sandbox.run(NS1, ["true"]).code == 0

"""One lab, asked by several threads of a program at once: each gets what it asked for."""

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import Any

import pytest

from hopscope import CannotError, Lab, StandingLab
from hopscope.kernel.sandbox import Sandbox
from hopscope.kernel.waiting import wait_until
from hopscope.model.vocab import NodeName
from hopscope.wire import rtnl

pytestmark = [pytest.mark.kernel, pytest.mark.usefixtures("records")]

LIMIT = 30.0
"""Seconds after which something hangs: all of it takes a few."""


def begun(work: Callable[[], Any]) -> "Future[Any]":
    """That work, done by a thread that a test does not wait for without end."""
    future: Future[Any] = Future()

    def run() -> None:
        try:
            future.set_result(work())
        except BaseException as error:  # noqa: BLE001 - raised where the result is wanted
            future.set_exception(error)

    threading.Thread(target=run, daemon=True).start()
    return future


def at_once(tasks: Sequence[Callable[[], Any]]) -> list[Any]:
    """All of them, by a thread each that begins with the others; their results."""
    ready = threading.Barrier(len(tasks))

    def together(task: Callable[[], Any]) -> Callable[[], Any]:
        def work() -> Any:
            ready.wait(LIMIT)
            return task()

        return work

    return [future.result(LIMIT) for future in [begun(together(task)) for task in tasks]]


@pytest.fixture
def pair() -> Lab:
    """ns1 ── br0 ── ns2."""
    lab = Lab("pair").node("host", bridges=["br0"])
    for name, address in (("ns1", "10.0.0.1/24"), ("ns2", "10.0.0.2/24")):
        lab.node(name, addresses={"eth0": address}).link(f"{name}:eth0", f"host:{name}@br0")
    return lab


def test_each_thread_gets_its_own_answers(sandbox: Sandbox) -> None:
    """Programs' ends, files, descriptors, dumps of tables: many times each."""
    node, path = NodeName("ns1"), "/proc/sys/kernel/hostname"
    assert sandbox.run(node, ["ip", "link", "set", "lo", "up"]).code == 0

    def runs(number: int) -> None:
        for _ in range(20):
            assert sandbox.run(node, ["echo", str(number)]).stdout == b"%d\n" % number

    def files() -> None:
        for _ in range(200):
            assert sandbox.read_files(node, [path]) == {path: "lab\n"}

    def tables() -> None:
        for _ in range(200):
            assert len(sandbox.ask(node, rtnl.dump_addresses())) >= 1

    def sockets() -> None:
        for _ in range(100):
            made = sandbox.open_sockets([(node, 2, 2, 0)] * 3)
            assert len({one.fileno() for one in made}) == 3
            for one in made:
                one.close()

    def fresh() -> None:
        for _ in range(5):
            with sandbox.fresh_node() as passing:
                assert sandbox.read_files(passing, [path]) == {path: "lab\n"}

    at_once([*(lambda n=n: runs(n) for n in range(4)), *[files, tables, sockets, fresh] * 2])
    assert sandbox.nodes == ("host", "ns1")


def test_a_lab_is_pinged_and_looked_at_by_many(pair: Lab) -> None:
    with pair.up() as lab:

        def pings() -> list[bool]:
            return [lab.ping("ns1", "ns2").replied for _ in range(3)]

        def looks() -> list[bool]:
            names = ["lo", "br0", "ns1", "ns2"]
            seen = (lab.snapshot("host").nodes[0].links for _ in range(10))
            return [[link.name for link in links] == names for links in seen]

        def compares() -> list[bool]:
            return [lab.differences().changes == () for _ in range(3)]

        done = at_once([pings, looks, compares] * 2)
    assert [all(results) for results in done] == [True] * 6


def test_a_program_that_runs_keeps_nobody(pair: Lab) -> None:
    """Not even whoever would have it end."""
    with pair.up() as lab:
        server = begun(lambda: lab.run("ns1", ["sleep", "86395"]))
        wait_until(lambda: sleeping(lab) != [], "the program", within=LIMIT)
        assert begun(lambda: lab.ping("ns2", "ns1").replied).result(LIMIT)
        assert not server.done()
        assert lab.run("ns2", ["kill", *sleeping(lab)]).code == 0
        assert server.result(LIMIT).code == -15


def sleeping(lab: StandingLab) -> list[str]:
    """The numbers of such programs in the lab."""
    return lab.run("ns2", ["pidof", "sleep"]).stdout.decode().split()


def test_who_waits_for_a_lab_that_is_taken_down_is_told(pair: Lab) -> None:
    with pair.up() as lab:
        waiting = [begun(lambda: lab.run("ns1", ["sleep", "86394"])) for _ in range(3)]
        wait_until(lambda: len(sleeping(lab)) == 3, "the programs", within=LIMIT)
        lab.down()
        for one in waiting:
            with pytest.raises(CannotError, match=r"has ended|was taken down"):
                one.result(LIMIT)

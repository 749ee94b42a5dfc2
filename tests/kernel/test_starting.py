"""A holder's process that is started before anybody knows of which lab."""

import os
import select
import signal
from pathlib import Path

import pytest

from hopscope.errors import CannotError
from hopscope.kernel import state
from hopscope.kernel.sandbox import Sandbox
from hopscope.kernel.starting import Starter
from hopscope.model.vocab import NodeName

pytestmark = pytest.mark.kernel

NS1 = NodeName("ns1")


def child(starter: Starter) -> int:
    """A descriptor of its process, and so also of one that has ended."""
    return os.pidfd_open(number(starter))


def number(starter: Starter) -> int:
    """Its PID."""
    assert starter._child is not None
    return starter._child.pid


def ends(process: int) -> bool:
    """Whether it does."""
    poller = select.poll()
    poller.register(process, select.POLLIN)
    try:
        return bool(poller.poll(10_000))
    finally:
        os.close(process)


def test_one_that_is_closed_ends(records: Path) -> None:
    """Closed twice, too; and it has made no lab."""
    starter = Starter()
    process = child(starter)
    starter.close()
    starter.close()
    assert ends(process)
    assert list(records.iterdir()) == []


def test_one_whose_maker_is_gone_ends_by_itself(records: Path) -> None:
    """As after kill -9, when nobody closes it but the kernel its socket."""
    starter = Starter()
    process = child(starter)
    starter.control.close()
    assert ends(process)
    assert os.waitstatus_to_exitcode(os.waitpid(number(starter), 0)[1]) == 0


def test_one_becomes_the_holder_of_the_lab_that_it_is_told(records: Path) -> None:
    """And is closed no more."""
    starter = Starter()
    claimed = state.claim("later")
    done: list[str] = []
    try:
        sandbox = Sandbox.start(
            claimed, starter=starter, meanwhile=lambda: done.append("meanwhile")
        )
    except CannotError as error:
        pytest.skip(str(error))
    finally:
        claimed.close()
    try:
        assert done == ["meanwhile"]
        starter.close()
        sandbox.make_nodes([NS1], home=None)
        assert sandbox.run(NS1, ["hostname"]).stdout == b"later\n"
    finally:
        sandbox.stop()


def test_one_that_died_meanwhile_is_told(records: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hopscope.kernel.starting._HOLDER", "pass")
    starter = Starter()
    assert ends(child(starter))
    claimed = state.claim("never")
    with pytest.raises(CannotError, match="ended while it was being set up"):
        Sandbox.start(claimed, starter=starter)
    claimed.clear()


def test_what_goes_wrong_meanwhile_ends_it(records: Path) -> None:
    """Ctrl-C, as a rule."""
    starter = Starter()
    process = child(starter)
    claimed = state.claim("broken")

    def interrupted() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Sandbox.start(claimed, starter=starter, meanwhile=interrupted)
    assert ends(process)
    claimed.clear()
    assert list(records.iterdir()) == []


def test_the_holder_needs_its_parent_no_more(records: Path) -> None:
    """Which may be killed as soon as it has forked it; it ends by itself in a moment."""
    starter = Starter()
    claimed = state.claim("orphan")
    children = Path(f"/proc/{number(starter)}/task/{number(starter)}/children")

    process = child(starter)

    def kill() -> None:
        while not children.read_text() and not select.select([process], [], [], 0)[0]:
            pass
        signal.pidfd_send_signal(process, signal.SIGKILL)

    try:
        sandbox = Sandbox.start(claimed, starter=starter, meanwhile=kill)
    finally:
        os.close(process)
        claimed.close()
    assert Path(f"/proc/{sandbox.pid}/cmdline").read_bytes().endswith(bytes(records) + b"\0")
    assert (Path(f"/proc/{sandbox.pid}/status").read_text().split("NSpid:")[1].split()[1]) == "1"
    sandbox.stop()
    state.take("orphan").clear()  # type: ignore[union-attr]  # nobody else has it

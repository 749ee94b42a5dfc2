"""The holder's record of LOG rules: it has an end."""

import os
from pathlib import Path

import pytest

from hopscope.kernel.holder.logfile import MOST_LOGGED, RECORD
from hopscope.kernel.sandbox import Sandbox
from hopscope.model.vocab import NodeName
from hopscope.observe.loglines import listen

pytestmark = pytest.mark.kernel

HOST = NodeName("host")
RULE = ("iptables", "-A", "OUTPUT", "-j", "LOG", "--log-prefix", "out-")


@pytest.fixture
def log(sandbox: Sandbox, records: Path) -> Path:
    """The record of a sandbox whose home has a rule that logs."""
    assert listen(sandbox, [HOST]) == []
    assert sandbox.run(HOST, ["ip", "link", "set", "lo", "up"]).code == 0
    assert sandbox.run(HOST, RULE).code == 0
    return records / "lab" / "nflog"


def test_a_full_record_says_so_once_and_grows_no_more(sandbox: Sandbox, log: Path) -> None:
    """An entry without a message tells a reader that something was lost."""
    ping = ["ping", "-c1", "-W1", "127.0.0.1"]
    before = sandbox.flush()
    assert sandbox.run(HOST, ping).code == 0
    assert sandbox.flush() > before
    os.truncate(log, MOST_LOGGED - RECORD.size)  # a hole, which takes no room
    assert sandbox.run(HOST, ping).code == 0
    assert sandbox.flush() == MOST_LOGGED
    assert sandbox.run(HOST, ping).code == 0
    assert sandbox.flush() == MOST_LOGGED
    with log.open("rb") as file:
        file.seek(-RECORD.size, os.SEEK_END)
        time, node, length = RECORD.unpack(file.read())
    assert time > 0
    assert (node, length) == (0, 0)

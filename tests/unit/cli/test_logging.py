"""Which lines of the machine's kernel log are a lab's, with --on-host."""

import pytest

from hopscope.cli.logging import _is_ours, _prefixes
from hopscope.kernel.onhost.kmsg import KernelLine
from hopscope.kernel.state import LabFile
from hopscope.lab.declare import built_in
from hopscope.model.vocab import Nanos

PREFIXES = {"Nat-PREROUTING-1-", "Filter-FORWARD-1-", "Nat-POSTROUTING-1-"}


def lab(source: str) -> LabFile:
    """A lab on the real host, of that text."""
    return LabFile(
        name="x",
        pid=1,
        mode="on-host",
        source=source,
        file="x.yaml",
        nodes=("host",),
        home="host",
        started=1000,
    )


def test_the_prefixes_of_the_story_count() -> None:
    """The built-in lab adds its rules while it runs."""
    assert _prefixes(lab(built_in()["bridge"])) == PREFIXES


def test_only_the_hosts_own_rules_count() -> None:
    """A rule that logs without a prefix has the empty one."""
    source = """
name: x
nodes:
  host:
    bridges: {br0: {}}
    iptables: [-A FORWARD -j LOG, -A FORWARD -j ACCEPT, '-A INPUT -j LOG --log-prefix "a b "']
  ns1: {iptables: [-A INPUT -j LOG --log-prefix inside-]}
links: [[ns1:e0, host:e1@br0]]
"""
    assert _prefixes(lab(source)) == {"", "a b "}


@pytest.mark.parametrize(
    ("at", "text", "ours"),
    [
        (1000, "Nat-PREROUTING-1-IN=br0 OUT= ", True),
        (999, "Nat-PREROUTING-1-IN=br0 OUT= ", False),
        (2000, "Nat-PREROUTING-2-IN=br0 OUT= ", False),
        (2000, "usb 1-1: new device, Nat-PREROUTING-1-IN=", False),
    ],
)
def test_a_line_is_the_labs_by_prefix_and_time(at: int, text: str, ours: bool) -> None:  # noqa: FBT001
    """Other labs and other firewalls log there too, as does an earlier run of this one."""
    said = KernelLine(at=Nanos(at), level=4, text=text)
    assert _is_ours(said, PREFIXES, 1000) is ours

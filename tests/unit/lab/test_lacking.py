"""What a kernel lacks that a lab asks for, told before anything is built."""

import errno

import pytest

from hopscope.kernel.machine.trial import Tried
from hopscope.lab import lacking as module
from hopscope.lab.declare import parse
from hopscope.lab.lacking import lacking

LAB = """
name: all
nodes:
  a:
    bridges: {br0: {vlan_filtering: true}}
    devices:
      m: {kind: macvlan, over: e}
      x: {kind: vxlan, id: 7, remote: 10.0.0.9}
      t: {kind: tap}
  b: {}
links:
  - {ends: [a:e, b:e], delay: 20ms}
  - {ends: [a:f, b:f], rate: 1mbit, delay: 1ms}
"""
ATTEMPTS = ("netem", "tbf", "bridge vlans", "macvlan", "vxlan", "tun")


def kernel(monkeypatch: pytest.MonkeyPatch, **codes: int) -> None:
    """One that refuses these, and all else well."""
    tried = {name: Tried(codes.get(name.replace(" ", "_"), 0)) for name in ATTEMPTS}
    monkeypatch.setattr(module, "try_out", lambda **_: tried)


def test_each_is_told_once_by_the_first_line_that_asks(monkeypatch: pytest.MonkeyPatch) -> None:
    absent = errno.EOPNOTSUPP
    kernel(
        monkeypatch,
        netem=errno.ENOENT,
        tbf=errno.ENOENT,
        bridge_vlans=absent,
        macvlan=absent,
        vxlan=absent,
        tun=errno.EACCES,
    )
    told = [error.what.partition("all.yaml:")[2] for error in lacking(parse(LAB, "all.yaml"))]
    assert sorted((one.split(":")[0], one.rpartition(": ")[2]) for one in told) == [
        ("12", "this kernel has no netem"),
        ("13", "this kernel has no tbf"),
        ("5", "this kernel has no VLAN filtering of bridges"),
        ("7", "this kernel has no macvlan devices"),
        ("8", "this kernel has no vxlan devices"),
        ("9", "this user may not open /dev/net/tun"),
    ]


def test_a_kernel_that_has_all_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """And one in which nothing could be tried says nothing."""
    kernel(monkeypatch)
    assert lacking(parse(LAB, "all.yaml")) == ()
    monkeypatch.setattr(module, "try_out", lambda **_: {})
    assert lacking(parse(LAB, "all.yaml")) == ()


def test_what_every_kernel_has_is_not_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "try_out", None)
    assert lacking(parse("name: x\nnodes: {a: {bridges: {br0: {}}}}", "x.yaml")) == ()

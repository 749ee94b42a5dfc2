"""Labs that were checked before: recalled when they would come out the same, and only then."""

import os
import struct
import zlib
from collections.abc import Collection
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hopscope import SpecError, spec
from hopscope.lab import declare, known
from hopscope.lab.declare import built_in, parse
from hopscope.model.lab import LabSpec
from hopscope.version import VERSION

TEXT = b"name: one\nnodes: {a: {sysctls: {net.ipv4.ip_forward: 1}}}\n"
RICH = b"""
name: rich
description: All that a lab file can hold.
nodes:
  host:
    bridges: {br0: {nf_call_iptables: true, stp: true}, br1: {mac: "02:00:00:00:00:b1", mtu: 1400}}
    iptables: [-A FORWARD -p icmp -j ACCEPT]
    ip6tables: [-A INPUT -j ACCEPT]
  ns1:
    addresses: {veth1a: [10.244.1.2/24, "fd00::2/64"]}
    routes: [default via 10.244.1.4, 10.7.7.0/24 via 10.244.1.3 metric 50]
    neighbours: {veth1a: {10.244.1.9: "02:00:00:00:00:09"}}
    nft: "table inet t {}"
  ns2: {addresses: {veth2a: 10.244.1.4/24}, down: [veth2a], lo: false}
links:
  - {ends: [ns1:veth1a, host:veth1b@br0], mtu: 1300}
  - [ns2:veth2a, host:veth2b@br0]
story:
  - show: {what: [links, fdb], nodes: host}
  - zero: host
  - set: {host: {net.ipv4.ip_forward: 1}}
  - iptables: {host: [-A INPUT -j ACCEPT]}
  - expect: {neighbours: {ns1: {10.244.1.4: none}}, no_address: [host/br0]}
  - ping: {from: ns1, to: ns2, count: 2, timeout: 0.5, size: 99, expect: {reply: false, log: []}}
"""


@pytest.fixture
def entries(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of entries, which is made when it is wanted."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path / "hopscope" / "labs"


@pytest.fixture
def checked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the files that were checked."""
    found: list[str] = []
    plain = spec.parse

    def counted(source: str | bytes, file: str, **more: Any) -> LabSpec:
        found.append(file)
        return plain(source, file, **more)

    monkeypatch.setattr(spec, "parse", counted)
    return found


def only(entries: Path) -> Path:
    """The one entry that there is."""
    (found,) = entries.iterdir()
    return found


def test_a_lab_is_checked_once(entries: Path, checked: list[str]) -> None:
    """As text and as bytes; under another name, which its messages tell, it is another."""
    first = parse(TEXT, "one.yaml")
    assert parse(TEXT, "one.yaml") == parse(TEXT.decode(), "one.yaml") == first
    assert checked == ["one.yaml"]
    assert parse(TEXT, "two.yaml").file == "two.yaml"
    assert parse(TEXT + b"# more\n", "two.yaml").name == "one"
    assert checked == ["one.yaml", "two.yaml", "two.yaml"]
    assert len(list(entries.iterdir())) == 3


@pytest.mark.parametrize("source", [RICH, *map(str.encode, built_in().values())])
def test_what_is_recalled_is_what_was_checked(
    source: bytes, entries: Path, checked: list[str]
) -> None:
    assert parse(source, "lab.yaml") == parse(source, "lab.yaml")
    assert checked == ["lab.yaml"]


def test_a_mistake_is_told_each_time(entries: Path, checked: list[str]) -> None:
    for _ in range(2):
        with pytest.raises(SpecError):
            parse(b"name: one\n", "one.yaml")
    assert checked == ["one.yaml"] * 2
    assert not entries.exists() or not list(entries.iterdir())


def test_another_kernel_is_asked_again(
    entries: Path, checked: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also when the same one has lost a module."""
    there: dict[str, Collection[str]] = {"net": ["ipv4"], "net/ipv4": ["ip_forward"]}
    monkeypatch.setattr(declare, "sysctl_listing", there.get)
    parse(TEXT, "one.yaml")
    there["net"] = ["ipv6", "ipv4"]
    parse(TEXT, "one.yaml")
    there["net"] = ["ipv4", "ipv6"]
    parse(TEXT, "one.yaml")
    assert checked == ["one.yaml"] * 2
    there["net/ipv4"] = []
    with pytest.raises(SpecError, match="no sysctl"):
        parse(TEXT, "one.yaml")


@pytest.mark.parametrize("code", [("0.0.0", 0), (VERSION, 1)])
def test_other_code_checks_again(
    code: tuple[str, int], entries: Path, checked: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    parse(TEXT, "one.yaml")
    monkeypatch.setattr(known, "_code", lambda: code)
    parse(TEXT, "one.yaml")
    assert checked == ["one.yaml"] * 2


@given(st.data())
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50)
def test_a_broken_entry_is_none(entries: Path, checked: list[str], data: st.DataObject) -> None:
    """Whatever byte is another; it is written anew."""
    lab = parse(TEXT, "one.yaml")
    whole = only(entries).read_bytes()
    at = data.draw(st.integers(0, len(whole) - 1))
    bit = 1 << data.draw(st.integers(0, 7))
    cut = data.draw(st.booleans())
    broken = whole[:at] + bytes([whole[at] ^ bit]) * (not cut) + whole[at + 1 :] * (not cut)
    only(entries).write_bytes(broken)
    before = len(checked)
    assert parse(TEXT, "one.yaml") == lab
    assert len(checked) == before + 1
    assert only(entries).read_bytes() == whole


def test_an_entry_of_other_records_is_none(entries: Path, checked: list[str]) -> None:
    """Whole as it is, as another version could leave it."""
    parse(TEXT, "one.yaml")
    body = b"\x81\xa6source\x01"
    only(entries).write_bytes(struct.pack("=I", zlib.crc32(body)) + body)
    assert parse(TEXT, "one.yaml").name == "one"
    assert checked == ["one.yaml"] * 2


def test_the_oldest_are_forgotten(entries: Path) -> None:
    names = [f"{number}.yaml" for number in range(70)]
    lab = parse(TEXT, names[0])
    os.utime(only(entries), (0, 0))
    first = only(entries)
    for name in names[1:]:
        known.keep(TEXT, name, {}, lab)
    assert len(list(entries.iterdir())) == 64
    assert not first.exists()
    assert known.recall(TEXT, names[-1], lambda _: None) == lab


def test_a_huge_lab_is_not_kept(entries: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(known, "_LARGEST", 100)
    parse(TEXT, "one.yaml")
    assert list(entries.iterdir()) == []


@pytest.mark.parametrize("name", ["write_bytes", "read_bytes", "replace", "mkdir", "iterdir"])
def test_a_disk_that_fails_loses_nothing_else(
    name: str, entries: Path, checked: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """And leaves nothing half written."""

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(Path, name, full)
        assert [parse(TEXT, "one.yaml").name for _ in "12"] == ["one", "one"]
    left = {path.name for path in entries.iterdir()} if entries.exists() else set()
    assert all(not path.startswith(".") for path in left)


def test_nobodys_home_keeps_nothing(monkeypatch: pytest.MonkeyPatch, checked: list[str]) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", "/proc/nobody")
    assert [parse(TEXT, "one.yaml").name for _ in "12"] == ["one", "one"]
    assert checked == ["one.yaml"] * 2


def test_a_folder_that_others_may_write_is_not_believed(entries: Path, checked: list[str]) -> None:
    parse(TEXT, "one.yaml")
    entries.chmod(0o777)
    parse(TEXT, "one.yaml")
    assert checked == ["one.yaml"] * 2


def test_those_that_write_at_the_same_time_leave_one_whole_entry(entries: Path) -> None:
    """Each child is let go at the same moment, and writes again and again."""
    lab = parse(TEXT, "one.yaml")
    ready, go = os.pipe(), os.pipe()
    children = []
    for _ in range(4):
        if (pid := os.fork()) == 0:
            status = 1
            try:
                os.write(ready[1], b".")
                os.read(go[0], 1)
                wrong = 0
                for _ in range(50):
                    known.keep(TEXT, "one.yaml", {}, lab)
                    wrong += known.recall(TEXT, "one.yaml", lambda _: None) != lab
                status = int(wrong > 0)
            finally:
                os._exit(status)
        children.append(pid)
    for _ in children:
        os.read(ready[0], 1)
    os.write(go[1], b"." * len(children))
    assert [os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in children] == [0] * 4
    assert len(list(entries.iterdir())) == 1
    for descriptor in (*ready, *go):
        os.close(descriptor)


def test_what_cannot_be_kept_is_not(entries: Path) -> None:
    """A name that no text holds; one that this locale cannot say, as ASCII, is kept."""
    lab = parse(TEXT, "ü.yaml")
    assert known.recall(TEXT, "ü.yaml", declare.sysctl_listing) == lab
    known.keep(TEXT, "\udcff", {}, lab)
    assert known.recall(TEXT, "\udcff", declare.sysctl_listing) is None
    assert len(list(entries.iterdir())) == 1

"""LOG rules on the machine's own network: what we say they print is what the kernel prints."""

import os
import secrets
import shutil
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from hopscope.kernel.onhost.kmsg import KernelLog
from hopscope.kernel.waiting import wait_until
from hopscope.model.vocab import Nanos
from hoststate import look, settled

pytestmark = [pytest.mark.kernel, pytest.mark.root]

Hopscope = Any
LAB = """
name: hsklog
nodes:
  host:
    bridges: {hs0br: {}}
    sysctls: {net.bridge.bridge-nf-call-iptables: 1}
    iptables:
      - -t nat -I PREROUTING -s 10.244.72.0/24 -j LOG --log-prefix "MARK-pre-"
      - -t filter -I FORWARD -s 10.244.72.0/24 -j LOG --log-prefix "MARK-fwd-"
      - -t nat -I POSTROUTING -s 10.244.72.0/24 -j LOG --log-prefix "MARK-post-" --log-level 5
      - -t filter -A FORWARD -s 10.244.72.0/24 -m conntrack --ctstate ESTABLISHED -j ACCEPT
  hs1: {addresses: {hs1a: 10.244.72.2/24}}
  hs2: {addresses: {hs2a: 10.244.72.4/24}}
links:
  - [hs1:hs1a, host:hs1b@hs0br]
  - [hs2:hs2a, host:hs2b@hs0br]
story:
  - ping: {from: hs1, to: hs2, count: 3, size: 100, expect: {reply: true}}
"""
RSYSLOG = """
module(load="imklog" permitnonkernelfacility="on")
global(workDirectory="{folder}")
if $msg contains "{mark}" then action(type="omfile" file="{folder}/iptables.log")
"""


@pytest.fixture
def mark(hopscope: Hopscope) -> Iterator[str]:
    """The beginning of this test's log prefixes; only where LOG rules print."""
    if os.geteuid() != 0:
        pytest.skip("--on-host takes root")
    if not Path("/proc/sys/net/netfilter/nf_log_all_netns").exists():  # it is nowhere else
        pytest.skip("LOG rules print for the machine's first network namespace only")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as alone:  # other sessions wait
        wait_until(lambda: _bound(alone), "the host for this test alone", within=50)
        before = look()
        yield f"HS{secrets.token_hex(4)}"  # the kernel remembers those of others
        hopscope.end_all()
        assert settled(before, look) == []


def _bound(alone: socket.socket) -> bool:
    try:
        alone.bind("\0hopscope-tests-on-host")
    except OSError:
        return False
    return True


@pytest.fixture
def lab(tmp_path: Path, mark: str) -> Path:
    """hs1 ── hs0br ── hs2 on the machine's own network, with rules that log its packets alone."""
    path = tmp_path / "hsklog.yaml"
    path.write_text(LAB.replace("MARK", mark))
    return path


def performed(hopscope: Hopscope, lab: Path) -> list[str]:
    """The lines that a run on the host says its rules printed."""
    out = lab.with_suffix(".out")
    done = hopscope("run", str(lab), "-q", "--on-host", "--out", str(out))
    assert done.returncode == 0, done.stdout + done.stderr
    return (out / "iptables.log").read_text().splitlines()


def fields(line: str, mark: str) -> list[tuple[str, str]]:
    """A LOG line's words in order, each with its value."""
    body = line[line.index(mark) :].rstrip()
    return [(key, value) for key, _, value in (word.partition("=") for word in body.split())]


def test_our_lines_are_the_kernels(hopscope: Hopscope, lab: Path, mark: str) -> None:
    """Field by field, and byte by byte."""
    with KernelLog(Nanos(0)) as log:
        for _earlier in log.read():
            pass
        ours = performed(hopscope, lab)
        printed = [line for line in log.read() if line.text.startswith(mark)]
    assert len(ours) == 3 + 2 + 3, ours
    assert [fields(line, mark) for line in ours] == [fields(line.text, mark) for line in printed]
    assert ours == [line.text for line in printed]
    names = {key for line in ours for key, _value in fields(line, mark)}
    assert {"OUT", "PHYSIN", "PHYSOUT", "MAC", "SRC", "DST", "LEN", "TOS", "PREC"} <= names
    assert {"TTL", "ID", "DF", "PROTO", "TYPE", "CODE", "SEQ"} <= names
    levels = {line.text.split("IN=")[0]: line.level for line in printed}
    assert levels == {f"{mark}-pre-": 4, f"{mark}-fwd-": 4, f"{mark}-post-": 5}


def test_log_prints_each_line_once(hopscope: Hopscope, lab: Path, mark: str) -> None:
    """The kernel's own lines, though the lab's record has them too."""
    assert hopscope("up", str(lab), "--on-host").returncode == 0
    done = hopscope("ping", "hsklog", "hs1", "hs2")
    assert done.returncode == 0, done.stdout + done.stderr
    lines = hopscope("log", "hsklog").stdout.splitlines()
    prefixes = [line[line.index(mark) :].split("IN=")[0] for line in lines]
    assert prefixes == [f"{mark}-pre-", f"{mark}-fwd-", f"{mark}-post-", f"{mark}-fwd-"]
    assert hopscope("down", "hsklog").returncode == 0


@pytest.fixture
def rsyslog(tmp_path: Path, mark: str) -> Iterator[Path]:
    """A syslog daemon of the test's own that files the kernel's lines; where it files them."""
    daemon = shutil.which("rsyslogd") or shutil.which("rsyslogd", path="/usr/sbin")
    if daemon is None:
        pytest.skip("rsyslogd is not installed")
    config = tmp_path / "rsyslog.conf"
    config.write_text(RSYSLOG.format(folder=tmp_path, mark=mark))
    argv = [daemon, "-n", "-f", str(config), "-i", str(tmp_path / "rsyslogd.pid")]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as process:
        file = tmp_path / "iptables.log"
        try:
            _file_something(process, file, mark)
            yield file
        finally:
            process.terminate()


def _file_something(process: "subprocess.Popen[bytes]", file: Path, mark: str) -> None:
    """The daemon reads the kernel's log: it has filed a line that we had the kernel say."""

    def filed() -> bool:
        assert process.poll() is None, process.stdout.read() if process.stdout else ""
        Path("/dev/kmsg").write_text(f"<4>{mark} ready\n")
        return file.exists() and f"{mark} ready" in file.read_text()

    wait_until(filed, "a line in the file of rsyslogd", within=20)


def test_rsyslog_files_the_same_lines(
    hopscope: Hopscope, lab: Path, mark: str, rsyslog: Path
) -> None:
    """As the textbook has it: kern.warning into iptables.log."""
    ours = performed(hopscope, lab)

    def filed() -> list[str]:
        lines = rsyslog.read_text().splitlines()
        return [line[line.index(mark) :].rstrip() for line in lines if f"{mark}-" in line]

    wait_until(lambda: len(filed()) >= len(ours), "all lines in rsyslogd's file", within=10)
    assert filed() == [line.rstrip() for line in ours]

"""hopscope log --syslog, with a real rsyslogd that files lines by the textbook's selectors."""

import contextlib
import re
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.kernel

CONFIG = """
global(workDirectory="{folder}")
module(load="imuxsock" sysSock.use="off")
module(load="imudp")
module(load="imtcp")
input(type="imuxsock" socket="{folder}/socket" createPath="on")
input(type="imudp" address="127.0.0.1" port="{udp}")
input(type="imtcp" address="127.0.0.1" port="0" listenPortFileName="{folder}/tcp")
template(name="said" type="string" string="%hostname%|%syslogtag%|%msg%\\n")
kern.warning             action(type="omfile" file="{folder}/warning" template="said")
kern.=warning            action(type="omfile" file="{folder}/only-warning" template="said")
kern.*;kern.!warning     action(type="omfile" file="{folder}/below-warning" template="said")
local3.*                 action(type="omfile" file="{folder}/local3" template="said")
*.*                      action(type="omfile" file="{folder}/all" template="said")
"""
LEVELS = {"info": 6, "warning": 4, "err": 3}  # iptables calls the last one error


def wait_for(holds: Callable[[], bool], what: str) -> None:
    """Until it is true; the test fails when it is not within ten seconds."""
    deadline = time.monotonic() + 10
    while not holds():
        assert time.monotonic() < deadline, what
        time.sleep(0.01)


@dataclass(frozen=True)
class Rsyslog:
    """A running rsyslogd; its addresses and files."""

    folder: Path
    udp: int

    @property
    def addresses(self) -> dict[str, str]:
        """By how they are reached."""
        port = (self.folder / "tcp").read_text().strip()
        return {
            "unix": str(self.folder / "socket"),
            "udp": f"udp://127.0.0.1:{self.udp}",
            "tcp": f"tcp://127.0.0.1:{port}",
        }

    def filed(self, name: str) -> list[str]:
        """The lines in a file."""
        file = self.folder / name
        return file.read_text().splitlines() if file.exists() else []

    def prefixes(self, name: str) -> list[str]:
        """Of the lines in a file, the LOG prefixes, in order."""
        return re.findall(r"(\w+)-IN=", "\n".join(self.filed(name)))


@pytest.fixture
def rsyslog(tmp_path: Path) -> Iterator[Rsyslog]:
    """A daemon with its own files, on a private socket and the loopback device."""
    program = shutil.which("rsyslogd", path="/usr/sbin:/sbin:/usr/bin")
    if program is None:
        pytest.skip("there is no rsyslogd (package rsyslog)")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as free:
        free.bind(("127.0.0.1", 0))
        udp = free.getsockname()[1]
    config = tmp_path / "rsyslog.conf"
    config.write_text(CONFIG.format(folder=tmp_path, udp=udp))
    with (tmp_path / "out").open("wb") as out:
        process = subprocess.Popen(
            [program, "-n", "-f", config, "-i", tmp_path / "pid"],
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
        )
    try:
        ready = (tmp_path / "tcp", tmp_path / "socket")
        wait_for(lambda: all(file.exists() for file in ready), "rsyslogd is not ready")
        yield Rsyslog(tmp_path, udp)
    finally:
        process.terminate()
        process.wait(10)


@pytest.fixture(scope="module")
def lab(hopscope: Any) -> str:
    """A bridge lab where a ping meets a LOG rule of each level, in FORWARD; its name."""
    name: str = hopscope.up("bridge", "levels")
    for level, number in LEVELS.items():
        rule = f"-A FORWARD -p icmp --icmp-type echo-request -j LOG --log-level {number}"
        words = [*rule.split(), "--log-prefix", f"{level}-"]
        assert hopscope("exec", name, "host", "iptables", *words).returncode == 0
    switch = "net.bridge.bridge-nf-call-iptables=1"
    assert hopscope("exec", name, "host", "sysctl", "-q", "-w", switch).returncode == 0
    assert hopscope("exec", name, "ns1", "ping", "-c1", "-W2", "10.244.1.4").returncode == 0
    return name


@pytest.mark.parametrize("how", ["udp", "tcp"])
def test_selectors_file_the_lines_by_their_rules_levels(
    hopscope: Any, lab: str, rsyslog: Rsyslog, how: str
) -> None:
    """`.warning` is warning and worse, `.=warning` that alone, `.!warning` neither."""
    done = hopscope("log", lab, "--syslog", rsyslog.addresses[how])
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    wait_for(lambda: rsyslog.prefixes("all") == list(LEVELS), "three lines arrive")
    assert rsyslog.prefixes("warning") == ["warning", "err"]
    assert rsyslog.prefixes("only-warning") == ["warning"]
    assert rsyslog.prefixes("below-warning") == ["info"]


def test_lines_look_as_if_the_nodes_kernel_had_said_them(
    hopscope: Any, lab: str, rsyslog: Rsyslog
) -> None:
    """Host and tag stand where a file of a real machine has them."""
    hopscope("log", lab, "--syslog", rsyslog.addresses["tcp"])
    wait_for(lambda: len(rsyslog.filed("all")) == 3, "three lines arrive")
    host, tag, text = rsyslog.filed("all")[0].split("|")
    assert (host, tag) == ("host", "kernel")
    assert text.strip() == hopscope("log", lab).stdout.splitlines()[0].partition("] ")[2].strip()


def test_level_and_facility_can_be_chosen(hopscope: Any, lab: str, rsyslog: Rsyslog) -> None:
    """One level for all; another facility leaves the kernel's selectors alone."""
    address = rsyslog.addresses["udp"]
    hopscope("log", lab, "--syslog", address, "--level", "err")
    wait_for(lambda: len(rsyslog.filed("all")) == 3, "three lines arrive")
    assert rsyslog.prefixes("warning") == list(LEVELS)
    assert rsyslog.filed("only-warning") == []
    hopscope("log", lab, "--syslog", address, "--facility", "local3")
    wait_for(lambda: len(rsyslog.filed("all")) == 6, "three more lines arrive")
    assert rsyslog.prefixes("local3") == list(LEVELS)
    assert rsyslog.prefixes("warning") == list(LEVELS)


def test_a_local_socket_takes_them(hopscope: Any, lab: str, rsyslog: Rsyslog) -> None:
    done = hopscope("log", lab, "--syslog", rsyslog.addresses["unix"])
    assert done.returncode == 0, done.stderr
    wait_for(lambda: rsyslog.prefixes("all") == list(LEVELS), "three lines arrive")
    assert rsyslog.prefixes("only-warning") == ["warning"]


def test_follow_hands_over_lines_as_they_come(hopscope: Any, lab: str, rsyslog: Rsyslog) -> None:
    process = hopscope.start("log", lab, "--follow", "--syslog", rsyslog.addresses["tcp"])
    try:
        wait_for(lambda: rsyslog.prefixes("all") == list(LEVELS), "three lines arrive")
        assert hopscope("exec", lab, "ns1", "ping", "-c1", "-W2", "10.244.1.4").returncode == 0
        wait_for(lambda: rsyslog.prefixes("all") == 2 * list(LEVELS), "three more lines arrive")
    finally:
        process.terminate()
        process.communicate()


def test_no_daemon_there_is_told(hopscope: Any, lab: str, tmp_path: Path) -> None:
    """And nothing is lost silently."""
    for address in (str(tmp_path / "nobody"), "tcp://127.0.0.1:1"):
        done = hopscope("log", lab, "--syslog", address)
        assert done.returncode == 3
        assert f"no syslog daemon takes lines at {address}" in done.stderr


def test_local_is_the_machines_own(hopscope: Any, lab: str) -> None:
    """Named in the message where there is no daemon; where there is one, it is left alone."""
    with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as own:
        own.connect("/dev/log")
        pytest.skip("a syslog daemon runs here, and tests write nothing into it")
    done = hopscope("log", lab, "--syslog", "local")
    assert (done.returncode, "at /dev/log" in done.stderr) == (3, True)

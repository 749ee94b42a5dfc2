"""Senders of lines to syslog daemons, against sockets that play the daemon."""

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from hopscope.cli.syslog import Sender
from hopscope.errors import CannotError, UsageError
from hopscope.model.vocab import Nanos

AT = Nanos(1_700_000_000_123_456_000)


@pytest.fixture
def udp() -> Iterator[socket.socket]:
    """A daemon on a port of the loopback device."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as made:
        made.bind(("127.0.0.1", 0))
        made.settimeout(5)
        yield made


def test_udp_gets_rfc_5424(udp: socket.socket) -> None:
    """Facility and severity in front, then time, host, program; nobody's process."""
    address = f"udp://127.0.0.1:{udp.getsockname()[1]}"
    with Sender(address, app="kernel", procid="") as sender:
        sender.send("IN=br0 OUT=", at=AT, host="ns1", facility="local0", severity="err")
    expected = b"<131>1 2023-11-14T22:13:20.123456Z ns1 kernel - - - IN=br0 OUT="
    assert udp.recv(4096) == expected


def test_tcp_gets_each_line_with_its_length() -> None:
    """Two lines in one stream can be told apart (RFC 6587)."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        with Sender(f"tcp://127.0.0.1:{server.getsockname()[1]}", procid="") as sender:
            connection, _address = server.accept()
            for text in ("one", "and two"):
                sender.send(text, at=AT, host="h")
        with connection, connection.makefile("rb") as stream:
            data = stream.read()
    first, _, rest = data.partition(b" ")
    message, rest = rest[: int(first)], rest[int(first) :]
    assert message.endswith(b" one")
    second, _, message = rest.partition(b" ")
    assert len(message) == int(second)
    assert message.endswith(b" and two")


def test_a_local_socket_gets_the_c_librarys_form(tmp_path: Path) -> None:
    """Without host and year, as local daemons expect."""
    path = tmp_path / "log"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as daemon:
        daemon.bind(str(path))
        with Sender(str(path), app="kernel", procid="7") as sender:
            sender.send("text", at=AT, host="ns1")
        told = daemon.recv(4096)
    assert told.startswith(b"<4>Nov 1")
    assert told.endswith(b" kernel[7]: text")


def test_local_is_dev_log() -> None:
    """The machine's own daemon; whether there is one does not matter here."""
    try:
        sender = Sender("local")
    except CannotError as error:
        assert "/dev/log" in str(error)  # noqa: PT017 - either is right
    else:
        assert sender.address == "/dev/log"
        sender.close()


@pytest.mark.parametrize(
    "address", ["", "log", "udp://", "http://host", "tcp://host:port", "udp://host/path", "1.2.3.4"]
)
def test_what_is_no_address_is_refused(address: str) -> None:
    with pytest.raises(UsageError, match="is no syslog address; write /path"):
        Sender(address)


def test_nobody_there(tmp_path: Path) -> None:
    with pytest.raises(CannotError, match="no syslog daemon takes lines at"):
        Sender(str(tmp_path / "none"))


def test_a_daemon_that_left_is_missed_at_the_next_line(udp: socket.socket) -> None:
    """Over UDP the network tells only after a line was lost."""
    with Sender(f"udp://127.0.0.1:{udp.getsockname()[1]}") as sender:
        sender.send("heard", at=AT)
        udp.close()

        def send_on() -> None:
            for _ in range(100):
                sender.send("lost", at=AT)

        with pytest.raises(CannotError, match="Connection refused"):
            send_on()

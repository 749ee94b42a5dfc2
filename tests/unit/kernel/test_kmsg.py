"""Records of the kernel log, and a reader of them."""

import os
from pathlib import Path

import pytest

from hopscope.errors import CannotError
from hopscope.kernel.onhost.kmsg import KernelLine, KernelLog, parse_record
from hopscope.model.vocab import Nanos

BOOT = Nanos(1_700_000_000_000_000_000)


def test_a_line_of_a_log_rule() -> None:
    """Level, time and text; the lines below it describe a device and are left out."""
    data = b"4,1234,5678901,-;Nat-PREROUTING-1-IN=br0 OUT= LEN=84 \n SUBSYSTEM=net\n"
    line = parse_record(data, boot=BOOT)
    text = "Nat-PREROUTING-1-IN=br0 OUT= LEN=84 "
    assert line == KernelLine(at=Nanos(BOOT + 5_678_901_000), level=4, text=text)


def test_flags_of_later_kernels_and_escapes() -> None:
    line = parse_record(b"6,1,2,c,caller=T1;a\\x09b \\xc3\\xa9\n", boot=BOOT)
    assert line is not None
    assert (line.level, line.text) == (6, "a\tb é")


@pytest.mark.parametrize("data", [b"", b"no record", b"12,1,2,-;systemd says\n", b"6,1;x\n"])
def test_what_is_not_the_kernels_is_left_out(data: bytes) -> None:
    """A facility in the priority's upper bits: a program wrote it there."""
    assert parse_record(data, boot=BOOT) is None


def test_a_reader_takes_one_record_at_a_time(tmp_path: Path) -> None:
    """As /dev/kmsg hands them out; a pipe with messages' bounds plays it."""
    reading, writing = os.pipe2(os.O_DIRECT | os.O_NONBLOCK)
    os.write(writing, b"4,1,10,-;one\n")
    os.write(writing, b"30,2,20,-;systemd\n")
    os.write(writing, b"3,3,30,-;two\n")
    with KernelLog(BOOT, Path(f"/proc/self/fd/{reading}")) as log:
        assert [(line.level, line.text) for line in log.read()] == [(4, "one"), (3, "two")]
        assert list(log.read()) == []
    os.close(reading)
    os.close(writing)


def test_who_may_not_read_it_is_told(tmp_path: Path) -> None:
    with pytest.raises(CannotError, match="the kernel log cannot be read"):
        KernelLog(BOOT, tmp_path / "none")

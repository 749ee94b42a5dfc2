"""What tells that a process is ready, and how its end is put in words."""

import pytest

from hopscope.lab.readiness import listens
from hopscope.model.process import ending

TCP = """\
  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 00000000:0050 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4711
   1: 0100000A:1F90 0200000A:C350 01 00000000:00000000 00:00000000 00000000     0        0 4712
"""
TCP6 = """\
  sl  local_address                         remote_address                        st tx_queue
   0: 00000000000000000000000000000000:01BB 00000000000000000000000000000000:0000 0A 00000000
"""


@pytest.mark.parametrize(
    ("table", "port", "expected"),
    [
        (TCP, 80, True),
        (TCP, 8080, False),  # a connection, and none that listens
        (TCP, 5, False),
        (TCP, 443, False),
        (TCP6, 443, True),
        (TCP6, 80, False),
        ("", 80, False),
    ],
)
def test_a_port_that_is_listened_on(table: str, port: int, *, expected: bool) -> None:
    assert listens(table, port) is expected


@pytest.mark.parametrize(
    ("code", "words"),
    [(0, "exit status 0"), (3, "exit status 3"), (-9, "killed by signal 9")],
)
def test_an_end_in_words(code: int, words: str) -> None:
    assert ending(code) == words

"""Rules with a mark: words in, words out."""

import pytest

from hopscope.errors import UsageError
from hopscope.kernel.onhost.marks import deletions, is_behind, put_first, with_mark

MARK = "hopscope:x"


def test_the_mark_stands_before_the_target() -> None:
    """Of whatever kind; at the end without one."""
    given = ["-A FORWARD -p icmp -j LOG --log-prefix 'a b-'", "-A INPUT --goto X", "-A INPUT"]
    assert with_mark(given, MARK) == [
        "-A FORWARD -p icmp -m comment --comment hopscope:x -j LOG --log-prefix 'a b-'",
        "-A INPUT -m comment --comment hopscope:x --goto X",
        "-A INPUT -m comment --comment hopscope:x",
    ]


def test_what_has_it_is_as_it_was() -> None:
    once = with_mark(["-A FORWARD -j ACCEPT"], MARK)
    assert with_mark(once, MARK) == once


@pytest.mark.parametrize(
    "line",
    [
        *("-F", "-P FORWARD DROP", "-D FORWARD -j ACCEPT", "-N MINE"),
        *(":INPUT DROP -A", "-t mangle :INPUT DROP -A"),  # to iptables-restore a chain's policy
    ],
)
def test_what_adds_no_rule_is_refused(line: str) -> None:
    with pytest.raises(UsageError, match="only -A and -I are allowed"):
        with_mark([line], MARK)


@pytest.mark.parametrize(
    "line",
    [
        "-A FORWARD -m comment --comment 'a\n-F INPUT\n#' -j ACCEPT",
        "-A FORWARD -m comment --comment 'a\r' -j ACCEPT",
        "-A FORWARD -i br0\0",  # the mark would come behind the end
        "-t 'nat\n*filter' -A POSTROUTING -j ACCEPT",
    ],
)
def test_what_would_be_read_as_more_is_refused(line: str) -> None:
    """By iptables-restore, to which a line's end is a rule's."""
    with pytest.raises(UsageError, match="a rule is one line of iptables arguments"):
        with_mark([line], MARK)


def test_a_number_is_no_part_of_the_rule() -> None:
    line = "-t nat --insert POSTROUTING 7 -j ACCEPT"
    assert deletions("iptables", [line]) == [
        ["iptables", "-w", "5", "-t", "nat", "-D", "POSTROUTING", "-j", "ACCEPT"]
    ]
    assert put_first(line) == "-t nat -I POSTROUTING -j ACCEPT"


@pytest.mark.parametrize(
    ("line", "behind"),
    [("-I FORWARD 2 -j X", True), ("-I FORWARD 1 -j X", False), ("-A FORWARD -j X", False)],
)
def test_one_behind_others_is_known(line: str, *, behind: bool) -> None:
    assert is_behind(line) is behind

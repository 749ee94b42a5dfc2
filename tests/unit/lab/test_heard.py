"""What commands of a script said: told from bash's trace alone."""

import pytest

from hopscope.lab.imports.heard import Said, ending, heard
from hopscope.lab.imports.hints import advice, taken_down

SCRIPT = "#!/bin/bash\nip netns exec b nc -l 80 &\ncurl http://example.com/\nls -l | tail\n"


def traced(process: int, line: int, at: int, command: str) -> str:
    """A line of it, as bash writes it where the descriptor's facts have several lines."""
    return f"+hopscope {process} {line} pos:\t{at}\nflags:\t01\nmnt_id:\t9\nino:\t7: {command}\n"


BEGUN = traced(5, 0, 0, ". /run/hopscope/made.sh")


def words(errors: str, output: bytes = b"") -> list[tuple[int, list[str], list[str]]]:
    """Each command's line, what it complained of, what it printed."""
    return [(one.line, one.words, one.printed) for one in heard(errors.encode(), output, SCRIPT)]


def test_what_is_left_running_is_told_from_the_next_command() -> None:
    """By what it names, or by the line that bash tells; the rest is of the one waited for."""
    errors = (
        BEGUN
        + traced(5, 3, 0, "curl http://example.com/")
        + traced(6, 2, 0, "ip netns exec b nc -l 80")
        + 'exec of "nc" failed\ncurl: (6) Could not resolve\n'
        + "/run/hopscope/made.sh: line 2: b: not found\n  0  0\n"
    )
    assert words(errors) == [
        (3, ["curl: (6) Could not resolve", "  0  0"], []),
        (2, ['exec of "nc" failed', "/run/hopscope/made.sh: line 2: b: not found"], []),
    ]
    assert ending(heard(errors.encode(), b"", SCRIPT)).line == 3


def test_a_part_of_a_pipe_is_waited_for() -> None:
    """It is a process of its own, too, and what it prints is the line's."""
    errors = (
        BEGUN
        + traced(5, 3, 0, "curl x")
        + traced(7, 4, 2, "ls -l")
        + traced(8, 4, 2, "tail")
        + "ls: no\n"
    )
    assert words(errors, b"a\nb\n") == [
        (3, [], ["a"]),
        (4, [], []),
        (4, ["ls: no"], ["b"]),
    ]


def test_another_shell_tells_less() -> None:
    """No process and no output's size: all that was printed is of the last command."""
    errors = "+hopscope 0 2: echo 'a\nb'\n+hopscope 0 3: false\nno\n"
    assert words(errors, b"a\nb\n") == [(2, [], []), (3, ["no"], ["a", "b"])]
    assert heard(errors.encode(), b"", SCRIPT)[0].in_a_line == "echo 'a …"
    assert words("no trace\n", b"x\n") == [(0, ["no trace"], ["x"])]
    assert words("", b"x\n") == []


def commands(*lines: str) -> list[Said]:
    """A script whose commands each have a line."""
    return [Said(line=number, command=line) for number, line in enumerate(lines, 1)]


@pytest.mark.parametrize(
    "line", ["ip route show default", "sudo /sbin/ip -4 r get 1.1.1.1", "ip ro ls 0.0.0.0/0"]
)
def test_who_looks_for_a_default_route(line: str) -> None:
    """However it is written; unless the script gives one, or has an uplink."""
    assert [number for number, _ in advice(commands(line), uplink=False)] == [1]
    assert not list(advice(commands(line), uplink=True))
    assert not list(advice(commands("ip route add default via 1.1.1.1", line), uplink=False))


@pytest.mark.parametrize(
    "line", ["ip -n a route show default", "ip route show", "ip route add default via 10.0.0.1"]
)
def test_who_does_not(line: str) -> None:
    """In a namespace of its own, or for something else."""
    assert not list(advice(commands(line), uplink=False))


def test_another_program_picks_the_default_route() -> None:
    """In the same line."""
    said = [Said(line=4, command="ip route"), Said(line=4, command="grep ^default")]
    assert [number for number, _ in advice(said, uplink=False)] == [4]


def test_traps_that_are_told() -> None:
    """Those of the end, each once."""
    said = commands(": trap clean INT EXIT", ": trap - EXIT", ": trap clean TERM", ": trap 'a b' 0")
    assert [number for number, _ in advice([*said, said[0]], uplink=False)] == [1, 4]


def test_what_took_it_down() -> None:
    """The last such command."""
    said = commands("ip netns add a", "ip link del x", "ip -all netns delete", "ip link set y up")
    down = taken_down(said)
    assert down is not None
    assert down.line == 3
    assert taken_down(said[:1]) is None


@pytest.mark.parametrize("lines", [1, 2, 3])
def test_a_head_that_was_being_written_is_nobodys_words(lines: int) -> None:
    """Bash writes each line of it by itself, and may be killed between two."""
    begun = traced(5, 3, 0, "curl x").splitlines(keepends=True)[:lines]
    errors = BEGUN + traced(5, 2, 0, "true") + "no\n" + "".join(begun)
    assert words(errors) == [(2, ["no"], [])]


def test_what_is_left_out_ends_with_a_whole_command(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a trace that is longer than what is read, nothing of a head is taken for words."""
    monkeypatch.setattr("hopscope.lab.imports.heard._MOST_READ", 500)
    one = traced(5, 2, 0, "true") + "no\n"
    for shift in range(len(one)):
        errors = BEGUN + one * 20 + traced(5, 3, 0, "c" * shift)
        *whole, last = words(errors)
        assert whole, shift
        assert all(each == (2, ["no"], []) for each in whole), shift
        assert last == (3, [], []), shift


def test_words_that_are_longer_than_what_is_read_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """Their command is not known any more."""
    monkeypatch.setattr("hopscope.lab.imports.heard._MOST_READ", 6)
    assert words(BEGUN + traced(5, 2, 0, "true") + "no\nno\nno\n") == [(0, ["no", "no"], [])]

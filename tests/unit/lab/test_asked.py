"""Arguments of the Python API that cannot be, told by their names."""

import errno
import math
from typing import Any

import pytest

from hopscope import UsageError
from hopscope.errors import KernelError
from hopscope.lab import asked

PING = {"count": 1, "timeout": 1.0, "size": 56}


@pytest.mark.parametrize(
    "numbers",
    [{}, {"count": 10_000}, {"timeout": 60}, {"timeout": 0.01}, {"size": 12}, {"size": 65_507}],
)
def test_pings_that_can_be(numbers: dict[str, Any]) -> None:
    """Up to the limits of a step of a story."""
    asked.check_ping(**{**PING, **numbers})


@pytest.mark.parametrize(
    ("what", "number", "words"),
    [
        ("count", 0, "a whole number, 1 to 10000, not 0"),
        ("count", -1, "not -1"),
        ("count", 1.5, "not 1.5"),
        ("count", True, "not True"),
        ("count", "3", "not '3'"),
        ("timeout", 0, "a number of seconds, more than 0 to 60, not 0"),
        ("timeout", -0.1, "not -0.1"),
        ("timeout", math.nan, "not nan"),
        ("timeout", "1", "not '1'"),
        ("size", 11, "a whole number of bytes, 12 to 65507, not 11"),
        ("size", 65_508, "not 65508"),
        ("size", None, "not None"),
    ],
)
def test_pings_that_cannot_be(what: str, number: Any, words: str) -> None:
    with pytest.raises(UsageError) as raised:
        asked.check_ping(**{**PING, what: number})
    assert str(raised.value).startswith(f"the {what} of a ping is ")
    assert words in str(raised.value)


def test_commands() -> None:
    """A text would be taken apart letter by letter."""
    assert asked.argv(("ip", "addr")) == ["ip", "addr"]
    with pytest.raises(UsageError, match=r"a list of words, as \['ip', 'addr'\], not the text"):
        asked.argv("ip addr")
    with pytest.raises(UsageError, match="the command has no words"):
        asked.argv([])
    with pytest.raises(UsageError, match="the words of a command are texts, not 3"):
        asked.argv(["sleep", 3])  # type: ignore[list-item]


def test_texts() -> None:
    """One by itself is a list of one."""
    assert asked.texts("rules", "-A INPUT") == ["-A INPUT"]
    assert asked.texts("rules", ("a", "b")) == ["a", "b"]
    with pytest.raises(UsageError, match="rules are texts, not None"):
        asked.texts("rules", [None])  # type: ignore[list-item]


@pytest.mark.parametrize("tool", ["iptables", "ip6tables"])
def test_tools(tool: str) -> None:
    """Those that a step of a story has."""
    asked.check_tool(tool)
    with pytest.raises(UsageError, match=f"tool is one of iptables, ip6tables, not '{tool}x'"):
        asked.check_tool(f"{tool}x")


@pytest.mark.parametrize(("value", "text"), [(1, "1"), (-1, "-1"), ("4096 87380", "4096 87380")])
def test_sysctl_values(value: str | int, text: str) -> None:
    """A number is the text that the kernel reads."""
    assert asked.sysctl_text("net.x", value) == text


@pytest.mark.parametrize(("value", "said"), [(True, "write 1"), (1.5, "not 1.5"), (None, "None")])
def test_sysctl_values_that_cannot_be(value: Any, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        asked.sysctl_text("net.x", value)


@pytest.mark.parametrize(
    ("name", "known", "hint"),
    [
        ("ns9", ["host", "ns1"], "it has host, ns1"),
        ("pod", [f"pod{n}" for n in range(1, 4000)], "did you mean 'pod1'?"),
        ("hots", ["host", *(f"pod{n}" for n in range(1, 4000))], "did you mean 'host'?"),
        ("x", ["host", *(f"pod{n}" for n in range(1, 4000))], "it has 4000, as host"),
    ],
)
def test_a_node_that_is_not_there(name: str, known: list[str], hint: str) -> None:
    """A lab of thousands does not name them all."""
    assert asked.no_node("many", name, known) == f"lab 'many' has no node '{name}'; {hint}"


def test_a_sysctl_without_a_value_is_absent_or_cannot_be_put_back() -> None:
    """Which are two things."""
    absent = asked.unread_sysctl("lab", "a", "net.x", there=False)
    assert absent == "a has no sysctl net.x (as the kernel of this machine knows them)"
    told = asked.unread_sysctl("lab", "a", "net.ipv4.route.flush", there=True)
    assert "cannot be read" in told
    assert "hopscope exec lab a -- sysctl -w net.ipv4.route.flush=VALUE" in told


def test_a_long_value_that_is_refused_is_cut() -> None:
    """With the kernel's own words, where it said any."""
    told = asked.refused_sysctl("a", "net.x", "1" * 9000, KernelError(errno.EMSGSIZE, "", "why"))
    assert told.startswith("a: net.x = 111")
    assert told.endswith("… is refused: Message too long (why)")
    assert asked.refused_sysctl("a", "net.x", "y", KernelError(errno.EINVAL, "")) == (
        "a: net.x = y is refused: Invalid argument"
    )

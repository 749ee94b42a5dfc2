"""hopscope set: sysctls of a node, told before and after."""

from typing import Any

import pytest

pytestmark = pytest.mark.kernel

KEY = "net.bridge.bridge-nf-call-iptables"


def value(hopscope: Any, lab: str, node: str, key: str) -> str:
    """What the kernel holds."""
    text: str = hopscope("exec", lab, node, "--", "sysctl", "-n", key).stdout
    return text.strip()


def test_each_is_set_and_told(hopscope: Any, fresh: str) -> None:
    """In the order given; in that node and no other."""
    done = hopscope("set", fresh, "host", f"{KEY}=1", "net.ipv4.ip_forward = 1")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == f"host: {KEY} = 1 (was 0)\nhost: net.ipv4.ip_forward = 1 (was 0)\n"
    assert value(hopscope, fresh, "host", KEY) == "1"
    assert value(hopscope, fresh, "ns1", "net.ipv4.ip_forward") == "0"


@pytest.mark.parametrize("key", [KEY, KEY.replace(".", "/")])
def test_a_key_may_be_a_path(hopscope: Any, fresh: str, key: str) -> None:
    assert hopscope("set", fresh, "host", f"{key}=1").stdout == f"host: {key} = 1 (was 0)\n"
    assert value(hopscope, fresh, "host", KEY) == "1"


def test_a_value_may_hold_an_equals_sign_or_blanks(hopscope: Any, fresh: str) -> None:
    """Only the first sign parts; several numbers are one value."""
    done = hopscope("set", fresh, "ns1", "net.ipv4.ping_group_range=0 0")
    assert done.returncode == 0
    assert value(hopscope, fresh, "ns1", "net.ipv4.ping_group_range").split() == ["0", "0"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("host", "net.ipv4.ip_forward"), "'net.ipv4.ip_forward' is not KEY=VALUE"),
        (("host", "=1"), "'=1' is not KEY=VALUE"),
        (("host", "net.ipv4.nonsense=1"), "host has no sysctl net.ipv4.nonsense"),
        (("host", f"{KEY}=many"), f"host: {KEY} = many is refused: Invalid argument"),
        (("host", "kernel.hostname=x"), "kernel.hostname: only sysctls below net."),
        (("host", "net/../kernel/hostname=x"), "net/../kernel/hostname: only sysctls below net."),
        (("ns9", f"{KEY}=1"), "lab 'standing' has no node 'ns9'"),
    ],
    ids=["no sign", "no key", "no sysctl", "no value", "not net", "out of net", "no node"],
)
def test_what_cannot_be_set_is_said(
    hopscope: Any, bridge: str, arguments: tuple[str, ...], said: str
) -> None:
    """Exit status 2, and nothing has changed."""
    done = hopscope("set", bridge, *arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"hopscope: {said}")
    assert value(hopscope, bridge, "host", KEY) == "0"


def test_all_are_looked_at_before_the_first_is_set(hopscope: Any, bridge: str) -> None:
    """One that is no assignment stops the rest."""
    done = hopscope("set", bridge, "host", f"{KEY}=1", "nonsense")
    assert (done.returncode, done.stdout) == (2, "")
    assert value(hopscope, bridge, "host", KEY) == "0"


def test_a_lab_that_is_not_up_is_named(hopscope: Any) -> None:
    done = hopscope("set", "nope", "host", f"{KEY}=1")
    assert done.returncode == 2
    assert "lab 'nope' is not up" in done.stderr

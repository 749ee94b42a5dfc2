"""Which sysctls that were set come back to what they were before."""

import pytest

from comparing import GUEST, HOST, lab
from hopscope.plan.compile import compile_lab
from hopscope.plan.setbefore import coming_back
from hopscope.plan.wanted import Wanted, wanted
from hopscope.spec import parse

FORWARD = "net/ipv4/ip_forward"
OF_ALL, OF_ETH0 = "net/ipv4/conf/all/forwarding", "net/ipv4/conf/eth0/forwarding"


def said(guest: str = "") -> Wanted:
    """The lab; of the guest, with these sysctls."""
    text = lab(guest=f"sysctls: {{{guest}}}") if guest else lab()
    return wanted(compile_lab(parse(text, "lab.yaml")))


@pytest.mark.parametrize("path", [FORWARD, OF_ALL, OF_ETH0, "net/ipv4/icmp_echo_ignore_all"])
def test_one_of_which_no_line_says_what_it_is_to_be(path: str) -> None:
    was = {(GUEST, path): "0"}
    assert coming_back(was, said(), said()) == was


@pytest.mark.parametrize("path", [FORWARD, OF_ALL])
def test_one_that_a_line_says_or_said_is_as_lines_have_it(path: str) -> None:
    """By either of its names; that of another node is no matter."""
    was = {(GUEST, path): "0"}
    forwards = said("net.ipv4.ip_forward: 1")
    assert coming_back(was, forwards, said()) == {}
    assert coming_back(was, said(), forwards) == {}
    assert coming_back({(HOST, OF_ETH0): "1"}, forwards, said()) == {(HOST, OF_ETH0): "1"}


def test_one_that_the_kernel_sets_along_with_another() -> None:
    """Comes back where the lines say the same of that one: else it follows."""
    was = {(GUEST, OF_ETH0): "1"}
    forwards, not_ = said("net.ipv4.ip_forward: 1"), said("net.ipv4.conf.all.forwarding: 0")
    assert coming_back(was, forwards, forwards) == was
    assert coming_back(was, forwards, not_) == {}
    assert coming_back(was, said(), forwards) == {}


def test_a_device_with_an_address_of_ipv6_stays_as_it_was_set() -> None:
    """It could not have that address else; another's, or of another node, comes back."""
    was = {(GUEST, f"net/ipv6/conf/{dev}/disable_ipv6"): "1" for dev in ("eth0", "eth1")}
    goal = wanted(compile_lab(parse(lab(guest="addresses: {eth0: 'fd00::1/64'}"), "x")))
    assert list(coming_back(was, goal, goal)) == [(GUEST, "net/ipv6/conf/eth1/disable_ipv6")]
    bare = wanted(compile_lab(parse(lab(guest="sysctls: {net.ipv6.bindv6only: 1}"), "x")))
    assert coming_back(was, bare, bare) == was

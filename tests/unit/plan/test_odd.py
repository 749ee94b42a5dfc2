"""What the kernel takes, and is hardly meant."""

import pytest

from hopscope.plan.odd import odd
from hopscope.spec import parse


def said(cidr: str) -> list[str]:
    text = f"name: lab\nnodes:\n  a: {{addresses: {{lo: '{cidr}'}}}}\n"
    return list(odd(parse(text, "lab.yaml")))


def test_addresses_of_no_host() -> None:
    """Of the subnet itself, and of all in it."""
    (itself,) = said("10.0.0.0/24")
    assert itself == (
        "lab.yaml:3:23: 10.0.0.0/24 of a is the address of the subnet itself, and no host's"
    )
    (to_all,) = said("10.0.0.3/30")
    assert to_all.endswith("broadcast address, and no host's: what is sent to it goes to all")


@pytest.mark.parametrize("cidr", ["10.0.0.1/24", "10.0.0.0/31", "10.0.0.1/31", "10.0.0.0/32"])
def test_addresses_of_a_host(cidr: str) -> None:
    """Two may be all of a subnet, or one by itself."""
    assert said(cidr) == []


def test_of_ipv6_there_is_no_broadcast() -> None:
    assert said("fd00::/64") == said("fd00::ffff:ffff:ffff:ffff/64") == []

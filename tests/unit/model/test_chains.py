"""Chains as people write them, with a family or without."""

import pytest

from hopscope.model.chains import ChainName, families_of
from hopscope.model.vocab import Family


@pytest.mark.parametrize(
    ("text", "node", "family", "table", "chain"),
    [
        ("host/nat/PREROUTING", "host", None, "nat", "PREROUTING"),
        ("host/ip6/filter/FORWARD", "host", Family.IP6, "filter", "FORWARD"),
        ("host/mine/a/b", "host", None, "mine", "a/b"),  # nft takes a slash in a name
        ("host/ip/mine/a/b", "host", Family.IP, "mine", "a/b"),
        ("host/ip/c", "host", None, "ip", "c"),
    ],
)
def test_parts(text: str, node: str, family: Family | None, table: str, chain: str) -> None:
    """And back again."""
    found = ChainName.read(text)
    assert found == ChainName(node=node, family=family, table=table, chain=chain)
    assert str(found) == text


@pytest.mark.parametrize("text", ["", "host", "host/filter", "host//FORWARD", "/filter/FORWARD"])
def test_what_lacks_a_part(text: str) -> None:
    assert ChainName.read(text) is None


@pytest.mark.parametrize(("six", "own", "other"), [
    (False, Family.IP, Family.IP6), (True, Family.IP6, Family.IP),
])  # fmt: skip
def test_the_short_form_is_of_the_pings_own_family(
    own: Family, other: Family, *, six: bool
) -> None:
    """And of the two families that take both."""
    found = families_of(six=six)
    assert {own, Family.INET, Family.BRIDGE} == set(found)
    assert found[0] is own
    assert other not in found

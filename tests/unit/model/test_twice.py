"""Whose answer a probe got, when several nodes have the address that was probed."""

from ipaddress import ip_interface

from msgspec.structs import replace

from hopscope.model.ends import End, NodeEnds
from hopscope.model.twice import Resolved, answerers, holders
from hopscope.model.vocab import Mac, NodeName

B, EVIL = Mac("02:00:00:00:00:0b"), Mac("02:00:00:00:00:0e")


def node(name: str, cidr: str, mac: Mac | None = None) -> NodeEnds:
    """With one device, whose index is 2."""
    interface = ip_interface(cidr)
    end = End(index=2, ip=str(interface.ip), network=interface.network, mac=mac)
    return NodeEnds(name=NodeName(name), ends=(end,))


A = node("a", "10.0.0.1/24")
BOTH = (node("b", "10.0.0.2/24", B), node("evil", "10.0.0.2/24", EVIL))
EITHER = ("b", "evil")


def entry(mac: Mac, *, at: str = "a", index: int = 2, ip: str = "10.0.0.2") -> Resolved:
    return Resolved(node=NodeName(at), index=index, ip=ip, mac=mac)


def test_addresses_of_several_nodes() -> None:
    """One node may have an address twice: it is the same node that answers."""
    twice = NodeEnds(name=A.name, ends=A.ends * 2)
    assert holders([twice, *BOTH]) == {"10.0.0.2": ("b", "evil")}


def test_the_sources_own_table_tells() -> None:
    assert answerers(A, "10.0.0.2", BOTH, [entry(EVIL)]) == ("evil",)
    assert answerers(A, "10.0.0.2", BOTH, [entry(B), entry(EVIL, at="c")]) == ("b",)
    assert answerers(A, "10.0.0.2", BOTH, [entry(EVIL, index=3)]) == EITHER
    assert answerers(A, "10.0.0.2", BOTH, [entry(EVIL, ip="10.0.0.3")]) == EITHER


def test_far_away_all_who_know_the_address_must_agree() -> None:
    far = node("far", "10.7.0.1/24")
    assert answerers(far, "10.0.0.2", BOTH, [entry(EVIL, at="gw")]) == ("evil",)
    both = [entry(EVIL, at="gw"), entry(B, at="a")]
    assert answerers(far, "10.0.0.2", BOTH, both) == EITHER
    assert answerers(far, "10.0.0.2", BOTH, []) == EITHER


def test_a_mac_of_neither_or_of_both_tells_nothing() -> None:
    """As of a router that answers for others, or of a device that was given the same."""
    assert answerers(A, "10.0.0.2", BOTH, [entry(Mac("02:00:00:00:00:99"))]) == EITHER
    same = (node("b", "10.0.0.2/24", B), node("evil", "10.0.0.2/24", B))
    assert answerers(A, "10.0.0.2", same, [entry(B)]) == EITHER


def test_a_node_that_has_the_address_answers_itself() -> None:
    assert answerers(BOTH[1], "10.0.0.2", BOTH, [entry(B, at="evil")]) == ("evil",)


def test_a_node_without_a_link_answered_nobody() -> None:
    """Whatever tables still hold of it; itself it answers."""
    there = (replace(BOTH[0], linked=False), BOTH[1])
    assert answerers(A, "10.0.0.2", there, []) == ("evil",)
    assert answerers(A, "10.0.0.2", there, [entry(B)]) == ("evil",)
    assert answerers(there[0], "10.0.0.2", there, []) == ("b",)

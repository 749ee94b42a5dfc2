"""Which address another node takes, and whom each node resolves."""

from ipaddress import ip_interface

from hopscope.model.ends import Chooser, End, NodeEnds, lone, neighbours
from hopscope.model.vocab import Mac, NodeName


def node(name: str, *cidrs: str, via: str = "") -> NodeEnds:
    """With a device for each address, whose MAC ends as the address does."""
    return NodeEnds(
        name=NodeName(name),
        ends=tuple(
            End(
                index=number,
                ip=str(ip_interface(cidr).ip),
                network=ip_interface(cidr).network,
                mac=Mac(f"02:00:00:00:00:{ip_interface(cidr).ip.packed[-1]:02x}"),
            )
            for number, cidr in enumerate(cidrs, 2)
        ),
        gateways=frozenset(via.split()),
    )


def resolved(*nodes: NodeEnds, sources: str = "", targets: str = "") -> dict[str, set[str]]:
    """By node, the addresses that it resolves; without names, all nodes are both."""
    names = [one.name for one in nodes]
    froms = frozenset(map(NodeName, sources.split())) or frozenset(names)
    tos = frozenset(map(NodeName, targets.split())) or frozenset(names)
    found: dict[str, set[str]] = {}
    for name, _index, macs in neighbours(nodes, froms, tos):
        found.setdefault(name, set()).update(macs)
    return found


def test_the_nearest_address_is_taken() -> None:
    """One in a subnet of the source's own; else the first of a family that it has."""
    there = node("b", "10.2.0.9/24", "10.1.0.2/24", "fd00::2/64")

    def taken(*cidrs: str) -> str | None:
        return Chooser([there]).addresses(node("a", *cidrs))[there.name]

    assert taken("10.1.0.1/24") == "10.1.0.2"
    assert taken("10.3.0.1/24") == "10.2.0.9"
    assert taken("fd01::1/64") == "fd00::2"
    assert taken() is None


def test_an_address_alone_is_taken_as_it_is() -> None:
    """By whoever speaks its family."""
    chooser = Chooser([lone("10.96.0.10"), lone("fd00::9")])
    assert chooser.addresses(node("a", "10.1.0.1/24")) == {
        "10.96.0.10": "10.96.0.10",
        "fd00::9": None,
    }


def test_nodes_of_one_subnet_take_the_same_address() -> None:
    """What the first took, the next does; one of another subnet takes another."""
    there = node("c", "10.2.0.9/24", "10.1.0.2/24")
    chooser = Chooser([there])
    taken = [
        chooser.addresses(node(name, cidr))[there.name]
        for name, cidr in (("a", "10.1.0.1/24"), ("b", "10.1.0.3/24"), ("d", "10.2.0.1/24"))
    ]
    assert taken == ["10.1.0.2", "10.1.0.2", "10.2.0.9"]


def test_neighbours_of_a_subnet() -> None:
    """Each resolves all others, and not itself."""
    nodes = [node("a", "10.0.0.1/24"), node("b", "10.0.0.2/24"), node("c", "10.0.0.3/24")]
    assert resolved(*nodes) == {
        "a": {"10.0.0.2", "10.0.0.3"},
        "b": {"10.0.0.1", "10.0.0.3"},
        "c": {"10.0.0.1", "10.0.0.2"},
    }
    assert resolved(*nodes, sources="a", targets="b c") == {
        "a": {"10.0.0.2", "10.0.0.3"},
        "b": {"10.0.0.1"},
        "c": {"10.0.0.1"},
    }


def test_a_gateway_is_resolved_too() -> None:
    """By those on its wires, and it resolves them, though nobody asked for it."""
    nodes = [
        node("a", "10.0.0.1/24", via="10.0.0.9"),
        node("gw", "10.0.0.9/24", "10.1.0.9/24"),
        node("b", "10.1.0.1/24", via="10.1.0.9"),
    ]
    assert resolved(*nodes, sources="a", targets="b") == {
        "a": {"10.0.0.9"},
        "gw": {"10.0.0.1", "10.1.0.1"},
        "b": {"10.1.0.9"},
    }


def test_an_address_of_two_nodes_is_left_to_arp() -> None:
    """Whose MAC is meant, is not known."""
    nodes = [node("a", "10.0.0.1/24"), node("b", "10.0.0.2/24"), node("c", "10.0.0.2/24")]
    assert resolved(*nodes) == {"b": {"10.0.0.1"}, "c": {"10.0.0.1"}}

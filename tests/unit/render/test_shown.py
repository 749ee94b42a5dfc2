"""Tables of a snapshot as rows of text."""

import pytest
from msgspec.structs import replace

from hopscope.model.snapshot import (
    Chain,
    FdbEntry,
    LinkState,
    Neighbour,
    NodeState,
    Route,
    Rule,
    Snapshot,
)
from hopscope.model.vocab import DevName, DevRef, Family, Mac, NeighbourState, NodeName
from hopscope.render.shown import shown
from smalllabs import lab

LAB = lab(["ns1/a = host/b@br0"], addresses={"ns1/a": "10.0.0.2/24"}, down=["host/b"])
LOG = Rule(handle=2, text="-p icmp -j LOG", packets=3, log_prefix="seen ")


def with_host(**parts: object) -> Snapshot:
    """LAB with these in its host."""
    nodes = [replace(node, **parts) if node.name == "host" else node for node in LAB.nodes]
    return Snapshot(nodes=tuple(nodes))


def _link(name: str) -> LinkState:
    found = LAB.link(DevRef(NodeName("ns1"), DevName(name)))
    assert found is not None
    return found


def _chain(*rules: Rule, kind: str = "filter", ours: bool = False) -> Chain:
    return Chain(family=Family.IP, table="t", name="FORWARD", type=kind, rules=rules, ours=ours)


@pytest.mark.parametrize(
    "what", ["links", "neighbours", "fdb", "routes", "rules", "sysctls", "topology"]
)
def test_rows_are_as_wide_as_their_heads(what: str) -> None:
    full = with_host(
        neighbours=(
            Neighbour(dev=DevName("br0"), ip="::1", mac=None, state=NeighbourState.FAILED),
        ),
        fdb=(FdbEntry(bridge=DevName("br0"), mac=Mac("02:00:00:00:00:09"), port=DevName("b")),),
        routes=(Route(family=Family.IP, destination="10.0.0.0/8", table=254, type="unicast"),),
        chains=(_chain(LOG),),
        sysctls={"a.b": "1"},
    )
    table = shown(what, full)
    assert table.rows
    assert {len(row) for row in table.rows} == {len(table.columns)}
    assert shown(what, Snapshot(nodes=())).rows == ()


def test_a_device_that_is_down_is_called_down() -> None:
    states = {row[0]: row[2] for row in shown("links", LAB).rows}
    assert states == {"ns1/a": "up", "host/br0": "up", "host/b": "down"}
    dark = NodeState(name=NodeName("n"), links=(replace(_link("a"), carrier=False),))
    assert shown("links", Snapshot(nodes=(dark,))).rows[0][2] == "up, no carrier"


def test_the_local_table_is_left_out() -> None:
    routes = tuple(
        Route(family=Family.IP, destination="10.0.0.2/32", table=table, type="local")
        for table in (254, 255)
    )
    assert [row[2] for row in shown("routes", with_host(routes=routes)).rows] == ["main"]


def test_rules_of_our_own_are_left_out() -> None:
    mine = replace(LOG, ours=True)
    snapshot = with_host(chains=(_chain(LOG, mine), _chain(LOG, ours=True)))
    rows = shown("rules", snapshot).rows
    assert rows == (("host", "ip t FORWARD", "3", "-p icmp -j LOG"),)


def test_log_rules_that_cannot_print_are_pointed_out() -> None:
    """In nat, without anything that tracks connections; and only there."""
    (note,) = shown("rules", with_host(chains=(_chain(LOG, kind="nat"),))).notes
    assert note.startswith("host: LOG rules in nat print nothing here")
    assert shown("rules", with_host(chains=(_chain(LOG),))).notes == ()
    assert shown("links", with_host(chains=(_chain(LOG, kind="nat"),))).notes == ()


def test_what_could_not_be_read_is_said() -> None:
    assert shown("rules", with_host(unread=("nft is missing",))).notes == ("host: nft is missing",)


def test_each_link_is_told_once() -> None:
    assert shown("topology", LAB).rows == (
        ("ns1/a", "joined to", "host/b"),
        ("host/br0", "bridge of", "b"),
    )

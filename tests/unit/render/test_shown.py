"""Tables of a snapshot as rows of text."""

import pytest
from msgspec.structs import replace

from hopscope.model.snapshot import (
    Chain,
    FdbEntry,
    LinkState,
    Neighbour,
    NodeState,
    PolicyRule,
    RemoteEntry,
    Route,
    Rule,
    Snapshot,
)
from hopscope.model.traffic import Netem, Qdisc
from hopscope.model.vocab import DevName, DevRef, Family, Mac, NeighbourState, NodeName
from hopscope.render.shown import shown
from smalllabs import lab, mac_of

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


def test_remotes_of_tunnels_stand_among_the_forwarding_entries() -> None:
    """With where frames go, and whose the address is, where it is known."""
    mac = mac_of(DevRef(NodeName("ns1"), DevName("a")))
    remotes = tuple(
        RemoteEntry(dev=DevName("vx"), mac=address, remote="10.0.0.2", static=static)
        for address, static in ((mac, False), (Mac("00:00:00:00:00:00"), True))
    )
    assert shown("fdb", with_host(remotes=remotes)).rows == (
        ("host/vx", mac, "to 10.0.0.2", "learnt", "ns1/a"),
        ("host/vx", "00:00:00:00:00:00", "to 10.0.0.2", "static", "—"),
    )


def test_policy_rules_in_the_order_in_which_they_are_asked() -> None:
    """A table by its name; without one, what the rule itself does."""
    rules = (
        PolicyRule(family=Family.IP, priority=32766, table=254),
        PolicyRule(family=Family.IP, priority=9, table=0, action="prohibit", source="10.0.0.0/8"),
    )
    assert shown("policy", with_host(policy_rules=rules)).rows == (
        ("host", "ip", "9", "from 10.0.0.0/8", "prohibit"),
        ("host", "ip", "32766", "from all", "lookup main"),
    )


def test_queueing_disciplines_with_what_they_sent() -> None:
    """Options of a kind that labs do not declare are not known."""
    one = Qdisc(dev=DevName("b"), kind="netem", handle="1:", parent="root", sent=9, dropped=3)
    qdiscs = (replace(one, options=Netem(loss=5.0)), replace(one, kind="pfifo", handle="2:"))
    assert shown("qdiscs", with_host(qdiscs=qdiscs)).rows == (
        ("host/b", "netem 1:", "root", "loss 5%", "9/3"),
        ("host/b", "pfifo 2:", "root", "—", "9/3"),
    )


def test_what_a_device_lies_over() -> None:
    """In place of a peer, which it has not."""
    over = replace(_link("a"), kind="macvlan", peer=None, over=DevRef(NodeName("h"), DevName("e")))
    node = NodeState(name=NodeName("n"), links=(over,))
    assert shown("topology", Snapshot(nodes=(node,))).rows == (("n/a", "macvlan over", "h/e"),)

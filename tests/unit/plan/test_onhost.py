"""What of the real host is a lab's, and what of others hangs on it."""

from msgspec.structs import replace

from comparing import BR0, HOST, P1, link, snapshot, world
from hopscope.model.snapshot import FdbEntry, Neighbour, PolicyRule, RemoteEntry, Route
from hopscope.model.traffic import Qdisc
from hopscope.model.vocab import DevName, DevRef, Family, Mac, NeighbourState, NodeName
from hopscope.plan.onhost import in_foreign_bridge, our_part, torn
from hopscope.plan.ops import Plan, RemoveDevice

MAC = Mac("02:00:00:00:00:09")
ETH0 = DevName("eth0")
OURS = (2, 3)
WHOLE = snapshot(
    host={
        "links": (
            *snapshot().nodes[0].links,
            link(HOST, ETH0, "", index=4),
        ),
        "routes": tuple(
            Route(family=Family.IP, destination="10.0.0.0/8", table=254, type="unicast", dev=dev)
            for dev in (BR0, ETH0)
        ),
        "policy_rules": (PolicyRule(family=Family.IP, priority=0, table=255),),
        "neighbours": tuple(
            Neighbour(dev=dev, ip="10.0.0.9", mac=MAC, state=NeighbourState.PERMANENT)
            for dev in (BR0, ETH0)
        ),
        "fdb": tuple(
            FdbEntry(bridge=BR0, mac=MAC, port=port, local=False, static=True)
            for port in (P1, ETH0)
        ),
        "remotes": (RemoteEntry(dev=ETH0, mac=MAC, remote="10.0.0.7", static=True),),
        "qdiscs": tuple(
            Qdisc(dev=dev, kind="tbf", handle="1:", parent="root", options=None)
            for dev in (P1, ETH0)
        ),
    }
).nodes[0]


def test_only_what_is_on_our_devices_is_seen() -> None:
    ours = our_part(WHOLE, OURS)
    assert [one.name for one in ours.links] == [BR0, P1]
    assert [one.dev for one in ours.routes] == [BR0]
    assert [one.dev for one in ours.neighbours] == [BR0]
    assert [one.port for one in ours.fdb] == [P1]
    assert [one.dev for one in ours.qdiscs] == [P1]
    assert (ours.policy_rules, ours.remotes, ours.chains) == ((), (), ())


def test_a_device_that_took_our_name_is_not_ours() -> None:
    """It has another index."""
    assert our_part(WHOLE, (2,)).link(P1) is None


def test_a_port_of_anothers_bridge_is_found() -> None:
    assert in_foreign_bridge(WHOLE, OURS) is None
    assert in_foreign_bridge(WHOLE, (3,)) == WHOLE.link(P1)


def _torn(host: object, *removed: DevRef) -> object:
    ours = snapshot()
    ops = tuple(RemoveDevice(node=one.node, dev=one.dev) for one in removed)
    return torn(Plan(ops=ops), world(ours), host)  # type: ignore[arg-type]


def test_what_hangs_on_a_removed_device_is_found() -> None:
    """A port of theirs in our bridge, or a macvlan of theirs over our end of a link."""
    port = link(HOST, ETH0, "veth", index=4, master=BR0)
    over = link(HOST, ETH0, "macvlan", index=4, over=DevRef(HOST, P1))
    ours = WHOLE.links[:-1]
    with_port, with_over = (replace(WHOLE, links=(*ours, one)) for one in (port, over))
    far = DevRef(NodeName("guest"), DevName("eth0"))
    assert _torn(with_port, DevRef(HOST, BR0)) == (ETH0, BR0)
    assert _torn(with_over, far) == (ETH0, P1)
    assert _torn(with_port, far) is None
    assert _torn(WHOLE, DevRef(HOST, BR0)) is None

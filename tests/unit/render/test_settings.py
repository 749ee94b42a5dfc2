"""What a device is set to, as `ip`, `bridge` and `tc` would name it; the usual is left out."""

import pytest
from msgspec.structs import replace

from hopscope.model.devices import BridgeState, PortOptions, Vlan, Vxlan
from hopscope.model.policy import asks
from hopscope.model.snapshot import LinkState, PolicyRule, Route
from hopscope.model.traffic import Htb, Netem, Shaping, Tbf
from hopscope.model.vocab import DevName, DevRef, Family, NodeName
from hopscope.render.settings import route_row, settings, shaping

LINK = LinkState(name=DevName("d"), index=2, kind="veth", mac=None, mtu=1500, up=True, carrier=True)
UP = DevRef(NodeName("host"), DevName("up"))
ROUTE = Route(
    family=Family.IP,
    destination="10.0.0.0/8",
    table=254,
    type="unicast",
    dev=DevName("d"),
    source="10.0.0.1",
    metric=7,
)
RULE = PolicyRule(family=Family.IP, priority=9, table=100)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({}, ""),
        ({"bridge": BridgeState(), "port": PortOptions()}, ""),
        (
            {"bridge": BridgeState(stp=True, vlan_filtering=True, ageing=20, priority=7)},
            "stp, vlan_filtering, ageing 20, priority 7",
        ),
        ({"bridge": BridgeState(forward_delay=2.5)}, "forward_delay 2.5"),
        ({"port": PortOptions(hairpin=True, isolated=True)}, "hairpin, isolated"),
        ({"port": PortOptions(learning=False, flood=False)}, "no learning, no flood"),
        ({"macvlan": "vepa", "over": UP}, "vepa over host/up"),
        ({"macvlan": "private"}, "private over a device elsewhere"),
        ({"vxlan": Vxlan(id=42, remote="10.0.0.2")}, "id 42, remote 10.0.0.2, port 4789"),
        (
            {"vxlan": Vxlan(id=1, local="::1", port=8472, learning=False), "over": UP},
            "id 1, local ::1, port 8472, no learning, over host/up",
        ),
        (
            {"vlans": (Vlan(vid=1, pvid=True, untagged=True), Vlan(vid=20))},
            "vlan 1 pvid untagged, 20",
        ),
        ({"queues": 4}, "4 queues"),
    ],
)
def test_only_what_is_not_usual_is_told(changes: dict[str, object], told: str) -> None:
    assert settings(replace(LINK, **changes)) == told


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (Tbf(rate=10_000_000, burst=4096, limit=9000), "rate 10mbit burst 4096b limit 9000b"),
        (Tbf(rate=999, burst=1, limit=2), "rate 999bit burst 1b limit 2b"),
        (
            Htb(rate=1_500, ceil=2_500_000_000, burst=1600),
            "rate 1.5kbit ceil 2.5gbit burst 1600b",
        ),
        (Netem(), "nothing"),
        (
            Netem(delay=20_000_000, jitter=500_000, loss=1.0, reorder=2.5),
            "delay 20ms jitter 0.5ms loss 1% reorder 2.5%",
        ),
        (Netem(duplicate=0.5, corrupt=100.0), "duplicate 0.5% corrupt 100%"),
    ],
)
def test_how_a_device_holds_back_what_it_sends(options: Shaping, told: str) -> None:
    assert shaping(options) == told


def test_what_was_chosen_of_a_route() -> None:
    """Its source and its metric, unless the kernel made it."""
    assert route_row(replace(ROUTE, protocol="kernel")) == "10.0.0.0/8 dev d"
    assert route_row(replace(ROUTE, protocol="static")) == (
        "10.0.0.0/8 dev d src 10.0.0.1 metric 7"
    )
    assert route_row(replace(ROUTE, protocol="static", source=None, metric=0)) == (
        "10.0.0.0/8 dev d"
    )


def test_what_a_policy_rule_asks() -> None:
    """Who sends is always told; a value that is not known is an ellipsis."""
    assert asks(RULE) == "from all"
    rule = replace(
        RULE,
        source="10.0.0.0/24",
        destination="10.9.0.0/16",
        conditions=("iif", "tos"),
        values={"iif": "eth0"},
    )
    assert asks(rule) == "from 10.0.0.0/24 to 10.9.0.0/16 iif eth0 tos …"

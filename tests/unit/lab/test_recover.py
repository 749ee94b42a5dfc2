"""What a kernel holds → the keys of a lab file, for parts that not every kernel has."""

import pytest
from msgspec.structs import replace

from hopscope.lab.imports.recoverports import bridge_options, fdb_of, port_options
from hopscope.lab.imports.recovertraffic import sending
from hopscope.lab.imports.told import Thing, things
from hopscope.model.devices import BridgeState, PortOptions, Vlan
from hopscope.model.snapshot import FdbEntry, LinkState, NodeState
from hopscope.model.traffic import Htb, Netem, Qdisc, RateLimit, Shaping, Tbf
from hopscope.model.vocab import DevName, Mac
from hopscope.plan.traffic import shaped
from hopscope.spec.units import duration, rate
from hopscope.wire.traffic import kept_burst

P1, BR0 = DevName("p1"), DevName("br0")


def qdisc(options: Shaping | None, kind: str = "tbf") -> Qdisc:
    """One at the root."""
    return Qdisc(dev=P1, kind=kind, handle="1:", parent="root", options=options)


def bridge(**options: object) -> LinkState:
    """A bridge."""
    state = BridgeState(**options)  # type: ignore[arg-type]
    return LinkState(
        name=BR0, index=2, kind="bridge", mac=None, mtu=1500, up=True, carrier=True, bridge=state
    )


def port(*vlans: Vlan, **options: object) -> LinkState:
    """A veth end that is a port of it."""
    return LinkState(
        name=P1,
        index=3,
        kind="veth",
        mac=None,
        mtu=1500,
        up=True,
        carrier=True,
        master=BR0,
        port=PortOptions(**options),  # type: ignore[arg-type]
        vlans=vlans,
    )


@pytest.mark.parametrize("bits", [1000, 256_000, 10_000_000, 1_234_567_888, 40 * 10**9])
def test_a_rate_alone_comes_back_as_one(bits: int) -> None:
    """What follows from it is not written down."""
    limit = shaped(RateLimit(kind="tbf", rate=bits), 1500)
    kept = replace(limit, burst=kept_burst(limit.burst, bits))
    found = sending([qdisc(kept)], 1500)
    assert list(found) == ["rate"]
    assert rate(found["rate"]) == bits


def test_a_rate_with_all_its_parts_comes_back() -> None:
    """The queue as the time that a packet waits."""
    limit = RateLimit(kind="tbf", rate=777_000, burst=32_768, latency=17_000_000)
    told = sending([qdisc(shaped(limit, 1500))], 1500)["rate"]
    assert (rate(told["rate"]), told["burst"]) == (777_000, 32_768)
    again = RateLimit(
        kind="tbf", rate=777_000, burst=told["burst"], latency=duration(told["latency"])
    )
    assert shaped(again, 1500) == shaped(limit, 1500)


def test_an_htb_tells_its_ceiling() -> None:
    """If that is not the rate itself."""
    told = sending([qdisc(Htb(rate=5_000_000, ceil=6_000_000, burst=6250), "htb")], 1500)["rate"]
    assert told == {"rate": "5mbit", "kind": "htb", "ceil": "6mbit"}


def test_what_no_lab_file_takes_is_left_to_the_comparison() -> None:
    """A burst that no packet fits into, a kind that labs do not have."""
    assert sending([qdisc(Tbf(rate=10**6, burst=500, limit=9000))], 1500) == {}
    assert sending([qdisc(None, "sfq")], 1500) == {}


def test_a_bad_line_comes_back() -> None:
    """Below it may be a rate."""
    line = Netem(delay=20_000_000, jitter=2_500_000, loss=1.5, reorder=25.0)
    limit = shaped(RateLimit(kind="tbf", rate=10**7), 1500)
    assert sending([qdisc(line, "netem"), qdisc(limit)], 1500) == {
        "delay": "20ms",
        "jitter": "2500us",
        "loss": "1.5%",
        "reorder": "25%",
        "rate": "10mbit",
    }


def test_only_chosen_options_of_a_bridge_are_written() -> None:
    """A time that a lab file does not take is left to the comparison."""
    assert bridge_options(BridgeState(), ()) == {}
    chosen = BridgeState(stp=True, ageing=10.5, forward_delay=0.0, priority=100)
    assert bridge_options(chosen, ()) == {"stp": True, "ageing": 10.5, "priority": 100}


def test_vlans_are_written_where_they_are_kept_apart() -> None:
    """But not the one that every port has by itself."""
    usual = Vlan(vid=1, pvid=True, untagged=True)
    others = (Vlan(vid=10), Vlan(vid=20, pvid=True, untagged=True))
    filtering = bridge(vlan_filtering=True)
    assert bridge_options(filtering.bridge, others) == {
        "vlan_filtering": True,
        "vlans": [10, {"vid": 20, "pvid": True, "untagged": True}],
    }
    assert port_options(port(usual), filtering) == {}
    assert port_options(port(*others), filtering)["vlans"][0] == 10
    assert port_options(port(*others), bridge()) == {}


def test_only_chosen_options_of_a_port_are_written() -> None:
    """The cost that follows from the speed of a veth pair is none."""
    assert port_options(port(cost=2), bridge()) == {}
    options = port_options(port(cost=7, isolated=True, learning=False), bridge())
    assert options == {"cost": 7, "isolated": True, "learning": False}


def test_entries_that_somebody_made_are_written() -> None:
    """Not what was learnt, not the bridge's own, not of a port that is left out."""
    macs = [Mac(f"02:00:00:00:00:0{number}") for number in range(4)]
    entries = (
        FdbEntry(bridge=BR0, mac=macs[0], port=P1, static=True),
        FdbEntry(bridge=BR0, mac=macs[1], port=P1),
        FdbEntry(bridge=BR0, mac=macs[2], port=P1, local=True, static=True),
        FdbEntry(bridge=BR0, mac=macs[3], port=DevName("gone"), static=True),
    )
    state = NodeState(name="n", fdb=entries)  # type: ignore[arg-type]
    assert fdb_of(state, BR0, {P1}) == {str(macs[0]): "p1"}


def told(command: str, text: str) -> dict[Thing, dict[str, str]]:
    """The things in one command's output."""
    return {thing: dict(found) for thing, found in things(f"\n>>> {command}\n{text}\n").items()}


def test_what_a_device_is_set_to_is_told_without_what_follows() -> None:
    """No index, no state, no MAC address that chance chose."""
    found = told(
        "ip -d -j link show",
        '[{"ifindex":2,"ifname":"v0","flags":["UP","LOWER_UP","PROMISC"],"mtu":1500,"qdisc":"noop",'
        '"address":"02:00:00:00:00:01","txqlen":55,"linkinfo":{"info_kind":"veth",'
        '"info_slave_data":{"state":"forwarding","guard":true}}}]',
    )
    assert found == {
        Thing("device", "v0", "v0"): {
            "kind": "veth",
            "mtu": "1500",
            "txqlen": "55",
            "up": "on",
            "promisc": "on",
            "guard": "on",
        }
    }


@pytest.mark.parametrize(
    ("command", "text", "name"),
    [
        (
            "ip -d -j route show table all",
            '[{"type":"blackhole","dst":"10.0.0.0/8","table":"7","protocol":"boot","metric":3}]',
            "the route to 10.0.0.0/8 of metric 3 in table 7",
        ),
        ("ip -d -j rule show", '[{"priority":5,"src":"all"}]', "the policy rule 5"),
        ("ip -d -j -6 rule show", '[{"priority":5}]', "the policy rule of IPv6 5"),
        (
            "ip -j neigh show proxy",
            '[{"dst":"10.0.0.9","dev":"v0","proxy":null}]',
            "the proxy neighbour 10.0.0.9 of v0",
        ),
        ("ip -j nexthop show", '[{"id":4,"gateway":"10.0.0.2"}]', "the nexthop 4"),
        (
            "bridge -d -j fdb show",
            '[{"mac":"02:00:00:00:00:02","ifname":"v0","flags":["self"],"state":"permanent"}]',
            "the address filter 02:00:00:00:00:02 of v0",
        ),
        (
            "bridge -j vlan show",
            '[{"ifname":"v0","vlans":[{"vlan":4,"flags":["PVID"]}]}]',
            "the VLAN 4 of v0",
        ),
        (
            "bridge -j mdb show",
            '[{"mdb":[{"port":"v0","grp":"239.1.1.1","state":"permanent"}]}]',
            "the multicast entry 239.1.1.1 of v0",
        ),
        (
            "tc -j qdisc show",
            '[{"kind":"sfq","handle":"8001:","dev":"v0","root":true,"options":{"limit":127}}]',
            "the queueing discipline sfq of v0",
        ),
        ("tc filter show dev v0", "filter parent 1: u32", "the set of filters of v0"),
        ("ip xfrm state", "src 10.0.0.1 dst 10.0.0.2\n\tproto esp", "the xfrm state src 10.0.0.1"),
        (
            "echo nat /proc/net/ip_tables_names",
            "nat /proc/net/ip_tables_names",
            "the rules in the legacy table nat of iptables",
        ),
    ],
)
def test_each_thing_has_a_name_that_a_person_knows(command: str, text: str, name: str) -> None:
    """As the tool that makes it would say it."""
    (thing,) = told(command, text)
    assert str(thing).startswith(name)


@pytest.mark.parametrize("text", ["", "no JSON", "[]", "[{}]", '["text"]'])
def test_what_tells_nothing_is_nothing(text: str) -> None:
    """A tool that is not there, or has other forms."""
    assert told("ip -d -j link show", text) == {}


def test_one_class_may_have_any_number() -> None:
    """If it is where all packets go."""
    text = (
        "\n>>> tc -j qdisc show\n"
        '[{"kind":"htb","handle":"1:","dev":"v0","root":true,"options":{"default":"0x10"}}]\n'
        "\n>>> tc class show dev v0\nclass htb 1:10 root prio 0 rate 5Mbit ceil 6Mbit burst 1600b\n"
    )
    found = things(text)
    assert found[Thing("class", "htb of v0", "v0")] == {
        "rate": "5Mbit",
        "ceil": "6Mbit",
        "prio": "0",
    }
    assert found[Thing("queueing discipline", "htb of v0", "v0")] == {"default": "its class"}

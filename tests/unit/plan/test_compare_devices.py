"""Devices that lie over others, entries, VLANs and addresses against those that there are."""

from typing import Any

import pytest
from msgspec.structs import replace

from comparing import (
    BR0,
    ETH0,
    GUEST,
    HOST,
    P1,
    connected,
    found,
    lab,
    link,
    snapshot,
    told,
    work,
    world,
)
from hopscope.model.change import Action
from hopscope.model.devices import BridgeState, PortOptions, Vlan, Vxlan
from hopscope.model.lab import DeviceSpec, LabSpec, NodeSpec
from hopscope.model.snapshot import Address, FdbEntry, LinkState, RemoteEntry, Snapshot
from hopscope.model.vocab import DevName, DevRef, Mac
from hopscope.plan.compare import differences
from hopscope.plan.compile import compile_lab
from hopscope.plan.devices import device_ops
from hopscope.plan.ops import (
    AddFdb,
    AddMacvlan,
    AddRemote,
    AddVeth,
    AddVxlan,
    ChangeBridge,
    ChangeDevice,
    ChangeVlans,
    RemoveAddress,
    RemoveDevice,
    RemoveFdb,
    RemoveRemote,
    SetUp,
    SetVlans,
)
from hopscope.plan.restore import plan_of
from hopscope.plan.wanted import wanted
from hopscope.spec import parse

OTHER, ANY = Mac("02:00:00:00:00:99"), Mac("00:00:00:00:00:00")
X, Y = DevName("x"), DevName("y")
OVER = lab(guest="devices: {x: {kind: macvlan, over: eth0}}")
TUNNEL = lab(guest="devices: {x: {kind: vxlan, id: 4, remote: 192.0.2.2, over: eth0}}")


def macvlan(**more: Any) -> LinkState:
    """Over the guest's device."""
    over = {"over": DevRef(GUEST, ETH0), "macvlan": "bridge", "index": 3}
    return link(GUEST, X, "macvlan", **(over | more))


def vxlan(**more: Any) -> LinkState:
    """Over the guest's device."""
    over = {"over": DevRef(GUEST, ETH0), "mtu": 1450, "index": 3}
    state = Vxlan(id=4, remote="192.0.2.2")
    return link(GUEST, X, "vxlan", **(over | {"vxlan": state} | more))


def beside(*links: LinkState, **more: Any) -> Snapshot:
    """With these in the guest."""
    there = snapshot().node(GUEST).links
    return snapshot(guest={"links": (*there, *links), **more})


@pytest.mark.parametrize(("text", "now"), [(OVER, macvlan()), (TUNNEL, vxlan())])
def test_one_that_is_as_declared_does_not_differ(text: str, now: LinkState) -> None:
    """Its MTU follows from that of the device below."""
    own = RemoteEntry(dev=X, mac=ANY, remote="192.0.2.2", static=True)
    there = beside(now, remotes=(own,) if now.vxlan else ())
    assert told(found(text, there)) == []
    plan = plan_of(there, world(there).sysctls, {})
    assert told(differences(wanted(plan), world(there, only_told=True))) == []


@pytest.mark.parametrize(
    ("text", "now", "why"),
    [
        (OVER, macvlan(macvlan="private"), "another mode"),
        (OVER, macvlan(over=DevRef(HOST, BR0)), "another device below"),
        (OVER, macvlan(queues=2), "another number of queues"),
        (OVER, vxlan(), "what has that name is another device"),
        (TUNNEL, vxlan(vxlan=Vxlan(id=5, remote="192.0.2.2", port=99)), "another id, another port"),
        (TUNNEL, vxlan(over=None), "another device below"),
    ],
)
def test_what_cannot_be_changed_is_made_anew(text: str, now: LinkState, why: str) -> None:
    """The reason is told."""
    (difference,) = found(text, beside(now))
    assert why in difference.change.why
    assert difference.removes == (RemoveDevice(node=GUEST, dev=X),)
    assert isinstance(difference.makes[0], AddMacvlan | AddVxlan)


def test_what_lies_over_a_device_goes_before_it_and_comes_after() -> None:
    """The veth pair has another number of queues; the kernel would take the macvlan with it."""
    text = lab(end="queues: 2", guest="devices: {x: {kind: macvlan, over: eth0}}")
    ops = work(text, beside(macvlan()))
    removed = [(op.node, op.dev) for op in ops if isinstance(op, RemoveDevice)]
    assert removed in ([(GUEST, X), (HOST, P1)], [(GUEST, X), (GUEST, ETH0)])
    made = [type(op) for op in ops if isinstance(op, AddVeth | AddMacvlan)]
    assert made == [AddVeth, AddMacvlan]


def test_a_port_leaves_its_bridge_before_a_macvlan_comes_over_it() -> None:
    """The kernel takes none over a port."""
    text = lab(guest="devices: {x: {kind: macvlan, over: 'host:p1'}}").replace("@br0", "")
    freed, made, *_rest = work(text, snapshot())
    assert freed == ChangeDevice(node=HOST, dev=P1, bridge=DevName(""))
    assert isinstance(made, AddMacvlan)


def test_a_macvlan_of_a_node_that_goes_is_removed_from_what_stays() -> None:
    """It may have the address that another will have."""
    there = beside(macvlan(over=DevRef(HOST, BR0)))
    alone = "name: lab\nnodes:\n  host: {bridges: [br0], sysctls: {net.ipv4.ip_forward: 0}}\n"
    removed = [op.dev for op in work(alone, there) if isinstance(op, RemoveDevice)]
    assert removed == [X, P1]


def test_the_mtu_of_a_tunnel_follows_that_below() -> None:
    """Its headers take 50 bytes, of IPv6 70."""
    state = wanted_devices(TUNNEL.replace("- {ends", "- {mtu: 1400, ends"))
    assert state[DevRef(GUEST, X)].mtu == 1350
    six = lab(guest="devices: {x: {kind: vxlan, id: 4, remote: 'fd00::2', over: eth0}}")
    assert wanted_devices(six)[DevRef(GUEST, X)].mtu == 1430


def test_a_macvlan_that_is_declared_down_is_not_brought_up() -> None:
    """It is made, and nothing more."""
    text = lab(guest="devices: {x: {kind: macvlan, over: eth0}}, down: [x]")
    ops = compile_lab(parse(text, "lab.yaml")).ops
    assert any(isinstance(op, AddMacvlan) for op in ops)
    assert not any(isinstance(op, SetUp) and op.dev == X for op in ops)
    assert not wanted_devices(text)[DevRef(GUEST, X)].up


def test_what_would_lie_over_nothing_is_not_made() -> None:
    """A lab that says so is told when it is read; one that is built in Python has no such line."""
    device = DeviceSpec(ref=DevRef(GUEST, X), kind="macvlan")
    assert (
        list(device_ops(LabSpec(name="x", nodes=(NodeSpec(name=GUEST, devices=(device,)),)))) == []
    )


def test_a_tunnel_may_lie_over_a_macvlan() -> None:
    """What is below is made first."""
    text = lab(guest="devices: {a: {kind: vxlan, id: 4, over: x}, x: {kind: macvlan, over: eth0}}")
    made = [type(op) for op in work(text, snapshot()) if isinstance(op, AddVxlan | AddMacvlan)]
    assert made == [AddMacvlan, AddVxlan]
    assert wanted_devices(text)[DevRef(GUEST, DevName("a"))].mtu == 1450


def wanted_devices(text: str) -> Any:
    """What a lab leads to."""
    return wanted(compile_lab(parse(text, "lab.yaml"))).devices


def fdb(*entries: FdbEntry) -> Snapshot:
    """With these in the host's bridge."""
    return snapshot(host={"fdb": entries})


def entry(mac: Mac = OTHER, port: DevName = P1, **more: Any) -> FdbEntry:
    """Static."""
    return FdbEntry(bridge=BR0, mac=mac, port=port, **({"static": True} | more))


ENTRY = lab(f"fdb: {{'{OTHER}': p1}}")


def test_an_entry_takes_the_place_of_one_that_was_learnt() -> None:
    now = fdb(entry(static=False))
    assert told(found(ENTRY, now)) == [(Action.CREATE, f"{OTHER} of br0", "", None, "p1")]
    assert work(ENTRY, now) == [AddFdb(node=HOST, dev=P1, mac=OTHER, replaces=True)]


def test_an_entry_that_is_as_declared_does_not_differ() -> None:
    """Going back makes it again; what was learnt comes by itself."""
    now = fdb(entry(), entry(Mac("02:00:00:00:00:98"), static=False))
    assert told(found(ENTRY, now)) == []
    plan = plan_of(now, world(now).sysctls, {})
    assert [op for op in plan.ops if isinstance(op, AddFdb)] == [
        AddFdb(node=HOST, dev=P1, mac=OTHER)
    ]
    assert told(differences(wanted(plan), world(now, only_told=True))) == []


def test_an_entry_of_one_of_the_bridges_own_devices_is_not_replaced() -> None:
    """The kernel refuses it, with the line that asks for it."""
    own = snapshot().node(HOST).links[2].mac
    text = lab(f"fdb: {{'{own}': p1}}")
    now = fdb(entry(own or OTHER, local=True, static=False))
    assert work(text, now) == [AddFdb(node=HOST, dev=P1, mac=own or OTHER)]


def test_entries_that_nobody_declared_are_removed() -> None:
    """Also one that ``bridge fdb add`` makes when nothing is said: for the bridge itself."""
    now = fdb(entry(), entry(Mac("02:00:00:00:00:98"), local=True))
    assert told(found(lab(), now)) == [
        (Action.REMOVE, f"{OTHER} of br0", "", None, None),
        (Action.REMOVE, "02:00:00:00:00:98 of br0", "", None, None),
    ]
    assert work(lab(), now)[0] == RemoveFdb(node=HOST, dev=P1, mac=OTHER)
    assert len(found(lab(), now, only_told=True)) == 1


def test_a_remote_that_is_too_many_takes_all_with_it() -> None:
    """The kernel finds one only by all that it was added with; what is declared comes again."""
    remotes = tuple(
        RemoteEntry(dev=X, mac=ANY, remote=f"192.0.2.{last}", static=True) for last in (2, 9)
    )
    now = beside(vxlan(), remotes=remotes)
    assert told(found(TUNNEL, now)) == [
        (Action.CHANGE, f"{ANY} on x", "", "192.0.2.2, 192.0.2.9", "192.0.2.2")
    ]
    assert work(TUNNEL, now) == [
        RemoveRemote(node=GUEST, dev=X, mac=ANY),
        AddRemote(node=GUEST, dev=X, mac=ANY, remote="192.0.2.2", via=ETH0, replaces=True),
    ]


def test_a_remote_that_was_learnt_is_left_alone() -> None:
    """It is no declaration, and going back does not make it."""
    own = RemoteEntry(dev=X, mac=ANY, remote="192.0.2.2", static=True)
    learnt = RemoteEntry(dev=X, mac=OTHER, remote="192.0.2.9")
    now = beside(vxlan(), remotes=(own, learnt))
    assert told(found(TUNNEL, now)) == []
    plan = plan_of(now, world(now).sysctls, {})
    assert [op.mac for op in plan.ops if isinstance(op, AddRemote)] == [ANY]


def test_of_one_address_the_new_remote_replaces_the_old() -> None:
    text = TUNNEL.replace("over: eth0", f"over: eth0, fdb: {{'{OTHER}': 192.0.2.7}}")
    there = [(ANY, "192.0.2.2"), (OTHER, "192.0.2.9")]
    remotes = tuple(RemoteEntry(dev=X, mac=mac, remote=ip, static=True) for mac, ip in there)
    assert work(text, beside(vxlan(), remotes=remotes)) == [
        AddRemote(node=GUEST, dev=X, mac=OTHER, remote="192.0.2.7", replaces=True)
    ]


def test_going_back_tells_no_remote_that_a_tunnel_has_by_birth() -> None:
    """It would be there twice: once by its device, once without."""
    own = RemoteEntry(dev=X, mac=ANY, remote="192.0.2.2", static=True)
    before = beside(vxlan(), remotes=(own,))
    plan = plan_of(before, world(before).sysctls, {})
    names = [one.change.name for one in differences(wanted(plan), world(snapshot()))]
    assert names == ["x"]


FILTERED = "vlan_filtering: true"
USUAL = Vlan(vid=1, pvid=True, untagged=True)


def filtering(*vlans: Vlan, own: tuple[Vlan, ...] = (USUAL,)) -> Snapshot:
    """The bridge keeps VLANs apart, and its port is in these."""
    now = snapshot(BridgeState(vlan_filtering=True), PortOptions(cost=2))
    host = now.node(HOST)
    lo, bridge, port = host.links
    links = (lo, replace(bridge, vlans=own), replace(port, vlans=vlans))
    return Snapshot(nodes=(replace(host, links=links), now.node(GUEST)))


def test_vlans_are_joined_and_left() -> None:
    """What is as declared is not sent again."""
    text = lab(FILTERED, "vlans: [{vid: 5, untagged: true, pvid: true}, 7]")
    now = filtering(USUAL, Vlan(vid=7))
    assert told(found(text, now)) == [
        (Action.CHANGE, "p1", "", "1 pvid untagged, 7", "5 pvid untagged, 7")
    ]
    joins = (Vlan(vid=5, pvid=True, untagged=True),)
    assert work(text, now) == [ChangeVlans(node=HOST, dev=P1, joins=joins, leaves=(1,))]


def test_a_port_and_a_bridge_of_which_nothing_is_said_are_in_the_usual_one() -> None:
    text = lab(FILTERED)
    assert told(found(text, filtering(USUAL))) == []
    assert work(text, filtering(own=(Vlan(vid=9),))) == [
        ChangeVlans(node=HOST, dev=BR0, joins=(USUAL,), leaves=(9,), itself=True),
        ChangeVlans(node=HOST, dev=P1, joins=(USUAL,)),
    ]


def test_a_port_of_which_nothing_is_said_joins_the_usual_one_by_itself() -> None:
    """The kernel has it join that as it joins the bridge."""
    now = filtering(USUAL)
    host, guest = now.node(HOST), now.node(GUEST)
    gone = (replace(host, links=host.links[:2]), replace(guest, links=guest.links[:1]))
    ops = work(lab(FILTERED), Snapshot(nodes=gone))
    assert any(isinstance(op, AddVeth) for op in ops)
    assert not any(isinstance(op, SetVlans | ChangeVlans) for op in ops)


def test_vlans_are_looked_at_once_the_bridge_keeps_them_apart() -> None:
    """Before, the kernel tells none; the next round does."""
    text = lab(FILTERED, "vlans: [5]")
    assert work(text, snapshot()) == [ChangeBridge(node=HOST, dev=BR0, vlan_filtering=True)]


def test_vlans_that_there_were_are_told_as_a_plan() -> None:
    """Also of a port that is in none."""
    now = filtering(own=(Vlan(vid=9),))
    plan = plan_of(now, world(now).sysctls, {})
    assert told(differences(wanted(plan), world(now))) == []


def test_an_address_with_the_other_kind_of_detection_comes_anew() -> None:
    text = lab(guest="addresses: {eth0: 'fd00::1/64'}, dad: true")
    address = Address(ip="fd00::1", prefix=64, nodad=True)
    _lo, eth0 = snapshot().node(GUEST).links
    links = (_lo, replace(eth0, addresses=(address,)))
    now = snapshot(guest={"links": links, "routes": connected(ETH0, address)})
    seen = [one for one in told(found(text, now)) if "fd00" in one[1]]
    assert seen == [(Action.CHANGE, "fd00::1/64 on eth0", "dad", "off", "on")]
    gone = RemoveAddress(node=GUEST, dev=ETH0, cidr="fd00::1/64")
    assert gone in work(text, now)
    plan = plan_of(now, world(now).sysctls, {})
    assert told(differences(wanted(plan), world(now))) == []


def test_what_lies_over_an_unknown_device_is_not_told() -> None:
    """Going back leaves both alone."""
    dummy = link(GUEST, Y, "dummy", index=4, addresses=(Address(ip="10.9.0.1", prefix=24),))
    now = beside(dummy, macvlan(over=DevRef(GUEST, Y)))
    plan = plan_of(now, world(now).sysctls, {})
    strangers = world(now).links.keys() - wanted(plan).devices.keys()
    assert strangers == {DevRef(GUEST, X), DevRef(GUEST, Y)}
    back = world(now, ignored=strangers, only_told=True)
    assert told(differences(wanted(plan), back)) == []

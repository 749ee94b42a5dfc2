"""Where bridges and vxlan devices are told to send frames against where they do."""

from collections.abc import Iterator, Mapping
from typing import Final

from msgspec.structs import replace

from hopscope.model.change import Action, Subject
from hopscope.model.lookup import is_group
from hopscope.model.snapshot import FdbEntry, NodeState
from hopscope.model.vocab import DevName, DevRef, Mac
from hopscope.plan.difference import Difference, joined, stays, told
from hopscope.plan.ops import AddFdb, AddRemote, RemoveFdb, RemoveRemote
from hopscope.plan.wanted import Wanted
from hopscope.plan.world import World

__all__ = ["fdb", "remotes"]

_EVERY_OTHER: Final = Mac("00:00:00:00:00:00")

Place = tuple[DevRef, Mac]
"""A bridge or vxlan device, and an address that it knows."""


def fdb(wanted: Wanted, world: World) -> Iterator[Difference]:
    """Entries of ports that stay where they are; others go with their port."""
    there = {
        (DevRef(node.name, one.bridge), one.mac): one
        for node in world.snapshot.nodes
        for one in _by_hand(node)
        if joined(wanted, world, DevRef(node.name, one.port))
        and not (world.only_told and one.local)
    }
    met: set[Place] = set()
    for (port, mac), op in wanted.fdb.items():
        bridge = DevRef(port.node, wanted.devices[port].master or DevName(""))
        met.add((bridge, mac))
        now = there.get((bridge, mac))
        if now is None or now.port != port.dev or now.local:
            yield _entry(wanted, world, bridge, op, now)
    for (bridge, mac), now in there.items():
        if (bridge, mac) not in met:
            yield Difference(
                change=told(Action.REMOVE, Subject.FDB, bridge.node, f"{mac} of {bridge.dev}"),
                removes=(RemoveFdb(node=bridge.node, dev=now.port, mac=mac),),
            )


def _by_hand(node: NodeState) -> Iterator[FdbEntry]:
    """Static ones, and such for the bridge itself as are of none of its devices."""
    own = {(link.master or link.name, link.mac) for link in node.links}
    for one in node.fdb:
        added = one.local and (one.bridge, one.mac) not in own and one.port != one.bridge
        if added or (one.static and not one.local):
            yield one


def _entry(
    wanted: Wanted, world: World, bridge: DevRef, op: AddFdb, now: FdbEntry | None
) -> Difference:
    """One that was learnt may be in its place; one of a device of the bridge may not."""
    node = world.nodes.get(bridge.node)
    own = {link.mac for link in node.links if link.master == bridge.dev} if node else set()
    learns = stays(wanted, world, bridge) and op.mac not in own
    change = told(
        Action.CREATE if now is None else Action.CHANGE,
        Subject.FDB,
        bridge.node,
        f"{op.mac} of {bridge.dev}",
        before=None if now is None else now.port + " permanent" * now.local,
        after=op.dev,
        place=op.place,
    )
    return Difference(change=change, makes=(replace(op, replaces=True) if learns else op,))


def remotes(wanted: Wanted, world: World) -> Iterator[Difference]:
    """Those of vxlan devices that stay; what a device was made with, it has by itself."""
    there: dict[Place, set[str]] = {}
    for node in world.snapshot.nodes:
        for one in node.remotes:
            ref = DevRef(node.name, one.dev)
            if one.static and stays(wanted, world, ref):
                there.setdefault((ref, one.mac), set()).add(one.remote)
    goal: dict[Place, dict[str, AddRemote]] = {}
    for op in (*_own(wanted, world), *_declared(wanted, world)):
        goal.setdefault((DevRef(op.node, op.dev), op.mac), {}).setdefault(op.remote, op)
    for place in {**goal, **there}:
        now, ops = there.get(place, set()), goal.get(place, {})
        if now != ops.keys():
            yield _remotes(world, place, now, ops)


def _own(wanted: Wanted, world: World) -> Iterator[AddRemote]:
    """For all other addresses, where its own *remote* is."""
    for ref, device in wanted.devices.items():
        remote = device.vxlan.remote if device.vxlan else None
        if remote and stays(wanted, world, ref) and not world.only_told:
            via = device.over.dev if device.over else None
            yield AddRemote(node=ref.node, dev=ref.dev, mac=_EVERY_OTHER, remote=remote, via=via)


def _declared(wanted: Wanted, world: World) -> Iterator[AddRemote]:
    for (ref, mac, remote), op in wanted.remotes.items():
        vxlan = wanted.devices[ref].vxlan
        own = vxlan is not None and (mac, remote) == (_EVERY_OTHER, vxlan.remote)
        if not own or stays(wanted, world, ref):
            yield op


def _remotes(world: World, place: Place, now: set[str], ops: Mapping[str, AddRemote]) -> Difference:
    """One that is too many takes all others with it; of one address, the new replaces the old."""
    ref, mac = place
    change = told(
        Action.CREATE if not now else Action.CHANGE if ops else Action.REMOVE,
        Subject.REMOTE,
        ref.node,
        f"{mac} on {ref.dev}",
        before=", ".join(sorted(now)) or None,
        after=", ".join(sorted(ops)) or None,
        place=next((op.place for op in ops.values() if op.place), None),
    )
    several = is_group(mac) or mac == _EVERY_OTHER
    anew = bool(now - ops.keys()) and (several or not ops)
    makes = tuple(
        replace(op, replaces=True) if ref in world.links else op
        for remote, op in ops.items()
        if anew or remote not in now
    )
    gone = (RemoveRemote(node=ref.node, dev=ref.dev, mac=mac),) if anew else ()
    return Difference(change=change, removes=gone, makes=makes)

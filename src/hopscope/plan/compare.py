"""What a lab declares against what there is: each difference, and the operations that end it.

Nothing that is as declared is touched. A device that cannot become what is declared, because
it is of another kind or its other end is elsewhere, is removed and made anew, and what was
on it with it.
"""

from collections.abc import Iterator, Mapping, Sequence

from hopscope.model.change import Action, Subject
from hopscope.model.vocab import DevName, DevRef, NodeName
from hopscope.plan.compare_addresses import addresses
from hopscope.plan.compare_devices import devices
from hopscope.plan.compare_forwarding import fdb, remotes
from hopscope.plan.compare_layer3 import neighbours, nexthops, routes
from hopscope.plan.compare_marked import marked
from hopscope.plan.compare_policy import policy
from hopscope.plan.compare_ports import ports
from hopscope.plan.compare_settings import settings
from hopscope.plan.compare_traffic import qdiscs
from hopscope.plan.compare_vlans import vlans
from hopscope.plan.difference import NOT_DECLARED, Difference, stays, told
from hopscope.plan.leaders import TWINS, as_led, leaders
from hopscope.plan.ops import (
    MakeNodes,
    Op,
    RemoveNodes,
    ResetRules,
    SetSysctl,
)
from hopscope.plan.sysctls import default_of_loopback, is_secret, takes_the_default
from hopscope.plan.wanted import Wanted
from hopscope.plan.world import World, default_path, mtu_of_ipv6, rules_text

__all__ = ["differences"]


def differences(wanted: Wanted, world: World) -> list[Difference]:
    """All of them; none when the lab is as declared."""
    return [
        *_nodes(wanted, world),
        *_sysctls(wanted, world),
        *devices(wanted, world),
        *ports(wanted, world),
        *settings(wanted, world),
        *vlans(wanted, world),
        *fdb(wanted, world),
        *remotes(wanted, world),
        *qdiscs(wanted, world),
        *addresses(wanted, world),
        *routes(wanted, world),
        *nexthops(wanted, world),
        *policy(wanted, world),
        *neighbours(wanted, world),
        *_rules(wanted, world),
        *marked(wanted, world),
    ]


def _nodes(wanted: Wanted, world: World) -> Iterator[Difference]:
    for name in wanted.nodes:
        if name not in world.nodes:
            yield Difference(
                change=told(Action.CREATE, Subject.NODE, name, name),
                makes=(
                    MakeNodes(names=(name,), home=None),
                    *wanted.set_up.get(DevRef(name, DevName("lo")), ()),
                ),
            )
    for name in world.nodes:
        if name not in wanted.nodes:
            yield Difference(
                change=told(Action.REMOVE, Subject.NODE, name, name),
                goes=(RemoveNodes(names=(name,)),),
            )


def _sysctls(wanted: Wanted, world: World) -> Iterator[Difference]:
    """Those declared, and those of *world* that were declared before, or set: back as usual."""
    for (node, path), op in wanted.sysctls.items():
        now = world.sysctls.get((node, path))
        if node not in world.nodes or not _holds(world, op, now):
            yield _sysctl(op, now, also=_on_devices(wanted, world, op))
    for (node, path), now in world.sysctls.items():
        usual = _usual(wanted, world, node, path)
        names = (path, TWINS.get(path, path))
        declared = any((node, name) in wanted.sysctls for name in names)
        left = not declared and _lasts(wanted, world, node, path)
        if left and now is not None and usual is not None and now.split() != usual.split():
            op = SetSysctl(node=node, path=path, value=usual)
            others = world.following.get((node, path), ())
            also: list[Op] = [SetSysctl(node=node, path=one, value=value) for one, value in others]
            also += _on_devices(wanted, world, op)
            yield _sysctl(op, now, why=_why(wanted, path), also=also)


def _holds(world: World, op: SetSysctl, now: str | None) -> bool:
    """Whether it is as declared: in the same words, or in the kernel's."""
    told = world.as_told(op.path, op.value)
    return now is not None and now.split() in (op.value.split(), told.split())


def _why(wanted: Wanted, path: str) -> str:
    """Why nobody declares it any longer: a lab without IPv6 has that off by itself."""
    six = path.endswith("/disable_ipv6") and any(":" in cidr for _ref, cidr in wanted.addresses)
    return "an address of IPv6 is declared" if six else NOT_DECLARED


def _lasts(wanted: Wanted, world: World, node: NodeName, path: str) -> bool:
    """Whether the sysctl will still be there: a device's goes with it."""
    if default_path(path) is None:
        return node in wanted.nodes
    return stays(wanted, world, DevRef(node, DevName(path.split("/")[3])))


def _usual(wanted: Wanted, world: World, node: NodeName, path: str) -> str | None:
    """What it would be had it never been set: a device's takes after the node's default."""
    default = default_path(path)
    takes = default or default_of_loopback(path)
    if takes is not None and (op := wanted.sysctls.get((node, takes))) is not None:
        return world.as_told(op.path, op.value)
    first = world.usual.get(node, world.defaults)
    if (led := _led(wanted, world, first, (node, default or path))) is not None:
        return led
    if (node, path) in world.was:
        return world.was[node, path]
    if default is not None and mtu_of_ipv6(path):
        device = wanted.devices.get(DevRef(node, DevName(path.split("/")[3])))
        return str(device.mtu) if device is not None else None
    usual = first.get(default or path)
    return "" if usual is None and is_secret(path) else usual


def _led(
    wanted: Wanted, world: World, first: Mapping[str, str | None], key: tuple[NodeName, str]
) -> str | None:
    """What the kernel sets it to along with another that is declared, if that changes by it."""
    node, path = key
    for leader in leaders(path):
        op = wanted.sysctls.get((node, leader))
        if op is not None and (told := world.as_told(op.path, op.value)) != first.get(leader):
            return as_led(path, told)
    return None


def _on_devices(wanted: Wanted, world: World, op: SetSysctl) -> list[Op]:
    """A default is for devices to come; those that are there are given it as if they came now."""
    paths = (
        op.path.replace("/conf/default/", f"/conf/{ref.dev}/")
        for ref in world.links
        if ref.node == op.node and "/conf/default/" in op.path and stays(wanted, world, ref)
    )
    return [
        SetSysctl(node=op.node, path=path, value=op.value, place=op.place)
        for path in paths
        if (op.node, path) not in wanted.sysctls and takes_the_default(path)
    ]


def _sysctl(
    op: SetSysctl, now: str | None, why: str = "", *, also: Sequence[Op] = ()
) -> Difference:
    change = told(
        Action.CREATE if now is None else Action.CHANGE,
        Subject.SYSCTL,
        op.node,
        op.path.replace("/", "."),
        before=now,
        after=op.value,
        place=op.place,
        why=why,
    )
    return Difference(change=change, makes=(op, *also))


def _rules(wanted: Wanted, world: World) -> Iterator[Difference]:
    """A node's rules are one whole: where any differs, all are given to their tools again."""
    for name in wanted.nodes:
        ops: Sequence[Op] = wanted.rules.get(name, ())
        node = world.nodes.get(name)
        chains = node.chains if node is not None else ()
        goal = world.expected_rules.get(name, ())
        objects = world.objects.get(name, ()), world.expected_objects.get(name, ())
        now = (*rules_text(chains), *objects[0])
        same = now == (*rules_text(goal), *objects[1])
        if same and (node is not None or not ops):
            continue
        action = Action.CREATE if not now else Action.CHANGE if ops else Action.REMOVE
        place = next((op.place for op in ops), None)
        from hopscope.plan import rulelines  # noqa: PLC0415 - seldom wanted

        lines = rulelines.chain_lines(chains, goal) or rulelines.object_lines(*objects)
        yield Difference(
            change=told(action, Subject.RULES, name, "firewall rules", place=place, lines=lines),
            removes=(ResetRules(node=name),) if now else (),
            makes=tuple(ops),
        )

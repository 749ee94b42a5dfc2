"""Addresses that are declared, and what the kernel makes of them, against those that there are."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Final

from msgspec import Struct

from hopscope.model.change import Action, Subject
from hopscope.model.snapshot import Address
from hopscope.model.vocab import DevName, DevRef
from hopscope.plan.addressorder import as_kept, out_of_place, with_others
from hopscope.plan.connected import lacking
from hopscope.plan.difference import Difference, natural, stays, switch, told
from hopscope.plan.ops import AddAddress, Op, RemoveAddress
from hopscope.plan.wanted import Wanted, interface
from hopscope.plan.world import World

__all__ = ["addresses"]

_LO: Final = DevName("lo")
_OWN: Final = "127.0.0.1/8"
_IS_UP: Final = "loopback has it where it is up"

_Key = tuple[DevRef, str]


def addresses(wanted: Wanted, world: World) -> Iterator[Difference]:
    """Of devices that stay; those of a device that is removed go with it."""
    there = {
        (ref, interface(str(address))): address
        for ref, link in world.links.items()
        for address in link.addresses
        if stays(wanted, world, ref)
    }
    yield from _coming(wanted, there)
    yield from _own(wanted, world, there)
    now, goal = _by_device(there), _by_device(wanted.addresses)
    for ref in sorted(now):
        yield from _of_device(wanted, world, ref, now[ref], goal.get(ref, []))


def _coming(wanted: Wanted, there: Mapping[_Key, Address]) -> Iterator[Difference]:
    for (ref, cidr), op in wanted.addresses.items():
        now = there.get((ref, cidr))
        name = f"{cidr} on {ref.dev}"
        if now is None:
            change = told(Action.CREATE, Subject.ADDRESS, ref.node, name, place=op.place)
            yield Difference(change=change, makes=(op,))
        elif ":" in cidr and op.dad is now.nodad:
            change = told(
                Action.CHANGE,
                Subject.ADDRESS,
                ref.node,
                name,
                attribute="dad",
                before=switch(not now.nodad),
                after=switch(op.dad),
                place=op.place,
            )
            yield Difference(change=change, removes=(_gone(ref, cidr),), makes=(op,))


def _own(wanted: Wanted, world: World, there: Collection[_Key]) -> Iterator[Difference]:
    """That of loopback, which the kernel gives it when it comes up (inetdev_event())."""
    for node in wanted.nodes:
        ref = DevRef(node, _LO)
        device, link = wanted.devices.get(ref), world.links.get(ref)
        up = device is not None and device.up and link is not None and link.up
        if up and not world.only_told and (ref, _OWN) not in there:
            op = AddAddress(node=node, dev=_LO, cidr=_OWN)
            change = told(Action.CREATE, Subject.ADDRESS, node, f"{_OWN} on {_LO}", why=_IS_UP)
            yield Difference(change=change, makes=(op,))


class _Leaving(Struct, frozen=True):
    """What is taken from one device, in the order in which it goes; some of it comes again."""

    ref: DevRef
    gone: Sequence[str]
    goal: Sequence[str]

    def again(self, wanted: Wanted, some: Collection[str]) -> tuple[Op, ...]:
        """What makes these."""
        return tuple(wanted.addresses[self.ref, cidr] for cidr in self.goal if cidr in some)

    def removes(self) -> tuple[Op, ...]:
        """All of them: with the first of a subnet the kernel takes others along."""
        return tuple(_gone(self.ref, cidr) for cidr in self.gone)


def _of_device(
    wanted: Wanted, world: World, ref: DevRef, now: Sequence[str], goal: Sequence[str]
) -> Iterator[Difference]:
    """Those that go, the last first; with one that nobody wants, others of its subnet may."""
    order, kept = as_kept(goal), _ordered(ref, now, now)
    moved = out_of_place(_ordered(ref, now, order), order)
    lacks = {one: what for one, what in lacking(world, ref, now).items() if one in goal}
    unwanted = [one for one in now if one not in goal and _is_left(wanted, ref, one)]
    taken = {one: with_others([one], kept).intersection(goal) for one in unwanted}
    again = {*moved, *with_others(lacks, order), *(one for some in taken.values() for one in some)}
    gone = [one for one in reversed(now) if one in unwanted or one in again]
    leaving = _Leaving(ref, gone, goal)
    if moved:
        yield _order(leaving, kept, order, leaving.again(wanted, moved))
    for cidr, what in lacks.items():
        change = told(
            Action.CHANGE,
            Subject.ADDRESS,
            ref.node,
            f"{cidr} on {ref.dev}",
            attribute="route",
            before="none",
            after=what,
            place=wanted.addresses[ref, cidr].place,
        )
        makes = leaving.again(wanted, with_others([cidr], order))
        yield Difference(change=change, removes=leaving.removes(), makes=makes)
    for cidr in gone:
        if cidr in unwanted:
            change = told(Action.REMOVE, Subject.ADDRESS, ref.node, f"{cidr} on {ref.dev}")
            makes = leaving.again(wanted, taken[cidr])
            removes = leaving.removes() if makes else (_gone(ref, cidr),)
            yield Difference(change=change, removes=removes, makes=makes)


def _order(
    leaving: _Leaving, before: Sequence[str], after: Sequence[str], makes: tuple[Op, ...]
) -> Difference:
    change = told(
        Action.CHANGE,
        Subject.ADDRESS,
        leaving.ref.node,
        str(leaving.ref.dev),
        attribute="order",
        before=", ".join(before),
        after=", ".join(after),
        place=makes[0].place,
    )
    return Difference(change=change, removes=leaving.removes(), makes=makes)


def _gone(ref: DevRef, cidr: str) -> RemoveAddress:
    return RemoveAddress(node=ref.node, dev=ref.dev, cidr=cidr)


def _by_device(keys: Iterable[_Key]) -> dict[DevRef, list[str]]:
    found: dict[DevRef, list[str]] = {}
    for ref, cidr in keys:
        found.setdefault(ref, []).append(cidr)
    return found


def _ordered(ref: DevRef, cidrs: Iterable[str], among: Collection[str]) -> list[str]:
    """Those whose order counts: of IPv4, and not the kernel's own."""
    return [one for one in cidrs if ":" not in one and one in among and not natural(one, ref.dev)]


def _is_left(wanted: Wanted, ref: DevRef, cidr: str) -> bool:
    """Loopback keeps its address of IPv4 when it goes down, and has none before it comes up."""
    return not natural(cidr, ref.dev) or (ref.dev == _LO and not wanted.devices[ref].up)

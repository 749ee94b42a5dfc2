"""An import is tried: the lab is built, and whatever it lacks of its model is told."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final

from hopscope.errors import HopscopeError, SpecError
from hopscope.kernel.apply.plan import apply
from hopscope.lab.declare import parse
from hopscope.lab.imports.facts import NodeFacts
from hopscope.lab.imports.kept import Kept
from hopscope.lab.imports.recover import Recovered
from hopscope.lab.imports.told import FILTER, Settings, Thing
from hopscope.lab.imports.workshop import opened
from hopscope.plan.compile import compile_lab
from hopscope.render.exports.yamltext import dumped

__all__ = ["lost"]

_NAMED: Final = 5  # things that are named of many alike
_QUEUES: Final = ("num_tx_queues", "num_rx_queues")


def lost(
    tree: Mapping[str, Any],
    facts: Sequence[NodeFacts],
    known: Sequence[str],
    usual_queues: int | None,
) -> list[str]:
    """Where the lab *tree* differs from *facts*, beyond what is *known* already."""
    try:
        spec = parse(dumped(tree), "the lab file")
    except SpecError:
        return []  # which is told by whoever reads the lab file
    with opened() as workshop:
        try:
            apply(compile_lab(spec), workshop.sandbox)
        except HopscopeError as error:
            return [f"the lab cannot be built here, so nothing was compared: {error}"]
        fresh = workshop.fresh
        again = workshop.facts([node.name for node in spec.nodes])
    names = {one.name for one in again}
    compared = _Comparison([one for one in facts if one.name in names], again, fresh, usual_queues)
    return [note for note in compared.notes() if not _is_known(note, known)]


def _is_known(note: str, known: Sequence[str]) -> bool:
    """Whether something was said about the same thing."""
    about = note.partition(" is left out")[0].partition(": ")[2]
    node = note.partition(":")[0]
    return any(one.startswith(f"{node}: {about} ") for one in known)


class _Comparison:
    def __init__(
        self,
        there: Sequence[NodeFacts],
        again: Sequence[NodeFacts],
        fresh: NodeFacts,
        usual_queues: int | None,
    ) -> None:
        """*there*: as it should be; *again*: as the lab makes it."""
        self._pairs = list(zip(there, again, strict=True))
        self._kept = Kept(there, fresh)
        self._usual_queues = usual_queues
        states = [one.state for one in (*there, *again)]
        self._macs = {str(link.mac) for state in states for link in state.links}
        self._sysctls: list[Callable[[NodeFacts], Iterator[tuple[str, Any]]]] = [
            Recovered(some, fresh, usual_queues).sysctls for some in (there, again)
        ]

    def notes(self) -> Iterator[str]:
        """Node by node; what is said of several things alike is said once."""
        for one, other in self._pairs:
            said: dict[tuple[str, str], list[str]] = {}
            for thing, text in self._things(one, other):
                said.setdefault((thing.what, text), []).append(thing.name)
            for (what, text), names in said.items():
                yield f"{one.name}: {_several(what, names)}{text}"
            yield from self._texts(one, other)

    def _things(self, one: NodeFacts, other: NodeFacts) -> Iterator[tuple[Thing, str]]:
        kept = self._kept.of(one.name)
        for thing, settings in one.things.items():
            if (thing.dev and thing.dev not in kept) or self._follows(thing):
                continue  # it goes with its device
            if thing not in other.things:
                yield thing, " is left out"
                continue
            if differ := list(self._differences(settings, other.things[thing])):
                yield thing, f": {'; '.join(differ)}"
        for thing in other.things:
            if thing not in one.things and not self._follows(thing):
                yield thing, " is in the lab only"

    def _follows(self, thing: Thing) -> bool:
        """Whether it is there because a macvlan has that address."""
        return thing.what == FILTER and thing.name.split()[0] in self._macs

    def _differences(self, one: Settings, other: Settings) -> Iterator[str]:
        for key in sorted({*one, *other}):
            there, again = one.get(key, "unset"), other.get(key, "unset")
            usual = key in _QUEUES and there == str(self._usual_queues) and again == "1"
            pair = key == "mtu" and one.get("kind") == "veth"  # that its ends differ is told
            if there != again and not usual and not pair:
                yield f"{key} is {there}, in the lab {again}"

    def _texts(self, one: NodeFacts, other: NodeFacts) -> Iterator[str]:
        """Sysctls and rules."""
        there, again = (
            dict(told(some)) for told, some in zip(self._sysctls, (one, other), strict=True)
        )
        for key in sorted({*there, *again}):
            if there.get(key) != again.get(key):
                said = f"{there.get(key, 'unset')}, in the lab {again.get(key, 'unset')}"
                yield f"{one.name}: the sysctl {key} is {said}"
        for tool, mine, theirs in (
            ("iptables", one.iptables, other.iptables),
            ("ip6tables", one.ip6tables, other.ip6tables),
            ("nft", one.nft.splitlines(), other.nft.splitlines()),
        ):
            for line in dict.fromkeys(mine):
                if line not in theirs:
                    yield f"{one.name}: the rule of {tool} is left out: {line.strip()}"


def _several(what: str, names: Sequence[str]) -> str:
    if len(names) == 1:
        return f"the {what} {names[0]}"
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return f"{what} {', '.join(names[:_NAMED])}{more}, each"

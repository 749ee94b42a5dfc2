"""Lab: a lab written in Python, judged by the same rules as a lab file.

Everything is kept as a lab file would say it, each part with the line of Python that
asked for it, so that a mistake is reported there.
"""

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from os import PathLike
from pathlib import Path
from typing import Any, Self, TypeVar

from hopscope import spec
from hopscope.errors import Place, Problem, SpecError, UsageError
from hopscope.lab.declare import parse, source_of, sysctl_listing, written
from hopscope.lab.outputs import write_folder
from hopscope.lab.standing import StandingLab
from hopscope.model.lab import LabSpec
from hopscope.model.record import Record
from hopscope.spec import tree

__all__ = ["Lab"]

Part = TypeVar("Part")
Plain = dict[str, Any]
"""As a lab file says it: only what was given."""
Address = str | Mapping[str, str]
"""``10.0.0.1/24``, or ``{"pool": "pods"}`` to draw one."""


class Lab:
    """A lab to be: nodes, links and a story. Nothing exists before `up` or `run`."""

    def __init__(self, name: str, *, description: str = "") -> None:
        """*name* is what the lab runs under."""
        self.name = name
        self._place = _caller()
        self._top: Plain = _given(name=name, description=description or None)
        self._pools: list[tuple[str, Plain, Place]] = []
        self._nodes: list[tuple[str, Plain, Place]] = []
        self._links: list[tuple[Plain, Place]] = []
        self._steps: list[tuple[Plain, Place]] = []
        self._source: tuple[str, str] | None = None  # a lab file's text and name

    @classmethod
    def load(cls, lab: str | PathLike[str]) -> Self:
        """A lab file, or a built-in lab by its name (``bridge``).

        Raises UsageError when there is none, SpecError with every mistake in it.
        """
        source, file = source_of(str(lab))
        return cls.from_text(source.decode(errors="replace"), file=file)

    @classmethod
    def from_text(cls, text: str, *, file: str = "<text>") -> Self:
        """The lab that YAML declares; SpecError with every mistake in it."""
        made = cls(parse(text, file).name)
        made._source = (text, written(file))
        return made

    def pool(
        self,
        name: str,
        range: str,  # noqa: A002 - as a lab file names it
        *,
        reserved: Sequence[str] = (),
        prefix: int | None = None,
    ) -> Self:
        """Add a pool of addresses: ``lab.pool("pods", "10.244.0.0/16")``."""
        body = _given(range=range, reserved=reserved, prefix=prefix)
        self._add(self._pools, (name, body, _caller()))
        return self

    def node(
        self,
        name: str,
        *,
        count: int | None = None,
        bridges: Sequence[str] | Mapping[str, Mapping[str, object]] = (),
        devices: Mapping[str, Mapping[str, object]] | None = None,
        addresses: Mapping[str, Address | Sequence[Address]] | None = None,
        routes: Sequence[str | Mapping[str, object]] = (),
        policy: Sequence[str | Mapping[str, object]] = (),
        neighbours: Mapping[str, Mapping[str, str]] | None = None,
        sysctls: Mapping[str, str | int] | None = None,
        iptables: Sequence[str] = (),
        ip6tables: Sequence[str] = (),
        nft: str | None = None,
        lo: bool = True,
        dad: bool = False,
        down: Sequence[str] = (),
        run: Sequence[str | Mapping[str, object]] = (),
    ) -> Self:
        """Add a network namespace, or *count* of them; see a node's keys in a lab file."""
        body = _given(
            count=count,
            bridges=bridges,
            devices=devices,
            addresses=addresses,
            routes=routes,
            policy=policy,
            neighbours=neighbours,
            sysctls=sysctls,
            iptables=iptables,
            ip6tables=ip6tables,
            nft=nft,
            lo=None if lo else False,
            dad=dad or None,
            down=down,
            run=run,
        )
        self._add(self._nodes, (name, body, _caller()))
        return self

    def link(
        self,
        one: str | Mapping[str, object],
        other: str | Mapping[str, object],
        *,
        mtu: int | None = None,
        mac: Mapping[str, str] | None = None,
        queues: int | None = None,
        rate: str | Mapping[str, object] | None = None,
        delay: str | None = None,
        jitter: str | None = None,
        loss: str | None = None,
        duplicate: str | None = None,
        corrupt: str | None = None,
        reorder: str | None = None,
    ) -> Self:
        """Join two nodes by a veth pair: ``lab.link("ns1:eth0", "host:p1@br0")``.

        An end that is set in a way of its own is a mapping, as in a lab file:
        ``{"end": "host:p1@br0", "isolated": True}``.
        """
        body = _given(
            ends=[one, other],
            mtu=mtu,
            mac=mac,
            queues=queues,
            rate=rate,
            delay=delay,
            jitter=jitter,
            loss=loss,
            duplicate=duplicate,
            corrupt=corrupt,
            reorder=reorder,
        )
        self._add(self._links, (body, _caller()))
        return self

    def step(self, **step: object) -> Self:
        """Add a step to the story: ``lab.step(ping="ns1 -> ns2")``, as in a lab file."""
        self._add(self._steps, ({key: _plain(value) for key, value in step.items()}, _caller()))
        return self

    def _add(self, parts: list[Part], part: Part) -> None:
        if self._source is not None:
            message = (
                f"{self.name!r} was read from {self._source[1]}, and nothing is added to such a "
                "lab; write it there, or the whole lab in Python"
            )
            raise UsageError(message)
        parts.append(part)

    def spec(self) -> LabSpec:
        """The lab, checked; SpecError with every mistake, each with its line."""
        if self._source is not None:
            return parse(*self._source)
        twice = tuple(self._twice())
        try:
            found = spec.parse_tree(self._tree(), self._place.file, listing=sysctl_listing)
        except SpecError as error:
            raise SpecError((*twice, *error.problems)) from None
        if twice:
            raise SpecError(twice)
        return found

    def _twice(self) -> Iterator[Problem]:
        """Nodes or pools of a name that there is already; a mapping would keep but one."""
        for what, parts in (("node", self._nodes), ("pool", self._pools)):
            first: dict[str, Place] = {}
            for name, _body, place in parts:
                if name in first:
                    message = f"there is a {what} {name!r} already, of {first[name]}"
                    yield Problem(place=place, rule="duplicate-key", message=message, text=name)
                first.setdefault(name, place)

    def up(self, name: str | None = None, *, on_host: bool = False) -> StandingLab:
        """Build it: ``with lab.up() as running: …``. It ends with the block, or the process."""
        text = self._source[0] if self._source else self.to_text()
        return StandingLab.start(self.spec(), text, name=name, on_host=on_host)

    def run(
        self,
        out: str | PathLike[str] | None = None,
        *,
        name: str | None = None,
        on_host: bool = False,
    ) -> Record:
        """Build it, perform the story, end it; with *out*, write the folder of evidence."""
        with self.up(name, on_host=on_host) as running:
            record = running.perform()
        if out is not None:
            write_folder(record, Path(out))
        return record

    def to_text(self) -> str:
        """The lab as a lab file (JSON, which is YAML)."""
        if self._source is not None:
            return self._source[0]
        return json.dumps(tree.plain(self._tree()), indent=2) + "\n"

    def _tree(self) -> tree.Mapping:
        """Built from tables of (key, value, place), so that every part keeps its line."""

        def grown(value: object, place: Place) -> tree.Tree:
            return tree.grown(value, place)

        def label(text: str, place: Place) -> tree.Scalar:
            return tree.Scalar(text=text, unquoted=False, place=place)

        top = self._place
        parts = [(label(key, top), grown(value, top)) for key, value in self._top.items()]
        for key, named in (("pools", self._pools), ("nodes", self._nodes)):
            below = [(label(name, place), grown(body, place)) for name, body, place in named]
            if below or key == "nodes":
                parts.append((label(key, top), tree.mapping(below, top)))
        for key, listed in (("links", self._links), ("story", self._steps)):
            items = [grown(body, place) for body, place in listed]
            parts.append((label(key, top), tree.listing(items, top)))
        return tree.mapping(parts, top)


def _given(**values: object) -> Plain:
    """Without what was left out; tuples and mappings of any kind become lists and dicts."""
    return {key: _plain(value) for key, value in values.items() if value not in (None, (), [])}


def _plain(value: object) -> object:
    if value is None or isinstance(value, str | int | float):
        return value
    if isinstance(value, Mapping):
        return {key: _plain(below) for key, below in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, bytes | bytearray):
        return [_plain(item) for item in value]
    message = f"a lab holds texts, numbers, lists and mappings, not {value!r}"
    raise TypeError(message)


def _caller() -> Place:
    """The line of Python that called the method that calls this."""
    frame = sys._getframe(2)  # noqa: SLF001 - inspect.stack() reads every source file on the way
    return Place(frame.f_code.co_filename, frame.f_lineno, 1)

"""How a node's devices hold back what they send, as the kernel tells it."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from hopscope.kernel.protocol import Kernel
from hopscope.model.traffic import Direction, Filter, Filtering, Htb, Qdisc
from hopscope.model.vocab import DevName, NodeName
from hopscope.wire import filters, traffic
from hopscope.wire.rtnl_link_read import LinkPart
from hopscope.wire.traffic import QdiscPart

__all__ = ["filtering_of", "qdiscs_of", "told_of"]

_NONE: Final = ("", "noqueue", "noop")
_IN: Final[tuple[Direction, int]] = ("ingress", filters.INGRESS)
_FILTERED: Final = {"ingress": (_IN,), "clsact": (_IN, ("egress", filters.EGRESS))}
"""Where filters hang; whoever asks ingress for what goes out is told of what comes in."""


def told_of(kernel: Kernel, node: NodeName) -> list[QdiscPart]:
    """All that the kernel has; devices of a lab have none by themselves that queues."""
    answers = kernel.ask(node, traffic.dump_qdiscs())
    return [part for one in answers if (part := traffic.qdisc(one)) is not None]


def qdiscs_of(
    kernel: Kernel, node: NodeName, links: Sequence[LinkPart], parts: Sequence[QdiscPart]
) -> tuple[Qdisc, ...]:
    """Of the devices that have one."""
    names = {link.index: DevName(link.name) for link in links if link.qdisc not in _NONE}
    if not names:
        return ()
    classes: dict[tuple[int, str], list[Htb]] = {}
    for index in {part.index for part in parts if part.kind == "htb"}:
        for one in kernel.ask(node, traffic.dump_classes(index)):
            if (found := traffic.htb_class(one)) is not None:
                classes.setdefault((index, found[0]), []).append(found[1])
    only = {key: some[0] for key, some in classes.items() if len(some) == 1}
    return tuple(
        Qdisc(
            dev=names[part.index],
            kind=part.kind,
            handle=part.handle,
            parent=part.parent,
            options=part.options or only.get((part.index, part.handle)),
            sent=part.sent,
            dropped=part.dropped,
            backlog=part.backlog,
        )
        for part in parts
        if part.index in names and part.kind not in _NONE
    )


def filtering_of(
    kernel: Kernel, node: NodeName, links: Sequence[LinkPart], parts: Sequence[QdiscPart]
) -> tuple[Filtering, ...]:
    """Of the devices that may have filters (tc): where these hang is a discipline, too."""
    names = {link.index: DevName(link.name) for link in links}
    return tuple(
        Filtering(
            dev=names[part.index],
            dropped=part.dropped,
            filters=tuple(_filters(kernel, node, part, names)),
        )
        for part in parts
        if part.kind in _FILTERED and part.index in names
    )


def _filters(
    kernel: Kernel, node: NodeName, qdisc: QdiscPart, names: Mapping[int, DevName]
) -> Iterator[Filter]:
    for direction, parent in _FILTERED[qdisc.kind]:
        for one in kernel.ask(node, filters.dump_filters(qdisc.index, parent)):
            part = filters.filter_part(one, lambda number: names.get(number, f"device {number}"))
            if part is not None:
                yield Filter(direction=direction, text=part.text, ends=part.ends, taken=part.taken)

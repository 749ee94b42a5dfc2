"""How a node's devices hold back what they send, as the kernel tells it."""

from collections.abc import Sequence
from typing import Final

from hopscope.kernel.protocol import Kernel
from hopscope.model.traffic import Htb, Qdisc
from hopscope.model.vocab import DevName, NodeName
from hopscope.wire import traffic
from hopscope.wire.rtnl_link_read import LinkPart

__all__ = ["qdiscs_of"]

_NONE: Final = ("", "noqueue", "noop")


def qdiscs_of(kernel: Kernel, node: NodeName, links: Sequence[LinkPart]) -> tuple[Qdisc, ...]:
    """Asked for only where a device has one: those of a lab have none by themselves."""
    names = {link.index: DevName(link.name) for link in links if link.qdisc not in _NONE}
    if not names:
        return ()
    answers = kernel.ask(node, traffic.dump_qdiscs())
    parts = [part for one in answers if (part := traffic.qdisc(one)) is not None]
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

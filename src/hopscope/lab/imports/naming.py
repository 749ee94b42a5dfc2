"""Names of namespaces and devices that a lab file does not take, and what they become in it."""

import re
from collections.abc import Callable, Iterable

from hopscope.model.vocab import DevName, NodeName
from hopscope.spec.faults import Fault
from hopscope.spec.names import device_fault, name_fault

__all__ = ["device_names", "node_names"]

_LONGEST_DEVICE = 15


def node_names(names: Iterable[str]) -> dict[str, NodeName]:
    """Each name, and the one it gets; another only where it must."""
    found = _mapped(names, lambda name: name_fault(name, "a node"), 63)
    return {name: NodeName(given) for name, given in found.items()}


def device_names(names: Iterable[str]) -> dict[str, DevName]:
    """Each name of one namespace, and the one it gets."""
    found = _mapped(names, device_fault, _LONGEST_DEVICE)
    return {name: DevName(given) for name, given in found.items()}


def _mapped(
    names: Iterable[str], fault: Callable[[str], Fault | None], longest: int
) -> dict[str, str]:
    found: dict[str, str] = {}
    wanted = list(dict.fromkeys(names))
    taken = {name for name in wanted if fault(name) is None}
    for name in wanted:
        if name in taken:
            found[name] = name
            continue
        plain = re.sub(r"[^A-Za-z0-9._-]+", "-", name).strip("-.") or "x"
        given = plain[:longest]
        number = 2
        while given in taken or fault(given) is not None:
            ending = f"-{number}"
            given = plain[: longest - len(ending)] + ending
            number += 1
        taken.add(given)
        found[name] = given
    return found

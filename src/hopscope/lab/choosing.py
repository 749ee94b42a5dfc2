"""Nodes of a lab as a command names them: by their own names, or all of a counted one at once.

Also addresses, where these will do.
"""

from collections.abc import Iterable, Sequence
from ipaddress import ip_address

from hopscope.lab.running import RunningLab
from hopscope.model.lab import NodeSpec
from hopscope.model.vocab import NodeName

__all__ = ["aims", "chosen", "replicas"]


def chosen(lab: RunningLab, names: Iterable[str]) -> list[NodeName]:
    """Each once, in that order. UsageError for a name that is neither a node's nor of counted ones.

    A node's own name means that one alone, as in a lab file.
    """
    found: list[NodeName] = []
    for name in names:
        several = [] if name in lab.nodes else replicas(name, lab.spec.nodes)
        found += [one for one in several if one in lab.nodes] or [lab.check_node(name)]
    return list(dict.fromkeys(found))


def aims(lab: RunningLab, names: Iterable[str]) -> list[NodeName]:
    """As `chosen`, and addresses as they are: a service's, or a certain one of a node."""
    found: list[NodeName] = []
    for name in names:
        try:
            address = NodeName(str(ip_address(name)))
        except ValueError:
            found += chosen(lab, [name])
        else:
            found.append(NodeName(name) if name in lab.nodes else address)
    return list(dict.fromkeys(found))


def replicas(name: str, nodes: Sequence[NodeSpec]) -> list[NodeName]:
    """Those that a lab file makes in one place: ``pod1``, ``pod2`` … of ``pod``.

    One by itself is none: it may have been written so.
    """
    places = {node.name: node.place for node in nodes}
    first = places.get(NodeName(f"{name}1"))
    numbered = (NodeName(f"{name}{number}") for number in range(1, len(nodes) + 1))
    found = [one for one in numbered if first is not None and places.get(one) == first]
    return found if len(found) > 1 else []

"""What a way back did not lead to: parts of a state that no lab file, and so no plan, can tell."""

from collections.abc import Iterator

from hopscope.model.snapshot import NodeState, Snapshot

__all__ = ["lost"]


def lost(before: Snapshot, now: Snapshot) -> list[str]:
    """Devices, policy rules and queueing disciplines that were there, in a user's words."""
    there = {node.name: node for node in now.nodes}
    return [
        f"{node.name}: the {what}"
        for node in before.nodes
        for what in _lost(node, there.get(node.name, NodeState(name=node.name)))
    ]


def _lost(before: NodeState, now: NodeState) -> Iterator[str]:
    kinds = {link.name: link.kind for link in now.links}
    for link in before.links:
        if kinds.get(link.name) != link.kind:
            yield f"device {link.name} ({link.kind or 'a real one'})"
    for rule in before.policy_rules:
        if rule not in now.policy_rules:
            yield f"policy rule {rule.priority}"
    disciplines = {(one.dev, one.parent): one.kind for one in now.qdiscs}
    for one in before.qdiscs:
        kind = disciplines.get((one.dev, one.parent))
        if one.dev in kinds and one.handle != "0:" and kind != one.kind:
            yield f"queueing discipline {one.kind} of {one.dev}"

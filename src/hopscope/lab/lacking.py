"""What a lab asks for that this kernel does not have: tried before anything is built."""

from typing import Final

from hopscope.errors import CannotError
from hopscope.kernel.apply.obstacles import cannot, obstacle
from hopscope.kernel.machine.trial import try_out
from hopscope.kernel.state import privileged
from hopscope.model.lab import LabSpec
from hopscope.plan.compile import compile_lab
from hopscope.plan.ops import AddBridge, AddMacvlan, AddQdisc, AddTap, AddVxlan, Op, SetVlans

__all__ = ["lacking"]

_WITHIN: Final = 3.0  # seconds for all attempts; they take less than a tenth of one


def lacking(spec: LabSpec) -> tuple[CannotError, ...]:
    """Of each part that it lacks, what the first line that asks for it would be told."""
    asked: dict[str, Op] = {}
    for op in compile_lab(spec).ops:
        if attempt := _attempt(op):
            asked.setdefault(attempt, op)
    tried = try_out(user=not privileged(), within=_WITHIN) if asked else {}
    return tuple(
        cannot(op, found)
        for attempt, op in asked.items()
        if attempt in tried and (found := obstacle(op, tried[attempt].code)) is not None
    )


def _attempt(op: Op) -> str | None:
    """What `try_out` calls the attempt at the same; None for what every kernel has."""
    match op:
        case AddQdisc(options=options):
            return options.kind
        case AddBridge(vlan_filtering=True) | SetVlans():
            return "bridge vlans"
        case AddMacvlan():
            return "macvlan"
        case AddVxlan():
            return "vxlan"
        case AddTap():
            return "tun"
        case _:
            return None

"""hopscope: build a container network, send a packet, and see every hop it takes.

from hopscope import Lab

lab = Lab("two")
lab.node("host", bridges=["br0"])
lab.node("ns1", addresses={"eth0": "10.0.0.1/24"}).link("ns1:eth0", "host:p1@br0")
lab.node("ns2", addresses={"eth0": "10.0.0.2/24"}).link("ns2:eth0", "host:p2@br0")
with lab.up() as running:
    print(running.ping("ns1", "ns2").replies)
"""

from importlib import import_module

TYPE_CHECKING = False  # of our own: typing takes longer to load than all that comes before it

if TYPE_CHECKING:
    from hopscope.errors import (
        CannotError,
        HopscopeError,
        KernelError,
        LabExistsError,
        NoSuchLabError,
        Problem,
        SpecError,
        ToolError,
        UsageError,
    )
    from hopscope.kernel.protocol import Completed
    from hopscope.lab.api import Lab
    from hopscope.lab.standing import StandingLab
    from hopscope.model.change import Change
    from hopscope.model.journey import Hop, Journey
    from hopscope.model.process import ProcessState
    from hopscope.model.reachability import Reachability
    from hopscope.model.record import PingResult, Record
    from hopscope.model.snapshot import Snapshot
    from hopscope.model.vocab import Fate

__all__ = [
    "CannotError",
    "Change",
    "Completed",
    "Fate",
    "Hop",
    "HopscopeError",
    "Journey",
    "KernelError",
    "Lab",
    "LabExistsError",
    "NoSuchLabError",
    "PingResult",
    "Problem",
    "ProcessState",
    "Reachability",
    "Record",
    "Snapshot",
    "SpecError",
    "StandingLab",
    "ToolError",
    "UsageError",
]

_HOMES = {
    "Lab": "hopscope.lab.api",
    "StandingLab": "hopscope.lab.standing",
    "Change": "hopscope.model.change",
    "Completed": "hopscope.kernel.protocol",
    "Fate": "hopscope.model.vocab",
    "Hop": "hopscope.model.journey",
    "Journey": "hopscope.model.journey",
    "PingResult": "hopscope.model.record",
    "ProcessState": "hopscope.model.process",
    "Reachability": "hopscope.model.reachability",
    "Record": "hopscope.model.record",
    "Snapshot": "hopscope.model.snapshot",
}


if not TYPE_CHECKING:  # for a type checker it would make every name one of ours

    def __getattr__(name: str) -> object:
        """Import a name when it is first used: the holder and ``--help`` need none of them."""
        if name not in __all__:
            raise AttributeError(f"module 'hopscope' has no attribute {name!r}")
        value: object = getattr(import_module(_HOMES.get(name, "hopscope.errors")), name)
        globals()[name] = value
        return value


def __dir__() -> list[str]:
    return sorted(__all__)

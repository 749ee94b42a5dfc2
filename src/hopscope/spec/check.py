"""Whether a lab is sound as a whole: every rule that spans parts, all that is broken at once."""

from collections.abc import Collection

from hopscope.errors import Problem
from hopscope.model.lab import LabSpec
from hopscope.spec.bridging import bridging
from hopscope.spec.devicerules import devices
from hopscope.spec.firewall import firewall
from hopscope.spec.layer3 import layer3
from hopscope.spec.policy import policy
from hopscope.spec.scope import Listing, scope_of
from hopscope.spec.stories import story
from hopscope.spec.sysctls import sysctls
from hopscope.spec.topology import topology
from hopscope.spec.trafficrules import traffic
from hopscope.spec.tree import Locate

__all__ = ["check"]


def check(
    lab: LabSpec, *, where: Locate, believed: Collection[str] = (), listing: Listing | None = None
) -> list[Problem]:
    """Everything that is wrong with *lab*; see `Scope` and `Listing` for what it goes by.

    A lab that is broken on purpose is right: a missing address, a wrong subnet, a device that
    is down. What no kernel would take, and what nobody can mean, is a problem.
    """
    scope = scope_of(lab, where=where, believed=believed, listing=listing)
    return [
        *topology(scope),
        *devices(scope),
        *bridging(scope),
        *traffic(scope),
        *layer3(scope),
        *policy(scope),
        *(
            problem
            for node in lab.nodes
            for problem in sysctls(scope, node.name, node.sysctls, ("nodes", node.name, "sysctls"))
        ),
        *firewall(scope),
        *story(scope),
    ]

"""Whether a lab is sound as a whole: every rule that spans parts, all that is broken at once."""

from collections.abc import Collection

from hopscope.errors import Problem
from hopscope.spec.bridging import bridging
from hopscope.spec.build import Built
from hopscope.spec.devicerules import devices
from hopscope.spec.firewall import firewall
from hopscope.spec.layer3 import layer3
from hopscope.spec.policy import policy
from hopscope.spec.processes import processes
from hopscope.spec.scope import Listing, scope_of
from hopscope.spec.stories import story
from hopscope.spec.sysctls import sysctls
from hopscope.spec.topology import topology
from hopscope.spec.trafficrules import traffic

__all__ = ["check"]


def check(
    built: Built, *, believed: Collection[str] = (), listing: Listing | None = None
) -> list[Problem]:
    """Everything that is wrong with a lab; see `Scope` and `Listing` for what it goes by.

    A lab that is broken on purpose is right: a missing address, a wrong subnet, a device that
    is down. What no kernel would take, and what nobody can mean, is a problem.
    """
    scope = scope_of(
        built.lab,
        where=built.where,
        replicas=built.replicas,
        believed=believed,
        listing=listing,
    )
    return [
        *topology(scope),
        *devices(scope),
        *bridging(scope),
        *traffic(scope),
        *layer3(scope),
        *policy(scope),
        *(
            problem
            for node in scope.alike()
            for problem in sysctls(scope, node.name, node.sysctls, ("nodes", node.name, "sysctls"))
        ),
        *firewall(scope),
        *processes(scope),
        *story(scope),
    ]

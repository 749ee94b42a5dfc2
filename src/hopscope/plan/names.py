"""What the parts of a lab are called: its devices, and its marks and sysctls in the kernel."""

from typing import Final

from hopscope.model.lab import LabSpec
from hopscope.model.vocab import DevName, DevRef, NodeName

__all__ = ["HOME", "LO", "alias_of", "device_refs", "sysctl_path"]

HOME: Final = NodeName("host")
"""The node that is the sandbox's own namespace, or with --on-host the real one."""

LO: Final = DevName("lo")


def device_refs(spec: LabSpec) -> list[DevRef]:
    """Every device of the lab but the loopbacks, in the order in which they are numbered."""
    bridges = [DevRef(node.name, bridge.name) for node in spec.nodes for bridge in node.bridges]
    ends = [end.ref for link in spec.links for end in (link.a, link.b)]
    return bridges + ends + [device.ref for node in spec.nodes for device in node.devices]


def alias_of(lab: str) -> str:
    """The ownership mark of a lab's devices on the real host."""
    return f"hopscope:{lab}"


def sysctl_path(key: str) -> str:
    """The path below /proc/sys: dots are separators unless the key is written with slashes."""
    return key if "/" in key else key.replace(".", "/")

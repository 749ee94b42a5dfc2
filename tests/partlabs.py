"""Two nodes on a bridge, as lab files that differ in one kind of part."""

from typing import Final

__all__ = ["ANY", "MAC", "PLAIN", "X", "lab", "vxlan"]


def lab(
    bridge: str = "",
    port: str = "",
    end: str = "",
    link: str = "",
    ns1: str = "",
    ns2: str = "",
    host: str = "",
    at: str = "@br0",
) -> str:
    """Two nodes on a bridge, with these additions."""
    return f"""
name: lab
nodes:
  host:
    bridges: {{br0: {{{bridge}}}}}
    {host}
  ns1: {{addresses: {{eth0: 10.0.0.1/24}}, {ns1}}}
  ns2: {{addresses: {{eth0: 10.0.0.2/24}}, {ns2}}}
links:
  - {{ends: [{{end: "ns1:eth0", {end}}}, {{end: "host:p1{at}", {port}}}], {link}}}
  - [ns2:eth0, host:p2@br0]
"""


def vxlan(more: str = "") -> str:
    """With a vxlan device on the bridge."""
    number = "" if "id:" in more else "id: 42,"
    return lab(
        host=f"devices: {{vx: {{kind: vxlan, {number} remote: 192.0.2.2, bridge: br0, {more}}}}}"
    )


PLAIN: Final = lab()
MAC, ANY = '"02:00:00:00:00:99"', '"00:00:00:00:00:00"'
X: Final = ", routes: [10.7.0.0/16 dev x, 10.8.0.0/16 via 10.0.0.2]"

"""What a lab may not do on the real host, because it could not be undone, or would harm.

Reads the host's routes and sysctl files; changes nothing.
"""

from collections.abc import Collection, Iterator, Mapping
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_interface, ip_network
from pathlib import Path
from typing import Final

from hopscope.errors import UsageError
from hopscope.kernel.transport import Route
from hopscope.model.lab import NodeSpec
from hopscope.model.vocab import DevName
from hopscope.plan.leaders import LED
from hopscope.wire import rtnl, rtnl_read

__all__ = ["check_layer3", "check_sysctl", "follows"]

_SYSCTLS: Final = Path("/proc/sys")


def check_sysctl(path: str, ours: Collection[DevName]) -> None:
    """UsageError for a sysctl that concerns other devices, or that cannot be restored."""
    parts = path.split("/")
    dev = parts[3] if len(parts) > 4 and parts[2] in ("conf", "neigh") else None
    if path == "net/ipv6/conf/all/disable_ipv6":
        what = "it takes the IPv6 addresses of every device away"
    elif dev == "default":
        what = "devices that are not the lab's take it over, and keep it when the lab ends"
    elif dev is not None and dev not in (*ours, "all"):
        what = f"{dev} is not the lab's"
    elif dev not in ours and not _readable(path):
        what = "its value cannot be read, and so not be restored"
    else:
        return
    message = f"with --on-host, {path.replace('/', '.')} is not set in the node 'host': {what}"
    raise UsageError(message)


def _readable(path: str) -> bool:
    file = _SYSCTLS / path
    try:
        return not file.exists() or bool(file.read_text().strip())
    except OSError:
        return False


def follows(path: str) -> Iterator[str]:
    """The sysctls of this host that the kernel sets along with this one."""
    files = (file for led in LED.get(path, ()) for file in sorted(_SYSCTLS.glob(led)))
    yield from dict.fromkeys(str(file.relative_to(_SYSCTLS)) for file in files)


def check_layer3(host: NodeSpec, ours: Mapping[DevName, int], route: Route) -> None:
    """UsageError for an address or route that would outlive our devices, or redirect others.

    Packets of the host must not take another way because the lab stands. *ours*: the lab's devices
    there, and their indexes; routes through these are no others'.
    """
    _check_lasting(host)
    own = [ip_interface(address.cidr) for address in host.addresses]
    for dev in (*(a.dev for a in host.addresses), *(n.dev for n in host.neighbours)):
        if dev not in ours:
            message = f"with --on-host, {dev} gets no address or neighbour: it is not the lab's"
            raise UsageError(message)
    wanted = [interface.network for interface in own]
    for line in host.routes:
        for hop in line.hops or (line,):
            near = hop.via is None or any(ip_address(hop.via) in one.network for one in own)
            if not near or (hop.dev is not None and hop.dev not in ours):
                what = f"the route to {line.to} must lead through the lab's devices"
                raise UsageError(f"with --on-host, {what}")
        wanted.append(ip_network(line.to))
    others = [*_routes(route, ours.values())] if wanted else []
    for network in wanted:
        if network.prefixlen == 0:
            message = "with --on-host, the node 'host' gets no default route: it is the machine's"
            raise UsageError(message)
        for there in others:
            if network.version == there.version and network.overlaps(there):
                message = (
                    f"{network} overlaps {there}, to which this host has a route already; "
                    "its packets would take another way"
                )
                raise UsageError(message)


def _check_lasting(host: NodeSpec) -> None:
    """What is of no device does not go with ours, and no mark would tell it from others'."""
    kinds = [f"{line.type} route to {line.to}" for line in host.routes if line.type != "unicast"]
    kinds += ["policy rules"] if host.policy else []
    for kind in kinds[:1]:
        message = (
            f"with --on-host, the node 'host' gets no {kind}: "
            "it is of no device, and would stay when the lab ends"
        )
        raise UsageError(message)


def _routes(route: Route, ours: Collection[int]) -> Iterator[IPv4Network | IPv6Network]:
    """The host's own, without the default, and without those through these devices."""
    for family in (rtnl.AF_INET, rtnl.AF_INET6):
        for answer in route.ask(rtnl.dump_routes(family)):
            part = rtnl_read.route(answer)
            if part is not None and part.type == "unicast" and part.dev not in ours:
                network = ip_network(part.destination)
                if network.prefixlen and not network.is_link_local:
                    yield network

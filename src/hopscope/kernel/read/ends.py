"""Of many nodes, no more than whom they can be reached by: addresses, devices' MACs, gateways."""

from collections.abc import Sequence
from ipaddress import ip_interface

from msgspec.structs import replace

from hopscope.kernel.sandbox import Sandbox
from hopscope.model.ends import End, NodeEnds
from hopscope.model.vocab import NodeName
from hopscope.wire import rtnl, rtnl_read

__all__ = ["leads_out", "read_ends"]


def read_ends(sandbox: Sandbox, nodes: Sequence[NodeName]) -> tuple[NodeEnds, ...]:
    """What the kernel holds now; loopback and link-local addresses lead to no other node."""
    sandbox.open_routes(nodes)
    found = tuple(_ends(sandbox, node) for node in nodes)
    networks = {end.network for one in found for end in one.ends}
    if len({network.version for network in networks}) == len(networks):
        return found  # one subnet of each family: no gateway is needed
    return tuple(replace(one, gateways=_gateways(sandbox, one)) for one in found)


def _ends(sandbox: Sandbox, node: NodeName) -> NodeEnds:
    parts = [rtnl_read.address(answer) for answer in sandbox.ask(node, rtnl.dump_addresses())]
    useful = [part for part in parts if part is not None and leads_out(part.ip)]
    if not useful:
        return NodeEnds(name=node)
    answers = sandbox.ask(node, rtnl.dump_links())
    links = [link for answer in answers if (link := rtnl_read.link(answer)) is not None]
    macs = {link.index: link.mac for link in links}
    lo = {link.index for link in links if link.kind == "loopback"}
    return NodeEnds(
        name=node,
        ends=tuple(
            End(
                index=part.index,
                ip=part.ip,
                network=ip_interface(f"{part.ip}/{part.prefix}").network,
                mac=macs.get(part.index),
            )
            for part in sorted(useful, key=lambda part: part.index in lo)
        ),
        linked=any(link.up and link.carrier and link.kind != "loopback" for link in links),
    )


def leads_out(cidr: str) -> bool:
    """Whether an address, with or without its prefix length, leads to other nodes."""
    address = ip_interface(cidr).ip
    return not (address.is_loopback or address.is_link_local)


def _gateways(sandbox: Sandbox, one: NodeEnds) -> frozenset[str]:
    families = {end.network.version for end in one.ends}
    return frozenset(
        part.via
        for version, family in ((4, rtnl.AF_INET), (6, rtnl.AF_INET6))
        if version in families
        for answer in sandbox.ask(one.name, rtnl.dump_routes(family))
        if (part := rtnl_read.route(answer)) is not None and part.via
    )

"""How a hop's routes were asked, and how its routes are named and removed; decides nothing."""

from hopscope.model.journey import Hop
from hopscope.model.lab import MAIN_TABLE
from hopscope.model.lookup import route_text
from hopscope.model.snapshot import Route
from hopscope.model.vocab import DevName, DevRef, NodeName
from hopscope.trace.causes.evidence import command
from hopscope.trace.scene import Packet, Scene
from hopscope.trace.ways import LOOPBACK, Lookup, mark_of

__all__ = ["in_table", "layer_three", "lookup_in", "removal", "table_text"]

_OWN_TABLES = (255, MAIN_TABLE)  # which nobody names


def layer_three(hop: Hop, scene: Scene) -> DevName | None:
    """The device that it came in by for layer 3: of a bridge's port, the bridge."""
    link = scene.before.link(DevRef(hop.node, hop.came_in)) if hop.came_in else None
    return link.master or link.name if link else None


def lookup_in(packet: Packet, hop: Hop, destination: str, scene: Scene) -> Lookup:
    """As that hop's tables were asked."""
    came_in = layer_three(hop, scene)
    return Lookup(
        state=scene.node(hop.node),
        destination=destination,
        source=packet.headers.ip.src if packet.headers.ip is not None else None,
        came_in=came_in or LOOPBACK,
        mark=mark_of(packet, hop.node, came_in),
    )


def in_table(route: Route) -> str:
    """The table, where it is another than the usual ones, as ``ip route`` takes it."""
    return f" table {route.table}" if route.table not in _OWN_TABLES else ""


def table_text(route: Route) -> str:
    """As ``ip route`` writes it, with its table."""
    return route_text(route) + in_table(route)


def removal(node: NodeName, route: Route) -> str:
    """A command line that takes a route away that forbids; 0 is the table of a policy rule."""
    if route.table == 0:
        return command(node, "ip rule") + "   (lists them; delete that one)"
    return command(node, f"ip route del {route.type} {route.destination}{in_table(route)}")

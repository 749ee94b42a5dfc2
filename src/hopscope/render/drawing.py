"""The topology as a drawing of lines: each node, its bridges with their ports, and the far ends."""

from collections.abc import Iterator

from rich.console import Group, RenderableType
from rich.text import Text
from rich.tree import Tree

from hopscope.model.lookup import ports
from hopscope.model.snapshot import LinkState, NodeState, Snapshot

__all__ = ["drawing"]


def drawing(snapshot: Snapshot) -> RenderableType:
    """Every node with its devices; of a link, both ends are told, each in its own node."""
    return Group(*(_node(snapshot, node) for node in snapshot.nodes))


def _node(snapshot: Snapshot, node: NodeState) -> RenderableType:
    tree = Tree(Text(node.name, "bold"), guide_style="dim")
    for link in node.links:
        if link.kind == "loopback" or node.link(link.master or "") is not None:
            continue
        branch = tree.add(_device(snapshot, link))
        for port in ports(node, link.name) if link.kind == "bridge" else ():
            branch.add(_device(snapshot, port))
    if not tree.children:
        tree.add(Text("no device but lo", "dim"))
    return tree


def _device(snapshot: Snapshot, link: LinkState) -> Text:
    words = Text(link.name)
    for text, style in _remarks(link):
        words.append(f"  {text}", style)
    if link.peer is not None:
        words.append(" ══ ", "dim")
        words.append(str(link.peer))
        far = snapshot.link(link.peer)
        for text, style in _far(far) if far is not None else ():
            words.append(f"  {text}", style)
    return words


def _remarks(link: LinkState) -> Iterator[tuple[str, str]]:
    for address in link.addresses:
        yield str(address), "green"
    if link.over is not None:
        yield f"{link.kind} over {link.over}", "dim"
    if link.vxlan is not None:
        yield f"vxlan {link.vxlan.id} to {link.vxlan.remote or 'its remotes'}", "dim"
    if link.kind == "bridge" and not link.addresses:
        yield "no address", "dim"
    if not link.up:
        yield "down", "bold red"
    elif not link.carrier:
        yield "no carrier", "yellow"
    if link.port_state not in (None, "forwarding", "disabled"):
        yield str(link.port_state), "yellow"


def _far(link: LinkState) -> Iterator[tuple[str, str]]:
    if link.master is not None:
        yield f"port of {link.master}", "cyan"
    for address in link.addresses:
        yield str(address), "green"

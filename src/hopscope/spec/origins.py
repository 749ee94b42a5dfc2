"""From the lab as it is made back to the file: replicas stand where their node was counted."""

from collections.abc import Mapping, Sequence

from msgspec import Struct

from hopscope.errors import Place
from hopscope.spec.tree import Locate, Path

__all__ = ["Origins"]


class Origins(Struct, frozen=True, kw_only=True):
    """Where parts come from: replica → node of the file, link → its number there and its own."""

    where: Locate  # of the file
    nodes: Mapping[str, str]
    links: Sequence[tuple[int, int]]

    def node(self, name: str) -> str:
        """What the file calls the node."""
        return self.nodes.get(name, name)

    def link(self, number: int) -> int:
        """Which of the file's links it is made from."""
        return self.links[number][0]

    def written(self, path: Path) -> Path:
        """Where it is in the file, what is at *path* in the lab as it is made."""
        match path:
            case ("nodes", str(name), *rest):
                return ("nodes", self.node(name), *rest)
            case ("links", int(number), "mac", str(end)):
                written, replica = self.links[number]
                node, _, dev = end.partition(":")
                if replica and node not in self.nodes:
                    dev = dev.removesuffix(str(replica))
                return ("links", written, "mac", f"{self.node(node)}:{dev}")
            case ("links", int(number), *rest):
                return ("links", self.link(number), *rest)
            case _:
                return path

    def __call__(self, path: Path, *, key: bool = False, piece: str = "") -> Place:
        """The place of what is at *path* in the lab as it is made; see `tree.locate`."""
        there = self.written(path)
        place = self.where(there, key=key, piece=piece)
        match path:
            case ("links", int(number), *_) if piece and place == self.where(there, key=key):
                piece = self._unnumbered(piece, self.links[number][1])
                return self.where(there, key=key, piece=piece)
            case _:
                return place

    def _unnumbered(self, name: str, replica: int) -> str:
        """A node or a device, as the file has it; it numbers neither."""
        return self.nodes.get(name) or (name.removesuffix(str(replica)) if replica else name)

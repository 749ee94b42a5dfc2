"""macvlans: recorded, and then altered."""

import pytest
from msgspec.structs import replace

from hopscope.model.journey import Hop, TransmitStep
from hopscope.model.snapshot import LinkState, Snapshot
from hopscope.model.vocab import DevName, seen
from hopscope.trace.causes import resolution
from hopscope.trace.causes.overlays import apart
from hopscope.trace.scene import Packet, Scene
from hopscope.trace.stitch import weave
from journeycases import CASES

NAMED = {case.name: case for case in CASES}
BASIS = seen("test")


def changed(scene: Scene, name: str, **changes: object) -> Scene:
    """The devices of that name, changed."""

    def one(link: LinkState) -> LinkState:
        return replace(link, **changes) if link.name == name else link

    nodes = tuple(replace(node, links=tuple(map(one, node.links))) for node in scene.before.nodes)
    return replace(scene, before=Snapshot(nodes=nodes))


def question(name: str) -> tuple[Scene, Packet, Hop]:
    """The recorded ping's ARP request, woven."""
    scene = NAMED[name].scene()
    packet = next(p for p in scene.packets if p.headers.arp)
    return scene, packet, weave(packet, scene).first


@pytest.mark.parametrize(
    ("name", "changes"),
    [
        ("macvlans-1", {"macvlan": "bridge"}),  # they reach each other
        ("macvlans-1", {"over": None}),
        ("macvlans-2", {"macvlan": None}),
    ],
)
def test_macvlans_that_are_not_kept_apart(name: str, changes: dict[str, object]) -> None:
    scene, packet, first = question(name)
    assert apart(packet, first, scene) is not None
    assert apart(packet, first, changed(scene, "mv0", **changes)) is None


def test_devices_that_are_not_known_are_not_kept_apart() -> None:
    """One that nothing was seen of, and one that the tables do not have."""
    scene, packet, first = question("macvlans-1")
    assert apart(packet, replace(first, steps=()), scene) is None
    nowhere = TransmitStep(dev=DevName("gone"), at=None, basis=BASIS)
    assert apart(packet, replace(first, steps=(nowhere,)), scene) is None


def test_a_question_that_only_left_its_owners_node() -> None:
    """A device of the owner's node sent it on: the owner's own stack never had it."""
    scene, packet, first = question("carried-4")
    why = resolution.unanswered(packet, first, scene)
    assert why is not None
    assert why.code == "no-layer-2-path"
    assert why.mend == "join the two on one bridge, or route between them"

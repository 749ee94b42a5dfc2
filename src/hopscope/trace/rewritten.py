"""To which address a node rewrote a packet's destination before it looked up the route."""

import re
from collections.abc import Sequence
from ipaddress import ip_address
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from hopscope.model.flow import Ip
from hopscope.model.journey import HookStep, NatStep
from hopscope.model.lookup import addresses_of, without_words
from hopscope.model.snapshot import Snapshot
from hopscope.model.vocab import Direction, NodeName, computed, inferred, seen
from hopscope.trace.hooks import Traversal
from hopscope.trace.identify import Sighting
from hopscope.trace.scene import Packet, Scene

__all__ = ["Rewritten", "given_by_rules", "rewritten", "turned_back"]

_TARGET: Final = re.compile(
    r"-j DNAT\b.*? --to-destination (?P<dnat>\S+)|-j NETMAP --to (?P<netmap>\S+)"
    r"|\bdnat (?:prefix )?(?:ip6? )?(?:prefix )?to (?P<nft>\S+)|-j REDIRECT\b|\bredirect\b"
)
_TRANSLATES: Final = re.compile(
    r"-j (DNAT|SNAT|NETMAP|MASQUERADE|REDIRECT)\b|\b(dnat|snat|masquerade|redirect)\b"
)
_TOKEN: Final = re.compile(r"\[?[0-9a-fA-F:.]+\]?[:\d]*")
_PORT: Final = re.compile(r"^\[(?P<six>[^]]*)\](?::\S*)?$|^(?P<four>[^:]*):[\d-]*$")


class Rewritten(Struct, frozen=True, kw_only=True):
    """The rewriting, and the header behind it; None when the rule leaves open what it made."""

    step: NatStep
    ip: Ip | None


def rewritten(ip: Ip, steps: Sequence[HookStep], later: Sequence[Traversal]) -> Rewritten | None:
    """What became of the destination; None when nothing shows that it changed.

    *steps* are the hooks before the route was looked up, *later* those behind it: these saw
    the packet as it was then. Without them, the rule that matched tells.
    """
    if later:
        now = later[0].headers.ip
        if now is None or now.dst == ip.dst:
            return None
        basis = seen(f"nf_tables trace in {later[0].node}, at {later[0].hook}")
        step = NatStep(field="destination", before=ip.dst, after=now.dst, basis=basis)
        return Rewritten(step=step, ip=replace(ip, dst=now.dst))
    return next((one for step in steps if (one := _by_rule(ip, step)) is not None), None)


def given_by_rules(snapshot: Snapshot) -> set[str]:
    """The addresses that rules may give to a packet in place of its own."""
    found: set[str] = set()
    for node in snapshot.nodes:
        rules = [rule for chain in node.chains if not chain.ours for rule in chain.rules]
        texts = [text for rule in rules if _TRANSLATES.search(text := without_words(rule.text))]
        if texts:
            found.update(addresses_of(node))
        for text in texts:
            found.update(filter(_is_address, map(_bare, _TOKEN.findall(text))))
    return found


def _bare(token: str) -> str:
    """An address without its port."""
    port = _PORT.match(token)
    return token if port is None else port["six"] or port["four"]


def turned_back(packet: Packet, scene: Scene, node: NodeName, ip: Ip) -> Rewritten | None:
    """The destination of a reply whose request this node gave that source address.

    No rule is asked for a reply. It is turned back as soon as it enters, unless it is not
    tracked; then it is for the node itself, and comes to an input hook.
    """
    for request in scene.packets:
        here = [one for one in request.sightings if one.event.dev.node == node]
        if request is packet or not _answers(packet, request, here):
            continue
        came, went = _sources(here, Direction.RECEIVE), _sources(here, Direction.TRANSMIT)
        if came and ip.dst in went and ip.dst not in came:
            basis = inferred(f"the request left {node} from {ip.dst}, and no input hook saw this")
            step = NatStep(field="destination", before=ip.dst, after=came[0], basis=basis)
            return Rewritten(step=step, ip=replace(ip, dst=came[0]))
    return None


def _answers(packet: Packet, request: Packet, here: Sequence[Sighting]) -> bool:
    """Whether they bear one stamp, or ports the other way round than the request had *here*."""
    stamp, ports = packet.headers.stamp, packet.headers.ports
    if stamp is not None or ports is None:
        return stamp is not None and request.headers.stamp == stamp
    went = [(sent.sport, sent.dport) for one in here if (sent := one.headers.ports) is not None]
    return (ports.dport, ports.sport) in went


def _sources(frames: Sequence[Sighting], direction: Direction) -> list[str]:
    return [
        one.headers.ip.src
        for one in frames
        if one.event.direction is direction and one.headers.ip is not None
    ]


def _by_rule(ip: Ip, step: HookStep) -> Rewritten | None:
    for visit in step.chains:
        for rule in visit.rules:
            found = _TARGET.search(without_words(rule.text)) if rule.matched else None
            if found is None:
                continue
            to = _target(found)
            if to in (ip.dst, ""):  # nothing but the port
                return None
            chain = f"{visit.family} {visit.table} {visit.chain}"
            basis = computed(f"the rule `{rule.text}` of {chain}, which matched")
            sure = _is_address(to)
            after = to if sure else f"what that rule chose ({to})"
            nat = NatStep(field="destination", before=ip.dst, after=after, basis=basis)
            return Rewritten(step=nat, ip=replace(ip, dst=to) if sure else None)
    return None


def _target(found: re.Match[str]) -> str:
    """The address or range without its ports; of a redirection, its own word."""
    text = found["dnat"] or found["netmap"] or found["nft"]
    return _bare(text) if text is not None else "an address of the node itself"


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True

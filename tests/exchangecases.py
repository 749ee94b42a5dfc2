"""TCP and UDP probes of real kernels, recorded by tests/golden/record_exchanges.py."""

import gzip
from collections.abc import Sequence
from pathlib import Path

import msgspec
from msgspec.structs import replace

from hopscope.model.events import Event, Observation
from hopscope.model.journey import Reason
from hopscope.model.snapshot import Snapshot
from hopscope.model.vocab import NodeName
from hopscope.trace.exchanges import Service, why_unanswered
from hopscope.trace.refusals import Refusal, who_refused
from hopscope.trace.scene import Scene, scene_of

__all__ = ["EXCHANGES", "EXCHANGE_LABS", "FOLDER", "Exchange"]

FOLDER = Path(__file__).parent / "golden" / "exchanges"


class Exchange(msgspec.Struct, frozen=True, kw_only=True):
    """A probe that was not answered, as the observers saw it."""

    kernel: str
    source: NodeName
    service: Service
    before: Snapshot
    after: Snapshot
    observation: Observation

    def scene(self, events: Sequence[Event] | None = None) -> Scene:
        """Its scene; with *events* in place of those that were recorded."""
        kept = self.observation.events if events is None else tuple(events)
        seen = replace(self.observation, events=kept)
        return scene_of(seen, self.before, self.after, replied=frozenset())

    def why(self, scene: Scene | None = None) -> Reason | None:
        """What is told of it."""
        return why_unanswered(scene or self.scene(), self.source, self.service)

    def told(self) -> str:
        """The same as text."""
        why, who = self.why(), self.who()
        if why is None and who is not None:
            return f"refused by {who.node}: {who.sentence or 'nothing listens there'}\n{who.mend}\n"
        return f"{why.sentence}\n{why.mend}\n" if why is not None else "\n"

    def who(self, scene: Scene | None = None) -> Refusal | None:
        """Who refused it, if anybody did."""
        return who_refused(scene or self.scene(), self.source, self.service)


def _routed(*rules: str, back: bool = True, pod: str = "") -> str:
    lines = ", ".join(f'"{rule}"' for rule in rules)
    home = "default via 10.2.0.1" if back else ""
    return f"""
name: exchange
nodes:
  c: {{addresses: {{e: 10.1.0.2/24}}, routes: [default via 10.1.0.1]}}
  gw:
    addresses: {{left: 10.1.0.1/24, right: 10.2.0.1/24}}
    sysctls: {{net.ipv4.ip_forward: 1}}
    iptables: [{lines}]
  pod:
    addresses: {{e: 10.2.0.2/24}}
    routes: [{home}]
    {pod}
links: [[c:e, gw:left], [pod:e, gw:right]]
"""


def _dnat(proto: str, to: str = "10.2.0.2:8080") -> str:
    return f"-t nat -A PREROUTING -p {proto} --dport 80 -j DNAT --to-destination {to}"


_FLAT = """
name: exchange
nodes:
  sw: {{bridges: {{br0: {{}}}}}}
  c: {{addresses: {{e: 10.1.0.2/24}}}}
  gw:
    addresses: {{e: 10.1.0.1/24}}
    sysctls:
      net.ipv4.ip_forward: 1
      net.ipv4.conf.all.send_redirects: 0
      net.ipv4.conf.e.send_redirects: 0
    iptables: ["-t nat -A PREROUTING -p {} --dport 80 -j DNAT --to-destination 10.1.0.3:8080"]
  pod: {{addresses: {{e: 10.1.0.3/24}}}}
links: [[c:e, sw:p1@br0], [gw:e, sw:p2@br0], [pod:e, sw:p3@br0]]
"""
_BRIDGED = """
name: exchange
nodes:
  c: {{addresses: {{e: 10.1.0.2/24}}}}
  gw:
    bridges: [br0]
    addresses: {{br0: 10.1.0.1/24}}
    sysctls: {{net.ipv4.ip_forward: 1, net.bridge.bridge-nf-call-iptables: 0}}
    iptables: ["-t nat -A PREROUTING -p {} --dport 80 -j DNAT --to-destination 10.1.0.3:8080"]
  pod: {{addresses: {{e: 10.1.0.3/24}}}}
links: [[c:e, gw:p1@br0], [pod:e, gw:p2@br0]]
"""
_ANSWERS = """run:
      - command:
          - python3
          - -c
          - |
            import socket
            s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            s.bind(("0.0.0.0", 8080))
            print("ready", flush=True)
            while True:
                data, who = s.recvfrom(99)
                {}
        ready: {{log: ready}}"""

EXCHANGE_LABS = {
    "tcp-refusal-lost": _routed(_dnat("tcp"), "-A FORWARD -p tcp --sport 8080 -j DROP"),
    "tcp-around": _FLAT.format("tcp"),
    "tcp-around-bridged": _BRIDGED.format("tcp"),
    "tcp-no-way-back": _routed(_dnat("tcp"), back=False),
    "tcp-astray": _routed(
        _dnat("tcp"),
        "-t nat -A POSTROUTING -o right -j MASQUERADE",
        "-t raw -A PREROUTING -i right -j NOTRACK",
    ),
    "tcp-back-blackhole": _routed(
        "-t nat -A POSTROUTING -o right -j MASQUERADE",
        _dnat("tcp"),
    ).replace("sysctls:", "routes: [blackhole 10.1.0.2/32]\n    sysctls:", 1),
    "tcp-refused": _routed(_dnat("tcp")),
    "tcp-refused-at-once": _routed(),
    "tcp-refused-by-rule": _routed("-A INPUT -p tcp -j REJECT --reject-with tcp-reset"),
    "tcp-refused-moved": _routed(
        "-t nat -A PREROUTING -p tcp --dport 80 -j REDIRECT --to-ports 9",
    ),
    "tcp-nobody": _routed(_dnat("tcp", "10.2.0.9")),
    "tcp-redirect": _routed(
        "-t nat -A PREROUTING -p tcp --dport 80 -j REDIRECT --to-ports 9",
        "-A INPUT -p tcp --dport 9 -j DROP",
    ),
    "udp-around": _FLAT.format("udp"),
    "udp-refusal-lost": _routed(_dnat("udp"), "-A FORWARD -p icmp -j DROP"),
    "udp-refusal-kept": _routed(_dnat("udp"), pod="iptables: [-A OUTPUT -p icmp -j DROP]"),
    "udp-answer-lost": _routed(
        _dnat("udp"),
        "-A FORWARD -p udp --sport 8080 -j DROP",
        pod=_ANSWERS.format('s.sendto(b"no stamp", who)'),
    ),
    "udp-answer-forgotten": _routed(
        _dnat("udp"),
        pod=_ANSWERS.format('s.sendto(b"no stamp", who)'),
    ).replace("sysctls:", "routes: [blackhole 10.1.0.2/32]\n    sysctls:", 1),
    "udp-answer-unheard": _routed(
        _dnat("udp"),
        "-t nat -A POSTROUTING -o right -j MASQUERADE",
        pod=_ANSWERS.format('s.sendto(b"no stamp", who)'),
    ).replace("10.1.0.1]}", "10.1.0.1], iptables: [-A INPUT -p udp -j DROP]}", 1),
    "tcp-own-rule": _routed().replace(
        "routes: [default via 10.1.0.1]",
        "routes: [default via 10.1.0.1], iptables: "
        "[-t nat -A OUTPUT -p tcp --dport 80 -j DNAT --to-destination 10.2.0.2:8080]",
    ),
    "udp-refused": _routed(_dnat("udp")),
    "udp-echo-lost": _routed(
        _dnat("udp"),
        "-A FORWARD -p udp --sport 8080 -j DROP",
        pod=_ANSWERS.format("s.sendto(data, who)"),
    ),
    "udp-silent": _routed(_dnat("udp"), pod=_ANSWERS.format("pass")),
}
"""By name: c asks gw, 10.1.0.1, for port 80, by the protocol that the name begins with."""

EXCHANGES = {
    path.name.removesuffix(".json.gz"): msgspec.json.decode(
        gzip.decompress(path.read_bytes()), type=Exchange
    )
    for path in sorted(FOLDER.glob("*.json.gz"))
}

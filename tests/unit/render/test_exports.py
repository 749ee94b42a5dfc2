"""Labs in other forms: what each says, and that nobody's names break out of it."""

import shlex
from collections import Counter
from collections.abc import Callable
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from ruamel.yaml import YAML

from hopscope.lab.declare import built_in
from hopscope.model.lab import LabSpec
from hopscope.render.exports import FORMATS, commands, export, shell
from hopscope.render.exports.declared import declared
from hopscope.render.exports.takedown import take_down
from hopscope.render.exports.words import rule_words
from hopscope.render.exports.yamltext import dumped
from hopscope.spec import parse
from hopscope.spec.containerlab import topology

ODD = """
name: odd
description: |
  two lines
  "; rm -rf /
nodes:
  host: {bridges: {"br;#0": {}}}
  n1: {addresses: {'a"<&$(x)': 10.0.0.1/24}, down: ['a"<&$(x)']}
links:
  - ['n1:a"<&$(x)', 'host:p1@br;#0']
"""


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("name", built_in())
def test_every_lab_has_every_form(name: str, form: str) -> None:
    """Each device of a node is told in each."""
    lab = parse(built_in()[name], name)
    text = export(lab, form)
    assert text.endswith("\n")
    for link in lab.links:
        assert link.a.ref.dev in text
        assert link.b.ref.dev in text


def test_a_script_quotes_what_a_shell_would_read() -> None:
    """A comment stays one, a word stays one."""
    script = export(parse(ODD, "odd"), "sh")
    lines = [line for line in script.splitlines() if not line.startswith("#")]
    assert not any("rm -rf" in line for line in lines)
    (address,) = (line for line in lines if "addr add" in line)
    assert shlex.split(address)[-1] == 'a"<&$(x)'
    (bridge,) = (line for line in lines if "type bridge" in line)
    assert shlex.split(bridge)[:5] == ["ip", "link", "add", "name", "br;#0"]


EVERYTHING = """
name: every
nodes:
  host:
    bridges: {br0: {ageing: 20}}
    devices: {t0: {kind: tap, bridge: br0}}
    policy: [to 10.0.0.0/8 lookup main]
  web:
    addresses: {eth0: 10.0.0.2/24}
    devices:
      x0: {kind: vxlan, id: 42, remote: 10.0.0.9, over: eth0, rate: 1mbit}
      m0: {kind: macvlan, over: "far:eth0", mode: private}
    run:
      - {command: [sh, -c, "serve --it\\nrm -rf /"], restart: always, ready: {tcp: 80}}
  far: {lo: false, addresses: {eth0: 10.0.0.3/24}}
links:
  - [web:eth0, {end: host:p0@br0, isolated: true, queues: 3}]
  - [far:eth0, host:p1@br0]
"""


@pytest.mark.parametrize("form", FORMATS)
def test_nothing_is_forgotten(form: str) -> None:
    """Devices, processes and settings are carried, or named in a comment."""
    text = export(parse(EVERYTHING, "every"), form)
    for word in ("t0", "x0", "m0", "42", "isolated", "serve"):
        assert word in text
    assert "1 policy rule" in text or "ip rule add" in text
    if form in ("sh", "containerlab", "mermaid"):
        breaking = [line for line in text.splitlines() if line.strip().startswith("rm -rf")]
        assert breaking == []  # what a process is told stays in its comment
    if form == "svg":
        ET.fromstring(text)  # noqa: S314 - our own


def test_containers_get_what_lies_over_others_from_outside() -> None:
    """No container sees another's devices; those of host are made before they are set up."""
    text = export(parse(EVERYTHING, "every"), "containerlab")
    head, _, body = text.partition("\nname:")
    assert "ip -n clab-every-far link add link eth0 name m0 netns clab-every-web" in head
    assert "ip -n clab-every-web link set dev m0 up" in head
    assert "m0" not in body
    assert "- ip link set dev x0 up" in body
    assert "- ip link set dev lo down" in body
    assert head.index("tuntap add dev t0") < head.index("link set dev t0")
    assert "docker exec -d clab-every-web sh -c" in head
    assert "host/p0 has 3 queues" in head


def test_charts_quote_what_they_would_read() -> None:
    """Quotes, ampersands and angles are told as what they are."""
    lab = parse(ODD, "odd")
    assert '["a#quot;#lt;#amp;$(x)<br/>10.0.0.1/24<br/>down"]' in export(lab, "mermaid")
    assert 'label="a\\"<&$(x)\\n10.0.0.1/24\\ndown"' in export(lab, "dot")
    ET.fromstring(export(lab, "svg"))  # noqa: S314 - our own


def test_ports_and_pairs_are_drawn() -> None:
    """Thin lines to the bridge, thick ones between the ends of a link."""
    lines = export(parse(built_in()["bridge"], ""), "mermaid").splitlines()
    assert [line.split()[1] for line in lines if " --- " in line or " === " in line] == [
        "---",
        "---",
        "===",
        "===",
    ]


def test_a_declared_lab_knows_what_will_carry() -> None:
    """An end that stays down breaks its link, and the bridge has no port that works."""
    state = declared(parse(ODD, "odd"))
    port, bridge = state.node("host").link("p1"), state.node("host").link("br;#0")
    assert port is not None
    assert bridge is not None
    assert (port.up, port.carrier, bridge.up, bridge.carrier) == (True, False, True, False)


@pytest.mark.parametrize(
    ("written", "typed"),
    [
        ("-A FORWARD -j DROP", "-A FORWARD -j DROP"),
        ('-j LOG --log-prefix "a b"', '-j LOG --log-prefix "a b"'),
        ("-j LOG --log-prefix '$HOME'", "-j LOG --log-prefix '$HOME'"),
        ("! -d 10.0.0.0/8", "! -d 10.0.0.0/8"),
        ("-m comment --comment a;b", "-m comment --comment 'a;b'"),
    ],
)
def test_rules_stay_as_they_were_written_where_they_can(written: str, typed: str) -> None:
    """A shell reads the words that were meant."""
    assert rule_words(written) == typed
    assert shlex.split(typed) == shlex.split(written)


def test_down_undoes_the_rules_of_host() -> None:
    """The last first; a position is no part of a rule, a policy cannot be undone."""
    rules = ["-N mine", "-A mine -j DROP", "-t nat -I POSTROUTING 1 -j MASQUERADE", "-P INPUT DROP"]
    tree = {"name": "x", "nodes": {"host": {"iptables": rules, "nft": "table inet t {}\n"}}}
    lines = [line.strip() for line in take_down(parse(dumped(tree), "x"))]
    assert lines[1:-2] == [
        "iptables -t nat -D POSTROUTING -j MASQUERADE 2>/dev/null || true",
        "iptables -D mine -j DROP 2>/dev/null || true",
        "iptables -X mine 2>/dev/null || true",
        "nft delete table inet t 2>/dev/null || true",
    ]
    assert lines[-2] == "# chain policies of host stay as they are"


def test_a_topology_tells_what_the_host_needs() -> None:
    """Its bridges before, its ends after containerlab has made them."""
    text = """
name: gateway
nodes:
  host: {bridges: [br0], addresses: {br0: 10.0.0.1/24, up0: 10.1.0.1/24}}
  n1: {bridges: {sw: {}}}
  n2: {}
links:
  - [n1:eth0, host:p1@br0]
  - [n1:eth1, host:up0]
  - [n2:eth0, n1:eth2@sw]
  - {ends: [n2:eth1, n1:eth3], mtu: 1400, mac: {"n2:eth1": "02:00:00:00:00:01"}}
"""
    made = export(parse(text, ""), "containerlab", image="mine:1")
    head = [line for line in made.splitlines() if line.startswith("#")]
    before = head.index("#   ip link add name br0 type bridge")
    after = head.index("#   ip addr add 10.1.0.1/24 brd + dev up0")
    assert before < next(n for n, line in enumerate(head) if "When it has" in line) < after
    found = topology(made, "made")
    assert [(node, bridge) for node, bridge in found.bridges] == [("host", "br0")]
    assert [one.line for one in found.commands if one.node == "n1"] == [
        "ip link add name sw type bridge",
        "ip link set dev eth2 master sw",
        "ip link set dev sw up",
    ]
    assert (found.links[3].mtu, found.links[3].ends[0].mac) == (1400, "02:00:00:00:00:01")
    assert "image: mine:1" in made


def test_yaml_reads_as_written_by_hand() -> None:
    """What is short has one line, texts of lines keep them, comments stand where they belong."""
    tree = {"name": "x", "nodes": {"a": {"nft": "one\ntwo\n"}, "b": {"lo": False}}}
    text = dumped(tree, head=["top", ""], comments={("nodes", "b"): "odd"})
    assert text == (
        "# top\n#\nname: x\nnodes:\n  a:\n    nft: |\n      one\n      two\n"
        "  b: {lo: false}  # odd\n"
    )


@pytest.mark.parametrize("form", ["sh", "containerlab"])
def test_a_lab_is_planned_as_often_however_large_it_is(
    form: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The work for each node does not grow with the number of nodes."""
    done: list[str] = []

    def noted(real: Callable[[LabSpec], Any]) -> Callable[[LabSpec], Any]:
        def call(lab: LabSpec) -> Any:
            done.append(real.__name__)
            return real(lab)

        return call

    for module, name in ((commands, "compile_lab"), (shell, "uses_ipv6")):
        monkeypatch.setattr(module, name, noted(getattr(module, name)))
    found = []
    for nodes in (2, 20):
        text = f"name: x\nnodes:\n  a: {{count: {nodes}}}\n  b: {{count: {nodes}}}\n"
        export(parse(f"{text}links: [[a:eth0, b:eth0]]\n", "x"), form)
        found.append(Counter(done))
        done.clear()
    assert found[0] == found[1]
    assert found[0]["compile_lab"] > 0


@pytest.mark.parametrize("parts", ["\n", "\r", "\x85", "\u2028", "\n\n", "\x0b", "\0"])
def test_whatever_a_comment_holds_it_stays_one(parts: str) -> None:
    """What a foreign topology, or a description, says is none of the file's."""
    foreign = f"linux{parts}story: []{parts}"
    text = dumped({"nodes": {"a": {"b": "x"}}}, head=[foreign], comments={("nodes", "a"): foreign})
    assert YAML(typ="safe", pure=True).load(text) == {"nodes": {"a": {"b": "x"}}}
    assert text.count("story") == 2

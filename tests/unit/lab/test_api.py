"""Lab in Python: the same lab as its file, and mistakes at the line that made them."""

import inspect
import json
from collections.abc import Callable
from pathlib import Path

import pytest

import hopscope
from hopscope import Lab, SpecError, UsageError
from hopscope.errors import Place
from hopscope.lab.declare import built_in, parse
from hopscope.model.lab import AddressSpec, BridgeSpec, LabSpec, LinkEnd, PingStep
from hopscope.model.vocab import DevName, DevRef, NodeName


def here(offset: int = 0) -> Place:
    """The line that calls this, or one after it."""
    frame = inspect.stack()[1]
    return Place(frame.filename, frame.lineno + offset, 1)


def problems(lab: Lab) -> list[tuple[str, Place]]:
    """The rules that were broken, and where."""
    with pytest.raises(SpecError) as raised:
        lab.spec()
    return [(problem.rule, problem.place) for problem in raised.value.problems]


def test_every_name_of_the_package_is_there() -> None:
    """`from hopscope import …` finds each, and dir() tells them and no others."""
    for name in hopscope.__all__:
        assert getattr(hopscope, name).__name__ == name
    assert dir(hopscope) == sorted(hopscope.__all__)
    with pytest.raises(AttributeError, match="no attribute 'Nonsense'"):
        hopscope.Nonsense  # type: ignore[attr-defined] # noqa: B018


def test_the_packages_example_is_a_lab() -> None:
    """All of it but the last three lines, which need a kernel."""
    assert hopscope.__doc__ is not None
    code = hopscope.__doc__.partition("\n\n")[2].partition("with lab.up()")[0]
    names: dict[str, Lab] = {}
    exec(code, names)  # noqa: S102 - our own words
    spec = names["lab"].spec()
    assert [node.name for node in spec.nodes] == ["host", "ns1", "ns2"]
    assert [str(link.b.ref) for link in spec.links] == ["host/p1", "host/p2"]


def test_each_argument_reaches_the_lab() -> None:
    """As the same key of a lab file does."""
    lab = Lab("all", description="A lab.")
    lab.node(
        "ns1",
        bridges={"br0": {"stp": True, "mtu": 1400}},
        addresses={"br0": "10.0.0.1/24", "eth0": ["10.0.1.1/24", "fd00::1/64"]},
        routes=["default via 10.0.0.254"],
        neighbours={"br0": {"10.0.0.9": "02:00:00:00:00:09"}},
        sysctls={"net.ipv4.ip_forward": 1},
        iptables=["-A INPUT -j ACCEPT"],
        ip6tables=["-A INPUT -j DROP"],
        nft="table inet t { }",
        lo=False,
        down=["eth0"],
        run=["sleep 9", {"command": ["a", "b"], "ready": {"tcp": 80, "timeout": 1.5}}],
    )
    lab.pool("pods", "10.244.0.0/16", reserved=["10.244.0.1"], prefix=24).pool("six", "fd00::/64")
    lab.node("pod", count=2, addresses={"lo": [{"pool": "pods"}, {"pool": "six"}]})
    lab.node("ns2").link("ns1:eth0", "ns2:eth0", mtu=1300, mac={"ns2:eth0": "02:00:00:00:00:0a"})
    lab.step(ping={"from": "ns1", "to": "10.0.0.9", "count": 2}).step(show="links")
    text = """
name: all
description: A lab.
pools: {pods: {range: 10.244.0.0/16, reserved: [10.244.0.1], prefix: 24}, six: "fd00::/64"}
nodes:
  ns1:
    bridges: {br0: {stp: true, mtu: 1400}}
    addresses: {br0: 10.0.0.1/24, eth0: ["10.0.1.1/24", "fd00::1/64"]}
    routes: [default via 10.0.0.254]
    neighbours: {br0: {10.0.0.9: "02:00:00:00:00:09"}}
    sysctls: {net.ipv4.ip_forward: 1}
    iptables: [-A INPUT -j ACCEPT]
    ip6tables: [-A INPUT -j DROP]
    nft: "table inet t { }"
    lo: false
    down: [eth0]
    run: [sleep 9, {command: [a, b], ready: {tcp: 80, timeout: 1.5}}]
  pod: {count: 2, addresses: {lo: [{pool: pods}, {pool: six}]}}
  ns2: {}
links: [{ends: [ns1:eth0, ns2:eth0], mtu: 1300, mac: {"ns2:eth0": "02:00:00:00:00:0a"}}]
story: [{ping: {from: ns1, to: 10.0.0.9, count: 2}}, {show: links}]
"""
    assert _placeless(lab.spec()) == _placeless(parse(text, "all.yaml"))


def _placeless(spec: LabSpec) -> str:
    """Its repr without places and file; strings that say all the rest."""
    words = repr(spec)
    while (start := words.find("Place(")) >= 0:
        words = words[:start] + words[words.index(")", start) + 1 :]
    return words.rpartition(", file=")[0]


def test_parts_know_their_lines() -> None:
    """Each chained call its own."""
    lab = (
        Lab("lines")
        .node("host", bridges=["br0"])
        .node("ns1", addresses={"eth0": "10.0.0.1/24"})
        .link("ns1:eth0", "host:p1@br0")
        .step(ping="ns1 -> 10.0.0.9")
    )
    top = here(-6)
    spec = lab.spec()
    assert spec.file == __file__
    assert [node.place for node in spec.nodes] == [
        Place(top.file, top.line + 1, 1),
        Place(top.file, top.line + 2, 1),
    ]
    assert spec.links[0].place == Place(top.file, top.line + 3, 1)
    assert spec.story[0].place == Place(top.file, top.line + 4, 1)


def test_all_mistakes_are_told_at_once_each_at_its_call() -> None:
    """A bad name, a bad address, an unknown node, an unknown target."""
    lab = Lab("a mistake")
    lab.node("ns1", addresses={"eth0": "10.0.0.1/99"})
    lab.link("ns1:eth0", "hst:p1")
    lab.step(ping="ns1 -> ns9")
    assert problems(lab) == [
        ("bad-name", here(-5)),
        ("bad-address", here(-5)),
        ("unknown-node", here(-5)),
        ("unknown-node", here(-5)),
    ]


def test_a_second_node_of_a_name_is_a_mistake_too() -> None:
    """Else one would take the other's place in silence."""
    lab = Lab("twice").node("ns1")
    lab.node("ns1", lo=False)
    assert problems(lab) == [("duplicate-key", here(-1))]
    lab.step(show="nonsense")
    assert [rule for rule, _ in problems(lab)] == ["duplicate-key", "unknown-table"]


@pytest.mark.parametrize(
    "call",
    [
        lambda lab: lab.node("a", down={"eth0"}),
        lambda lab: lab.node("a", sysctls={"net.ipv4.ip_forward": object()}),
        lambda lab: lab.node("a", nft=b"table"),
        lambda lab: lab.step(ping={"from": {"a", "b"}}),
    ],
    ids=["a set", "an object", "bytes", "a set within"],
)
def test_what_no_lab_can_say_is_refused_at_once(call: Callable[[Lab], object]) -> None:
    """So that the traceback shows the call."""
    with pytest.raises(TypeError, match="texts, numbers, lists and mappings, not"):
        call(Lab("odd"))


def test_a_lab_is_read_from_a_file_or_by_name(tmp_path: Path) -> None:
    path = tmp_path / "own.yaml"
    path.write_text("name: own\nnodes: {ns1: {}}\n")
    assert Lab.load(path).name == Lab.load(str(path)).name == "own"
    assert Lab.load(path).spec().file == str(path)
    assert Lab.load("bridge").to_text() == built_in()["bridge"]


def test_a_lab_that_is_not_there_names_those_that_are(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no built-in lab of that name; did you mean 'bridge'"):
        Lab.load("brigde")
    with pytest.raises(UsageError, match=r"cannot read the lab file .*: Is a directory"):
        Lab.load(tmp_path)


def test_a_text_is_judged_when_it_is_read() -> None:
    """With the places of the text."""
    with pytest.raises(SpecError) as raised:
        Lab.from_text("name: a\nnodes: {ns1: {adresses: {}}}\n", file="a.yaml")
    (problem,) = raised.value.problems
    assert (problem.rule, problem.place) == ("unknown-key", Place("a.yaml", 2, 15))


@pytest.mark.parametrize(
    "call",
    [
        lambda lab: lab.node("ns9"),
        lambda lab: lab.link("ns1:x", "ns2:x"),
        lambda lab: lab.step(show="links"),
    ],
    ids=["node", "link", "step"],
)
def test_nothing_is_added_to_a_lab_that_was_read(call: Callable[[Lab], object]) -> None:
    """It would be lost in silence."""
    lab = Lab.load("bridge")
    with pytest.raises(UsageError, match=r"'bridge' was read from bridge\.yaml, and nothing"):
        call(lab)


def test_a_lab_says_itself_as_a_lab_file() -> None:
    """What `hopscope exec` and others read again, in another process."""
    lab = Lab("two").node("host", bridges=("br0",), sysctls={"net.ipv4.ip_forward": 0})
    lab.node("ns1", addresses={"eth0": ("10.0.0.1/24",)}).link("ns1:eth0", "host:p1@br0")
    lab.step(ping={"from": "ns1", "to": "10.0.0.9", "expect": {"reply": False}})
    text = lab.to_text()
    assert json.loads(text)["nodes"]["ns1"] == {"addresses": {"eth0": ["10.0.0.1/24"]}}
    assert _placeless(Lab.from_text(text).spec()) == _placeless(lab.spec())


def test_a_lab_can_be_judged_and_then_go_on() -> None:
    """Nothing is fixed before `up`."""
    lab = Lab("grows").node("ns1")
    assert len(lab.spec().nodes) == 1
    lab.node("ns2").link("ns1:a", "ns2:b")
    spec = lab.spec()
    assert spec.links[0].a == LinkEnd(
        ref=DevRef(NodeName("ns1"), DevName("a")), place=spec.links[0].a.place
    )


def test_bridges_may_be_names_or_options() -> None:
    plain = Lab("a").node("host", bridges=["br0", "br1"]).spec().nodes[0].bridges
    assert [(b.name, b.stp) for b in plain] == [("br0", False), ("br1", False)]
    (chosen,) = Lab("a").node("host", bridges={"br0": {"stp": True}}).spec().nodes[0].bridges
    assert chosen == BridgeSpec(name=DevName("br0"), stp=True, place=chosen.place)


def test_an_address_may_be_one_or_several() -> None:
    lab = Lab("a").node("x", bridges=["br0"], addresses={"br0": ["10.0.0.1/8", "10.0.0.2/8"]})
    found = lab.spec().nodes[0].addresses
    assert [a.cidr for a in found] == ["10.0.0.1/8", "10.0.0.2/8"]
    assert found[0] == AddressSpec(dev=DevName("br0"), cidr="10.0.0.1/8", place=found[0].place)


def test_a_pings_target_becomes_an_address() -> None:
    lab = (
        Lab("a").node("x", addresses={"e": "10.0.0.1/24"}).node("y", addresses={"e": "10.0.0.2/24"})
    )
    (step,) = lab.link("x:e", "y:e").step(ping="x -> y").spec().story
    assert isinstance(step, PingStep)
    assert (step.source, step.target, step.address) == ("x", "y", "10.0.0.2")


def test_mistakes_in_counted_nodes_and_pools_have_their_lines() -> None:
    """Each once, though it is there in every replica."""
    lab = Lab("wrong")
    lab.pool("pods", "10.0.0.0/30").pool("pods", "10.1.0.0/16")
    twice = here(-1)
    lab.node("pod", count=3, addresses={"lo": {"pool": "podz"}})
    unknown = here(-1)
    lab.node("none", count=0)
    none = here(-1)
    assert problems(lab) == [
        ("duplicate-key", twice),
        ("unknown-pool", unknown),
        ("out-of-range", none),
    ]

"""Topologies of containerlab, as its manual describes them: what a lab can hold of each."""

import pytest

from hopscope.errors import UsageError
from hopscope.spec.containerlab import _WHY, Topology, topology


def read(text: str) -> Topology:
    """The topology of a file's text."""
    return topology(text, "t.yml")


def told(found: Topology) -> str:
    """Every note, a line each."""
    return "\n".join(map(str, found.notes))


def test_nodes_inherit_from_group_kind_and_defaults() -> None:
    """The nearest kind counts; commands of all of them are run, the most general first."""
    found = read("""
topology:
  defaults: {kind: linux, exec: [one]}
  kinds: {linux: {exec: [two]}, frr: {exec: [never]}}
  groups: {hosts: {exec: [three], sysctls: {net.ipv4.ip_forward: 1}}}
  nodes:
    a: {group: hosts, exec: ["four __clabNodeName__"]}
    b:
""")
    lines = [(one.node, one.line) for one in found.commands]
    assert lines == [
        ("a", "sysctl -w net.ipv4.ip_forward='1'"),
        *(("a", line) for line in ("one", "two", "three", "four a")),
        *(("b", line) for line in ("one", "two")),
    ]
    assert found.commands[-2].place[1:] == (3, 34)


def test_bridges_and_hosts_are_no_nodes() -> None:
    """A bridge belongs to host, or to the node whose namespace it uses."""
    found = read("""
topology:
  nodes:
    br: {kind: bridge}
    ovs: {kind: ovs-bridge}
    inner: {kind: bridge, network-mode: "container:a"}
    machine: {kind: host}
    a: {kind: linux}
    beside: {kind: linux, network-mode: "container:a", exec: [ip link]}
  links:
    - endpoints: ["a:eth1", "br:p1"]
    - endpoints: ["beside:eth2", "inner:p2"]
    - endpoints: ["machine:eth3", "ovs:p3"]
""")
    assert [node.name for node in found.nodes] == ["a", "host"]
    assert found.bridges == (("host", "br"), ("host", "ovs"), ("a", "inner"))
    ends = [[(e.node, e.dev, e.bridge) for e in link.ends] for link in found.links]
    assert ends == [
        [("a", "eth1", None), ("host", "p1", "br")],
        [("a", "eth2", None), ("a", "p2", "inner")],
        [("host", "eth3", None), ("host", "p3", "ovs")],
    ]
    assert found.commands[0].node == "a"
    assert told(found).splitlines() == [
        "t.yml:5: ovs-bridge is not supported: a Linux bridge stands for it",
        (
            "t.yml:9: beside is no node of its own: it is in the namespace of a, "
            "and what it runs changes that"
        ),
    ]


def test_links_of_every_form() -> None:
    """Short, long, to the host, to the management network, a dummy; the rest is told."""
    found = read("""
topology:
  nodes: {a: {kind: linux}, b: {kind: linux}}
  links:
    - {endpoints: ["a:e1", "b:e1"], mtu: 1400, vars: {ipv4: [10.0.0.1/24, 10.0.0.2/24]}}
    - type: veth
      endpoints:
        - {node: a, interface: e2, mac: "02:00:00:00:00:AA", ipv6: "fd00::1/64"}
        - {node: b, interface: e2}
    - {type: host, host-interface: h3, endpoint: {node: a, interface: e3}}
    - {type: mgmt-net, host-interface: h4, endpoint: {node: a, interface: e4}}
    - {type: dummy, endpoint: {node: a, interface: e5}}
    - {type: vxlan, endpoint: {node: a, interface: e6}, remote: 10.0.0.9, vni: 1}
    - endpoints: ["a:e7", "macvlan:eth0"]
    - nonsense
""")
    first, second, third, fourth, fifth = found.links
    assert first.mtu == 1400
    assert [end.addresses for end in first.ends] == [("10.0.0.1/24",), ("10.0.0.2/24",)]
    assert (second.ends[0].mac, second.ends[0].addresses) == ("02:00:00:00:00:aa", ("fd00::1/64",))
    assert [link.ends[1].dev for link in (third, fourth, fifth)] == ["h3", "h4", "a-e5"]
    assert fourth.ends[1].bridge == "br-mgmt"
    assert found.bridges == (("host", "br-mgmt"),)
    for said in ("13: a link of type vxlan", "14: the link a:e7 – macvlan:eth0", "15: this link"):
        assert f"t.yml:{said}" in told(found)


def test_a_link_that_has_not_two_ends() -> None:
    """How many it has is told, in either form."""
    found = read("""
topology:
  nodes: {a: {kind: linux}}
  links:
    - endpoints: ["a:e1"]
    - {type: veth, endpoint: {node: a, interface: e2}}
    - type: veth
""")
    assert found.links == ()
    assert told(found).splitlines() == [
        "t.yml:5: this link has 1 end, where a veth pair has two: left out (2 times)",
        "t.yml:7: this link has 0 ends, where a veth pair has two: left out",
    ]


def test_a_stitched_tunnel_and_a_container_of_others() -> None:
    """The one is a link to host, the other a node; both are told."""
    found = read("""
topology:
  nodes: {a: {kind: linux}}
  links:
    - {type: vxlan-stitch, endpoint: {node: a, interface: e1}, remote: 10.0.0.9, vni: 1}
    - endpoints: ["a:e2", "container:other:e3"]
    - endpoints: ["a:e4", "container:other"]
    - endpoints: ["container:far:e5", "container:far:e6"]
""")
    ends = [[(end.node, end.dev) for end in link.ends] for link in found.links]
    assert ends[:2] == [[("a", "e1"), ("host", "a-e1")], [("a", "e2"), ("other", "e3")]]
    assert "t.yml:5: the tunnel of a vxlan-stitch is left out" in told(found)
    assert "t.yml:6: the container other is none of this topology" in told(found)
    (both,) = [str(note) for note in found.notes if "container far" in note.text]
    assert "times" not in both  # of one place


def test_a_link_to_no_node_makes_one_and_says_so() -> None:
    """The name may be a slip, and containerlab would refuse it."""
    found = read("""
topology:
  nodes: {a: {kind: linux}, 1: {kind: linux}}
  links:
    - endpoints: ["a:e1", "nosuch:e1"]
    - {type: host, host-interface: h3, endpoint: {node: amiss, interface: e3}}
    - endpoints: ["a:e2", "host:e2"]
    - endpoints: ["1:e2", "a:e4"]
""")
    assert [node.name for node in found.nodes] == ["a", "1", "nosuch", "amiss", "host"]
    said = "an empty namespace stands for it, where containerlab refuses"
    assert told(found).splitlines() == [
        f"t.yml:5: this topology has no node nosuch: {said}",
        f"t.yml:6: this topology has no node amiss: {said}",
    ]


def test_other_kinds_are_stood_for_and_told() -> None:
    """With the kind, the line, and how often."""
    found = read("""
name: x
mgmt: {network: n}
topology:
  nodes:
    r1: {kind: nokia_srlinux, image: i, startup-config: c, labels: {a: b}}
    r2: {kind: nokia_srlinux}
""")
    assert [node.stands_for for node in found.nodes] == ["nokia_srlinux"] * 2
    assert told(found).splitlines() == [
        "t.yml:3: mgmt is left out: the management network is not built",
        "t.yml:6: kind nokia_srlinux is not supported: an empty namespace stands for it (2 times)",
        f"t.yml:6: node.image is left out: {_WHY['image']}",
        f"t.yml:6: node.startup-config is left out: {_WHY['startup-config']}",
    ]


def test_defaults_of_variables_are_taken() -> None:
    """The environment of whoever imports is not asked."""
    found = read("name: ${NAME:=lab1}\ntopology: {nodes: {a: {kind: '${KIND:-linux}'}}}\n")
    assert (found.name, found.nodes[0].stands_for) == ("lab1", "")


@pytest.mark.parametrize("text", ["- a\n", "a: [\n", "just words", "a: 1\na: 2\n", "a: \x01"])
def test_what_is_no_mapping_is_refused(text: str) -> None:
    """With the file's name."""
    with pytest.raises(UsageError, match=r"t\.yml"):
        read(text)


@pytest.mark.parametrize(
    "text",
    [
        "topology: 3",
        "topology: {nodes: [a, b]}",
        "topology: {nodes: {a: text}, links: {}}",
        "topology: {nodes: {a: {exec: one, sysctls: [1]}}}",
        "topology: {nodes: {a: {kind: linux}}, links: [{endpoints: [1, 2]}, {endpoints: 'a:b'}]}",
        "topology: {defaults: 1, groups: 2, kinds: 3, nodes: {1: null}}",
    ],
)
def test_odd_shapes_are_told_or_refused_never_a_traceback(text: str) -> None:
    """A file that somebody else's program would refuse as well."""
    try:
        found = read(text)
    except UsageError:
        return
    assert isinstance(found, Topology)

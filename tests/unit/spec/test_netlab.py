"""Topologies of netlab: addresses as its manual gives them, and what it must work out itself."""

import pytest

from hopscope.errors import UsageError
from hopscope.spec.netlab import NetlabTopology, netlab_topology

HEAD = "provider: clab\ndefaults.device: linux\n"


def read(text: str) -> NetlabTopology:
    """The topology of a file's text."""
    return netlab_topology(text, "t.yml")


def ends(found: NetlabTopology) -> list[list[str]]:
    """Of each link its ends: node, device and addresses."""
    return [
        [" ".join((end.node, end.dev, *end.addresses)) for end in link.ends] for link in found.links
    ]


def test_hosts_have_their_numbers_in_the_prefixes_of_the_lan_pool() -> None:
    """Each link has the next prefix; more or fewer than two nodes share a bridge."""
    found = read(HEAD + "nodes: [a, b, c]\nlinks: [a-b, [a, b, c], c]\n")
    assert ends(found) == [
        ["a eth1 172.16.0.1/24", "b eth1 172.16.0.2/24"],
        ["a eth2 172.16.1.1/24", "b eth2 172.16.1.2/24", "c eth1 172.16.1.3/24"],
        ["c eth2 172.16.2.3/24"],
    ]
    assert [link.bridge for link in found.links] == [None, "br_2", "br_3"]


def test_routers_have_loopbacks_and_links_of_their_own_pool() -> None:
    """Between two routers the smaller name has the lower address, and that is told."""
    found = read("""
defaults: {device: eos}
nodes:
  z: {}
  a: {id: 9}
  b: {role: host}
links: [z-a, a-b]
""")
    assert ends(found) == [
        ["z eth1 10.1.0.2/30", "a eth1 10.1.0.1/30"],
        ["a eth2 172.16.0.9/24", "b eth1 172.16.0.2/24"],
    ]
    assert [node.loopback for node in found.nodes] == ["10.0.0.1/32", "10.0.0.9/32", None]
    said = "\n".join(map(str, found.notes))
    assert "t.yml:7: a has the lower address of this link" in said
    assert "device eos is not supported" in said


def test_what_a_file_says_itself_counts() -> None:
    """Pools, prefixes, static addresses and numbers of hosts; of both families."""
    found = read(
        HEAD
        + """
addressing: {lan: {ipv4: 10.2.0.0/16, ipv6: 2001:db8:1::/48, prefix: 26}}
nodes: [a, b]
links:
- a-b
- {a: {ipv4: 7}, b: {ipv6: false}}
- {a: , b: {ipv4: 192.0.2.9/24}, prefix: 192.0.2.0/24, mtu: 1400}
- {interfaces: [a, {node: b}], prefix: false}
"""
    )
    assert ends(found) == [
        ["a eth1 10.2.0.1/26 2001:db8:1::1/64", "b eth1 10.2.0.2/26 2001:db8:1::2/64"],
        ["a eth2 10.2.0.71/26 2001:db8:1:1::1/64", "b eth2 10.2.0.66/26"],
        ["a eth3 192.0.2.1/24", "b eth3 192.0.2.9/24"],
        ["a eth4", "b eth4"],
    ]
    assert [link.mtu for link in found.links] == [None, None, 1400, None]


def test_groups_say_what_their_members_are() -> None:
    """And make those that are named nowhere else, if they say so."""
    found = read("""
defaults.device: frr
groups:
  _auto_create: true
  hosts: {members: [h1, r1], device: linux}
nodes: {r1: {device: eos}}
links: []
""")
    assert [(node.name, node.router, node.stands_for) for node in found.nodes] == [
        ("r1", True, "eos"),
        ("h1", False, ""),
    ]


def test_groups_that_make_nothing() -> None:
    """Of a member that is named nowhere else, nobody says that it is a node."""
    found = read("groups: {hosts: [h1, a], odd: 3}\nnodes: [a]\n")
    assert [node.name for node in found.nodes] == ["a"]


@pytest.mark.parametrize(
    ("loopback", "address", "note"),
    [
        ("loopback: false", None, ""),
        ("loopback: {ipv4: 192.0.2.1/32}", "192.0.2.1/32", ""),
        ("loopback.ipv4: 192.0.2.1", "192.0.2.1/32", ""),
        ("loopback.ipv6: 2001:db8::1/128", "10.0.0.1/32", "t.yml:1: loopback.ipv6 is left out"),
        ("id: 7", "10.0.0.7/32", ""),
    ],
)
def test_a_loopback_of_its_own(loopback: str, address: str | None, note: str) -> None:
    """What a router says itself counts, or that it has none."""
    found = read(f"nodes: {{a: {{device: frr, {loopback}}}}}\n")
    assert found.nodes[0].loopback == address
    assert note in "\n".join(map(str, found.notes))


def test_what_netlab_does_beside_the_network_is_told() -> None:
    """Its tools, what it validates, the configuration of a node."""
    found = read("nodes: {a: {device: linux, config: [x]}}\ntools: {}\nvalidate: {}\n")
    assert [str(note).partition(" is left out")[0] for note in found.notes] == [
        "t.yml:1: node.config",
        "t.yml:2: tools",
        "t.yml:3: validate",
    ]


def test_pools_of_loopbacks() -> None:
    """Of IPv6 there is a note; a pool that is switched off gives none."""
    text = "nodes: {{a: {{device: frr}}}}\naddressing: {{loopback: {{{pool}}}}}\n"
    found = read(text.format(pool="ipv6: 2001:db8::/48"))
    assert found.nodes[0].loopback == "10.0.0.1/32"
    assert "t.yml:1: IPv6 addresses of loopbacks are left out" in map(str, found.notes)
    assert read(text.format(pool="ipv4: false")).nodes[0].loopback is None


def test_routers_in_order_need_no_note() -> None:
    """The lower address is that of the first end, as one would think."""
    found = read("nodes: {a: {device: frr}, b: {device: frr}}\nlinks: [a-b]\n")
    assert ends(found) == [["a eth1 10.1.0.1/30", "b eth1 10.1.0.2/30"]]
    assert not any("lower address" in note.text for note in found.notes)


def test_what_is_left_out_is_told_with_why() -> None:
    """Routing protocols, of a node or an end; the rest has no counterpart, once for all places."""
    found = read("""
nodes:
  a: {device: linux, module: [ospf]}
  b: &b {device: linux, box: x}
  c: {<<: *b}
links:
- {a: {ospf.cost: 7}, b: {mac: 1}}
- {a: , c: , gateway: true}
""")
    by_itself = "no routing protocol runs in a lab by itself"
    none = "it has no counterpart in a lab"
    assert list(map(str, found.notes)) == [
        f"t.yml:3: node.module is left out: {by_itself}",
        f"t.yml:4: node.box is left out: {none} (2 times)",
        f"t.yml:7: ospf.cost of a's end is left out: {none}",
        f"t.yml:7: mac of b's end is left out: {none}",
        f"t.yml:8: link.gateway is left out: {none}",
    ]


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("nodes: [a]\nvlans: {red: }\n", "t.yml:4: vlans changes which addresses are there"),
        ("nodes: [a, b]\nlinks: [{a: , b: , vlan.access: red}]\n", "link.vlan.access changes"),
        ("nodes: [a]\nlinks: [a-c]\n", "t.yml:4: this link names 'c', which is none"),
        ("nodes: [{name: a, role: bridge}]\n", "the role bridge of a is not read"),
        ("nodes: [a, b]\nlinks: [{a: , b: , type: tunnel}]\n", "a link of type tunnel"),
        ("nodes: [{name: a, id: 300}, b]\nlinks: [a-b]\n", "has no address 300"),
        ("nodes: [a, b]\nlinks: [{a: , b: , prefix: some}]\n", "the prefix some is not read"),
        ("nodes: [a, b]\nlinks: {core: [a-b]}\n", "links in groups are not read"),
        ("links: []\n", "it has no nodes"),
        (
            "nodes: [a, b]\naddressing: {p: {unnumbered: true}}\nlinks: [{a: , b: , pool: p}]\n",
            "the pool p is unnumbered",
        ),
        (
            "nodes: [a, b]\naddressing: {lan: {ipv4: 10.0.0.0/24}}\nlinks: [a-b, a-b]\n",
            "the pool lan has no prefix left in 10.0.0.0/24",
        ),
        (
            "nodes: [a, b]\naddressing: {lan: {prefix: 40}}\nlinks: [a-b]\n",
            "the pool lan has no prefixes of /40",
        ),
        (
            "nodes: [a, b]\naddressing: {lan: {prefix: long}}\nlinks: [a-b]\n",
            "the pool lan has no prefixes of /long",
        ),
        (
            "nodes: [{name: a, device: frr, id: 9}]\naddressing: {loopback: {ipv4: 10.0.0.0/29}}\n",
            "the loopback pool 10.0.0.0/29 has no address for node 9",
        ),
        ("nodes: [a, b]\nlinks: [{a: {ipv4: x/24}, b: }]\n", "the address x/24 is not read"),
        ("nodes: [a, b]\nlinks: [{a: , interfaces: 3}]\n", "the interfaces of this link"),
        ("nodes: [a, b]\nlinks: [3]\n", "t.yml:4: this link is not read"),
    ],
)
def test_what_netlab_must_work_out_is_refused(text: str, why: str) -> None:
    """With what to do instead."""
    with pytest.raises(UsageError) as caught:
        read(HEAD + text)
    assert why in str(caught.value)
    assert "run netlab create" in str(caught.value)

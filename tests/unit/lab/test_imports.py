"""What of an import needs no kernel: names, forms of files, which commands are run."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hopscope.errors import UsageError
from hopscope.kernel.tables import Table
from hopscope.lab.imports import import_lab
from hopscope.lab.imports.facts import _saved
from hopscope.lab.imports.naming import device_names, node_names
from hopscope.lab.imports.topology import _unfit
from hopscope.model.vocab import Family
from hopscope.spec import parse
from hopscope.spec.names import device_fault, name_fault


@given(st.lists(st.text(min_size=1, max_size=20), unique=True, max_size=8))
def test_every_name_gets_one_that_a_lab_takes(names: list[str]) -> None:
    """Different ones stay different; one that is fine stays as it is."""
    for mapped, fault in (
        (node_names(names), lambda name: name_fault(name, "a node")),
        (device_names(names), device_fault),
    ):
        assert list(mapped) == names
        assert len(set(mapped.values())) == len(names)
        assert all(fault(given) is None for given in mapped.values())
        assert all(mapped[name] == name for name in names if fault(name) is None)


@pytest.mark.parametrize(
    "line",
    [
        "ip link set eth1 up",
        "/sbin/ip addr add 10.0.0.1/24 dev eth1",
        "sh -c 'sysctl -w net.ipv4.ip_forward=1; ip route add default via 10.0.0.2 || true'",
        'bash -c "echo 1 > /proc/sys/net/ipv4/ip_forward && iptables -P FORWARD DROP"',
    ],
)
def test_commands_about_the_network_are_run(line: str) -> None:
    """Also through a shell."""
    assert _unfit(line) == ""


@pytest.mark.parametrize(
    "line",
    [
        "",
        "cat /etc/os-release",
        "sh /config/setup.sh",
        "sh -c 'ip link; rm -rf /'",
        "sh -c 'ip link\nrm -rf /'",
        "sh -c 'ip link set $(cat /etc/name) up'",
        "bash -lc 'ip link & wget x'",
        "ip link 'unclosed",
    ],
)
def test_other_commands_are_not_run(line: str) -> None:
    """With a reason."""
    assert _unfit(line)


def test_saved_rules_become_lines() -> None:
    """Chains, policies, and words as a shell would quote them; of tables that are nft's, none."""
    text = """*filter
:INPUT ACCEPT [0:0]
:FORWARD DROP [1:2]
:mine - [0:0]
-A INPUT -m comment --comment "it\\'s \\"so\\"" -j mine
COMMIT
*nat
:POSTROUTING ACCEPT [0:0]
-A POSTROUTING -j MASQUERADE
COMMIT
"""
    nat = ["-t nat -A POSTROUTING -j MASQUERADE"]
    assert list(_saved(text, [], Family.IP)) == [
        "-P FORWARD DROP",
        "-N mine",
        '-A INPUT -m comment --comment "it\'s \\"so\\"" -j mine',
        *nat,
    ]
    assert list(_saved(text, [Table(Family.IP, "filter")], Family.IP)) == nat


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("name: x\nnodes: {a: {}}\n", "a lab file already"),
        ("provider: clab\nnodes: [a]\nvlans: {x: }\n", "run netlab create"),
        ("hello world\n", "and no shell script"),
        ("#!/usr/bin/python3\nprint()\n", "for python3"),
        ("topology: {nodes: {}}\n", "no nodes"),
    ],
)
def test_what_is_neither_is_told_as_what_it_is(text: str, said: str) -> None:
    """As far as it can be guessed."""
    with pytest.raises(UsageError, match=said):
        import_lab(text, "made")


def test_a_topology_that_is_no_yaml_is_told_with_its_line() -> None:
    """Also where nothing of it says whose it is."""
    with pytest.raises(UsageError, match=r"x.clab.yml:3: this is no YAML: "):
        import_lab("name: x\ntopology\n  nodes: {\n", "x.clab.yml")


def test_a_topology_without_commands_needs_no_sandbox() -> None:
    """Its lab is right, under names that fit."""
    text, notes = import_lab(
        """
name: my lab
topology:
  nodes: {a b: {kind: linux}, b: {kind: linux}}
  links: [endpoints: ["a b:averylonginterfacename", "b:eth1"]]
""",
        "t.yml",
    )
    lab = parse(text, "made")
    assert lab.name == "my-lab"
    assert [node.name for node in lab.nodes] == ["a-b", "b"]
    assert lab.links[0].a.ref.dev == "averylonginterf"
    assert [note.text.split(" is called ")[0] for note in notes] == [
        "a b",
        "averylonginterfacename",
    ]

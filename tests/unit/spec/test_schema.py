"""The published JSON Schema: valid, and of one mind with the parser."""

from importlib import resources
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from hopscope import spec
from hopscope.errors import SpecError
from hopscope.spec.source import read
from hopscope.spec.tree import plain
from labtexts import FILE, PAIR, changed, problems

STAR = """\
name: star
description: Everything in its long form and in its short form.
nodes:
  hub:
    bridges: [br0, br1]
    addresses: {br0: [10.0.0.1/24, 'fd00::1/64'], lo: 10.9.0.1/32}
    sysctls: {net.ipv4.ip_forward: 1, net.ipv4.ping_group_range: "0 1"}
    iptables: [-P FORWARD DROP]
    ip6tables: [-P FORWARD DROP]
    nft: "table ip t {}"
    lo: false
    down: [p3]
    run:
      - nginx -g "daemon off;"
      - {command: [sleep, "1"], name: nap, restart: always, env: {A: 1}, ready: {tcp: 80}}
      - {command: x, ready: {log: ready, timeout: 2}}
  plain:
  long:
    bridges: {br0: , br1: {stp: true, up: false, mtu: 1400, nf_call_iptables: true}}
    addresses: {e0: 10.0.0.3/24}
    routes: [default via 10.0.0.1, {to: 10.1.0.0/16, dev: e0, metric: 3}]
    neighbours: {e0: {10.0.0.1: '02:00:00:00:00:01'}}
links:
  - [plain:e0, hub:p1@br0]
  - {ends: [long:e0, hub:p3@br0], mtu: 1400, mac: {long:e0: '02:00:00:00:00:03'}}
story:
  - show: links
  - show: [links, fdb]
  - show: {what: rules, nodes: hub}
  - show: {what: [rules], nodes: [hub, long]}
  - ping: plain -> hub
  - ping: long->10.0.0.1
  - ping: {from: long, to: hub, count: 2, size: 12, timeout: 0.5}
  - ping: {from: long, to: hub, timeout: 2,
           expect: {reply: true, crosses: [hub/filter/INPUT], avoids: [], log: [a]}}
  - ping: {from: long, to: hub, count: 9,
           expect: {loss: 12.5%, latency: 1.5 ms, path: [long, hub/p3, ..., hub],
                    drop: rule-drop, crosses: [hub/ip6/filter/INPUT]}}
  - ping: {from: long, to: hub, expect: {drop: {at: hub/br0}, latency: 20us}}
  - set: {hub: {net.ipv4.ip_forward: 0}}
  - iptables: {hub: [-F]}
  - ip6tables: {hub: [-F]}
  - zero: hub
  - zero: [hub, long]
  - expect: {neighbours: {long: {10.0.0.1: none}}, fdb: {hub/br0: {long/e0: p3}},
             no_address: [long/br0], hits: {hub/filter/INPUT: 2, hub/ip/filter/INPUT/1: 1+},
             addresses: {long/e0: 10.0.0.3, plain/e0: [10.0.0.2/24]},
             routes: {long: {default: via 10.0.0.1, 10.7.7.7: dev e0, 10.9.0.0/16: none}}}
"""


@pytest.fixture(scope="module")
def schema() -> dict[str, Any]:
    return spec.json_schema()


def document(text: str) -> Any:
    return plain(read(text, FILE).tree)


def refused(schema: dict[str, Any], text: str) -> list[str]:
    return [error.message for error in Draft202012Validator(schema).iter_errors(document(text))]


def test_the_schema_is_a_valid_schema(schema: dict[str, Any]) -> None:
    Draft202012Validator.check_schema(schema)
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert schema["title"] == "hopscope lab"
    assert schema["required"] == ["name", "nodes"]


def test_every_key_is_explained(schema: dict[str, Any]) -> None:
    """An editor shows it while the lab is written."""
    silent = [
        (name, key)
        for name, part in {**schema["$defs"], "Lab": schema}.items()
        for key, value in part.get("properties", {}).items()
        if "description" not in value
    ]
    assert silent == []


def built_in() -> list[str]:
    folder = resources.files("hopscope") / "labs"
    return [e.read_text(encoding="utf-8") for e in folder.iterdir() if e.name.endswith(".yaml")]


@pytest.mark.parametrize(
    "text",
    [
        PAIR,
        STAR,
        "name: x\nnodes: {alone: }\n",
        changed("[ns1:veth1a, host:veth1b@br0]", "{ends: ['ns1:veth1a', host:veth1b@br0]}"),
        *built_in(),
    ],
)
def test_the_schema_takes_what_the_parser_takes(schema: dict[str, Any], text: str) -> None:
    assert problems_here(text) == []
    assert refused(schema, text) == []


def problems_here(text: str) -> list[str]:
    """By the sysctls of no kernel: a built-in lab may use any."""
    try:
        spec.parse(text, FILE)
    except SpecError as error:
        return list(map(str, error.problems))
    return []


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("name: pair", "nmae: pair"),
        ("name: pair", "name: 5"),
        ("name: pair", "name: a b"),
        ("name: pair\n", ""),
        ("{br0: {}}", "{br0: {stp: yes}}"),
        ("{br0: {}}", "{br0: {mtu: 67}}"),
        ("{br0: {}}", "{br0: {colour: red}}"),
        ("{veth1a: 10.244.1.2/24}", "{veth1a: {}}"),
        ("{veth1a: 10.244.1.2/24}", "{}\n    routes: [{via: 10.0.0.1}]"),
        ("{veth1a: 10.244.1.2/24}", "{}\n    sysctls: {net.x: true}"),
        ("[ns1:veth1a, host:veth1b@br0]", "[ns1:veth1a]"),
        ("[ns1:veth1a, host:veth1b@br0]", "[ns1/veth1a, host:veth1b@br0]"),
        ("[ns1:veth1a, host:veth1b@br0]", "{ends: [ns1:veth1a]}"),
        ("[ns1:veth1a, host:veth1b@br0]", "{mtu: 1400}"),
        ("ping: ns1 -> ns2", "ping: ns1 ns2"),
        ("ping: ns1 -> ns2", "ping: {from: ns1}"),
        ("ping: ns1 -> ns2", "ping: {from: ns1, to: ns2, count: 0}"),
        ("ping: ns1 -> ns2", "ping: {from: ns1, to: ns2, timeout: 0}"),
        ("ping: ns1 -> ns2", "show: arp"),
        ("ping: ns1 -> ns2", "show: {what: arp}"),
        ("- ping: ns1 -> ns2", "- {}"),
        ("- ping: ns1 -> ns2", "- {zero: host, show: links}"),
        ("ping: ns1 -> ns2", "expect: {no_address: [br0]}"),
        ("ping: ns1 -> ns2", "expect: {hits: {host/filter/FORWARD: many}}"),
        ("ping: ns1 -> ns2", "ping: {from: ns1, to: ns2, expect: {drop: rule-dorp}}"),
        ("ping: ns1 -> ns2", "ping: {from: ns1, to: ns2, expect: {latency: 5}}"),
        ("ping: ns1 -> ns2", "ping: {from: ns1, to: ns2, expect: {latency: 5 min}}"),
        ("ping: ns1 -> ns2", "ping: {from: ns1, to: ns2, expect: {loss: 101%}}"),
    ],
)
def test_the_schema_refuses_what_the_parser_refuses(
    schema: dict[str, Any], old: str, new: str
) -> None:
    """So far as a schema can see it; names it cannot look up."""
    text = changed(old, new)
    assert problems(text) != ()
    assert refused(schema, text) != []


def test_the_schema_names_the_keys_as_a_lab_file_does(schema: dict[str, Any]) -> None:
    assert {"from", "to"} <= set(schema["$defs"]["Ping"]["properties"])
    assert "set" in schema["$defs"]["Step"]["properties"]

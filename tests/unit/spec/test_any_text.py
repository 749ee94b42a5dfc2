"""Whatever is written, it is a lab, or it is told what is wrong and where, in few words."""

from collections.abc import Iterator, Sequence

import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st

from anytext import changed_tree, nearly, pieces, words
from hopscope import spec
from hopscope.errors import Place, Problem, SpecError
from hopscope.spec.source import read
from hopscope.spec.tree import Mapping, grown, plain
from labtexts import FILE, SYSCTLS, changed, problems
from soundness import sound

NODES = """\
pools: {pods: {range: 10.0.0.0/24, reserved: [10.0.0.1, 10.0.0.64/28], prefix: 16}}
nodes:
  pod: {count: 3, addresses: {eth0: [{pool: pods}, {pool: 'fd00::/64'}], lo: 10.9.9.9/32}}
  web: {count: 3, addresses: {eth0: {pool: pods}}}"""
LINKS = """\
links:
  - [pod:eth0, host:p@br0]
  - {ends: [pod:eth1, web:eth0], mtu: 1400}"""
RICH = f"""\
{changed("nodes:", NODES, changed("links:", LINKS))}  - show: {{what: links, nodes: [pod, web3]}}
  - zero: pod
  - set: {{web: {{net.ipv4.ip_forward: 1}}}}
  - show: [neighbours, fdb]
  - ping: {{from: ns1, to: ns2, count: 2, expect: {{reply: true, avoids: [host/nat/OUTPUT]}}}}
  - set: {{host: {{net.ipv4.ip_forward: 1, net.ipv4.conf.br0.rp_filter: 0}}}}
  - iptables: {{host: ["-t nat -I PREROUTING -j LOG"]}}
  - zero: host
  - expect:
      neighbours: {{ns1: {{10.244.1.4: ns2/veth2a}}}}
      fdb: {{host/br0: {{ns1/veth1a: veth1b}}}}
      no_address: [host/br0]
"""
ROUTES = """\
    routes:
      - default via 10.244.1.4
      - {to: 10.8.0.0/16, nexthops: [{via: 10.244.1.4, weight: 2}, {dev: veth1a}]}
      - blackhole 10.9.0.0/16
    policy: [{from: 10.8.0.0/16, lookup: 100}]
    neighbours: {veth1a: {10.244.1.9: "02:00:00:00:00:09"}}
    devices: {vx0: {kind: vxlan, id: 42, remote: 10.244.1.4, rate: 10mbit}}
    run: [{command: [sleep, "9"], env: {A: b}, ready: {tcp: 80}}]
"""
quick = settings(max_examples=100)


def check(text: str | bytes) -> None:
    """Hypothesis is told what it was."""
    rule = sound(text, SYSCTLS.get)
    event(f"not a lab: {rule}" if rule else "a lab")


@quick
@given(st.binary(max_size=200))
def test_any_bytes(data: bytes) -> None:
    check(data)


@quick
@given(st.text(max_size=200))
def test_any_text(text: str) -> None:
    check(text)


@quick
@given(words(pieces(RICH)))
def test_any_words_of_a_lab_in_any_order(text: str) -> None:
    check(text)


@quick
@given(nearly([RICH]))
def test_any_lab_with_a_few_mistakes(text: str) -> None:
    check(text)


WHOLE = plain(read(RICH, FILE).tree)


@quick
@given(st.data())
def test_any_tree_that_python_makes(data: st.DataObject) -> None:
    """It too is a lab, or told what is wrong."""
    here = Place(FILE, 1, 1)
    made = grown(data.draw(changed_tree(WHOLE)), here)
    if not isinstance(made, Mapping):
        return
    told: tuple[Problem, ...] = ()
    try:
        lab = spec.parse_tree(made, FILE, listing=SYSCTLS.get)
    except SpecError as error:
        told = error.problems
    else:
        assert lab.nodes
        return
    assert {problem.place for problem in told} == {here}


ROUTED = changed("  ns2:\n", f"{ROUTES}  ns2:\n", RICH)
LONG = 4_000
LONGEST = 700  # ten names that are known, of a hint


def lengthened(value: object, long: object) -> Iterator[object]:
    """*value* with one of its parts, or of its keys, replaced by *long*: each of them in turn."""
    match value:
        case dict():
            for key in value:
                for made in lengthened(value[key], long):
                    yield {**value, key: made}
                yield {str(long) if one == key else one: value[one] for one in value}
        case list():
            for at, item in enumerate(value):
                for made in lengthened(item, long):
                    yield [*value[:at], made, *value[at + 1 :]]
    yield long


@pytest.mark.parametrize(
    "long",
    [
        10**LONG,
        "x" * LONG,
        f"10.0.0.0/{'9' * LONG}",
        f"default via {'x' * LONG}",
        f"host/{'x' * LONG}",
        f"host:{'x' * LONG}@br0",
        f"-A FORWARD -j {'x' * LONG}",
        f"{'9' * LONG}ms",
    ],
    ids=lambda long: str(long)[:20],
)
def test_nothing_long_is_said_of_what_is_long(long: object) -> None:
    here = Place(FILE, 1, 1)
    for made in lengthened(plain(read(ROUTED, FILE).tree), long):
        tree = grown(made, here)
        if not isinstance(tree, Mapping):
            continue
        try:
            spec.parse_tree(tree, FILE, listing=SYSCTLS.get)
        except SpecError as error:
            brief(error.problems)


@pytest.mark.parametrize("written", ["!{}", "*{}", "!<{}> a", "a {}: [}}", '"\\{}"', "{}: *a"])
def test_nothing_long_is_said_of_what_is_no_lab(written: str) -> None:
    brief(problems("name: " + written.format("x" * LONG)))


def brief(told: Sequence[Problem]) -> None:
    """Each is told in few words."""
    assert told
    for problem in told:
        assert len(problem.message) < LONGEST, problem.message[:200]
        assert len(problem.hint) < LONGEST, problem.hint[:200]

"""Whatever is written, it is a lab, or it is told what is wrong and where."""

import re
from collections.abc import Callable

from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from hopscope import spec
from hopscope.errors import Place, Problem, SpecError
from hopscope.spec.source import read
from hopscope.spec.tree import Mapping, grown, plain
from labtexts import FILE, SYSCTLS, changed

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
PIECES = re.findall(r"[\w.-]+|\s+|[^\w\s]", RICH)
SPICE = [
    *"\t:-?&*!|>'\"%@`#,[]{}~\\\n\r\x85\u2028\ufeffé",
    *("- ", ": ", " -> ", "->", "''", '"\\x00"', "null", "true", ".nan", "1e999", "0x", "-0"),
    *("<<: ", "&a ", "*a", "*a ", "!!str ", "--- ", "\n---\n", "...\n", "%YAML 1.1\n", "  ", "\n"),
    *("10.0.0.1/33", "::/0", "02:00", "lo", "all", "none", "x" * 70, "9" * 30, "/", "@", "..", "%"),
]

quick = settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def sound(text: str | bytes) -> None:
    """Nothing but SpecError is raised, and every place is a place in the text."""
    problems: tuple[Problem, ...] = ()
    try:
        lab = spec.parse(text, FILE, listing=SYSCTLS.get)
    except SpecError as error:
        problems = error.problems
        event("not a lab: " + problems[0].rule)
    else:
        event("a lab")
        assert lab.name
        assert lab.nodes
        return
    assert problems
    assert len(set(problems)) == len(problems)
    written = text if isinstance(text, str) else text.decode(errors="replace")
    lines = re.split(r"\r\n|[\n\r]", written.removeprefix("\ufeff"))
    for problem in problems:
        place = problem.place
        assert place.file == FILE
        assert 1 <= place.line <= len(lines)
        assert 1 <= place.column <= len(lines[place.line - 1]) + 1, str(problem)
        assert problem.rule
        assert problem.message
        assert len(problem.message) < 400


@quick
@given(st.binary(max_size=200))
def test_any_bytes(data: bytes) -> None:
    sound(data)


@quick
@given(st.text(max_size=200))
def test_any_text(text: str) -> None:
    sound(text)


@quick
@given(st.lists(st.sampled_from([*PIECES, *SPICE]), max_size=60).map("".join))
def test_any_words_of_a_lab_in_any_order(text: str) -> None:
    sound(text)


CHANGES: list[Callable[[list[str], int, str], None]] = [
    lambda pieces, at, _: pieces.__delitem__(at),
    lambda pieces, at, word: pieces.insert(at, word),
    lambda pieces, at, word: pieces.__setitem__(at, word),
    lambda pieces, at, _: pieces.insert(at, pieces[at]),
    lambda pieces, at, _: pieces.__setitem__(at, pieces[at][::-1]),
]


@st.composite
def nearly_labs(draw: st.DrawFn) -> str:
    """A valid lab with a few words taken out, put in, doubled or replaced."""
    pieces = list(PIECES)
    for _ in range(draw(st.integers(1, 4))):
        change = draw(st.sampled_from(CHANGES))
        at = draw(st.integers(0, len(pieces) - 1))
        change(pieces, at, draw(st.sampled_from([*SPICE, *PIECES])))
    return "".join(pieces)


@quick
@given(nearly_labs())
def test_any_lab_with_a_few_mistakes(text: str) -> None:
    sound(text)


def leaves(draw: st.DrawFn, value: object) -> object:
    """*value* with some of its parts replaced by others of another kind."""
    if draw(st.integers(0, 30)) == 0:
        return draw(st.sampled_from([None, True, 5, 1.5, "x", "ns1", [], {}, ["x"], {"x": 1}]))
    match value:
        case dict():
            return {str(key): leaves(draw, below) for key, below in value.items()}
        case list():
            return [leaves(draw, item) for item in value]
        case _:
            return value


WHOLE = plain(read(RICH, FILE).tree)


@quick
@given(st.data())
def test_any_tree_that_python_makes(data: st.DataObject) -> None:
    """It too is a lab, or told what is wrong."""
    here = Place(FILE, 1, 1)
    made = grown(data.draw(st.composite(lambda draw: leaves(draw, WHOLE))()), here)
    if not isinstance(made, Mapping):
        return
    problems: tuple[Problem, ...] = ()
    try:
        lab = spec.parse_tree(made, FILE, listing=SYSCTLS.get)
    except SpecError as error:
        problems = error.problems
    else:
        assert lab.nodes
        return
    assert {problem.place for problem in problems} == {here}

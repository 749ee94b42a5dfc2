"""Text and bytes become a tree, or the reason why they are no YAML, at its exact place."""

import pytest

from hopscope.errors import SpecError
from hopscope.model.limits import LARGEST_FILE
from hopscope.spec import source
from hopscope.spec.source import read
from hopscope.spec.tree import plain
from labtexts import FILE, PAIR, parsed, problems, unmarked, wrong

SYNTAX = [
    # text, rule, message, hint
    ("a: ▸\tb: c\n", "tab", "a tab stands here", "two spaces"),
    ("name: x\n▸\tnodes: {}\n", "tab", "a tab stands here", "two spaces"),
    ("name: x\nnodes:\n  ▸\tns1: {}\n", "tab", "a tab stands here", "two spaces"),
    ("name: ▸'x\nnodes: {}\n", "yaml-syntax", "a quote is opened here and never closed", "same"),
    ('name: ▸"x\n---\n', "yaml-syntax", "a quote is opened here and never closed", "same"),
    ("name: ▸[x\nnodes: y\n", "yaml-syntax", "a list is opened with '['", "[a, b]"),
    ("name: ▸{x: y\nnodes: y\n", "yaml-syntax", "a mapping is opened with '{'", "{key: value,"),
    ("▸{name: x\n", "yaml-syntax", "a mapping is opened with '{'", "{key: value,"),
    ("name: {x, y z: 3, e: f▸: g}\n", "yaml-syntax", "a ',' is missing in it", "{key: value,"),
    ("name: {x: y}▸}\n", "yaml-syntax", "a '}' stands here that closes nothing", "remove it"),
    ("{name: y}▸}\n", "yaml-syntax", "a '}' stands here that closes nothing", "remove it"),
    ("name: [x]▸]\n", "yaml-syntax", "a ']' stands here that closes nothing", "remove it"),
    ("name: b▸: c\n", "yaml-syntax", "a ': ' stands where no key can be", "quotes"),
    ("name: ▸- b\n", "yaml-syntax", "a '- ' stands where no list item can be", "line of its own"),
    ("name: ▸? b\n", "yaml-syntax", "a '? ' stands where no key can be", "in quotes"),
    ("name: ▸@b\n", "yaml-syntax", "cannot begin with this character", "in quotes"),
    ('name: "\\▸q"\n', "yaml-syntax", "this backslash escape does not exist", "single quotes"),
    ("name: [a,▸,b]\n", "yaml-syntax", "a value is missing here", "in quotes"),
    ("name: *▸\n", "yaml-syntax", "no name follows", "in quotes"),
    ("- a\n▸b: c\n", "yaml-syntax", "does not fit the indentation", "same column"),
    (" a: b\n▸c: d\n", "yaml-syntax", "belongs to nothing above it", "same column"),
    ("a: 'b' ▸c\n", "yaml-syntax", "this text belongs to nothing before it", "in quotes"),
    ("a:\n- b\nc▸", "yaml-syntax", "neither 'key: value' nor a continuation", "with ':'"),
    ("▸%YAML 3.0\n---\n", "yaml-syntax", "incompatible YAML document", ""),
    ("%FOO▸\n", "yaml-syntax", "belongs to nothing above it", "same column"),
    ('▸name: "\\U00110000"\n', "yaml-syntax", "this is not YAML: chr()", ""),
    ("name: x\nnodes: ▸*there\n", "unknown-alias", "*there stands for nothing that ended", ""),
    ("name: &their x\nnodes: ▸*there\n", "unknown-alias", "", "did you mean 'their'?"),
    ("name: &a [▸*a]\n", "unknown-alias", "*a stands for nothing that ended", ""),
    ("name: x\n▸---\nname: y\n", "two-documents", "a second document begins here", "'---'"),
    ("▸- a\n- b\n", "not-a-mapping", "not a list", "name: my-lab"),
    ("▸hello world\n", "not-a-mapping", "not the text 'hello world'", "name: my-lab"),
    ("▸", "empty-file", "the lab file is empty", "name: my-lab"),
    ("▸\n\n  \n", "empty-file", "the lab file is empty", "name: my-lab"),
    ("▸# only a comment\n", "empty-file", "the lab file is empty", "name: my-lab"),
    ("▸---\n", "empty-file", "the lab file is empty", "name: my-lab"),
    ("▸null\n", "empty-file", "the lab file is empty", "name: my-lab"),
    ("▸''\n", "empty-file", "the lab file is empty", "name: my-lab"),
    ("name: ▸\x00x\n", "not-text", "the character '\\x00' cannot stand", "right file?"),
    ("name: x\nnodes: ▸\x1b\n", "not-text", "the character '\\x1b' cannot stand", "right file?"),
    ("name: ▸\ud800x\n", "not-text", "the character '\\ud800' cannot stand", "right file?"),
]


@pytest.mark.parametrize(("text", "rule", "message", "hint"), SYNTAX)
def test_text_that_cannot_be_read_is_one_problem(
    text: str, rule: str, message: str, hint: str
) -> None:
    (found,) = wrong(text, rule)
    assert message in found.message
    assert hint in found.hint


def test_the_offending_line_is_shown_and_never_too_long() -> None:
    (found,) = problems("name: x\nnodes: {a: b: c}  # why\n")
    assert found.text == "nodes: {a: b: c}  # why"
    (found,) = problems("name: " + "x" * 5000 + ": y\n")
    assert len(found.text) == 200


@pytest.mark.parametrize(
    ("data", "line", "column", "message", "hint"),
    [
        (b"\x89PNG\r\n\x1a\n", 1, 1, "the byte 0x89 is not UTF-8", "save it as UTF-8"),
        (b"name: x\nnodes: \xe9t\xe9\n", 2, 8, "the byte 0xe9 is not UTF-8", "save it as UTF-8"),
        ("é: ".encode() + b"\xff", 1, 4, "the byte 0xff is not UTF-8", "save it as UTF-8"),
        ("name: x".encode("utf-16"), 1, 1, "the byte 0xff is not UTF-8", "not UTF-16"),
        (b"\x7fELF\x02\x01\x01\x00", 1, 1, "the character '\\x7f'", "right file?"),
    ],
)
def test_a_file_that_is_not_text(
    data: bytes, line: int, column: int, message: str, hint: str
) -> None:
    (found,) = problems(data)
    assert found.rule == "not-text"
    assert (found.place.line, found.place.column) == (line, column)
    assert message in found.message
    assert hint in found.hint


def test_a_file_that_is_far_too_large_is_not_read() -> None:
    (found,) = problems(b"#" * (LARGEST_FILE + 1))
    assert (found.rule, found.place.line) == ("too-big", 1)
    assert "1 MiB" in found.message


def test_the_largest_file_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(source, "LARGEST_FILE", len(PAIR))
    assert problems(PAIR) == ()
    assert problems(PAIR + "#")[0].rule == "too-big"


def test_a_byte_order_mark_is_no_part_of_the_lab() -> None:
    assert parsed(b"\xef\xbb\xbf" + PAIR.encode()) == parsed(PAIR)
    assert problems(b"\xef\xbb\xbfname: [")[0].place.column == problems("name: [")[0].place.column


def test_windows_line_ends_change_nothing() -> None:
    assert parsed(PAIR.replace("\n", "\r\n")) == parsed(PAIR)


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_every_line_end_of_yaml_counts(end: str) -> None:
    (found,) = problems(f"name: x{end}nodes: \x00")
    assert (found.place.line, found.place.column) == (2, 8)


def test_an_alias_bomb_is_refused_before_it_is_unfolded() -> None:
    """Ten levels of ten aliases would be ten thousand million parts."""
    levels = "".join(
        f"l{n}: &l{n} [{', '.join([f'*l{n - 1}'] * 10)}]\n" if n else "l0: &l0 [x, x]\n"
        for n in range(10)
    )
    (found,) = problems(levels)
    assert found.rule == "too-big"
    assert "more than 100000 parts" in found.message
    assert "count as often as they are used" in found.hint
    assert found.place.line == 6


def test_deep_nesting_is_refused_wherever_it_comes_from() -> None:
    flow = "name: " + "[" * 40 + "]" * 40
    block = "".join("  " * n + f"k{n}:\n" for n in range(40))
    grown = "a: &a " + "[" * 20 + "]" * 20 + "\nb: " + "[" * 20 + "*a" + "]" * 20
    for text in (flow, block, grown, "[" * 500):
        (found,) = problems(text)
        assert found.rule == "too-deep"
        assert found.message == "this is nested more than 32 deep"


def test_tags_are_named_and_mean_nothing() -> None:
    (found,) = wrong(PAIR.replace("name: pair", "name: ▸!secret pair"), "tag")
    assert "no tags such as !secret" in found.message
    (found,) = wrong(PAIR.replace("{br0: {}}", "▸!!python/object:os.system {br0: {}}"), "tag")
    assert "python/object:os.system" in found.message


def test_escaped_characters_that_no_name_can_hold() -> None:
    text = PAIR.replace("name: pair", 'name: pair\ndescription: ▸"a\\0b"')
    (found,) = wrong(text, "not-text")
    assert found.message == "the character '\\x00' cannot stand in a lab file"


def test_a_key_twice_is_one_problem_and_what_the_second_holds_is_believed() -> None:
    text = PAIR.replace("links:", "▸nodes: {ns3: {bridges: [br9]}}\nlinks:\n  - [ns3:a, ns1:b]")
    (found,) = wrong(text, "duplicate-key")
    assert found.message == "the key 'nodes' stands here a second time"
    assert found.hint == "the first is in line 2; join or rename them"
    assert found.text == "nodes"


def test_a_key_that_is_no_text_is_one_problem_and_its_names_are_believed() -> None:
    text = PAIR.replace("links:", "  ? ▸[ns3]\n  : {}\nlinks:\n  - [ns3:a, ns1:b]")
    (found,) = wrong(text, "bad-key")
    assert "not a list or mapping" in found.message


def test_an_anchor_may_be_used_again() -> None:
    text = """\
name: twins
nodes:
  ns1: &same {sysctls: {net.ipv4.ip_forward: 1}}
  ns2: *same
"""
    first, second = parsed(text).nodes
    assert first.sysctls == second.sysctls


def test_a_mistake_behind_an_anchor_is_told_at_the_anchor_once_for_each_meaning() -> None:
    text = """\
name: twins
nodes:
  ns1: &same {sysctls: {▸net.ipv4.ip_foward: 1}}
  ns2: *same
"""
    (found,) = wrong(text, "unknown-sysctl")
    assert found.hint == "did you mean 'net.ipv4.ip_forward'?"


def test_read_keeps_what_it_could_read_past() -> None:
    document = read("a: 1\na: {b: c}\n", FILE)
    assert plain(document.tree) == {"a": 1}
    assert [problem.rule for problem in document.problems] == ["duplicate-key"]
    assert document.believed == {"b", "c"}


def test_a_yaml_parser_that_trips_over_its_own_feet_is_a_fault_of_the_text(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Whatever it raises, the user is told where it happened."""
    from ruamel.yaml import YAML
    from ruamel.yaml.error import MarkedYAMLError, YAMLError

    def raising(error: BaseException) -> None:
        def parse(_: YAML, __: str) -> object:
            raise error

        monkeypatch.setattr(YAML, "parse", parse)

    for error, message in (
        (YAMLError("odd\nvery odd"), "this is not YAML: odd"),
        (RecursionError("deep"), "this is not YAML"),
        (IndexError("gone"), "this is not YAML: gone"),
        (MarkedYAMLError(), "this is not YAML: it cannot be read"),
    ):
        raising(error)
        with pytest.raises(SpecError) as caught:
            read("name: x", FILE)
        (problem,) = caught.value.problems
        assert problem.message == message
        assert (problem.place.line, problem.place.column) == (1, 1)


def test_marks_are_found_where_they_stand() -> None:
    """The tests' own tool."""
    assert unmarked("a▸b\n▸c ▸d") == ("ab\nc d", [(1, 2), (2, 1), (2, 3)])

"""Processes of a node: how they are written, what they are called, and what cannot be."""

import pytest

from hopscope.model.lab import ProcessSpec, ReadySpec
from hopscope.model.process import Restart
from labtexts import changed, parsed, wrong

WEB = """\
name: web
nodes:
  web:
    run: nginx
"""


def processes(run: str) -> tuple[ProcessSpec, ...]:
    return parsed(changed("run: nginx", f"run: {run}", WEB)).nodes[0].run


def test_a_text_is_split_into_words_and_no_shell_reads_them() -> None:
    (one,) = processes("""'nginx -g "daemon off;" $HOME'""")
    assert one.argv == ("nginx", "-g", "daemon off;", "$HOME")
    assert (one.name, one.ready, one.restart, one.env) == ("nginx", None, Restart.NEVER, {})
    assert one.place is not None
    assert (one.place.line, one.place.column) == (4, 10)


def test_a_process_in_its_long_form() -> None:
    (one,) = processes(
        "{command: [/usr/bin/x, -a], name: y, restart: on-failure, env: {PORT: 80, A: b},"
        " ready: {tcp: 80, timeout: 2}, stop: 0.5}"
    )
    assert one.argv == ("/usr/bin/x", "-a")
    assert one.name == "y"
    assert one.restart is Restart.ON_FAILURE
    assert one.env == {"PORT": "80", "A": "b"}
    assert one.ready == ReadySpec(tcp=80, timeout=2.0)
    assert one.stop == 0.5


@pytest.mark.parametrize(
    ("ready", "expected"),
    [
        ("{log: 'ready [0-9]+'}", ReadySpec(log="ready [0-9]+")),
        ("{command: curl -sf localhost}", ReadySpec(command=("curl", "-sf", "localhost"))),
        ("{command: [test, -e, x]}", ReadySpec(command=("test", "-e", "x"))),
    ],
)
def test_ways_to_be_ready(ready: str, expected: ReadySpec) -> None:
    (one,) = processes(f"{{command: x, ready: {ready}}}")
    assert one.ready == expected


def test_names_are_the_programs_and_told_apart() -> None:
    """One that is given is kept, wherever it stands."""
    found = processes(
        "[python3 a, /opt/bin/python3 b, {command: x, name: python3-2}, './a b', '++']"
    )
    assert [one.name for one in found] == ["python3", "python3-3", "python3-2", "a", "process"]


def test_each_replica_runs_them() -> None:
    lab = parsed(changed("run: nginx", "count: 3\n    run: nginx", WEB))
    assert [[one.name for one in node.run] for node in lab.nodes] == [["nginx"]] * 3


WRONG = [
    # what runs, rule, message
    ("[nginx, ▸'a \"b']", "bad-command", "cannot be split into words: No closing quotation"),
    ("[▸'']", "bad-command", "this command names no program"),
    ("[{command: ▸[]}]", "bad-command", "this command names no program"),
    ("[{command: a, name: ▸a/b}]", "bad-name", "'a/b' cannot be the name of a process"),
    ("[{command: a, name: x}, {command: b, name: ▸x}]", "duplicate-process", "web has a process"),
    ("[▸{name: x}]", "missing-key", "a process needs the key 'command'"),
    ("[▸5]", "wrong-type", "must be a text like"),
    ("▸5", "wrong-type", "'run' must be a text, or a list of texts, not 5"),
    ("{command: a, restart: ▸sometimes}", "wrong-type", "'never', 'on-failure' or 'always'"),
    ("{command: a, ready: {tcp: ▸0}}", "out-of-range", "a TCP port cannot be 0"),
    ("{command: a, ready: {tcp: 1, timeout: ▸0}}", "out-of-range", "to get ready cannot be 0"),
    ("{command: a, stop: ▸61}", "out-of-range", "the time to end cannot be 61"),
    ("{command: a, ready: ▸{timeout: 5}}", "missing-key", "needs one of the keys"),
    ("{command: a, ready: ▸{tcp: 80, log: x}}", "one-key", "this names tcp and log"),
    ("{command: a, ready: {log: ▸'('}}", "bad-expression", "'(' is not a regular expression"),
    ("{command: a, ready: {▸tpc: 80}}", "unknown-key", "'tpc' is not a key of 'ready'"),
    ("{command: a, ready: ▸80}", "wrong-type", "'ready' must be a mapping like {tcp: 80}"),
    ("{command: a, env: {A=B: ▸c}}", "bad-variable", "'A=B' cannot be the name of a variable"),
    ("{command: a, env: {A: ▸true}}", "wrong-type", "'A' must be a text or a whole number"),
    ("{▸comand: a}", "unknown-key", "'comand' is not a key of a process"),
]


@pytest.mark.parametrize(("run", "rule", "message"), WRONG)
def test_one_mistake_is_one_problem(run: str, rule: str, message: str) -> None:
    (one,) = wrong(changed("run: nginx", f"run: {run}", WEB), rule)
    assert message in one.message


def test_a_mistake_in_replicas_is_told_once() -> None:
    wrong(changed("run: nginx", "count: 3\n    run: {command: a, name: ▸a/b}", WEB), "bad-name")

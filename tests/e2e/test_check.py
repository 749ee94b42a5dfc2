"""hopscope check: every mistake of a lab file at once; no kernel, no lab."""

import json
import os
import shutil
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest

from labtexts import PAIR

WRONG = """\
name: wrong
nodes:
  ns1: {adresses: {eth0: 10.0.0.1/24}}
  ns2: {addresses: {eth0: 10.0.0.2/99}}
links:
  - [ns1:eth0, ns3:eth0]
"""
MISTAKES = [(3, 9, "unknown-key"), (4, 27, "bad-address"), (6, 16, "unknown-node")]


@pytest.fixture
def wrong(tmp_path: Path) -> str:
    """A file with three mistakes."""
    path = tmp_path / "wrong.yaml"
    path.write_text(WRONG)
    return str(path)


def test_a_right_file_says_what_is_in_it(hopscope: Any, tmp_path: Path) -> None:
    path = tmp_path / "pair.yaml"
    path.write_text(PAIR)
    done = hopscope("check", str(path))
    words = f"{path}: lab 'pair' is right: 3 nodes, 2 links, 1 step\n"
    assert (done.returncode, done.stdout, done.stderr) == (0, words, "")


def test_what_is_hardly_meant_is_noted(hopscope: Any, tmp_path: Path) -> None:
    """By check, and by plan; it is no mistake."""
    path = tmp_path / "odd.yaml"
    path.write_text("name: odd\nnodes: {a: {addresses: {lo: 10.0.0.255/24}}}\n")
    for command in ("check", "plan"):
        done = hopscope(command, str(path))
        assert done.returncode == 0
        assert done.stderr == (
            f"note: {path}:2:29: 10.0.0.255/24 of a is the subnet's broadcast address, and no "
            "host's: what is sent to it goes to all\n"
        )


def test_every_mistake_is_told_with_its_place(hopscope: Any, wrong: str) -> None:
    """One a line, as compilers do; exit status 2, and nothing on standard output."""
    done = hopscope("check", wrong)
    assert (done.returncode, done.stdout) == (2, "")
    *told, last = done.stderr.splitlines()
    assert [(line.split(": ")[0], line.rpartition("[")[2]) for line in told] == [
        (f"{wrong}:{line}:{column}", f"{rule}]") for line, column, rule in MISTAKES
    ]
    assert "did you mean 'addresses'?" in told[0]
    assert last == f"3 mistakes in {wrong}"


def test_json_tells_the_same(hopscope: Any, wrong: str) -> None:
    """For editors; the exit status, too."""
    done = hopscope("check", wrong, "--json")
    assert (done.returncode, done.stderr) == (2, "")
    found = json.loads(done.stdout)
    assert [(one["line"], one["column"], one["rule"]) for one in found] == MISTAKES
    keys = {"file", "line", "column", "rule", "message", "text", "hint"}
    assert all(one.keys() == keys and one["file"] == wrong for one in found)
    right = hopscope("check", "bridge", "--json")
    assert (right.returncode, json.loads(right.stdout)) == (0, [])


@pytest.mark.parametrize(("text", "status"), [(PAIR, 0), (WRONG, 2)], ids=["right", "wrong"])
def test_standard_input_is_a_file(hopscope: Any, text: str, status: int) -> None:
    """As `-`, so that an editor need not save."""
    done = hopscope("check", "-", stdin=text)
    assert done.returncode == status
    assert "<stdin>" in (done.stdout + done.stderr)


def test_one_mistake_is_one(hopscope: Any) -> None:
    done = hopscope("check", "-", stdin=PAIR.replace("name: pair", "nome: pair"))
    assert done.stderr.splitlines()[-1] == "1 mistake in <stdin>"


def test_bytes_that_are_no_text_are_a_mistake(hopscope: Any, tmp_path: Path) -> None:
    """Never a traceback."""
    path = tmp_path / "latin.yaml"
    path.write_bytes(b"name: caf\xe9\n")
    done = hopscope("check", str(path))
    assert done.returncode == 2
    assert done.stderr.startswith(f"{path}:1:")


@pytest.mark.parametrize(
    ("file", "said"),
    [
        ("absent.yaml", "there is no lab file 'absent.yaml', and no built-in lab of that name"),
        ("brigde", "there is no lab file 'brigde', and no built-in lab of that name; did you"),
        ("/proc", "cannot read the lab file '/proc': Is a directory"),
    ],
)
def test_a_file_that_is_not_there_is_named(hopscope: Any, file: str, said: str) -> None:
    done = hopscope("check", file)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"hopscope: {said}")


def test_a_folder_that_is_closed_to_the_user(ordinary: Any, tmp_path: Path) -> None:
    """As when root's shell turned into nobody: a built-in lab is found there all the same."""
    tmp_path.chmod(0o700)
    done = ordinary("check", "bridge", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert "bridge" in done.stdout


@pytest.mark.kernel
def test_rules_are_tried_when_asked_for(hopscope: Any, tmp_path: Path) -> None:
    """Those of the story too, behind those of the node; and nothing of it stays."""
    if not shutil.which("iptables", path=f"{os.environ['PATH']}:/usr/sbin:/sbin"):
        pytest.skip("iptables is not installed")
    path = tmp_path / "rules.yaml"
    path.write_text(
        "name: rules\n"
        "nodes:\n"
        "  a: {iptables: [-N OWN, -A INPUT -p nonsense, -A INPUT -j OWN]}\n"
        "  pod: {count: 3, ip6tables: [-A INPUT -j ACEPT]}\n"
        "  c: {}\n"
        "story:\n"
        "  - iptables: {a: [-A OWN -j ACCEPT, -A OWN -j NONE], c: [-A INPUT -j OWN]}\n"
    )
    assert hopscope("check", str(path)).returncode == 0
    done = hopscope("check", "--rules", str(path))
    assert (done.returncode, done.stdout) == (2, "")
    *told, last = done.stderr.splitlines()
    assert [line.split(": ")[0].removeprefix(f"{path}:") for line in told] == [
        "3:26",
        "4:31",
        "7:38",
        "7:59",
    ]
    assert all(line.endswith("[refused-rule]") for line in told)
    assert last == f"4 mistakes in {path}"
    assert hopscope("check", "--rules", "--json", str(path)).stdout.count("refused-rule") == 4
    assert "no lab" in hopscope("ls").stdout


def test_without_rules_there_is_nothing_to_try(hopscope: Any, tmp_path: Path) -> None:
    path = tmp_path / "pair.yaml"
    path.write_text(PAIR)
    assert hopscope("check", "--rules", str(path)).returncode == 0


@pytest.mark.kernel
def test_a_file_whose_name_is_no_text_is_one_like_any_other(hopscope: Any, tmp_path: Path) -> None:
    """Whatever writes its name down: messages, records, reports."""
    file = os.fsdecode(os.fsencode(tmp_path) + b"/c\xff.yaml")
    wrong = os.fsdecode(os.fsencode(tmp_path) + b"/wrong\xff.yaml")
    Path(file).write_text(PAIR)
    Path(wrong).write_text(WRONG)
    xml = tmp_path / "junit.xml"
    shown = f"{tmp_path}/c\\xff.yaml"
    assert hopscope("check", file).stdout.startswith(f"{shown}: lab 'pair' is right")
    for command in (
        ["plan", file],
        ["export", "--format", "mermaid", file],
        ["run", "--quiet", "--out", str(tmp_path / "out"), file],
        ["test", "--junit-xml", str(xml), file, wrong],
        ["up", file],
        ["up", file],
    ):
        done = hopscope(*command)
        assert done.returncode in (0, 1, 2), done.stderr
        assert "Traceback" not in done.stdout + done.stderr
        assert "\\udcff" not in done.stdout + done.stderr
    assert json.loads(hopscope("ls", "--json").stdout)[0]["file"] == shown
    assert len(ET.parse(xml).findall(".//error")) == 1  # noqa: S314 - our own
    assert (tmp_path / "out" / "report.html").exists()


def test_the_name_of_a_lab_that_is_up_is_no_file_of_one(hopscope: Any) -> None:
    """It is said which file that was made from."""
    hopscope.up("bridge", "mine")
    try:
        for command in ("plan", "up", "check"):
            done = hopscope(command, "mine")
            said = "there is no lab file 'mine', and no built-in lab of that name; a lab of that"
            assert done.returncode == 2
            assert said + " name is up, and was made from bridge.yaml" in done.stderr
    finally:
        hopscope("down", "mine")

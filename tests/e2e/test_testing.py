"""`hopscope test`: labs side by side, what is said of each, the exit status, nothing left."""

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest

from hopscope.kernel.waiting import wait_until
from hoststate import look, settled
from permitted import ROOT

pytestmark = pytest.mark.kernel

Hopscope = Any
PAIR = """
name: pair
nodes:
  ns1: {addresses: {a: 10.9.0.1/24}}
  ns2: {addresses: {b: 10.9.0.2/24}}
links: [[ns1:a, ns2:b]]
"""
RIGHT = f"""{PAIR}
story:
  - show: links
  - ping: {{from: ns1, to: ns2, expect: {{reply: true, path: [ns1, ns2]}}}}
  - ping: ns1 -> ns2
  - expect: {{routes: {{ns1: {{10.9.0.0/24: dev a}}}}}}
"""
DEAF = f"""{PAIR}
story:
  - iptables: {{ns2: [-A INPUT -j DROP]}}
  - ping: {{from: ns1, to: ns2, timeout: 0.1, expect: {{reply: true}}}}
"""
FALSE = f"""{PAIR}
story:
  - ping: {{from: ns1, to: ns2, expect: {{reply: true}}}}
  - ping: {{from: ns1, to: 10.9.0.9, timeout: 0.1, expect: {{reply: true, latency: 1s}}}}
"""
SLOW = f"""{PAIR}
story:
  - ping: {{from: ns1, to: ns2, expect: {{reply: true}}}}
  - ping: {{from: ns1, to: 10.9.0.9, count: 20, timeout: 5}}
"""
REFUSED = f"""{PAIR}
story:
  - ping: {{from: ns1, to: ns2, expect: {{reply: true}}}}
  - iptables: {{ns1: [-A INPUT -j NOWHERE]}}
  - ping: {{from: ns1, to: ns2, expect: {{reply: true}}}}
"""
UNREADY = PAIR.replace("24}}", "24}, run: [{command: [/nonexistent]}]}", 1)


@pytest.fixture
def labs(tmp_path: Path) -> Path:
    """A folder with a lab for each end that one can take, all of one name."""
    for name, text in (("right", RIGHT), ("false", FALSE), ("refused", REFUSED), ("silent", PAIR)):
        (tmp_path / "labs" / name).mkdir(parents=True)
        (tmp_path / "labs" / name / f"{name}.yaml").write_text(text)
    (tmp_path / "labs" / "wrong.yaml").write_text("name: pair\nnods: {}\n")
    return tmp_path / "labs"


@pytest.fixture(autouse=True)
def nothing_is_left(hopscope: Hopscope) -> Iterator[None]:
    """Neither labs nor anything of them, whatever a test does."""
    before = look(state=hopscope.state)
    yield
    assert settled(before, lambda: look(state=hopscope.state)) == []


def documents(done: "subprocess.CompletedProcess[str]") -> dict[str, Any]:
    """What --json printed, by the labs' files."""
    return {Path(lab["file"]).stem: lab for lab in json.loads(done.stdout)["labs"]}


def test_labs_of_one_name_side_by_side(hopscope: Hopscope, labs: Path) -> None:
    """Each its own sandbox; every case of each is told, and where a failure stands."""
    done = hopscope("test", str(labs), "-j", "4", "--json")
    assert done.returncode == 1, done.stderr
    found = documents(done)
    cases = {
        name: [(case["name"], case["outcome"]) for case in lab["cases"]]
        for name, lab in found.items()
    }
    assert cases == {
        "right": [("2: ping ns1 -> ns2", "passed"), ("4: expect", "passed")],
        "false": [("1: ping ns1 -> ns2", "passed"), ("2: ping ns1 -> 10.9.0.9", "failed")],
        "refused": [("1: ping ns1 -> ns2", "passed"), ("story", "error")],
        "silent": [],
        "wrong": [("lab file", "error")],
    }
    assert found["silent"]["note"] == "asserts nothing"
    failed = found["false"]["cases"][1]
    assert failed["place"] == [str(labs / "false" / "false.yaml"), 10, 5]
    assert [check["held"] for check in failed["checks"]] == [False, False]
    assert all(lab["seconds"] >= sum(c["seconds"] for c in lab["cases"]) for lab in found.values())


def test_what_is_printed(hopscope: Hopscope, labs: Path) -> None:
    """A mark for each case, then each failure with its journey and why, then the count."""
    done = hopscope("test", *sorted(map(str, labs.rglob("*.yaml"))))
    out = done.stdout
    assert f"{labs}/right/right.yaml .." in out
    assert f"{labs}/false/false.yaml .F" in out
    assert f"{labs}/refused/refused.yaml .E" in out
    assert f"{labs}/silent/silent.yaml asserts nothing" in out
    explained = out.partition(f"━━ {labs}/false/false.yaml:10:5  2: ping ns1 -> 10.9.0.9 ━━")[2]
    assert "echo request  unseen: " in explained
    assert "✗ expected: a reply; seen: 0 of 1 requests answered — ns1 holds it back" in explained
    assert "'nods' is not a key of a lab file; did you mean 'nodes'?" in out
    refused = next(line for line in out.splitlines() if line.endswith("  story ━━"))
    assert refused.startswith(f"━━ {labs}/refused/refused.yaml:10:")
    assert "iptables refuses this rule" in out.partition(refused)[2]
    (last,) = out.splitlines()[-1:]
    assert last.startswith("1 failed, 4 passed, 2 errors, 1 lab without an expectation in ")
    quiet = hopscope("test", "-q", str(labs / "right"))
    assert len(quiet.stdout.splitlines()) == 1


@pytest.mark.parametrize(
    ("files", "status"),
    [
        (["right", "silent"], 0),
        (["right", "false"], 1),
        (["false", "wrong.yaml", "refused"], 1),
        (["right", "wrong.yaml"], 2),
        (["right", "nowhere.yaml"], 2),
        (["right", "refused"], 2),
        (["wrong.yaml"], 2),
        (["right", "unready.yaml"], 3),
        (["unready.yaml", "wrong.yaml"], 2),
        (["right", "-k", "nothing"], 5),
        (["right", "-k", "("], 2),
    ],
)
def test_the_exit_status(hopscope: Hopscope, labs: Path, files: list[str], status: int) -> None:
    """1 before 2 before 3; 5 as pytest has it."""
    (labs / "unready.yaml").write_text(UNREADY)
    words = [str(labs / word) if (labs / word).exists() else word for word in files]
    assert hopscope("test", *words).returncode == status


def test_some_of_them(hopscope: Hopscope, labs: Path) -> None:
    """-k looks at the file and at the lab's name; of a built-in, too."""
    done = hopscope("test", str(labs), "bridge", "-k", "(right or silent) and PAIR", "--json")
    assert set(documents(done)) == {"right", "silent"}
    done = hopscope("test", str(labs), "bridge", "-k", "bridge", "--json")
    assert set(documents(done)) == {"bridge"}


def test_the_first_failure_may_be_the_last(hopscope: Hopscope, labs: Path) -> None:
    """-x: one at a time in the order of the call, and no further."""
    names = ("right", "false", "refused")
    done = hopscope("test", *(str(labs / name) for name in names), "-x", "-j", "1")
    assert done.returncode == 1
    assert "refused.yaml" not in done.stdout
    assert "1 failed, 3 passed, 1 lab not finished" in done.stdout
    wrong = labs / "wrong.yaml"
    (labs / "wrong2.yaml").write_text(wrong.read_text())
    done = hopscope("test", str(wrong), str(labs / "wrong2.yaml"), str(wrong), "-x", "-j", "1")
    assert done.returncode == 2
    assert "1 error, 1 lab not finished" in done.stdout
    words = (str(labs / "right"), str(wrong), str(labs / "false"))
    done = hopscope("test", *words, "-x", "-j", "1", "--json")
    assert list(documents(done)) == ["right", "wrong"]
    (labs / "slow.yaml").write_text(SLOW)
    done = hopscope("test", str(labs / "slow.yaml"), str(labs / "false"), "-x", "-j", "2")
    assert done.returncode == 1  # and the slow one was not waited for
    assert "1 lab not finished" in done.stdout


def test_what_means_nothing_is_refused(hopscope: Hopscope, labs: Path) -> None:
    """Before anything is done."""
    done = hopscope("test", str(labs), "--keep-all")
    assert (done.returncode, done.stdout) == (2, "")
    assert "--keep-all keeps the evidence of all labs in --out DIR" in done.stderr
    done = hopscope("test", str(labs), "--junit-xml", str(labs))
    assert (done.returncode, done.stdout) == (2, "")
    assert f"--junit-xml names a folder, '{labs}'; name a file in it" in done.stderr


def test_evidence_of_what_failed(hopscope: Hopscope, labs: Path, tmp_path: Path) -> None:
    """A folder as a run leaves it; of those that passed only when asked for."""
    out = tmp_path / "evidence"
    words = [str(labs / "right"), str(labs / "false")]
    done = hopscope("test", *words, "--out", str(out))
    assert [folder.name for folder in out.iterdir()] == ["false"]
    assert json.loads((out / "false" / "journeys.json").read_text())["lab"] == "pair"
    assert "no reply" in (out / "false" / "report.html").read_text()
    assert f"evidence: {out}/false" in done.stdout
    hopscope("test", *words, "--out", str(out), "--keep-all")
    assert {folder.name for folder in out.iterdir()} == {"false", "right"}


def test_evidence_that_cannot_be_written(hopscope: Hopscope, labs: Path) -> None:
    """What became of the labs is told all the same."""
    words = [str(labs / "false"), str(labs / "silent"), "--out", "/proc/nope", "--keep-all"]
    done = hopscope("test", *words)
    if not ROOT:  # it shows before anything is done
        assert done.returncode == 3
        assert "cannot write /proc: Permission denied" in done.stderr
        return
    assert (done.returncode, done.stderr) == (1, "")
    why = "no evidence is kept: cannot write /proc/nope: No such file or directory"
    assert f"{labs}/false/false.yaml .F {why}" in done.stdout
    assert f"{labs}/silent/silent.yaml asserts nothing, but {why}" in done.stdout
    assert "evidence: " not in done.stdout
    assert "1 failed, 1 passed, 1 lab without an expectation" in done.stdout


def test_a_mend_is_for_the_lab_as_it_is_called(hopscope: Hopscope, tmp_path: Path) -> None:
    """The one that was tested had a name of its own, and has ended."""
    file = tmp_path / "deaf.yaml"
    file.write_text(DEAF)
    told = hopscope("test", str(file), "--out", str(tmp_path / "out")).stdout
    assert "hopscope exec pair ns2 -- iptables -t filter -D INPUT -j DROP" in told
    assert f"the lab has ended; for that command, first: hopscope up {file}" in told
    assert "exec test-" not in told + (tmp_path / "out/deaf/journeys.json").read_text()


def test_no_evidence_unasked(hopscope: Hopscope, labs: Path, tmp_path: Path) -> None:
    before = set(tmp_path.rglob("*"))
    hopscope("test", str(labs / "false"), cwd=tmp_path)
    assert set(tmp_path.rglob("*")) == before


PYTESTS = """
import pytest
def test_right(): pass
def test_false(): assert 0
@pytest.fixture
def broken(): raise OSError
def test_broken(broken): pass
"""


def test_junit_as_pytest_writes_it(hopscope: Hopscope, labs: Path, tmp_path: Path) -> None:
    """The same elements with the same attributes, so that whatever reads theirs reads ours."""
    (tmp_path / "test_it.py").write_text(PYTESTS)
    argv = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "--junit-xml=theirs.xml"]
    subprocess.run([*argv, "-c", os.devnull, "test_it.py"], cwd=tmp_path, check=False)
    done = hopscope("test", str(labs), "--junit-xml", str(tmp_path / "new" / "ours.xml"))
    assert done.returncode == 1
    theirs, ours = (
        ET.parse(tmp_path / file).getroot()  # noqa: S314 - our own
        for file in ("theirs.xml", "new/ours.xml")
    )
    assert _shape(ours) == _shape(theirs)
    (suite,) = ours
    counts = {key: int(suite.attrib[key]) for key in ("tests", "failures", "errors", "skipped")}
    assert counts == {"tests": 8, "failures": 1, "errors": 2, "skipped": 0}
    assert len(suite.findall("testcase")) == 8
    (failure,) = suite.iter("failure")
    assert failure.attrib["message"].startswith("expected: a reply; seen: 0 of 1")
    assert "echo request  unseen" in (failure.text or "")


def _shape(root: ET.Element) -> dict[str, set[str]]:
    """Each element's path and attributes; what is printed in tests is told in more ways."""
    found: dict[str, set[str]] = {}

    def walk(element: ET.Element, path: str) -> None:
        here = f"{path}/{element.tag}"
        if element.tag != "system-out":
            found.setdefault(here, set()).update(element.attrib)
        for below in element:
            walk(below, here)

    walk(root, "")
    return found


def _workers(pid: int) -> list[int]:
    """Its children."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [int(child) for child in children]


def _running(hopscope: Hopscope) -> list[str]:
    """The labs that are up."""
    return [lab["name"] for lab in json.loads(hopscope("ls", "--json").stdout)]


@pytest.fixture
def slow(hopscope: Hopscope, labs: Path) -> Iterator["subprocess.Popen[str]"]:
    """Two labs that take minutes, both up, in a process group of their own; a third one passed."""
    for name in ("one", "two"):
        (labs / f"{name}.yaml").write_text(SLOW)
    argv = [*hopscope.argv, "test", "-j", "2"]
    files = [labs / "right", labs / "one.yaml", labs / "two.yaml"]
    process = subprocess.Popen(
        [*argv, *map(str, files)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=hopscope.environment(),
        start_new_session=True,
    )
    wait_until(
        lambda: [name.split("-")[-2] for name in _running(hopscope)] == ["2", "3"],
        "the second lab and the third",
        within=20,
    )
    yield process
    process.kill()
    process.wait()


@pytest.mark.parametrize("group", [True, False], ids=["terminal", "kill"])
def test_ctrl_c_tells_what_was_done_and_leaves_nothing(
    slow: "subprocess.Popen[str]", hopscope: Hopscope, *, group: bool
) -> None:
    """A terminal sends it to all processes of the group, `kill` to one."""
    (os.killpg if group else os.kill)(slow.pid, signal.SIGINT)
    out, err = slow.communicate(timeout=20)
    assert slow.returncode == 130
    assert "right.yaml .." in out
    assert "2 passed, 2 labs not finished in" in out
    assert err == "hopscope: interrupted; all is as it was before\n"
    assert _running(hopscope) == []


def test_a_worker_that_is_killed_is_an_error(slow: "subprocess.Popen[str]") -> None:
    """Told with the cases that it had told; the others go on."""
    first, second = _workers(slow.pid)
    os.kill(first, signal.SIGKILL)
    os.kill(second, signal.SIGKILL)
    out, err = slow.communicate(timeout=20)
    assert slow.returncode == 3, err
    assert out.count("the process that performed it was ended (status -9)") == 4
    assert re.match(r"[234] passed, 2 errors in ", out.splitlines()[-1])


def test_one_that_is_killed_leaves_nothing(
    slow: "subprocess.Popen[str]", hopscope: Hopscope
) -> None:
    """Its workers learn of it, take down their labs, and end without a word."""
    os.kill(slow.pid, signal.SIGKILL)
    _out, err = slow.communicate(timeout=20)  # nobody holds its output any more
    assert err == ""
    assert _running(hopscope) == []

"""The pytest plugin as its users meet it: their tests are run, and what pytest prints is read."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

import hopscope
from hopscope.kernel import state
from hopscope.lab.ending import end

pytest_plugins = ["pytester"]
pytestmark = [pytest.mark.kernel, pytest.mark.usefixtures("records")]

TWO = """\
name: two
nodes:
  ns1: {addresses: {eth0: 10.0.0.1/24}}
  ns2: {addresses: {eth0: 10.0.0.2/24}}
links: [[ns1:eth0, ns2:eth0]]
"""
DROP = 'lab.add_rules("iptables", "ns2", "-A INPUT -p icmp -j DROP")'
FAILING = f"""
import pytest
@pytest.mark.lab("bridge")
def test_dropped(lab):
    {DROP}
    assert lab.ping("ns1", "ns2", timeout=0.1).replied
"""


def running() -> list[str]:
    return [lab.name for lab in state.running()]


def run(pytester: pytest.Pytester, text: str, *words: str) -> pytest.RunResult:
    """Run these tests to their end, in a process of their own; no lab is left but kept ones."""
    pytester.makepyfile(text)
    pytester.makefile(".ini", pytest="[pytest]\nfilterwarnings = error\naddopts = --strict-markers")
    result = pytester.runpytest_subprocess(*words)
    if "--hopscope-keep" not in words:
        assert running() == []
    return result


def test_a_lab_for_a_test(pytester: pytest.Pytester) -> None:
    """By the marker, by the factory, from a file beside the test, a text, and Python."""
    (pytester.path / "labs").mkdir()
    (pytester.path / "labs" / "two.yaml").write_text(TWO)
    result = run(
        pytester,
        f"""
import pytest
from hopscope import Lab, StandingLab
from hopscope.pytest_plugin import Labs
TWO = {TWO!r}
BUILT = Lab("built").node("a", addresses={{"x": "10.1.0.1/24"}})
BUILT.node("b", addresses={{"y": "10.1.0.2/24"}}).link("a:x", "b:y")

@pytest.mark.lab("bridge")
def test_marked(lab: StandingLab) -> None:
    assert isinstance(lab, StandingLab)
    assert lab.ping("ns1", "ns2").replied

@pytest.mark.lab("labs/two.yaml")
def test_file(lab): assert lab.nodes == ("ns1", "ns2")

@pytest.mark.lab(TWO)
def test_text(lab): assert lab.ping("ns1", "ns2").replied

@pytest.mark.lab(BUILT)
class TestOfOneClass:
    def test_python(self, lab): assert lab.ping("a", "b").replied
    @pytest.mark.lab("bridge")
    def test_the_nearest_marker(self, lab): assert "host" in lab.nodes

def test_factory(lab: Labs) -> None:
    one, other = lab("labs/two.yaml"), lab.text(TWO)
    assert one.name != other.name
    assert one.ping("ns1", "ns2").replied and other.ping("ns2", "ns1").replied
    assert lab(BUILT).nodes == ("a", "b")

@pytest.mark.lab("bridge")
def test_both(lab, labs):
    assert labs(TWO_FILE := "labs/two.yaml").nodes == ("ns1", "ns2")
    assert lab.nodes == ("host", "ns1", "ns2")

def test_ended_by_itself(labs):
    labs("bridge").down()
""",
    )
    result.assert_outcomes(passed=8)
    assert not (pytester.path / ".pytest_hopscope").exists()


def test_a_failure_shows_the_journey_and_why(pytester: pytest.Pytester) -> None:
    """In the assertion the reason in a sentence; beneath it every hop, and where more is."""
    result = run(pytester, FAILING)
    result.assert_outcomes(failed=1)
    out = result.stdout.str()
    (told,) = re.findall(r"E +\+  where False = (.*)\.replied", out)
    assert told == (
        "<ping ns1 → ns2 (10.244.1.4): 0 of 1 requests answered; in ns2, the rule "
        "`-A INPUT -p icmp -j DROP` of ip filter INPUT dropped it>"
    )
    section = out.partition("hopscope: lab bridge-test_dropped-")[2]
    order = (
        "✗ no reply to request 1",
        "why: in ns2, the rule `-A INPUT -p icmp -j DROP` of ip filter INPUT dropped it",
        "mend: ",
        "echo request  dropped: in ns2",
        "✓ -A INPUT -p icmp -j DROP  ⇒ drop",
        "evidence: .pytest_hopscope/",
    )
    assert [section.index(words) for words in order] == sorted(map(section.index, order))


PAIRS = f"""
import pytest
@pytest.mark.lab("bridge")
def test_pairs(lab):
    assert lab.reachability("ns2").held
    {DROP}
    assert lab.reachability("ns1", timeout=0.1).held
"""


def test_pairs_that_are_not_reached_are_told_with_why(pytester: pytest.Pytester) -> None:
    """In the assertion in a line; beneath it as the command prints them."""
    result = run(pytester, PAIRS)
    result.assert_outcomes(failed=1)
    out = result.stdout.str()
    (told,) = re.findall(r"E +\+  where False = (.*)\.held", out)
    why = "in ns2, the rule `-A INPUT -p icmp -j DROP` of ip filter INPUT dropped it"
    assert re.fullmatch(
        f"<reachability of bridge-.*: 0 of 1 pairs reached; ns1 → ns2: {why}>", told
    )
    section = out.partition("hopscope: lab bridge-test_pairs-")[2]
    assert "1 of 1 pairs reached>" in section
    assert "0 of 1 pair reached" in section
    assert "no answer within 0.1 s" in section
    assert f"why: {why}" in section
    assert "nothing was pinged" not in section
    (folder,) = (path for path in (pytester.path / ".pytest_hopscope").iterdir() if path.is_dir())
    record = json.loads((folder / "journeys.json").read_text())
    assert [len(one["pairs"]) for one in record["reachability"]] == [1, 1]
    page = (folder / "report.html").read_text()
    assert "1 of 1 pair reached, 0 of 1 pair reached." in page


def test_the_evidence_of_a_failure_is_kept(pytester: pytest.Pytester) -> None:
    """A folder as a run leaves it, as long as the test fails; git does not see it."""
    run(pytester, FAILING)
    home = pytester.path / ".pytest_hopscope"
    (folder,) = (path for path in home.iterdir() if path.is_dir())
    assert {path.name for path in folder.iterdir()} == {
        "report.html",
        "capture.pcapng",
        "icmp.pcapng",
        "iptables.log",
        "journeys.json",
    }
    record = json.loads((folder / "journeys.json").read_text())
    assert [(p["kind"], p["number"], p["reason"]["code"]) for p in record["steps"]] == [
        ("ping", 1, "rule-drop")
    ]
    assert (home / ".gitignore").read_text() == "*\n"
    run(pytester, FAILING.replace(DROP, "pass"))
    assert not folder.exists()
    result = run(pytester, FAILING, "--hopscope-out", "elsewhere")
    assert list(pytester.path.glob("elsewhere/*/report.html")) != []
    assert "evidence: elsewhere/" in result.stdout.str()
    assert not (pytester.path / "elsewhere" / ".gitignore").exists()


def test_each_parameter_has_evidence_of_its_own(pytester: pytest.Pytester) -> None:
    """Also where its name has letters that no folder is given: one that passes leaves the other."""
    result = run(
        pytester,
        """
import pytest
@pytest.mark.parametrize("op", ["<", ">"])
@pytest.mark.lab("bridge")
def test_it(lab, op):
    lab.ping("ns1", "ns2")
    assert op == ">"
@pytest.mark.lab("bridge")
def test_plain(lab): assert lab.ping("ns1", "ns2") is None
""",
    )
    result.assert_outcomes(passed=1, failed=2)
    told = re.findall(r"evidence: (\S+)", result.stdout.str())
    assert len(told) == 2
    assert all((pytester.path / file).is_file() for file in told)
    assert told[1] == (
        ".pytest_hopscope/test_each_parameter_has_evidence_of_its_own.py-test_plain/report.html"
    )


def test_expectations_in_the_words_of_a_lab_file(pytester: pytest.Pytester) -> None:
    """A ping's own, and those of a story; what did not hold stands in the assertion."""
    result = run(
        pytester,
        """
import pytest
from hopscope import Fate
@pytest.mark.lab("bridge")
def test_path(lab):
    assert lab.ping("ns1", "ns2", expect={"path": ("ns1", "host/br0", "ns2"), "loss": "0%"}).held
    assert lab.ping("ns1", "ns2", expect={"path": ["ns1", "ns2"]}).held
@pytest.mark.lab("bridge")
def test_story(lab):
    assert lab.perform().held
    assert lab.perform().held
@pytest.mark.lab("bridge")
def test_fate(lab):
    assert lab.ping("ns1", "ns2").journeys[2].fate is Fate.DROPPED
@pytest.mark.lab("bridge")
def test_mistake(lab):
    lab.ping("ns1", "ns2", expect={"pth": []})
""",
    )
    result.assert_outcomes(failed=4)
    out = result.stdout.str()
    assert "expected path: ns1 → ns2, seen ns1/veth1a → host/veth1b → host/br0" in out
    assert re.search(r"<record of bridge-test_story-\S+: \d+ of \d+ expectations held; expe", out)
    assert "'delivered'> = <echo request, ns1 → host → ns2, delivered>.fate" in out
    assert re.search(r"test_expectations\S*:16:1: 'pth' is not a key of what a ping expects", out)
    (section,) = re.findall(r"hopscope: lab bridge-test_path.*?evidence", out, re.DOTALL)
    assert section.count("●") == 1  # the one that failed, in full; the other in a line
    assert "<ping ns1 → ns2 (10.244.1.4): 1 of 1 requests answered>" in section


def test_what_fails_before_the_test_and_what_is_expected_to(pytester: pytest.Pytester) -> None:
    """A fixture that fails is explained, too; an xfail leaves nothing."""
    result = run(
        pytester,
        """
import pytest
@pytest.fixture
def pinged(lab): assert lab.ping("ns1", "10.244.1.9", timeout=0.1).replied
@pytest.mark.lab("bridge")
def test_setup(lab, pinged): pass
@pytest.mark.lab("bridge")
@pytest.mark.xfail
def test_known(lab): assert not lab.ping("ns1", "ns2").replied
@pytest.mark.lab("bridge")
def test_nothing_was_pinged(lab): assert 0
@pytest.mark.lab("bridge")
def test_it_has_ended(lab):
    lab.down()
    assert 0
""",
    )
    result.assert_outcomes(errors=1, xfailed=1, failed=2)
    out = result.stdout.str()
    assert "no device in this lab has that address" in out
    assert out.count("nothing was pinged, and nothing expected") == 2
    folders = (path.name for path in (pytester.path / ".pytest_hopscope").glob("*-test_*"))
    kept = {name.partition(".py-")[2] for name in folders}
    assert kept == {"test_setup", "test_nothing_was_pinged"}


def test_several_labs_of_one_test(pytester: pytest.Pytester) -> None:
    """Each has its section, and its folder."""
    result = run(
        pytester,
        f"""
TWO = {TWO!r}
def test_two(labs):
    one, other = labs.text(TWO), labs.text(TWO)
    one.ping("ns1", "ns2"), other.ping("ns2", "ns1")
    assert 0
""",
    )
    out = result.stdout.str()
    assert len(re.findall(r"-+ hopscope: lab two-test_two-\S*\d+-[12] -+", out)) == 2
    assert len(list(pytester.path.rglob("report.html"))) == 2


def test_a_failed_lab_may_be_entered(pytester: pytest.Pytester) -> None:
    """With --hopscope-keep; what is printed can be typed. One that passed does not stay."""
    text = FAILING + '\n@pytest.mark.lab("bridge")\ndef test_fine(lab): pass\n'
    result = run(pytester, text, "--hopscope-keep")
    try:
        result.assert_outcomes(failed=1, passed=1)
        (name,) = running()
        out = result.stdout.str()
        home = os.environ["HOPSCOPE_STATE"]
        assert f"enter it: HOPSCOPE_STATE={home} hopscope shell {name}" in out
        (down,) = re.findall(r"end it: (.*)", out)
        path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
        done = subprocess.run(
            ["sh", "-c", f"echo 'iptables -S INPUT' | {down.replace(' down ', ' shell ')} ns2"],
            env={**os.environ, "PATH": path},
            capture_output=True,
            text=True,
            check=True,
        )
        assert "-A INPUT -p icmp -j DROP" in done.stdout
        subprocess.run(["sh", "-c", down], env={**os.environ, "PATH": path}, check=True)
        assert running() == []
    finally:
        for left in running():
            end(left)


def test_labs_that_stay_are_in_nobodys_way(pytester: pytest.Pytester) -> None:
    """Tests of one name, in two files, each find a name for theirs."""
    for folder in ("one", "other"):
        (pytester.path / folder).mkdir()
        (pytester.path / folder / "test_it.py").write_text(FAILING)
    result = pytester.runpytest_subprocess("--hopscope-keep", "--import-mode=importlib")
    try:
        result.assert_outcomes(failed=2)
        assert len(running()) == 2
    finally:
        for left in running():
            end(left)


def test_workers_do_not_meet(pytester: pytest.Pytester) -> None:
    """pytest-xdist: one lab in many tests at a time; a failure is explained from there."""
    result = run(
        pytester,
        f"""
import pytest
@pytest.mark.lab("bridge")
@pytest.mark.parametrize("number", range(6))
def test_many(lab, number):
    if number == 5:
        {DROP}
    assert lab.ping("ns1", "ns2", timeout=0.1 if number == 5 else 1.0).replied
""",
        "-n2",
    )
    result.assert_outcomes(passed=5, failed=1)
    out = result.stdout.str()
    assert re.search(r"hopscope: lab bridge-test_many-5-gw[01]-\d+-\d", out)
    assert "⇒ drop" in out
    assert len(list(pytester.path.rglob("report.html"))) == 1


def test_junit_has_the_journey(pytester: pytest.Pytester) -> None:
    """Where a CI shows why a test failed."""
    run(pytester, FAILING, "--junit-xml=found.xml")
    (failure,) = ET.parse(pytester.path / "found.xml").iter("failure")  # noqa: S314 - our own
    assert "⇒ drop" in (failure.text or "")


def test_the_marker_takes_one_lab(pytester: pytest.Pytester) -> None:
    """And a lab that is none is told as everywhere."""
    result = run(
        pytester,
        """
import pytest
@pytest.mark.lab
def test_none(lab): pass
@pytest.mark.lab("bridge", "router")
def test_two(lab): pass
@pytest.mark.lab("brigde")
def test_slip(lab): pass
def test_wrong(labs): labs.text("name: x\\nnods: {}")
""",
    )
    result.assert_outcomes(errors=3, failed=1)
    out = result.stdout.str()
    assert out.count("@pytest.mark.lab takes one lab") >= 2
    assert "did you mean 'bridge'?" in out
    assert "<test_wrong>:2:1: 'nods' is not a key of a lab file; did you mean 'nodes'?" in out


def test_a_mistake_is_told_in_the_tests_own_lines(pytester: pytest.Pytester) -> None:
    """Not in those of hopscope's own code; where the marker made it, in its words alone."""
    result = run(
        pytester,
        """
import pytest
@pytest.mark.lab("name: x\\nnods: {}")
def test_marked(lab): pass
@pytest.fixture
def mine(labs): return labs("brigde")
def test_fixture(mine): pass
@pytest.mark.lab("bridge")
def test_expect(lab):
    lab.ping("ns1", "ns2", expect={"replly": True})
@pytest.mark.lab("bridge")
def test_name(lab): lab.ping("ns1", "zzz")
def test_chain(labs):
    try: int("before that")
    except ValueError: labs.text("name: [")
""",
    )
    result.assert_outcomes(errors=2, failed=3)
    out = result.stdout.str()
    assert ">   def test_name(lab): lab.ping" in out
    assert "does not appear to be an IPv4" not in out
    assert "invalid literal for int() with base 10: 'before that'" in out
    assert out.count("During handling of the above exception") == 1
    assert "The above exception was the direct cause" not in out
    assert "did you mean 'reply'?" in out
    assert ">   def mine(labs): return labs" in out
    assert str(Path(hopscope.__file__).parent) not in out
    assert "traceback entries are hidden" not in out


def test_a_command_in_a_lab_that_ended_is_told_as_such(pytester: pytest.Pytester) -> None:
    """It is not broken into lines, so that it can be copied."""
    test = """
import pytest
@pytest.mark.lab("router")
def test_a_long_name_so_that_the_command_is_long_and_longer_than_a_line_of_the_account(lab):
    lab.run("gw", ["sysctl", "-w", "net.ipv4.ip_forward=0"])
    assert lab.ping("ns1", "ns2", timeout=0.1).replied
"""
    out = run(pytester, test).stdout.str()
    assert re.search(
        r"mend: hopscope set router-\S+ gw net\.ipv4\.ip_forward=1$", out, re.MULTILINE
    )
    assert "the lab has ended; for that command, first: pytest --hopscope-keep" in out


def test_expectations_of_tables_are_told_in_a_line(pytester: pytest.Pytester) -> None:
    """Beside the pings that went wrong."""
    story = TWO + "story: [expect: {no_address: [ns1/eth0]}, ping: ns1 -> ns2, expect: {fdb: {}}]"
    test = f"def test_it(labs): assert not labs({story!r}).perform() and 0"
    out = run(pytester, test).stdout.str()
    assert "ExpectResult(" not in out
    assert "<expect: 0 of 0 expectations held>" in out


def _unable(pytester: pytest.Pytester) -> list[str]:
    """A command that runs pytest where user namespaces are used up; root is nobody there."""
    pytester.makepyfile('import pytest\n@pytest.mark.lab("bridge")\ndef test_it(lab): pass\n')
    pytester.makeconftest(
        """
from hopscope.kernel.sandbox import Sandbox
from hopscope.errors import CannotError
def refuse(*_a, **_k): raise CannotError("no user namespaces here", mend="sysctl x=1")
Sandbox.start = refuse
"""
    )
    return ["-rs"]


def test_where_the_machine_cannot_a_test_is_skipped_with_the_reason(
    pytester: pytest.Pytester,
) -> None:
    """Or fails, with --hopscope-require."""
    words = _unable(pytester)
    result = pytester.runpytest_subprocess(*words)
    result.assert_outcomes(skipped=1)
    assert "this machine cannot run the lab: no user namespaces here" in result.stdout.str()
    assert "mend it with: sysctl x=1" in result.stdout.str()
    result = pytester.runpytest_subprocess(*words, "--hopscope-require")
    result.assert_outcomes(errors=1)
    assert "this machine cannot run the lab: no user namespaces here" in result.stdout.str()


LACKING = """
import errno
from hopscope.errors import KernelError
from hopscope.kernel.sandbox import Sandbox
LAB = "{name: line, nodes: {a: {}, b: {}}, links: [{ends: [a:e, b:e], delay: 20ms}]}"
SEND, NEWQDISC = Sandbox.send, 36

def refuse(sandbox, node, messages):
    error = KernelError(errno.ENOENT, "netem")
    error.index = next((n for n, one in enumerate(messages) if one.type == NEWQDISC), None)
    if error.index is None:
        return SEND(sandbox, node, messages)
    raise error

def test_it(labs, monkeypatch):
    monkeypatch.setattr(Sandbox, "send", refuse)
    labs.text(LAB)
"""


def test_what_the_kernel_lacks_skips_a_test(pytester: pytest.Pytester) -> None:
    """It is no mistake of the lab. Here a kernel that may have all of it plays one without."""
    pytester.makepyfile(LACKING)
    result = pytester.runpytest_subprocess("-rs")
    result.assert_outcomes(skipped=1)
    assert "this kernel has no netem" in result.stdout.str()


def test_whoever_does_not_use_it_does_not_pay(pytester: pytest.Pytester) -> None:
    """Of hopscope, nothing is loaded but the plugin itself."""
    result = run(
        pytester,
        """
import sys
def test_loaded():
    ours = {name for name in sys.modules if name.partition(".")[0] == "hopscope"}
    assert ours == {"hopscope", "hopscope.pytest_plugin"}
    assert not {"msgspec", "pydantic", "rich", "ruamel.yaml", "jinja2"} & set(sys.modules)
""",
        "-p",
        "no:xdist",
    )
    result.assert_outcomes(passed=1)


def test_the_options_and_fixtures_are_told(pytester: pytest.Pytester) -> None:
    """By pytest itself."""
    told = "\n".join(
        pytester.runpytest_subprocess(word).stdout.str()
        for word in ("--help", "--fixtures", "--markers")
    )
    for word in ("--hopscope-out=DIR", "--hopscope-keep", "--hopscope-require"):
        assert word in told
    assert "A builder of labs, which end" in told
    assert "@pytest.mark.lab(lab)" in told


UNUSED = """
import pytest
@pytest.mark.lab("bridge")
def test_without(): pass
@pytest.mark.lab("bridge")
def test_asked(request): request.getfixturevalue("lab").ping("ns1", "ns2")
@pytest.mark.lab("bridge")
class TestSome:
    def test_of_a_class(self): pass
"""


def test_a_marker_alone_builds_nothing(pytester: pytest.Pytester) -> None:
    """A warning says so; one for a whole class is for those of it that take the fixture."""
    result = run(pytester, UNUSED, "-W", "default")
    result.assert_outcomes(passed=3, warnings=1)
    (told,) = re.findall(r".*PytestWarning: (.*)", result.stdout.str())
    assert told == "@pytest.mark.lab builds no lab for a test that does not take the fixture 'lab'"

"""JUnit's XML: its counts, its texts, whatever characters they hold."""

from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hopscope.errors import Place
from hopscope.model.record import Check, ExpectResult
from hopscope.model.tried import Case, Outcome, Tried
from hopscope.render.junit import classname, junit


def case(outcome: Outcome, message: str = "", name: str = "1: expect") -> Case:
    check = Check(expected="a", seen="b", held=outcome is Outcome.PASSED, why="c")
    failed = outcome is Outcome.FAILED
    return Case(
        name=name,
        outcome=outcome,
        seconds=0.25,
        place=Place("x.yaml", 3, 5),
        message=message,
        result=ExpectResult(checks=(check,)) if failed else None,
    )


def tree(*labs: Tried) -> ET.Element:
    written = junit(labs, seconds=1.5, timestamp="2026-01-01T00:00:00+00:00", hostname="here")
    return ET.fromstring(written)  # noqa: S314 - our own


def lab(*cases: Case, note: str = "", file: str = "labs/two.yaml") -> Tried:
    return Tried(file=file, lab="two", cases=cases, seconds=0.5, note=note)


def test_counts_and_texts() -> None:
    """A failure has what was measured; a lab without a case is one that says so."""
    root = tree(
        lab(case(Outcome.PASSED), case(Outcome.FAILED, "no good"), case(Outcome.ERROR, "broken")),
        lab(note="asserts nothing", file="three.yaml"),
    )
    suite = root[0]
    counts = {key: suite.get(key) for key in ("tests", "failures", "errors", "skipped", "time")}
    assert counts == {
        "tests": "4",
        "failures": "1",
        "errors": "1",
        "skipped": "0",
        "time": "1.500",
    }
    passed, failed, broken, silent = suite
    assert dict(passed.attrib) == {"classname": "labs.two", "name": "1: expect", "time": "0.250"}
    assert list(passed) == []
    assert failed[0].tag == "failure"
    assert failed[0].get("message") == "no good"
    assert "✗ expected: a; seen: b — c" in (failed[0].text or "")
    assert (failed[0].text or "").startswith("x.yaml:3:5: no good")
    assert (broken[0].tag, broken[0].text) == ("error", "broken")
    assert (silent.get("classname"), silent[0].text) == ("three", "asserts nothing")


@pytest.mark.parametrize(
    ("file", "name"),
    [
        ("bridge.yaml", "bridge"),
        ("labs/deep/two.yml", "labs.deep.two"),
        ("/tmp/x/two.yaml", "tmp.x.two"),
        ("../two.yaml", "two"),
        ("./v1.2.yaml", "v1.2"),
    ],
)
def test_what_a_lab_is_called(file: str, name: str) -> None:
    """As a module of tests would be."""
    assert classname(file) == name


@given(st.text())
def test_any_text_is_xml(text: str) -> None:
    """Readers never choke, and what XML can hold arrives as it was."""
    (found,) = tree(lab(case(Outcome.ERROR, text, name=text)))[0]
    assert found[0].tag == "error"
    if text.isprintable():
        assert found.get("name") == text
        assert found[0].get("message") == text

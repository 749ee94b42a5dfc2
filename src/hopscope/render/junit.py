"""JUnit's XML of labs that were tested, with the attributes that pytest writes."""

import re
from collections.abc import Iterator, Sequence
from pathlib import PurePath
from typing import Final
from xml.etree import ElementTree as ET

from hopscope.model.tried import Case, Outcome, Tried
from hopscope.render.account import plain
from hopscope.render.text import result

__all__ = ["classname", "junit"]

_NO_XML: Final = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_TAGS: Final = {Outcome.FAILED: "failure", Outcome.ERROR: "error"}


def junit(labs: Sequence[Tried], *, seconds: float, timestamp: str, hostname: str) -> bytes:
    """One suite of all cases; a lab that asserts nothing is a case that passed, and says so."""
    root = ET.Element("testsuites", {"name": "hopscope tests"})
    cases = [case for lab in labs for case in lab.cases]
    outcomes = [case.outcome for case in cases]
    suite = ET.SubElement(
        root,
        "testsuite",
        {
            "name": "hopscope",
            "errors": str(outcomes.count(Outcome.ERROR)),
            "failures": str(outcomes.count(Outcome.FAILED)),
            "skipped": "0",
            "tests": str(len(cases) + sum(not lab.cases for lab in labs)),
            "time": f"{seconds:.3f}",
            "timestamp": timestamp,
            "hostname": hostname,
        },
    )
    for lab in labs:
        suite.extend(_cases(lab))
    ET.indent(root)
    written: bytes = ET.tostring(root, encoding="utf-8", xml_declaration=True)
    return written


def classname(file: str) -> str:
    """``labs/two.yaml`` is labs.two, as a test's module would be."""
    parts = PurePath(file).with_suffix("").parts
    return ".".join(part for part in parts if part not in ("/", ".", ".."))


def _cases(lab: Tried) -> Iterator[ET.Element]:
    if not lab.cases:
        silent = _case(lab, "story", lab.seconds)
        ET.SubElement(silent, "system-out").text = lab.note
        yield silent
    for case in lab.cases:
        element = _case(lab, case.name, case.seconds)
        if case.outcome is not Outcome.PASSED:
            attributes = {"message": _text(case.message)}
            below = ET.SubElement(element, _TAGS[case.outcome], attributes)
            below.text = _text(_account(case))
        yield element


def _case(lab: Tried, name: str, seconds: float) -> ET.Element:
    attributes = {
        "classname": _text(classname(lab.file)),
        "name": _text(name),
        "time": f"{seconds:.3f}",
    }
    return ET.Element("testcase", attributes)


def _account(case: Case) -> str:
    if case.result is None:
        return case.message
    where = f"{case.place}: " if case.place else ""
    return f"{where}{case.message}\n\n{plain(result(case.result))}"


def _text(text: str) -> str:
    """What XML can hold of it."""
    return _NO_XML.sub(lambda found: f"#x{ord(found[0]):02X}", text)

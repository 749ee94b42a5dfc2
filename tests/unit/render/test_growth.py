"""A form of a lab takes steps in proportion to the lab: counted, in lines of Python that ran."""

import sys
from collections.abc import Callable
from types import FrameType
from typing import Any

import pytest

from hopscope.model.lab import LabSpec
from hopscope.render.exports import FORMATS, export
from hopscope.spec import parse


def star(size: int) -> LabSpec:
    """Pods on four bridges of a host."""
    return _parsed(
        f"  host: {{bridges: {{{_each('br{}: {{}}')}}}}}",
        *(
            f"  p{i}x: {{count: {size // 4}, addresses: {{eth0: {{pool: 10.{i}.0.0/16}}}}}}"
            for i in range(4)
        ),
        "links:",
        *(f"  - [p{i}x:eth0, host:q{i}x@br{i}]" for i in range(4)),
    )


def tree(size: int) -> LabSpec:
    """Pods on four hosts, which are joined by a fifth."""
    return _parsed(
        *(f"  h{i}: {{bridges: {{br0: {{}}}}}}" for i in range(5)),
        *(f"  p{i}x: {{count: {size // 4}}}" for i in range(4)),
        "links:",
        *(f"  - [p{i}x:eth0, h{i}:q{i}x@br0]" for i in range(4)),
        *(f"  - [h{i}:up@br0, h4:d{i}@br0]" for i in range(4)),
    )


def apart(size: int) -> LabSpec:
    """Pairs that nothing joins."""
    half = size // 2
    return _parsed(f"  a: {{count: {half}}}", f"  b: {{count: {half}}}", "links: [[a:e, b:e]]")


def _each(text: str) -> str:
    return ", ".join(text.format(i) for i in range(4))


def _parsed(*lines: str) -> LabSpec:
    return parse("\n".join(["name: large", "nodes:", *lines, ""]), "large.yaml")


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("shape", [star, tree, apart])
def test_a_form_grows_as_the_lab_does(form: str, shape: Callable[[int], LabSpec]) -> None:
    """Twice the lab, twice the steps; a walk through all of it for each node takes four times."""
    few, many = shape(100), shape(200)
    export(few, form)  # what is loaded, or kept, once
    once, twice = _steps(lambda: export(few, form)), _steps(lambda: export(many, form))
    assert once > 100
    assert twice < 2.2 * once


def _steps(work: Callable[[], object]) -> int:
    counted = 0

    def trace(_frame: FrameType, event: str, _argument: object) -> Any:
        nonlocal counted
        counted += event == "line"
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        work()
    finally:
        sys.settrace(before)
    return counted

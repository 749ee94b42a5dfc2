"""What nobody wrote is set for something that can be told."""

import pytest

from hopscope.lab.declare import built_in, parse
from hopscope.plan.compile import compile_lab
from hopscope.plan.implied import purpose
from hopscope.plan.ops import SetSysctl


@pytest.mark.parametrize("name", built_in())
def test_each_that_is_implied_has_a_purpose(name: str) -> None:
    """And no other."""
    plan = compile_lab(parse(built_in()[name], f"{name}.yaml"))
    sysctls = [op for op in plan.ops if isinstance(op, SetSysctl)]
    assert any(op.implied for op in sysctls)
    for op in sysctls:
        said = purpose(op)
        assert (said is not None) is op.implied
        assert said is None or said.startswith("so that ")

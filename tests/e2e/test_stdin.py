"""A lab on standard input: each command that takes a lab file takes ``-``."""

from pathlib import Path
from typing import Any

import pytest

from labtexts import PAIR

pytestmark = pytest.mark.kernel


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("plan", "-"), "pair is not up; "),
        (("export", "-"), "ip netns add ns1"),
        (("run", "-", "--out"), "ping 1: ns1 "),
        (("test", "-"), "<stdin> "),
        (("reachability", "-"), "pair: "),
    ],
)
def test_a_lab_of_standard_input(
    hopscope: Any, tmp_path: Path, arguments: tuple[str, ...], said: str
) -> None:
    """It is read as a file is."""
    out = (str(tmp_path / "out"),) if "--out" in arguments else ()
    done = hopscope(*arguments, *out, stdin=PAIR)
    assert done.returncode == 0, done.stderr
    assert said in done.stdout


def test_up_of_standard_input(hopscope: Any) -> None:
    """It stands, and becomes what is given then."""
    assert hopscope("up", "-", stdin=PAIR).stdout.startswith("pair is up: ")
    done = hopscope("up", "-", stdin=PAIR.replace("10.244.1.2/24", "10.244.1.3/24"))
    assert "+ ns1: address 10.244.1.3/24 on veth1a  <stdin>:" in done.stdout
    assert hopscope("down", "pair").returncode == 0


def test_mistakes_of_standard_input_are_told_so(hopscope: Any) -> None:
    """With their lines."""
    done = hopscope("up", "-", stdin=PAIR.replace("name: pair", "nome: pair"))
    assert done.returncode == 2
    assert "<stdin>:1:1: " in done.stderr

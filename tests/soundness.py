"""Whatever is written, it is a lab, or it is told what is wrong and where: the judge of that."""

import json
import re
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from msgspec import to_builtins

from fakes import Recording, ReplayingKernel
from hopscope import spec
from hopscope.errors import Problem, SpecError
from hopscope.kernel.apply.firewall import restore_form
from hopscope.kernel.apply.messages import messages_of
from hopscope.plan.compile import compile_lab
from hopscope.plan.ops import AddRules, AddTap, MakeNodes, Plan, SetSysctl, is_netlink
from hopscope.spec import Listing
from hopscope.wire.netlink import pack, unpack
from labtexts import FILE

__all__ = ["HangError", "sound", "watched"]

_MOST: Final = 10.0  # seconds of this process's own time; the largest lab that is read takes 1
_LONGEST_MESSAGE: Final = 400


class HangError(AssertionError):
    """What was tried came to no end."""


@contextmanager
def watched(seconds: float = _MOST) -> Iterator[None]:
    """HangError is raised inside after that much processor time: others' load does not count."""

    def end(_number: int, _frame: object) -> None:
        raise HangError(f"no end after {seconds:g} seconds of processor time")

    before = signal.signal(signal.SIGVTALRM, end)
    signal.setitimer(signal.ITIMER_VIRTUAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)


def sound(text: str | bytes, listing: Listing) -> str:
    """Nothing but SpecError is raised, and every place is a place in the text.

    Returns the first rule that was broken; "" for a lab, whose operations are then known and said.
    """
    try:
        with watched():
            lab = spec.parse(text, FILE, listing=listing)
    except SpecError as error:
        _all_placed(text, error.problems)
        return error.problems[0].rule
    assert lab.name
    assert lab.nodes
    with watched():
        plan = compile_lab(lab)
        assert plan.ops
        _all_encoded(plan)
    return ""


def _all_encoded(plan: Plan) -> None:
    """What is built of it can be said to the kernel, and to iptables."""
    (names,) = (op.names for op in plan.ops if isinstance(op, MakeNodes))
    kernel = ReplayingKernel(Recording(kernel="", nodes=[*names]))
    for op in plan.ops:
        match op:
            case AddRules(tool="nft", lines=lines):
                assert all(line.encode() for line in lines)
            case AddRules(lines=lines):
                assert restore_form(lines)[0].encode()
            case MakeNodes() | SetSysctl() | AddTap():
                assert json.dumps(to_builtins(op)).encode()
            case _:
                assert is_netlink(op)
                messages = messages_of(plan, op, kernel)
                assert [one.payload for one in messages] == [
                    one.payload for said in messages for one in unpack(pack(said))
                ]


def _all_placed(text: str | bytes, problems: tuple[Problem, ...]) -> None:
    assert problems
    assert len(set(problems)) == len(problems)
    written = text if isinstance(text, str) else text.decode(errors="replace")
    lines = re.split(r"\r\n|[\n\r]", written.removeprefix("\ufeff"))
    for problem in problems:
        place = problem.place
        assert place.file == FILE
        assert 1 <= place.line <= len(lines), str(problem)
        assert 1 <= place.column <= len(lines[place.line - 1]) + 1, str(problem)
        assert problem.rule
        assert problem.message
        assert len(problem.message) < _LONGEST_MESSAGE

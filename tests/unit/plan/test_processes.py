"""Which processes are started, stopped, or go on when a lab is declared anew."""

import pytest
from msgspec import convert

from hopscope.model.change import Action
from hopscope.model.lab import LabSpec
from hopscope.model.process import ProcessState
from hopscope.plan.processes import changes, declared
from labtexts import parsed


def lab(run: str, more: str = "") -> LabSpec:
    return parsed(f"name: x\nnodes:\n  a:\n    run: {run}\n{more}")


def told(now: LabSpec, before: LabSpec | None) -> list[tuple[Action, str, str | None, str | None]]:
    """Action, process, and its command before and after."""
    return [(c.action, f"{c.node}/{c.name}", c.before, c.after) for c in changes(now, before)]


def test_all_of_a_fresh_lab_are_started() -> None:
    fresh = lab("[x 1, y]", "  b: {run: x}\n")
    assert [str(key) for key in declared(fresh)] == [
        "('a', 'x')",
        "('a', 'y')",
        "('b', 'x')",
    ]
    assert told(fresh, None) == [
        (Action.CREATE, "a/x", None, "x 1"),
        (Action.CREATE, "a/y", None, "y"),
        (Action.CREATE, "b/x", None, "x"),
    ]


def test_what_is_the_same_goes_on() -> None:
    """Wherever it stands now, and whatever makes it ready."""
    assert told(lab("\n    - x\n    - y"), lab("[y, x]")) == []
    assert told(lab("{command: x, ready: {tcp: 1}}"), lab("x")) == []


def test_what_differs_is_ended_and_started() -> None:
    assert told(lab("[x 2, z]"), lab("[x 1, y]")) == [
        (Action.REMOVE, "a/y", "y", None),
        (Action.CHANGE, "a/x", "x 1", "x 2"),
        (Action.CREATE, "a/z", None, "z"),
    ]
    for other in ("{command: x, env: {A: 1}}", "{command: x, restart: always}"):
        assert [one.action for one in changes(lab(other), lab("x"))] == [Action.CHANGE]


@pytest.mark.parametrize(
    ("now", "before", "said"),
    [
        ("env: {A: 1, B: c d}", "env: {A: 2}", ("env", "A=2", "A=1 B=c d")),
        ("env: {A: 1}", "restart: never", ("env", "none", "A=1")),
        ("stop: 2.5", "stop: 3", ("stop", "3 s", "2.5 s")),
        (
            "restart: always, stop: 1",
            "restart: never",
            ("restart, stop", "never, 3 s", "always, 1 s"),
        ),
    ],
)
def test_what_differs_beside_the_command_is_named(
    now: str, before: str, said: tuple[str, str, str]
) -> None:
    (one,) = changes(lab(f"{{command: x, {now}}}"), lab(f"{{command: x, {before}}}"))
    assert (one.attribute, one.before, one.after) == said


def fares(
    phase: str, code: int | None = None, *, name: str = "x", restarts: int = 0
) -> ProcessState:
    """A state of a process of node a."""
    told: dict[str, object]
    told = {"node": "a", "name": name, "argv": ["x"], "restart": "never", "phase": phase}
    told |= {"pid": 0 if code is not None else 7, "code": code, "restarts": restarts, "since": 0}
    return convert(told, ProcessState)


@pytest.mark.parametrize(
    ("state", "expected"),
    [
        (fares("running"), None),
        (fares("starting"), None),
        (fares("exited", 0), None),  # it has done what it was for, or left a daemon behind
        (fares("restarting", 0), None),  # always: it is about to run again
        (fares("exited", 5), "exited: exit status 5"),
        (fares("exited", -9), "exited: killed by signal 9"),
        (fares("restarting", 1, restarts=3), "restarting: exit status 1, restarted 3 times"),
        (fares("restarting", 1, restarts=1), "restarting: exit status 1, restarted once"),
        (fares("running", name="other"), "None: it was never started"),
    ],
)
def test_one_that_is_the_same_and_has_failed(state: ProcessState, expected: str | None) -> None:
    """It is to run; why it does not is told, with the line that declares it."""
    lab_ = lab("x")
    found = list(changes(lab_, lab_, [state]))
    assert [f"{one.before}: {one.why}" for one in found] == ([expected] if expected else [])
    for one in found:
        assert (one.action, one.attribute, one.after) == (Action.CHANGE, "state", "running")
        assert one.place == lab_.nodes[0].run[0].place


def test_one_that_has_failed_and_is_declared_otherwise_is_told_once() -> None:
    (one,) = changes(lab("x 2"), lab("x 1"), [fares("exited", 5)])
    assert (one.before, one.after, one.attribute) == ("x 1", "x 2", "")

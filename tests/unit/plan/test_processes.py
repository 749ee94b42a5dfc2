"""Which processes are started, stopped, or go on when a lab is declared anew."""

from hopscope.model.change import Action
from hopscope.model.lab import LabSpec
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

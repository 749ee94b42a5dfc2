"""The declared rules of a node whose other rules are not ours against ours that are there."""

from collections.abc import Iterator, Sequence

from hopscope.model.change import Action, Subject
from hopscope.plan.difference import Difference, told
from hopscope.plan.ops import RemoveRules
from hopscope.plan.wanted import Wanted
from hopscope.plan.world import MarkedRule, World

__all__ = ["marked"]


def marked(wanted: Wanted, world: World) -> Iterator[Difference]:
    """Those of one tool are one whole: where any differs, all of ours are given to it again."""
    if (rules := world.marked) is None:
        return
    for tool in sorted({*rules.now, *rules.goal}):
        now, goal = rules.now.get(tool, ()), rules.goal.get(tool, ())
        ordered = tool not in rules.unordered
        there, wished = _told(now, ordered=ordered), _told(goal, ordered=ordered)
        if there == wished:
            continue
        from hopscope.plan.rulelines import rule_lines  # noqa: PLC0415 - seldom wanted

        lines = rule_lines(
            *([f"{tool} -t {t} -A {c} {text}" for t, c, text in one] for one in (there, wished))
        )
        ops = tuple(op for op in wanted.rules.get(rules.node, ()) if op.tool == tool)
        action = Action.CREATE if not now else Action.CHANGE if goal else Action.REMOVE
        place = next((op.place for op in ops), None)
        gone = tuple(rule.deletion for rule in now)
        yield Difference(
            change=told(
                action, Subject.RULES, rules.node, f"{tool} rules", place=place, lines=lines
            ),
            removes=(RemoveRules(node=rules.node, tool=tool, lines=gone),) if now else (),
            makes=ops,
        )


def _told(rules: Sequence[MarkedRule], *, ordered: bool) -> list[tuple[str, str, str]]:
    """Chain by chain, in their order there, or in one that is always the same."""
    if ordered:
        rules = sorted(rules, key=lambda rule: (rule.table, rule.chain))
        return [(rule.table, rule.chain, rule.text) for rule in rules]
    return sorted((rule.table, rule.chain, rule.text) for rule in rules)

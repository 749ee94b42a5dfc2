"""A story's steps that add firewall rules: every line that is refused is told at once."""

from collections.abc import Iterator, Sequence

from hopscope.errors import Problem, SpecError, ToolError
from hopscope.kernel.apply import firewall
from hopscope.kernel.sandbox import Sandbox
from hopscope.lab.running import RunningLab
from hopscope.model.lab import FirewallStep, RuleLine
from hopscope.model.record import FirewallResult
from hopscope.model.vocab import NodeName

__all__ = ["add_step"]


def add_step(lab: RunningLab, step: FirewallStep) -> Iterator[FirewallResult]:
    """Add the rules node by node; once one is refused, those that are left are only tried.

    Raises SpecError with each line that is refused, else as `RunningLab.add_rules`.
    """
    refused: list[Problem] = []
    asked: dict[NodeName, list[RuleLine]] = {}
    for node, rule in step.lines:
        asked.setdefault(node, []).append(rule)
    tried: set[tuple[str, ...]] = set()
    for node, rules in asked.items():
        texts = tuple(rule.text for rule in rules)
        if refused:
            if texts not in tried:  # replicas of a node have the same
                refused += _refusals(lab.sandbox, step.tool, node, rules)
        else:
            try:
                lab.add_rules(step.tool, node, texts, places=[rule.place for rule in rules])
            except SpecError as error:
                refused += error.problems
                left = _unjudged(rules, error.problems[0])
                refused += _refusals(lab.sandbox, step.tool, node, left)
            else:
                yield FirewallResult(tool=step.tool, node=node, lines=texts)
        tried.add(texts)
    if refused:
        raise SpecError(sorted(refused, key=lambda problem: problem.place))


def _unjudged(rules: Sequence[RuleLine], refused: Problem) -> list[RuleLine]:
    """Those that nobody judged yet: the tables before the one that was refused stand."""
    tables = [firewall.arguments(rule.text)[0] for rule in rules]
    bad = [rule.place for rule in rules].index(refused.place)  # on the host the text has our mark
    order = list(dict.fromkeys(tables))
    left = order[order.index(tables[bad]) :]
    return [r for n, r in enumerate(rules) if n != bad and tables[n] in left]


def _refusals(
    sandbox: Sandbox, tool: str, node: NodeName, rules: Sequence[RuleLine]
) -> Sequence[Problem]:
    """What their tool refuses of them, tried behind *node*'s own rules where nothing comes of it.

    A set of addresses is in its namespace only, so rules that ask for one are not judged.
    """
    had = firewall.saved(sandbox, node).get(tool, ())
    tried = [rule for rule in rules if "--match-set" not in rule.text]
    lines = [*had, *(rule.text for rule in tried)]
    places = [*[None] * len(had), *(rule.place for rule in tried)]
    try:
        with sandbox.fresh_node() as fresh:
            firewall.add_iptables(sandbox, fresh, tool, lines, places, flushing=True)
    except SpecError as error:
        return error.problems
    except ToolError:  # of what the node has: it is nobody's mistake
        pass
    return ()

"""All firewall rules of a lab given to their tools, in namespaces that have nothing else."""

from collections.abc import Iterator, Sequence

from hopscope.errors import Problem, SpecError
from hopscope.kernel.apply.plan import apply
from hopscope.lab.passing import passing
from hopscope.model.lab import FirewallStep, LabSpec, NodeSpec, RuleLine
from hopscope.model.vocab import NodeName
from hopscope.plan.compile import compile_lab

__all__ = ["refused_rules"]


def refused_rules(spec: LabSpec) -> Sequence[Problem]:
    """What the tools refuse of the rules that *spec* declares, and that its story adds.

    Raises CannotError where there is no such tool, or no sandbox can be made.
    """
    nodes = {(n.iptables, n.ip6tables, n.nft): n for n in _bare(spec)}  # replicas are alike
    if not nodes:
        return ()
    plan = compile_lab(LabSpec(name=spec.name, nodes=tuple(nodes.values())))
    try:
        with passing("check") as sandbox:
            apply(plan, sandbox)
    except SpecError as error:
        return sorted(error.problems, key=lambda problem: problem.place)
    return ()


def _bare(spec: LabSpec) -> Iterator[NodeSpec]:
    """Nodes with their rules, and without anything else."""
    for node in spec.nodes:
        rules = NodeSpec(
            name=node.name,
            iptables=(*node.iptables, *_added(spec, "iptables", node.name)),
            ip6tables=(*node.ip6tables, *_added(spec, "ip6tables", node.name)),
            nft=node.nft,
        )
        if rules.iptables or rules.ip6tables or rules.nft:
            yield rules


def _added(spec: LabSpec, tool: str, node: NodeName) -> Iterator[RuleLine]:
    """What the story adds, in its order."""
    for step in spec.story:
        if isinstance(step, FirewallStep) and step.tool == tool:
            yield from (rule for name, rule in step.lines if name == node)

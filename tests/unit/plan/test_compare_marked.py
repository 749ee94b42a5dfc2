"""Rules of ours among others' rules: what is declared against what is there."""

from comparing import HOST, snapshot, told
from hopscope.model.change import Action
from hopscope.model.vocab import NodeName
from hopscope.plan.compare_marked import marked
from hopscope.plan.ops import AddRules, MakeNodes, Plan, RemoveRules
from hopscope.plan.wanted import Wanted, wanted
from hopscope.plan.world import Marked, MarkedRule, World

FIRST = MarkedRule(table="filter", chain="FORWARD", number=2, text="-p icmp -j ACCEPT")
SECOND = MarkedRule(table="filter", chain="FORWARD", number=5, text="-p tcp -j ACCEPT")
OTHER = MarkedRule(table="nat", chain="POSTROUTING", number=1, text="-j MASQUERADE")
ADDED = AddRules(node=HOST, tool="iptables", lines=("-A FORWARD -j ACCEPT",), places=())


def goal(*ops: AddRules) -> Wanted:
    """A lab with these rules."""
    nodes = MakeNodes(names=(NodeName("host"),), home=NodeName("host"))
    return wanted(Plan(ops=(nodes, *ops), indexes={}))


def there(now: tuple[MarkedRule, ...], then: tuple[MarkedRule, ...], *unordered: str) -> World:
    """A host with these rules of ours, which should be those."""
    rules = Marked(
        node=HOST,
        now={"iptables": now},
        goal={"iptables": then} if then else {},
        unordered=frozenset(unordered),
    )
    return World(snapshot(), sysctls={}, defaults={}, expected_rules={}, marked=rules)


def test_a_node_whose_rules_are_all_ours_is_not_asked() -> None:
    world = World(snapshot(), sysctls={}, defaults={}, expected_rules={})
    assert list(marked(goal(ADDED), world)) == []


def test_where_others_rules_lie_between_does_not_matter() -> None:
    """Nor in which order the tool tells tables."""
    moved = (OTHER, FIRST, SECOND)
    assert list(marked(goal(ADDED), there((FIRST, SECOND, OTHER), moved))) == []


def test_another_order_makes_all_anew() -> None:
    (found,) = marked(goal(ADDED), there((FIRST, SECOND), (SECOND, FIRST)))
    assert told([found]) == [(Action.CHANGE, "iptables rules", "", None, None)]
    lines = ("-t filter -D FORWARD -p icmp -j ACCEPT", "-t filter -D FORWARD -p tcp -j ACCEPT")
    assert found.change.lines == (
        "+ iptables -t filter -A FORWARD -p tcp -j ACCEPT",
        "- iptables -t filter -A FORWARD -p tcp -j ACCEPT",
    )
    assert found.removes == (RemoveRules(node=HOST, tool="iptables", lines=lines),)
    assert found.makes == (ADDED,)


def test_of_rules_put_behind_others_the_order_is_not_known() -> None:
    """But which they are."""
    assert list(marked(goal(ADDED), there((FIRST, SECOND), (SECOND, FIRST), "iptables"))) == []
    assert len(list(marked(goal(ADDED), there((FIRST,), (SECOND, FIRST), "iptables")))) == 1


def test_rules_come_and_go() -> None:
    (come,) = marked(goal(ADDED), there((), (FIRST,)))
    (gone,) = marked(goal(), there((FIRST,), ()))
    assert [one.change.action for one in (come, gone)] == [Action.CREATE, Action.REMOVE]
    assert (come.removes, gone.makes) == ((), ())


def test_a_rule_is_put_back_to_its_place() -> None:
    assert SECOND.insertion == "-t filter -I FORWARD 5 -p tcp -j ACCEPT"

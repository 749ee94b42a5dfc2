"""Policy rules that are declared against those that there are."""

from comparing import GUEST, found, lab, snapshot, told, work, world
from hopscope.model.change import Action
from hopscope.model.lab import PolicySpec
from hopscope.model.snapshot import PolicyRule, Snapshot
from hopscope.model.vocab import DevName, Family
from hopscope.plan.compare import differences
from hopscope.plan.ops import AddPolicyRule, RemovePolicyRules
from hopscope.plan.restore import plan_of
from hopscope.plan.wanted import wanted

USUAL = (
    PolicyRule(family=Family.IP, priority=0, table=255),
    PolicyRule(family=Family.IP, priority=32766, table=254),
    PolicyRule(family=Family.IP, priority=32767, table=253),
)
RULED = lab(guest="policy: [from 10.0.0.1 iif eth0 fwmark 0x10/0xff lookup main priority 9]")
RULE = PolicyRule(
    family=Family.IP,
    priority=9,
    table=254,
    source="10.0.0.1/32",
    conditions=("iif", "fwmark"),
    values={"iif": "eth0", "fwmark": "0x10/0xff"},
)
STRANGE = PolicyRule(family=Family.IP, priority=9, table=7, conditions=("tos",))


def ruled(*rules: PolicyRule) -> Snapshot:
    """With these in the guest."""
    return snapshot(guest={"policy_rules": rules})


def test_what_is_as_declared_does_not_differ() -> None:
    assert told(found(RULED, ruled(*USUAL, RULE))) == []


def test_a_kernel_without_rules_of_a_family_is_asked_for_none() -> None:
    """As one that was built without IPv6."""
    assert told(found(lab(), ruled())) == []


def test_a_usual_rule_comes_back() -> None:
    now = ruled(*USUAL[:2])
    assert told(found(lab(), now)) == [(Action.CREATE, "32767", "", None, "lookup 253")]
    usual = PolicySpec(priority=32767, table=253)
    assert work(lab(), now) == [AddPolicyRule(node=GUEST, rule=usual)]


def test_rules_of_one_priority_come_anew_in_their_order() -> None:
    """All there are removed, as the kernel removes the first that fits."""
    now = ruled(*USUAL, STRANGE, RULE)
    assert told(found(RULED, now)) == [
        (
            Action.CHANGE,
            "9",
            "",
            "tos … lookup 7 + from 10.0.0.1/32 iif eth0 fwmark 0x10/0xff lookup 254",
            "from 10.0.0.1/32 iif eth0 fwmark 0x10/0xff lookup 254",
        )
    ]
    rule = PolicySpec(
        table=254,
        source="10.0.0.1/32",
        iif=DevName("eth0"),
        fwmark=16,
        fwmask=255,
        priority=9,
    )
    assert work(RULED, now) == [
        RemovePolicyRules(node=GUEST, priority=9, number=2),
        AddPolicyRule(node=GUEST, rule=rule),
    ]


def test_what_no_plan_can_tell_is_left_alone_on_the_way_back() -> None:
    now = ruled(*USUAL, STRANGE)
    before = wanted(plan_of(now, world(now).sysctls, {}))
    assert [op.rule.priority for op in before.policy[GUEST]] == [0, 32766, 32767]
    assert told(differences(before, world(now, only_told=True))) == []
    changed = ruled(*USUAL, STRANGE, PolicyRule(family=Family.IP6, priority=3, table=7))
    assert told(differences(before, world(changed, only_told=True))) == [
        (Action.REMOVE, "3 of IPv6", "", "lookup 7", None)
    ]


def test_on_the_way_back_a_usual_rule_that_was_gone_is_not_made() -> None:
    """Only what there was."""
    now = ruled(USUAL[0])
    before = wanted(plan_of(now, world(now).sysctls, {}))
    assert told(differences(before, world(now, only_told=True))) == []

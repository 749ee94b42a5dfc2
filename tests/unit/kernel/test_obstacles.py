"""A refusal is taken for an absence only where the kernel says so of what may be absent."""

import errno

import pytest

from hopscope.kernel.apply.obstacles import obstacle
from hopscope.model.devices import Vlan
from hopscope.model.vocab import DevName, DevRef, Mac, NodeName
from hopscope.plan.ops import (
    AddBridge,
    AddTap,
    AddVeth,
    ChangeBridge,
    ChangeVlans,
    NewEnd,
    Op,
    SetUp,
    SetVlans,
)

HOST, BR0 = NodeName("host"), DevName("br0")
KIND = "Unknown device type"
END = NewEnd(ref=DevRef(HOST, DevName("a")), mac=Mac("02:00:00:00:00:01"), bridge=None)
VETH = AddVeth(near=END, far=END, up=True)


@pytest.mark.parametrize(
    ("op", "code", "said", "what"),
    [
        (AddBridge(node=HOST, name=BR0), errno.EOPNOTSUPP, KIND, "bridges"),
        (
            AddBridge(node=HOST, name=BR0, vlan_filtering=True),
            *(errno.EOPNOTSUPP, KIND, "bridges"),
        ),
        (VETH, errno.EOPNOTSUPP, KIND, "veth pairs"),
        (
            AddBridge(node=HOST, name=BR0, vlan_filtering=True),
            errno.EOPNOTSUPP,
            "",
            "VLAN filtering of bridges",
        ),
        (
            ChangeBridge(node=HOST, dev=BR0, vlan_filtering=True),
            errno.EOPNOTSUPP,
            "",
            "VLAN filtering of bridges",
        ),
        (
            ChangeVlans(node=HOST, dev=BR0, leaves=(1,)),
            errno.EOPNOTSUPP,
            "",
            "VLAN filtering of bridges",
        ),
        (
            SetVlans(node=HOST, dev=BR0, vlans=(Vlan(vid=1),)),
            errno.EOPNOTSUPP,
            "",
            "VLAN filtering of bridges",
        ),
    ],
)
def test_what_is_absent_is_named(op: Op, code: int, said: str, what: str) -> None:
    found = obstacle(op, code, said)
    assert found is not None
    assert found.what == f"this kernel has no {what}"
    assert found.mend


@pytest.mark.parametrize("code", [errno.EACCES, errno.EPERM])
def test_a_tap_takes_a_file_that_users_may_open(code: int) -> None:
    found = obstacle(AddTap(node=HOST, name=DevName("t0")), code)
    assert found is not None
    assert found.mend.endswith("chmod 666 /dev/net/tun")


@pytest.mark.parametrize(
    ("op", "code"),
    [
        (AddTap(node=HOST, name=DevName("t0")), errno.EBUSY),
        (AddBridge(node=HOST, name=BR0, vlan_filtering=True), errno.EEXIST),
        (AddBridge(node=HOST, name=BR0), errno.EOPNOTSUPP),
        (VETH, errno.EOPNOTSUPP),
        (ChangeBridge(node=HOST, dev=BR0, vlan_filtering=False), errno.EOPNOTSUPP),
        (SetUp(node=HOST, dev=BR0), errno.ENOENT),
    ],
)
def test_any_other_refusal_is_the_labs(op: Op, code: int) -> None:
    assert obstacle(op, code) is None

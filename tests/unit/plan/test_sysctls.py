"""Sysctls that follow others, that the kernel tells in other words, or that leave a trace."""

import pytest

from comparing import GUEST, HOST, lab, snapshot, told, world
from hopscope.model.vocab import NodeName
from hopscope.plan.compare import differences
from hopscope.plan.compile import compile_lab
from hopscope.plan.ops import Op, SetSysctl
from hopscope.plan.sysctls import (
    default_of_loopback,
    doubtful,
    lasting,
    takes_the_default,
    written,
)
from hopscope.plan.wanted import Wanted, wanted
from hopscope.plan.world import Sysctls, World
from hopscope.spec import parse

PORTS = "net/ipv4/ip_local_reserved_ports"
SECRET = "net/ipv6/conf/eth0/stable_secret"  # noqa: S105 - a path
DEFAULT_SECRET = SECRET.replace("eth0", "default")
TOLD = {(PORTS, "8080,8081"): "8080-8081", (DEFAULT_SECRET, "fd00::1"): "fd00:0000"}


def goal(sysctls: str) -> Wanted:
    """What is wanted of that lab when its guest declares these."""
    return wanted(compile_lab(parse(lab(guest=f"sysctls: {{{sysctls}}}"), "lab.yaml")))


def there(sysctls: Sysctls) -> World:
    """The lab, with these, and without IPv6's being kept off."""
    return World(
        snapshot(),
        sysctls={**world(snapshot()).sysctls, **sysctls},
        defaults={},
        expected_rules={},
        spelled=TOLD,
    )


def changes(declared: str, now: Sysctls) -> list[tuple[str, str | None, str | None]]:
    """What differs of the guest's own."""
    found = told(differences(goal(declared), there(now)))
    return [(name, before, after) for _do, name, _of, before, after in found if "ipv6" not in name]


@pytest.mark.parametrize("now", ["8080,8081", "8080-8081"])
def test_what_the_kernel_tells_of_it_is_as_declared(now: str) -> None:
    """Where it tells that, or the same words."""
    declared = "net.ipv4.ip_local_reserved_ports: '8080,8081'"
    assert changes(declared, {(GUEST, PORTS): now}) == []


def test_whatever_else_it_tells_is_not() -> None:
    """The change tells what is declared in the words of the lab file."""
    declared = "net.ipv4.ip_local_reserved_ports: '8080,8081'"
    name = "net.ipv4.ip_local_reserved_ports"
    assert changes(declared, {(GUEST, PORTS): "8080"}) == [(name, "8080", "8080,8081")]


def test_a_device_takes_after_what_the_kernel_tells_of_the_default() -> None:
    """Once its own is no longer declared."""
    declared = "net.ipv6.conf.default.stable_secret: 'fd00::1'"
    now: Sysctls = {(GUEST, DEFAULT_SECRET): "fd00:0000", (GUEST, SECRET): "fd00:0000"}
    found = told(differences(goal(declared), there(now)))
    assert not [one for one in found if "stable_secret" in one[1]]


def test_a_secret_that_is_no_longer_declared_is_told() -> None:
    """Nobody can give it back: without any the kernel tells none."""
    now: Sysctls = {(GUEST, SECRET): "fd00:0000"}
    found = told(differences(goal(""), there(now)))
    assert [one[1:] for one in found] == [("net.ipv6.conf.eth0.stable_secret", "", "fd00:0000", "")]


def test_only_what_reads_otherwise_is_doubtful() -> None:
    """Of a device it would be tried as the default."""
    own = "net.ipv4.ip_forward: 1, net.ipv4.neigh.eth0.gc_stale_time: '07'"
    default = "net/ipv4/neigh/default/gc_stale_time"
    now: Sysctls = {
        (GUEST, "net/ipv4/ip_forward"): "1",
        (GUEST, "net/ipv4/neigh/eth0/gc_stale_time"): "7",
    }
    assert doubtful(goal(own), {**world(snapshot()).sysctls, **now}) == {(default, "07")}
    assert {("net/ipv4/ip_forward", "1"), (default, "07")} <= written(goal(own))


FOLLOWING = {
    "net/ipv4/conf/eth0/rp_filter": True,
    "net/ipv4/conf/lo/rp_filter": True,
    "net/ipv4/conf/lo/route_localnet": False,
    "net/ipv6/conf/eth0/accept_ra": True,
    "net/ipv6/conf/lo/accept_ra": False,
    "net/ipv6/conf/eth0/mtu": False,
    "net/ipv4/ip_forward": False,
}


@pytest.mark.parametrize("path", FOLLOWING)
def test_which_take_after_a_default(path: str) -> None:
    """Of loopback those of IPv4 do that are not set for all at once."""
    assert takes_the_default(path) is FOLLOWING[path]


def test_loopback_takes_after_the_default_again() -> None:
    """When its own is no longer declared."""
    assert default_of_loopback("net/ipv4/conf/lo/rp_filter") == "net/ipv4/conf/default/rp_filter"
    now: Sysctls = {
        (GUEST, "net/ipv4/conf/default/rp_filter"): "1",
        (GUEST, "net/ipv4/conf/lo/rp_filter"): "2",
    }
    assert changes("net.ipv4.conf.default.rp_filter: 1", now) == [
        ("net.ipv4.conf.lo.rp_filter", "2", "1")
    ]


def sets(path: str, node: NodeName = GUEST) -> Op:
    """An operation."""
    return SetSysctl(node=node, path=path, value="3")


LASTING = {
    "all": (sets("net/ipv6/conf/all/addr_gen_mode"), True),
    "a device": (sets("net/ipv6/conf/eth0/addr_gen_mode"), True),
    "a secret": (sets(SECRET), True),
    "a device to come": (sets("net/ipv6/conf/eth9/addr_gen_mode"), False),
    "a node to come": (sets("net/ipv6/conf/all/addr_gen_mode", NodeName("new")), False),
    "another": (sets("net/ipv6/conf/all/forwarding"), False),
    "a namesake": (sets("net/ipv4/conf/all/addr_gen_mode"), False),
}


@pytest.mark.parametrize("which", LASTING)
def test_what_gave_addresses_cannot_be_undone(which: str) -> None:
    """As long as it stands what had them."""
    op, lasts = LASTING[which]
    first = sets("net/ipv4/ip_forward", HOST)
    assert lasting(goal(""), there({}), [first, op]) == (op if lasts else None)


def test_forwarding_goes_first() -> None:
    """It sets whether redirects are accepted, which a line before it may have said."""
    declared = "net.ipv4.conf.all.accept_redirects: 1, net.ipv4.ip_forward: 1"
    plan = compile_lab(parse(lab(guest=f"sysctls: {{{declared}}}"), "lab.yaml"))
    paths = [op.path for op in plan.ops if isinstance(op, SetSysctl) and op.node == GUEST]
    assert paths[-2:] == ["net/ipv4/ip_forward", "net/ipv4/conf/all/accept_redirects"]

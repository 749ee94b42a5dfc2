"""What follows from attempts: states, reasons and commands that mend."""

import errno
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from hopscope.kernel.machine import abilities as module
from hopscope.kernel.machine.abilities import Ability, State, abilities, can_run
from hopscope.kernel.machine.trial import KINDS, NAMESPACES, QUEUES, Tried

ATTEMPTS = (
    *NAMESPACES,
    *("mounts", "proc", "sysfs", "sysctl", "tun", "br_netfilter", "trace", "log", "iptables"),
    *("ip6tables", "nft", "conntrack", "bpf"),
    *KINDS,
    *QUEUES,
)
ALL_WELL = {name: Tried(0) for name in ATTEMPTS}
Examine = Callable[..., dict[str, Ability]]


@pytest.fixture
def examine(monkeypatch: pytest.MonkeyPatch) -> Examine:
    """Abilities by name, of a machine where some attempts went otherwise than well."""

    def examined(
        failed: Mapping[str, Tried] | None = None,
        *,
        root: bool = False,
        unreached: tuple[str, ...] = (),
        version: str = "v1.8.9 (nf_tables)",
        tools: bool = True,
    ) -> dict[str, Ability]:
        def try_out(**_asked: Any) -> dict[str, Tried]:
            tried = {**ALL_WELL, **(failed or {})}
            return {name: tried[name] for name in tried if name not in unreached}

        monkeypatch.setattr(module, "try_out", try_out)
        monkeypatch.setattr(module, "privileged", lambda: root)
        monkeypatch.setattr(module, "_said", lambda argv: version)
        monkeypatch.setattr("shutil.which", lambda name, path="": name if tools else None)
        return {ability.what: ability for ability in abilities()}

    return examined


def test_a_machine_that_can_everything(examine: Examine) -> None:
    found = examine()
    assert can_run(tuple(found.values()))
    states = {what: a.state for what, a in found.items() if what not in ("root", "BPF tracepoints")}
    assert set(states.values()) == {State.OK}


def test_what_is_needed_comes_first(examine: Examine) -> None:
    needed = [ability.needed for ability in examine().values()]
    assert needed == sorted(needed, reverse=True)


def test_user_namespaces_are_needed_without_root_alone(examine: Examine) -> None:
    refused = {"user": Tried(errno.EPERM, "no")}
    assert not can_run(tuple(examine(refused).values()))
    assert can_run(tuple(examine(refused, root=True).values()))


def test_a_namespace_that_may_do_nothing(examine: Examine) -> None:
    """AppArmor lets the user namespace be made, and then refuses what it is for."""
    found = examine({"mounts": Tried(errno.EACCES, "Permission denied")})
    assert found["user namespaces"].state is State.MISSING
    assert found["user namespaces"].mend


@pytest.mark.parametrize("name", ["bridge", "veth", "br_netfilter", "trace", "log", "conntrack"])
def test_a_needed_feature_decides(examine: Examine, name: str) -> None:
    found = examine({name: Tried(errno.EOPNOTSUPP, "Unknown device type")})
    missing = [ability for ability in found.values() if ability.state is State.MISSING]
    assert [ability.found for ability in missing] == ["Unknown device type"]
    assert missing[0].mend
    assert not can_run(tuple(found.values()))


@pytest.mark.parametrize("name", ["vlan", "macvlan", "vxlan", "ifb", "tun", *QUEUES, "ip6tables"])
def test_an_optional_feature_does_not(examine: Examine, name: str) -> None:
    found = examine({name: Tried(errno.ENOENT, "no")})
    assert [a.state for a in found.values()].count(State.MISSING) == 1
    assert can_run(tuple(found.values()))


def test_a_tap_may_be_kept_from_users(examine: Examine) -> None:
    """The kernel has them, and the file by which they are made is root's."""
    found = examine({"tun": Tried(errno.EACCES, "Permission denied")})
    assert found["tun/tap"].mend.endswith("chmod 666 /dev/net/tun")


def test_own_proc_and_sys_can_be_done_without(examine: Examine) -> None:
    """But not sysctls."""
    found = examine({"proc": Tried(errno.EPERM, "no"), "sysfs": Tried(errno.EPERM, "no")})
    assert found["own /proc, /sys, /run"].state is State.LIMITED
    assert can_run(tuple(found.values()))
    assert not can_run(tuple(examine({"sysctl": Tried(errno.EROFS, "ro")}).values()))


def test_legacy_iptables_is_limited(examine: Examine) -> None:
    """It works, and nf_tables sees none of its rules."""
    found = examine(version="v1.8.9 (legacy)")["iptables"]
    assert found.state is State.LIMITED
    assert "update-alternatives --set iptables" in found.mend


def test_no_tools(examine: Examine) -> None:
    found = examine(tools=False)
    assert (found["iptables"].state, found["iptables"].found) == (State.MISSING, "not installed")
    assert not can_run(tuple(found.values()))


def test_what_was_not_reached_is_no_accusation(examine: Examine) -> None:
    """The first failure is the one to mend."""
    rest = tuple(name for name in ATTEMPTS if name not in ("user", "mnt"))
    found = examine({"mnt": Tried(errno.ENOSPC, "No space left")}, unreached=rest)
    assert "max_mnt_namespaces" in found["namespaces"].mend
    assert found["veth"].mend == "mend what is above"

"""Which command mends what, on machines that are folders."""

import errno
import os
from pathlib import Path

import pytest

from hopscope.kernel.machine import mending


@pytest.fixture
def ordinary(monkeypatch: pytest.MonkeyPatch) -> None:
    """An ordinary user."""
    monkeypatch.setattr(os, "geteuid", lambda: 1000)


def sysctl(root: Path, key: str, value: str) -> None:
    """A knob of that machine."""
    file = root / "proc/sys" / key.replace(".", "/")
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(f"{value}\n")


@pytest.mark.parametrize(
    ("key", "value", "fixed"),
    [
        ("user.max_user_namespaces", "0", "user.max_user_namespaces=15000"),
        ("kernel.unprivileged_userns_clone", "0", "kernel.unprivileged_userns_clone=1"),
        (
            "kernel.apparmor_restrict_unprivileged_userns",
            "1",
            "kernel.apparmor_restrict_unprivileged_userns=0",
        ),
    ],
)
@pytest.mark.usefixtures("ordinary")
def test_the_knob_that_forbids_is_named(tmp_path: Path, key: str, value: str, fixed: str) -> None:
    """With its value, and the command that turns it."""
    sysctl(tmp_path, key, value)
    why, mend = mending.namespace_knob("user", errno.EPERM, root=tmp_path)
    assert (why, mend) == (f"{key} is {value}", f"sudo sysctl -w {fixed}")


def test_knobs_that_allow_are_not_blamed(tmp_path: Path) -> None:
    sysctl(tmp_path, "user.max_user_namespaces", "15000")
    sysctl(tmp_path, "kernel.unprivileged_userns_clone", "1")
    sysctl(tmp_path, "kernel.apparmor_restrict_unprivileged_userns", "0")
    (tmp_path / "proc/self/ns").mkdir(parents=True)
    (tmp_path / "proc/self/ns/user").touch()
    why, _mend = mending.namespace_knob("user", errno.EPERM, root=tmp_path)
    assert why == os.strerror(errno.EPERM)


def test_a_full_limit_is_told_with_its_value(tmp_path: Path) -> None:
    sysctl(tmp_path, "user.max_net_namespaces", "7")
    why, mend = mending.namespace_knob("net", errno.ENOSPC, root=tmp_path)
    assert why == "user.max_net_namespaces is 7"
    assert "sysctl -w user.max_net_namespaces=15000" in mend


def test_a_containers_filter_is_told_as_one(tmp_path: Path) -> None:
    (tmp_path / "proc/self").mkdir(parents=True)
    (tmp_path / "proc/self/status").write_text("Name:\tx\nSeccomp:\t2\n")
    why, mend = mending.namespace_knob("user", errno.EPERM, root=tmp_path)
    assert "seccomp" in why
    assert "docker run --privileged" in mend


def test_a_kernel_without_the_namespace(tmp_path: Path) -> None:
    why, mend = mending.namespace_knob("user", errno.EINVAL, root=tmp_path)
    assert (why, mend) == ("this kernel has none", "a kernel with CONFIG_USER_NS")


@pytest.mark.usefixtures("ordinary")
def test_a_module_that_is_there_is_to_be_loaded(tmp_path: Path) -> None:
    """The file's name may have dashes where the module's has underscores."""
    folder = tmp_path / "lib/modules" / os.uname().release
    folder.mkdir(parents=True)
    (folder / "modules.dep").write_text("kernel/net/br-netfilter.ko.zst:\nkernel/x.ko: a.ko\n")
    loaded = mending.load("br_netfilter", "CONFIG_X", root=tmp_path)
    assert loaded == "sudo modprobe br_netfilter"


@pytest.mark.usefixtures("ordinary")
def test_a_module_of_another_package(tmp_path: Path) -> None:
    """Ubuntu and Fedora keep netem apart."""
    (tmp_path / "lib/modules" / os.uname().release).mkdir(parents=True)
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/os-release").write_text('NAME="x"\nID="fedora"\n')
    mend = mending.load("sch_netem", "CONFIG_X", root=tmp_path)
    assert mend == "sudo dnf install kernel-modules-extra, then sudo modprobe sch_netem"


def test_a_kernel_without_the_feature(tmp_path: Path) -> None:
    mend = mending.load("sch_netem", "CONFIG_NET_SCH_NETEM", root=tmp_path)
    assert mend == "a kernel with CONFIG_NET_SCH_NETEM (this one has no module sch_netem)"


@pytest.mark.parametrize(
    ("manager", "tool", "command"),
    [
        ("apt-get", "ping", "apt-get install iputils-ping"),
        ("apt-get", "nft", "apt-get install nftables"),
        ("dnf", "ip", "dnf install iproute"),
        ("pacman", "iptables", "pacman -S iptables-nft"),
        ("apk", "tcpdump", "apk add tcpdump"),
    ],
)
@pytest.mark.usefixtures("ordinary")
def test_packages_are_named_as_the_distribution_does(
    monkeypatch: pytest.MonkeyPatch, manager: str, tool: str, command: str
) -> None:
    monkeypatch.setattr("shutil.which", lambda name, path: name == manager or None)
    assert mending.install(tool) == f"sudo {command}"


def test_without_a_known_package_manager(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.which", lambda name, path: None)
    assert mending.install("brctl") == "install the package bridge-utils"

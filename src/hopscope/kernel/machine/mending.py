"""Which command mends what is missing: a package, a kernel module, or a knob; it runs none.

Every answer is a command that can be pasted, or says what no command can change.
"""

import errno
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Final

__all__ = ["as_root", "install", "load", "namespace_knob", "open_tun"]

_MANAGERS: Final = {
    "apt-get": "apt-get install",
    "dnf": "dnf install",
    "pacman": "pacman -S",
    "apk": "apk add",
    "zypper": "zypper install",
}
_PACKAGES: Final[Mapping[str, Mapping[str, str]]] = {
    "iptables": {"dnf": "iptables-nft", "pacman": "iptables-nft"},
    "nft": {"": "nftables"},
    "ip": {"": "iproute2", "dnf": "iproute"},
    "ping": {"": "iputils", "apt-get": "iputils-ping"},
    "arp": {"": "net-tools", "zypper": "net-tools-deprecated"},
    "brctl": {"": "bridge-utils"},
    "tcpdump": {},
    "libbpf": {"apt-get": "libbpf1", "zypper": "libbpf1"},
}
"""Where a package is not called as its tool: by manager, "" for all the others."""

_MORE_MODULES: Final = {
    "ubuntu": "apt-get install linux-modules-extra-$(uname -r)",
    "fedora": "dnf install kernel-modules-extra",
    "rhel": "dnf install kernel-modules-extra",
    "centos": "dnf install kernel-modules-extra",
}


def as_root(command: str) -> str:
    """The command as this user has to write it."""
    return command if os.geteuid() == 0 else f"sudo {command}"


def open_tun() -> str:
    """The command that lets every user make tap devices, in namespaces of their own."""
    return as_root("chmod 666 /dev/net/tun")


def install(tool: str) -> str:
    """The command that installs a tool; in words where no package manager is known."""
    import shutil  # noqa: PLC0415 - slow to load, for what is rare

    names = _PACKAGES.get(tool, {})
    for manager, command in _MANAGERS.items():
        if shutil.which(manager, path="/usr/bin:/bin:/sbin:/usr/sbin"):
            return as_root(f"{command} {names.get(manager, names.get('', tool))}")
    return f"install the package {names.get('', tool)}"


def load(module: str, config: str, *, root: Path = Path("/")) -> str:
    """The command that gives the running kernel a feature, or what kernel has it."""
    folder = root / "lib/modules" / os.uname().release
    if _lists(folder / "modules.dep", module):
        return as_root(f"modprobe {module}")
    if folder.is_dir() and (more := _MORE_MODULES.get(_distribution(root))):
        return f"{as_root(more)}, then {as_root(f'modprobe {module}')}"
    if (root / "sys/module" / module).is_dir():  # it is there, without this part
        return f"a kernel with {config}"
    return f"a kernel with {config} (this one has no module {module})"


def _lists(file: Path, module: str) -> bool:
    try:
        names = file.read_text()
    except OSError:
        return False
    return any(f"/{spelt}.ko" in names for spelt in (module, module.replace("_", "-")))


def _distribution(root: Path) -> str:
    try:
        lines = (root / "etc/os-release").read_text().splitlines()
    except OSError:
        return ""
    return next((line[3:].strip("\"'") for line in lines if line.startswith("ID=")), "")


def namespace_knob(kind: str, code: int, *, root: Path = Path("/")) -> tuple[str, str]:
    """Why the kernel refused a namespace of *kind* with *code*, and the command that allows it."""
    limit = f"user.max_{kind}_namespaces"
    if code == errno.ENOSPC or _sysctl(root, limit) == "0":
        value = _sysctl(root, limit)
        return f"{limit} is {value}", as_root(f"sysctl -w {limit}=15000")
    debian = "kernel.unprivileged_userns_clone"
    if _sysctl(root, debian) == "0":
        return f"{debian} is 0", as_root(f"sysctl -w {debian}=1")
    apparmor = "kernel.apparmor_restrict_unprivileged_userns"
    if _sysctl(root, apparmor) == "1":
        return f"{apparmor} is 1", as_root(f"sysctl -w {apparmor}=0")
    if code == errno.EPERM and _confined(root):
        return (
            "a seccomp filter, as containers have, forbids it",
            "docker run --privileged, or --security-opt seccomp=unconfined",
        )
    if not (root / f"proc/self/ns/{kind}").exists():
        config = {"mnt": "CONFIG_NAMESPACES"}.get(kind, f"CONFIG_{kind.upper()}_NS")
        return "this kernel has none", f"a kernel with {config}"
    return os.strerror(code), "run as root, and not in a chroot"


def _sysctl(root: Path, key: str) -> str | None:
    try:
        return (root / "proc/sys" / key.replace(".", "/")).read_text().strip()
    except OSError:
        return None


def _confined(root: Path) -> bool:
    try:
        return "\nSeccomp:\t2" in (root / "proc/self/status").read_text()
    except OSError:
        return False

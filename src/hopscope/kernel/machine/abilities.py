"""Abilities: what this machine can do for a lab, each measured and with the command that mends it.

It asks `trial` and the tools, and judges; it changes nothing.
"""

import ctypes
import errno
import os
import re
import shutil
import subprocess
from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import Final

from msgspec import Struct

from hopscope.kernel.machine.mending import as_root, install, load, namespace_knob, open_tun
from hopscope.kernel.machine.trial import NAMESPACES, Tried, try_out
from hopscope.kernel.state import privileged
from hopscope.kernel.tools import tool_path

__all__ = ["Ability", "Feature", "State", "abilities", "can_run"]

_WITHIN: Final = 3.0  # seconds for all attempts; they take less than a tenth of one
_UNREACHED: Final = "not tried: something before it failed, or took too long"


class State(StrEnum):
    """How far the machine has it."""

    OK = "ok"
    LIMITED = "limited"
    MISSING = "missing"


class Ability(Struct, frozen=True, kw_only=True):
    """One thing. *needed*: the reference lab does not run without it."""

    what: str
    state: State
    found: str  # as measured
    purpose: str
    mend: str = ""  # empty when it is ok
    needed: bool = False


class Feature(Struct, frozen=True, kw_only=True):
    """A part of the kernel: the attempt that shows it, and where it would come from."""

    what: str
    attempt: str
    purpose: str
    module: str
    config: str
    needed: bool = False


FEATURES: Final = (
    Feature(
        what="bridge",
        attempt="bridge",
        purpose="the switch between nodes",
        module="bridge",
        config="CONFIG_BRIDGE",
        needed=True,
    ),
    Feature(
        what="veth",
        attempt="veth",
        purpose="the cables between nodes",
        module="veth",
        config="CONFIG_VETH",
        needed=True,
    ),
    Feature(
        what="br_netfilter",
        attempt="br_netfilter",
        purpose="show bridged packets to iptables",
        module="br_netfilter",
        config="CONFIG_BRIDGE_NETFILTER",
        needed=True,
    ),
    Feature(
        what="nf_tables trace",
        attempt="trace",
        purpose="see hooks and rules that a packet meets",
        module="nf_tables",
        config="CONFIG_NF_TABLES",
        needed=True,
    ),
    Feature(
        what="nf_tables limit",
        attempt="log",
        purpose="the lines of LOG rules, at a bounded cost",
        module="nft_limit",
        config="CONFIG_NFT_LIMIT",
        needed=True,
    ),
    Feature(
        what="conntrack",
        attempt="conntrack",
        purpose="nat chains, and rules on states",
        module="nf_conntrack",
        config="CONFIG_NF_CONNTRACK",
        needed=True,
    ),
    Feature(
        what="VLAN (802.1Q)",
        attempt="vlan",
        purpose="tagged devices, by hand in a shell",
        module="8021q",
        config="CONFIG_VLAN_8021Q",
    ),
    Feature(
        what="bridge VLANs",
        attempt="bridge vlans",
        purpose="vlan_filtering and vlans in labs",
        module="bridge",
        config="CONFIG_BRIDGE_VLAN_FILTERING",
    ),
    Feature(
        what="macvlan",
        attempt="macvlan",
        purpose="macvlan devices in labs",
        module="macvlan",
        config="CONFIG_MACVLAN",
    ),
    Feature(
        what="vxlan",
        attempt="vxlan",
        purpose="vxlan devices in labs",
        module="vxlan",
        config="CONFIG_VXLAN",
    ),
    Feature(
        what="tun/tap",
        attempt="tun",
        purpose="tap devices in labs",
        module="tun",
        config="CONFIG_TUN",
    ),
    Feature(
        what="ifb",
        attempt="ifb",
        purpose="queues for incoming packets",
        module="ifb",
        config="CONFIG_IFB",
    ),
    Feature(
        what="netem",
        attempt="netem",
        purpose="delay, jitter, loss in labs",
        module="sch_netem",
        config="CONFIG_NET_SCH_NETEM",
    ),
    Feature(
        what="tbf",
        attempt="tbf",
        purpose="rate in labs",
        module="sch_tbf",
        config="CONFIG_NET_SCH_TBF",
    ),
    Feature(
        what="htb",
        attempt="htb",
        purpose="rate with kind: htb in labs",
        module="sch_htb",
        config="CONFIG_NET_SCH_HTB",
    ),
)

TOOLS: Final = {
    "ip": "ip netns exec …, in a shell of the lab",
    "ping": "ping, in a shell of the lab",
    "arp": "arp -n, in a shell of the lab",
    "brctl": "brctl show, in a shell of the lab",
    "tcpdump": "captures by hand, in a shell of the lab",
}


def abilities() -> tuple[Ability, ...]:
    """Everything, what the reference lab needs first."""
    root = privileged()
    tried = try_out(user=not root, within=_WITHIN)
    found = [
        _user_namespaces(root, tried),
        _namespaces(tried),
        _mounts(tried),
        *(_feature(feature, tried) for feature in FEATURES),
        _iptables("iptables", tried, needed=True),
        _nft(tried),
        _iptables("ip6tables", tried, needed=False),
        *(_tool(tool, purpose) for tool, purpose in TOOLS.items()),
        _bpf(tried),
        _on_host(),
    ]
    return tuple(sorted(found, key=lambda ability: not ability.needed))


def can_run(found: tuple[Ability, ...]) -> bool:
    """Whether the reference lab can run here."""
    return all(a.state is not State.MISSING for a in found if a.needed)


def _user_namespaces(root: bool, tried: Mapping[str, Tried]) -> Ability:  # noqa: FBT001
    needed = not root
    if root:  # tried apart: as root a lab does without
        tried = try_out(user=True, within=_WITHIN, inside=False)
    what, purpose = "user namespaces", "labs without root"
    outcome = _outcome(tried, "user")
    if outcome.well and (needed is False or "mounts" not in tried or tried["mounts"].well):
        said = "can be made" if needed else "can be made; as root they are not needed"
        return Ability(what=what, state=State.OK, found=said, purpose=purpose, needed=needed)
    code = outcome.code if not outcome.well else tried["mounts"].code
    why, mend = namespace_knob("user", code)
    return Ability(
        what=what, state=State.MISSING, found=why, purpose=purpose, mend=mend, needed=needed
    )


def _namespaces(tried: Mapping[str, Tried]) -> Ability:
    kinds = [kind for kind in NAMESPACES if kind != "user"]
    what, purpose = "namespaces", "a lab's own mounts, processes and networks"
    for kind in kinds:
        outcome = _outcome(tried, kind)
        if not outcome.well:
            why, mend = namespace_knob(kind, outcome.code)
            if outcome.said == _UNREACHED:
                why, mend = _UNREACHED, "mend what is above"
            return Ability(
                what=what,
                state=State.MISSING,
                found=f"{kind}: {why}",
                purpose=purpose,
                mend=mend,
                needed=True,
            )
    return Ability(what=what, state=State.OK, found=", ".join(kinds), purpose=purpose, needed=True)


def _mounts(tried: Mapping[str, Tried]) -> Ability:
    """Without its own /proc and /sys a lab still stands, if sysctls can be written."""
    names = {"mounts": "/run", "proc": "/proc", "sysfs": "/sys", "sysctl": "/proc/sys (writing)"}
    failed = {name: _outcome(tried, name) for name in names}
    failed = {name: outcome for name, outcome in failed.items() if not outcome.well}
    what, purpose = "own /proc, /sys, /run", "sysctls of nodes, and ip netns inside a lab"
    if not failed:
        said = "mounted, and sysctls can be set"
        return Ability(what=what, state=State.OK, found=said, purpose=purpose, needed=True)
    fatal = "mounts" in failed or "sysctl" in failed
    return Ability(
        what=what,
        state=State.MISSING if fatal else State.LIMITED,
        found=", ".join(f"{names[name]}: {outcome.said}" for name, outcome in failed.items()),
        purpose=purpose,
        mend="docker run --privileged, or --security-opt systempaths=unconfined",
        needed=True,
    )


def _feature(feature: Feature, tried: Mapping[str, Tried]) -> Ability:
    outcome = _outcome(tried, feature.attempt)
    found = outcome.said
    if outcome.well:
        found = "works"
        if feature.attempt == "br_netfilter":
            found = f"bridge-nf-call-iptables is {outcome.said} in a new namespace"
    return Ability(
        what=feature.what,
        state=State.OK if outcome.well else State.MISSING,
        found=found,
        purpose=feature.purpose,
        mend=_mend_feature(feature, outcome),
        needed=feature.needed,
    )


def _mend_feature(feature: Feature, outcome: Tried) -> str:
    if outcome.well:
        return ""
    if outcome.said == _UNREACHED:
        return "mend what is above"
    if feature.attempt == "conntrack" and not shutil.which("nft", path=tool_path()):
        return install("nft")
    if feature.attempt == "tun" and outcome.code in (errno.EACCES, errno.EPERM):
        return open_tun()
    return load(feature.module, feature.config)


def _iptables(tool: str, tried: Mapping[str, Tried], *, needed: bool) -> Ability:
    """The flavour matters: what iptables-legacy holds, nf_tables can neither list nor trace."""
    purpose = f"{tool} rules in labs"
    if not shutil.which(f"{tool}-restore", path=tool_path()):
        return _absent(tool, "iptables", purpose, needed=needed)
    version = _said([tool, "--version"])
    outcome = _outcome(tried, tool)
    if outcome.well and "nf_tables" in version:
        return Ability(what=tool, state=State.OK, found=version, purpose=purpose, needed=needed)
    if outcome.well:
        chosen = (
            f"update-alternatives --set {tool} {shutil.which(f'{tool}-nft') or f'…/{tool}-nft'}"
        )
        return Ability(
            what=tool,
            state=State.LIMITED,
            found=f"{version}: its rules are neither shown nor traced",
            purpose=purpose,
            mend=as_root(chosen),
            needed=needed,
        )
    return Ability(
        what=tool,
        state=State.MISSING,
        found=f"{version}: {outcome.said}",
        purpose=purpose,
        mend=load("nft_compat", "CONFIG_NFT_COMPAT, and xt_LOG"),
        needed=needed,
    )


def _nft(tried: Mapping[str, Tried]) -> Ability:
    purpose = "read rules back from the kernel"
    if not shutil.which("nft", path=tool_path()):
        return _absent("nft", "nft", purpose, needed=True)
    version, outcome = _said(["nft", "--version"]), _outcome(tried, "nft")
    return Ability(
        what="nft",
        state=State.OK if outcome.well else State.MISSING,
        found=version if outcome.well else f"{version}: {outcome.said}",
        purpose=purpose,
        mend="" if outcome.well else f"an nft with JSON: {install('nft')}",
        needed=True,
    )


def _tool(tool: str, purpose: str) -> Ability:
    path = shutil.which(tool, path=tool_path())
    if path is None:
        return _absent(tool, tool, purpose, needed=False)
    return Ability(what=tool, state=State.OK, found=path, purpose=purpose)


def _bpf(tried: Mapping[str, Tried]) -> Ability:
    """No command of this version depends on it."""
    what, purpose = "BPF tracepoints", "drop reasons; not used by this version"
    outcome = _outcome(tried, "bpf")
    if not outcome.well:
        mend = "run as root" if os.geteuid() else load("bpf", "CONFIG_BPF_EVENTS")
        said = f"loading a program: {outcome.said}"
        return Ability(what=what, state=State.LIMITED, found=said, purpose=purpose, mend=mend)
    try:
        ctypes.CDLL("libbpf.so.1")
    except OSError:
        return _absent(what, "libbpf", purpose, needed=False)
    if not Path("/sys/kernel/btf/vmlinux").exists():
        said, mend = "no type information", "a kernel with CONFIG_DEBUG_INFO_BTF"
        return Ability(what=what, state=State.LIMITED, found=said, purpose=purpose, mend=mend)
    return Ability(what=what, state=State.OK, found="libbpf, BTF, loads", purpose=purpose)


def _on_host() -> Ability:
    what, purpose = "root", "--on-host: labs on the real network"
    if os.geteuid() == 0 and privileged():
        return Ability(what=what, state=State.OK, found="this is root", purpose=purpose)
    said = "an ordinary user" if os.geteuid() else "root of a container"
    return Ability(
        what=what, state=State.LIMITED, found=said, purpose=purpose, mend="sudo hopscope …"
    )


def _absent(what: str, package: str, purpose: str, *, needed: bool) -> Ability:
    return Ability(
        what=what,
        state=State.MISSING,
        found="not installed",
        purpose=purpose,
        mend=install(package),
        needed=needed,
    )


def _outcome(tried: Mapping[str, Tried], name: str) -> Tried:
    return tried.get(name, Tried(-1, _UNREACHED))


def _said(argv: list[str]) -> str:
    """The first line that a tool prints, without its own name."""
    environment = {"PATH": tool_path(), "LC_ALL": "C"}
    try:
        done = subprocess.run(argv, capture_output=True, text=True, check=False, env=environment)
    except OSError as error:
        return error.strerror or str(error)
    first = (done.stdout.splitlines() or [""])[0]
    return re.sub(r"^\S+ v", "v", first)

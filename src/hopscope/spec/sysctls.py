"""Rules about sysctls: how they are written, and whether this kernel has them."""

from collections.abc import Collection, Iterator
from typing import Final

from hopscope.errors import Problem
from hopscope.model.lab import SysctlSpec
from hopscope.spec.faults import Fault, near, nearest, shortened
from hopscope.spec.names import sysctl_fault, sysctl_parts
from hopscope.spec.scope import LO, Listing, Scope, said
from hopscope.spec.tree import Path

__all__ = ["sysctls"]

_PER_DEVICE: Final = ("conf", "neigh")
_EVERY: Final = {"conf": ("all", "default"), "neigh": ("default",)}
_TEMPLATES: Final = ("default", LO)  # a namespace's own directory of neighbours has only lo
_WRITE_ONLY: Final = ("net/ipv4/route/flush", "net/ipv6/route/flush")
_UNLOADED: Final = "the kernel module {0} is not loaded: modprobe {0}"
_REASONS: Final = {
    "net/bridge": _UNLOADED.format("br_netfilter"),
    "net/netfilter": _UNLOADED.format("nf_conntrack"),
    "net/ipv6": "this kernel runs without IPv6",
}


def sysctls(
    scope: Scope, node: str, given: Collection[SysctlSpec], path: Path
) -> Iterator[Problem]:
    """What is wrong with the sysctls that stand at *path* for *node*."""
    for sysctl in given:
        fault = sysctl_fault(sysctl.key, sysctl.value)
        at_value = fault is not None and fault.text == sysctl.value
        fault = fault or _device(scope, node, sysctl.key) or _absent(scope, sysctl.key)
        fault = fault or _unreadable(sysctl.key)
        if fault is not None:
            yield said(fault, scope.where((*path, sysctl.key), key=not at_value))


def _device(scope: Scope, node: str, key: str) -> Fault | None:
    """Whether the key speaks of a device that the node does not have."""
    parts = sysctl_parts(key)
    if not _of_device(parts) or parts[3] in _EVERY[parts[2]]:
        return None
    fault = scope.device_fault(node, parts[3])
    dotted = [dev for dev in scope.devices.get(node, ()) if "." in dev and f".{dev}." in key]
    if fault is None or not dotted:
        return fault
    before, _, after = key.partition(f".{dotted[0]}.")
    hint = f"write {before.replace('.', '/')}/{dotted[0]}/{after.replace('.', '/')}"
    message = f"{shortened(key)} does not say where the device's name ends"
    return Fault(rule="bad-sysctl", message=message, text=key, hint=hint)


def _of_device(parts: tuple[str, ...]) -> bool:
    return len(parts) > 3 and parts[2] in _PER_DEVICE


def _unreadable(key: str) -> Fault | None:
    """Whether the kernel never tells its value: nothing could be compared, or put back."""
    if "/".join(sysctl_parts(key)) not in _WRITE_ONLY:
        return None
    message = f"{shortened(key)} can only be written: it is a command, and has no value"
    hint = f"give it by hand: hopscope exec LAB NODE -- sysctl -w {key}=1"
    return Fault(rule="bad-sysctl", message=message, text=key, hint=hint)


def _absent(scope: Scope, key: str) -> Fault | None:
    """Whether the kernel has no such sysctl; None when nobody knows."""
    listing = scope.listing
    if listing is None or listing("net") is None:
        return None
    parts = list(sysctl_parts(key))
    if _of_device(tuple(parts)):
        held = listing("/".join(parts[:3]))
        if held is not None:
            parts[3] = next((name for name in _TEMPLATES if name in held), parts[3])
            if parts[3] not in held:
                return None  # what a device has here is seen only when there is one
    return _walk(listing, tuple(parts), key)


def _walk(listing: Listing, parts: tuple[str, ...], key: str) -> Fault | None:
    """Follow *parts* down to a value; *key* is how they are written."""
    for depth in range(1, len(parts)):
        directory = "/".join(parts[:depth])
        held = listing(directory)
        if held is None:
            return _unknown(key, f"{'.'.join(parts[:depth])} is a value, and nothing is below it")
        if parts[depth] not in held:
            return _missing(parts, depth, held, key)
    held = listing("/".join(parts))
    if held is None:
        return None
    return _unknown(key, f"it is a directory, and holds {', '.join(sorted(held)[:3])} …")


def _missing(parts: tuple[str, ...], depth: int, held: Collection[str], key: str) -> Fault:
    directory = "/".join(parts[: depth + 1])
    if directory in _REASONS:
        return _unknown(key, _REASONS[directory])
    meant = nearest(parts[depth], sorted(held))
    if meant is None:
        return _unknown(key, near(parts[depth], sorted(held)))
    written = sysctl_parts(key)
    whole = ("/" if "/" in key else ".").join((*written[:depth], meant, *written[depth + 1 :]))
    return _unknown(key, f"did you mean {whole!r}?")


def _unknown(key: str, hint: str) -> Fault:
    message = f"a network namespace of this kernel has no sysctl {shortened(key)}"
    return Fault(rule="unknown-sysctl", message=message, text=key, hint=hint)

"""The part of a node's state that the kernel shows as files: sysctls and SNMP counters."""

from collections.abc import Iterator, Sequence
from typing import Final

from hopscope.kernel.protocol import Kernel
from hopscope.model.vocab import DevName, NodeName

__all__ = ["snmp", "sysctls"]

_PLAIN: Final = (
    "net.bridge.bridge-nf-call-iptables",
    "net.bridge.bridge-nf-call-ip6tables",
    "net.bridge.bridge-nf-call-arptables",
    "net.ipv4.ip_forward",
    "net.ipv4.icmp_echo_ignore_all",
    "net.ipv4.icmp_echo_ignore_broadcasts",
    "net.ipv6.icmp.echo_ignore_all",
    "net.ipv6.conf.all.forwarding",
    "net.ipv6.conf.all.disable_ipv6",
    "net.netfilter.nf_conntrack_count",
)
_PER_DEVICE: Final = (
    "net.ipv4.conf.{}.arp_ignore",
    "net.ipv4.conf.{}.arp_filter",
    "net.ipv4.conf.{}.rp_filter",
    "net.ipv4.conf.{}.forwarding",
    "net.ipv4.conf.{}.proxy_arp",
    "net.ipv6.conf.{}.disable_ipv6",
)
_COUNTERS: Final = ("/proc/net/snmp", "/proc/net/netstat")
_COUNTERS_6: Final = "/proc/net/snmp6"


def sysctls(kernel: Kernel, node: NodeName, devices: Sequence[DevName]) -> dict[str, str]:
    """The sysctls that decide about a packet, by dotted name; absent ones are left out."""
    paths = {f"/proc/sys/{key.replace('.', '/')}": key for key in _PLAIN}
    for dev in ("all", *devices):
        if dev != "lo":
            for form in _PER_DEVICE:
                path = f"/proc/sys/{form.replace('.', '/').format(dev)}"
                paths[path] = form.format(dev)
    texts = kernel.read_files(node, list(paths))
    return {key: text.strip() for path, key in paths.items() if (text := texts[path]) is not None}


def snmp(kernel: Kernel, node: NodeName) -> dict[str, int]:
    """The namespace's protocol counters, as ``Icmp.InEchos``; those at 0 are left out."""
    texts = kernel.read_files(node, [*_COUNTERS, _COUNTERS_6])
    found: dict[str, int] = {}
    for path in _COUNTERS:
        found |= _pairs_of_lines(texts[path] or "")
    found |= dict(_columns(texts[_COUNTERS_6] or ""))
    return {name: number for name, number in found.items() if number}


def _pairs_of_lines(text: str) -> dict[str, int]:
    """Names in one line, numbers in the next, each after ``Group:``."""
    lines = text.splitlines()
    found: dict[str, int] = {}
    for names, numbers in zip(lines[::2], lines[1::2], strict=False):
        group, *keys = names.split()
        values = numbers.split()[1:]
        found |= {f"{group[:-1]}.{k}": int(v) for k, v in zip(keys, values, strict=False)}
    return found


def _columns(text: str) -> Iterator[tuple[str, int]]:
    for line in text.splitlines():
        name, number = line.split()
        yield name.replace("Ip6", "Ip6.", 1).replace("Icmp6", "Icmp6.", 1), int(number)

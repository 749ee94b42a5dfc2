"""The part of a node's state that the kernel shows as files: sysctls and SNMP counters."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from hopscope.model.vocab import DevName

__all__ = ["COUNTERS", "Texts", "counters", "sysctl_files", "sysctls"]

Texts = Mapping[str, str | None]
"""By path; None for what is absent."""

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
    "net.ipv4.conf.{}.accept_local",
    "net.ipv4.conf.{}.route_localnet",
    "net.ipv6.conf.{}.disable_ipv6",
)
_SYSCTLS: Final = "/proc/sys/"
_IP: Final = ("/proc/net/snmp", "/proc/net/netstat")
_IP6: Final = "/proc/net/snmp6"
COUNTERS: Final = (*_IP, _IP6)
"""The files of the protocol counters."""


def sysctl_files(devices: Sequence[DevName]) -> list[str]:
    """Where the sysctls are that decide about a packet."""
    forms = [(form, dev) for dev in ("all", *devices) if dev != "lo" for form in _PER_DEVICE]
    return [
        *(_SYSCTLS + key.replace(".", "/") for key in _PLAIN),
        *(_SYSCTLS + form.replace(".", "/").format(dev) for form, dev in forms),
    ]


def sysctls(texts: Texts) -> dict[str, str]:
    """The sysctls that were read, by dotted name; absent ones are left out."""
    return {
        path.removeprefix(_SYSCTLS).replace("/", "."): text.strip()
        for path, text in texts.items()
        if path.startswith(_SYSCTLS) and text is not None
    }


def counters(texts: Texts) -> dict[str, int]:
    """The namespace's protocol counters that were read, as ``Icmp.InEchos``; those at 0 are not."""
    found: dict[str, int] = {}
    for path in _IP:
        found |= _pairs_of_lines(texts.get(path) or "")
    return found | dict(_columns(texts.get(_IP6) or ""))


def _pairs_of_lines(text: str) -> dict[str, int]:
    """Names in one line, numbers in the next, each after ``Group:``."""
    lines = text.splitlines()
    found: dict[str, int] = {}
    for names, numbers in zip(lines[::2], lines[1::2], strict=False):
        group, *keys = names.split()
        pairs = zip(keys, numbers.split()[1:], strict=False)
        found |= {f"{group[:-1]}.{key}": int(value) for key, value in pairs if value != "0"}
    return found


def _columns(text: str) -> Iterator[tuple[str, int]]:
    for line in text.splitlines():
        name, number = line.split()
        if number != "0":
            yield name.replace("Ip6", "Ip6.", 1).replace("Icmp6", "Icmp6.", 1), int(number)
